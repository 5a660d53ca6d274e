//! How far the standby's data is behind, from positions of both sites that were read at moments of this process's own clock.
//!
//! A database says where it is, and not how old that is: two machines' clocks would have to agree for that (S21). So the primary is asked
//! again and again, each answer is kept with the moment at which it was asked for, and the standby's position is looked up among them:
//!
//! ```text
//! primary    100      100      250      400            asked at 10 s, 11 s, 12 s, 13 s
//! standby                                   260        has all that the primary had at 12 s: at most 1 s behind at 13 s
//! ```
//!
//! It is an upper bound, too large by at most the time between two questions. What it cannot know it does not say: two histories that have
//! parted, a position that was reached before anybody looked, a site that tells none. It decides nothing and asks nobody.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::{Distance, LagReading, Moment, Position, Positions};

/// The most samples that are kept: over an hour of one a second, while the primary writes without a pause. A standby that is further
/// behind is too far for any policy, and its lag is unknown.
const KEPT: usize = 4096;

/// The primary's positions over time.
#[derive(Debug, Clone, Default)]
pub struct Sampler {
    /// In the order of their moments; of several alike in a row only the newest.
    samples: VecDeque<(Moment, Positions)>,
}

impl Sampler {
    /// Takes note of what the primary has answered to a question that was *sent* at `at`: it had come at least that far by then.
    /// A moment before the last one counts as the last one.
    pub fn sampled(&mut self, at: Moment, primary: Positions) {
        if primary.is_empty() {
            return;
        }
        let last = self.samples.back_mut();
        let at = last.as_ref().map_or(at, |(last, _)| at.max(*last));
        match last {
            Some((when, same)) if *same == primary => *when = at,
            _ => self.samples.push_back((at, primary)),
        }
        if self.samples.len() > KEPT {
            self.samples.pop_front();
        }
    }

    /// Whether nothing was ever heard of the primary.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How far the standby is behind at `now`, having answered with these positions *after* the last sample was taken.
    ///
    /// # Errors
    /// Nobody can tell, and why.
    pub fn lag(&self, now: Moment, standby: &Positions) -> Result<LagReading, String> {
        let Some((heard_at, primary)) = self.samples.back() else {
            return Err("the primary's position was never read".to_owned());
        };
        let mut behind = Duration::ZERO;
        let mut texts = Vec::new();
        for (name, there) in primary {
            let here = standby
                .get(name)
                .ok_or_else(|| format!("the primary has a position of '{name}', and the standby has none"))?;
            let (reached, text) = self.reached(name, here, there)?;
            behind = behind.max(heard_at.since(reached));
            texts.push(if primary.len() > 1 { format!("{name}: {text}") } else { text });
        }
        Ok(LagReading { behind, heard: now.since(*heard_at), text: texts.join("; ") })
    }

    /// The last moment whose position the standby has reached, and what that looks like.
    fn reached(&self, name: &str, here: &Position, there: &Position) -> Result<(Moment, String), String> {
        let text = match here.from_source(there) {
            Distance::Level => format!("level at {here}"),
            // It was asked a moment later, and the primary has written meanwhile.
            Distance::Ahead { .. } => format!("at {here}, and the primary was last seen at {there}"),
            Distance::Behind { amount, unit } => format!("{} behind: {here} of {there}", amount_of(amount, unit)),
            // Of these only what is the same can be told, and it may be what the primary had a moment ago.
            Distance::Diverged { .. } if matches!((here, there), (Position::Opaque(_), Position::Opaque(_))) => {
                format!("at {here}, and the primary at {there}")
            }
            Distance::Diverged { why } => return Err(format!("'{name}' has diverged: {why}")),
        };
        let has = |there: &Position| matches!(here.from_source(there), Distance::Level | Distance::Ahead { .. });
        let reached = self.samples.iter().rev().find(|(_, seen)| seen.get(name).is_some_and(has));
        let watched = || {
            let (first, last) = (self.samples.front(), self.samples.back());
            let since = first.zip(last).map(|((first, _), (last, _))| last.since(*first)).unwrap_or_default();
            format!("further behind than the primary was watched for ({} s): {text}", since.as_secs())
        };
        let (moment, _) = reached.ok_or_else(watched)?;
        Ok((*moment, text))
    }
}

