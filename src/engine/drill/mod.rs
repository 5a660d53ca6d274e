//! A drill: the same plans, guards and steps as in earnest, opened on purpose, and the way back that opens by itself.
//!
//! ```text
//!  started ─▶ failover ─▶ hold ─▶ failback ─▶ ended          whatever goes wrong on the way out or while it holds
//!     │           └─────────┴──▶ aborting ─▶ failback ─▶ ended          makes the way back begin sooner
//!     └─▶ (tabletop) looked ─▶ ended
//! ```
//!
//! All of it is a fold of the journal and a look at the scene, so a controller that is killed in the middle goes on where the last one
//! was, and nobody has to wait for it at a terminal. What it refuses to do: to come back to a primary that is not proven to
//! work. It then ends, failed and told, and what is left is an ordinary failover.

mod fault;
mod fold;

use std::time::Duration;

use super::guard::{self, Asker, Blocker};
use super::incident::Telling;
use super::scene::Scene;
use crate::domain::{
    Cause, Drill, DrillEnd, DrillEntry, DrillFault, DrillKind, DrillLook, Finding, JournalEntry, Level, Moment,
    Notice, PlanEnd, Role, ServiceName, Verdict,
};

pub(super) use fault::{breaks_primary, ends_process, unheard};
pub use fold::{Drills, LastDrill, Leg, OpenDrill};

/// How long the way back waits for the primary to be proven again, beside the policy's `fresh_for`: after a restart votes come in one by
/// one, and "could not tell" is neither "down" nor "go".
const PROOF_WAIT: Duration = Duration::from_secs(60);
/// The same where the drill itself had broken it.
const MENDED_WAIT: Duration = Duration::from_secs(300);
/// Between two attempts at the way back.
const BACK_AGAIN: Duration = Duration::from_secs(5);

/// What a person or a schedule wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillRequest {
    /// Of which service: the real one, whatever the kind.
    pub service: ServiceName,
    /// How much.
    pub kind: DrillKind,
    /// For how long the standby serves.
    pub hold: Duration,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether it is the schedule's turn.
    pub scheduled: bool,
    /// What is to be broken.
    pub fault: Option<DrillFault>,
}

/// What this process knows of a drill beyond the journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Drilling {
    /// Since when the way back has been waiting for proof.
    pub(super) unproven_since: Option<Moment>,
    /// A tabletop's looks are being taken.
    pub(super) looking: bool,
    /// What a tabletop has found: kept until it is durable.
    pub(super) looks: Option<Vec<DrillLook>>,
    /// The limit that a measure is beyond.
    pub(super) breach: Option<String>,
    /// A check that fails at the standby by quorum, whatever the policy makes of it.
    pub(super) failing: Option<String>,
    /// What a lab said of the fault that it was to cause.
    pub(super) caused: Option<Result<String, String>>,
}

/// What the drill wants next.
#[derive(Debug)]
pub(super) enum Next {
    /// This is recorded.
    Tell(Telling),
    /// The plan that moves the service there is opened.
    Open(Role, Cause),
    /// A tabletop looks at everything.
    Look(u64),
}

