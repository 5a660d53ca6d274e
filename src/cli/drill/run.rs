//! Planning, running and aborting. The controller runs a drill; what is here begins it, watches, and asks for its end.

use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::api::{confirmed, print_json, who};
use super::super::client::Controller;
use super::super::exit::Failure;
use super::super::life;
use super::report::dossiers;
use super::{AbortArgs, PlanArgs, RunArgs, What, show};
use crate::drill::{Ending, Report, line};
use crate::wire::api::WordBody;
use crate::wire::drill::{DrillAnswer, DrillBody};

/// Between two looks at a drill that is under way.
const LOOK: Duration = Duration::from_millis(300);
/// How far back a look goes, in entries of a journal.
const RECENT: usize = 5_000;
/// For how long a controller may be silent: it is restarted, and goes on with the drill.
const SILENCE: Duration = Duration::from_secs(120);

fn body(what: What) -> DrillBody {
    DrillBody {
        kind: what.kind,
        hold_ms: u64::try_from(what.hold.as_millis()).ok(),
        by: who(what.by),
        reason: what.reason,
        fault: what.fault,
        begin: false,
        digest: None,
    }
}

fn refused(answer: &DrillAnswer) -> Failure {
    let lines: Vec<String> =
        answer.blockers.iter().map(|blocker| format!("  · {} ({})", blocker.text, blocker.code)).collect();
    Failure::refused(format!("guards refuse, and nothing was done:\n{}", lines.join("\n")))
}

pub(super) async fn plan(args: PlanArgs) -> Result<(), Failure> {
    let common = args.common;
    let answer = common.controller.controller()?.drill(&common.service, &body(args.what)).await?;
    if common.json {
        print_json(&answer)?;
    } else {
        show::plan(&mut anstream::stdout(), &answer)?;
    }
    if answer.blockers.is_empty() { Ok(()) } else { Err(Failure::refused("it could not be begun now")) }
}

pub(super) async fn run(args: RunArgs) -> Result<(), Failure> {
    let common = args.common;
    let controller = common.controller.controller()?;
    let mut body = body(args.what);
    let drafted = controller.drill(&common.service, &body).await?;
    if !drafted.blockers.is_empty() {
        if common.json {
            print_json(&drafted)?;
        }
        return Err(refused(&drafted));
    }
    let Some(drill) = &drafted.drill else { return Err(Failure::unknown("the controller shows no drill")) };
    if !common.json {
        show::plan(&mut anstream::stdout(), &drafted)?;
    }
    // A tabletop changes nothing, so that nobody need be asked.
    if !args.yes && body.kind != "tabletop" {
        if common.json {
            return print_json(&drafted);
        }
        if !confirmed("drill")? {
            writeln!(anstream::stdout(), "nothing was done")?;
            return Err(Failure::no());
        }
    }
    body.begin = true;
    body.digest.clone_from(&drill.digest);
    let begun = controller.drill(&common.service, &body).await?;
    match begun.result.as_str() {
        "begun" => {}
        "plan-changed" => {
            return Err(Failure::refused("the plan is no longer the one that was shown; look again"));
        }
        _ => {
            if common.json {
                print_json(&begun)?;
            }
            return Err(refused(&begun));
        }
    }
    let number = begun.drill.as_ref().map_or(drill.number, |drill| drill.number);
    if args.no_wait {
        return if common.json { print_json(&begun) } else { Ok(()) };
    }
    let report = follow(&controller, &common.service, number, common.json).await?;
    if common.json {
        print_json(&report)?;
    } else {
        show::ended(&mut anstream::stdout(), &common.service, &report)?;
    }
    if report.result == Ending::Passed { Ok(()) } else { Err(Failure::no()) }
}

/// Shows what is recorded as it is, until the drill has ended. The first signal has it come back, the second leaves it to itself.
async fn follow(controller: &Controller, service: &str, number: u64, quiet: bool) -> Result<Report, Failure> {
    let (mut shown, mut aborted, mut silent_since) = (0, false, None::<Instant>);
    let mut signalled = pin!(life::signalled());
    loop {
        let known = match dossiers(controller, service, RECENT).await {
            Ok((known, _)) => {
                silent_since = None;
                known
            }
            Err(failure) => {
                let since = *silent_since.get_or_insert_with(Instant::now);
                if since.elapsed() > SILENCE {
                    return Err(failure);
                }
                Vec::new()
            }
        };
        if let Some(dossier) = known.iter().find(|dossier| dossier.drill.number == number) {
            for record in dossier.records.iter().skip_while(|record| record.id <= shown) {
                if let (Some((kind, text)), false) = (line(dossier, record), quiet) {
                    let at_ms = record.at.as_ms().saturating_sub(dossier.began.as_ms());
                    show::line(&mut anstream::stdout(), at_ms, kind, &text)?;
                }
            }
            shown = dossier.records.last().map_or(shown, |record| record.id.max(shown));
            let report = Report::of(dossier);
            if report.result != Ending::UnderWay {
                return Ok(report);
            }
        }
        tokio::select! {
            () = &mut signalled => {
                if aborted {
                    let how = format!("quorate drill list {service}");
                    return Err(Failure::unknown(format!("drill {number} comes back without you: {how}")));
                }
                aborted = true;
                signalled.set(life::signalled());
                if !quiet {
                    writeln!(anstream::stdout(), "bringing it back; once more leaves it to the controller")?;
                }
                let word = WordBody { by: who(None), reason: "Ctrl-C".to_owned() };
                controller.word(service, "drill/abort", &word).await?;
            }
            () = sleep(LOOK) => {}
        }
    }
}

pub(super) async fn abort(args: AbortArgs) -> Result<(), Failure> {
    let common = args.common;
    let controller = common.controller.controller()?;
    let word = WordBody { by: who(args.by), reason: args.reason };
    let answer = controller.word(&common.service, "drill/abort", &word).await?;
    if common.json {
        print_json(&answer)?;
    }
    match answer.result.as_str() {
        "blocked" => {
            let texts: Vec<&str> = answer.blockers.iter().map(|blocker| blocker.text.as_str()).collect();
            Err(Failure::refused(texts.join("; ")))
        }
        _ if common.json => Ok(()),
        "already-so" => Ok(writeln!(anstream::stdout(), "{}: it is on its way back already", common.service)?),
        _ => Ok(writeln!(anstream::stdout(), "{}: it comes back now", common.service)?),
    }
}
