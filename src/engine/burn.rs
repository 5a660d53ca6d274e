//! The share of failures over a longer time. The time is cut into short cells; a cell in which nothing began is as the one before it,
//! because a burst probes more often just when things fail: counted by probes, or by the share in slices as long as the time between two
//! probes at rest, 10 s of failure in each 40 look like more than they are.

use std::time::Duration;

use crate::domain::{Burn, Moment};

/// Cells of the policy's time: one second each in three minutes, as far apart as the probes of a burst.
const CELLS: usize = 180;

/// A cell in which everything failed. It has many divisors.
const WHOLE: u8 = 240;

/// The probes of one vantage that began within a cell, and what that cell counts for.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    /// Failures in the upper half, probes in the lower: there are thousands of cells for each service.
    counts: u8,
    /// Of `WHOLE`.
    share: u8,
}

impl Cell {
    /// As many probes as half a byte counts.
    const FULL: u8 = 0x0f;
    /// Nothing began here but a probe that could not tell.
    const MUTE: u8 = 0x10;

    fn is_empty(self) -> bool {
        self.counts == 0
    }

    fn count(&mut self, failed: bool) {
        if self.counts == Self::MUTE {
            self.counts = 0;
        }
        // A cell that is full has said what it has to say.
        if self.counts & Self::FULL != Self::FULL {
            self.counts += 1 + if failed { 0x10 } else { 0 };
        }
    }

