//! The share of failures over a longer time: the mean of the shares in equal slices of it. A slice counts once however many probes
//! fell into it, because a burst probes more often just when things fail.

use crate::domain::{Burn, Moment};

/// Slices of the policy's time.
const SLICES: usize = 36;

#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    failures: u8,
    probes: u8,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Share {
    slices: [Slice; SLICES],
    /// The number, since the process began, of the slice that was last written.
    newest: u64,
    /// The sum of all slices' shares, in thousandths: it is asked for far more often than it changes.
    sum: u32,
}

impl Slice {
    fn share(self) -> u32 {
        if self.probes == 0 { 0 } else { 1_000 * u32::from(self.failures) / u32::from(self.probes) }
    }
}

impl Default for Share {
    fn default() -> Self {
        Self { slices: [Slice::default(); SLICES], newest: 0, sum: 0 }
    }
}

impl Share {
    /// Takes the end of one probe; a moment before the oldest slice is history.
    pub(super) fn add(&mut self, rule: &Burn, at: Moment, failed: bool) {
        let number = Self::number(rule, at);
        if number + SLICES as u64 <= self.newest {
            return;
        }
        self.turn_to(number);
        let Some(slice) = self.slices.get_mut(Self::place(number)) else { return };
        // A slice that is full has said what it has to say.
        if slice.probes == u8::MAX {
            return;
        }
        let before = *slice;
        slice.probes += 1;
        slice.failures += u8::from(failed);
        self.sum = self.sum - before.share() + slice.share();
    }

    /// Empties the slices between the newest and this one.
    fn turn_to(&mut self, number: u64) {
        let first = (self.newest + 1).max(number.saturating_sub(SLICES as u64 - 1));
        for passed in first..=number {
            if let Some(slice) = self.slices.get_mut(Self::place(passed)) {
                self.sum -= slice.share();
                *slice = Slice::default();
            }
        }
        self.newest = self.newest.max(number);
    }

    /// The share now, in thousandths.
    pub(super) fn thousandths(&self, rule: &Burn, now: Moment) -> u32 {
        if self.sum == 0 {
            return 0;
        }
        // What has passed out of the time since the newest slice was written is taken out again.
        let mut sum = self.sum;
        let passed = Self::number(rule, now).saturating_sub(self.newest).min(SLICES as u64);
        for number in (0..passed).map(|slice| self.newest + 1 + slice) {
            sum -= self.slices.get(Self::place(number)).map_or(0, |slice| slice.share());
        }
        // A slice without a probe is no failure: two probes after a start are no three minutes.
        sum / SLICES as u32
    }

    fn number(rule: &Burn, at: Moment) -> u64 {
        let width = u64::try_from(rule.window.as_millis()).unwrap_or(u64::MAX) / SLICES as u64;
        at.as_ms() / width.max(1)
    }

    fn place(number: u64) -> usize {
        usize::try_from(number % SLICES as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(probes: impl IntoIterator<Item = (u64, bool)>) -> Share {
        let mut share = Share::default();
        for (second, failed) in probes {
            share.add(&Burn::default(), Moment::from_ms(second * 1_000), failed);
        }
        share
    }

    fn at(share: &Share, second: u64) -> u32 {
        share.thousandths(&Burn::default(), Moment::from_ms(second * 1_000))
    }

    #[test]
    fn a_slice_counts_once_however_many_probes_fell_into_it() {
        // One probe each five seconds for three minutes, and a burst of failures in the last slice.
        let share = share((0..35).map(|n| (n * 5, false)).chain((175..180).map(|second| (second, true))));
        assert_eq!(at(&share, 179), 1_000 / 36);
    }

    #[test]
    fn twenty_seconds_of_failures_in_each_forty_are_thirty_per_cent_after_a_minute_and_a_half() {
        let bad = |second: u64| second >= 180 && (second - 180) % 40 < 20;
        let mut share = Share::default();
        let mut reached = None;
        for second in 0..400 {
            share.add(&Burn::default(), Moment::from_ms(second * 1_000), bad(second));
            if reached.is_none() && at(&share, second) >= 300 {
                reached = Some(second - 180);
            }
        }
        assert_eq!(reached, Some(90));
    }

    #[test]
    fn failures_are_forgotten_when_their_time_has_passed_also_without_a_probe() {
        let share = share((0..36).map(|n| (n * 5, true)));
        assert_eq!(at(&share, 179), 1_000);
        assert_eq!(at(&share, 179 + 90), 500);
        assert_eq!(at(&share, 179 + 100), 16 * 1_000 / 36);
        assert_eq!(at(&share, 179 + 180), 0);
    }

    #[test]
    fn a_few_probes_after_a_start_are_not_read_as_the_whole_time() {
        assert_eq!(at(&share([(0, true), (5, true)]), 5), 2_000 / 36);
    }
}
