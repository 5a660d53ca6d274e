//! The commands by which a person says something that goes into the journal and moves nothing: freeze, pin, approve, acknowledge.

use std::io::Write;
use std::time::Duration;

use super::api::{print_json, who};
use super::client::Where;
use super::exit::Failure;
use crate::wire::api::{ApproveBody, PinBody, WordAnswer, WordBody};
use crate::wire::zone::ProtectionStatus;

/// What each of them takes.
#[derive(Debug, clap::Args)]
struct WordArgs {
    /// The service.
    service: String,
    /// Why: it goes into the journal.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who you are; your login name unless given.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Print the answer of the API.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

/// Stop all movement of a service, automatic and manual. A plan that has not flipped yet is given up.
#[derive(Debug, clap::Args)]
pub(super) struct FreezeArgs {
    #[command(flatten)]
    args: WordArgs,
}

/// Allow movement again.
#[derive(Debug, clap::Args)]
pub(super) struct UnfreezeArgs {
    #[command(flatten)]
    args: WordArgs,
}

/// Keep a service at one site for a time: nothing moves it away from there, neither the policy nor a person.
///
/// It moves nothing by itself: a service that is elsewhere stays there until it is moved.
#[derive(Debug, clap::Args)]
pub(super) struct PinArgs {
    #[command(flatten)]
    args: WordArgs,
    /// Where: primary or standby.
    #[arg(long, value_name = "ROLE", value_parser = ["primary", "standby"])]
    to: String,
    /// For how long, a minute to 30 days: 2h, "1day 12h".
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    lasting: Duration,
}

/// Take the pin out before it runs out.
#[derive(Debug, clap::Args)]
pub(super) struct UnpinArgs {
    #[command(flatten)]
    args: WordArgs,
}

/// Say that you know that the last plan is stuck, and take it from there: the reminders end, and the policy may act again.
#[derive(Debug, clap::Args)]
pub(super) struct AcknowledgeArgs {
    #[command(flatten)]
    args: WordArgs,
}

/// Let a plan go on that waits for approval (`approval = true` in its policy).
///
/// The digest is what ties what you have seen to what is done: `quorate status` shows it.
#[derive(Debug, clap::Args)]
pub(super) struct ApproveArgs {
    /// The service.
    service: String,
    /// The plan.
    plan: String,
    /// The digest that it was shown with.
    #[arg(long, value_name = "DIGEST")]
    digest: String,
    /// Who you are; your login name unless given.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Print the answer of the API.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

pub(super) async fn freeze(args: FreezeArgs) -> Result<(), Failure> {
    word(args.args, "freeze", "frozen: nothing moves until `quorate unfreeze`").await
}

pub(super) async fn unfreeze(args: UnfreezeArgs) -> Result<(), Failure> {
    word(args.args, "unfreeze", "no longer frozen").await
}

pub(super) async fn unpin(args: UnpinArgs) -> Result<(), Failure> {
    word(args.args, "unpin", "no longer pinned").await
}

pub(super) async fn acknowledge(args: AcknowledgeArgs) -> Result<(), Failure> {
    word(args.args, "acknowledge", "acknowledged: the reminders end, and the policy may act again").await
}

pub(super) async fn pin(args: PinArgs) -> Result<(), Failure> {
    let PinArgs { args, to, lasting } = args;
    let done = format!("pinned to the {to} for {}", humantime::format_duration(lasting));
    let body = PinBody { to, for_s: lasting.as_secs(), by: who(args.by), reason: args.reason };
    let answer = args.controller.controller()?.word(&args.service, "pin", &body).await?;
    said(&args.service, args.json, &answer, &done)
}

pub(super) async fn approve(args: ApproveArgs) -> Result<(), Failure> {
    let done = format!("{} is approved and goes on", args.plan);
    let body = ApproveBody { plan: args.plan, digest: args.digest, by: who(args.by) };
    let answer = args.controller.controller()?.word(&args.service, "approve", &body).await?;
    said(&args.service, args.json, &answer, &done)
}

async fn word(args: WordArgs, word: &str, done: &str) -> Result<(), Failure> {
    let body = WordBody { by: who(args.by), reason: args.reason };
    let answer = args.controller.controller()?.word(&args.service, word, &body).await?;
    said(&args.service, args.json, &answer, done)
}

fn said(service: &str, json: bool, answer: &WordAnswer, done: &str) -> Result<(), Failure> {
    if json {
        print_json(answer)?;
    }
    match answer.result.as_str() {
        "blocked" => {
            let blockers: Vec<&str> = answer.blockers.iter().map(|blocker| blocker.text.as_str()).collect();
            Err(Failure::refused(blockers.join("; ")))
        }
        "plan-changed" => Err(Failure::refused("the plan is not the one that this digest is of; look again")),
        _ if json => Ok(()),
        result => {
            let done = if result == "already-so" { "it was so already" } else { done };
            writeln!(anstream::stdout(), "{service}: {done}")?;
            for ProtectionStatus { zone, settled, text, .. } in &answer.protection {
                let again = if *settled { "" } else { "; it is tried again until it is so" };
                writeln!(anstream::stdout(), "  {zone}: {text}{again}")?;
            }
            Ok(())
        }
    }
}
