//! The commands about records: take them over, see how they differ from what was decided, put them back.

use std::io::Write;

use super::api::{confirmed, print_json, who};
use super::client::{Controller, Where};
use super::exit::Failure;
use super::show::{self, BAD, GOOD, QUIET, STRONG, WARN};
use crate::wire::zone::{DifferenceStatus, DriftAnswer, FindingStatus, MendAnswer, MendBody, MendPreview};

/// Take a service's records over: show what would be written and what is unwise in the zone, ask, and do it.
///
/// Quorate never touches records without its own mark. This creates the mark, once the records are as the configuration says. Exits with 0
/// when they are ours, with 3 when they are not such that they can be taken.
#[derive(Debug, clap::Args)]
pub(super) struct AdoptArgs {
    #[command(flatten)]
    args: MendArgs,
    /// Take them from this cluster, whose controller no longer runs.
    #[arg(long, value_name = "CLUSTER")]
    from: Option<String>,
    /// Why: it goes into the journal and the notices.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Compare the records, the flag and the name servers' answers with what was decided; with --repair, put the records back.
///
/// Exits with 0 when everything is in order, with 1 when something differs, with 2 when that cannot be said. A repair exits with 0 when it is
/// done, and with 3 when guards refuse.
#[derive(Debug, clap::Args)]
pub(super) struct DriftArgs {
    /// The service; all of them unless given.
    #[arg(required_if_eq("repair", "true"))]
    service: Option<String>,
    /// Put the records back to what the register says: show the plan, ask, and do it.
    #[arg(long, requires = "reason")]
    repair: bool,
    /// Why they are put back: it goes into the journal and the notices.
    #[arg(long, value_name = "TEXT", requires = "repair")]
    reason: Option<String>,
    /// Who you are; your login name unless given.
    #[arg(long, value_name = "NAME", requires = "repair")]
    by: Option<String>,
    /// Do it without asking.
    #[arg(long, requires = "repair")]
    yes: bool,
    /// Print JSON; of a repair without --yes the plan, and nothing is done.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

#[derive(Debug, clap::Args)]
struct MendArgs {
    /// The service.
    service: String,
    /// Who you are; your login name unless given.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
    /// Print JSON; without --yes the plan, and nothing is done.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    controller: Where,
}

pub(super) async fn adopt(args: AdoptArgs) -> Result<(), Failure> {
    let AdoptArgs { args: MendArgs { service, by, yes, json, controller }, from, reason } = args;
    let controller = controller.controller()?;
    let body = MendBody { by: who(by), reason, from, digest: None };
    mend(&controller, "adopt", &service, body, (yes, json)).await
}

pub(super) async fn drift(args: DriftArgs) -> Result<(), Failure> {
    let controller = args.controller.controller()?;
    if args.repair {
        let (Some(service), Some(reason)) = (args.service, args.reason) else {
            return Err(Failure::usage("--repair needs a service and a --reason"));
        };
        let body = MendBody { by: who(args.by), reason, from: None, digest: None };
        return mend(&controller, "repair", &service, body, (args.yes, args.json)).await;
    }
    let names = match args.service {
        Some(service) => vec![service],
        None => controller.status(None).await?.services.into_iter().map(|service| service.service).collect(),
    };
    let mut answers = Vec::new();
    for name in &names {
        answers.push(controller.drift(name).await?);
    }
    for answer in &answers {
        if args.json {
            print_json(answer)?;
        } else {
            show_drift(&mut anstream::stdout(), answer)?;
        }
    }
    if answers.iter().any(|answer| answer.result == "drift") {
        return Err(Failure::no());
    }
    if answers.iter().any(|answer| answer.result != "in-order") {
        return Err(Failure::unknown("not everything could be told"));
    }
    Ok(())
}

/// Shows what would be written, asks, and has it done.
async fn mend(
    controller: &Controller,
    what: &str,
    service: &str,
    mut body: MendBody,
    (yes, json): (bool, bool),
) -> Result<(), Failure> {
    let drafted = controller.mend(service, what, &body).await?;
    let Some(plan) = going_on(&drafted, json)? else { return Ok(()) };
    if !json {
        show_plan(&mut anstream::stdout(), &plan)?;
    }
    if !yes {
        if json {
            return print_json(&drafted);
        }
        if !confirmed(what)? {
            writeln!(anstream::stdout(), "nothing was done")?;
            return Err(Failure::no());
        }
    }
    body.digest = Some(plan.digest);
    let done = controller.mend(service, what, &body).await?;
    if json {
        print_json(&done)?;
    }
    match done.result.as_str() {
        "done" if json => Ok(()),
        "done" => Ok(writeln!(anstream::stdout(), "{GOOD}{service}: done{GOOD:#}: {}", done.text)?),
        "plan-changed" => Err(Failure::refused(
            "the records have changed since the plan was shown, and nothing was done; look again",
        )),
        _ => going_on(&done, true).map(|_| ()),
    }
}

/// The plan of an answer that goes on; an answer that does not is printed here.
fn going_on(answer: &MendAnswer, json: bool) -> Result<Option<MendPreview>, Failure> {
    match answer.result.as_str() {
        "plan" => Ok(answer.plan.clone()),
        "already-so" => {
            if json {
                print_json(answer)?;
            } else {
                writeln!(anstream::stdout(), "{}", answer.text)?;
            }
            Ok(None)
        }
        _ => {
            let blockers: Vec<String> =
                answer.blockers.iter().map(|blocker| format!("  · {} ({})", blocker.text, blocker.code)).collect();
            Err(Failure::refused(format!("guards refuse, and nothing was done:\n{}", blockers.join("\n"))))
        }
    }
}

fn show_plan(out: &mut impl Write, plan: &MendPreview) -> std::io::Result<()> {
    let MendPreview { service, dns_name, what, serving, digest, zones, findings } = plan;
    writeln!(out, "{STRONG}{what} {service}{STRONG:#}: {dns_name}, which points at the {serving}")?;
    for zone in zones {
        writeln!(out, "  {}, all or nothing:", zone.at)?;
        diff(out, &zone.diff)?;
    }
    for finding in findings {
        show_finding(out, finding)?;
    }
    writeln!(out, "  {QUIET}digest {digest}{QUIET:#}")
}

fn diff(out: &mut impl Write, lines: &[String]) -> std::io::Result<()> {
    for line in lines {
        let style = if line.starts_with('-') { BAD } else { GOOD };
        writeln!(out, "    {style}{line}{style:#}")?;
    }
    Ok(())
}

fn show_drift(out: &mut impl Write, answer: &DriftAnswer) -> std::io::Result<()> {
    let (style, word) = match answer.result.as_str() {
        "in-order" => (GOOD, "in order"),
        "drift" => (BAD, "not as it was decided"),
        "moving" => (WARN, "a plan is moving it"),
        _ => (WARN, "not all of it could be told"),
    };
    let (service, serving) = (&answer.service, &answer.serving);
    writeln!(out, "{STRONG}{service}{STRONG:#}  {style}{word}{style:#}  {QUIET}the {serving} should serve{QUIET:#}")?;
    differences(out, &answer.differences, &answer.unknown)?;
    for finding in &answer.findings {
        show_finding(out, finding)?;
    }
    if answer.differences.iter().any(|one| !matches!(one.code.as_str(), "answer" | "flag-behind")) {
        let way = if answer.differences.iter().any(|one| one.code == "mark-foreign" || one.code == "mark-missing") {
            format!("quorate adopt {service} --reason … takes records over that have no mark of ours")
        } else {
            format!("quorate drift {service} --repair --reason … puts the records back")
        };
        writeln!(out, "  {QUIET}{way}{QUIET:#}")?;
    }
    Ok(())
}

/// What differs, and what could not be told.
pub(super) fn differences(
    out: &mut impl Write,
    differences: &[DifferenceStatus],
    unknown: &[String],
) -> std::io::Result<()> {
    for one in differences {
        writeln!(out, "  {BAD}differs{BAD:#}  {}: {} {QUIET}({}){QUIET:#}", one.at, one.text, one.code)?;
        diff(out, &one.diff)?;
    }
    for one in unknown {
        writeln!(out, "  {WARN}unknown{WARN:#}  {}", show::cut(one, 200))?;
    }
    Ok(())
}

fn show_finding(out: &mut impl Write, finding: &FindingStatus) -> std::io::Result<()> {
    let FindingStatus { code, level, what, why, way_out } = finding;
    let style = if level == "warning" { WARN } else { QUIET };
    writeln!(out, "  {style}{level:<8}{style:#} {what} {QUIET}({code}){QUIET:#}")?;
    writeln!(out, "           {QUIET}{why}; {way_out}{QUIET:#}")
}
