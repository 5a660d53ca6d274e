//! The one place where this process reads its clocks.
//!
//! Everything else is given a [`Clock`], so that decisions can be replayed. It refuses nothing and never fails: a wall clock
//! that stands before 1970 reads as 1970, which other systems' signature checks then reject aloud.

use std::time::{Instant, SystemTime};

use crate::domain::{Moment, WallTime};
use crate::ports::Clock;

/// The operating system's clocks. Moments count from when it was made.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose moments begin now. A process has one, and shares it: moments of two clocks are not comparable (S21).
    #[expect(clippy::disallowed_methods, reason = "the one clock that all others stand for")]
    #[expect(clippy::new_without_default, reason = "a default would invite a second clock, whose moments differ")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::default().after(self.origin.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "the one clock that all others stand for")]
    fn wall(&self) -> WallTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        WallTime::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_never_go_back_and_the_wall_clock_is_in_this_century() {
        let clock = SystemClock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second && first.as_ms() < 60_000);
        assert!(clock.wall().as_ms() > 946_684_800_000, "{}", clock.wall());
    }
}
