//! Crash at every point, exhaustively: one run of a failover and a failback counts the points that the controller passes, and then each of
//! them is where it dies.

use super::SimError;
use super::run::{Course, Report, Spec, run};

/// What became of every death.
#[derive(Debug, Clone)]
pub struct CrashReport {
    /// The points of the run without a death, in order.
    pub points: Vec<&'static str>,
    /// The runs in which something did not hold, or the name did not move there and back.
    pub found: Vec<Report>,
}

/// Kills the controller at each point of a failover and a failback in turn; with `lose_answer`, the failover's answer is lost as well.
///
/// # Errors
/// A world cannot be made, which no seed can cause.
pub fn crashes(seed: u64, lose_answer: bool) -> Result<CrashReport, SimError> {
    let spec = |crash_at| Spec { seed, course: Course::ThereAndBack, flaw: None, crash_at, lose_answer };
    let whole = run(&spec(None))?;
    let points = whole.points.clone();
    let mut found: Vec<Report> = Vec::new();
    if !sound(&whole) {
        found.push(whole);
    }
    for point in 1..=points.len() {
        let report = run(&spec(Some(point)))?;
        if !sound(&report) {
            found.push(report);
        }
    }
    Ok(CrashReport { points, found })
}

/// Nothing was found, and the name moved there and back.
fn sound(report: &Report) -> bool {
    report.findings.is_empty() && report.flips == 2
}
