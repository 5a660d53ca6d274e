//! A provider of DNS that is as strict as Route 53: a batch is all or nothing, a DELETE names exactly what is there, a CREATE what is
//! not. The lab's own is not used here: it speaks XML values, random ids and wall time, and the judge wants domain values and a seed.
//!
//! ```text
//! accepted ──> records (read at once) ──propagation──> served (answered), change in sync
//! ```

use std::collections::VecDeque;

use super::chance::Chance;
use super::flaw::Flaw;
use super::values::{NEIGHBOUR, Values};
use crate::domain::{Change, ChangeBatch, OwnedRecords, RecordSet, RecordType};
use crate::ports::ChangeState;

/// How the provider's API treats requests: of a hundred, how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mood {
    /// Nothing answers.
    pub(super) down: bool,
    /// Turned away unread: throttled, or because an earlier change of the zone is under way.
    pub(super) turned_away: u64,
    /// A 5xx, of which every second was carried out all the same.
    pub(super) server_error: u64,
    /// Carried out, and the answer is lost.
    pub(super) answer_lost: u64,
    /// Carried out much later, when nobody waits for the answer any more.
    pub(super) late: u64,
    /// The longest that such a change takes, in milliseconds.
    pub(super) late_ms_max: u64,
    /// Accepted, and never in sync.
    pub(super) pending_for_ever: u64,
}

/// What will become of one request to change records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Carried out and answered.
    Plain,
    /// Not carried out; the answer says that it may be tried again.
    TurnedAway,
    /// The answer says nothing of what was done.
    ServerError {
        /// Whether it was carried out.
        done: bool,
    },
    /// Carried out after so many milliseconds.
    Late(u64),
    /// Carried out, never answered.
    AnswerLost,
}

#[derive(Debug)]
struct OnItsWay {
    due_ms: u64,
    change: usize,
    records: Vec<RecordSet>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Provider {
    chance: Chance,
    pub(super) mood: Mood,
    /// As accepted.
    pub(super) records: Vec<RecordSet>,
    /// As answered by the name servers.
    served: Vec<RecordSet>,
    on_their_way: VecDeque<OnItsWay>,
    /// Whether each change is in sync.
    changes: Vec<bool>,
    /// How long a change takes to reach the name servers, in milliseconds.
    pub(super) propagation_ms: (u64, u64),
    pub(super) flaw: Option<Flaw>,
}

impl Provider {
    pub(super) fn new(seed: u64, values: &Values, flaw: Option<Flaw>) -> Self {
        let mut records = OwnedRecords::unmoved(&values.cluster, values.service(0));
        records.push(RecordSet {
            name: NEIGHBOUR.to_owned(),
            kind: RecordType::A,
            ttl_s: 300,
            values: vec!["192.0.2.80".to_owned()],
            alias: None,
            set_identifier: None,
            failover: None,
            health_check: None,
        });
        Self {
            chance: Chance::new(seed, "provider"),
            mood: Mood::default(),
            served: records.clone(),
            records,
            on_their_way: VecDeque::new(),
            changes: Vec::new(),
            propagation_ms: (2_000, 20_000),
            flaw,
        }
    }

    /// What will become of the next change.
    pub(super) fn fate(&mut self) -> Fate {
        let Mood { turned_away, server_error, answer_lost, late, late_ms_max, .. } = self.mood;
        if self.chance.percent(turned_away) {
            Fate::TurnedAway
        } else if self.chance.percent(server_error) {
            Fate::ServerError { done: self.chance.percent(50) }
        } else if self.chance.percent(late) {
            Fate::Late(self.chance.between(1_000, late_ms_max.max(1_000)))
        } else if self.chance.percent(answer_lost) {
            Fate::AnswerLost
        } else {
            Fate::Plain
        }
    }

    /// Carries out a batch whole, or says everything that is against it.
    pub(super) fn apply(&mut self, now_ms: u64, batch: &ChangeBatch) -> Result<usize, String> {
        let lax = self.flaw == Some(Flaw::ProviderIgnoresSwap);
        let (mut next, mut against) = (self.records.clone(), Vec::new());
        for change in batch.changes() {
            let (Change::Delete(set) | Change::Create(set)) = change;
            let place = next.iter().position(|other| same_key(other, set));
            match (change, place) {
                (Change::Delete(_), None) if !lax => against.push(format!("delete {}: it was not found", set.name)),
                (Change::Delete(_), Some(at)) if lax || next.get(at) == Some(set) => {
                    next.remove(at);
                }
                (Change::Delete(_), Some(_)) => {
                    against.push(format!("delete {}: the values do not match the current values", set.name));
                }
                (Change::Create(_), Some(_)) => against.push(format!("create {}: it exists", set.name)),
                (Change::Create(_), None)
                    if self.flaw == Some(Flaw::BatchAppliedInPart) && set.kind == RecordType::A => {}
                (Change::Create(_), None) => next.push(set.clone()),
                (Change::Delete(_), None) => {}
            }
        }
        if !against.is_empty() {
            return Err(format!("InvalidChangeBatch: {}", against.join("; ")));
        }
        if self.flaw == Some(Flaw::ProviderLosesNeighbour) {
            next.retain(|set| set.name != NEIGHBOUR);
        }
        self.records = next;
        let change = self.changes.len();
        self.changes.push(false);
        if !self.chance.percent(self.mood.pending_for_ever) {
            self.publish(now_ms, change);
        }
        Ok(change)
    }

    fn publish(&mut self, now_ms: u64, change: usize) {
        let due_ms = now_ms + self.chance.between(self.propagation_ms.0, self.propagation_ms.1);
        // Never before an earlier change of the zone.
        let due_ms = self.on_their_way.back().map_or(due_ms, |earlier| due_ms.max(earlier.due_ms));
        self.on_their_way.push_back(OnItsWay { due_ms, change, records: self.records.clone() });
    }

    /// A person edits the records past everybody.
    pub(super) fn edit(&mut self, now_ms: u64, edit: impl FnOnce(&mut Vec<RecordSet>)) {
        edit(&mut self.records);
        let change = self.changes.len();
        self.changes.push(false);
        self.publish(now_ms, change);
    }

    /// The control plane is failed over to another region, and what was accepted and not yet replicated is gone: the records go back to
    /// what is served, and those changes stay pending for ever. True when anything was lost.
    pub(super) fn strand(&mut self, now_ms: u64) -> bool {
        self.settle(now_ms);
        self.on_their_way.clear();
        let lost = self.records != self.served;
        self.records = self.served.clone();
        lost
    }

    /// How far a change has got; none when it is not known.
    pub(super) fn state(&mut self, now_ms: u64, change: &str) -> Option<ChangeState> {
        self.settle(now_ms);
        let number: usize = change.strip_prefix("C-")?.parse().ok()?;
        let in_sync = *self.changes.get(number)?;
        Some(if in_sync { ChangeState::InSync } else { ChangeState::Pending })
    }

    /// What a name server answers.
    pub(super) fn answers(&mut self, now_ms: u64) -> &[RecordSet] {
        self.settle(now_ms);
        &self.served
    }

    fn settle(&mut self, now_ms: u64) {
        while self.on_their_way.front().is_some_and(|change| change.due_ms <= now_ms) {
            let Some(arrived) = self.on_their_way.pop_front() else { break };
            self.served = arrived.records;
            if let Some(in_sync) = self.changes.get_mut(arrived.change) {
                *in_sync = true;
            }
        }
    }
}

fn same_key(a: &RecordSet, b: &RecordSet) -> bool {
    a.name == b.name && a.kind == b.kind && a.set_identifier == b.set_identifier
}
