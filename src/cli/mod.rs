//! The composition root: argv in, exit codes out, and the only place that names concrete adapters.

pub mod check;
pub mod validate;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// How long the process waits at its end for a script that is still busy.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(50);

#[derive(Debug, Parser)]
#[command(name = "quorate", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Work with checks.
    Check(check::CheckArgs),
    Validate(validate::Args),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return ExitCode::from(2) };
    let code = match cli.command {
        Command::Check(args) => runtime.block_on(check::run(args)),
        Command::Validate(args) => validate::run(&args),
    };
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    code
}
