//! `quorate simulate --faults`: the whole controller under every pair of faults, and a judge who looks for what must never happen.

use std::io::{IsTerminal, Write};

use serde_json::json;

use super::super::exit::Failure;
use crate::sim::world::{Search, Summary, search};

/// The version of the data that `--json` prints.
const JSON_VERSION: u32 = 1;
/// How often progress is drawn, in runs.
const EVERY: u64 = 20;

/// Makes the runs, and fails when one of them has a finding.
pub(super) async fn run(runs: u64, first_seed: u64, threads: usize, as_json: bool) -> Result<(), Failure> {
    let shown = std::io::stderr().is_terminal();
    let what = Search { runs, first_seed, threads };
    let progress = move |done: u64, violations: u64| {
        if shown && (done.is_multiple_of(EVERY) || done == runs) {
            let _ = write!(std::io::stderr(), "\r\x1b[K{done} of {runs} runs, {violations} violations");
        }
    };
    let work = tokio::task::spawn_blocking(move || search(&what, &progress));
    let summary = work.await.map_err(Failure::unknown)?.map_err(Failure::unknown)?;
    if shown {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let out = &mut anstream::stdout();
    if as_json {
        writeln!(out, "{}", data(&summary, first_seed))?;
    } else {
        write!(out, "{summary}")?;
    }
    if summary.violations == 0 { Ok(()) } else { Err(Failure::no()) }
}

fn data(summary: &Summary, first_seed: u64) -> serde_json::Value {
    let risks: serde_json::Map<String, serde_json::Value> =
        summary.risks.iter().map(|(invariant, times)| (invariant.words().0.to_owned(), json!(times))).collect();
    let findings: Vec<String> = summary.findings.iter().map(ToString::to_string).collect();
    json!({
        "v": JSON_VERSION,
        "runs": summary.runs,
        "first_seed": first_seed,
        "violations": summary.violations,
        "simulated_years": summary.years(),
        "events": summary.events,
        "moves": summary.flips,
        "at_risk": risks,
        "findings": findings,
    })
}
