//! Change batches: all or nothing, each change judged against what the ones before it left.
//!
//! Every reason is collected, as the real service does, so that a lost compare-and-swap shows both halves: the DELETE
//! whose values are no longer current and the CREATE of what already exists.

use std::sync::Arc;

use super::error::ApiError;
use super::name::DnsName;
use super::protections::Protections;
use super::record::{Alias, RecordKey, RecordKind, RecordSet, Records};
use super::value;

/// The most ResourceRecord elements in one request, where an UPSERT counts twice.
const RECORDS_MAX: usize = 1_000;
/// The most characters in all Value elements of one request, where an UPSERT counts twice.
const VALUE_CHARS_MAX: usize = 32_000;
/// The longest comment of a batch.
const COMMENT_CHARS_MAX: usize = 256;

/// What to do with a record set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum Action {
    Create,
    Delete,
    Upsert,
}

impl Action {
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Create, Self::Delete, Self::Upsert].into_iter().find(|action| action.as_str() == text)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Upsert => "UPSERT",
        }
    }
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab) struct Change {
    pub(in crate::lab) action: Action,
    pub(in crate::lab) set: RecordSet,
}

/// A batch of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab) struct ChangeBatch {
    pub(in crate::lab) comment: Option<String>,
    pub(in crate::lab) changes: Vec<Change>,
}

/// Another zone's name and records, by its id.
type Elsewhere<'a> = dyn Fn(&str) -> Option<(DnsName, Arc<Records>)> + 'a;

/// The zone that a batch is for, and what else decides about it.
pub(super) struct Ground<'a> {
    pub(super) id: &'a str,
    pub(super) zone: &'a DnsName,
    pub(super) current: &'a Records,
    pub(super) protections: &'a Protections,
    /// Another zone's name and records, by its id.
    pub(super) elsewhere: &'a Elsewhere<'a>,
    /// Whether a refusal is written in its older form.
    pub(super) refuse_in_old_form: bool,
}

impl Ground<'_> {
    fn refusal(&self, messages: &[String]) -> ApiError {
        if self.refuse_in_old_form {
            ApiError::invalid_change_batch_as_list(messages)
        } else {
            ApiError::invalid_change_batch(messages)
        }
    }
}

impl ChangeBatch {
    /// The changes, a line each, for people.
    pub(super) fn summary(&self) -> Vec<String> {
        self.changes.iter().map(|change| format!("{} {}", change.action.as_str(), change.set.summary())).collect()
    }

    /// What the zone's records become, or every reason why not.
    pub(super) fn apply(&self, ground: &Ground<'_>) -> Result<Records, ApiError> {
        self.check_limits(ground)?;
        let mut messages = self.repeated();
        messages.extend(self.protected(ground.protections));
        let mut records = ground.current.clone();
        for change in &self.changes {
            match change.action {
                Action::Delete => delete(&mut records, &change.set, &mut messages),
                Action::Create if records.get(&change.set.key()).is_some() => messages.push(format!(
                    "Tried to create resource record set {} but it already exists",
                    described(&change.set)
                )),
                Action::Create | Action::Upsert => put(&mut records, ground, &change.set, &mut messages),
            }
        }
        check_apex(ground.zone, &records, &mut messages);
        if messages.is_empty() { Ok(records) } else { Err(ground.refusal(&messages)) }
    }

    fn check_limits(&self, ground: &Ground<'_>) -> Result<(), ApiError> {
        if let Some(comment) = self.comment.as_ref().filter(|comment| comment.chars().count() > COMMENT_CHARS_MAX) {
            return Err(ApiError::invalid_input(format!(
                "1 validation error detected: Value '{comment}' at 'changeBatch.comment' failed to satisfy \
                 constraint: Member must have length less than or equal to {COMMENT_CHARS_MAX}"
            )));
        }
        let total = |count: fn(&RecordSet) -> usize| -> usize {
            let weight = |action| if action == Action::Upsert { 2 } else { 1 };
            self.changes.iter().map(|change| weight(change.action) * count(&change.set)).sum()
        };
        let mut messages = Vec::new();
        if total(|set| set.values.len()) > RECORDS_MAX {
            messages.push(format!("Number of records limit of {RECORDS_MAX} exceeded."));
        }
        if total(|set| set.values.iter().map(|value| value.chars().count()).sum()) > VALUE_CHARS_MAX {
            messages.push(format!("Number of characters limit of {VALUE_CHARS_MAX} exceeded."));
        }
        if messages.is_empty() { Ok(()) } else { Err(ground.refusal(&messages)) }
    }

