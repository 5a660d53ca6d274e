//! An incident: a non-healthy verdict with a lifetime. Its first verdict is told quietly, its second in a row loudly; how it ended is told
//! too. None vanishes (E4).

use std::time::Duration;

use crate::domain::{
    Alert, Cause, IncidentEnd, JournalEntry, Level, Moment, Notice, PlanEnd, Role, Service, ServiceName, Verdict,
};

use super::alert;
use super::guard::Blocker;
use super::scene::Scene;

/// How often people are told of a plan that is stuck.
const REMIND_EVERY: Duration = Duration::from_secs(15 * 60);

/// Entries to append and notices to queue with them.
#[derive(Debug, Default)]
pub(super) struct Telling {
    pub(super) entries: Vec<JournalEntry>,
    pub(super) notices: Vec<Notice>,
}

fn notice(service: &ServiceName, key: &str, level: Level, text: String) -> Notice {
    Notice { key: format!("{service}/{key}"), service: service.clone(), level, text }
}

/// What the verdict on the serving site makes of the incident now. `Err` says when to look again.
pub(super) fn next(scene: &Scene<'_>) -> Result<Telling, Option<Moment>> {
    let serving = scene.serving();
    let service = &scene.service.name;
    let Some(incident) = &scene.ledger.incident else {
        let Verdict::Unhealthy(evidence) = scene.verdict(serving) else { return Err(None) };
        let number = scene.ledger.incidents + 1;
        let why = reasons(scene, serving);
        let text = format!("{service}: first failing verdict: {evidence} ({why}).");
        return Ok(Telling {
            entries: vec![JournalEntry::IncidentOpened { number, evidence: evidence.clone() }],
            notices: vec![notice(service, &format!("incident-{number}/opened"), Level::Quiet, text)],
        });
    };
    // An incident is about its site, wherever the name points by now.
    let number = incident.number;
    match scene.verdict(incident.role) {
        Verdict::Unhealthy(evidence) if !incident.escalated && incident.role == serving => {
            let again_at = scene.held.unhealthy(serving).unwrap_or(scene.now).after(scene.service.policy.interval);
            if scene.now < again_at {
                return Err(Some(again_at));
            }
            let why = reasons(scene, serving);
            let text = format!("{service}: second failing verdict in a row: {evidence} ({why}).");
            Ok(Telling {
                entries: vec![JournalEntry::IncidentEscalated { number, evidence: evidence.clone() }],
                notices: vec![notice(service, &format!("incident-{number}/escalated"), Level::Loud, text)],
            })
        }
        Verdict::Healthy if scene.ledger.open.is_none() => {
            // A site that passes for a moment between two failures has not recovered.
            let over_at = scene.held.healthy(incident.role).map(|at| at.after(scene.service.policy.recovered_after));
            if let Some(at) = over_at.filter(|at| *at > scene.now) {
                return Err(Some(at));
            }
            let level = if incident.escalated { Level::Everyone } else { Level::Quiet };
            let role = incident.role;
            let text = format!("{service}: resolved: a quorum says the {role} is up again; the {serving} serves.");
            Ok(Telling {
                entries: vec![JournalEntry::IncidentClosed { number, end: IncidentEnd::Recovered }],
                notices: vec![notice(service, &format!("incident-{number}/resolved"), level, text)],
            })
        }
        Verdict::Unhealthy(_) | Verdict::Undecided(_) | Verdict::Healthy => Err(None),
    }
}

/// The most frequent reasons of the failing votes, in one line.
fn reasons(scene: &Scene<'_>, role: Role) -> String {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for vote in scene.votes(role).votes.iter().filter(|vote| vote.failures > 0) {
        let step = vote.failed_step.as_deref().map(|step| format!("at '{step}': ")).unwrap_or_default();
        let reason = format!("{step}{}", vote.reason.as_deref().unwrap_or("no reason given"));
        match counted.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => counted.push((reason, 1)),
        }
    }
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    match counted.first() {
        Some((reason, _)) => reason.clone(),
        None => "no reason given".to_owned(),
    }
}

