//! Resource record sets, and the ordered collection a zone keeps of them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use super::name::DnsName;

/// The record types the lab stores and serves. In the order of their names, which is the order of listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::lab) enum RecordKind {
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

impl RecordKind {
    const ALL: [Self; 9] =
        [Self::A, Self::Aaaa, Self::Cname, Self::Mx, Self::Ns, Self::Ptr, Self::Soa, Self::Srv, Self::Txt];

    /// The type with that name.
    pub(in crate::lab) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The type's name.
    pub(in crate::lab) const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A record's part in failover routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum FailoverRole {
    Primary,
    Secondary,
}

impl FailoverRole {
    /// The role with that name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "PRIMARY" => Some(Self::Primary),
            "SECONDARY" => Some(Self::Secondary),
            _ => None,
        }
    }

    /// The role's name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Secondary => "SECONDARY",
        }
    }
}

/// Where an alias gets its values from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab) struct Alias {
    /// The id of the zone that the target lies in.
    pub(in crate::lab) zone: String,
    /// The target, of the alias' own type.
    pub(in crate::lab) name: DnsName,
    /// Whether the alias is as healthy as its target.
    pub(in crate::lab) evaluate: bool,
}

/// One resource record set: values and their TTL, or an alias, which has neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab) struct RecordSet {
    pub(in crate::lab) name: DnsName,
    pub(in crate::lab) kind: RecordKind,
    pub(in crate::lab) set_identifier: Option<String>,
    pub(in crate::lab) failover: Option<FailoverRole>,
    /// In seconds; 0 in an alias.
    pub(in crate::lab) ttl: u32,
    /// As they were given, byte for byte; none in an alias.
    pub(in crate::lab) values: Vec<String>,
    pub(in crate::lab) alias: Option<Alias>,
    pub(in crate::lab) health_check_id: Option<String>,
}

impl RecordSet {
    /// A simple set: one without routing, alias and health check.
    pub(in crate::lab) fn simple(name: DnsName, kind: RecordKind, ttl: u32, values: Vec<String>) -> Self {
        Self { name, kind, set_identifier: None, failover: None, ttl, values, alias: None, health_check_id: None }
    }

    /// What identifies the set in its zone.
    pub(super) fn key(&self) -> RecordKey {
        RecordKey::new(&self.name, self.kind, self.set_identifier.clone())
    }

    /// Whether deleting by `given` may delete this: everything equal, values in any order.
    pub(super) fn matches(&self, given: &Self) -> bool {
        let sorted = |set: &Self| {
            let mut values = set.values.clone();
            values.sort();
            values
        };
        let bare = |set: &Self| Self { values: Vec::new(), ..set.clone() };
        bare(self) == bare(given) && sorted(self) == sorted(given)
    }

    /// The set on one line, for people.
    pub(super) fn summary(&self) -> String {
        let routing = match self.failover {
            Some(role) => format!(" [{} {}]", role.as_str(), self.set_identifier.as_deref().unwrap_or_default()),
            None => String::new(),
        };
        match &self.alias {
            Some(alias) => {
                let health = if alias.evaluate { ", as healthy as it" } else { "" };
                format!("{} {} alias{routing} of {} in {}{health}", self.kind, self.name, alias.name, alias.zone)
            }
            None => format!("{} {} {}{routing} {}", self.kind, self.name, self.ttl, self.values.join(" | ")),
        }
    }
}

/// What identifies a record set in its zone, in the order of listing: reversed name, type, set identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::lab) struct RecordKey {
    reversed: String,
    kind: RecordKind,
    set_identifier: Option<String>,
}

impl RecordKey {
    /// A key, whether or not such a set exists.
    pub(super) fn new(name: &DnsName, kind: RecordKind, set_identifier: Option<String>) -> Self {
        Self { reversed: name.reversed(), kind, set_identifier }
    }

    /// The first key a name can have.
    pub(super) fn first_of(name: &DnsName) -> Self {
        Self::new(name, RecordKind::A, None)
    }
}

/// The record sets of one zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::lab) struct Records(BTreeMap<RecordKey, RecordSet>);

impl Records {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, key: &RecordKey) -> Option<&RecordSet> {
        self.0.get(key)
    }

    pub(super) fn put(&mut self, set: RecordSet) {
        self.0.insert(set.key(), set);
    }

    pub(super) fn remove(&mut self, key: &RecordKey) {
        self.0.remove(key);
    }

    /// The sets in order, from a key on where one is given.
    pub(super) fn starting_at(&self, key: Option<&RecordKey>) -> impl Iterator<Item = &RecordSet> {
        let start = key.map_or(Bound::Unbounded, Bound::Included);
        self.0.range::<RecordKey, _>((start, Bound::Unbounded)).map(|(_, set)| set)
    }

    /// The sets of one name and type: one, or the parts of a routing policy.
    pub(in crate::lab) fn group(&self, name: &DnsName, kind: RecordKind) -> impl Iterator<Item = &RecordSet> {
        self.at(name).filter(move |set| set.kind == kind)
    }

    /// The sets of one name.
    pub(in crate::lab) fn at(&self, name: &DnsName) -> impl Iterator<Item = &RecordSet> {
        let first = RecordKey::first_of(name);
        self.0.range(&first..).take_while(move |(key, _)| key.reversed == first.reversed).map(|(_, set)| set)
    }

    /// Whether the name exists: it has records, or something below it has.
    pub(in crate::lab) fn exists(&self, name: &DnsName) -> bool {
        let first = RecordKey::first_of(name);
        self.0.range(&first..).next().is_some_and(|(key, _)| key.reversed.starts_with(&first.reversed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_declared_in_the_order_of_their_names() {
        let names: Vec<&str> = RecordKind::ALL.iter().map(|kind| kind.as_str()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
        assert!(RecordKind::ALL.is_sorted());
    }
}
