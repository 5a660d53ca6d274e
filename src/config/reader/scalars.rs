//! Values that are neither texts nor tables: switches, decimals, durations in whole seconds, instants.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use toml::de::DeValue;

use super::super::problem::At;
use super::super::values::human;
use super::Reader;
use crate::domain::{Need, WallTime};

impl Reader<'_> {
    /// `true` or `false`.
    pub(in crate::config) fn flag(&mut self, key: &'static str) -> Option<At<bool>> {
        let value = self.look(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(At { value: *flag, spot: self.spot_of(value) }),
            _ => {
                self.wrong(key, value, "true or false, without quotes");
                None
            }
        }
    }

    /// A number with at most three decimals, in thousandths, in a range of thousandths. More decimals are refused, since
    /// rounding would be another policy than the one that was written.
    pub(in crate::config) fn thousandths(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<At<u32>> {
        let value = self.look(key)?;
        let spot = self.spot_of(value);
        let text = match value.get_ref() {
            DeValue::Float(float) => float.as_str(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            _ => {
                self.wrong(key, value, &format!("a number such as {}", decimal(*range.start())));
                return None;
            }
        };
        match parse_thousandths(text) {
            Ok(value) if range.contains(&value) => Some(At { value, spot }),
            Ok(_) => {
                let (low, high) = range.into_inner();
                let (low, high) = (decimal(low), decimal(high));
                self.report.error(&spot, format!("'{key}' must be between {low} and {high}, not {text}"));
                None
            }
            Err(error) => {
                self.report.error(&spot, format!("'{key}': {error}"));
                None
            }
        }
    }

    /// A duration in a range that counts in whole seconds.
    pub(in crate::config) fn seconds(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<At<Duration>> {
        let found = self.duration(key, range)?;
        if found.value.subsec_nanos() == 0 {
            return Some(found);
        }
        self.report.error(&found.spot, format!("'{key}' must be whole seconds, not {}", human(found.value)));
        None
    }

    /// How many checks must pass: "all", "any" or a number.
    pub(in crate::config) fn needed(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<At<Need>> {
        let value = self.look(key)?;
        if value.get_ref().is_integer() {
            let number = self.integer(key, range)?;
            let need = Need::AtLeast(usize::try_from(number.value).unwrap_or(usize::MAX));
            return Some(At { value: need, spot: number.spot });
        }
        let need = match value.get_ref().as_str() {
            Some("all") => Need::All,
            Some("any") => Need::Any,
            _ => {
                self.wrong(key, value, "\"all\", \"any\" or a whole number");
                return None;
            }
        };
        Some(At { value: need, spot: self.spot_of(value) })
    }

    /// A date and time with its offset from UTC, unquoted as TOML has it. Without an offset it would be another instant
    /// on each machine, and is refused.
    pub(in crate::config) fn instant(&mut self, key: &'static str) -> Option<At<WallTime>> {
        let value = self.look(key)?;
        let example = "a date and time with its offset from UTC, such as 2026-05-09T02:00:00Z";
        let DeValue::Datetime(datetime) = value.get_ref() else {
            self.wrong(key, value, &format!("{example}, without quotes (a time of day goes with 'days')"));
            return None;
        };
        let spot = self.spot_of(value);
        match instant(&datetime.to_string()) {
            Some(value) => Some(At { value, spot }),
            None => {
                self.report.error(&spot, format!("'{key}' must be {example}, not {datetime}"));
                None
            }
        }
    }

    /// Where a key's value stands, if it is there.
    pub(in crate::config) fn spot_at(&self, key: &str) -> Option<super::Spot> {
        self.table.get(key).map(|value| self.spot_of(value))
    }
}

/// Thousandths as people write them: 6900 is 6.9.
pub(in crate::config) fn decimal(thousandths: u32) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn parse_thousandths(text: &str) -> Result<u32, String> {
    let plain = || format!("{text} is not a plain decimal number: write one such as 0.05");
    if text.starts_with('-') {
        return Err(format!("{text} is less than zero"));
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(plain());
    }
    if fraction.len() > 3 {
        return Err(format!(
            "{text} has more than three decimals, and rounding would change it: write at most three"
        ));
    }
    let whole: u32 = whole.parse().map_err(|_| plain())?;
    let fraction: u32 =
        if fraction.is_empty() { 0 } else { format!("{fraction:0<3}").parse().map_err(|_| plain())? };
    whole.checked_mul(1_000).and_then(|whole| whole.checked_add(fraction)).ok_or_else(plain)
}

/// RFC 3339 with an offset, as an instant from 1970 on.
fn instant(text: &str) -> Option<WallTime> {
    let (local, offset_s) = match text.strip_suffix('Z') {
        Some(local) => (local, 0),
        None => {
            let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let (sign, digits) = offset.split_at_checked(1)?;
            let (hours, minutes) = digits.split_once(':')?;
            let seconds = hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60;
            match sign {
                "+" => (local, seconds),
                "-" => (local, -seconds),
                _ => return None,
            }
        }
    };
    let time = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let ms = i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()).ok()?;
    Some(WallTime::from_ms(u64::try_from(ms - offset_s * 1_000).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_kept_exactly_or_refused() {
        for (text, thousandths) in [("0.05", 50), ("6.9", 6_900), ("10.35", 10_350), ("7", 7_000), ("0.0010", 1)] {
            assert_eq!(parse_thousandths(text), Ok(thousandths), "{text}");
        }
        for text in ["0.0005", "6.9001", "1e-3", "inf", "nan", "-0.5", "99999999.0", ".5"] {
            assert!(parse_thousandths(text).is_err(), "{text}");
        }
        assert_eq!([50, 6_900, 7_000, 0].map(decimal), ["0.05", "6.9", "7", "0"]);
    }

    #[test]
    fn an_instant_is_the_same_however_its_offset_is_written() {
        let expected = Some(WallTime::from_ms(1_778_292_000_000));
        for text in ["2026-05-09T02:00:00Z", "2026-05-09T04:00:00+02:00", "2026-05-08T20:30:00-05:30"] {
            assert_eq!(instant(text), expected, "{text}");
        }
        assert_eq!(instant("2028-02-29T00:00:00+01:00"), instant("2028-02-28T23:00:00Z"));
        for text in ["2026-05-09T02:00:00", "2026-05-09", "02:00:00", "1970-01-01T00:00:00+01:00"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
