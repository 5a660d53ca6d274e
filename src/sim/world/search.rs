//! The search: run after run, each with the next pair of kinds and a seed of its own, and what all of them together showed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::SimError;
use super::judge::Invariant;
use super::kind::PAIRS;
use super::run::{Course, Report, Spec, run};
use super::script::Scenario;

/// Findings kept whole; all are counted.
const KEPT: usize = 20;
/// Milliseconds of a year.
const YEAR_MS: f64 = 365.25 * 24.0 * 3_600_000.0;

/// What to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// How many runs.
    pub runs: u64,
    /// The first run's seed; each further run's is one more.
    pub first_seed: u64,
    /// On how many threads, each with one run at a time.
    pub threads: usize,
}

/// What a search showed.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Runs made.
    pub runs: u64,
    /// Runs with a finding.
    pub violations: u64,
    /// The first of them by seed, whole.
    pub findings: Vec<Report>,
    /// How often each invariant was at risk.
    pub risks: BTreeMap<Invariant, u64>,
    /// How long all runs lasted in their own time, in milliseconds.
    pub simulated_ms: u64,
    /// Events in all runs.
    pub events: u64,
    /// Moves of the records in all runs.
    pub flips: u64,
    /// Runs in which only the primary died, and of those the ones in which the name was moved.
    pub died: (u64, u64),
}

impl Summary {
    fn add(&mut self, report: Report) {
        self.runs += 1;
        self.simulated_ms += report.lasted_ms;
        self.events += report.events;
        self.flips += report.flips;
        if report.scenario == Scenario::PrimaryDies {
            self.died.0 += 1;
            self.died.1 += u64::from(report.moved_after_ms.is_some());
        }
        for (invariant, times) in &report.risks {
            *self.risks.entry(*invariant).or_default() += times;
        }
        if !report.findings.is_empty() {
            self.violations += 1;
            self.findings.push(report);
            self.findings.sort_by_key(|found| found.spec.seed);
            self.findings.truncate(KEPT);
        }
    }

    /// Years of the worlds' own time.
    pub fn years(&self) -> f64 {
        self.simulated_ms as f64 / YEAR_MS
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, violations, events, flips, died: (died, moved), .. } = self;
        writeln!(
            f,
            "{runs} runs, {:.4} simulated years, {events} events, {flips} moves: {violations} violations",
            self.years()
        )?;
        writeln!(f, "the primary died in {died} runs, and the name was moved in {moved} of them\n")?;
        writeln!(f, "at risk    invariant")?;
        for invariant in Invariant::ALL {
            let (id, what) = invariant.words();
            writeln!(f, "{:>7}    {id:<4} {what}", self.risks.get(&invariant).copied().unwrap_or(0))?;
        }
        self.findings.iter().try_for_each(|report| write!(f, "\n{report}"))
    }
}

impl fmt::Display for Report {
    /// What was found in it, and how to see it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spec { seed, course, .. } = self.spec;
        let (kinds, number) = match course {
            Course::Faults(first, second) => (format!("{} + {}", first.as_str(), second.as_str()), seed % PAIRS),
            Course::ThereAndBack => ("a failover and a failback".to_owned(), 0),
        };
        writeln!(f, "seed {seed} ({kinds}, pair {number}, {:?}):", self.scenario)?;
        for found in &self.findings {
            let (id, what) = found.invariant.words();
            writeln!(f, "  {id} at {} ms: {what}\n     {}", found.at_ms, found.what)?;
        }
        for line in &self.last {
            writeln!(f, "    {line}")?;
        }
        if let Course::Faults(..) = course {
            writeln!(f, "  again: quorate simulate --faults --runs 1 --seed {seed}")?;
        }
        Ok(())
    }
}

/// Runs them all, and tells `progress` after each how many are done and how many had a finding.
///
/// The pair of kinds follows from the seed, so that a seed alone reproduces its run.
///
/// # Errors
/// A world cannot be made, which no seed can cause.
pub fn search(search: &Search, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Summary, SimError> {
    let (next, summary) = (AtomicU64::new(0), Mutex::new(Summary::default()));
    let failed = Mutex::new(None);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= search.runs {
                return;
            }
            let seed = search.first_seed + number;
            match run(&Spec::numbered(seed, seed)) {
                Ok(report) => {
                    let (runs, violations) = {
                        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                        summary.add(report);
                        (summary.runs, summary.violations)
                    };
                    progress(runs, violations);
                }
                Err(error) => {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..search.threads.max(1) {
            scope.spawn(work);
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(summary.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}
