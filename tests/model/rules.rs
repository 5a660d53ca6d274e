//! What must hold, by the numbers of the project's catalogue of invariants. They are judged by an observer who sees the true store and the
//! true zone, never by what a controller believes.

use std::fmt;

use super::state::{State, Zone};

/// An invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Never do both sides take users' writes.
    S1OneWriter,
    /// Tokens strictly increase.
    S5TokensGrow,
    /// No mutation of an epoch takes effect after the takeover of a larger one is complete.
    S5NothingAfterTakeover,
    /// No two takeovers are completed under one epoch.
    S6EpochsAreNew,
    /// A flip is sent only if its intent is durable.
    S7IntentFirst,
    /// At most one plan is open, and at most one intent.
    S7OneOpenIntent,
    /// What the journal says of a flip is so: one that takes effect is the open intent, one that is voided or given up was not applied and never
    /// will be, one that is recorded as done was.
    S8JournalIsTrue,
    /// From any crash, the next leader that is left in peace settles what is open, and holds the zone.
    S8CrashResumes,
    /// Every flip that is sent, and every one sent again, spends a start that the store took from the sender after it had fenced the zone.
    S9NothingWithoutStore,
    /// No plan is opened and no flip is intended while frozen.
    S10FreezeWins,
    /// The name goes back to the primary only by a person's plan.
    S12NoAutomaticFailback,
    /// A write was seen refused before the flip to the standby is intended.
    S15ReadOnlyFirst,
    /// The name always has its records, and they agree with the token.
    S16NeverEmpty,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The first rule that does not hold in this state, or that a step on the way here broke.
pub(crate) fn broken(state: &State) -> Option<Rule> {
    let Zone { mark, points } = state.zone;
    if state.broken.is_some() {
        state.broken
    } else if points == Some(true) && !state.standby_read_only {
        Some(Rule::S1OneWriter)
    } else if points != Some(mark.standby) {
        Some(Rule::S16NeverEmpty)
    } else {
        None
    }
}
