//! What makes one vantage say "down": the numbers of the statistics, not the statistics.

use std::time::Duration;

/// What makes one vantage say "down".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detector {
    /// A sum of evidence, with memory.
    Cusum(Cusum),
    /// So many failures in a row, without memory: one pass between them starts it afresh.
    Consecutive {
        /// Failures in a row.
        down_after: u32,
    },
}

/// Page's CUSUM over the log-likelihood ratio of two failure rates. A failure adds `ln(broken / normal)`, a pass takes
/// `ln((1 - normal) / (1 - broken))` away, never below zero and never above the ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cusum {
    /// The share of failures of a site that is well, in thousandths.
    pub normal: u32,
    /// The share of failures of a site that is broken, in thousandths.
    pub broken: u32,
    /// The sum at which the vantage says "down", in thousandths of a nat.
    pub threshold: u32,
    /// The largest sum, in thousandths of a nat: what has failed for hours must not take hours of passes to forgive.
    pub ceiling: u32,
}

impl Default for Cusum {
    /// 5 % against 50 %: three failures from rest reach 6.9 (safety.md 3.1).
    fn default() -> Self {
        Self { normal: 50, broken: 500, threshold: 6_900, ceiling: 10_350 }
    }
}

impl Cusum {
    /// What a failure adds, in millionths of a nat.
    pub fn failure(&self) -> i32 {
        micro_nats(f64::from(self.broken) / f64::from(self.normal.max(1)))
    }

    /// What a pass takes away, in millionths of a nat.
    pub fn pass(&self) -> i32 {
        micro_nats((1_000.0 - f64::from(self.normal)) / (1_000.0 - f64::from(self.broken.min(999))))
    }
}

/// The natural logarithm in millionths; `as` saturates.
fn micro_nats(ratio: f64) -> i32 {
    (ratio.ln() * 1e6).round() as i32
}

/// The second lane: failures that come and go, which no confirmation ever sees held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burn {
    /// The share of failures, in thousandths, that a vantage must have seen.
    pub ratio: u32,
    /// Over this time.
    pub window: Duration,
}

impl Default for Burn {
    /// 30 % over three minutes (safety.md 3.7).
    fn default() -> Self {
        Self { ratio: 300, window: Duration::from_secs(180) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_from_rest_reach_the_threshold_and_two_do_not() {
        let cusum = Cusum::default();
        assert_eq!((cusum.failure(), cusum.pass()), (2_302_585, 641_854));
        let threshold = i32::try_from(cusum.threshold).unwrap() * 1_000;
        assert!(3 * cusum.failure() >= threshold);
        assert!(2 * cusum.failure() < threshold);
    }
}
