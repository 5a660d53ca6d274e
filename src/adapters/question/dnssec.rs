//! Whether signed answers are good: hickory's validation, with each question to whom it must be put.
//!
//! First the zones above say whether the zone is signed: resolvers are asked, and their answers are validated. Then, where it is, each server's
//! answers are validated with the keys that this very server has.
//!
//! What it refuses: to call bogus what could not be found out. A resolver that is silent, that does not pass signatures on, or that knows no such
//! zone (a private one, whose key nobody has configured) leaves the question open.

mod anchors;
mod route;
mod why;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::dnssec::Proof;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

use self::anchors::{NoTrust, Trusted, nearest};
use self::route::{Heard, Proven, Route, least, shown};
use super::{Manner, exchange, system, values};
use crate::domain::{Dnssec, SignedAnswer, Trust};

/// How long the zones above, and then each answer, may take: after a flip people are waiting.
const LIMIT: Duration = Duration::from_secs(6);

/// So many of the system's resolvers are asked, as glibc does.
const RESOLVERS_MAX: usize = 3;

/// What the zones above say of a zone.
#[derive(Debug, Clone)]
enum Above {
    /// Its answers must be good.
    Signed,
    Unsigned(String),
    Unknown(String),
    Bogus(String),
}

/// A question for one server.
#[derive(Debug, Clone)]
pub(in crate::adapters) struct Asked {
    /// Who is asked.
    pub(in crate::adapters) server: SocketAddr,
    /// What.
    pub(in crate::adapters) query: Query,
}

/// What one server answered, as it came, and what its signatures say.
#[derive(Debug, Clone)]
pub(in crate::adapters) struct Judged {
    /// The answer.
    pub(in crate::adapters) answer: Message,
    /// What was found.
    pub(in crate::adapters) trust: Trust,
}

/// One round of questions.
struct Round<'a> {
    rules: &'a Dnssec,
    resolvers: Vec<SocketAddr>,
    heard: Heard,
}

/// Asks servers that hold the zones of the names: one result for each question, in their order.
///
/// # Errors
/// In words: the server that could not be asked, and why.
pub(in crate::adapters) async fn ask(rules: &Dnssec, questions: &[Asked]) -> Vec<Result<Judged, String>> {
    let round = Round::new(rules).await;
    let zones = join_all(questions.iter().map(zone_of)).await;
    let mut different: Vec<Name> = zones.iter().flatten().cloned().collect();
    different.sort_unstable();
    different.dedup();
    let above = join_all(different.iter().map(async |zone| (zone, round.above(zone).await))).await;
    let found = questions.iter().zip(zones).map(async |(asked, zone)| {
        let zone = zone?;
        let above = above.iter().find(|(of, _)| **of == zone).map(|(_, above)| above.clone());
        round.judge(asked, &zone, above.unwrap_or_else(|| Above::Unknown("the zone is not known".to_owned()))).await
    });
    join_all(found).await
}

/// Asks a resolver, and validates what it passes on; it must be one that asks others.
///
/// # Errors
/// In words: why there is no answer.
pub(in crate::adapters) async fn ask_resolver(rules: &Dnssec, asked: &Asked) -> Result<Judged, String> {
    let round = Round { rules, resolvers: vec![asked.server], heard: Heard::default() };
    let route = Route::above(&round.resolvers, &round.heard);
    // Its plain answer comes first: what is not signed at all must not fail with the keys of the root.
    let answer = route.ask(&asked.query).await?;
    let trust = match Trusted::of(&rules.anchors, asked.query.name(), &route).await {
        Ok(trusted) => round.proven(asked, asked.query.name(), &route, &trusted).await.map(|judged| judged.trust)?,
        Err(NoTrust::Unknown(why)) => Trust::Unknown(why),
        Err(NoTrust::Bogus(why)) => Trust::Bogus(why),
    };
    Ok(Judged { answer, trust })
}

/// What is answered, and what that is worth.
pub(in crate::adapters) fn signed_answer(judged: Judged, query: &Query) -> Result<SignedAnswer, String> {
    Ok(SignedAnswer {
        values: values(&judged.answer, query)?,
        holds_s: why::holds_s(&judged.answer, query),
        trust: judged.trust,
    })
}

