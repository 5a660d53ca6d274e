//! One vantage's observations of one site by one check, and what they amount to.
//!
//! Two sums of evidence: of the failures that only a site can cause (network, TLS, 5xx, time-outs), and of all failures, which may be the
//! probe's own fault (a refused login, an unmet assertion). The first makes the view "down", the second alone "suspect". By the policy
//! a sum is a CUSUM, or failures in a row. Inconclusive observations, and failures while the vantage's own network was down, are
//! in neither; a gap longer than `fresh_for` starts both afresh, because what was seen before says nothing about now.

use crate::domain::{
    Canaries, Cusum, Detector, FailureKind, Generation, Moment, Observation, Outcome, PolicyValues, VantageView,
};

use super::burn::Share;

/// So many passes that began after the latest failure, and the site does not fail any more (safety.md 3.7).
const PASSES_AFTER: usize = 3;

/// A policy's detector, with its logarithms taken once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tuning {
    threshold: i32,
    ceiling: i32,
    failure: i32,
    pass: i32,
    /// Passes in a row after which a vantage that counts in a row is no longer down; none where the sum itself says so.
    up_after: Option<u32>,
}

impl Tuning {
    pub(super) fn of(policy: &PolicyValues) -> Self {
        match policy.detector {
            Detector::Cusum(cusum) => Self::cusum(&cusum),
            Detector::Consecutive { down_after } => {
                let threshold = i32::try_from(down_after).unwrap_or(i32::MAX);
                Self { threshold, ceiling: threshold, failure: 1, pass: i32::MAX, up_after: Some(policy.up_after) }
            }
        }
    }

    fn cusum(cusum: &Cusum) -> Self {
        let micro = |milli: u32| i32::try_from(milli.saturating_mul(1_000)).unwrap_or(i32::MAX);
        Self {
            threshold: micro(cusum.threshold),
            ceiling: micro(cusum.ceiling),
            failure: cusum.failure(),
            pass: cusum.pass(),
            up_after: None,
        }
    }
}

/// A sum of evidence.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: i32,
    /// Counting in a row: it has reached the threshold, and not enough passes have followed.
    down: bool,
}

impl Sum {
    fn fail(&mut self, tuning: &Tuning) {
        self.sum = self.sum.saturating_add(tuning.failure).min(tuning.ceiling);
        self.down |= self.sum >= tuning.threshold;
    }

    fn pass(&mut self, tuning: &Tuning, in_a_row: u32) {
        self.sum = self.sum.saturating_sub(tuning.pass).max(0);
        self.down = match tuning.up_after {
            Some(up_after) => self.down && in_a_row < up_after,
            None => self.sum >= tuning.threshold,
        };
    }

    fn thousandths(self, tuning: &Tuning) -> u32 {
        let share = i64::from(self.sum) * 1_000 / i64::from(tuning.threshold.max(1));
        u32::try_from(share).unwrap_or(0)
    }
}

/// Why a probe did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Why {
    pub(super) kind: Option<FailureKind>,
    pub(super) reason: Option<String>,
    pub(super) step: Option<String>,
}

/// What an observation was to its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Older than what was seen before.
    History,
    /// It passed.
    Pass,
    /// It failed; and whether for another reason than the last one, or after a pass.
    Fail {
        /// Whether people have not been told of it.
        news: bool,
    },
    /// It says nothing about the site; and whether for another reason than the last one.
    Nothing {
        /// Whether people have not been told of it.
        news: bool,
    },
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    hard: Sum,
    any: Sum,
    failures: u32,
    passes: u32,
    /// It has been up since the window began.
    was_up: bool,
    /// The end of the latest conclusive observation.
    last: Option<Moment>,
    /// When the latest observation came for which the vantage's own network was down.
    silent: Option<Moment>,
    /// When the latest failure ended.
    failed_at: Option<Moment>,
    /// When the latest passes began, latest first.
    passes_began: [Option<Moment>; PASSES_AFTER],
    share: Share,
    last_failure: Option<Why>,
    /// Why what came after the last conclusive observation says nothing: for people, never for a decision.
    mute: Option<Why>,
    generation: Generation,
}

impl Window {
    /// Takes one observation. One that is older than the last is history, and changes nothing.
    pub(super) fn observe(&mut self, policy: &PolicyValues, tuning: &Tuning, seen: Observation) -> Seen {
        if self.last.is_some_and(|last| seen.at < last) {
            return Seen::History;
        }
        let (at, began) = (seen.at, seen.began());
        if seen.outcome == Outcome::Inconclusive
            || (seen.outcome == Outcome::Fail && seen.canaries == Canaries::Silent)
        {
            return self.says_nothing(policy, seen);
        }
        if self.generation != seen.generation {
            *self = Self { generation: seen.generation, ..Self::default() };
        } else if self.last.is_some_and(|last| at.since(last) > policy.fresh_for) {
            *self = Self { generation: self.generation, share: std::mem::take(&mut self.share), ..Self::default() };
        }
        self.last = Some(at);
        self.silent = None;
        self.mute = None;
        if seen.outcome == Outcome::Pass {
            self.pass(policy, tuning, began);
            return Seen::Pass;
        }
        let hard = !matches!(seen.kind, Some(FailureKind::Denied | FailureKind::Assertion));
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        self.failed_at = Some(at);
        self.any.fail(tuning);
        if hard {
            self.hard.fail(tuning);
        }
        if let Some(burn) = &policy.burn {
            self.share.add(burn, policy.fresh_for, began, hard);
        }
        let why = Why { kind: seen.kind, reason: seen.reason, step: seen.failed_step };
        let news = self.failures == 1 || self.last_failure.as_ref() != Some(&why);
        self.last_failure = Some(why);
        Seen::Fail { news }
    }

