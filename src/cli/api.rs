//! The commands that speak to a running controller: what it knows, and what a person wants of it.

use std::io::{BufRead, IsTerminal, Write};
use std::pin::pin;
use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

use super::client::{Controller, Where};
use super::exit::Failure;
use super::moment::Moment;
use super::{life, show};
use crate::wire::api::{LastPlanStatus, MoveAnswer, MoveBody, ServiceStatus, Status, StepStatus};

/// Between two looks at a plan that is under way.
const LOOK: Duration = Duration::from_millis(200);
/// How often `status --watch` draws anew.
const REDRAW: Duration = Duration::from_secs(1);
/// How long a follower of events lets the controller wait before it asks again.
const FOLLOW: Duration = Duration::from_secs(20);

/// Show every service: who serves, what the vantages say, what happens next.
///
/// Exits with 0 when every serving site is healthy, with 1 when one is unhealthy or a service is stuck, with 2 when that cannot be
/// said.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// Only this service.
    service: Option<String>,
    /// Draw anew every second, until Ctrl-C.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Print the answer of the API.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

/// Explain a service: the votes and their numbers, how far each rule is from acting, every guard that blocks, and what happens next.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The service.
    service: String,
    /// As it was then, by the policy of today: 2026-11-20T02:14:00Z, or 10m for ten minutes ago.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    at: Option<Moment>,
    /// Print the answer of the API.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

/// Show the journal of a service: what was intended, and what happened.
#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// The service.
    service: String,
    /// How many of the newest entries.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Print the answer of the API.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

/// Show what the controller has noticed since it started: failing probes, votes, verdicts, steps.
#[derive(Debug, clap::Args)]
pub(super) struct EventsArgs {
    /// Go on with new ones, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

/// What every command that moves a service takes.
#[derive(Debug, clap::Args)]
pub(super) struct MoveArgs {
    /// The service.
    service: String,
    /// Why: it goes into the journal and the notices.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who you are; your login name unless given.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
    /// Overrule the evidence about the site that would serve. Fencing, freezes and the refused write are never overruled.
    #[arg(long)]
    force: bool,
    /// Do not wait for the end of the plan.
    #[arg(long)]
    no_wait: bool,
    /// Print JSON; without --yes the plan, and nothing is done.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

/// Move a service to its standby: show the plan, ask, and do it.
///
/// Exits with 0 when it is done, with 1 when the plan was given up or is stuck, with 3 when guards refuse.
#[derive(Debug, clap::Args)]
pub(super) struct FailoverArgs {
    #[command(flatten)]
    args: MoveArgs,
}

/// Move a service back to its primary: show the plan, ask, and do it. Never automatic.
///
/// The standby stays read-only: whoever still holds the old answer must not write there. Exits as `failover`.
#[derive(Debug, clap::Args)]
pub(super) struct FailbackArgs {
    #[command(flatten)]
    args: MoveArgs,
}

pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(Failure::unknown)?;
    Ok(writeln!(anstream::stdout(), "{text}")?)
}

fn sole(status: Status) -> Result<ServiceStatus, Failure> {
    status.services.into_iter().next().ok_or_else(|| Failure::unknown("the controller answers with no service"))
}

pub(super) async fn status(args: StatusArgs) -> Result<(), Failure> {
    let controller = args.controller.controller()?;
    // One listener for all looks: a signal between two would be lost.
    let mut signalled = pin!(life::signalled());
    loop {
        let status = controller.status(args.service.as_deref()).await?;
        if args.json {
            print_json(&status)?;
        } else {
            let mut screen = Vec::new();
            if args.watch {
                // Home and clear, in one write with what follows, so that nothing flickers.
                screen.extend_from_slice(b"\x1b[H\x1b[2J");
            }
            show::status(&mut screen, &status)?;
            anstream::stdout().write_all(&screen)?;
        }
        if !args.watch {
            return judged(&status);
        }
        tokio::select! {
            () = &mut signalled => return judged(&status),
            () = sleep(REDRAW) => {}
        }
    }
}

/// "Is everything well?" as an exit code.
fn judged(status: &Status) -> Result<(), Failure> {
    let serving = |service: &ServiceStatus| {
        service.sites.iter().find(|site| site.serving).map_or_else(String::new, |site| site.verdict.clone())
    };
    if status.services.iter().any(|service| service.phase == "stuck" || serving(service) == "unhealthy") {
        return Err(Failure::no());
    }
    if status.services.iter().any(|service| serving(service) != "healthy") {
        return Err(Failure::unknown("not every serving site has a quorum for it"));
    }
    Ok(())
}

pub(super) async fn explain(args: ExplainArgs) -> Result<(), Failure> {
    let controller = args.controller.controller()?;
    let status = match args.at {
        None => controller.status(Some(&args.service)).await?,
        Some(at) => controller.status_at(&args.service, at).await?,
    };
    if args.json {
        return print_json(&status);
    }
    Ok(show::explain(&mut anstream::stdout(), &status)?)
}

pub(super) async fn history(args: HistoryArgs) -> Result<(), Failure> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let history = args.controller.controller()?.history(&args.service, limit).await?;
    if args.json {
        return print_json(&history);
    }
    Ok(show::history(&mut anstream::stdout(), &history)?)
}

