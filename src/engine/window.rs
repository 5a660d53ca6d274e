//! One vantage's observations of one site by one check, and what they amount to.
//!
//! Consecutive counting with hysteresis: `down_after` failures in a row make it down, `up_after` passes in a row make it up again.
//! Inconclusive observations change nothing, not even freshness; a gap longer than `fresh_for` starts it afresh, because
//! what was seen before says nothing about now.

use crate::domain::{FailureKind, Moment, Observation, Outcome, PolicyValues, VantageView};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Base {
    #[default]
    Unknown,
    Up,
    Down,
}

/// The last failure that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastFailure {
    pub(super) kind: Option<FailureKind>,
    pub(super) reason: Option<String>,
    pub(super) step: Option<String>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    base: Base,
    failures: u32,
    passes: u32,
    last: Option<Moment>,
    last_failure: Option<LastFailure>,
}

impl Window {
    /// Takes one observation. One that is older than the last is history, and changes nothing.
    pub(super) fn observe(&mut self, policy: &PolicyValues, seen: &Observation) {
        if seen.outcome == Outcome::Inconclusive || self.last.is_some_and(|last| seen.at < last) {
            return;
        }
        if self.last.is_some_and(|last| seen.at.since(last) > policy.fresh_for) {
            *self = Self::default();
        }
        self.last = Some(seen.at);
        if seen.outcome == Outcome::Pass {
            self.failures = 0;
            self.passes = self.passes.saturating_add(1);
            if self.passes >= policy.up_after {
                self.base = Base::Up;
            }
            return;
        }
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        self.last_failure =
            Some(LastFailure { kind: seen.kind, reason: seen.reason.clone(), step: seen.failed_step.clone() });
        if self.failures >= policy.down_after {
            self.base = Base::Down;
        }
    }

    /// What it amounts to now.
    pub(super) fn view(&self, policy: &PolicyValues, now: Moment) -> VantageView {
        match (self.last, self.base) {
            (None, _) => VantageView::Unknown,
            (Some(last), _) if now.since(last) > policy.fresh_for => VantageView::Stale,
            (_, Base::Unknown) => VantageView::Unknown,
            (_, Base::Up) if self.failures > 0 => VantageView::Failing,
            (_, Base::Up) => VantageView::Up,
            (_, Base::Down) => VantageView::Down,
        }
    }

    /// Failures in a row, up to now.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// When something conclusive was last seen.
    pub(super) fn last(&self) -> Option<Moment> {
        self.last
    }

    /// The last failure.
    pub(super) fn last_failure(&self) -> Option<&LastFailure> {
        self.last_failure.as_ref()
    }
}
