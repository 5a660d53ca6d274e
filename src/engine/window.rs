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

/// Why a probe did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Why {
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
    last_failure: Option<Why>,
    /// Why what came after the last conclusive observation says nothing: for people, never for a decision.
    mute: Option<Why>,
}

impl Window {
    /// Takes one observation. One that is older than the last is history, and changes nothing.
    pub(super) fn observe(&mut self, policy: &PolicyValues, seen: &Observation) {
        if self.last.is_some_and(|last| seen.at < last) {
            return;
        }
        let why = Why { kind: seen.kind, reason: seen.reason.clone(), step: seen.failed_step.clone() };
        if seen.outcome == Outcome::Inconclusive {
            let reason = why.reason.unwrap_or_else(|| "no reason given".to_owned());
            self.mute = Some(Why { reason: Some(format!("inconclusive: {reason}")), ..why });
            return;
        }
        self.mute = None;
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
        self.last_failure = Some(why);
        if self.failures >= 3 {
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

    /// Why it is as it is: what made the last probe say nothing, else the failure that it is in the middle of.
    pub(super) fn why(&self) -> Option<&Why> {
        self.mute.as_ref().or(self.last_failure.as_ref().filter(|_| self.failures > 0 || self.base == Base::Down))
    }
}