/// The zone that the server holds the name in.
async fn zone_of(asked: &Asked) -> Result<Name, String> {
    let mut name = asked.query.name().clone();
    loop {
        let query = Query::query(name.clone(), RecordType::SOA);
        let answer = exchange(asked.server, &query, Manner::DIRECT).await?;
        if !matches!(answer.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain) {
            return Err(format!("the server says {}", answer.metadata.response_code));
        }
        let mut said = answer.answers.iter().chain(&answer.authorities);
        // An alias' target may bring another zone's.
        let found = said.find(|record| record.record_type() == RecordType::SOA && record.name.zone_of(&name));
        if let Some(soa) = found {
            return Ok(soa.name.clone());
        }
        if name.is_root() {
            return Err("the server shows no zone that the name is in".to_owned());
        }
        name = name.base_name();
    }
}

impl<'a> Round<'a> {
    async fn new(rules: &'a Dnssec) -> Self {
        let resolvers = if rules.resolvers.is_empty() {
            // Without them everything about the zones above stays open, and says so.
            let system = tokio::task::spawn_blocking(system).await.ok().and_then(Result::ok).unwrap_or_default();
            system.into_iter().take(RESOLVERS_MAX).collect()
        } else {
            rules.resolvers.clone()
        };
        Self { rules, resolvers, heard: Heard::default() }
    }

    async fn above(&self, zone: &Name) -> Above {
        // A key of the zone itself needs nobody above.
        if nearest(&self.rules.anchors, zone).as_ref() == Some(zone) {
            return Above::Signed;
        }
        let route = Route::above(&self.resolvers, &self.heard);
        let late = || {
            let unasked = route.unasked().map(|why| format!(" ({why})")).unwrap_or_default();
            Above::Unknown(format!("no end within {} s{unasked}", LIMIT.as_secs()))
        };
        timeout(LIMIT, self.delegation(zone, &route)).await.unwrap_or_else(|_| late())
    }

    /// Whether the zone's parent has a DS for it, which is what makes it a signed one to others.
    async fn delegation(&self, zone: &Name, route: &Route) -> Above {
        let trusted = match Trusted::of(&self.rules.anchors, zone, route).await {
            Ok(trusted) => trusted,
            Err(NoTrust::Unknown(why)) => return Above::Unknown(why),
            Err(NoTrust::Bogus(why)) => return Above::Bogus(why),
        };
        if zone.is_root() {
            return Above::Signed;
        }
        let query = Query::query(zone.clone(), RecordType::DS);
        let name = shown(zone);
        let is_ds = |answer: &Message| answer.answers.iter().any(|record| record.record_type() == RecordType::DS);
        let (answer, proof) = match route.prove(&query, &trusted).await {
            Proven::Answer(answer) if is_ds(&answer) => {
                let proof = least(answer.answers.iter());
                (answer, proof)
            }
            Proven::Answer(answer) => return denied(&name, &answer),
            Proven::NoDenial(answer, proof) => (answer, proof),
            Proven::Failed(why) => return Above::Unknown(route.unasked().unwrap_or(why)),
        };
        if let Some(unasked) = route.unasked() {
            return Above::Unknown(unasked);
        }
        match proof {
            Proof::Secure => Above::Signed,
            Proof::Insecure => Above::Unsigned(format!("the zones above {name} are not signed")),
            Proof::Bogus | Proof::Indeterminate if !has_signatures(&answer) => Above::Unknown(format!(
                "the answer to {name} DS has no signatures: the resolver does not pass them on (dnssec_resolvers names others), or has \
                 the zone from elsewhere (dnssec_anchor gives its key)"
            )),
            Proof::Bogus | Proof::Indeterminate => {
                let parent = signer(&answer).unwrap_or_else(|| zone.base_name());
                Above::Bogus(format!(
                    "the word of {} on {name} DS: {}",
                    shown(&parent),
                    why::of_answer(&parent, &answer, route)
                ))
            }
        }
    }

