//! Who is asked what: a zone's own questions go to one of its servers, all others to resolvers.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, stream};
use hickory_proto::dnssec::Proof;
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::FirstAnswer;
use hickory_resolver::net::{DnsError, DnsHandle, NetError};

use super::super::{Manner, exchange};
use super::anchors::Trusted;

/// How often a question about the zones above is sent to one resolver over UDP: there may be others, and a person may be waiting.
const RESOLVER_ATTEMPTS: usize = 2;

/// What resolvers have answered, for all questions of one round: they are the same for each server and name.
pub(super) type Heard = Arc<Mutex<Vec<(Query, Message)>>>;

/// One way through the tree, and what went wrong on it.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// The zone and the server that its questions go to; none where resolvers are asked everything.
    zone: Option<(Name, SocketAddr)>,
    resolvers: Arc<[SocketAddr]>,
    heard: Heard,
    /// Who could not be asked. hickory calls that bogus, too: this is what tells the two apart.
    unasked: Arc<Mutex<Vec<String>>>,
    /// What the zone's server has answered.
    told: Heard,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Route {
    /// Everything to these resolvers.
    pub(super) fn above(resolvers: &[SocketAddr], heard: &Heard) -> Self {
        let (heard, resolvers) = (Arc::clone(heard), resolvers.into());
        Self { zone: None, resolvers, heard, unasked: Arc::default(), told: Arc::default() }
    }

    /// The zone's own questions to that server.
    pub(super) fn within(self, zone: &Name, server: SocketAddr) -> Self {
        Self { zone: Some((zone.clone(), server)), ..self }
    }

    /// Who could not be asked, and why; none when everybody answered.
    pub(super) fn unasked(&self) -> Option<String> {
        let unasked = lock(&self.unasked);
        (!unasked.is_empty()).then(|| unasked.join("; "))
    }

    /// An answer that was heard on the way.
    pub(super) fn heard(&self, name: &Name, kind: RecordType) -> Option<Message> {
        let query = Query::query(name.clone(), kind);
        let find =
            |heard: &Heard| lock(heard).iter().find(|(asked, _)| *asked == query).map(|(_, said)| said.clone());
        find(&self.told).or_else(|| find(&self.heard))
    }

    /// One answer, not validated.
    pub(super) async fn ask(&self, query: &Query) -> Result<Message, String> {
        let known = self.heard(query.name(), query.query_type());
        if let Some(known) = known {
            return Ok(known);
        }
        let (answer, book) = match self.server_of(query) {
            Some(server) => {
                let manner = Manner { signed: true, ..Manner::DIRECT };
                (exchange(server, query, manner).await.map_err(|why| told(server, query, &why)), &self.told)
            }
            None => (self.ask_resolvers(query).await, &self.heard),
        };
        match answer {
            Ok(answer) => {
                lock(book).push((query.clone(), answer.clone()));
                Ok(answer)
            }
            Err(why) => {
                let mut unasked = lock(&self.unasked);
                if !unasked.contains(&why) {
                    unasked.push(why.clone());
                }
                Err(why)
            }
        }
    }

    /// The zone's DS records are its parent's (RFC 4035, section 3.1.4.1).
    fn server_of(&self, query: &Query) -> Option<SocketAddr> {
        let (zone, server) = self.zone.as_ref()?;
        let parents = query.query_type() == RecordType::DS && query.name() == zone;
        (zone.zone_of(query.name()) && !parents).then_some(*server)
    }

    async fn ask_resolvers(&self, query: &Query) -> Result<Message, String> {
        let mut why = "no resolver to ask about the zones above".to_owned();
        for resolver in self.resolvers.iter() {
            let manner = Manner { recursion: true, attempts: RESOLVER_ATTEMPTS, signed: true };
            why = match exchange(*resolver, query, manner).await {
                Ok(answer) if is_answer(&answer) => return Ok(answer),
                Ok(answer) => told(*resolver, query, &format!("it says {}", answer.metadata.response_code)),
                Err(why) => told(*resolver, query, &why),
            };
        }
        Err(why)
    }

    /// The answer with a proof on each record.
    pub(super) async fn prove(&self, query: &Query, trusted: &Trusted) -> Proven {
        let handle = DnssecDnsHandle::with_trust_anchor(self.clone(), trusted.anchors());
        match handle.lookup(query.clone(), DnsRequestOptions::default()).first_answer().await {
            Ok(answer) => Proven::Answer(answer.into_message()),
            Err(NetError::Dns(DnsError::Nsec { response, proof, .. })) => {
                Proven::NoDenial(response.into_message(), proof)
            }
            Err(error) => Proven::Failed(error.to_string()),
        }
    }
}

fn told(who: SocketAddr, query: &Query, why: &str) -> String {
    format!("asking {who} for {} {}: {why}", shown(query.name()), query.query_type())
}

/// A name as people write it.
pub(super) fn shown(name: &Name) -> String {
    let text = name.to_ascii();
    if text == "." { text } else { text.trim_end_matches('.').to_ascii_lowercase() }
}

fn is_answer(answer: &Message) -> bool {
    matches!(answer.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
}

/// What came of a validation.
#[derive(Debug)]
pub(super) enum Proven {
    /// Each record has its proof; a denial in it is proven, or lies in an unsigned zone.
    Answer(Message),
    /// It says that there is nothing, or comes from a wildcard, and what should prove that does not.
    NoDenial(Message, Proof),
    /// There is no answer to judge.
    Failed(String),
}

/// The least of all records' proofs; `records` without any are secure.
pub(super) fn least<'a>(records: impl Iterator<Item = &'a Record>) -> Proof {
    let judged = records.filter(|record| record.record_type() != RecordType::RRSIG).map(|record| record.proof);
    judged.min().unwrap_or(Proof::Secure)
}

impl DnsHandle for Route {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let route = self.clone();
        Box::pin(stream::once(async move {
            let Some(query) = request.queries.first() else {
                return Err(NetError::from("a request without a question"));
            };
            let answer = route.ask(query).await.map_err(NetError::from)?;
            if !is_answer(&answer) {
                let why = told_of(&route, query, &answer);
                lock(&route.unasked).push(why.clone());
                return Err(NetError::from(why));
            }
            DnsResponse::from_message(answer).map_err(NetError::from)
        }))
    }
}

fn told_of(route: &Route, query: &Query, answer: &Message) -> String {
    let why = format!("it says {}", answer.metadata.response_code);
    match route.server_of(query) {
        Some(server) => told(server, query, &why),
        None => format!("{} {}: {why}", shown(query.name()), query.query_type()),
    }
}
