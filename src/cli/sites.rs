//! The commands about who may write where: `promote`, `reconcile`.

use std::io::Write;

use super::api::{MoveArgs, Wish, move_service, print_json, who};
use super::client::Where;
use super::exit::Failure;
use super::show;
use crate::wire::sites::ReconcileBody;

/// Let the standby, which serves, take writes: show the plan, ask, and do it. Never automatic, and there is no easy way back.
///
/// First the primary is made to refuse writes, and a refused write is seen; where that cannot be done, nothing is. --force does without,
/// for a primary that is known to be gone for good. Exits as `failover`.
#[derive(Debug, clap::Args)]
pub(super) struct PromoteArgs {
    #[command(flatten)]
    args: MoveArgs,
}

/// Show what the way back to the primary would lose, and take it on.
///
/// Exits with 0 when there is nothing, or somebody has taken it on, with 1 when nobody has.
#[derive(Debug, clap::Args)]
pub(super) struct ReconcileArgs {
    /// The service.
    service: String,
    /// Take on what was shown with this digest.
    #[arg(long, value_name = "DIGEST", requires = "reason")]
    acknowledge: Option<String>,
    /// Why, or what was done about it: it goes into the journal.
    #[arg(long, value_name = "TEXT", requires = "acknowledge")]
    reason: Option<String>,
    /// Who you are; your login name unless given.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

pub(super) async fn promote(args: PromoteArgs) -> Result<(), Failure> {
    move_service(args.args, Wish::Promote).await
}

pub(super) async fn reconcile(args: ReconcileArgs) -> Result<(), Failure> {
    let controller = args.controller.controller()?;
    if let (Some(digest), Some(reason)) = (args.acknowledge, args.reason) {
        let body = ReconcileBody { digest, by: who(args.by), reason };
        let answer = controller.word(&args.service, "reconcile", &body).await?;
        if args.json {
            print_json(&answer)?;
        }
        let said = match answer.result.as_str() {
            "done" => "recorded: the way back may lose what was shown",
            "already-so" => "there is nothing to take on, or somebody has already",
            _ => {
                let against: Vec<&str> = answer.blockers.iter().map(|blocker| blocker.text.as_str()).collect();
                return Err(Failure::refused(format!("nothing was recorded: {}", against.join("; "))));
            }
        };
        return if args.json { Ok(()) } else { Ok(writeln!(anstream::stdout(), "{said}")?) };
    }
    let status = controller.status(Some(&args.service)).await?;
    let Some(service) = status.services.into_iter().next() else {
        return Err(Failure::unknown("the controller answers with no service"));
    };
    if args.json {
        print_json(&service.sides)?;
    } else {
        show::reconciliation(&mut anstream::stdout(), &service)?;
    }
    match &service.sides.reconciliation {
        None if service.serving == "primary" => Ok(()),
        None => Err(Failure::unknown("how far the data of both sites has come is still being read")),
        Some(found) if found.findings.is_empty() || found.acknowledged => Ok(()),
        Some(_) => Err(Failure::no()),
    }
}
