//! When drills begin by themselves: a cron pattern in a time zone, and the dates on which none does. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::DrillKind;
use crate::domain::{CheckName, WallTime};

/// Why a schedule is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// No cron pattern.
    #[error(
        "'{text}' is no cron pattern ({why}): write minute, hour, day of month, month and day of week, such as \"0 10 * * tue\""
    )]
    Cron {
        /// As it was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// It matches nothing.
    #[error("'{text}' never comes: no date fits it")]
    Never {
        /// As it was written.
        text: String,
    },
    /// No time zone.
    #[error("'{text}' is no time zone: write one of the IANA database, such as \"Europe/Berlin\" or \"UTC\"")]
    Zone {
        /// As it was written.
        text: String,
    },
    /// No dates.
    #[error("'{text}' is no date and no span of dates: write \"2026-12-24\" or \"2026-12-20..2027-01-05\"")]
    Dates {
        /// As it was written.
        text: String,
    },
    /// A span that ends before it begins.
    #[error("'{text}' ends before it begins: the earlier date comes first")]
    Backwards {
        /// As it was written.
        text: String,
    },
}

/// Days on which no drill begins, both ends among them, by the schedule's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateSpan {
    from: Date,
    to: Date,
}

impl FromStr for DateSpan {
    type Err = ScheduleError;

    /// "2026-12-24", or "2026-12-20..2027-01-05".
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let wrong = || ScheduleError::Dates { text: text.to_owned() };
        let date = |text: &str| match text.len() {
            10 => text.parse::<Date>().map_err(|_| wrong()),
            _ => Err(wrong()),
        };
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let (from, to) = (date(from.trim())?, date(to.trim())?);
        if to < from {
            return Err(ScheduleError::Backwards { text: text.to_owned() });
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for DateSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to { write!(f, "{}", self.from) } else { write!(f, "{}..{}", self.from, self.to) }
    }
}

/// When drills of one kind begin by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What begins.
    pub kind: DrillKind,
    /// For how long the standby then serves.
    pub hold: Duration,
    /// Checks that must pass by quorum at both sites, or none begins.
    pub blocking: Vec<CheckName>,
    /// So many in a row may be skipped before people are told.
    pub skips: u32,
    text: String,
    pattern: Cron,
    zone: TimeZone,
    blocked: Vec<DateSpan>,
}

