//! Past drills beside one another: does it get better?

use serde::Serialize;

use super::dossier::Dossier;
use super::report::{Ending, Report};
use super::times::Measure;
use crate::domain::{DrillEntry, JournalEntry, JournalRecord};

/// One drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrendRow {
    /// Its number.
    pub number: u64,
    /// `tabletop`, `rehearse` or `live`.
    pub kind: String,
    /// When it began, RFC 3339 in UTC.
    pub began: String,
    /// When it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// Who began it.
    pub by: String,
    /// Whether it was the schedule's turn.
    pub scheduled: bool,
    /// How it ended.
    pub result: Ending,
    /// Why, unless it passed.
    pub why: Option<String>,
    /// Until users were served again, in milliseconds.
    pub serve_ms: Option<u64>,
    /// Until the name was switched, in milliseconds.
    pub flip_ms: Option<u64>,
    /// Until it was back, in milliseconds.
    pub back_ms: Option<u64>,
    /// Whether an objective was missed.
    pub missed: bool,
    /// How many surprises there were.
    pub surprises: usize,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trend {
    /// The version of the document.
    pub v: u32,
    /// The drills, oldest first.
    pub drills: Vec<TrendRow>,
    /// How many passed.
    pub passed: usize,
    /// How many ended otherwise.
    pub not_passed: usize,
    /// How many of the schedule's turns were skipped.
    pub skipped: usize,
    /// Why the last one was.
    pub last_skip: Option<String>,
    /// The median time until users were served again, over those that passed, in milliseconds.
    pub serve_median_ms: Option<u64>,
    /// The longest.
    pub serve_worst_ms: Option<u64>,
}

/// What past drills say together.
pub fn trend(dossiers: &[Dossier], skipped: &[JournalRecord]) -> Trend {
    let drills: Vec<TrendRow> = dossiers.iter().map(|dossier| row(&Report::of(dossier))).collect();
    let passed = |row: &&TrendRow| row.result == Ending::Passed;
    let mut serves: Vec<u64> = drills.iter().filter(passed).filter_map(|row| row.serve_ms).collect();
    serves.sort_unstable();
    let last_skip = skipped.last().and_then(|record| match &record.entry {
        JournalEntry::Drill(DrillEntry::Skipped { kind, why }) => Some(format!("{} ({kind}): {why}", record.at)),
        _ => None,
    });
    Trend {
        v: 1,
        passed: drills.iter().filter(passed).count(),
        not_passed: drills.iter().filter(|row| matches!(row.result, Ending::Failed | Ending::Aborted)).count(),
        skipped: skipped.len(),
        last_skip,
        serve_median_ms: serves.get(serves.len() / 2).copied(),
        serve_worst_ms: serves.last().copied(),
        drills,
    }
}

fn row(report: &Report) -> TrendRow {
    let time = |measure| report.times.iter().find(|time| time.measure == measure).and_then(|time| time.ms);
    TrendRow {
        number: report.number,
        kind: report.kind.clone(),
        began: report.began.clone(),
        began_ms: report.began_ms,
        by: report.by.clone(),
        scheduled: report.scheduled,
        result: report.result,
        why: report.why.clone(),
        serve_ms: time(Measure::Serve),
        flip_ms: time(Measure::Flip),
        back_ms: time(Measure::Back),
        missed: report.missed(),
        surprises: report.surprises.len(),
    }
}
