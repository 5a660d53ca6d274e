//! What is legal but unwise in a zone and about the sites behind it: each with what, why, and the way out. It is shown by `quorate adopt`
//! and `quorate drift`, and keeps nobody from anything.
//!
//! Numbers come from safety.md 1.4 and 1.8; what could not be looked at is said as a note, and is never a finding against anybody.

mod fate;
mod signatures;

use std::net::IpAddr;

use super::drift::ZoneSeen;
use super::{DnsLane, Failover, RecordSet, RecordType, Routing, Service, SignedAnswer};

/// The longest time to live, in seconds, with which a flip of the records reaches users within two minutes: browsers keep an answer for up
/// to 60 s more (Chromium), and a change takes up to 60 s to all servers.
const TTL_RECORDS_S: u32 = 30;
/// The same where a flag moves the name, which reaches the servers within 10 s.
const TTL_FLAG_S: u32 = 60;
/// The longest time, in seconds, for which a "no such name" may be kept.
const NEGATIVE_S: u32 = 300;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingLevel {
    /// It will hurt in a failover.
    Warning,
    /// Good to know.
    Note,
}

impl FindingLevel {
    /// The word used in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that is unwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable word for programs.
    pub code: &'static str,
    /// How much it weighs.
    pub level: FindingLevel,
    /// What.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// What to do about it.
    pub way_out: String,
}

/// A zone's start of authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Soa {
    /// The zone's name, lower case, without the final dot.
    pub zone: String,
    /// The record's time to live, in seconds.
    pub ttl_s: u32,
    /// Its last field, in seconds.
    pub minimum_s: u32,
}

impl Soa {
    /// For how long a resolver keeps a "no such name": the smaller of the two (RFC 2308, section 5), in seconds.
    pub fn negative_s(&self) -> u32 {
        self.ttl_s.min(self.minimum_s)
    }
}

/// What was found out for the lint. What could not be holds why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneFacts {
    /// Each provider's zone.
    pub zones: Vec<ZoneSeen>,
    /// The start of authority, as an authoritative server has it; none when it shows none.
    pub soa: Result<Option<Soa>, String>,
    /// The service's name, asked for with signatures; none where nobody is to look.
    pub signed: Option<Result<SignedAnswer, String>>,
    /// Names beside the moved ones that nobody has made, and what they are answered with.
    pub siblings: Vec<(String, Result<Vec<String>, String>)>,
    /// The addresses behind the primary's and the standby's URL.
    pub primary: Result<Vec<IpAddr>, String>,
    /// Likewise of the standby.
    pub standby: Result<Vec<IpAddr>, String>,
    /// The host names of the zone's servers.
    pub name_servers: Result<Vec<String>, String>,
}

/// Everything unwise, warnings first.
pub fn lint(service: &Service, facts: &ZoneFacts) -> Vec<Finding> {
    let mut found = Vec::new();
    for zone in &facts.zones {
        match &zone.records {
            Ok(records) => found.extend(of_records(service, zone.routing, records)),
            Err(why) => found.push(unchecked("the records", why)),
        }
    }
    match &facts.soa {
        Ok(soa) => found.extend(soa.as_ref().and_then(negative)),
        Err(why) => found.push(unchecked("the SOA record", why)),
    }
    if let Some(signed) = &facts.signed {
        found.extend(signatures::lint(service, signed));
    }
    for (name, answer) in &facts.siblings {
        match answer {
            Ok(answers) => found.extend(wildcard(name, answers)),
            Err(why) => found.push(unchecked("wildcards", why)),
        }
    }
    found.extend(fate::of_answers(service));
    found.extend(fate::of_sites(service, &facts.primary, &facts.standby));
    found.extend(fate::of_servers(&facts.name_servers));
    found.sort_by_key(|finding| finding.level);
    found.dedup();
    found
}

fn warning(code: &'static str, what: String, why: &str, way_out: &str) -> Finding {
    let (why, way_out) = (why.to_owned(), way_out.to_owned());
    Finding { code, level: FindingLevel::Warning, what, why, way_out }
}

fn note(code: &'static str, what: String, why: &str, way_out: &str) -> Finding {
    Finding { level: FindingLevel::Note, ..warning(code, what, why, way_out) }
}

fn unchecked(what: &str, why: &str) -> Finding {
    note("unchecked", format!("{what} could not be looked at: {why}"), "nothing is known of it", "look again")
}