pub(super) async fn events(args: EventsArgs) -> Result<(), Failure> {
    let controller = args.controller.controller()?;
    let mut after = 0;
    let mut signalled = pin!(life::signalled());
    loop {
        let wait = if args.follow && after > 0 { FOLLOW } else { Duration::ZERO };
        let answer = tokio::select! {
            answer = controller.events(after, wait) => answer?,
            () = &mut signalled => return Ok(()),
        };
        for event in &answer.events {
            after = event.n;
            if args.json {
                print_json(event)?;
            } else {
                show::event(&mut anstream::stdout(), event)?;
            }
        }
        if !args.follow {
            return Ok(());
        }
        after = after.max(1);
    }
}

pub(super) async fn failover(args: FailoverArgs) -> Result<(), Failure> {
    move_service(args.args, Wish::Failover).await
}

pub(super) async fn failback(args: FailbackArgs) -> Result<(), Failure> {
    move_service(args.args, Wish::Failback).await
}

/// What a person wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Failover,
    Failback,
    Promote,
}

pub(super) async fn move_service(args: MoveArgs, wish: Wish) -> Result<(), Failure> {
    let controller = args.controller.controller()?;
    let to = if wish == Wish::Failback { "primary" } else { "standby" };
    let mut body = MoveBody {
        to: to.to_owned(),
        by: who(args.by),
        reason: args.reason,
        force: args.force,
        promote: wish == Wish::Promote,
        digest: None,
    };
    let drafted = controller.move_service(&args.service, &body).await?;
    let Some(plan) = accepted(&drafted, args.json)? else { return Ok(()) };
    if !args.json {
        show::plan(&mut anstream::stdout(), &plan)?;
    }
    if !args.yes {
        if args.json {
            return print_json(&drafted);
        }
        if !confirmed(&plan.direction)? {
            writeln!(anstream::stdout(), "nothing was done")?;
            return Err(Failure::no());
        }
    }
    body.digest = Some(plan.digest);
    let opened = controller.move_service(&args.service, &body).await?;
    if opened.result == "plan-changed" {
        return Err(Failure::refused("the plan is no longer the one that was shown; look again"));
    }
    let Some(plan) = accepted(&opened, args.json)? else { return Ok(()) };
    if args.no_wait {
        return if args.json { print_json(&opened) } else { Ok(()) };
    }
    let last = follow(&controller, &args.service, &plan.id, args.json).await?;
    if args.json {
        print_json(&last)?;
    } else {
        show::plan_ended(&mut anstream::stdout(), &last)?;
    }
    if last.end == "done" { Ok(()) } else { Err(Failure::no()) }
}

/// The plan of an answer that goes on; an answer that does not is printed here.
fn accepted(answer: &MoveAnswer, json: bool) -> Result<Option<crate::wire::api::PlanPreview>, Failure> {
    match answer.result.as_str() {
        "plan" | "opened" => Ok(answer.plan.clone()),
        "already-so" => {
            if json {
                print_json(answer)?;
            } else {
                writeln!(anstream::stdout(), "it is so already; nothing was done")?;
            }
            Ok(None)
        }
        _ => {
            if json {
                print_json(answer)?;
            }
            let blockers: Vec<String> =
                answer.blockers.iter().map(|blocker| format!("  · {} ({})", blocker.text, blocker.code)).collect();
            Err(Failure::refused(format!("guards refuse, and nothing was done:\n{}", blockers.join("\n"))))
        }
    }
}

pub(super) fn who(by: Option<String>) -> String {
    #[expect(clippy::disallowed_methods, reason = "this is where the command line reads the environment")]
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    by.or_else(user).unwrap_or_else(|| "operator".to_owned())
}

pub(super) fn confirmed(direction: &str) -> Result<bool, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::usage("there is nobody to ask; give --yes to do it"));
    }
    write!(anstream::stdout(), "Type '{direction}' to do it: ")?;
    std::io::stdout().flush()?;
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    Ok(line.trim() == direction)
}

/// Shows the steps of a plan as they end, until the plan does.
async fn follow(controller: &Controller, service: &str, plan: &str, quiet: bool) -> Result<LastPlanStatus, Failure> {
    let (mut shown, mut known) = (0, Vec::new());
    let mut signalled = pin!(life::signalled());
    loop {
        let status = controller.status(Some(service)).await?;
        let leads = status.epoch.is_some();
        let status = sole(status)?;
        if let (Some(open), false) = (status.plan.as_ref().filter(|open| open.id == plan), quiet) {
            for (index, step) in open.steps.iter().enumerate().skip(shown) {
                if step.status != "done" {
                    break;
                }
                show::step(&mut anstream::stdout(), index + 1, open.steps.len(), step)?;
                shown = index + 1;
            }
            known.clone_from(&open.steps);
        }
        if let Some(last) = status.last_plan.filter(|last| last.id == plan) {
            // The last steps may have ended between two looks.
            let rest = if last.end == "done" { known.get(shown..).unwrap_or_default() } else { &[] };
            for (index, step) in rest.iter().enumerate() {
                let done = StepStatus { status: "done".to_owned(), text: String::new(), ..step.clone() };
                show::step(&mut anstream::stdout(), shown + index + 1, known.len(), &done)?;
            }
            return Ok(last);
        }
        if !leads {
            // It will not go on with the plan, and whoever leads now is somebody else to ask.
            return Err(Failure::unknown(format!(
                "plan {plan} was begun, and this controller may not act any more: {}",
                status.next
            )));
        }
        tokio::select! {
            () = &mut signalled => {
                return Err(Failure::unknown(format!("plan {plan} goes on without you: quorate status {service}")));
            }
            () = sleep(LOOK) => {}
        }
    }
}
