//! What an authoritative name server answers from a zone's served records: exact matches, wildcards, CNAME chains,
//! delegations, the two kinds of "no", and failover routing. Pure: no socket, no clock.

use super::name::DnsName;
use super::record::{FailoverRole, RecordKind, RecordSet, Records};

/// The longest chain of CNAMEs followed inside a zone.
const CNAME_CHAIN_MAX: usize = 8;

/// The type of records a question asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum Wanted {
    /// One type that the lab serves.
    Kind(RecordKind),
    /// A type that no record of the lab has.
    NoneHere,
    /// Any.
    Any,
}

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum Status {
    /// There is an answer, or the name exists without one.
    NoError,
    /// The name does not exist.
    NoSuchName,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab) struct Reply {
    pub(in crate::lab) status: Status,
    /// Not for a referral.
    pub(in crate::lab) authoritative: bool,
    /// With the names they are answered under, which a wildcard's are not their own.
    pub(in crate::lab) answers: Vec<RecordSet>,
    /// The SOA of a "no", or the NS of a referral.
    pub(in crate::lab) authority: Vec<RecordSet>,
}

/// Answers a question about a name inside `zone`.
pub(in crate::lab) fn look_up(
    zone: &DnsName,
    records: &Records,
    asked: &DnsName,
    wanted: Wanted,
    healthy: impl Fn(&str) -> bool,
) -> Reply {
    let mut reply =
        Reply { status: Status::NoError, authoritative: true, answers: Vec::new(), authority: Vec::new() };
    let mut name = asked.clone();
    for _ in 0..=CNAME_CHAIN_MAX {
        if let Some(delegation) = delegation(zone, records, &name) {
            reply.authoritative = !reply.answers.is_empty();
            reply.authority = vec![delegation];
            return reply;
        }
        let Some(sets) = sets_of(zone, records, &name, &healthy) else {
            reply.status = Status::NoSuchName;
            break;
        };
        let is_wanted = |set: &RecordSet| wanted == Wanted::Any || wanted == Wanted::Kind(set.kind);
        let (matching, others): (Vec<_>, Vec<_>) = sets.into_iter().partition(is_wanted);
        if !matching.is_empty() {
            reply.answers.extend(matching);
            return reply;
        }
        let Some(alias) = others.into_iter().find(|set| set.kind == RecordKind::Cname) else { break };
        let target = alias.values.first().and_then(|value| DnsName::parse(value).ok());
        reply.answers.push(alias);
        match target {
            Some(target) if target.is_within(zone) => name = target,
            _ => return reply,
        }
    }
    reply.authority = records.at(zone).filter(|set| set.kind == RecordKind::Soa).cloned().collect();
    reply
}

/// The NS set of the highest delegation between the zone's apex and the name.
fn delegation(zone: &DnsName, records: &Records, name: &DnsName) -> Option<RecordSet> {
    let up = std::iter::successors(Some(name.clone()), DnsName::parent).take_while(|name| name != zone);
    up.filter_map(|name| records.at(&name).find(|set| set.kind == RecordKind::Ns).cloned()).last()
}

/// The record sets a name answers with, one a type; nothing when the name does not exist.
fn sets_of(
    zone: &DnsName,
    records: &Records,
    name: &DnsName,
    healthy: &impl Fn(&str) -> bool,
) -> Option<Vec<RecordSet>> {
    if records.exists(name) {
        return Some(routed(records.at(name), healthy));
    }
    let above = std::iter::successors(name.parent(), DnsName::parent).take_while(|name| name.is_within(zone));
    let wildcard = above.into_iter().find(|above| records.exists(above))?.wildcard();
    let sets = routed(records.at(&wildcard), healthy);
    let synthesised = sets.into_iter().map(|set| RecordSet { name: name.clone(), ..set });
    Some(synthesised.collect::<Vec<_>>()).filter(|sets| !sets.is_empty())
}

/// One set a type: the only one, or the one that failover routing chooses.
fn routed<'a>(sets: impl Iterator<Item = &'a RecordSet>, healthy: &impl Fn(&str) -> bool) -> Vec<RecordSet> {
    let mut by_kind: Vec<Vec<&RecordSet>> = Vec::new();
    for set in sets {
        match by_kind.last_mut().filter(|group| group.iter().any(|other| other.kind == set.kind)) {
            Some(group) => group.push(set),
            None => by_kind.push(vec![set]),
        }
    }
    by_kind.into_iter().filter_map(|group| choose(&group, healthy).cloned()).collect()
}

