//! What many runs of one scenario amount to.

use super::catalogue::Scenario;
use super::required::Required;
use super::run::Report;
use crate::domain::Alert;

/// Times to decision of many runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Times {
    /// How many runs there were.
    pub runs: usize,
    /// In how many milliseconds those decided that did, in order.
    pub decided_ms: Vec<u64>,
}

impl Times {
    pub(super) fn of(times: impl IntoIterator<Item = Option<u64>>) -> Self {
        let mut all = Self::default();
        for time in times {
            all.runs += 1;
            all.decided_ms.extend(time);
        }
        all.decided_ms.sort_unstable();
        all
    }

    /// The share of runs that decided, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.decided_ms.len() as f64 / self.runs.max(1) as f64
    }

    /// The time, in seconds, within which this share of those that decided did (nearest rank); none when none did.
    pub fn within(&self, share: f64) -> Option<f64> {
        let rank = (share * self.decided_ms.len() as f64).ceil() as usize;
        self.decided_ms.get(rank.max(1) - 1).map(|ms| *ms as f64 / 1_000.0)
    }
}

/// What many runs of one scenario amount to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Of which scenario.
    pub scenario: &'static Scenario,
    /// What is required of the policy.
    pub required: Required,
    /// The times to decision.
    pub times: Times,
    /// The runs that broke what is required, other than by being slow.
    pub wrong: usize,
    /// The runs in which something was decided before there was any fault.
    pub early: usize,
    /// The most moves in one run, where moves are carried out.
    pub most_moves: usize,
    /// The observations that the engine took in all runs.
    pub observations: u64,
}

impl Outcome {
    pub(super) fn of(scenario: &'static Scenario, required: Required, reports: &[Report]) -> Self {
        Self {
            scenario,
            required,
            times: Times::of(reports.iter().map(|report| report.decided)),
            wrong: reports.iter().filter(|report| is_wrong(required, report)).count(),
            early: reports.iter().filter(|report| report.early).count(),
            most_moves: reports.iter().map(|report| report.flips).max().unwrap_or(0),
            observations: reports.iter().map(|report| report.observations).sum(),
        }
    }

    /// Whether what is required was met; a decision before there is any fault never is. Without a single run nothing is shown.
    pub fn is_met(&self) -> bool {
        let limits = match self.required {
            Required::Within(seconds) => self.times.within(0.99).is_some_and(|p99| p99 <= seconds),
            Required::AtMost(share) => self.times.share() <= share,
            Required::Never | Required::Told(_) | Required::NotWithin(_) | Required::Moves(_) | Required::Open => {
                true
            }
        };
        self.times.runs > 0 && self.early == 0 && self.wrong == 0 && limits
    }
}

fn is_wrong(required: Required, report: &Report) -> bool {
    let decided = report.decided.is_some();
    match required {
        Required::Within(_) => !decided,
        Required::Never => decided,
        Required::Told(needed) => {
            decided || !Alert::ALL.iter().zip(report.alerts).any(|(alert, raised)| raised && *alert == needed)
        }
        Required::NotWithin(seconds) => decided && report.lasts <= seconds * 1_000,
        Required::Moves(most) => report.flips > most,
        Required::AtMost(_) | Required::Open => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rank_is_a_time_that_was_seen() {
        let times = Times::of((1..=100).map(|second| Some(second * 1_000)).chain([None]));
        assert_eq!((times.within(0.5), times.within(0.99), times.within(0.0)), (Some(50.0), Some(99.0), Some(1.0)));
        assert!((times.share() - 100.0 / 101.0).abs() < 1e-9);
        assert_eq!(Times::default().within(0.5), None);
    }
}