    /// Nothing is done to a protected name and type; the message says the protection's comment, as documented.
    fn protected(&self, protections: &Protections) -> Vec<String> {
        let mut messages = Vec::new();
        for change in &self.changes {
            let Some(protection) = protections.of(&change.set.name, change.set.kind) else { continue };
            let comment = protection.comment.as_deref().map(|comment| format!(": {comment}")).unwrap_or_default();
            let message = format!(
                "Tried to {} resource record set {} but it is protected{comment}",
                change.action.as_str().to_ascii_lowercase(),
                described(&change.set)
            );
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
        messages
    }

    /// A batch must not do the same to one record set twice, whether or not the second would have worked.
    fn repeated(&self) -> Vec<String> {
        let mut seen: Vec<(Action, RecordKey)> = Vec::new();
        let mut messages = Vec::new();
        for change in &self.changes {
            let this = (change.action, change.set.key());
            if seen.contains(&this) {
                messages.push(format!(
                    "The request contains an invalid set of changes for a resource record set '{} {}'",
                    change.set.kind, change.set.name
                ));
            }
            seen.push(this);
        }
        messages
    }
}

fn delete(records: &mut Records, given: &RecordSet, messages: &mut Vec<String>) {
    let key = given.key();
    let trouble = match records.get(&key) {
        None => "but it was not found",
        Some(current) if !current.matches(given) => "but the values provided do not match the current values",
        Some(_) => return records.remove(&key),
    };
    messages.push(format!("Tried to delete resource record set {} {trouble}", described(given)));
}

fn put(records: &mut Records, ground: &Ground<'_>, set: &RecordSet, messages: &mut Vec<String>) {
    let (before, zone) = (messages.len(), ground.zone);
    if !set.name.is_within(zone) {
        messages.push(format!("RRSet with DNS name {} is not permitted in zone {zone}", set.name));
    }
    check_values(set, messages);
    check_neighbours(records, zone, set, messages);
    if let Some(alias) = &set.alias {
        check_alias(records, ground, set, alias, messages);
    }
    if messages.len() == before {
        records.put(set.clone());
    }
}

fn check_values(set: &RecordSet, messages: &mut Vec<String>) {
    for (place, value) in set.values.iter().enumerate() {
        if let Err(detail) = value::to_rdata(set.kind, value) {
            messages.push(format!("Invalid Resource Record: '{detail} encountered with '{value}''"));
        }
        if set.values.iter().take(place).any(|other| other == value) {
            messages.push(format!("Duplicate Resource Record: '{value}'"));
        }
    }
    if matches!(set.kind, RecordKind::Cname | RecordKind::Soa) && set.values.len() > 1 {
        messages.push(format!("RRSet of type {} with DNS name {} has more than one record", set.kind, set.name));
    }
}

/// What else is at the name must leave room: a CNAME stands alone, and a type is either simple or failover.
fn check_neighbours(records: &Records, zone: &DnsName, set: &RecordSet, messages: &mut Vec<String>) {
    let (name, kind) = (&set.name, set.kind);
    if kind == RecordKind::Cname && name == zone {
        messages.push(format!("RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"));
    }
    let key = set.key();
    let others: Vec<&RecordSet> = records.at(name).filter(|other| other.key() != key).collect();
    let is_cname = |kind| kind == RecordKind::Cname;
    if others.iter().any(|other| other.kind != kind && (is_cname(other.kind) || is_cname(kind))) {
        messages.push(format!(
            "RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other records with the \
             same DNS name in zone {zone}"
        ));
    }
    for other in others.iter().filter(|other| other.kind == kind) {
        let identifier = set.set_identifier.as_deref().map(|id| format!(", SetIdentifier {id}")).unwrap_or_default();
        let reason = match (set.failover, other.failover) {
            (None, Some(_)) | (Some(_), None) => "other RRSets exist with the same name and type".to_owned(),
            (Some(this), Some(that)) if this == that => {
                format!("a {} failover RRSet exists with the same name and type", this.as_str())
            }
            _ => continue,
        };
        messages.push(format!("RRSet with DNS name {name}, type {kind}{identifier} cannot be created as {reason}"));
    }
}

/// An alias needs a target of its own type, in the zone that it names: this one as far as the batch has come, or another
/// of the lab, which then stands for one of AWS' own.
fn check_alias(records: &Records, ground: &Ground<'_>, set: &RecordSet, alias: &Alias, messages: &mut Vec<String>) {
    let kind = set.kind;
    if matches!(kind, RecordKind::Ns | RecordKind::Soa) {
        messages.push(format!("RRSet with DNS name {}, type {kind} cannot be an alias", set.name));
        return;
    }
    let (within, found) = if alias.zone == ground.id {
        let found = records.group(&alias.name, kind).any(|target| target.key() != set.key());
        (alias.name.is_within(ground.zone), found)
    } else {
        (ground.elsewhere)(&alias.zone).map_or((false, false), |(zone, records)| {
            (alias.name.is_within(&zone), records.group(&alias.name, kind).next().is_some())
        })
    };
    let tried = format!("Tried to create an alias that targets {}, type {kind} in zone {}", alias.name, alias.zone);
    if !within {
        messages.push(format!("{tried}, but the alias target name does not lie within the target zone"));
    }
    if !found {
        messages.push(format!("{tried}, but that target was not found"));
    }
}

/// A zone keeps its SOA and its NS, or it is no zone.
fn check_apex(zone: &DnsName, records: &Records, messages: &mut Vec<String>) {
    let has = |kind| records.at(zone).any(|set| set.kind == kind);
    if !has(RecordKind::Soa) {
        messages.push("A HostedZone must contain exactly one SOA record.".to_owned());
    }
    if !has(RecordKind::Ns) {
        messages.push("A HostedZone must contain at least one NS record for the zone itself.".to_owned());
    }
}

fn described(set: &RecordSet) -> String {
    let identifier = set.set_identifier.as_deref().map(|id| format!(", set identifier='{id}'")).unwrap_or_default();
    format!("[name='{}', type='{}'{identifier}]", set.name, set.kind)
}