    /// What its own probes say.
    fn own(self) -> u8 {
        let (failures, probes) = (u16::from(self.counts >> 4), u16::from(self.counts & Self::FULL));
        (u16::from(WHOLE) * failures).checked_div(probes).and_then(|share| u8::try_from(share).ok()).unwrap_or(0)
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Share {
    cells: [Cell; CELLS],
    /// The number, since the process began, of the newest cell with a probe.
    newest: u64,
    /// The sum of all cells' shares: it is asked for far more often than it changes.
    sum: u32,
}

impl Default for Share {
    fn default() -> Self {
        Self { cells: [Cell::default(); CELLS], newest: 0, sum: 0 }
    }
}

impl Share {
    /// Takes one probe by its beginning: a login that hangs ends after those that began later. Before the oldest cell is history. A probe
    /// speaks for the time after it while it is fresh.
    pub(super) fn add(&mut self, rule: &Burn, fresh_for: Duration, began: Moment, failed: bool) {
        self.put(rule, fresh_for, began, |cell| cell.count(failed));
    }

    /// A probe could not tell: from here on, what was before says nothing.
    pub(super) fn mute(&mut self, rule: &Burn, fresh_for: Duration, began: Moment) {
        self.put(rule, fresh_for, began, |cell| {
            if cell.is_empty() {
                cell.counts = Cell::MUTE;
            }
        });
    }

    fn put(&mut self, rule: &Burn, fresh_for: Duration, began: Moment, what: impl FnOnce(&mut Cell)) {
        let (number, fresh) = (Self::number(rule, began), Self::cells_in(rule, fresh_for));
        if number + CELLS as u64 <= self.newest {
            return;
        }
        if number > self.newest {
            self.turn_to(number, fresh);
        }
        if let Some(cell) = self.cells.get_mut(Self::place(number)) {
            what(cell);
            self.spread(number, fresh);
        }
    }

    /// Makes a later cell the newest.
    fn turn_to(&mut self, number: u64, fresh: u64) {
        for passed in (self.newest + 1).max(number.saturating_sub(CELLS as u64 - 1))..=number {
            if let Some(cell) = self.cells.get_mut(Self::place(passed)) {
                self.sum -= u32::from(cell.share);
                *cell = Cell::default();
            }
        }
        let before = std::mem::replace(&mut self.newest, number);
        if number - before < CELLS as u64 {
            self.spread(before, fresh);
        }
    }

    /// Lets a cell speak for itself and for the empty ones after it.
    fn spread(&mut self, from: u64, fresh: u64) {
        let own = self.cells.get(Self::place(from)).map_or(0, |cell| cell.own());
        for number in from..=self.newest {
            let Some(cell) = self.cells.get_mut(Self::place(number)) else { return };
            if number > from && !cell.is_empty() {
                return;
            }
            let share = if number - from <= fresh { own } else { 0 };
            self.sum = self.sum - u32::from(cell.share) + u32::from(share);
            cell.share = share;
        }
    }

    /// The share now, in thousandths.
    pub(super) fn thousandths(&self, rule: &Burn, fresh_for: Duration, now: Moment) -> u32 {
        if self.sum == 0 {
            return 0;
        }
        // Since the newest cell some have left the time, and the newest speaks for those that came.
        let passed = Self::number(rule, now).saturating_sub(self.newest).min(CELLS as u64);
        let share = |number| self.cells.get(Self::place(number)).map_or(0, |cell| u32::from(cell.share));
        let left: u32 = (1..=passed).map(|cell| share(self.newest + cell)).sum();
        let spoken = u32::try_from(passed.min(Self::cells_in(rule, fresh_for))).unwrap_or(0);
        let newest = if passed < CELLS as u64 { share(self.newest) } else { 0 };
        // Time without a probe is no failure: two probes after a start are no three minutes.
        1_000 * (self.sum - left + spoken * newest) / (CELLS as u32 * u32::from(WHOLE))
    }

    fn number(rule: &Burn, at: Moment) -> u64 {
        at.as_ms() / Self::width(rule)
    }

    fn cells_in(rule: &Burn, time: Duration) -> u64 {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / Self::width(rule)
    }

    /// A cell, in milliseconds.
    fn width(rule: &Burn) -> u64 {
        (u64::try_from(rule.window.as_millis()).unwrap_or(u64::MAX) / CELLS as u64).max(1)
    }

    fn place(number: u64) -> usize {
        usize::try_from(number % CELLS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Duration = Duration::from_secs(20);

    fn share(probes: impl IntoIterator<Item = (u64, bool)>) -> Share {
        let mut share = Share::default();
        for (second, failed) in probes {
            share.add(&Burn::default(), FRESH, Moment::from_ms(second * 1_000), failed);
        }
        share
    }

    fn at(share: &Share, second: u64) -> u32 {
        share.thousandths(&Burn::default(), FRESH, Moment::from_ms(second * 1_000))
    }

    #[test]
    fn a_second_counts_once_however_many_probes_fell_into_it() {
        let share = share((0..180).flat_map(|n| if n < 175 { vec![(n, false)] } else { vec![(n, true); 9] }));
        assert_eq!(at(&share, 179), 5_000 / 180);
    }

    #[test]
    fn probing_more_often_while_it_fails_makes_no_larger_share() {
        // A quarter of the time fails, and is probed five times as often as the rest.
        let bad = |second: u64| second % 40 < 10;
        let share =
            share((0..1_000).filter(|second| bad(*second) || second % 5 == 0).map(|second| (second, bad(second))));
        // Three minutes that end at 1,000 s hold four spells and the beginning of none.
        assert_eq!(at(&share, 999), 40_000 / 180);
    }

    #[test]
    fn a_login_that_hangs_counts_where_it_began_though_later_ones_ended_before() {
        let order = [(0, false), (2, false), (3, false), (1, true), (4, false)];
        assert_eq!(at(&share(order), 4), 1_000 / 180);
    }

    #[test]
    fn twenty_seconds_of_failures_in_each_forty_are_thirty_per_cent_after_a_minute_and_a_half() {
        let bad = |second: u64| second >= 180 && (second - 180) % 40 < 20;
        let mut share = Share::default();
        let mut reached = None;
        for second in 0..400 {
            share.add(&Burn::default(), FRESH, Moment::from_ms(second * 1_000), bad(second));
            if reached.is_none() && at(&share, second) >= 300 {
                reached = Some(second - 180);
            }
        }
        assert_eq!(reached, Some(93));
    }

    #[test]
    fn failures_are_forgotten_when_their_time_has_passed_also_without_a_probe() {
        let share = share((0..180).map(|second| (second, true)));
        assert_eq!(at(&share, 179), 1_000);
        // The last one speaks for twenty seconds more.
        assert_eq!(at(&share, 179 + 90), 110_000 / 180);
        assert_eq!(at(&share, 179 + 180), 0);
    }

    #[test]
    fn a_few_probes_after_a_start_are_not_read_as_the_whole_time() {
        assert_eq!(at(&share([(0, true), (5, true)]), 5), 6_000 / 180);
    }

    #[test]
    fn a_failure_does_not_speak_past_a_probe_that_could_not_tell() {
        let mut share = share([(0, true)]);
        share.mute(&Burn::default(), FRESH, Moment::from_ms(2_000));
        assert_eq!(at(&share, 10), 2_000 / 180);
        share.add(&Burn::default(), FRESH, Moment::from_ms(2_500), true);
        assert_eq!(at(&share, 10), 11_000 / 180);
    }
}