    fn pass(&mut self, policy: &PolicyValues, tuning: &Tuning, began: Moment) {
        self.failures = 0;
        self.passes = self.passes.saturating_add(1);
        self.was_up |= self.passes >= policy.up_after;
        self.hard.pass(tuning, self.passes);
        self.any.pass(tuning, self.passes);
        if let Some(burn) = &policy.burn {
            self.share.add(burn, policy.fresh_for, began, false);
        }
        // A short list in order: the new one finds its place, and the oldest falls out.
        let mut new = Some(began);
        for slot in &mut self.passes_began {
            if new > *slot {
                std::mem::swap(slot, &mut new);
            }
        }
    }

    fn says_nothing(&mut self, policy: &PolicyValues, seen: Observation) -> Seen {
        if let Some(burn) = &policy.burn {
            self.share.mute(burn, policy.fresh_for, seen.began());
        }
        let reason = seen.reason.unwrap_or_else(|| "no reason given".to_owned());
        let reason = if seen.outcome == Outcome::Inconclusive {
            format!("inconclusive: {reason}")
        } else {
            self.silent = Some(seen.at);
            format!("this vantage's own network is down, its canaries are silent ({reason})")
        };
        let why = Why { kind: seen.kind, reason: Some(reason), step: seen.failed_step };
        let news = self.mute.as_ref() != Some(&why);
        self.mute = Some(why);
        Seen::Nothing { news }
    }

    /// What it amounts to now.
    pub(super) fn view(&self, policy: &PolicyValues, now: Moment) -> VantageView {
        let fresh = |at: Moment| now.since(at) <= policy.fresh_for;
        if self.silent.is_some_and(fresh) {
            return VantageView::Abstaining;
        }
        match self.last {
            None => VantageView::Unknown,
            Some(last) if !fresh(last) => VantageView::Stale,
            _ if self.hard.down => VantageView::Down,
            _ if self.any.down => VantageView::Suspect,
            _ if self.passes >= policy.up_after => VantageView::Up,
            _ if self.was_up => VantageView::Failing,
            _ => VantageView::Unknown,
        }
    }

    /// Whether it fails still: fewer than three passes have begun since the latest failure was seen. A probe that hangs is seen to have failed
    /// only at its end: passes that began before are older than what it tells.
    pub(super) fn failing_now(&self) -> bool {
        self.failed_at.is_some_and(|failed| {
            self.passes_began.iter().filter(|began| **began > Some(failed)).count() < PASSES_AFTER
        })
    }

    /// The share of failures over the policy's longer time, in thousandths.
    pub(super) fn burn(&self, policy: &PolicyValues, now: Moment) -> u32 {
        policy.burn.map_or(0, |rule| self.share.thousandths(&rule, policy.fresh_for, now))
    }

    /// How far it is towards "down" or "suspect", in thousandths.
    pub(super) fn score(&self, tuning: &Tuning) -> u32 {
        if self.hard.down { self.hard.thousandths(tuning) } else { self.any.thousandths(tuning) }
    }

    /// Whether no evidence is left.
    pub(super) fn is_calm(&self) -> bool {
        self.any.sum == 0
    }

    /// Failures in a row, up to now.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// When something conclusive was last seen.
    pub(super) fn last(&self) -> Option<Moment> {
        self.last
    }

    /// When what it says ends by itself.
    pub(super) fn stale_at(&self, policy: &PolicyValues) -> Option<Moment> {
        let one_later = std::time::Duration::from_millis(1);
        self.silent.max(self.last).map(|last| last.after(policy.fresh_for).after(one_later))
    }

    /// By which scripts it was seen.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// Why it is as it is: what made the last probe say nothing, else the failure that it is in the middle of.
    pub(super) fn why(&self) -> Option<&Why> {
        let failing = self.failures > 0 || self.any.down;
        self.mute.as_ref().or(self.last_failure.as_ref().filter(|_| failing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CheckName, ObservationId, Role, ServiceName, VantageName};

    fn seen(ended_s: u64, took_s: u64, outcome: Outcome) -> Observation {
        let vantage = VantageName::new("aws-1").unwrap();
        Observation {
            id: ObservationId { vantage, boot: "b".to_owned(), seq: ended_s },
            service: ServiceName::new("login").unwrap(),
            check: CheckName::new("login").unwrap(),
            role: Role::Primary,
            at: Moment::from_ms(ended_s * 1_000),
            outcome,
            kind: (outcome == Outcome::Fail).then_some(FailureKind::Timeout),
            reason: None,
            failed_step: None,
            duration_ms: took_s * 1_000,
            canaries: Canaries::Answered,
            generation: Generation::default(),
            metrics: Vec::new(),
        }
    }

    #[test]
    fn passes_that_began_before_a_hanging_probe_was_seen_to_fail_do_not_say_that_it_is_over() {
        let policy = PolicyValues::default();
        let tuning = Tuning::of(&policy);
        let mut window = Window::default();
        for second in 1..=4 {
            let _ = window.observe(&policy, &tuning, seen(second, 0, Outcome::Pass));
        }
        let _ = window.observe(&policy, &tuning, seen(5, 5, Outcome::Fail));
        assert!(window.failing_now());
        for (second, failing) in [(6, true), (7, true), (8, false)] {
            let _ = window.observe(&policy, &tuning, seen(second, 0, Outcome::Pass));
            assert_eq!(window.failing_now(), failing, "{second} s");
        }
    }
}