/// What follows for the drill that is under way. `Err` says when to look again.
pub(super) fn next(scene: &Scene<'_>, drilling: &Drilling) -> Result<Next, Option<Moment>> {
    let Some(open) = &scene.ledger.drills.open else { return Err(None) };
    if !open.drill.kind.moves() {
        return tabletop(scene, open, drilling);
    }
    if let Some(next) = fault::next(scene, open, drilling) {
        return Ok(next);
    }
    if scene.ledger.open.is_some() {
        return Err(None);
    }
    match (&open.out, scene.serving()) {
        (None, Role::Primary) => begin(scene, open, drilling),
        (None, Role::Standby) => Ok(ended(
            scene,
            open,
            failed("the service was moved to the standby by somebody else before the drill was"),
        )),
        (Some(leg), Role::Primary) => match (&open.back, &leg.end) {
            (Some(back), _) if matches!(back.end, Some((PlanEnd::Done, _))) => Ok(ended(scene, open, well(open))),
            (Some(Leg { end: Some((PlanEnd::Stuck { why }, _)), .. }), _) => {
                Ok(ended(scene, open, failed(&format!("it came back, and not well: {why}"))))
            }
            (_, Some((PlanEnd::Abandoned { why } | PlanEnd::Stuck { why }, _))) => {
                let end = match &open.aborting {
                    Some(why) => DrillEnd::Aborted { why: why.clone() },
                    None => failed(&format!("the name was not moved: {why}")),
                };
                Ok(ended(scene, open, end))
            }
            _ => Ok(ended(scene, open, aborted("it was moved back by somebody else"))),
        },
        (Some(leg), Role::Standby) => away(scene, open, leg, drilling),
    }
}

/// Nothing was moved yet.
fn begin(scene: &Scene<'_>, open: &OpenDrill, drilling: &Drilling) -> Result<Next, Option<Moment>> {
    if let Some(why) = open.aborting.clone().or_else(|| drilling.breach.clone()) {
        return match fault::is_broken(scene, open) {
            false => Ok(ended(scene, open, aborted(&why))),
            true if open.aborting.is_none() => Ok(aborting(scene, open, why)),
            true if waited(scene, drilling) <= MENDED_WAIT => Err(Some(scene.now.after(BACK_AGAIN))),
            true => Ok(ended(scene, open, aborted(&why))),
        };
    }
    if let Some(wanted) = fault::awaited(scene, open) {
        return wanted;
    }
    let blockers = guard::against_opening(scene, Role::Standby, Asker::Operator { force: false });
    let wait = |blocker: &Blocker| matches!(blocker, Blocker::NotFenced { .. } | Blocker::NotLeading { .. });
    if blockers.is_empty() {
        return Ok(Next::Open(Role::Standby, cause(&open.drill)));
    }
    // A controller that has just started knows nothing yet, and soon will.
    let soon = |blocker: &Blocker| wait(blocker) || matches!(blocker, Blocker::TargetUnproven { .. });
    let patience = PROOF_WAIT + scene.service.policy.fresh_for;
    if blockers.iter().all(soon) && drilling.unproven_since.is_none_or(|at| scene.now.since(at) <= patience) {
        return Err(Some(scene.now.after(BACK_AGAIN)));
    }
    Ok(ended(scene, open, failed(&texts(&blockers))))
}

