//! What happened at all during a search, and how often: a model in which nothing happens holds every rule.

use std::cell::Cell;
use std::fmt;

/// Something that a search should have come across.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    FlipApplied,
    FailbackApplied,
    StaleRefused,
    DuplicateRefused,
    AnswerLostButApplied,
    FenceTriedAgain,
    TwoBelieveToLead,
    Deposed,
    TakeoverDuringFlip,
    RolledForward,
    Voided,
    NeverSent,
    SentAgain,
    PlanDone,
    PlanAbandoned,
    PlanStuck,
    FrozenAtCommit,
    OtherOpenAtCommit,
    ZoneWasAhead,
}

impl Event {
    pub(crate) const ALL: [Self; 19] = [
        Self::FlipApplied,
        Self::FailbackApplied,
        Self::StaleRefused,
        Self::DuplicateRefused,
        Self::AnswerLostButApplied,
        Self::FenceTriedAgain,
        Self::TwoBelieveToLead,
        Self::Deposed,
        Self::TakeoverDuringFlip,
        Self::RolledForward,
        Self::Voided,
        Self::NeverSent,
        Self::SentAgain,
        Self::PlanDone,
        Self::PlanAbandoned,
        Self::PlanStuck,
        Self::FrozenAtCommit,
        Self::OtherOpenAtCommit,
        Self::ZoneWasAhead,
    ];
}

/// How often each event was a step of the search. It is no part of a state.
#[derive(Default)]
pub(crate) struct Coverage {
    counts: [Cell<u64>; Event::ALL.len()],
}

impl Coverage {
    pub(crate) fn note(&self, event: Event) {
        let count = &self.counts[event as usize];
        count.set(count.get() + 1);
    }

    pub(crate) fn count(&self, event: Event) -> u64 {
        self.counts[event as usize].get()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in Event::ALL {
            write!(f, " {event:?}={}", self.count(event))?;
        }
        Ok(())
    }
}
