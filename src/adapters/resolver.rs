//! Asking one name server, and nobody else: the [`Resolver`] that flips are verified with.
//!
//! A question goes to just the server that was named, over UDP, and again over TCP when the answer does not fit. There is no
//! cache, no search list, no fallback to another server, and recursion is not asked for: what comes back is what this
//! server itself holds (S20 and the verification after a flip depend on it).
//!
//! What it refuses: an answer to another question or from another address, and to call a server's failure an empty answer.
//! SERVFAIL, REFUSED, a referral to other servers, silence and garbage are errors; only "no such name" and "no such record" are empty.

pub mod own;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{self, Name, RData, Record};
use tokio::time::timeout;

use super::question::dnssec::{self, Asked};
use super::question::{Manner, exchange, values};
use crate::domain::zone_lint::Soa;
use crate::domain::{Dnssec, RecordType, SignedAnswer};
use crate::ports::{PortError, Resolver};

/// How long this machine's own resolution may take; glibc gives up on one server after 5 s.
const SYSTEM_LIMIT: Duration = Duration::from_secs(6);

/// Direct DNS questions, with Hickory's reading and writing of messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hickory;

impl Hickory {
    /// A resolver; it holds nothing.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Resolver for Hickory {
    async fn ask(&self, server: SocketAddr, name: &str, kind: RecordType) -> Result<Vec<String>, PortError> {
        let query = question_for(name, wire_kind(kind))?;
        let fail = |what: String| PortError::retry(format!("asking {server} for {name} {kind}: {what}"));
        let answer = exchange(server, &query, Manner::DIRECT).await.map_err(fail)?;
        values(&answer, &query).map_err(fail)
    }

    async fn ask_signed(
        &self,
        rules: &Dnssec,
        questions: &[(SocketAddr, String, RecordType)],
    ) -> Vec<Result<SignedAnswer, PortError>> {
        let asked: Result<Vec<Asked>, PortError> = questions
            .iter()
            .map(|(server, name, kind)| Ok(Asked { server: *server, query: question_for(name, wire_kind(*kind))? }))
            .collect();
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) => return questions.iter().map(|_| Err(error.clone())).collect(),
        };
        let found = dnssec::ask(rules, &asked).await;
        let answers = asked.iter().zip(questions).zip(found).map(|((asked, (server, name, kind)), judged)| {
            let fail =
                |what: String| PortError::retry(format!("asking {server} for {name} {kind} with signatures: {what}"));
            judged.and_then(|judged| dnssec::signed_answer(judged, &asked.query)).map_err(fail)
        });
        answers.collect()
    }

    async fn soa(&self, server: SocketAddr, name: &str) -> Result<Option<Soa>, PortError> {
        let fail = |what: String| PortError::retry(format!("asking {server} for the SOA of {name}: {what}"));
        let answer =
            exchange(server, &question_for(name, rr::RecordType::SOA)?, Manner::DIRECT).await.map_err(fail)?;
        let Some(found) = start_of_authority(&answer).map_err(fail)? else { return Ok(None) };
        // Beside a "no", its time to live is not its own (RFC 2308, section 3): the zone itself is asked.
        let answer =
            exchange(server, &question_for(&found.zone, rr::RecordType::SOA)?, Manner::DIRECT).await.map_err(fail)?;
        start_of_authority(&answer).map_err(fail)
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, PortError> {
        let fail = |what: String| PortError::retry(format!("resolving {host}: {what}"));
        // The port is of no interest; the system's interface wants one.
        let found = timeout(SYSTEM_LIMIT, tokio::net::lookup_host((host, 53)))
            .await
            .map_err(|_| fail("no answer in time".to_owned()))?
            .map_err(|error| fail(error.to_string()))?;
        let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        Ok(addresses)
    }
}

fn question_for(name: &str, kind: rr::RecordType) -> Result<Query, PortError> {
    Ok(Query::query(owner(name).map_err(PortError::broken)?, kind))
}

/// The name as a question holds it: complete, so that no search list applies.
fn owner(name: &str) -> Result<Name, String> {
    let mut owner =
        Name::from_ascii(name).map_err(|error| format!("'{name}' is not a name that DNS can hold: {error}"))?;
    owner.set_fqdn(true);
    Ok(owner)
}

/// The start of authority in an answer, beside a "no", or in its own right.
fn start_of_authority(answer: &Message) -> Result<Option<Soa>, String> {
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        code => return Err(format!("the server says {code}")),
    }
    let soa = |record: &Record| match &record.data {
        RData::SOA(soa) => Some(Soa {
            zone: record.name.to_ascii().trim_end_matches('.').to_ascii_lowercase(),
            ttl_s: record.ttl,
            minimum_s: soa.minimum,
        }),
        _ => None,
    };
    Ok(answer.answers.iter().chain(&answer.authorities).find_map(soa))
}

fn wire_kind(kind: RecordType) -> rr::RecordType {
    match kind {
        RecordType::A => rr::RecordType::A,
        RecordType::Aaaa => rr::RecordType::AAAA,
        RecordType::Cname => rr::RecordType::CNAME,
        RecordType::Txt => rr::RecordType::TXT,
    }
}
