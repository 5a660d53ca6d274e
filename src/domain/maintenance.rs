//! Maintenance windows: spans of time in which a service is worked on, and nothing is moved automatically.
//!
//! A window is the one thing in a decision that is given in wall-clock time, since people plan by it. Only the
//! deciding controller's own clock is asked, so that no two machines' clocks are compared (S21). A window only ever
//! keeps from moving: a clock that is wrong delays a failover, and never causes one. Nothing here reads a clock.

use std::fmt;

use super::WallTime;

const MINUTE_MS: u64 = 60_000;
const DAY_MIN: u16 = 24 * 60;
const DAY_MS: u64 = 86_400_000;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// All of them, Monday first.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// The word used in files: its first three letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    /// The day that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.as_str() == word)
    }

    /// The weekday of a day, counted from 1970-01-01, which was a Thursday.
    fn of_day(day: u64) -> Option<Self> {
        usize::try_from((day + 3) % 7).ok().and_then(|at| Self::ALL.get(at).copied())
    }
}

/// Why a window is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// A span that ends before it begins, or at once.
    #[error("'to' is not after 'from': the window would never be open")]
    Backwards,
    /// A weekly window without a length.
    #[error("'from' and 'to' are the same: for a whole day write from = \"00:00\" and to = \"24:00\"")]
    Empty,
    /// A weekly window on no day.
    #[error("'days' is empty: name at least one, such as days = [\"sat\"]")]
    NoDays,
    /// Minutes that no day has.
    #[error("a time of day is from 00:00 to 23:59, and 24:00 at a window's end")]
    NoTimeOfDay,
}

/// A span of time in which a service is worked on. It includes its first moment, and not its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    reason: String,
    when: When,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    Once {
        from: WallTime,
        to: WallTime,
    },
    /// Minutes since midnight in UTC. `to` at or before `from` is on the following day.
    Weekly {
        days: Vec<Weekday>,
        from_min: u16,
        to_min: u16,
    },
}

impl Window {
    /// A window that is open once, from `from` until just before `to`.
    pub fn once(reason: &str, from: WallTime, to: WallTime) -> Result<Self, WindowError> {
        if to <= from {
            return Err(WindowError::Backwards);
        }
        Ok(Self { reason: reason.to_owned(), when: When::Once { from, to } })
    }

    /// A window that opens every week on those days, at `from_min` minutes after midnight in UTC (0 to 1439), until just
    /// before `to_min` (1 to 1440). With `to_min` before `from_min` it lasts over midnight, and the days are those
    /// on which it opens.
    pub fn weekly(reason: &str, days: &[Weekday], from_min: u16, to_min: u16) -> Result<Self, WindowError> {
        if from_min >= DAY_MIN || to_min > DAY_MIN {
            return Err(WindowError::NoTimeOfDay);
        }
        if from_min == to_min {
            return Err(WindowError::Empty);
        }
        let mut days = days.to_vec();
        days.sort_unstable();
        days.dedup();
        if days.is_empty() {
            return Err(WindowError::NoDays);
        }
        Ok(Self { reason: reason.to_owned(), when: When::Weekly { days, from_min, to_min } })
    }

    /// What is done in it, as the configuration says.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// When it closes, if it is open at that time.
    pub fn closes(&self, wall: WallTime) -> Option<WallTime> {
        match &self.when {
            When::Once { from, to } => (*from <= wall && wall < *to).then_some(*to),
            When::Weekly { days, from_min, to_min } => {
                let (today, since_ms) = (wall.as_ms() / DAY_MS, wall.as_ms() % DAY_MS);
                let (from_ms, to_ms) = (u64::from(*from_min) * MINUTE_MS, u64::from(*to_min) * MINUTE_MS);
                let opens = |day: Option<Weekday>| day.is_some_and(|day| days.contains(&day));
                let over_midnight = to_ms < from_ms;
                let closing_day = if since_ms >= from_ms && opens(Weekday::of_day(today)) {
                    let open = over_midnight || since_ms < to_ms;
                    open.then_some(if over_midnight { today + 1 } else { today })
                } else if over_midnight && since_ms < to_ms && opens(Weekday::of_day(today + 6)) {
                    // six days on is the same weekday as yesterday, and there is no yesterday in 1970
                    Some(today)
                } else {
                    None
                };
                closing_day.map(|day| WallTime::from_ms(day * DAY_MS + to_ms))
            }
        }
    }
}