fn of_records(service: &Service, routing: Routing, records: &[RecordSet]) -> Vec<Finding> {
    let mut found = Vec::new();
    for moved in service.moved() {
        let (name, kind) = (&moved.name, moved.kind);
        let of_name = || records.iter().filter(|set| set.name == moved.name);
        let sets: Vec<&RecordSet> = of_name().filter(|set| set.kind == kind).collect();
        found.extend(ttl(service, &sets));
        let other_routing = sets.iter().any(|set| match routing {
            Routing::Failover => set.failover.is_none(),
            Routing::Simple => set.set_identifier.is_some() || set.failover.is_some(),
        });
        if other_routing {
            found.push(warning(
                "mixed-routing",
                format!("{name} {kind} has records whose routing is not \"{}\"", routing.as_str()),
                "which of them answers is then not Quorate's decision, and a flip is refused",
                "remove them, or choose the routing that the zone has",
            ));
        }
        let answers = |kind| matches!(kind, RecordType::A | RecordType::Aaaa | RecordType::Cname);
        let moves = |set: &RecordSet| service.moved().any(|other| other.name == set.name && other.kind == set.kind);
        for other in of_name().filter(|set| answers(set.kind) && !moves(set)) {
            found.push(warning(
                "other-type",
                format!("{name} also has {} records, which do not move", other.kind),
                "whoever uses them stays on the broken site after a flip",
                "add the type under [[service.dns.also]], or remove the records",
            ));
        }
        found.extend(health_checks(service, &sets));
    }
    found
}

fn ttl(service: &Service, sets: &[&RecordSet]) -> Option<Finding> {
    let (most, lane) =
        if service.dns.lane == DnsLane::Records { (TTL_RECORDS_S, "records") } else { (TTL_FLAG_S, "flag") };
    let longest = sets.iter().filter(|set| set.alias.is_none()).max_by_key(|set| set.ttl_s)?;
    (longest.ttl_s > most).then(|| {
        warning(
            "ttl",
            format!("{} {} has a TTL of {} s", longest.name, longest.kind, longest.ttl_s),
            "visitors stay on the broken site for that long after a flip, and browsers for up to a minute more",
            &format!(
                "{most} s is advised where the {lane} moves the name: set `ttl`, and then quorate drift --repair"
            ),
        )
    })
}

fn health_checks(service: &Service, sets: &[&RecordSet]) -> Vec<Finding> {
    let mut found = Vec::new();
    for set in sets {
        let (name, kind) = (&set.name, set.kind);
        let id = set.set_identifier.as_deref().unwrap_or_default();
        match (set.failover, &set.health_check) {
            (Some(Failover::Primary), None) if service.dns.lane.has_flag() && set.alias.is_none() => {
                found.push(warning(
                    "primary-without-health-check",
                    format!("the PRIMARY record '{id}' of {name} {kind} has no health check"),
                    "the flag moves nobody: Route 53 looks for it by that check, and a record without one is always healthy",
                    "set health_check of the primary site to the calculated check over the flag's stores (docs/flags.md)",
                ));
            }
            (Some(Failover::Secondary), Some(check)) => found.push(warning(
                "secondary-with-health-check",
                format!("the SECONDARY record '{id}' of {name} {kind} has the health check {check}"),
                "when it fails, Route 53 answers the PRIMARY however broken that is: it could pull everyone back",
                "take the health check off the standby's record",
            )),
            _ => {}
        }
    }
    found
}

fn negative(soa: &Soa) -> Option<Finding> {
    (soa.negative_s() > NEGATIVE_S).then(|| {
        warning(
            "negative-ttl",
            format!(
                "resolvers keep a \"no such name\" of {} for {} s (SOA: TTL {} s, minimum {} s)",
                soa.zone,
                soa.negative_s(),
                soa.ttl_s,
                soa.minimum_s
            ),
            "a moment without the record costs that long, after everything is well again",
            "set the SOA's TTL to 60 to 300 s, in a zone of its own for names that fail over",
        )
    })
}

fn wildcard(asked: &str, answers: &[String]) -> Option<Finding> {
    let parent = asked.split_once('.').map_or(asked, |(_, parent)| parent);
    (!answers.is_empty()).then(|| {
        warning(
            "wildcard",
            format!("*.{parent} answers {} for names that nobody has made", answers.join(", ")),
            "if the record is ever gone, users get that answer instead of an error, and no check notices a missing name",
            "keep names that fail over in a zone of their own, without a wildcard",
        )
    })
}

/// Names that a wildcard beside the moved ones would answer for, with a label that nobody has made; none for a name of one label.
pub fn siblings(service: &Service, label: &str) -> Vec<(String, RecordType)> {
    let mut found: Vec<(String, RecordType)> = Vec::new();
    for moved in service.moved() {
        let Some((_, parent)) = moved.name.split_once('.').filter(|(_, parent)| parent.contains('.')) else {
            continue;
        };
        let sibling = (format!("{label}.{parent}"), moved.kind);
        if !found.contains(&sibling) {
            found.push(sibling);
        }
    }
    found
}