    async fn judge(&self, asked: &Asked, zone: &Name, above: Above) -> Result<Judged, String> {
        let route = Route::above(&self.resolvers, &self.heard).within(zone, asked.server);
        if !matches!(above, Above::Signed) {
            let answer = exchange(asked.server, &asked.query, Manner { signed: true, ..Manner::DIRECT }).await?;
            let vain =
                if has_signatures(&answer) { "; the signatures that it gives tell nobody anything" } else { "" };
            let trust = match above {
                Above::Unsigned(why) => Trust::Insecure(format!("{why}{vain}")),
                Above::Bogus(why) => Trust::Bogus(why),
                Above::Unknown(why) => Trust::Unknown(why),
                Above::Signed => Trust::Secure,
            };
            return Ok(Judged { answer, trust });
        }
        let validated = async {
            match Trusted::of(&self.rules.anchors, zone, &route).await {
                Ok(trusted) => self.proven(asked, zone, &route, &trusted).await,
                Err(no) => {
                    let answer = route.ask(&asked.query).await?;
                    let trust = match no {
                        NoTrust::Unknown(why) => Trust::Unknown(why),
                        NoTrust::Bogus(why) => Trust::Bogus(why),
                    };
                    Ok(Judged { answer, trust })
                }
            }
        };
        match timeout(LIMIT, validated).await {
            Ok(judged) => judged,
            Err(_) => Err(format!("no validated answer within {} s", LIMIT.as_secs())),
        }
    }

    async fn proven(&self, asked: &Asked, zone: &Name, route: &Route, trusted: &Trusted) -> Result<Judged, String> {
        let (answer, proof) = match route.prove(&asked.query, trusted).await {
            Proven::Answer(answer) => {
                let proof = least(answer.answers.iter());
                (answer, proof)
            }
            Proven::NoDenial(answer, proof) => (answer, proof),
            Proven::Failed(why) => return Err(why),
        };
        let trust = match (proof, route.unasked()) {
            (Proof::Secure, _) => Trust::Secure,
            (_, Some(why)) => Trust::Unknown(why),
            (Proof::Insecure, None) => {
                Trust::Insecure("no chain of signatures leads there, and none has to".to_owned())
            }
            (Proof::Bogus | Proof::Indeterminate, None) => {
                let zone = signer(&answer).filter(|signer| zone.zone_of(signer) || signer.zone_of(zone));
                let zone = zone.unwrap_or_else(|| asked.query.name().base_name());
                Trust::Bogus(why::of_answer(&zone, &answer, route))
            }
        };
        Ok(Judged { answer, trust })
    }
}

/// A proven "no DS": an unsigned zone, or none at all.
fn denied(name: &str, answer: &Message) -> Above {
    let mut by_name = false;
    for record in answer.authorities.iter().filter(|record| record.proof.is_secure()) {
        let (types, opt_out) = match &record.data {
            RData::DNSSEC(DNSSECRData::NSEC(nsec)) => (nsec.type_set(), false),
            RData::DNSSEC(DNSSECRData::NSEC3(nsec)) => (nsec.type_set(), nsec.opt_out()),
            _ => continue,
        };
        by_name = true;
        let delegates = types.contains(RecordType::NS) && !types.contains(RecordType::SOA);
        if answer.metadata.response_code == ResponseCode::NoError && (opt_out || delegates) {
            return Above::Unsigned(format!("the parent of {name} has no DS for it"));
        }
    }
    if by_name {
        return Above::Unknown(format!(
            "the zones above do not know {name}: a private zone needs dnssec_anchor, its key's DS record"
        ));
    }
    Above::Unsigned(format!("a zone above {name} is not signed"))
}

fn has_signatures(answer: &Message) -> bool {
    answer.answers.iter().chain(&answer.authorities).any(|record| record.record_type() == RecordType::RRSIG)
}

/// The zone that signs the answer.
fn signer(answer: &Message) -> Option<Name> {
    answer.answers.iter().chain(&answer.authorities).find_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(sig)) => Some(sig.input().signer_name.clone()),
        _ => None,
    })
}
