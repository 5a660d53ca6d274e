//! What a rehearsal breaks on purpose: when, in whose sight, and for how long.
//!
//! A lab breaks a login or delays a provider; the runtime asks it to, and says here how that went. An agent that is not heard and a
//! controller that ends are this engine's own to cause.

use std::time::Duration;

use super::super::guard;
use super::super::incident::Telling;
use super::super::ledger::Ledger;
use super::super::scene::Scene;
use super::{Drilling, Next, OpenDrill, ended, failed, notice};
use crate::domain::{
    Drill, DrillEntry, DrillFault, JournalEntry, Level, Moment, Role, Service, Step, VantageName, Verdict, Vote,
};

/// Within what time a lab must have caused a fault.
const CAUSED_WITHIN: Duration = Duration::from_secs(60);
/// How long a fault has to be noticed by a quorum before the drill says that it was not.
const DETECT_WITHIN: Duration = Duration::from_secs(600);
/// What was broken, to people.
const ON_PURPOSE: &str = "on purpose";
/// What a quorum saw of it, to people.
const DETECTED: &str = "detected";

/// Whether the drill breaks the primary, so that it needs time to mend and its service must not be moved meanwhile.
pub(in crate::engine) fn breaks_primary(drill: &Drill) -> bool {
    drill.fault == Some(DrillFault::BreakLogin)
}

impl OpenDrill {
    /// What a lab has to keep broken now.
    pub fn lab_fault(&self) -> Option<DrillFault> {
        let away = self.out.as_ref().is_some_and(|out| out.end.is_some());
        // The way back needs the primary well again; a provider is slow until the end.
        let over = breaks_primary(&self.drill) && (away || self.aborting.is_some());
        self.drill.fault.filter(|fault| fault.is_caused_by_lab() && !over)
    }
}

/// Whether the drill has broken the primary, and it is not seen to work again. A drill that is given up ends only after that, because its service
/// would be moved by what was broken on purpose.
pub(super) fn is_broken(scene: &Scene<'_>, open: &OpenDrill) -> bool {
    open.faulted && breaks_primary(&open.drill) && !matches!(scene.verdict(Role::Primary), Verdict::Healthy)
}

/// The vantage that is not heard: another one with every drill.
fn dropped<'a>(service: &'a Service, drill: &Drill) -> Option<&'a VantageName> {
    let count = u64::try_from(service.vantages.len()).ok()?;
    let place = usize::try_from(drill.number.checked_rem(count)?).ok()?;
    service.vantages.get(place).map(|vantage| &vantage.name)
}

/// The vantage that is not heard now, if there is one.
pub(in crate::engine) fn unheard<'a>(service: &'a Service, ledger: &Ledger) -> Option<&'a VantageName> {
    let open = ledger.drills.open.as_ref()?;
    let drops = open.faulted && open.drill.fault == Some(DrillFault::DropAgent);
    drops.then(|| dropped(service, &open.drill))?
}

/// Whether this process is to end now that the fault is in the journal.
pub(in crate::engine) fn ends_process(ledger: &Ledger) -> bool {
    ledger.drills.open.as_ref().is_some_and(|open| open.drill.fault == Some(DrillFault::KillController))
}

/// The fault, once it is caused: it goes into the journal, and only then counts.
pub(super) fn next(scene: &Scene<'_>, open: &OpenDrill, drilling: &Drilling) -> Option<Next> {
    if open.faulted || open.aborting.is_some() {
        return None;
    }
    let text = match open.drill.fault? {
        DrillFault::KillController => {
            let plan = scene.ledger.open.as_ref().filter(|plan| plan.plan.to() == Role::Standby)?;
            plan.succeeded(Step::FlipRecords)?;
            format!(
                "the controller ends without a word; {} has switched, and nothing is verified yet",
                plan.plan.id()
            )
        }
        _ if open.out.is_some() => return None,
        DrillFault::DropAgent => {
            format!("{} is not heard until the drill ends", dropped(scene.service, &open.drill)?)
        }
        DrillFault::BreakLogin | DrillFault::DelayProvider => match drilling.caused.as_ref()? {
            Ok(text) => text.clone(),
            Err(why) => return Some(ended(scene, open, failed(&format!("the fault was not caused: {why}")))),
        },
    };
    Some(told(scene, open, ON_PURPOSE, text))
}

/// What the way out waits for: that the fault is caused, and that it has the effect which is to be rehearsed.
pub(super) fn awaited(scene: &Scene<'_>, open: &OpenDrill) -> Option<Result<Next, Option<Moment>>> {
    let fault = open.drill.fault?;
    let since = scene.wall.since(open.at);
    let again = Err(Some(scene.now.after(Duration::from_secs(1))));
    let over = |why: String| Some(Ok(ended(scene, open, failed(&why))));
    if !open.faulted && fault != DrillFault::KillController {
        if since > CAUSED_WITHIN {
            return over(format!("nobody caused the fault {fault} within {}", guard::human(CAUSED_WITHIN)));
        }
        return Some(again);
    }
    match fault {
        DrillFault::DropAgent => {
            // What it said before grows stale first.
            let heard =
                |vote: &Vote| !vote.view.is_silent() && Some(&vote.vantage) == dropped(scene.service, &open.drill);
            Role::BOTH.iter().any(|role| scene.votes(*role).votes.iter().any(heard)).then_some(again)
        }
        DrillFault::BreakLogin => {
            if let (Verdict::Unhealthy(evidence), false) = (scene.verdict(Role::Primary), open.detected) {
                return Some(Ok(told(scene, open, DETECTED, evidence.to_string())));
            }
            let blocker = guard::against_source(scene, Role::Primary)?;
            // What was seen once and is not confirmed would be waited for as long as nobody looks.
            let (within, what) = match open.detected {
                false => (DETECT_WITHIN, "the fault was not noticed"),
                true => (DETECT_WITHIN + scene.service.policy.confirm, "no failover came of the fault"),
            };
            if since > within {
                return over(format!("{what} within {}: {blocker}", guard::human(within)));
            }
            Some(Err(None))
        }
        DrillFault::DelayProvider | DrillFault::KillController => None,
    }
}

/// An entry about the fault, and a word to the quiet channel: it was wanted.
fn told(scene: &Scene<'_>, open: &OpenDrill, what: &str, text: String) -> Next {
    let (number, service) = (open.drill.number, &scene.service.name);
    let said = format!("{service}: drill {number} ({}), {what}: {text}.", open.drill.kind);
    let entry = match what {
        DETECTED => DrillEntry::Detected { number, text },
        _ => DrillEntry::Faulted { number, text },
    };
    Next::Tell(Telling {
        notices: vec![notice(service, number, what, Level::Quiet, said)],
        entries: vec![JournalEntry::Drill(entry)],
    })
}
