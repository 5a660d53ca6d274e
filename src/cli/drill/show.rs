//! Drills, for people at a terminal.

use std::io::{Result, Write};

use anstyle::{AnsiColor, Style};

use crate::drill::{Ending, Report, Trend};
use crate::wire::drill::{DrillAnswer, DrillPreview};

const BOLD: Style = Style::new().bold();
const QUIET: Style = AnsiColor::BrightBlack.on_default();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::BrightRed.on_default().bold();

fn time(ms: u64) -> String {
    humantime::format_duration(std::time::Duration::from_millis(ms)).to_string()
}

/// In seconds with one decimal: what lines of a table have.
fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(|| "–".to_owned(), |ms| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100))
}

fn style(ending: Ending) -> Style {
    match ending {
        Ending::Passed => GOOD,
        Ending::Failed => BAD,
        Ending::Aborted | Ending::UnderWay => WARN,
    }
}

/// What a drill would be.
pub(super) fn plan(out: &mut impl Write, answer: &DrillAnswer) -> Result<()> {
    let Some(drill) = &answer.drill else { return Ok(()) };
    let DrillPreview { number, kind, service, dns_name, .. } = drill;
    writeln!(out, "{BOLD}Drill {number} of {service}: {kind}{BOLD:#}")?;
    if kind == "tabletop" {
        writeln!(out, "  walks through this plan on today's state, and changes nothing:")?;
    } else {
        writeln!(
            out,
            "  {dns_name}: {} → {} and, after {}, back",
            drill.answer_before,
            drill.answer_after,
            time(drill.hold_ms)
        )?;
        if let Some(digest) = &drill.digest {
            writeln!(out, "  digest of the failover: {digest}")?;
        }
    }
    if let Some(fault) = &drill.fault {
        writeln!(out, "  {WARN}broken on purpose: {fault}{WARN:#}")?;
    }
    for (title, steps) in [("the way out", &drill.out), ("the way back", &drill.back)] {
        if !steps.is_empty() {
            writeln!(out, "  {title}:")?;
            for (index, step) in steps.iter().enumerate() {
                writeln!(out, "    {}. {step}", index + 1)?;
            }
        }
    }
    let objective = |ms: Option<u64>| ms.map_or_else(|| "none".to_owned(), time);
    let lag = drill.lag_ms.map_or_else(|| "unknown".to_owned(), time);
    writeln!(
        out,
        "  objectives: served again within {}, data at most {} behind (now {lag})",
        objective(drill.rto_ms),
        objective(drill.rpo_ms)
    )?;
    for (title, lines) in [("ended sooner when", &drill.aborts), ("to know before", &drill.risks)] {
        if !lines.is_empty() {
            writeln!(out, "  {title}:")?;
            for line in lines {
                writeln!(out, "    · {line}")?;
            }
        }
    }
    if answer.blockers.is_empty() {
        return writeln!(out, "  {GOOD}nothing is against it{GOOD:#}");
    }
    writeln!(out, "  {BAD}against it:{BAD:#}")?;
    for blocker in &answer.blockers {
        writeln!(out, "    · {} ({})", blocker.text, blocker.code)?;
    }
    Ok(())
}

/// One line of a drill that is followed.
pub(super) fn line(out: &mut impl Write, at_ms: u64, kind: &str, text: &str) -> Result<()> {
    let style = match kind {
        "done" => GOOD,
        "failed" | "alert" | "incident" => BAD,
        "rolled back" | "noted" | "voided" | "frozen" => WARN,
        "ended" | "plan" | "begun" => BOLD,
        _ => QUIET,
    };
    writeln!(out, "{QUIET}{:>9}{QUIET:#}  {style}{kind:<11}{style:#} {text}", seconds(Some(at_ms)))
}

/// The end of a drill that was followed.
pub(super) fn ended(out: &mut impl Write, service: &str, report: &Report) -> Result<()> {
    let style = style(report.result);
    writeln!(out, "{BOLD}drill {}{BOLD:#} {style}{}{style:#}", report.number, report.result.word())?;
    for look in &report.looks {
        let style = match look.finding.as_str() {
            "good" => GOOD,
            "bad" | "unknown" => BAD,
            _ => QUIET,
        };
        writeln!(out, "  {style}{:<10}{style:#} {}: {}", look.finding, look.at, look.text)?;
    }
    for shown in &report.times {
        let Some(ms) = shown.ms else { continue };
        let (style, met) = match (shown.met, shown.objective_ms) {
            (Some(true), Some(most)) => (GOOD, format!(" (objective {}: met)", time(most))),
            (Some(false), Some(most)) => (BAD, format!(" (objective {}: missed)", time(most))),
            _ => (QUIET, String::new()),
        };
        writeln!(out, "  {:<20} {:>9}{style}{met}{style:#}", shown.measure.title(), seconds(Some(ms)))?;
    }
    writeln!(
        out,
        "  {QUIET}the report: quorate drill report {service} {} --format html --out drill-{}.html{QUIET:#}",
        report.number, report.number
    )
}

/// All drills.
pub(super) fn list(out: &mut impl Write, service: &str, trend: &Trend) -> Result<()> {
    if trend.drills.is_empty() {
        writeln!(out, "{service} has had no drill yet")?;
    }
    for row in &trend.drills {
        let style = style(row.result);
        let by = if row.scheduled { "schedule" } else { &row.by };
        write!(
            out,
            "{:>4}  {}  {:<9} {style}{:<9}{style:#} {by}",
            row.number,
            row.began,
            row.kind,
            row.result.word()
        )?;
        match &row.why {
            Some(why) => writeln!(out, ": {why}")?,
            None => writeln!(out)?,
        }
    }
    skipped(out, trend)
}

fn skipped(out: &mut impl Write, trend: &Trend) -> Result<()> {
    match (&trend.last_skip, trend.skipped) {
        (Some(last), number) => writeln!(out, "{WARN}skipped by the schedule: {number}, the last {last}{WARN:#}"),
        (None, _) => Ok(()),
    }
}

/// All drills, with their times.
pub(super) fn trend(out: &mut impl Write, service: &str, trend: &Trend) -> Result<()> {
    writeln!(
        out,
        "{BOLD}{service}{BOLD:#}: {} drills, {} passed, {} not; served again after {} at the median, {} at the worst",
        trend.drills.len(),
        trend.passed,
        trend.not_passed,
        seconds(trend.serve_median_ms),
        seconds(trend.serve_worst_ms)
    )?;
    let longest = trend.drills.iter().filter_map(|row| row.serve_ms).max().unwrap_or(1).max(1);
    writeln!(
        out,
        "{QUIET}   #  began                     kind      result     serve     flip      back  surprises{QUIET:#}"
    )?;
    for row in &trend.drills {
        let style = style(row.result);
        let bar = row.serve_ms.map_or(0, |ms| usize::try_from(20 * ms / longest).unwrap_or(0).max(1));
        writeln!(
            out,
            "{:>4}  {}  {:<9} {style}{:<9}{style:#} {:>8} {:>8} {:>8}  {:>4}  {QUIET}{}{QUIET:#}",
            row.number,
            row.began,
            row.kind,
            row.result.word(),
            seconds(row.serve_ms),
            seconds(row.flip_ms),
            seconds(row.back_ms),
            row.surprises,
            "▇".repeat(bar)
        )?;
    }
    skipped(out, trend)
}