impl fmt::Display for Window {
    /// When it is open, as people say it: "sat, sun from 02:00 to 04:00 UTC".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::Once { from, to } => write!(f, "from {from} to {to}"),
            When::Weekly { days, from_min, to_min } => {
                let days: Vec<&str> = days.iter().map(|day| day.as_str()).collect();
                let [from, to] = [from_min, to_min].map(|min| format!("{:02}:{:02}", min / 60, min % 60));
                write!(f, "{} from {from} to {to} UTC", days.join(", "))
            }
        }
    }
}

/// The first of the windows that is open at that time.
pub fn active(windows: &[Window], wall: WallTime) -> Option<&Window> {
    windows.iter().find(|window| window.closes(wall).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(text: &str) -> WallTime {
        let [time, start] = [text, "1970-01-01T00:00:00Z"].map(|text| humantime::parse_rfc3339(text).unwrap());
        let since = time.duration_since(start).unwrap();
        WallTime::from_ms(u64::try_from(since.as_millis()).unwrap())
    }

    fn minutes(text: &str) -> u16 {
        let (hours, minutes) = text.split_once(':').unwrap();
        hours.parse::<u16>().unwrap() * 60 + minutes.parse::<u16>().unwrap()
    }

    /// `DAYS FROM-TO` weekly, `INSTANT/INSTANT` once.
    fn window(text: &str) -> Window {
        match text.split_once('/') {
            Some((from, to)) => Window::once("a test", wall(from.trim()), wall(to.trim())).unwrap(),
            None => {
                let (days, times) = text.split_once(' ').unwrap();
                let days: Vec<Weekday> = days.split(',').map(|day| Weekday::parse(day).unwrap()).collect();
                let (from, to) = times.trim().split_once('-').unwrap();
                Window::weekly("a test", &days, minutes(from), minutes(to)).unwrap()
            }
        }
    }

    /// Window | instant | when it closes, or "shut".
    const EDGES: &str = "
        sat,sun 02:00-04:00 | 2026-01-03T01:59:59.999Z | shut
        sat,sun 02:00-04:00 | 2026-01-03T02:00:00Z     | 2026-01-03T04:00:00Z
        sat,sun 02:00-04:00 | 2026-01-03T03:59:59.999Z | 2026-01-03T04:00:00Z
        sat,sun 02:00-04:00 | 2026-01-03T04:00:00Z     | shut
        sat,sun 02:00-04:00 | 2026-01-04T02:00:00Z     | 2026-01-04T04:00:00Z
        sat,sun 02:00-04:00 | 2026-01-05T02:00:00Z     | shut
        sat,sun 02:00-04:00 | 2026-01-02T03:00:00Z     | shut

        fri 22:00-06:00     | 2026-01-02T21:59:59.999Z | shut
        fri 22:00-06:00     | 2026-01-02T22:00:00Z     | 2026-01-03T06:00:00Z
        fri 22:00-06:00     | 2026-01-02T23:59:59.999Z | 2026-01-03T06:00:00Z
        fri 22:00-06:00     | 2026-01-03T00:00:00Z     | 2026-01-03T06:00:00Z
        fri 22:00-06:00     | 2026-01-03T05:59:59.999Z | 2026-01-03T06:00:00Z
        fri 22:00-06:00     | 2026-01-03T06:00:00Z     | shut
        fri 22:00-06:00     | 2026-01-03T22:00:00Z     | shut
        fri 22:00-06:00     | 2026-01-02T05:00:00Z     | shut
        sun 23:00-01:00     | 2026-01-05T00:30:00Z     | 2026-01-05T01:00:00Z
        sun,mon 23:00-01:00 | 2026-01-05T23:30:00Z     | 2026-01-06T01:00:00Z

        wed 22:00-06:00     | 2025-12-31T23:59:59.999Z | 2026-01-01T06:00:00Z
        wed 22:00-06:00     | 2026-01-01T00:00:00Z     | 2026-01-01T06:00:00Z
        thu 00:00-24:00     | 2025-12-31T23:59:59.999Z | shut
        thu 00:00-24:00     | 2026-01-01T00:00:00Z     | 2026-01-02T00:00:00Z
        thu 00:00-24:00     | 2026-01-01T23:59:59.999Z | 2026-01-02T00:00:00Z
        thu 00:00-24:00     | 2026-01-02T00:00:00Z     | shut

        mon 22:00-06:00     | 2028-02-29T05:59:59.999Z | 2028-02-29T06:00:00Z
        tue 22:00-06:00     | 2028-02-29T22:00:00Z     | 2028-03-01T06:00:00Z
        tue 22:00-06:00     | 2028-03-01T05:59:59.999Z | 2028-03-01T06:00:00Z
        tue 22:00-06:00     | 2028-03-01T22:00:00Z     | shut
        mon 12:00-13:00     | 2027-03-01T12:30:00Z     | 2027-03-01T13:00:00Z
        sun 12:00-13:00     | 2100-02-28T12:30:00Z     | 2100-02-28T13:00:00Z
        mon 12:00-13:00     | 2100-03-01T12:30:00Z     | 2100-03-01T13:00:00Z

        thu 00:00-00:01     | 1970-01-01T00:00:00Z     | 1970-01-01T00:01:00Z
        wed 22:00-06:00     | 1970-01-01T00:00:00Z     | 1970-01-01T06:00:00Z

        2026-12-31T23:00:00Z/2027-01-01T01:00:00Z | 2026-12-31T22:59:59.999Z | shut
        2026-12-31T23:00:00Z/2027-01-01T01:00:00Z | 2026-12-31T23:00:00Z     | 2027-01-01T01:00:00Z
        2026-12-31T23:00:00Z/2027-01-01T01:00:00Z | 2027-01-01T00:59:59.999Z | 2027-01-01T01:00:00Z
        2026-12-31T23:00:00Z/2027-01-01T01:00:00Z | 2027-01-01T01:00:00Z     | shut
        2028-02-29T00:00:00Z/2028-03-01T00:00:00Z | 2028-02-29T12:00:00Z     | 2028-03-01T00:00:00Z
        2028-02-29T00:00:00Z/2028-03-01T00:00:00Z | 2028-03-01T00:00:00Z     | shut
    ";

    #[test]
    fn a_window_is_open_from_its_first_moment_until_just_before_its_last() {
        let mut checked = 0;
        for line in EDGES.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut cells = line.split('|').map(str::trim);
            let (when, at, closes) = (cells.next().unwrap(), wall(cells.next().unwrap()), cells.next().unwrap());
            let expected = (closes != "shut").then(|| wall(closes));
            assert_eq!(window(when).closes(at), expected, "{line}");
            checked += 1;
        }
        assert!(checked > 30, "{checked}");
    }

    #[test]
    fn a_week_of_minutes_is_open_for_as_long_as_its_windows_say() {
        for (when, open_min) in [
            ("sat,sun 02:00-04:00", 240),
            ("fri 22:00-06:00", 480),
            ("mon,tue,wed,thu,fri,sat,sun 23:00-22:59", 10_073),
        ] {
            let windows = [window(when)];
            let start = wall("2026-12-28T00:00:00Z").as_ms();
            let open = (0..7 * 1440)
                .filter(|minute| active(&windows, WallTime::from_ms(start + minute * MINUTE_MS)).is_some());
            assert_eq!(open.count(), open_min, "{when}");
        }
    }

    #[test]
    fn the_first_open_window_is_the_active_one() {
        let windows = [window("mon 01:00-03:00"), window("mon 02:00-05:00")];
        let found = |at: &str| active(&windows, wall(at)).map(ToString::to_string);
        assert_eq!(found("2026-01-05T00:59:00Z"), None);
        assert_eq!(found("2026-01-05T02:30:00Z").unwrap(), "mon from 01:00 to 03:00 UTC");
        assert_eq!(found("2026-01-05T03:00:00Z").unwrap(), "mon from 02:00 to 05:00 UTC");
        assert_eq!(active(&[], wall("2026-01-05T02:30:00Z")), None);
    }

    #[test]
    fn a_window_that_could_never_be_open_is_refused() {
        let now = wall("2026-01-01T00:00:00Z");
        assert_eq!(Window::once("x", now, now), Err(WindowError::Backwards));
        assert_eq!(Window::weekly("x", &[], 0, 60), Err(WindowError::NoDays));
        assert_eq!(Window::weekly("x", &[Weekday::Mon], 60, 60), Err(WindowError::Empty));
        assert_eq!(Window::weekly("x", &[Weekday::Mon], 1440, 60), Err(WindowError::NoTimeOfDay));
        assert_eq!(Window::weekly("x", &[Weekday::Mon], 60, 1441), Err(WindowError::NoTimeOfDay));
    }
}