/// Guards kept the policy from acting.
pub(super) fn blocked(scene: &Scene<'_>, blockers: &[Blocker]) -> Telling {
    let service = &scene.service.name;
    let number = scene.ledger.incidents;
    let texts: Vec<String> = blockers.iter().map(ToString::to_string).collect();
    let text = format!("{service}: would fail over, and does not: {}.", texts.join("; "));
    let codes: Vec<&str> = blockers.iter().map(Blocker::code).collect();
    let key = format!("incident-{number}/blocked/{}", codes.join("+"));
    let blockers = blockers.iter().map(|blocker| format!("{}: {blocker}", blocker.code())).collect();
    Telling {
        notices: vec![notice(service, &key, Level::Loud, text)],
        entries: vec![JournalEntry::AttemptBlocked { blockers }],
    }
}

/// A plan ended: the entry for it, for the incident that it settles, and the notice.
pub(super) fn plan_closed(scene: &Scene<'_>, end: PlanEnd) -> Telling {
    let mut telling = Telling::default();
    let Some(open) = &scene.ledger.open else {
        return telling;
    };
    let Service { name: service, primary, standby, .. } = scene.service;
    let plan = &open.plan;
    let site = match plan.to() {
        Role::Primary => &primary.name,
        Role::Standby => &standby.name,
    };
    let (direction, id) = (plan.direction(), plan.id());
    let drill = matches!(plan.cause(), Cause::Drill { .. });
    let level = match &end {
        PlanEnd::Done if drill => Level::Quiet,
        // It is tried again, and an alert tells of it once.
        PlanEnd::Abandoned { .. } if plan.terms().release => Level::Quiet,
        _ => Level::Everyone,
    };
    let text = match &end {
        PlanEnd::Done => {
            let read_only = if plan.to() == Role::Standby { ", read-only" } else { "" };
            if plan.terms().release {
                format!("{service}: the primary ({site}), which serves, takes writes again. Plan {id}.")
            } else if plan.terms().promote {
                format!("{service}: promotion done: the standby ({site}) takes writes. Plan {id}.")
            } else {
                format!("{service}: {direction} done: the {} ({site}) serves{read_only}. Plan {id}.", plan.to())
            }
        }
        PlanEnd::Abandoned { why } if plan.terms().release => {
            format!("{service}: the primary, which serves, could not be let take writes again by plan {id}: {why}.")
        }
        PlanEnd::Abandoned { why } => format!("{service}: {direction} {id} given up before the flip: {why}."),
        PlanEnd::Stuck { why } => format!("{service}: {direction} {id} is stuck and needs a person: {why}."),
    };
    telling.notices.push(notice(service, &format!("plan-{id}/closed"), level, text));
    telling.entries.push(JournalEntry::PlanClosed { plan: id.clone(), end: end.clone() });
    let moved = open.switched().is_some();
    if let (true, Some(incident)) = (moved, &scene.ledger.incident) {
        let end = IncidentEnd::Moved { plan: id.clone() };
        telling.entries.push(JournalEntry::IncidentClosed { number: incident.number, end });
    }
    telling
}

/// A plan opens.
pub(super) fn plan_opened(scene: &Scene<'_>, plan: &crate::domain::Plan) -> Telling {
    let service = &scene.service.name;
    let (id, to, direction) = (plan.id(), plan.to(), plan.direction());
    let why = match plan.cause() {
        crate::domain::Cause::Quorum(evidence) => evidence.to_string(),
        crate::domain::Cause::Operator { by, reason, .. } => format!("{by}: {reason}"),
        crate::domain::Cause::Drill { number, by, reason } => format!("drill {number}, {by}: {reason}"),
        crate::domain::Cause::GivenUp { plan } => format!("{plan} was given up, and had told it to refuse writes"),
    };
    let (level, text) = if plan.terms().approval {
        let digest = plan.digest();
        let how = format!("quorate approve {service} {id} --digest {digest}");
        (Level::Loud, format!("{service}: {direction} {id} to the {to} waits for approval ({how}): {why}."))
    } else {
        (Level::Quiet, format!("{service}: {direction} {id} to the {to} begins: {why}."))
    };
    Telling {
        notices: vec![notice(service, &format!("plan-{id}/opened"), level, text)],
        entries: vec![JournalEntry::PlanOpened { plan: Box::new(plan.clone()) }],
    }
}

