//! `quorate simulate`: what a policy buys, before it is armed. Faults by name, over the real engine in virtual time, beside other detectors.

mod chart;
mod faults;
mod progress;
mod table;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::exit::Failure;
use crate::config::load_policy;
use crate::domain::{Policy, PolicyValues};
use crate::sim::detect::{
    AGENTS, AGENTS_MAX, BASELINES, Column, Outcome, SCENARIOS, Scenario, Setting, Size, Times, Watch, compared, find,
    runs_of,
};

/// The version of the data that `--json` prints.
const JSON_VERSION: u32 = 1;
/// Runs of each scenario unless said otherwise.
const RUNS: usize = 1_000;
/// The most runs of each scenario.
const RUNS_MAX: usize = 10_000_000;

/// Try a policy against faults, before it is armed: how long it takes to decide, and whether it moves when it should not.
///
/// Nothing is touched: the engine decides in virtual time, and a seed gives the same numbers again. Exits with 0 if everything that is
/// required holds, and with 1 if something does not. Ctrl-C prints what is done so far.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A preset (default, fast, conservative), or the file of a policy.
    #[arg(long, value_name = "FILE", default_value = "default")]
    policy: String,
    /// Only this scenario; may be given more than once.
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    scenario: Vec<String>,
    /// All scenarios, as without --scenario.
    #[arg(long)]
    all: bool,
    /// Runs of each scenario.
    #[arg(long, value_name = "N", default_value_t = RUNS)]
    runs: usize,
    /// The seed of all chance.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Threads at work; the numbers do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Agents, in turn in three clouds.
    #[arg(long, value_name = "N", default_value_t = AGENTS)]
    agents: usize,
    /// By which preset's requirements the policy is measured; its own for a preset, else default's.
    #[arg(long, value_name = "PRESET")]
    held_to: Option<String>,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
    /// Write a chart of the times to decision.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Instead of a policy, search for what must never happen: the whole controller under every pair of faults, each run with the next
    /// seed. Exits with 1 when something is found, and prints the seed that shows it again.
    #[arg(long, conflicts_with_all = ["scenario", "all", "svg", "list", "held_to"])]
    faults: bool,
    /// List the scenarios and what happens in each, and simulate nothing.
    #[arg(long)]
    list: bool,
}

/// One scenario's results: the policy's, and the other detectors' in their order.
pub(super) struct Row {
    pub(super) outcome: Outcome,
    pub(super) baselines: Vec<Times>,
}

/// What is simulated.
pub(super) struct Job {
    pub(super) setting: Setting,
    pub(super) column: Column,
    pub(super) size: Size,
    scenarios: Vec<&'static Scenario>,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let out = &mut anstream::stdout();
    if args.list {
        return Ok(table::list(out)?);
    }
    if args.faults {
        let threads = args.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let runs = u64::try_from(args.runs).unwrap_or(u64::MAX);
        return faults::run(runs, args.seed, threads, args.json).await;
    }
    let job = Arc::new(job(&args)?);
    let watch = Arc::new(Watch::default());
    let total = job.scenarios.len() * job.size.runs * (1 + BASELINES.len());
    let work = {
        let (job, watch) = (Arc::clone(&job), Arc::clone(&watch));
        tokio::task::spawn_blocking(move || simulate(&job, &watch))
    };
    let rows = progress::until_done(work, &watch, total).await.map_err(Failure::unknown)?;
    if let Some(file) = &args.svg {
        std::fs::write(file, chart::svg(&job, &rows)).map_err(|error| {
            Failure::unknown(format!("the chart cannot be written to {}: {error}", file.display()))
        })?;
    }
    let stopped = watch.is_stopped();
    if args.json {
        use std::io::Write;
        writeln!(out, "{}", data(&job, &rows, stopped))?;
    } else {
        table::write(out, &job, &rows, stopped)?;
    }
    if rows.iter().all(|row| row.outcome.is_met()) && !stopped { Ok(()) } else { Err(Failure::no()) }
}

