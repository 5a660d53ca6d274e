//! When one assignment is probed next: regular, scattered, and moved when the pace changes. Pure: time and chance come in.

use std::time::Duration;

use tokio::time::Instant;

/// How much a probe's time is scattered around its schedule, so that agents do not fall into step.
const JITTER: f64 = 0.1;

/// See the module. Every `chance` is a number from 0 up to 1.
#[derive(Debug)]
pub(super) struct Beat {
    interval: Duration,
    /// The regular beat.
    on: Instant,
    /// The same with its jitter.
    at: Instant,
    /// Whether the beat after the next is to find a new place in the interval.
    anew: bool,
}

impl Beat {
    /// A phase of its own for each agent and assignment staggers the vantages; the jitter around each beat keeps them apart.
    pub(super) fn new(now: Instant, interval: Duration, chance: f64) -> Self {
        let on = now + interval.mul_f64(chance);
        Self { interval, on, at: on, anew: false }
    }

    /// When to probe next.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// It is probed now. Beats that were missed, on a machine that stood still, are not made up for: probes in a bunch would be a load of
    /// their own.
    pub(super) fn struck(&mut self, now: Instant, chance: f64, jitter: f64) {
        let step = if std::mem::take(&mut self.anew) { self.interval.mul_f64(chance) } else { self.interval };
        self.on = (self.on + step).max(now);
        self.at = self.on + self.interval.mul_f64(JITTER * jitter);
    }

    /// From now on at this interval. A shorter one draws the next beat nearer, to a place of its own within the interval. A longer one
    /// leaves the next beat where it is, so that no change of pace keeps a site from being probed, and scatters the one after it: the
    /// agents come out of a burst closer together than they went in.
    pub(super) fn retime(&mut self, now: Instant, interval: Duration, chance: f64) {
        if interval < self.interval {
            let sooner = now + interval.mul_f64(chance);
            if sooner < self.at {
                (self.on, self.at) = (sooner, sooner);
            }
            self.anew = false;
        } else if interval > self.interval {
            self.anew = true;
        }
        self.interval = interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(5);
    const BURST: Duration = Duration::from_secs(1);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn beats_are_an_interval_apart_and_never_made_up_for() {
        let start = Instant::now();
        let mut beat = Beat::new(start, REST, 0.5);
        assert_eq!(beat.at(), start + ms(2_500));
        beat.struck(beat.at(), 0.9, 0.5);
        assert_eq!(beat.at(), start + ms(7_750), "a tenth of the interval is the widest jitter");
        beat.struck(beat.at(), 0.9, 0.0);
        assert_eq!(beat.at(), start + ms(12_500), "jitter does not add up");
        let late = start + ms(60_000);
        beat.struck(late, 0.9, 0.0);
        assert_eq!(beat.at(), late);
        beat.struck(late, 0.9, 0.0);
        assert_eq!(beat.at(), late + REST);
    }

    #[test]
    fn a_burst_draws_the_next_beat_nearer_and_never_puts_it_off() {
        let start = Instant::now();
        let mut beat = Beat::new(start, REST, 0.8);
        let now = start + ms(100);
        beat.retime(now, BURST, 0.5);
        assert_eq!(beat.at(), now + ms(500));
        beat.struck(beat.at(), 0.9, 0.0);
        assert_eq!(beat.at(), now + ms(1_500), "and goes on at the new interval");
        // One that was due earlier stays.
        let mut beat = Beat::new(start, REST, 0.04);
        beat.retime(start, BURST, 0.5);
        assert_eq!(beat.at(), start + ms(200));
    }

    #[test]
    fn back_at_rest_the_next_beat_stays_and_the_one_after_it_finds_a_place_of_its_own() {
        let start = Instant::now();
        let mut beat = Beat::new(start, BURST, 0.5);
        beat.retime(start, REST, 0.1);
        assert_eq!(beat.at(), start + ms(500), "at most the rest interval away");
        beat.struck(beat.at(), 0.3, 0.0);
        assert_eq!(beat.at(), start + ms(500 + 1_500));
        beat.struck(beat.at(), 0.3, 0.0);
        assert_eq!(beat.at(), start + ms(500 + 1_500 + 5_000));
    }

    #[test]
    fn a_pace_that_goes_to_and_fro_keeps_no_site_from_being_probed() {
        let start = Instant::now();
        let mut beat = Beat::new(start, REST, 0.5);
        let mut now = start;
        let mut struck = 0;
        while now < start + 20 * REST {
            let interval = if (now - start).as_millis().is_multiple_of(200) { BURST } else { REST };
            beat.retime(now, interval, 0.99);
            if beat.at() <= now {
                beat.struck(now, 0.99, 0.99);
                struck += 1;
            }
            now += ms(100);
        }
        assert!(struck >= 20, "{struck}");
    }
}
