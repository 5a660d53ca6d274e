//! The numbers on a screen: within 100 columns, the policy's first, then the other detectors', then what is required; and below, where the
//! times to decision lie.

use std::io::{self, Write};

use super::{Job, Row};
use crate::cli::show::{BAD, GOOD, QUIET, STRONG};
use crate::sim::detect::{BASELINES, Required, SCENARIOS, Times};

/// The marks of a histogram, from little to much.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The histogram's width, in cells.
const CELLS: usize = 64;
/// The first and the last second of its logarithmic axis.
const AXIS: (f64, f64) = (5.0, 3_600.0);
/// The seconds that the axis names.
const TICKS: [(f64, &str); 9] = [
    (5.0, "5s"),
    (10.0, "10s"),
    (20.0, "20s"),
    (60.0, "1m"),
    (120.0, "2m"),
    (300.0, "5m"),
    (600.0, "10m"),
    (1_200.0, "20m"),
    (3_000.0, "50m"),
];

/// Every scenario and what happens in it.
pub(super) fn list(out: &mut impl Write) -> io::Result<()> {
    for scenario in SCENARIOS {
        let incident = scenario.incident.map(|incident| format!(" ({incident})")).unwrap_or_default();
        writeln!(out, "{STRONG}{:<22}{STRONG:#} {}{QUIET}{incident}{QUIET:#}", scenario.name, scenario.what)?;
    }
    Ok(())
}

/// All of it.
pub(super) fn write(out: &mut impl Write, job: &Job, rows: &[Row], stopped: bool) -> io::Result<()> {
    let (name, agents, runs, seed) = (job.setting.policy.name(), job.setting.agents, job.size.runs, job.size.seed);
    writeln!(
        out,
        "{STRONG}{name}{STRONG:#}{QUIET}, {agents} agents, {runs} runs of each scenario, seed {seed}; seconds to decide, \
         p50/p99, or how many do{QUIET:#}"
    )?;
    writeln!(out)?;
    let heads: String = BASELINES.iter().map(|baseline| format!("{:>9}", baseline.short)).collect();
    writeln!(out, "{STRONG}{:<22}{:>11}{:>8}{heads}  required{STRONG:#}", "scenario", "policy", "decide")?;
    for row in rows {
        line(out, row)?;
    }
    writeln!(out)?;
    histograms(out, rows)?;
    let not_met = rows.iter().filter(|row| !row.outcome.is_met()).count();
    if stopped {
        writeln!(out, "{BAD}stopped{BAD:#}: this is what was done so far, and it proves nothing")
    } else if not_met == 0 {
        writeln!(out, "{GOOD}everything that is required of '{}' holds{GOOD:#}", job.column.as_str())
    } else {
        let of = rows.len();
        writeln!(out, "{BAD}{not_met} of {of} requirements of '{}' are not met{BAD:#}", job.column.as_str())
    }
}

fn line(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let outcome = &row.outcome;
    let (style, mark) = if outcome.is_met() { (GOOD, "ok") } else { (BAD, "NOT MET") };
    let (style, mark) = if outcome.required == Required::Open { (QUIET, "") } else { (style, mark) };
    let times = match (outcome.times.within(0.5), outcome.times.within(0.99)) {
        (Some(p50), Some(p99)) => format!("{p50:.1}/{p99:.1}"),
        _ => "never".to_owned(),
    };
    write!(out, "{:<22}{STRONG}{times:>11}{STRONG:#}{:>8}{QUIET}", outcome.scenario.name, share(&outcome.times))?;
    for times in &row.baselines {
        write!(out, "{:>9}", other(times))?;
    }
    let gap = if mark.is_empty() { "" } else { " " };
    writeln!(out, "{QUIET:#}  {}{gap}{style}{mark}{style:#}", outcome.required)
}

/// The share of runs that decided; one that is no round number is never shown as one.
fn share(times: &Times) -> String {
    let (decided, runs) = (times.decided_ms.len(), times.runs);
    let percent = times.share() * 100.0;
    if decided == 0 || decided == runs {
        format!("{percent:.0} %")
    } else if percent < 1.0 {
        format!("{} %", format!("{percent:.2}").trim_start_matches('0'))
    } else if percent > 99.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// Another detector's cell: its times when it always decides, and how often it does otherwise.
fn other(times: &Times) -> String {
    match (times.within(0.5), times.within(0.99)) {
        (Some(p50), Some(p99)) if times.decided_ms.len() == times.runs => format!("{p50:.0}/{p99:.0}"),
        (Some(_), _) => share(times),
        _ => "never".to_owned(),
    }
}

fn histograms(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let shown: Vec<&Row> = rows.iter().filter(|row| !row.outcome.times.decided_ms.is_empty()).collect();
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "{STRONG}when it decides{STRONG:#}{QUIET} (below: Route 53, 10 s){QUIET:#}")?;
    for row in shown {
        let name = row.outcome.scenario.name;
        writeln!(out, "{name:<22} {GOOD}{}{GOOD:#}", histogram(&row.outcome.times))?;
        if let Some(times) = row.baselines.get(2).filter(|times| !times.decided_ms.is_empty()) {
            writeln!(out, "{:<22} {QUIET}{}{QUIET:#}", "", histogram(times))?;
        }
    }
    writeln!(out, "{:<22} {QUIET}{}{QUIET:#}", "", axis())?;
    writeln!(out)
}

/// The cell of a time.
fn cell(seconds: f64) -> usize {
    let (first, last) = AXIS;
    let along = (seconds.max(first) / first).ln() / (last / first).ln();
    ((along * CELLS as f64) as usize).min(CELLS - 1)
}

fn histogram(times: &Times) -> String {
    let mut counts = [0_usize; CELLS];
    for ms in &times.decided_ms {
        if let Some(count) = counts.get_mut(cell(*ms as f64 / 1_000.0)) {
            *count += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    let mark = |count: &usize| match *count {
        0 => ' ',
        count => BLOCKS.get((count * BLOCKS.len()).div_ceil(most) - 1).copied().unwrap_or('█'),
    };
    counts.iter().map(mark).collect::<String>().trim_end().to_owned()
}

fn axis() -> String {
    let mut line = String::new();
    for (seconds, name) in TICKS {
        let gap = cell(seconds).saturating_sub(line.chars().count());
        line.push_str(&" ".repeat(gap));
        line.push('╵');
        line.push_str(name);
    }
    line
}
