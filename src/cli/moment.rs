//! A moment in the past, as a person gives it.

use std::time::{Duration, SystemTime};

use crate::domain::WallTime;

/// A time, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// By the clock of whoever is asked.
    At(WallTime),
    /// Before now, by the clock of whoever is asked.
    Ago(Duration),
}

impl Moment {
    /// Reads `2026-11-20T02:14:00Z`, `2026-11-20 02:14:00`, or `10m`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(time) = humantime::parse_rfc3339_weak(text) {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| "it is before 1970".to_owned())?;
            let ms = u64::try_from(since.as_millis()).map_err(|_| "it is too far ahead".to_owned())?;
            return Ok(Self::At(WallTime::from_ms(ms)));
        }
        let text = text.strip_suffix(" ago").unwrap_or(text);
        match humantime::parse_duration(text) {
            Ok(ago) => Ok(Self::Ago(ago)),
            Err(_) => {
                Err("give a time in UTC such as 2026-11-20T02:14:00Z, or how long ago, such as 10m or 2h".to_owned())
            }
        }
    }

    /// The time, where it is `now`.
    pub(super) fn before(self, now: WallTime) -> WallTime {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                WallTime::from_ms(now.as_ms().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_in_utc_or_how_long_ago() {
        let at = |text: &str| Moment::parse(text).unwrap().before(WallTime::from_ms(1_700_000_000_000)).as_ms();
        assert_eq!(at("2023-11-14T22:13:20Z"), 1_700_000_000_000);
        assert_eq!(at("2023-11-14 22:13:19"), 1_699_999_999_000);
        assert_eq!(at("10m"), 1_699_999_400_000);
        assert_eq!(at("1h 30m ago"), 1_699_994_600_000);
        assert!(Moment::parse("yesterday").unwrap_err().contains("10m"));
    }
}
