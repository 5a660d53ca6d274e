//! The one place where this process reads its clocks.
//!
//! Everything else is given a [`Clock`], so that decisions can be replayed. It refuses nothing and never fails: a wall clock
//! that stands before 1970 reads as 1970, which other systems' signature checks then reject aloud.

use std::time::{Duration, SystemTime};

use crate::domain::{Moment, WallTime};
use crate::ports::Clock;

/// The moment at which a process begins: what its agents have kept for it while it was away is older than it, and must not be taken for
/// seen at its start. No agent keeps anything for so long.
const BEGINS_AT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The operating system's clocks. Moments count from when it was made, the time in which the machine was suspended included: what was
/// seen before a suspension is old after it, and must not look fresh (S21).
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Duration,
}

/// How long this machine has been up. Linux's monotonic clock, which `Instant` reads, stands still while the machine is suspended; its
/// boot-time clock does not.
#[cfg(target_os = "linux")]
fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The same elsewhere, where a suspension may be missed: since this was first asked.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "the one clock that all others stand for")]
fn uptime() -> Duration {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed()
}

impl SystemClock {
    /// A clock whose moments begin now. A process has one, and shares it: moments of two clocks are not comparable (S21).
    #[expect(clippy::new_without_default, reason = "a default would invite a second clock, whose moments differ")]
    pub fn new() -> Self {
        Self { origin: uptime() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::default().after(BEGINS_AT).after(uptime().saturating_sub(self.origin))
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
        assert!(first <= second && first.since(Moment::default().after(BEGINS_AT)).as_secs() < 60);
        assert!(clock.wall().as_ms() > 946_684_800_000, "{}", clock.wall());
    }
}
