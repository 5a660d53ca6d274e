//! Any server that takes dynamic updates (RFC 2136) as a [`DnsProvider`]: BIND, Knot, PowerDNS. The zone is its name.
//!
//! ```text
//! read    one TCP connection to the primary server:  mark ─► every record of the names ─► mark again (the same: one moment)
//! apply   update, sent once: prerequisites = the exact old token and values ─► deletions, additions ─► NOERROR
//!         then mark, SOA: the serial that has the change ─► change id "example.com/2026112201"
//! state   every name server's SOA serial reached that one (RFC 1982): in sync
//! ```
//!
//! What holds here:
//! - **S5**: the prerequisites are the compare-and-swap (see `update`), checked and applied by the server as one. A batch
//!   whose token was not made under the fence's epoch is not sent.
//! - **A write is sent once.** Reads are repeated.
//! - **An answer is believed when its signature verifies** (RFC 8945), where a key is configured; queries are signed, too. What cannot be
//!   believed is unknown, except what cannot be signed: "bad key", "bad signature", and that a server does not hold the zone. Nothing was done then.
//! - **Only authoritative answers count.** A cache, a referral or a server that lost its zone is an error, not an empty zone.
//!
//! What it refuses: failover routing, values that it cannot write back as it read them, and to guess a serial.
//!
//! Where a zone is signed by the server in a second step (BIND's `inline-signing`), an update shows a moment later: hence the mark
//! is looked at before the serial is taken.

mod connection;
mod records;
mod spread;
mod tsig;
mod update;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{self, Name, RData, Record};
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

pub use tsig::{Tsig, TsigError};

use crate::domain::{ChangeBatch, Fence, OwnedRecords, RecordSet, RecordType};
use crate::ports::{ChangeState, Clock, DnsProvider, PortError};
use connection::{Connection, Trouble};

/// One attempt of a read, from connecting to the last answer. Authoritative servers answer from memory; the rest is the way.
const READ_LIMIT: Duration = Duration::from_secs(3);

/// How often a read is tried: a connection may break.
const READ_ATTEMPTS: usize = 2;

/// A write: after it the caller reads back, which tells more than waiting longer for an answer that may have been lost.
const WRITE_LIMIT: Duration = Duration::from_secs(8);

/// Asking one name server how far it is.
const SERIAL_LIMIT: Duration = Duration::from_secs(2);

/// How often an accepted change is looked for at the primary before its serial is taken, and the pause between two looks.
const LOOKS: usize = 5;
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Where name servers listen.
const DNS_PORT: u16 = 53;

/// The types that Quorate moves or owns.
const KINDS: [RecordType; 4] = [RecordType::A, RecordType::Aaaa, RecordType::Cname, RecordType::Txt];

/// Stands for a serial that could not be learnt.
const UNKNOWN_SERIAL: &str = "unknown";

/// A primary server and its key.
#[derive(Clone)]
pub struct Rfc2136 {
    server: SocketAddr,
    tsig: Option<Tsig>,
    clock: Arc<dyn Clock>,
    authoritative: Vec<SocketAddr>,
}

impl Rfc2136 {
    /// The primary server at this address, over TCP. Without a key it must trust this machine's address. Nothing is sent yet.
    pub fn new(server: SocketAddr, tsig: Option<Tsig>, clock: Arc<dyn Clock>) -> Self {
        Self { server, tsig, clock, authoritative: Vec::new() }
    }

    /// With these as the zone's name servers, instead of those of its NS records, when it is asked how far a change has got.
    #[must_use]
    pub fn with_servers(mut self, authoritative: Vec<SocketAddr>) -> Self {
        self.authoritative = authoritative;
        self
    }

    /// With that key instead.
    #[must_use]
    pub fn with_key(mut self, tsig: Tsig) -> Self {
        self.tsig = Some(tsig);
        self
    }