/// An amount as people read it: bytes in thousands.
fn amount_of(amount: u64, unit: &str) -> String {
    const STEPS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match STEPS.iter().find(|(step, _)| unit == "bytes" && amount >= *step) {
        Some((step, word)) => format!("{}.{} {word}", amount / step, amount % step * 10 / step),
        None => format!("{amount} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Moment {
        Moment::from_ms(seconds * 1_000)
    }

    fn at(timeline: u32, lsn: u64) -> Positions {
        [("postgres".to_owned(), Position::Lsn { timeline, lsn })].into()
    }

    fn word(text: &str) -> Positions {
        [("application".to_owned(), Position::Opaque(text.to_owned()))].into()
    }

    fn sampled(samples: &[(u64, u64)]) -> Sampler {
        let mut sampler = Sampler::default();
        for (second, lsn) in samples {
            sampler.sampled(s(*second), at(1, *lsn));
        }
        sampler
    }

    fn behind(sampler: &Sampler, now: u64, standby: &Positions) -> Option<(u64, u64)> {
        let lag = sampler.lag(s(now), standby).ok()?;
        Some((lag.behind.as_secs(), lag.heard.as_secs()))
    }

    #[test]
    fn a_standby_is_behind_by_the_time_since_the_primary_was_where_it_is_now() {
        let sampler = sampled(&[(10, 100), (11, 100), (12, 250), (13, 400)]);
        for (lsn, wanted) in [(400, 0), (500, 0), (399, 1), (260, 1), (250, 1), (249, 2), (100, 2)] {
            assert_eq!(behind(&sampler, 13, &at(1, lsn)), Some((wanted, 0)), "{lsn}");
        }
        assert!(behind(&sampler, 13, &at(1, 99)).is_none(), "it may have been there an hour ago");
        let error = sampler.lag(s(13), &at(1, 99)).unwrap_err();
        assert!(error.contains("watched for (2 s)") && error.contains("301 bytes behind"), "{error}");
    }

    #[test]
    fn a_quiet_primary_is_no_lag_and_a_silent_one_is_said() {
        let mut sampler = sampled(&[(10, 100)]);
        for second in 11..500 {
            sampler.sampled(s(second), at(1, 100));
        }
        assert_eq!(sampler.samples.len(), 1);
        assert_eq!(behind(&sampler, 499, &at(1, 100)), Some((0, 0)));
        // One write, not there yet: as far behind as the last look without it.
        sampler.sampled(s(500), at(1, 200));
        assert_eq!(behind(&sampler, 500, &at(1, 100)), Some((1, 0)));
        // The primary is gone: how far behind it was does not grow, and how long ago that was does.
        assert_eq!(behind(&sampler, 560, &at(1, 100)), Some((1, 60)));
        assert_eq!(behind(&sampler, 560, &at(1, 200)), Some((0, 60)));
    }

    #[test]
    fn what_nobody_can_tell_is_not_said() {
        assert!(Sampler::default().lag(s(1), &at(1, 1)).is_err());
        let mut sampler = sampled(&[(10, 100)]);
        let error = sampler.lag(s(10), &Positions::new()).unwrap_err();
        assert!(error.contains("the standby has none"), "{error}");
        let error = sampler.lag(s(10), &at(2, 100)).unwrap_err();
        assert!(error.contains("diverged: timeline 2 here, and 1"), "{error}");
        sampler.sampled(s(20), Positions::new());
        assert_eq!(behind(&sampler, 20, &at(1, 100)), Some((0, 10)), "an empty answer is none");
    }

    #[test]
    fn after_a_change_of_timeline_only_samples_of_the_new_one_count() {
        let mut sampler = sampled(&[(10, 100), (11, 200)]);
        sampler.sampled(s(12), at(2, 210));
        assert!(sampler.lag(s(12), &at(1, 200)).is_err(), "not followed yet");
        assert!(sampler.lag(s(12), &at(2, 205)).is_err(), "reached since nobody knows when");
        sampler.sampled(s(13), at(2, 300));
        assert_eq!(behind(&sampler, 13, &at(2, 215)), Some((1, 0)));
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_makes_no_lag_smaller() {
        let mut sampler = sampled(&[(10, 100), (20, 200)]);
        sampler.sampled(s(15), at(1, 300));
        assert_eq!(behind(&sampler, 20, &at(1, 200)), Some((0, 0)), "at the same moment as the one before");
        assert_eq!(behind(&sampler, 20, &at(1, 100)), Some((10, 0)));
        assert_eq!(behind(&sampler, 12, &at(1, 100)), Some((10, 0)), "now is before the last sample");
        // Asleep for an hour between two samples: what was written meanwhile may be that old.
        sampler.sampled(s(3_620), at(1, 400));
        assert_eq!(behind(&sampler, 3_620, &at(1, 300)), Some((3_600, 0)));
    }

    #[test]
    fn of_several_the_furthest_counts_and_of_words_only_the_same() {
        let mut sampler = Sampler::default();
        let two = |lsn, text: &str| at(1, lsn).into_iter().chain(word(text)).collect::<Positions>();
        sampler.sampled(s(10), two(100, "a"));
        sampler.sampled(s(11), two(200, "b"));
        sampler.sampled(s(12), two(300, "c"));
        assert_eq!(behind(&sampler, 12, &two(300, "c")), Some((0, 0)));
        assert_eq!(behind(&sampler, 12, &two(300, "a")), Some((2, 0)));
        assert_eq!(behind(&sampler, 12, &two(200, "c")), Some((1, 0)));
        assert_eq!(behind(&sampler, 12, &two(300, "never seen")), None);
        let text = sampler.lag(s(12), &two(200, "c")).unwrap().text;
        assert_eq!(
            text,
            "application: level at c; postgres: 100 bytes behind: 0/000000C8 on timeline 1 of 0/0000012C on timeline 1"
        );
    }

    #[test]
    fn memory_is_bounded_and_bytes_are_read_in_thousands() {
        let mut sampler = Sampler::default();
        for second in 0..10_000 {
            sampler.sampled(s(second), at(1, second));
        }
        assert_eq!(sampler.samples.len(), KEPT);
        assert!(sampler.lag(s(10_000), &at(1, 1)).is_err());
        let words = [(999, "999 bytes"), (1_000, "1.0 kB"), (12_345, "12.3 kB"), (7_990_000, "7.9 MB")];
        for (amount, text) in words {
            assert_eq!(amount_of(amount, "bytes"), text);
        }
        assert_eq!(amount_of(5_000, "transactions"), "5000 transactions");
    }
}
