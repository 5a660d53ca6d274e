//! What people must know before it is needed, and that moves nothing: a reserve that is not proven, suspicion that may be the probes' own
//! fault, too few vantages with a word, records that are not as they should be. An alert is raised when its condition has held for a while, and cleared when it has not
//! held for as long: what comes and goes is told once.

use std::time::Duration;

use crate::domain::drift::Drift;
use crate::domain::{Alert, Moment, Role, SiteVotes, VantageView, Verdict};

use super::scene::Scene;
use super::sites;

/// For how long a condition must hold, or not hold, but for drift, which has a time of its own.
const AFTER: Duration = Duration::from_secs(60);

/// For how long the primary may serve without taking writes before people are told: what lets it take them again is quicker where it works.
const READ_ONLY_AFTER: Duration = Duration::from_secs(15);

/// Since when each condition has been what it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Conditions([Option<(bool, Moment)>; Alert::ALL.len()]);

/// What to tell about an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    Raised(Alert, String),
    Cleared(Alert),
}

impl Conditions {
    /// What holds now, for as long as it has been so.
    pub(super) fn then(self, scene: &Scene<'_>) -> Self {
        let mut next = self;
        for (alert, slot) in Alert::ALL.into_iter().zip(&mut next.0) {
            let holds = condition(scene, alert).is_some();
            match slot {
                Some((before, _)) if *before == holds => {}
                _ => *slot = Some((holds, scene.now)),
            }
        }
        next
    }

    /// The first alert that is to be raised or cleared. `Err` says when the next one may be.
    pub(super) fn news(&self, scene: &Scene<'_>) -> Result<News, Option<Moment>> {
        let mut next: Option<Moment> = None;
        for (alert, slot) in Alert::ALL.into_iter().zip(&self.0) {
            let Some((holds, since)) = slot else { continue };
            if *holds == scene.ledger.alerts.contains(&alert) {
                continue;
            }
            let due = since.after(after(scene, alert, *holds));
            if due > scene.now {
                next = Some(next.map_or(due, |known| known.min(due)));
                continue;
            }
            return Ok(match condition(scene, alert) {
                Some(text) => News::Raised(alert, text),
                None => News::Cleared(alert),
            });
        }
        Err(next)
    }
}

fn after(scene: &Scene<'_>, alert: Alert, holds: bool) -> Duration {
    match alert {
        // One write that was taken is proof, and each further one makes it worse.
        Alert::StandbyWritable | Alert::PrimaryWritable if holds => Duration::ZERO,
        Alert::StandbyWritable | Alert::PrimaryWritable => AFTER,
        Alert::PrimaryReadOnly if holds => READ_ONLY_AFTER,
        Alert::PrimaryReadOnly => Duration::ZERO,
        // A change that was just made is on its way to all servers for a minute (S20).
        Alert::Drift => scene.limits.drift_after,
        Alert::ReserveUnproven | Alert::Suspected | Alert::Blind => AFTER,
    }
}

/// The alert's reason, if it has one now.
fn condition(scene: &Scene<'_>, alert: Alert) -> Option<String> {
    let serving = scene.serving();
    match alert {
        // Once the standby serves, a primary that is down is no news.
        Alert::ReserveUnproven if serving == Role::Primary => match scene.verdict(serving.other()) {
            Verdict::Healthy => None,
            _ if heard(scene.votes(serving.other())) < scene.service.policy.quorum => None,
            Verdict::Undecided(shortfall) => Some(format!("the standby is not proven to work: {shortfall}")),
            Verdict::Unhealthy(evidence) => Some(format!("there is nowhere to go: {evidence}")),
        },
        Alert::ReserveUnproven => None,
        Alert::Suspected => match scene.verdict(serving) {
            Verdict::Undecided(shortfall) if shortfall.down + shortfall.suspect >= shortfall.quorum => Some(format!(
                "{} of {} vantages suspect the {serving}, but of what may be the probes' own fault: {}",
                shortfall.down + shortfall.suspect,
                shortfall.of,
                reason(scene.votes(serving))
            )),
            Verdict::Healthy | Verdict::Undecided(_) | Verdict::Unhealthy(_) => None,
        },
        Alert::Drift => {
            let line = scene.drift.and_then(Drift::line)?;
            let service = &scene.service.name;
            Some(format!("what users get is not what was decided: {line} (quorate drift {service})"))
        }
        Alert::StandbyWritable => {
            let how = scene.sites.taken(scene, Role::Standby)?;
            Some(format!("the standby serves, is to be read-only, and has taken a write: {how}"))
        }
        Alert::PrimaryWritable => {
            let how = scene.sites.taken(scene, Role::Primary)?;
            let both = if scene.ledger.promoted.is_some() { "; both sites take writes" } else { "" };
            Some(format!("the primary was told to refuse writes, and has taken one: {how}{both}"))
        }
        Alert::PrimaryReadOnly => {
            let plan = sites::withheld(scene)?;
            let service = &scene.service.name;
            Some(format!(
                "the primary serves, and refuses writes since {plan}, which was given up, told it to (quorate explain {service})"
            ))
        }
        Alert::Blind => {
            let (heard, quorum) = (heard(scene.votes(serving)), scene.service.policy.quorum);
            let of = scene.service.vantages.len();
            (heard < quorum).then(|| {
                format!("{heard} of {of} vantages have a word on the {serving}, and {quorum} are needed to decide")
            })
        }
    }
}

fn heard(votes: &SiteVotes) -> usize {
    votes.votes.iter().filter(|vote| !vote.view.is_silent()).count()
}

fn reason(votes: &SiteVotes) -> &str {
    let suspect = votes.votes.iter().find(|vote| vote.view == VantageView::Suspect);
    suspect.and_then(|vote| vote.reason.as_deref()).unwrap_or("no reason given")
}
