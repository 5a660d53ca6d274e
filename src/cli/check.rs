//! `quorate check`: checks from a laptop, before they are committed.

mod given;
mod lint;
mod new;
mod recording;
mod run;
mod schema;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

/// Work with checks.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(subcommand)]
    command: CheckCommand,
}

#[derive(Debug, Subcommand)]
enum CheckCommand {
    New(new::Args),
    Lint(lint::Args),
    Run(run::Args),
    Test(test::Args),
    Schema(schema::Args),
}

/// Runs `quorate check …`.
pub async fn run(args: CheckArgs) -> ExitCode {
    match args.command {
        CheckCommand::New(args) => super::exit::said(new::run(&args)),
        CheckCommand::Lint(args) => super::exit::said(lint::run(&args)),
        CheckCommand::Run(args) => run::run(args).await,
        CheckCommand::Test(args) => super::exit::said(test::run(&args).await),
        CheckCommand::Schema(args) => super::exit::said(schema::run(&args)),
    }
}
