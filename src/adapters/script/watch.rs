//! The probe's stopwatch: how much of its deadline is left, and who used it up. It reads the clock and nothing else.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The wall-clock budget of one probe. A probe's duration is a measurement and not a decision, so it reads the machine's
/// monotonic clock here rather than through a port.
#[derive(Debug)]
pub(super) struct Watch {
    began: Instant,
    deadline: Duration,
    waited: Mutex<Duration>,
}

impl Watch {
    /// Starts the watch.
    pub(super) fn start(deadline: Duration) -> Self {
        Self { began: now(), deadline, waited: Mutex::new(Duration::ZERO) }
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

    /// What is left of the limit.
    pub(super) fn remaining(&self) -> Duration {
        self.deadline.saturating_sub(self.elapsed())
    }

    /// Books time that the probe spent waiting for the site.
    pub(super) fn waited(&self, from: Duration) {
        let spent = self.elapsed().saturating_sub(from);
        *self.waited.lock().unwrap_or_else(PoisonError::into_inner) += spent;
    }

    /// Whether the site used up at least half of the deadline. If not, the script did, and running out of time says
    /// nothing of the site.
    pub(super) fn blames_the_site(&self) -> bool {
        let waited = *self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        waited * 2 >= self.deadline
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where a probe is timed; no decision depends on it")]
fn now() -> Instant {
    Instant::now()
}