    async fn connect(&self) -> Result<Connection<'_>, Trouble> {
        Connection::open(self.server, self.tsig.as_ref(), self.clock.wall()).await
    }

    fn place(&self, zone: &str) -> String {
        format!("zone {zone} at {}", self.server)
    }

    /// Asks the questions, one round after the other and those of a round at once, and returns the answers round by round. Tried
    /// again, a few times at most, while there is none.
    async fn asking(&self, zone: &str, rounds: &[Vec<Question>]) -> Result<Vec<Vec<Message>>, PortError> {
        let mut why = String::new();
        for _ in 0..READ_ATTEMPTS {
            match timeout(READ_LIMIT, self.attempt(rounds)).await {
                Ok(Ok(answers)) => return Ok(answers),
                Ok(Err(Trouble::Key(text))) => {
                    return Err(PortError::broken(format!("{}: {text}", self.place(zone))));
                }
                Ok(Err(Trouble::Unknown(text))) => why = text,
                Err(_) => "no answer in time".clone_into(&mut why),
            }
        }
        Err(PortError::retry(format!("reading {}: {why}", self.place(zone))))
    }

    async fn attempt(&self, rounds: &[Vec<Question>]) -> Result<Vec<Vec<Message>>, Trouble> {
        let mut line = self.connect().await?;
        let mut answers = Vec::with_capacity(rounds.len());
        for round in rounds {
            answers.push(line.ask(round.iter().map(message_of).collect()).await?);
        }
        Ok(answers)
    }

    /// The answer to one question.
    async fn answer(&self, zone: &str, question: Question) -> Result<Message, PortError> {
        let mut answers = self.asking(zone, &[vec![question]]).await?.into_iter().flatten();
        answers.next().ok_or_else(|| PortError::retry(format!("reading {}: no answer", self.place(zone))))
    }

    /// The serial of a zone at its primary server.
    async fn serial(&self, zone: &str) -> Result<u32, PortError> {
        let answer = self.answer(zone, (zone_name(zone)?, rr::RecordType::SOA)).await?;
        let place = self.place(zone);
        let found = held(&answer, &place)?;
        serial_in(&found, &zone_name(zone)?)
            .ok_or_else(|| PortError::broken(format!("{place}: there is no such zone; correct `zone` or `server`")))
    }

    /// The serial under which an accepted change is in the zone; none when it cannot be learnt.
    async fn serial_with(&self, zone: &str, batch: &ChangeBatch) -> Option<u32> {
        let mark = records::name(&batch.mark()?.name).ok()?;
        let token = batch.new_token().to_string();
        for look in 1..=LOOKS {
            let answer = self.answer(zone, (mark.clone(), rr::RecordType::TXT)).await.ok()?;
            let there = answer
                .answers
                .iter()
                .any(|record| records::from_data(RecordType::Txt, &record.data).is_some_and(|text| text == token));
            if there {
                return self.serial(zone).await.ok();
            }
            if look < LOOKS {
                sleep(LOOK_PAUSE).await;
            }
        }
        None
    }

    /// The name servers to ask, with what to call them.
    async fn servers(&self, zone: &str) -> Result<Vec<(String, SocketAddr)>, PortError> {
        if !self.authoritative.is_empty() {
            return Ok(self.authoritative.iter().map(|server| (server.to_string(), *server)).collect());
        }
        let mut servers = Vec::new();
        for host in self.name_servers(zone).await? {
            let fail = |what: String| PortError::retry(format!("resolving {host}, a name server of {zone}: {what}"));
            let found = timeout(READ_LIMIT, lookup_host((host.as_str(), DNS_PORT)))
                .await
                .map_err(|_| fail("no answer in time".to_owned()))?
                .map_err(|error| fail(error.to_string()))?;
            let found: Vec<SocketAddr> = found.collect();
            // A controller without IPv6 must still be able to tell.
            let only_v6 = found.iter().all(SocketAddr::is_ipv6);
            let asked = found.into_iter().filter(|server| only_v6 || server.is_ipv4());
            servers.extend(asked.map(|server| (format!("{host} ({server})"), server)));
        }
        Ok(servers)
    }
}

/// A name and a type to ask for.
type Question = (Name, rr::RecordType);

fn message_of((name, kind): &Question) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = false;
    message.add_query(Query::query(name.clone(), *kind));
    message
}