/// The standby serves.
fn away(scene: &Scene<'_>, open: &OpenDrill, out: &Leg, drilling: &Drilling) -> Result<Next, Option<Moment>> {
    if open.aborting.is_none() {
        if let Some(why) = alarm(scene, open, out, drilling) {
            return Ok(aborting(scene, open, why));
        }
        if let Some((PlanEnd::Done, at)) = &out.end {
            let left = open.drill.hold.saturating_sub(scene.wall.since(*at));
            if !left.is_zero() {
                return Err(Some(scene.now.after(left)));
            }
        }
    }
    if let Some(Leg { end: Some((PlanEnd::Stuck { why }, _)), .. }) = &open.back {
        return Ok(ended(scene, open, stays(why)));
    }
    let blockers = against_return(scene);
    if blockers.is_empty() {
        let again = open.back.as_ref().and_then(|back| back.end.as_ref()).map(|(_, at)| scene.wall.since(*at));
        let left = again.map_or(Duration::ZERO, |since| BACK_AGAIN.saturating_sub(since));
        if left.is_zero() {
            return Ok(Next::Open(Role::Primary, cause(&open.drill)));
        }
        return Err(Some(scene.now.after(left)));
    }
    // Nothing may move, and that is no reason to give up: it comes back as soon as it may.
    let hands_off = |blocker: &&Blocker| matches!(blocker, Blocker::Frozen { .. } | Blocker::Halted { .. });
    if let Some(blocker) = blockers.iter().find(hands_off) {
        let text = format!("cannot come back until that ends: {blocker}");
        if open.noted.as_deref() != Some(text.as_str()) {
            return Ok(noted(scene, open, text, Level::Everyone));
        }
        return Err(None);
    }
    // A person wants it there.
    let later = |blocker: &&Blocker| {
        !matches!(
            blocker,
            Blocker::TargetDown { .. }
                | Blocker::TargetUnproven { .. }
                | Blocker::Comparing
                | Blocker::NotFenced { .. }
                | Blocker::NotLeading { .. }
        )
    };
    if blockers.iter().any(|blocker| later(&blocker)) {
        return Ok(ended(scene, open, stays(&texts(&blockers))));
    }
    let of_itself = |blocker: &Blocker| matches!(blocker, Blocker::NotFenced { .. } | Blocker::NotLeading { .. });
    if blockers.iter().all(of_itself) {
        return Err(None);
    }
    let down = blockers.iter().any(|blocker| matches!(blocker, Blocker::TargetDown { .. }));
    let broken = breaks_primary(&open.drill);
    let patience = if broken { MENDED_WAIT } else { PROOF_WAIT };
    let over = waited(scene, drilling) > patience + scene.service.policy.fresh_for;
    if (down && !broken) || over {
        return Ok(ended(scene, open, stays(&texts(&blockers))));
    }
    Err(Some(scene.now.after(Duration::from_secs(1))))
}

/// For how long proof has been waited for.
fn waited(scene: &Scene<'_>, drilling: &Drilling) -> Duration {
    drilling.unproven_since.map_or(Duration::ZERO, |at| scene.now.since(at))
}

/// What is against the way back. A primary that was well when the drill began need not prove itself as one that had failed must; what would be
/// lost is looked at as ever (S14).
fn against_return(scene: &Scene<'_>) -> Vec<Blocker> {
    let mut blockers = guard::against_opening(scene, Role::Primary, Asker::Operator { force: false });
    blockers.retain(|blocker| !matches!(blocker, Blocker::Proving { .. }));
    blockers
}

/// What ends a drill before its time, while the standby serves.
fn alarm(scene: &Scene<'_>, open: &OpenDrill, out: &Leg, drilling: &Drilling) -> Option<String> {
    if let Some((PlanEnd::Stuck { why } | PlanEnd::Abandoned { why }, _)) = &out.end {
        return Some(format!("the failover did not end well: {why}"));
    }
    if let Some(freeze) = &scene.ledger.frozen {
        return Some(format!("frozen by {}: {}", freeze.by, freeze.reason));
    }
    if let Some(why) = scene.halted {
        return Some(format!("everything is stopped: {why}"));
    }
    match scene.verdict(Role::Standby) {
        Verdict::Unhealthy(evidence) => return Some(format!("the standby fails: {evidence}")),
        Verdict::Undecided(shortfall) if shortfall.down + shortfall.suspect >= shortfall.quorum => {
            return Some(format!("the standby is suspected by a quorum: {shortfall}"));
        }
        Verdict::Healthy | Verdict::Undecided(_) => {}
    }
    if scene.ledger.alerts_raised > open.alerts_before && !scene.ledger.alerts.is_empty() {
        let alerts: Vec<&str> = scene.ledger.alerts.iter().map(|alert| alert.as_str()).collect();
        return Some(format!("an alert was raised: {}", alerts.join(", ")));
    }
    drilling.failing.clone().or_else(|| drilling.breach.clone())
}

