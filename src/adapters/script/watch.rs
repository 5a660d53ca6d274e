//! The probe's stopwatch: how much of its deadline is left, and who used it up. It reads the clock and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The wall-clock budget of one probe. A probe's duration is a measurement and not a decision, so it reads the machine's
/// monotonic clock here rather than through a port.
#[derive(Debug)]
pub(super) struct Watch {
    began: Instant,
    deadline: Duration,
    /// In microseconds.
    waited: AtomicU64,
    /// What cleaning up has beside the deadline, in microseconds.
    beside: AtomicU64,
}

impl Watch {
    /// Starts the watch.
    pub(super) fn start(deadline: Duration) -> Self {
        Self { began: now(), deadline, waited: AtomicU64::new(0), beside: AtomicU64::new(0) }
    }

    /// Another watch that was started at the same moment.
    pub(super) fn beside(&self) -> Self {
        Self { waited: AtomicU64::new(0), beside: AtomicU64::new(0), ..*self }
    }

    /// The time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.began)
    }

    /// The time since the start in whole milliseconds.
    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The limit.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// What is left of the limit, and of what cleaning up has beside it.
    pub(super) fn remaining(&self) -> Duration {
        let beside = Duration::from_micros(self.beside.load(Ordering::Relaxed));
        (self.deadline + beside).saturating_sub(self.elapsed())
    }

    /// What is left of the deadline itself.
    pub(super) fn until_deadline(&self) -> Duration {
        self.deadline.saturating_sub(self.elapsed())
    }

    /// From now on at least so much is left.
    pub(super) fn leaves(&self, least: Duration) {
        let missing = least.saturating_sub(self.remaining());
        self.beside.fetch_add(u64::try_from(missing.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Books time that the probe spent waiting for the site, less what went by because this thread was busy with other scripts.
    pub(super) fn waited(&self, from: Duration, busy: Duration) {
        let spent = self.elapsed().saturating_sub(from).saturating_sub(busy);
        self.waited.fetch_add(u64::try_from(spent.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether the site used up at least half of the deadline. If not, the script or the prober did, and running out of time says
    /// nothing of the site.
    pub(super) fn blames_the_site(&self) -> bool {
        Duration::from_micros(self.waited.load(Ordering::Relaxed)) * 2 >= self.deadline
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where a probe is timed; no decision depends on it")]
pub(super) fn now() -> Instant {
    Instant::now()
}
