//! `quorate drill`: plan one, run one, bring it back, and read what past ones were.

mod report;
mod run;
mod show;

use std::process::ExitCode;
use std::time::Duration;

use super::client::Where;
use super::exit;

/// Rehearse a failover: on paper, on a name that nobody uses, or for real for a set time.
#[derive(Debug, clap::Args)]
pub(super) struct DrillArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Plan(PlanArgs),
    Run(RunArgs),
    Abort(AbortArgs),
    List(ListArgs),
    Report(ReportArgs),
    Trend(TrendArgs),
}

/// What every one of them takes.
#[derive(Debug, clap::Args)]
struct Common {
    /// The service.
    service: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

/// Show what a drill would do: its steps, what is against it, what ends it, what to know before. Nothing is changed.
///
/// Exits with 0 when it could be begun now, with 3 when guards are against it.
#[derive(Debug, clap::Args)]
struct PlanArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    what: What,
}

/// Begin a drill, and follow it to its end.
///
/// The controller runs it, so that it comes back whatever becomes of this terminal. Ctrl-C has it come back at once. Exits with 0 when
/// it passed, with 1 when it failed or was aborted, with 3 when guards refuse it.
#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    what: What,
    /// Begin without asking.
    #[arg(long)]
    yes: bool,
    /// Do not wait for its end.
    #[arg(long)]
    no_wait: bool,
}

/// What kind of drill.
#[derive(Debug, clap::Args)]
struct What {
    /// tabletop (nothing is changed), rehearse (a name that nobody uses) or live (the real name).
    #[arg(long, value_name = "KIND", default_value = "tabletop", value_parser = ["tabletop", "rehearse", "live"])]
    kind: String,
    /// For how long the standby serves before it comes back by itself.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    hold: Duration,
    /// What to break on purpose, in a rehearsal whose configuration allows it: break-login, drop-agent, delay-provider or kill-controller.
    #[arg(long, value_name = "FAULT", value_parser = ["break-login", "drop-agent", "delay-provider", "kill-controller"])]
    fault: Option<String>,
    /// Why: it goes into the journal and the report.
    #[arg(long, value_name = "TEXT", default_value = "a drill")]
    reason: String,
    /// Who you are; your login name unless given.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// End the drill that is under way before its time, and have what it moved come back.
#[derive(Debug, clap::Args)]
struct AbortArgs {
    #[command(flatten)]
    common: Common,
    /// Why: it goes into the journal and the report.
    #[arg(long, value_name = "TEXT", default_value = "aborted by hand")]
    reason: String,
    /// Who you are; your login name unless given.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// List the drills of a service and of its rehearsal.
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
}

/// Write the report of a drill: times against the objectives, evidence, surprises, a timeline.
///
/// Exits with 1 when there is no such drill.
#[derive(Debug, clap::Args)]
struct ReportArgs {
    #[command(flatten)]
    common: Common,
    /// Which drill; the last one unless given.
    number: Option<u64>,
    /// As what.
    #[arg(long, value_name = "FORMAT", default_value = "md", value_parser = ["html", "md", "json"])]
    format: String,
    /// Into this file, and not on standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<std::path::PathBuf>,
}

/// Show past drills beside one another: does it get better?
#[derive(Debug, clap::Args)]
struct TrendArgs {
    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(args: DrillArgs) -> ExitCode {
    exit::said(match args.command {
        Command::Plan(args) => run::plan(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Abort(args) => run::abort(args).await,
        Command::List(args) => report::list(args).await,
        Command::Report(args) => report::report(args).await,
        Command::Trend(args) => report::trend(args).await,
    })
}