impl Schedule {
    /// A schedule by a cron pattern of five fields (six with seconds first) in an IANA time zone. Where clocks are turned, a time that
    /// is left out comes right after the gap, and one that comes twice comes once.
    ///
    /// # Errors
    /// What is wrong with the pattern or the zone.
    pub fn new(kind: DrillKind, hold: Duration, cron: &str, zone: &str) -> Result<Self, ScheduleError> {
        let text = cron.trim().to_owned();
        let pattern = Cron::from_str(&text)
            .map_err(|error| ScheduleError::Cron { text: text.clone(), why: error.to_string() })?;
        let zone = TimeZone::get(zone).map_err(|_| ScheduleError::Zone { text: zone.to_owned() })?;
        let schedule = Self { kind, hold, blocking: Vec::new(), skips: 3, text, pattern, zone, blocked: Vec::new() };
        // From any day on: what does not come within the leap years of two centuries' turn does not come.
        match schedule.next(WallTime::from_ms(0)) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never { text: schedule.text }),
        }
    }

    /// The same, with dates on which none begins.
    pub fn blocked(self, blocked: Vec<DateSpan>) -> Self {
        Self { blocked, ..self }
    }

    /// The first time after that one.
    pub fn next(&self, after: WallTime) -> Option<WallTime> {
        let next = self.pattern.find_next_occurrence(&self.local(after)?, false).ok()?;
        u64::try_from(next.timestamp().as_millisecond()).ok().map(WallTime::from_ms)
    }

    /// The dates that keep a drill from beginning at that time, if some do.
    pub fn is_blocked(&self, at: WallTime) -> Option<&DateSpan> {
        let today = self.local(at)?.date();
        self.blocked.iter().find(|span| span.from <= today && today <= span.to)
    }

    fn local(&self, at: WallTime) -> Option<Zoned> {
        let at = Timestamp::from_millisecond(i64::try_from(at.as_ms()).ok()?).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} ({})", self.kind, self.text, self.zone.iana_name().unwrap_or("UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(text: &str) -> WallTime {
        WallTime::from_ms(u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap())
    }

    fn schedule(cron: &str, zone: &str) -> Schedule {
        Schedule::new(DrillKind::Live, Duration::from_secs(600), cron, zone).unwrap()
    }

    /// Pattern | zone | after | the next three.
    const TIMES: &str = "
        0 10 * * tue    | UTC              | 2026-11-22T12:00:00Z | 2026-11-24T10:00:00Z 2026-12-01T10:00:00Z 2026-12-08T10:00:00Z
        0 10 * * tue    | UTC              | 2026-11-24T10:00:00Z | 2026-12-01T10:00:00Z 2026-12-08T10:00:00Z 2026-12-15T10:00:00Z
        0 10 * * *      | Europe/Berlin    | 2026-10-23T12:00:00Z | 2026-10-24T08:00:00Z 2026-10-25T09:00:00Z 2026-10-26T09:00:00Z
        30 2 * * *      | Europe/Berlin    | 2027-03-26T12:00:00Z | 2027-03-27T01:30:00Z 2027-03-28T01:00:00Z 2027-03-29T00:30:00Z
        30 2 * * *      | Europe/Berlin    | 2026-10-23T12:00:00Z | 2026-10-24T00:30:00Z 2026-10-25T00:30:00Z 2026-10-26T01:30:00Z
        0 9 1 */3 *     | America/New_York | 2026-11-22T00:00:00Z | 2027-01-01T14:00:00Z 2027-04-01T13:00:00Z 2027-07-01T13:00:00Z
        0 0 29 2 *      | UTC              | 2026-01-01T00:00:00Z | 2028-02-29T00:00:00Z 2032-02-29T00:00:00Z 2036-02-29T00:00:00Z
        */5 * * * * *   | UTC              | 2026-01-01T00:00:01Z | 2026-01-01T00:00:05Z 2026-01-01T00:00:10Z 2026-01-01T00:00:15Z
    ";

    #[test]
    fn a_pattern_comes_when_its_zone_says_also_where_clocks_are_turned() {
        for line in TIMES.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [cron, zone, after, next] = cells[..] else { panic!("{line}") };
            let (schedule, mut at) = (schedule(cron, zone), wall(after));
            for expected in next.split_whitespace() {
                at = schedule.next(at).unwrap();
                assert_eq!(at, wall(expected), "{line}: {at}");
            }
        }
    }

    #[test]
    fn a_blocked_date_is_blocked_by_the_schedules_own_midnight() {
        let spans = ["2026-12-20..2027-01-05", "2026-11-27"].map(|span| span.parse().unwrap()).to_vec();
        let schedule = schedule("0 10 * * *", "Asia/Tokyo").blocked(spans);
        let blocked = |at| schedule.is_blocked(wall(at)).map(ToString::to_string);
        assert_eq!(blocked("2026-12-19T14:59:59Z"), None);
        assert_eq!(blocked("2026-12-19T15:00:00Z").unwrap(), "2026-12-20..2027-01-05");
        assert_eq!(blocked("2027-01-05T14:59:59Z").unwrap(), "2026-12-20..2027-01-05");
        assert_eq!(blocked("2027-01-05T15:00:00Z"), None);
        assert_eq!(blocked("2026-11-27T01:00:00Z").unwrap(), "2026-11-27");
    }

    #[test]
    fn what_is_no_schedule_says_what_one_looks_like() {
        let made = |cron, zone| Schedule::new(DrillKind::Live, Duration::ZERO, cron, zone).map_err(|e| e.to_string());
        assert!(made("every tuesday", "UTC").unwrap_err().contains("0 10 * * tue"));
        assert!(made("0 10 * *", "UTC").unwrap_err().contains("is no cron pattern"));
        assert!(made("0 0 31 2 *", "UTC").unwrap_err().contains("never comes"));
        assert!(made("0 10 * * *", "Mars/Base").unwrap_err().contains("is no time zone"));
        for text in ["2026-13-01", "soon", "2026-12-24T10:00", "2026-12-24..", ""] {
            assert!(matches!(text.parse::<DateSpan>(), Err(ScheduleError::Dates { .. })), "{text}");
        }
        assert!(matches!("2027-01-05..2026-12-20".parse::<DateSpan>(), Err(ScheduleError::Backwards { .. })));
    }
}
