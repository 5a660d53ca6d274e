//! Maintenance windows as the main file has them: once, with two instants, or weekly, with days and times of day in UTC.

use super::problem::Report;
use super::reader::Reader;
use super::values::filled;
use crate::domain::{Weekday, Window, WindowError};

/// Reads one window; what is wrong with it has been reported.
pub(super) fn read(mut table: Reader<'_>, report: &Report) -> Option<Window> {
    let reason = table.need("reason", "\"database upgrade\"", filled);
    let shown = reason.as_ref().map_or("", |reason| reason.value.as_str());
    let made = if table.has("days") { weekly(&mut table, shown) } else { once(&mut table, shown) };
    match made? {
        Ok(window) => reason.map(|_| window),
        Err(error) => {
            let key = if error == WindowError::NoDays { "days" } else { "to" };
            report.error(&table.spot_at(key).unwrap_or_else(|| table.spot()), error.to_string());
            None
        }
    }
}

fn once(table: &mut Reader<'_>, reason: &str) -> Option<Result<Window, WindowError>> {
    for key in ["from", "to"] {
        if !table.has(key) {
            let weekly = format!("days = [\"sat\"] and {key} = \"02:00\" for every week");
            table.missing(key, &format!("{key} = 2026-05-09T02:00:00Z, or {weekly}"));
        }
    }
    let (from, to) = (table.instant("from"), table.instant("to"));
    Some(Window::once(reason, from?.value, to?.value))
}

fn weekly(table: &mut Reader<'_>, reason: &str) -> Option<Result<Window, WindowError>> {
    let days = table.list("days", weekday);
    let from = table.need("from", "\"02:00\"", time_of_day);
    let to = table.need("to", "\"04:00\"", time_of_day);
    let days: Vec<Weekday> = days?.value.iter().map(|day| day.value).collect();
    Some(Window::weekly(reason, &days, from?.value, to?.value))
}

fn weekday(text: &str) -> Result<Weekday, String> {
    Weekday::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Weekday::ALL.iter().map(|day| day.as_str()).collect();
        format!("'{text}' is not a day of the week: write one of {}", known.join(", "))
    })
}

/// Minutes since midnight; "24:00" is the end of a day.
fn time_of_day(text: &str) -> Result<u16, String> {
    let two = |text: &str| if text.len() == 2 { text.parse::<u16>().ok() } else { None };
    let minutes = text.split_once(':').and_then(|(hours, minutes)| Some((two(hours)?, two(minutes)?)));
    match minutes {
        Some((hours, minutes)) if (hours < 24 && minutes < 60) || (hours, minutes) == (24, 0) => {
            Ok(hours * 60 + minutes)
        }
        _ => Err(format!("'{text}' is not a time of day: write one from 00:00 to 24:00, in UTC")),
    }
}
