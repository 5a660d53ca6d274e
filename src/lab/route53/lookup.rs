//! What an authoritative name server answers from a zone's served records: exact matches, wildcards, CNAME chains,
//! delegations, the two kinds of "no", failover routing and aliases. Pure: no socket, no clock.

use std::sync::Arc;

use super::name::DnsName;
use super::record::{Alias, FailoverRole, RecordKind, RecordSet, Records};

/// The longest chain of CNAMEs followed inside a zone.
const CNAME_CHAIN_MAX: usize = 8;
/// The longest chain of aliases followed. A longer one, as a ring is, has no records at its end.
const ALIAS_CHAIN_MAX: usize = 8;

/// What an answer is made from: one zone's records at one moment, and what else there is to look at.
pub(in crate::lab) struct View<'a> {
    /// The zone's id.
    pub(in crate::lab) id: &'a str,
    /// The zone's name.
    pub(in crate::lab) zone: &'a DnsName,
    /// What has propagated.
    pub(in crate::lab) records: &'a Arc<Records>,
    /// What has propagated of another zone, by its id.
    pub(in crate::lab) elsewhere: &'a dyn Fn(&str) -> Option<Arc<Records>>,
    /// Whether a health check is healthy, by its id.
    pub(in crate::lab) healthy: &'a dyn Fn(&str) -> bool,
}

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

