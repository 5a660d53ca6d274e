//! The composition root: argv in, exit codes out, and the only place that names concrete adapters.

mod validate;

use std::process::ExitCode;

use clap::Parser;

/// Exit code for bad usage and bad configuration.
const USAGE: u8 = 64;

/// Decides with a quorum of vantage points whether a service is up, and moves its DNS name when it is not.
#[derive(Debug, Parser)]
#[command(name = "quorate", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Validate(validate::Args),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = !error.use_stderr();
            // a closed terminal is no reason for another answer
            drop(error.print());
            return if asked_for { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    match cli.command {
        Command::Validate(args) => validate::run(&args),
    }
}