/// Whether the way back, or the way out, waits for the proof that a site works: how long it has been so is kept by the caller.
pub(super) fn waits_for_proof(scene: &Scene<'_>) -> bool {
    let Some(open) = scene.ledger.drills.open.as_ref().filter(|open| open.drill.kind.moves()) else { return false };
    if scene.ledger.open.is_some() {
        return false;
    }
    match (&open.out, scene.serving()) {
        (None, Role::Primary) => {
            guard::against_target(scene, Role::Standby).is_some()
                || (open.aborting.is_some() && fault::is_broken(scene, open))
        }
        (Some(leg), Role::Standby) => {
            let held = match &leg.end {
                Some((PlanEnd::Done, at)) => scene.wall.since(*at) >= open.drill.hold,
                _ => true,
            };
            let proof = |blocker: &Blocker| {
                matches!(blocker, Blocker::TargetDown { .. } | Blocker::TargetUnproven { .. } | Blocker::Comparing)
            };
            (held || open.aborting.is_some()) && against_return(scene).iter().any(proof)
        }
        _ => false,
    }
}

fn tabletop(scene: &Scene<'_>, open: &OpenDrill, drilling: &Drilling) -> Result<Next, Option<Moment>> {
    if let Some(why) = &open.aborting {
        return Ok(ended(scene, open, aborted(why)));
    }
    let Some(looks) = &drilling.looks else {
        return if drilling.looking { Err(None) } else { Ok(Next::Look(open.drill.number)) };
    };
    let bad = looks.iter().filter(|look| matches!(look.finding, Finding::Bad | Finding::Unknown)).count();
    let end = match bad {
        0 => DrillEnd::Passed,
        1 => failed("one look did not come out well"),
        more => failed(&format!("{more} looks did not come out well")),
    };
    let mut telling = end_telling(scene, open, end);
    if let Some(JournalEntry::Drill(DrillEntry::Ended { looks: slot, .. })) = telling.entries.first_mut() {
        slot.clone_from(looks);
    }
    Ok(Next::Tell(telling))
}

fn cause(drill: &Drill) -> Cause {
    Cause::Drill { number: drill.number, by: drill.by.clone(), reason: drill.reason.clone() }
}

