//! The journal: what is appended, the guards of the transaction, what an entry makes of it, and what must be true when it becomes durable.

use super::cover::Event;
use super::rules::Rule;
use super::state::{Leader, Ledger, Mark, Plan, Stage};
use super::step::Turn;
use super::token;

/// What a controller appends to the journal.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    Opened(Plan),
    Intended { expected: Mark, new: Mark },
    Verified,
    Done { new: Mark },
    Voided { new: Mark },
    Closed(End),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Abandoned,
    Stuck,
}

impl Turn<'_> {
    /// Appends to the journal, in one transaction with its guards. False if it was refused: then the controller stands down, or has read the
    /// journal again.
    pub(super) fn append(&mut self, who: u8, entry: Entry) -> bool {
        let leader = self.leader(who);
        let (store, design) = (&self.state.store, &self.protocol.design);
        let overtaken = store.epoch != leader.epoch;
        if overtaken || design.append_compares_lease && store.lease != Some(who) {
            self.depose(who);
            return false;
        }
        let starts = matches!(entry, Entry::Opened(_) | Entry::Intended { .. });
        let froze = starts && design.append_compares_freeze && store.ledger.revision != leader.ledger.revision;
        let other = design.append_compares_open && store.ledger.plan != leader.ledger.plan;
        if froze || other {
            self.note(if froze { Event::FrozenAtCommit } else { Event::OtherOpenAtCommit });
            let ledger = self.state.store.ledger;
            self.put(who, Leader { ledger, armed: false, ..leader });
            return false;
        }
        self.judge_entry(&leader, entry);
        fold(&mut self.state.store.ledger, entry);
        let mut leader = leader;
        fold(&mut leader.ledger, entry);
        self.put(who, leader);
        true
    }

    /// What must hold when an entry becomes durable.
    fn judge_entry(&mut self, leader: &Leader, entry: Entry) {
        let (ledger, mark) = (self.state.store.ledger, self.state.zone.mark);
        let same = ledger.plan == leader.ledger.plan;
        let starts = matches!(entry, Entry::Opened(_) | Entry::Intended { .. });
        if starts && ledger.frozen {
            self.break_rule(Rule::S10FreezeWins);
        }
        // The journal does not add up: what is open is not what the writer takes it for.
        if !same {
            self.break_rule(Rule::S7OneOpenIntent);
        }
        let true_to_zone = match entry {
            Entry::Intended { .. } => {
                if leader.ledger.plan.is_some_and(|plan| plan.standby) && !self.state.standby_read_only {
                    self.break_rule(Rule::S15ReadOnlyFirst);
                }
                true
            }
            // A journal that was put back has forgotten things, and says what it knows.
            _ if self.state.store.restored => true,
            Entry::Done { new } => token::same_move(mark, new),
            Entry::Voided { new } => !token::same_move(mark, new),
            Entry::Closed(End::Abandoned) => leader.ledger.plan.is_none_or(|plan| plan.digest != mark.plan),
            Entry::Opened(_) | Entry::Verified | Entry::Closed(End::Done | End::Stuck) => true,
        };
        if !true_to_zone {
            self.break_rule(Rule::S8JournalIsTrue);
        }
    }

    pub(super) fn close(&mut self, who: u8, end: End) -> Option<()> {
        if self.append(who, Entry::Closed(end)) {
            let leader = self.leader(who);
            let known = if end == End::Stuck { None } else { leader.known };
            self.put(who, Leader { known, armed: false, flip_sent: false, ..leader });
            self.note(match end {
                End::Done => Event::PlanDone,
                End::Abandoned => Event::PlanAbandoned,
                End::Stuck => Event::PlanStuck,
            });
        }
        Some(())
    }
}

/// What an entry makes of the journal.
pub(super) fn fold(ledger: &mut Ledger, entry: Entry) {
    match entry {
        Entry::Opened(plan) => {
            *ledger = Ledger { plans: ledger.plans + 1, plan: Some(plan), stuck: false, ..*ledger };
        }
        Entry::Closed(end) => *ledger = Ledger { plan: None, stuck: ledger.stuck || end == End::Stuck, ..*ledger },
        Entry::Intended { expected, new } => stage(ledger, Stage::Flip { expected, new }),
        Entry::Verified | Entry::Voided { .. } => stage(ledger, Stage::Ready),
        Entry::Done { .. } => stage(ledger, Stage::Flipped),
    }
}

fn stage(ledger: &mut Ledger, stage: Stage) {
    if let Some(plan) = &mut ledger.plan {
        plan.stage = stage;
    }
}
