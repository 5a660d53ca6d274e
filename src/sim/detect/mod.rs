//! What a policy buys: faults by name, the real engine, and how long it takes to decide; beside it other detectors in the same faults.
//!
//! ```text
//!  Scenario ─▶ Fault ─▶ probe ─▶ Observed ─▶ Engine ─▶ PlanOpened: decided
//!     │                   ▲                    │
//!     │                   └──── tempo ◀── Pace ┘        many runs ─▶ Outcome
//!     └──────▶ the same fault ─▶ Baseline ─────────────▶ decided ─▶ Times
//! ```
//!
//! It measures detection and decision only: a decision is the moment at which the engine opens a plan by a quorum's evidence. Steps,
//! stores, leases and DNS are simulated elsewhere; here a journal takes every entry at once, and steps succeed. It takes part in no
//! real decision, reads no clock and touches no network: a seed gives the same numbers on every machine and with any number of threads.

mod baseline;
mod batch;
mod catalogue;
mod chance;
pub(in crate::sim) mod desk;
mod fault;
mod outcome;
mod required;
mod run;
mod setting;
mod tempo;

pub use baseline::{BASELINES, Baseline};
pub use batch::Watch;
pub use catalogue::{SCENARIOS, Scenario, find};
pub use outcome::{Outcome, Times};
pub use required::{Column, Required};
pub use setting::{AGENTS, AGENTS_MAX, Setting};

use crate::domain::Policy;

use run::Run;

/// How many runs, from which seed, on how many threads.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Runs of each scenario.
    pub runs: usize,
    /// The seed of all of them.
    pub seed: u64,
    /// Threads at work; the numbers do not depend on it.
    pub threads: usize,
}

/// Many runs of a scenario under a policy, with five agents, measured by the column of the policy's name.
pub fn run(policy: &Policy, scenario: &'static Scenario, runs: usize, seed: u64, threads: usize) -> Outcome {
    let (setting, size) = (Setting::new(policy.clone()), Size { runs, seed, threads });
    runs_of(&setting, scenario, Column::of(policy), size, &Watch::default())
}

/// The same with everything said; fewer runs when `watch` was stopped.
pub fn runs_of(setting: &Setting, scenario: &'static Scenario, column: Column, size: Size, watch: &Watch) -> Outcome {
    // A world that cannot be built, which the library's own names rule out, is a run that is missing.
    let live = |number| Run::new(setting, scenario, size.seed, number).map(Run::live).ok();
    let reports: Vec<_> = batch::all(size.runs, size.threads, watch, live).into_iter().flatten().collect();
    Outcome::of(scenario, scenario.required(column), &reports)
}

/// The times of another detector in the same scenario.
pub fn compared(baseline: &Baseline, scenario: &Scenario, size: Size, watch: &Watch) -> Times {
    let live = |number| baseline.run(scenario, size.seed, number);
    Times::of(batch::all(size.runs, size.threads, watch, live))
}
