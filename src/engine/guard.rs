//! Every reason not to act: all of them at once, each in words that a person can act on.

use std::time::Duration;

use crate::domain::{Evidence, Register, Role, Verdict};

pub(super) use super::blocker::Blocker;
use super::limits;
use super::scene::Scene;
use super::sites;

/// A time as a person would say it, to the second.
pub(super) fn human(time: Duration) -> String {
    let seconds = if time.subsec_millis() > 0 { time.as_secs() + 1 } else { time.as_secs() };
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

/// What asks for the move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The policy.
    Policy,
    /// A person.
    Operator {
        /// Whether evidence is overruled.
        force: bool,
    },
}

/// Every reason not to open a plan that moves the service to `to`.
pub(super) fn against_opening(scene: &Scene<'_>, to: Role, asker: Asker) -> Vec<Blocker> {
    let mut blockers = standing(scene);
    if let Some(open) = &scene.ledger.open {
        blockers.push(Blocker::PlanOpen { plan: open.plan.id().clone() });
    }
    if scene.register.is_some_and(|register| register.serving() == to) {
        blockers.push(Blocker::AlreadyServing { role: to });
    }
    if asker == Asker::Policy {
        if let Some(stuck) = &scene.ledger.stuck {
            blockers.push(Blocker::Stuck { why: stuck.why.clone() });
        }
        if to == Role::Primary {
            blockers.push(Blocker::NoAutomaticFailback);
        }
        blockers.extend(limits::against_automatic(scene));
        blockers.extend(against_source(scene, to.other()));
    }
    // One store is enough to raise it.
    if to == Role::Primary && !scene.flag_behind.is_empty() {
        blockers.push(Blocker::FlagBehind { stores: scene.flag_behind.to_vec() });
    }
    blockers.extend(limits::against_pin(scene, to));
    blockers.extend(limits::against_lag(scene, to));
    blockers.extend(against_target(scene, to));
    if to == Role::Primary && asker != Asker::Policy {
        blockers.extend(sites::against_failback(scene));
    }
    if asker == (Asker::Operator { force: true }) {
        blockers.retain(|blocker| !blocker.yields_to_force());
    }
    blockers
}

/// Every reason not to let the standby, which serves, take writes.
pub(super) fn against_promotion(scene: &Scene<'_>, force: bool) -> Vec<Blocker> {
    let mut blockers = standing(scene);
    if let Some(open) = &scene.ledger.open {
        blockers.push(Blocker::PlanOpen { plan: open.plan.id().clone() });
    }
    blockers.extend(sites::against_promotion(scene));
    blockers.extend(limits::against_pin(scene, Role::Standby));
    blockers.extend(limits::against_lag(scene, Role::Standby));
    blockers.extend(against_target(scene, Role::Standby));
    if force {
        blockers.retain(|blocker| !blocker.yields_to_force());
    }
    blockers
}

/// The reasons that hold whatever is asked: authority, fence, journal, freeze.
pub(super) fn standing(scene: &Scene<'_>) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    if let Some(why) = scene.journal_broken {
        blockers.push(Blocker::JournalBroken { why: why.to_owned() });
    }
    if scene.fence.is_none() {
        blockers.push(Blocker::NotLeading { why: scene.why_not_leading.to_owned() });
    }
    if scene.register.is_none() {
        let what = Register::word(scene.service.dns.lane);
        blockers.push(Blocker::NotFenced { what, why: scene.why_not_fenced.to_owned() });
    }
    if let Some(why) = scene.halted {
        blockers.push(Blocker::Halted { why: why.to_owned() });
    }
    if let Some(freeze) = &scene.ledger.frozen {
        blockers.push(Blocker::Frozen { by: freeze.by.clone(), reason: freeze.reason.clone() });
    }
    blockers
}

/// Every reason not to have the records taken over or put back by a person. That they are not fenced is what this is to mend.
pub(super) fn against_mending(scene: &Scene<'_>) -> Vec<Blocker> {
    let mut blockers = standing(scene);
    blockers.retain(|blocker| !matches!(blocker, Blocker::NotFenced { .. }));
    if let Some(open) = &scene.ledger.open {
        blockers.push(Blocker::PlanOpen { plan: open.plan.id().clone() });
    }
    blockers
}

/// What the evidence against the serving site lacks.
pub(super) fn against_source(scene: &Scene<'_>, from: Role) -> Option<Blocker> {
    match scene.verdict(from) {
        Verdict::Healthy => Some(Blocker::SourceHealthy { role: from }),
        Verdict::Undecided(shortfall) => Some(Blocker::NoQuorum { role: from, shortfall: *shortfall }),
        Verdict::Unhealthy(evidence) => {
            // What has burned for minutes needs no confirmation (safety.md 3.7, lane 2).
            let held = scene.held.down(from).map_or(Duration::ZERO, |since| scene.now.since(since));
            let remaining = scene.service.policy.confirm.saturating_sub(held);
            if remaining.is_zero() || scene.burning(from) {
                still_failing(scene, evidence)
            } else {
                Some(Blocker::Confirming { remaining })
            }
        }
    }
}

/// The "still failing now" gate: what was true a moment ago may be over.
pub(super) fn still_failing(scene: &Scene<'_>, evidence: &Evidence) -> Option<Blocker> {
    let (failing, quorum) = (evidence.failing_now(), scene.service.policy.quorum);
    (failing < quorum).then_some(Blocker::Recovering { role: evidence.role(), failing, quorum })
}

/// The evidence that a site is down, and still fails at this moment.
pub(super) fn fails<'a>(scene: &'a Scene<'_>, role: Role) -> Option<&'a Evidence> {
    match scene.verdict(role) {
        Verdict::Unhealthy(evidence) => Some(evidence).filter(|evidence| still_failing(scene, evidence).is_none()),
        Verdict::Healthy | Verdict::Undecided(_) => None,
    }
}

/// What the proof that the other site works lacks (S3, S4).
pub(super) fn against_target(scene: &Scene<'_>, to: Role) -> Option<Blocker> {
    match scene.verdict(to) {
        Verdict::Healthy => None,
        Verdict::Undecided(shortfall) => Some(Blocker::TargetUnproven { role: to, shortfall: *shortfall }),
        Verdict::Unhealthy(evidence) => Some(Blocker::TargetDown { role: to, votes: evidence.down().len() }),
    }
}