/// The primary while it is healthy; the secondary when only it is; and with neither healthy, the primary again: Route
/// 53 treats "all unhealthy" as "all healthy". A record without a health check is healthy.
fn choose<'a>(group: &[&'a RecordSet], healthy: &impl Fn(&str) -> bool) -> Option<&'a RecordSet> {
    let with = |role| group.iter().find(|set| set.failover == Some(role)).copied();
    let is_healthy = |set: &RecordSet| set.health_check_id.as_deref().is_none_or(healthy);
    match (with(FailoverRole::Primary), with(FailoverRole::Secondary)) {
        (Some(primary), Some(secondary)) if !is_healthy(primary) && is_healthy(secondary) => Some(secondary),
        (Some(primary), _) => Some(primary),
        (None, Some(secondary)) => Some(secondary),
        (None, None) => group.first().copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        DnsName::parse(text).unwrap()
    }

    /// `name type value`, or `name type value role check` for failover.
    fn zone(lines: &[&str]) -> Records {
        let mut records = Records::default();
        for line in ["x. SOA ns.x.;root.x.;1;1;1;1;1", "x. NS ns.x."].iter().chain(lines) {
            let fields: Vec<&str> = line.split(' ').collect();
            records.put(RecordSet {
                name: name(fields[0]),
                kind: RecordKind::parse(fields[1]).unwrap(),
                set_identifier: fields.get(3).map(|role| (*role).to_owned()),
                failover: fields.get(3).and_then(|role| FailoverRole::parse(role)),
                ttl: 60,
                values: vec![fields[2].replace(';', " ")],
                health_check_id: fields.get(4).filter(|id| **id != "-").map(|id| (*id).to_owned()),
            });
        }
        records
    }

    fn ask(records: &Records, asked: &str, kind: RecordKind, unhealthy: &[&str]) -> String {
        let reply = look_up(&name("x."), records, &name(asked), Wanted::Kind(kind), |id| !unhealthy.contains(&id));
        let answers: Vec<String> =
            reply.answers.iter().map(|set| format!("{} {} {}", set.name, set.kind, set.values[0])).collect();
        match (reply.status, answers.is_empty(), reply.authoritative) {
            (Status::NoError, true, true) => "nodata".to_owned(),
            (Status::NoError, true, false) => format!("referral to {}", reply.authority[0].values[0]),
            (Status::NoError, false, _) => answers.join(", "),
            (Status::NoSuchName, ..) => format!("{}nxdomain", answers.join(", ")),
        }
    }

    #[test]
    fn failover_follows_the_documented_table() {
        use RecordKind::A;
        let both = zone(&["a.x. A 1.1.1.1 PRIMARY p", "a.x. A 2.2.2.2 SECONDARY s"]);
        let (primary, secondary) = ("a.x. A 1.1.1.1", "a.x. A 2.2.2.2");
        assert_eq!(ask(&both, "a.x", A, &[]), primary);
        assert_eq!(ask(&both, "a.x", A, &["s"]), primary);
        assert_eq!(ask(&both, "a.x", A, &["p"]), secondary);
        assert_eq!(ask(&both, "a.x", A, &["p", "s"]), primary, "all unhealthy counts as all healthy");
        let unchecked = zone(&["a.x. A 1.1.1.1 PRIMARY p", "a.x. A 2.2.2.2 SECONDARY -"]);
        assert_eq!(ask(&unchecked, "a.x", A, &["p"]), secondary);
        let alone = zone(&["a.x. A 2.2.2.2 SECONDARY s"]);
        assert_eq!(ask(&alone, "a.x", A, &["s"]), secondary);
    }

    #[test]
    fn a_name_that_is_not_there_differs_from_one_without_that_type() {
        use RecordKind::{A, Aaaa, Txt};
        let records = zone(&["a.b.x. A 1.1.1.1", "\\052.w.x. TXT \"any\"", "sub.x. NS ns.elsewhere."]);
        assert_eq!(ask(&records, "a.b.x", Aaaa, &[]), "nodata");
        assert_eq!(ask(&records, "b.x", A, &[]), "nodata", "an empty non-terminal exists");
        assert_eq!(ask(&records, "c.x", A, &[]), "nxdomain");
        assert_eq!(ask(&records, "q.w.x", Txt, &[]), "q.w.x. TXT \"any\"");
        assert_eq!(ask(&records, "q.w.x", A, &[]), "nodata");
        assert_eq!(ask(&records, "host.sub.x", A, &[]), "referral to ns.elsewhere.");
    }

    #[test]
    fn a_cname_is_followed_inside_the_zone_and_never_for_ever() {
        use RecordKind::A;
        let records = zone(&[
            "a.x. CNAME b.x.",
            "b.x. A 1.1.1.1",
            "o.x. CNAME out.example.",
            "l.x. CNAME l.x.",
            "d.x. CNAME no.x.",
        ]);
        assert_eq!(ask(&records, "a.x", A, &[]), "a.x. CNAME b.x., b.x. A 1.1.1.1");
        assert_eq!(ask(&records, "o.x", A, &[]), "o.x. CNAME out.example.");
        assert!(ask(&records, "l.x", A, &[]).starts_with("l.x. CNAME l.x."));
        assert_eq!(ask(&records, "d.x", A, &[]), "d.x. CNAME no.x.nxdomain");
    }
}
