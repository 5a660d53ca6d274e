//! A probe's steps on a screen, for a tired person: what ran, when, how long, and below the one that failed, why.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::domain::{Outcome, ProbeReport, Protocol};

use super::excerpt::Excerpt;

/// A terminal's width that everybody has.
const COLUMNS: usize = 80;
/// What a row has besides the name and the bar: the mark, the time, and the blanks between.
const ROW_REST: usize = 16;
/// The most cells of the bars' column; long names leave it fewer.
const BAR_CELLS_MAX: u64 = 32;
/// The longest step name shown, in characters.
const MAX_NAME_CHARS: usize = 40;
/// The blanks before a reason.
const INDENT: usize = 4;

/// Writes the timeline. Colours are written always; the stream takes them out where they are not wanted.
pub(super) fn write(out: &mut impl Write, report: &ProbeReport, excerpt: Option<&Excerpt>) -> io::Result<()> {
    let rows = rows(report);
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let cells = u64::try_from((COLUMNS - ROW_REST).saturating_sub(width)).unwrap_or(0).min(BAR_CELLS_MAX);
    // The last step with that name is where it ended: names may repeat in a loop.
    let ended_in = report.failed_step.as_ref().and_then(|failed| {
        report.steps.iter().rposition(|step| step.name == *failed && step.outcome != Outcome::Pass)
    });
    let last_of_step = rows.iter().rposition(|row| row.step.is_some() && row.step == ended_in);
    let dim = Style::new().dimmed();
    for (index, row) in rows.iter().enumerate() {
        let (name, bar) = (&row.name, bar(row.start_ms, row.duration_ms, report.duration_ms, cells));
        match row.outcome {
            Some(outcome) => {
                let style = style(outcome);
                write!(out, "  {style}{}{style:#} {name:width$}  {style}{bar}{style:#}", mark(outcome))?;
            }
            None => write!(out, "    {dim}{name:width$}  {bar}{dim:#}", bar = bar.replace('━', "─"))?,
        }
        writeln!(out, " {dim}{:>6} ms{dim:#}", row.duration_ms)?;
        if last_of_step == Some(index) {
            write_reason(out, report, excerpt)?;
        }
    }
    for metric in &report.metrics {
        writeln!(out, "  {dim}·{dim:#} {} {} {dim}{}{dim:#}", metric.name, metric.value, metric.unit)?;
    }
    if !rows.is_empty() {
        writeln!(out)?;
    }
    let (style, kind) = (style(report.outcome), report.kind);
    let kind = kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
    let (mark, outcome) = (mark(report.outcome), report.outcome);
    writeln!(out, "{style}{mark} {outcome}{kind}{style:#} in {} ms", report.duration_ms)?;
    if ended_in.is_none() {
        write_reason(out, report, excerpt)?;
    }
    Ok(())
}

fn write_reason(out: &mut impl Write, report: &ProbeReport, excerpt: Option<&Excerpt>) -> io::Result<()> {
    let style = style(report.outcome);
    for line in report.reason.iter().flat_map(|reason| wrapped(reason)) {
        writeln!(out, "{:INDENT$}{style}{line}{style:#}", "")?;
    }
    let place = report.place.as_ref().map(ToString::to_string);
    // An error of the script says its place itself.
    let unsaid = place.filter(|place| report.reason.as_ref().is_none_or(|reason| !reason.starts_with(place)));
    if let Some(place) = unsaid {
        let dim = Style::new().dimmed();
        writeln!(out, "{:INDENT$}{dim}at {place}{dim:#}", "")?;
    }
    match excerpt {
        Some(excerpt) => excerpt.write(out, INDENT, COLUMNS, style),
        None => Ok(()),
    }
}

/// A line of the timeline: a step, or one of its requests.
struct Row {
    name: String,
    /// The step, or the one that the request belongs to.
    step: Option<usize>,
    /// Only steps have one.
    outcome: Option<Outcome>,
    start_ms: u64,
    duration_ms: u64,
}