fn zone_name(zone: &str) -> Result<Name, PortError> {
    records::name(zone).map_err(PortError::broken)
}

/// The records of an authoritative answer; none for "no such name" and "no such record".
fn held<'a>(answer: &'a Message, place: &str) -> Result<Vec<&'a Record>, PortError> {
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain if answer.metadata.authoritative => {
            Ok(answer.answers.iter().collect())
        }
        ResponseCode::NoError | ResponseCode::NXDomain => Err(PortError::broken(format!(
            "{place}: the server is not authoritative there; correct `server` (the zone's primary) or `zone`"
        ))),
        ResponseCode::Refused | ResponseCode::NotAuth => Err(PortError::broken(format!(
            "{place}: the server answers {}: it does not hold this zone, or does not let us read it; correct `server` or `zone`, \
             or allow the queries",
            update::words(answer.metadata.response_code)
        ))),
        code => Err(PortError::retry(format!("{place}: the server answers {}", update::words(code)))),
    }
}

fn serial_in(found: &[&Record], zone: &Name) -> Option<u32> {
    found.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if record.name == *zone => Some(soa.serial),
        _ => None,
    })
}

/// The record set of just this name and type, if there is one.
fn set_in(found: &[&Record], owner: &Name, kind: RecordType) -> Option<RecordSet> {
    let here = || found.iter().filter(|record| record.name == *owner);
    let mut values: Vec<String> = here().filter_map(|record| records::from_data(kind, &record.data)).collect();
    values.sort_unstable();
    let ttl_s = here().find(|record| record.record_type() == records::wire_kind(kind))?.ttl;
    Some(RecordSet {
        name: records::plain(owner),
        kind,
        ttl_s,
        values,
        alias: None,
        set_identifier: None,
        failover: None,
        health_check: None,
    })
}

#[async_trait]
impl DnsProvider for Rfc2136 {
    /// The mark is read before and after the rest: it changes with every write, so the same mark twice means that nothing of
    /// ours moved in between.
    async fn read(&self, zone: &str, names: &[&str]) -> Result<Vec<RecordSet>, PortError> {
        let place = self.place(zone);
        let Some(name) = names.first() else { return Ok(Vec::new()) };
        let mark = records::name(&OwnedRecords::mark_name(name)).map_err(PortError::broken)?;
        let owners: Vec<Name> =
            names.iter().map(|name| records::name(name)).collect::<Result<_, _>>().map_err(PortError::broken)?;
        let asked: Vec<(&Name, RecordType)> =
            owners.iter().flat_map(|owner| KINDS.map(|kind| (owner, kind))).collect();
        let of_mark = || vec![(mark.clone(), rr::RecordType::TXT)];
        let of_names = asked.iter().map(|(owner, kind)| ((*owner).clone(), records::wire_kind(*kind))).collect();
        let answers = self.asking(zone, &[of_mark(), of_names, of_mark()]).await?;
        let [before, payload, after] = answers.as_slice() else {
            return Err(PortError::retry(format!("reading {place}: no answer")));
        };
        let mark_in = |answers: &[Message]| -> Result<Option<RecordSet>, PortError> {
            let answer = answers.first().ok_or_else(|| PortError::retry(format!("reading {place}: no answer")))?;
            Ok(set_in(&held(answer, &place)?, &mark, RecordType::Txt))
        };
        let (before, after) = (mark_in(before)?, mark_in(after)?);
        if before != after {
            return Err(PortError::retry(format!("{place}: {name} was written to while it was read")));
        }
        let mut sets = Vec::new();
        for ((owner, kind), answer) in asked.iter().zip(payload) {
            sets.extend(set_in(&held(answer, &place)?, owner, *kind));
        }
        sets.extend(after);
        Ok(sets)
    }