/// What becomes of an alert.
pub(super) fn alert(scene: &Scene<'_>, news: alert::News) -> Telling {
    let service = &scene.service.name;
    match news {
        alert::News::Raised(alert, text) => {
            let key = format!("alert-{}/raised", scene.ledger.alerts_raised + 1);
            let said = format!("{service}: {text}.");
            // Users get something that nobody decided, or two sites may take writes: whoever is told of flips is told of this.
            let level = match alert {
                Alert::Drift | Alert::StandbyWritable | Alert::PrimaryWritable | Alert::PrimaryReadOnly => {
                    Level::Everyone
                }
                Alert::ReserveUnproven | Alert::Suspected | Alert::Blind => Level::Loud,
            };
            Telling {
                notices: vec![notice(service, &key, level, said)],
                entries: vec![JournalEntry::AlertRaised { alert, text }],
            }
        }
        alert::News::Cleared(alert) => {
            let key = format!("alert-{}/{alert}/cleared", scene.ledger.alerts_raised);
            let text = format!("{service}: {} is over.", alert.as_str().replace('-', " "));
            Telling {
                notices: vec![notice(service, &key, Level::Quiet, text)],
                entries: vec![JournalEntry::AlertCleared { alert }],
            }
        }
    }
}

/// A person has the records taken over or put back.
pub(super) fn mending(service: &ServiceName, entry: JournalEntry) -> Telling {
    let told = match &entry {
        JournalEntry::AdoptionAsked { by, reason, digest, .. } => {
            Some((format!("adoption-{digest}"), format!("{service}: {by} takes its records over: {reason}.")))
        }
        JournalEntry::RepairAsked { by, reason, digest } => {
            Some((format!("repair-{digest}"), format!("{service}: {by} has its records put back: {reason}.")))
        }
        _ => None,
    };
    let notices = told.map(|(key, text)| notice(service, &key, Level::Quiet, text)).into_iter().collect();
    Telling { entries: vec![entry], notices }
}

/// A plan that is stuck is told again and again until a person has said that they know (E4). `Err` says when next.
pub(super) fn reminder(scene: &Scene<'_>) -> Result<Telling, Option<Moment>> {
    let Some(stuck) = &scene.ledger.stuck else { return Err(None) };
    let due = REMIND_EVERY.saturating_sub(scene.wall.since(stuck.told));
    if !due.is_zero() {
        return Err(Some(scene.now.after(due)));
    }
    let service = &scene.service.name;
    let number = stuck.reminders + 1;
    let plan = scene.ledger.last.as_ref().map(|last| last.plan.id().to_string()).unwrap_or_default();
    let text = format!(
        "{service}: {plan} is still stuck, and nobody has acknowledged it: {} (quorate acknowledge {service}).",
        stuck.why
    );
    Ok(Telling {
        notices: vec![notice(service, &format!("plan-{plan}/stuck/{number}"), Level::Everyone, text)],
        entries: vec![JournalEntry::StuckReminded { number }],
    })
}

/// The flip is not getting through: told once, loudly, while it goes on being tried.
pub(super) fn flip_is_slow(scene: &Scene<'_>, why: &str, tried_for: Duration) -> Option<Notice> {
    let open = scene.ledger.open.as_ref()?;
    let service = &scene.service.name;
    let text = format!(
        "{service}: the flip of {} has not got through for {} s and is still being tried: {why}.",
        open.plan.id(),
        tried_for.as_secs()
    );
    Some(notice(service, &format!("plan-{}/flip-slow", open.plan.id()), Level::Loud, text))
}
