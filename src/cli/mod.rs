//! The composition root: argv in, exit codes out, and the only place that names concrete adapters and reads the environment.

mod agent;
mod api;
pub mod check;
mod client;
mod compose;
mod controller;
mod demo;
mod exit;
mod lab;
mod life;
mod moment;
mod moving;
mod records;
mod replay;
mod show;
mod simulate;
mod sites;
pub mod validate;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// How long the process waits at its end for a script that is still busy.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(50);

/// Decides with a quorum of vantage points whether a service is up, and moves its DNS name to a read-only standby in another cloud
/// when it is not.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, about, max_term_width = 110, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Validate(validate::Args),
    /// Work with checks.
    Check(check::CheckArgs),
    Controller(controller::Args),
    Agent(agent::Args),
    Status(api::StatusArgs),
    Explain(api::ExplainArgs),
    History(api::HistoryArgs),
    Events(api::EventsArgs),
    Failover(api::FailoverArgs),
    Failback(api::FailbackArgs),
    Promote(sites::PromoteArgs),
    Reconcile(sites::ReconcileArgs),
    Adopt(records::AdoptArgs),
    Drift(records::DriftArgs),
    Approve(words::ApproveArgs),
    Freeze(words::FreezeArgs),
    Unfreeze(words::UnfreezeArgs),
    Pin(words::PinArgs),
    Unpin(words::UnpinArgs),
    Acknowledge(words::AcknowledgeArgs),
    Simulate(simulate::Args),
    Replay(replay::Args),
    Lab(lab::Args),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A terminal that has gone away cannot be told either.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return exit::UNKNOWN.into() };
    let code = runtime.block_on(run(cli.command));
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    code
}

async fn run(command: Command) -> ExitCode {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Validate(args) => validate::run(&args),
        Command::Check(args) => check::run(args).await,
        Command::Controller(args) => exit::said(controller::run(args).await),
        Command::Agent(args) => exit::said(agent::run(args).await),
        Command::Status(args) => exit::said(api::status(args).await),
        Command::Explain(args) => exit::said(api::explain(args).await),
        Command::History(args) => exit::said(api::history(args).await),
        Command::Events(args) => exit::said(api::events(args).await),
        Command::Failover(args) => exit::said(api::failover(args).await),
        Command::Failback(args) => exit::said(api::failback(args).await),
        Command::Promote(args) => exit::said(sites::promote(args).await),
        Command::Reconcile(args) => exit::said(sites::reconcile(args).await),
        Command::Adopt(args) => exit::said(records::adopt(args).await),
        Command::Drift(args) => exit::said(records::drift(args).await),
        Command::Approve(args) => exit::said(words::approve(args).await),
        Command::Freeze(args) => exit::said(words::freeze(args).await),
        Command::Unfreeze(args) => exit::said(words::unfreeze(args).await),
        Command::Pin(args) => exit::said(words::pin(args).await),
        Command::Unpin(args) => exit::said(words::unpin(args).await),
        Command::Acknowledge(args) => exit::said(words::acknowledge(args).await),
        Command::Simulate(args) => exit::said(simulate::run(args).await),
        Command::Replay(args) => exit::said(replay::run(args).await),
        Command::Lab(args) => exit::said(lab::run(args).await),
    }
}
