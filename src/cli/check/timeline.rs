//! A probe's steps on a screen, for a tired person: what ran, when, how long, and below the one that failed, why.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::domain::{Outcome, ProbeReport, StepRecord};

/// The width of the bars' column, in cells.
const BAR_CELLS: u64 = 32;
/// The longest step name shown, in characters.
const MAX_NAME_CHARS: usize = 40;
/// Where a reason is broken into lines.
const REASON_CHARS: usize = 96;

/// Writes the timeline. Colours are written always; the stream takes them out where they are not wanted.
pub(super) fn write(out: &mut impl Write, report: &ProbeReport) -> io::Result<()> {
    let names: Vec<String> = report.steps.iter().map(|step| clip(&step.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    // The last step with that name is where it ended: names may repeat in a loop.
    let ended_in = report.failed_step.as_ref().and_then(|failed| {
        report.steps.iter().rposition(|step| step.name == *failed && step.outcome != Outcome::Pass)
    });
    for (index, (step, name)) in report.steps.iter().zip(&names).enumerate() {
        let (style, dim) = (style(step.outcome), Style::new().dimmed());
        let bar = bar(step, report.duration_ms);
        write!(out, "  {style}{}{style:#} {name:width$}  {style}{bar}{style:#}", mark(step.outcome))?;
        writeln!(out, " {dim}{:>6} ms{dim:#}", step.duration_ms)?;
        if ended_in == Some(index) {
            write_reason(out, report)?;
        }
    }
    if !report.steps.is_empty() {
        writeln!(out)?;
    }
    let (style, kind) = (style(report.outcome), report.kind);
    let kind = kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
    let (mark, outcome) = (mark(report.outcome), report.outcome);
    writeln!(out, "{style}{mark} {outcome}{kind}{style:#} in {} ms", report.duration_ms)?;
    if ended_in.is_none() {
        write_reason(out, report)?;
    }
    Ok(())
}

fn write_reason(out: &mut impl Write, report: &ProbeReport) -> io::Result<()> {
    let style = style(report.outcome);
    for line in report.reason.iter().flat_map(|reason| wrapped(reason)) {
        writeln!(out, "    {style}{line}{style:#}")?;
    }
    Ok(())
}

/// The bar, from where the step began to where it ended, at least one cell long.
fn bar(step: &StepRecord, total_ms: u64) -> String {
    let total = total_ms.max(1);
    let start = (step.start_ms * BAR_CELLS / total).min(BAR_CELLS - 1);
    let end = ((step.start_ms + step.duration_ms) * BAR_CELLS).div_ceil(total).clamp(start + 1, BAR_CELLS);
    let cell = |count: u64, text: &str| text.repeat(usize::try_from(count).unwrap_or(0));
    format!("{}{}{}", cell(start, " "), cell(end - start, "━"), cell(BAR_CELLS - end, " "))
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
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > REASON_CHARS {
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
    use crate::domain::FailureKind;

    fn step(name: &str, start_ms: u64, duration_ms: u64, outcome: Outcome) -> StepRecord {
        StepRecord { name: name.to_owned(), start_ms, duration_ms, outcome }
    }

    #[test]
    fn bars_stand_where_the_steps_were_and_the_reason_stands_below_the_step_that_failed() {
        let report = ProbeReport {
            outcome: Outcome::Fail,
            kind: Some(FailureKind::Assertion),
            reason: Some("the login was refused".to_owned()),
            failed_step: Some("log in".to_owned()),
            steps: vec![step("open", 0, 20, Outcome::Pass), step("log in", 20, 60, Outcome::Fail)],
            requests: Vec::new(),
            metrics: Vec::new(),
            duration_ms: 80,
        };
        let mut out = Vec::new();
        write(&mut out, &report).expect("writes");
        let text = anstream::adapter::strip_str(std::str::from_utf8(&out).expect("is text")).to_string();
        let expected = "  ✓ open    ━━━━━━━━                             20 ms\n  \
                          ✗ log in          ━━━━━━━━━━━━━━━━━━━━━━━━     60 ms\n    \
                            the login was refused\n\n\
                        ✗ fail (assertion) in 80 ms\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_step_that_took_no_time_still_has_a_bar_inside_the_column() {
        for (start, duration) in [(0, 0), (80, 0), (79, 1), (0, 80)] {
            let bar = bar(&step("s", start, duration, Outcome::Pass), 80);
            assert_eq!(bar.chars().count() as u64, BAR_CELLS, "{start} {duration}");
            assert!(bar.contains('━'), "{start} {duration}");
        }
    }
}
