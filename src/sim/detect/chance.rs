//! Chance that a seed gives again: SplitMix64, the same numbers on every machine and with every version of every crate.

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

/// The golden ratio's fraction: SplitMix64's own step.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Chance {
    /// A chance of its own for each run of each scenario: neither depends on what else is simulated, or on which thread.
    pub(super) fn of(seed: u64, what: &str, run: usize) -> Self {
        let name = what
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(mixed(mixed(seed ^ name).wrapping_add((run as u64).wrapping_mul(STEP))))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// From 0 up to 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in this share of all cases.
    pub(super) fn hits(&mut self, share: f64) -> bool {
        share > 0.0 && self.unit() < share
    }

    /// From `low` up to `high`, in milliseconds.
    pub(super) fn ms(&mut self, low: u64, high: u64) -> u64 {
        low + (self.unit() * high.saturating_sub(low) as f64) as u64
    }

    /// Log-normal, in milliseconds (Box and Muller's way to a normal deviate).
    pub(super) fn log_normal_ms(&mut self, median: f64, sigma: f64) -> u64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        (median * (sigma * normal).exp()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_another_run_gives_others() {
        let take = |run| {
            let mut chance = Chance::of(7, "total-fast", run);
            [chance.bits(), chance.bits()]
        };
        assert_eq!(take(3), take(3));
        assert_ne!(take(3), take(4));
        assert_ne!(Chance::of(7, "a", 0).bits(), Chance::of(7, "b", 0).bits());
    }

    #[test]
    fn the_median_of_many_log_normal_numbers_is_the_median() {
        let mut chance = Chance::of(1, "median", 0);
        let mut times: Vec<u64> = (0..10_001).map(|_| chance.log_normal_ms(500.0, 0.4)).collect();
        times.sort_unstable();
        assert!((490..510).contains(&times[5_000]), "{}", times[5_000]);
    }
}