/// Answers a question about a name inside the view's zone.
pub(in crate::lab) fn look_up(view: &View<'_>, asked: &DnsName, wanted: Wanted) -> Reply {
    let (zone, records) = (view.zone, view.records);
    let mut reply =
        Reply { status: Status::NoError, authoritative: true, answers: Vec::new(), authority: Vec::new() };
    let mut name = asked.clone();
    for _ in 0..=CNAME_CHAIN_MAX {
        if let Some(delegation) = delegation(zone, records, &name) {
            reply.authoritative = !reply.answers.is_empty();
            reply.authority = vec![delegation];
            return reply;
        }
        let Some(sets) = view.sets_of(&name) else {
            reply.status = Status::NoSuchName;
            break;
        };
        let is_wanted = |set: &RecordSet| wanted == Wanted::Any || wanted == Wanted::Kind(set.kind);
        let (matching, others): (Vec<_>, Vec<_>) = sets.into_iter().partition(is_wanted);
        if !matching.is_empty() {
            reply.answers.extend(matching);
            return reply;
        }
        let Some(cname) = others.into_iter().find(|set| set.kind == RecordKind::Cname) else { break };
        let target = cname.values.first().and_then(|value| DnsName::parse(value).ok());
        reply.answers.push(cname);
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

impl View<'_> {
    /// The record sets a name answers with, one a type; nothing when the name does not exist.
    fn sets_of(&self, name: &DnsName) -> Option<Vec<RecordSet>> {
        if self.records.exists(name) {
            return Some(self.routed(self.records.at(name)));
        }
        let above =
            std::iter::successors(name.parent(), DnsName::parent).take_while(|name| name.is_within(self.zone));
        let wildcard = above.into_iter().find(|above| self.records.exists(above))?.wildcard();
        let sets: Vec<&RecordSet> = self.records.at(&wildcard).collect();
        if sets.is_empty() {
            return None;
        }
        let synthesised = self.routed(sets.into_iter());
        Some(synthesised.into_iter().map(|set| RecordSet { name: name.clone(), ..set }).collect())
    }

    /// One set a type, with the values of its target where it is an alias.
    fn routed<'b>(&self, sets: impl Iterator<Item = &'b RecordSet>) -> Vec<RecordSet> {
        let mut by_kind: Vec<Vec<&RecordSet>> = Vec::new();
        for set in sets {
            match by_kind.last_mut().filter(|group| group.iter().any(|other| other.kind == set.kind)) {
                Some(group) => group.push(set),
                None => by_kind.push(vec![set]),
            }
        }
        by_kind.into_iter().filter_map(|group| self.resolved(&group, 0)).collect()
    }

    /// What a group answers with. An alias answers under its own name with its target's values and TTL; with nothing, when
    /// the target is gone.
    fn resolved(&self, group: &[&RecordSet], depth: usize) -> Option<RecordSet> {
        let chosen = self.choose(group, depth)?;
        let Some(alias) = &chosen.alias else { return Some(chosen.clone()) };
        let target = self.target(alias, chosen.kind, depth)?;
        let target = self.resolved(&target.iter().collect::<Vec<_>>(), depth + 1)?;
        Some(RecordSet { ttl: target.ttl, values: target.values, alias: None, ..chosen.clone() })
    }

    /// The sets that an alias points to.
    fn target(&self, alias: &Alias, kind: RecordKind, depth: usize) -> Option<Vec<RecordSet>> {
        if depth >= ALIAS_CHAIN_MAX {
            return None;
        }
        let records = if alias.zone == self.id { Arc::clone(self.records) } else { (self.elsewhere)(&alias.zone)? };
        Some(records.group(&alias.name, kind).cloned().collect())
    }

    /// The primary while it is healthy; the secondary when only it is; and with neither healthy, the primary again: Route
    /// 53 treats "all unhealthy" as "all healthy".
    fn choose<'b>(&self, group: &[&'b RecordSet], depth: usize) -> Option<&'b RecordSet> {
        let with = |role| group.iter().find(|set| set.failover == Some(role)).copied();
        match (with(FailoverRole::Primary), with(FailoverRole::Secondary)) {
            (Some(primary), Some(secondary))
                if !self.is_healthy(primary, depth) && self.is_healthy(secondary, depth) =>
            {
                Some(secondary)
            }
            (Some(primary), _) => Some(primary),
            (None, Some(secondary)) => Some(secondary),
            (None, None) => group.first().copied(),
        }
    }

    /// Whether a set may be answered with: its own check, and for an alias that evaluates it, its target. A set that has
    /// neither is healthy; a target is, when one of its sets is.
    fn is_healthy(&self, set: &RecordSet, depth: usize) -> bool {
        set.health_check_id.as_deref().is_none_or(self.healthy)
            && set.alias.as_ref().filter(|alias| alias.evaluate).is_none_or(|alias| {
                let target = self.target(alias, set.kind, depth).unwrap_or_default();
                target.iter().any(|set| self.is_healthy(set, depth + 1))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        DnsName::parse(text).unwrap()
    }

    /// `name type value`, or `name type value role check` for failover. A value `@zone/target` is an alias that evaluates
    /// its target's health.
    fn zone(lines: &[&str]) -> Arc<Records> {
        let mut records = Records::default();
        for line in ["x. SOA ns.x.;root.x.;1;1;1;1;1", "x. NS ns.x."].iter().chain(lines) {
            let fields: Vec<&str> = line.split(' ').collect();
            let alias = fields[2].strip_prefix('@').map(|target| {
                let (zone, target) = target.split_once('/').unwrap();
                Alias { zone: zone.to_owned(), name: name(target), evaluate: true }
            });
            let values = if alias.is_none() { vec![fields[2].replace(';', " ")] } else { Vec::new() };
            let ttl = if alias.is_none() { 60 } else { 0 };
            records.put(RecordSet {
                set_identifier: fields.get(3).map(|role| (*role).to_owned()),
                failover: fields.get(3).and_then(|role| FailoverRole::parse(role)),
                alias,
                health_check_id: fields.get(4).filter(|id| **id != "-").map(|id| (*id).to_owned()),
                ..RecordSet::simple(name(fields[0]), RecordKind::parse(fields[1]).unwrap(), ttl, values)
            });
        }
        Arc::new(records)
    }

    fn ask(records: &Arc<Records>, asked: &str, kind: RecordKind, unhealthy: &[&str]) -> String {
        ask_beside(records, &[], asked, kind, unhealthy)
    }

    /// Asks the zone `X`, beside which there are other zones.
    fn ask_beside(
        records: &Arc<Records>,
        others: &[(&str, Arc<Records>)],
        asked: &str,
        kind: RecordKind,
        unhealthy: &[&str],
    ) -> String {
        let view = View {
            id: "X",
            zone: &name("x."),
            records,
            elsewhere: &|id| others.iter().find(|(other, _)| *other == id).map(|(_, records)| Arc::clone(records)),
            healthy: &|id| !unhealthy.contains(&id),
        };
        let reply = look_up(&view, &name(asked), Wanted::Kind(kind));
        assert!(reply.answers.iter().all(|set| set.ttl == 60 && set.alias.is_none()), "{reply:?}");
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
        assert_eq!(ask(&unchecked, "a.x", A, &[]), primary);
        let primary_unchecked = zone(&["a.x. A 1.1.1.1 PRIMARY -", "a.x. A 2.2.2.2 SECONDARY s"]);
        assert_eq!(ask(&primary_unchecked, "a.x", A, &["s"]), primary, "without a check it is healthy");
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

    #[test]
    fn an_alias_answers_with_its_targets_values_and_is_as_healthy_as_it() {
        use RecordKind::{A, Aaaa};
        let elb = zone(&["one.elb. A 3.3.3.3", "fail.elb. A 4.4.4.4 PRIMARY e", "fail.elb. A 5.5.5.5 SECONDARY f"]);
        let others = [("E", elb)];
        let records = zone(&[
            "plain.x. A @E/one.elb.",
            "group.x. A @E/fail.elb.",
            "f.x. A @X/p.x. PRIMARY -",
            "f.x. A @E/one.elb. SECONDARY -",
            "p.x. A 1.1.1.1 PRIMARY p",
            "p.x. A 2.2.2.2 SECONDARY q",
            "gone.x. A @X/nobody.x.",
            "lost.x. A @N/nobody.x.",
            "ring.x. A @X/gnir.x.",
            "gnir.x. A @X/ring.x.",
            "own.x. A @X/p.x. PRIMARY own",
            "own.x. A 6.6.6.6 SECONDARY -",
        ]);
        let asked = |asked: &str, unhealthy: &[&str]| ask_beside(&records, &others, asked, A, unhealthy);
        assert_eq!(asked("plain.x", &[]), "plain.x. A 3.3.3.3");
        assert_eq!(asked("group.x", &["e"]), "group.x. A 5.5.5.5", "the target's own routing applies");
        assert_eq!(asked("f.x", &["p"]), "f.x. A 2.2.2.2", "a group is healthy while one of it is");
        assert_eq!(asked("f.x", &["p", "q"]), "f.x. A 3.3.3.3");
        assert_eq!(asked("own.x", &["own"]), "own.x. A 6.6.6.6", "its own check counts beside its target's health");
        for name in ["gone.x", "lost.x", "ring.x"] {
            assert_eq!(asked(name, &[]), "nodata", "{name}");
        }
        assert_eq!(ask_beside(&records, &others, "plain.x", Aaaa, &[]), "nodata");
    }
}