fn job(args: &Args) -> Result<Job, Failure> {
    let policy = policy(&args.policy)?;
    let column = match &args.held_to {
        None => Column::of(&policy),
        Some(word) => Column::parse(word)
            .ok_or_else(|| Failure::usage(format!("--held-to {word}: it is default, fast or conservative")))?,
    };
    let scenarios = if args.scenario.is_empty() {
        SCENARIOS.iter().collect()
    } else {
        args.scenario.iter().map(|name| scenario(name)).collect::<Result<_, _>>()?
    };
    if !(1..=RUNS_MAX).contains(&args.runs) {
        return Err(Failure::usage(format!("--runs {}: at least 1 and at most {RUNS_MAX}", args.runs)));
    }
    let least = policy.quorum.max(1);
    if !(least..=AGENTS_MAX).contains(&args.agents) {
        let what = format!("at least the policy's quorum of {least} and at most {AGENTS_MAX}");
        return Err(Failure::usage(format!("--agents {}: {what}", args.agents)));
    }
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let size = Size { runs: args.runs, seed: args.seed, threads };
    Ok(Job { setting: Setting { policy, agents: args.agents, canaries: true }, column, size, scenarios })
}

fn scenario(name: &str) -> Result<&'static Scenario, Failure> {
    find(name).ok_or_else(|| {
        let near =
            SCENARIOS.iter().map(|known| known.name).find(|known| known.starts_with(name) || name.starts_with(known));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Failure::usage(format!("there is no scenario '{name}'{near} (quorate simulate --list has all)"))
    })
}

/// A preset by its name, or a policy's file by its path.
fn policy(named: &str) -> Result<Policy, Failure> {
    let confirm = match Column::parse(named) {
        Some(Column::Default) => 25,
        Some(Column::Fast) => 8,
        Some(Column::Conservative) => 45,
        None => {
            return load_policy(Path::new(named))
                .map(|loaded| loaded.policy)
                .map_err(|problems| Failure::usage(lines(&problems)));
        }
    };
    let values = PolicyValues { confirm: Duration::from_secs(confirm), ..PolicyValues::default() };
    Policy::new(named, values).map_err(|errors| Failure::usage(lines(&errors)))
}

fn lines(problems: &[impl ToString]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n       ")
}

/// All scenarios, one after the other; those of which no run was done are left out.
fn simulate(job: &Job, watch: &Watch) -> Vec<Row> {
    let mut rows = Vec::new();
    for scenario in &job.scenarios {
        let outcome = runs_of(&job.setting, scenario, job.column, job.size, watch);
        let baselines = BASELINES.iter().map(|baseline| compared(baseline, scenario, job.size, watch)).collect();
        if outcome.times.runs > 0 {
            rows.push(Row { outcome, baselines });
        }
    }
    rows
}

fn data(job: &Job, rows: &[Row], stopped: bool) -> Value {
    let times = |times: &Times| {
        json!({
            "runs": times.runs,
            "decided": times.decided_ms.len(),
            "p50_s": times.within(0.5),
            "p99_s": times.within(0.99),
        })
    };
    let scenarios: Vec<Value> = rows
        .iter()
        .map(|Row { outcome, baselines }| {
            let others = BASELINES.iter().zip(baselines);
            let others: serde_json::Map<String, Value> =
                others.map(|(baseline, found)| (baseline.name.to_owned(), times(found))).collect();
            json!({
                "name": outcome.scenario.name,
                "what": outcome.scenario.what,
                "incident": outcome.scenario.incident,
                "policy": times(&outcome.times),
                "required": outcome.required.to_string(),
                "met": outcome.is_met(),
                "wrong_runs": outcome.wrong,
                "early_runs": outcome.early,
                "most_moves": outcome.most_moves,
                "observations": outcome.observations,
                "others": others,
            })
        })
        .collect();
    json!({
        "v": JSON_VERSION,
        "policy": job.setting.policy.name(),
        "held_to": job.column.as_str(),
        "agents": job.setting.agents,
        "runs": job.size.runs,
        "seed": job.size.seed,
        "stopped": stopped,
        "ok": !stopped && rows.iter().all(|row| row.outcome.is_met()),
        "scenarios": scenarios,
    })
}