fn texts(blockers: &[Blocker]) -> String {
    blockers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn failed(why: &str) -> DrillEnd {
    DrillEnd::Failed { why: why.to_owned() }
}

fn aborted(why: &str) -> DrillEnd {
    DrillEnd::Aborted { why: why.to_owned() }
}

/// The end of a drill that has come back.
fn well(open: &OpenDrill) -> DrillEnd {
    open.aborting.as_deref().map_or(DrillEnd::Passed, aborted)
}

fn stays(why: &str) -> DrillEnd {
    failed(&format!("it did not come back, and the standby goes on serving as after any failover: {why}"))
}

fn ended(scene: &Scene<'_>, open: &OpenDrill, end: DrillEnd) -> Next {
    Next::Tell(end_telling(scene, open, end))
}

fn end_telling(scene: &Scene<'_>, open: &OpenDrill, end: DrillEnd) -> Telling {
    let Drill { number, kind, .. } = open.drill;
    let service = &scene.service.name;
    let level = match (&end, kind) {
        (DrillEnd::Passed, _) => Level::Quiet,
        (_, DrillKind::Live) => Level::Everyone,
        _ => Level::Loud,
    };
    let serving = scene.serving();
    let text = match kind {
        DrillKind::Tabletop => format!("{service}: drill {number} (tabletop) {end}."),
        _ => format!("{service}: drill {number} ({kind}) {end}. The {serving} serves."),
    };
    Telling {
        entries: vec![JournalEntry::Drill(DrillEntry::Ended { number, end, looks: Vec::new() })],
        notices: vec![notice(service, number, "ended", level, text)],
    }
}

fn aborting(scene: &Scene<'_>, open: &OpenDrill, why: String) -> Next {
    let (number, service) = (open.drill.number, &scene.service.name);
    let text = format!("{service}: drill {number} ({}) is rolled back: {why}.", open.drill.kind);
    Next::Tell(Telling {
        notices: vec![notice(service, number, "aborting", Level::Loud, text)],
        entries: vec![JournalEntry::Drill(DrillEntry::Aborting { number, why })],
    })
}

fn noted(scene: &Scene<'_>, open: &OpenDrill, text: String, level: Level) -> Next {
    let (number, service) = (open.drill.number, &scene.service.name);
    let said = format!("{service}: drill {number} ({}): {text}.", open.drill.kind);
    let key = format!("noted/{}", scene.wall.as_ms());
    Next::Tell(Telling {
        notices: vec![notice(service, number, &key, level, said)],
        entries: vec![JournalEntry::Drill(DrillEntry::Noted { number, text })],
    })
}

fn notice(service: &ServiceName, number: u64, what: &str, level: Level, text: String) -> Notice {
    Notice { key: format!("{service}/drill-{number}/{what}"), service: service.clone(), level, text }
}

/// What people are told of somebody's word about a drill, with the entry.
pub(super) fn told(scene: &Scene<'_>, entry: &JournalEntry) -> Option<Notice> {
    let service = &scene.service.name;
    let JournalEntry::Drill(entry) = entry else { return None };
    match entry {
        DrillEntry::Started(drill) => {
            let (number, hold) = (drill.number, guard::human(drill.hold));
            let how_long = if drill.kind.moves() { format!(", back after {hold}") } else { String::new() };
            Some(notice(service, number, "started", Level::Quiet, format!("{service}: {drill}{how_long}.")))
        }
        DrillEntry::Aborting { number, why } => {
            let text = format!("{service}: drill {number} is rolled back: {why}.");
            Some(notice(service, *number, "aborting", Level::Quiet, text))
        }
        DrillEntry::Skipped { kind, why } => {
            let (skipped, wall) = (scene.ledger.drills.skipped + 1, scene.wall.as_ms());
            let most =
                scene.service.drills.schedules.iter().filter(|one| one.kind == *kind).map(|one| one.skips).min();
            let often = most.is_some_and(|most| skipped > most);
            let text = format!("{service}: the scheduled drill ({kind}) was skipped, {skipped} in a row: {why}.");
            let key = format!("{service}/drill-skipped/{wall}");
            let level = if often { Level::Everyone } else { Level::Quiet };
            Some(Notice { key, service: service.clone(), level, text })
        }
        DrillEntry::Noted { .. }
        | DrillEntry::Faulted { .. }
        | DrillEntry::Detected { .. }
        | DrillEntry::Ended { .. } => None,
    }
}

/// Every reason not to begin a drill. What does no harm to look at, a tabletop looks at, and finds.
pub(super) fn against(scene: &Scene<'_>, kind: DrillKind) -> Vec<Blocker> {
    let mut blockers = guard::standing(scene);
    if kind == DrillKind::Tabletop {
        blockers.retain(|blocker| matches!(blocker, Blocker::NotLeading { .. } | Blocker::JournalBroken { .. }));
        return blockers;
    }
    blockers = guard::against_opening(scene, Role::Standby, Asker::Operator { force: false });
    blockers.retain(|blocker| !matches!(blocker, Blocker::Pinned { .. }));
    blockers.extend(engaged(scene));
    // A drill begins from good health, or it is none.
    blockers.extend(guard::against_target(scene, Role::Primary));
    blockers
}

/// What a service is busy with, so that nobody drills it.
pub(super) fn engaged(scene: &Scene<'_>) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    if let Some(stuck) = &scene.ledger.stuck {
        blockers.push(Blocker::Stuck { why: stuck.why.clone() });
    }
    if let Some(pin) = &scene.ledger.pinned {
        let remaining = pin.remaining(scene.wall);
        if !remaining.is_zero() {
            let (by, reason) = (pin.by.clone(), pin.reason.clone());
            blockers.push(Blocker::Pinned { to: pin.to, by, reason, remaining });
        }
    }
    if let Some(window) = scene.maintenance {
        blockers.push(Blocker::Maintenance { window: window.to_owned() });
    }
    if let Some(incident) = &scene.ledger.incident {
        blockers.push(Blocker::IncidentOpen { number: incident.number });
    }
    blockers
}