/// Steps, and below each what it asked of the network.
fn rows(report: &ProbeReport) -> Vec<Row> {
    let mut rows = Vec::new();
    let of = |step: Option<usize>| {
        report.requests.iter().filter(move |request| request.step == step).map(move |request| {
            let status = request.answer.as_ref().map(|answer| answer.status.to_string());
            let status = status.or_else(|| request.said.clone()).unwrap_or_else(|| "no answer".to_owned());
            let path = match (request.protocol, url::Url::parse(&request.url)) {
                (Protocol::Http, Ok(url)) => url.path().to_owned(),
                _ => request.url.clone(),
            };
            Row {
                name: clip(&format!("{status} {} {path}", request.method)),
                step,
                outcome: None,
                start_ms: request.start_ms,
                duration_ms: request.duration_us.div_ceil(1_000),
            }
        })
    };
    rows.extend(of(None));
    for (index, step) in report.steps.iter().enumerate() {
        let (start_ms, duration_ms) = (step.start_ms, step.duration_ms);
        rows.push(Row {
            name: clip(&step.name),
            step: Some(index),
            outcome: Some(step.outcome),
            start_ms,
            duration_ms,
        });
        rows.extend(of(Some(index)));
    }
    rows
}

/// The bar, from where something began to where it ended, at least one of the cells long.
fn bar(start_ms: u64, duration_ms: u64, total_ms: u64, cells: u64) -> String {
    let total = total_ms.max(1);
    let start = (start_ms * cells / total).min(cells - 1);
    let end = ((start_ms + duration_ms) * cells).div_ceil(total).clamp(start + 1, cells);
    let cell = |count: u64, text: &str| text.repeat(usize::try_from(count).unwrap_or(0));
    format!("{}{}{}", cell(start, " "), cell(end - start, "━"), cell(cells - end, " "))
}

fn mark(outcome: Outcome) -> char {
    match outcome {
        Outcome::Pass => '✓',
        Outcome::Fail => '✗',
        Outcome::Inconclusive => '?',
    }
}

fn style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Pass => AnsiColor::Green.on_default(),
        Outcome::Fail => AnsiColor::Red.on_default(),
        Outcome::Inconclusive => AnsiColor::Yellow.on_default(),
    }
}

fn clip(name: &str) -> String {
    if name.chars().count() <= MAX_NAME_CHARS {
        return name.to_owned();
    }
    name.chars().take(MAX_NAME_CHARS - 1).chain(['…']).collect()
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > COLUMNS - INDENT {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FailureKind, ScriptPlace, StepRecord};

    fn step(name: &str, start_ms: u64, duration_ms: u64, outcome: Outcome) -> StepRecord {
        StepRecord { name: name.to_owned(), start_ms, duration_ms, outcome }
    }

    #[test]
    fn bars_stand_where_the_steps_were_and_the_reason_stands_below_the_step_that_failed() {
        let report = ProbeReport {
            outcome: Outcome::Fail,
            kind: Some(FailureKind::Assertion),
            reason: Some("the login was refused".to_owned()),
            place: Some(ScriptPlace { file: "checks/shop.rhai".to_owned(), line: 12, column: 5 }),
            failed_step: Some("log in".to_owned()),
            steps: vec![step("open", 0, 20, Outcome::Pass), step("log in", 20, 60, Outcome::Fail)],
            requests: Vec::new(),
            metrics: Vec::new(),
            duration_ms: 80,
        };
        let mut out = Vec::new();
        write(&mut out, &report, None).expect("writes");
        let text = anstream::adapter::strip_str(std::str::from_utf8(&out).expect("is text")).to_string();
        let expected = "  ✓ open    ━━━━━━━━                             20 ms\n  \
                          ✗ log in          ━━━━━━━━━━━━━━━━━━━━━━━━     60 ms\n    \
                            the login was refused\n    \
                            at checks/shop.rhai:12:5\n\n\
                        ✗ fail (assertion) in 80 ms\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_step_that_took_no_time_still_has_a_bar_inside_the_column() {
        for (start, duration) in [(0, 0), (80, 0), (79, 1), (0, 80)] {
            let bar = bar(start, duration, 80, 24);
            assert_eq!(bar.chars().count(), 24, "{start} {duration}");
            assert!(bar.contains('━'), "{start} {duration}");
        }
    }

    #[test]
    fn no_row_is_wider_than_a_terminal() {
        let long = "see the page that only somebody who is logged in can see";
        let steps = vec![step(long, 0, 900, Outcome::Pass), step("x", 900, 123_456, Outcome::Fail)];
        let reason = "the login was refused ".repeat(9);
        let report = ProbeReport {
            outcome: Outcome::Fail,
            kind: Some(FailureKind::Assertion),
            reason: Some(reason),
            place: None,
            failed_step: Some("x".to_owned()),
            steps,
            requests: Vec::new(),
            metrics: Vec::new(),
            duration_ms: 124_356,
        };
        let mut out = Vec::new();
        write(&mut out, &report, None).expect("writes");
        let text = anstream::adapter::strip_str(std::str::from_utf8(&out).expect("is text")).to_string();
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert_eq!(widest, Some(COLUMNS), "{text}");
    }
}