    async fn apply(&self, fence: &Fence, zone: &str, batch: &ChangeBatch) -> Result<String, PortError> {
        let (new, place) = (batch.new_token(), self.place(zone));
        if new.epoch != fence.epoch() {
            return Err(PortError::fenced(format!(
                "{place}: the batch was made under epoch {}, and the fence is of epoch {}",
                new.epoch,
                fence.epoch()
            )));
        }
        let message = update::message(&zone_name(zone)?, batch.changes())
            .map_err(|error| PortError::broken(format!("{place}: the batch cannot be written: {error}")))?;
        let sent = async { self.connect().await?.ask_one(message).await };
        let answer = match timeout(WRITE_LIMIT, sent).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(Trouble::Key(text))) => return Err(PortError::broken(format!("{place}: {text}"))),
            Ok(Err(Trouble::Unknown(text))) => return Err(PortError::retry(format!("updating {place}: {text}"))),
            Err(_) => return Err(PortError::retry(format!("updating {place}: no answer in time"))),
        };
        let key = self.tsig.as_ref().map(|tsig| tsig.label.as_str());
        update::judge(answer.metadata.response_code, &place, key)?;
        Ok(match self.serial_with(zone, batch).await {
            Some(serial) => format!("{zone}/{serial}"),
            None => format!("{zone}/{UNKNOWN_SERIAL}"),
        })
    }

    /// An accepted update is in the primary server at once; the others learn of it by NOTIFY and a transfer. Of a change whose serial could
    /// not be learnt, the serial that the primary has now is waited for: it is that one or a later one.
    async fn change_state(&self, change: &str) -> Result<ChangeState, PortError> {
        let strange = || PortError::broken(format!("'{change}' is no change of a server of RFC 2136 (ZONE/SERIAL)"));
        let (zone, serial) = change.rsplit_once('/').ok_or_else(strange)?;
        let wanted = match serial {
            UNKNOWN_SERIAL => self.serial(zone).await?,
            number => number.parse().map_err(|_| strange())?,
        };
        let apex = zone_name(zone)?;
        let servers = self.servers(zone).await?;
        let asking = servers.iter().map(|(_, server)| serial_at(*server, &apex));
        let answers = join_all(asking).await;
        let hosts = servers.iter().map(|(host, _)| host.as_str());
        spread::state(zone, wanted, &hosts.zip(answers).collect::<Vec<_>>())
    }

    async fn has_zone(&self, zone: &str) -> Result<bool, PortError> {
        let answer = self.answer(zone, (zone_name(zone)?, rr::RecordType::SOA)).await?;
        let meta = &answer.metadata;
        // It says itself that it does not hold the zone: it refers to others, or holds only what is above.
        if matches!(meta.response_code, ResponseCode::NoError | ResponseCode::NXDomain) && !meta.authoritative {
            return Ok(false);
        }
        Ok(serial_in(&held(&answer, &self.place(zone))?, &zone_name(zone)?).is_some())
    }

    async fn name_servers(&self, zone: &str) -> Result<Vec<String>, PortError> {
        let answer = self.answer(zone, (zone_name(zone)?, rr::RecordType::NS)).await?;
        let place = self.place(zone);
        let mut servers: Vec<String> = held(&answer, &place)?
            .iter()
            .filter_map(|record| match &record.data {
                RData::NS(host) => Some(records::plain(&host.0)),
                _ => None,
            })
            .collect();
        servers.sort_unstable();
        if servers.is_empty() {
            return Err(PortError::broken(format!("{place}: there is no such zone; correct `zone` or `server`")));
        }
        Ok(servers)
    }
}

/// The zone's serial at one of its name servers. Others than the primary may not know the key, so this is not signed.
async fn serial_at(server: SocketAddr, zone: &Name) -> Result<u32, String> {
    let asking = async {
        let mut line = Connection::open(server, None, crate::domain::WallTime::default()).await?;
        line.ask_one(message_of(&(zone.clone(), rr::RecordType::SOA))).await
    };
    let answer = match timeout(SERIAL_LIMIT, asking).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(Trouble::Key(text) | Trouble::Unknown(text))) => return Err(text),
        Err(_) => return Err("no answer in time".to_owned()),
    };
    let found = held(&answer, "it").map_err(|error| error.what)?;
    serial_in(&found, zone).ok_or_else(|| "it does not hold the zone".to_owned())
}
