//! How often simulated agents probe: the agents' own rules (`runtime`: beat and tempo), in virtual milliseconds.

use super::chance::Chance;
use crate::domain::{Burst, Moment, PolicyValues};

/// How much a probe's time is scattered around its schedule.
const JITTER: f64 = 0.1;
/// For how long after its latest failure an agent goes on bursting by itself.
const LINGER: u64 = 15_000;

/// When one site is probed next by one agent.
#[derive(Debug)]
pub(super) struct Beat {
    interval: u64,
    /// The regular beat.
    on: u64,
    /// The same with its jitter.
    at: u64,
    /// The beat after the next is to find a new place in the interval.
    anew: bool,
}

impl Beat {
    /// A phase of its own, somewhere in the interval.
    pub(super) fn new(now: u64, interval: u64, chance: &mut Chance) -> Self {
        let on = now + chance.ms(0, interval);
        Self { interval, on, at: on, anew: false }
    }

    /// When to probe next.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// It is probed now.
    pub(super) fn struck(&mut self, now: u64, chance: &mut Chance) {
        let step = if std::mem::take(&mut self.anew) { chance.ms(0, self.interval) } else { self.interval };
        self.on = (self.on + step).max(now);
        self.at = self.on + (self.interval as f64 * JITTER * chance.unit()) as u64;
    }

    /// From now on at this interval: a shorter one draws the next beat nearer, a longer one scatters the one after it. True when
    /// the next beat has moved.
    pub(super) fn retime(&mut self, now: u64, interval: u64, chance: &mut Chance) -> bool {
        let mut moved = false;
        if interval < self.interval {
            let sooner = now + chance.ms(0, interval);
            if sooner < self.at {
                (self.on, self.at) = (sooner, sooner);
                moved = true;
            }
            self.anew = false;
        } else if interval > self.interval {
            self.anew = true;
        }
        self.interval = interval;
        moved
    }
}

/// What an agent knows of the pace for one service.
#[derive(Debug, Default)]
pub(super) struct Tempo {
    wish: Option<u64>,
    /// The first and the latest failure of a row without a longer pause.
    trouble: Option<(u64, u64)>,
}

impl Tempo {
    /// What the controller wishes now.
    pub(super) fn wished(&mut self, every: Option<u64>) {
        self.wish = every;
    }

    /// One of its own probes has failed. Says whether that begins a burst.
    pub(super) fn failed(&mut self, now: u64) -> bool {
        let goes_on = self.trouble.filter(|(_, last)| now < last + LINGER);
        self.trouble = Some((goes_on.map_or(now, |(since, _)| since), now));
        goes_on.is_none()
    }

    /// When its own burst ends, if it does not fail again.
    pub(super) fn calm_at(&self) -> Option<u64> {
        self.trouble.map(|(_, last)| last + LINGER)
    }

    /// How often it probes now.
    pub(super) fn interval(&self, policy: &PolicyValues, now: u64) -> u64 {
        let rest = ms(policy.interval);
        let own = policy.burst.zip(self.trouble.filter(|(_, last)| now < last + LINGER));
        let own =
            own.map(|(burst, (since, _))| if now < since + ms(burst.at_most) { burst.interval } else { burst.then });
        self.wish.into_iter().chain(own.map(ms)).min().unwrap_or(rest).min(rest)
    }

    /// When that burst becomes gentler.
    pub(super) fn gentler_at(&self, rule: Option<Burst>) -> Option<u64> {
        Some(self.trouble?.0 + ms(rule?.at_most))
    }
}

/// A time in milliseconds, as moments count them.
pub(super) fn ms(time: std::time::Duration) -> u64 {
    Moment::default().after(time).as_ms()
}
