//! What the engine knows of a service, what it would do, and everything that keeps it from it, in words.

mod rules;

use std::time::Duration;

use crate::domain::drift::Drift;
use crate::domain::{Alert, Epoch, PlanEnd, Role, SiteVotes, Step, Verdict};

use super::drain::DrainView;
use super::drill::{LastDrill, OpenDrill};
use super::guard::{self, Asker, Blocker, human};
use super::ledger::{Freeze, Incident, LastPlan, Moved, OpenPlan, StepStatus};
use super::panel::CheckView;
use super::progress::{self, Attempt, Move};
use super::scene::Scene;
use super::sites::{self, SitesView};
pub use rules::RuleView;

/// Where a service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The primary serves, and nothing is wrong.
    Watching,
    /// A quorum says that the serving site is down.
    Suspecting,
    /// A plan is under way.
    Acting,
    /// The standby serves.
    Holding,
    /// A person is needed.
    Stuck,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 5] = [Self::Watching, Self::Suspecting, Self::Acting, Self::Holding, Self::Stuck];

    /// The word used in data and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Suspecting => "suspecting",
            Self::Acting => "acting",
            Self::Holding => "holding",
            Self::Stuck => "stuck",
        }
    }
}

/// One site, as the quorum sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteView {
    /// Its role.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Its cloud.
    pub cloud: String,
    /// Whether the name points at it.
    pub serving: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// The votes behind it.
    pub votes: SiteVotes,
}

/// One step of a plan, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    /// Which step.
    pub step: Step,
    /// `waiting`, `running`, `failed` or `done`.
    pub status: &'static str,
    /// What it has to say.
    pub text: String,
}

/// The open plan, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanView {
    /// Its name.
    pub id: String,
    /// "failover", "failback", "promotion" or "release".
    pub direction: &'static str,
    /// Its digest.
    pub digest: String,
    /// Its steps.
    pub steps: Vec<StepView>,
    /// Whether a person must approve it.
    pub needs_approval: bool,
    /// Who has approved it.
    pub approved: Option<String>,
}

/// A pin in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinView {
    /// Where the service is pinned to.
    pub to: Role,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// For how long still.
    pub remaining: Duration,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The service.
    pub service: String,
    /// The name that moves.
    pub dns_name: String,
    /// Where it is in its life.
    pub phase: Phase,
    /// This controller's epoch, while it may act.
    pub epoch: Option<Epoch>,
    /// The zone's token, once it was fenced.
    pub token: Option<String>,
    /// The policy's name.
    pub policy: String,
    /// Votes that are needed.
    pub quorum: usize,
    /// The site that serves.
    pub serving: Role,
    /// Both sites.
    pub sites: Vec<SiteView>,
    /// What vantages say of each check.
    pub checks: Vec<CheckView>,
    /// The drill that is under way.
    pub drill: Option<OpenDrill>,
    /// The last drill that ended.
    pub last_drill: Option<LastDrill>,
    /// How far each of the policy's rules is from condemning the serving site.
    pub rules: Vec<RuleView>,
    /// How often it is probed, where that is more often than the policy says.
    pub burst: Option<Duration>,
    /// The alerts that are raised.
    pub alerts: Vec<Alert>,
    /// What the last look at the records, the flag and the name servers has shown; none before the first.
    pub drift: Option<Drift>,
    /// The pin in force.
    pub pinned: Option<PinView>,
    /// Who may write where, and what the way back would lose.
    pub sides: SitesView,
    /// The flips so far, in order.
    pub moves: Vec<Moved>,
    /// The open incident.
    pub incident: Option<Incident>,
    /// The freeze in force.
    pub frozen: Option<Freeze>,
    /// Why a person is needed.
    pub stuck: Option<String>,
    /// How users' resolvers follow the last move, or followed it.
    pub drain: Option<DrainView>,
    /// The open plan.
    pub plan: Option<PlanView>,
    /// The last plan that ended.
    pub last: Option<LastPlan>,
    /// Every reason why the policy does not fail over at this moment; with a plan open, or when the standby serves, only what keeps
    /// this controller from acting at all.
    pub blockers: Vec<Blocker>,
    /// What happens next, as a person would say it.
    pub next: String,
}

pub(super) fn explain(
    scene: &Scene<'_>,
    attempt: &Attempt,
    epoch: Option<Epoch>,
    drain: Option<DrainView>,
) -> Explanation {
    let serving = scene.serving();
    let blockers = match (&scene.ledger.open, serving) {
        (None, Role::Primary) => guard::against_opening(scene, Role::Standby, Asker::Policy),
        // A controller that may not act says so whatever it was about to do.
        _ => guard::standing(scene),
    };
    Explanation {
        service: scene.service.name.to_string(),
        dns_name: scene.service.dns.name.clone(),
        phase: phase(scene),
        epoch,
        token: scene.register.map(|register| register.token().to_string()),
        policy: scene.service.policy.name().to_owned(),
        quorum: scene.service.policy.quorum,
        serving,
        checks: Vec::new(),
        drill: scene.ledger.drills.open.clone(),
        last_drill: scene.ledger.drills.last.clone(),
        rules: rules::of(scene, serving),
        burst: scene.pace,
        alerts: scene.ledger.alerts.iter().copied().collect(),
        drift: scene.drift.cloned(),
        pinned: pin_view(scene),
        sides: sites::view(scene),
        moves: scene.ledger.moves.clone(),
        sites: Role::BOTH.into_iter().map(|role| site_view(scene, role)).collect(),
        incident: scene.ledger.incident,
        frozen: scene.ledger.frozen.clone(),
        stuck: scene.ledger.stuck.as_ref().map(|stuck| stuck.why.clone()),
        drain,
        plan: scene.ledger.open.as_ref().map(|open| plan_view(open, attempt)),
        last: scene.ledger.last.clone(),
        next: next(scene, attempt, &blockers),
        blockers,
    }
}

fn phase(scene: &Scene<'_>) -> Phase {
    if scene.ledger.open.is_some() {
        Phase::Acting
    } else if scene.ledger.stuck.is_some() || scene.journal_broken.is_some() {
        Phase::Stuck
    } else if scene.ledger.incident.is_some() {
        Phase::Suspecting
    } else if scene.serving() == Role::Standby {
        Phase::Holding
    } else {
        Phase::Watching
    }
}

fn site_view(scene: &Scene<'_>, role: Role) -> SiteView {
    let site = scene.service.site(role);
    SiteView {
        role,
        name: site.name.to_string(),
        cloud: site.cloud.clone(),
        serving: scene.serving() == role,
        verdict: scene.verdict(role).clone(),
        votes: scene.votes(role).clone(),
    }
}

fn pin_view(scene: &Scene<'_>) -> Option<PinView> {
    let pin = scene.ledger.pinned.as_ref()?;
    let remaining = pin.remaining(scene.wall);
    (!remaining.is_zero()).then(|| PinView { to: pin.to, by: pin.by.clone(), reason: pin.reason.clone(), remaining })
}

fn plan_view(open: &OpenPlan, attempt: &Attempt) -> PlanView {
    let current = open.current().map(|(index, ..)| index);
    let steps = open.plan.steps().iter().zip(&open.steps).enumerate();
    let steps = steps.map(|(index, (step, status))| {
        let (status, text) = match status {
            StepStatus::Succeeded(detail) => ("done", detail.text.clone()),
            StepStatus::Failed { why, .. } => ("failed", why.clone()),
            StepStatus::Started { .. } if current == Some(index) && attempt.running => ("running", String::new()),
            StepStatus::Started { .. } | StepStatus::Waiting => ("waiting", String::new()),
        };
        StepView { step: *step, status, text }
    });
    PlanView {
        id: open.plan.id().to_string(),
        direction: open.plan.direction(),
        digest: open.plan.digest().to_string(),
        steps: steps.collect(),
        needs_approval: open.plan.terms().approval,
        approved: open.approved.clone(),
    }
}

fn next(scene: &Scene<'_>, attempt: &Attempt, blockers: &[Blocker]) -> String {
    if let Some(open) = &scene.ledger.open {
        return match progress::next(scene, open, attempt) {
            Move::Run(_, step) => format!("{}, then on with plan {}", step.sentence(), open.plan.id()),
            Move::Append(_) => format!("record the next step of plan {}", open.plan.id()),
            Move::Close(PlanEnd::Done) => format!("close plan {}", open.plan.id()),
            Move::Close(PlanEnd::Abandoned { why } | PlanEnd::Stuck { why }) => {
                format!("give plan {} up: {why}", open.plan.id())
            }
            Move::Fence => "fence the zone, and read what became of the flip".to_owned(),
            Move::Wait { why, .. } => format!("plan {} waits: {why}", open.plan.id()),
        };
    }
    if let (Some(open), Role::Standby) = (&scene.ledger.drills.open, scene.serving()) {
        return away(scene, open);
    }
    if scene.serving() == Role::Standby {
        let target = guard::against_target(scene, Role::Primary);
        let back = match target.or_else(|| sites::against_failback(scene).into_iter().next()) {
            None => "the primary is healthy, so `quorate failback` is possible".to_owned(),
            Some(blocker) => format!("`quorate failback` has to wait: {blocker}"),
        };
        let mode = if scene.ledger.promoted.is_some() { " and takes writes" } else { "" };
        return format!(
            "nothing by itself: the standby serves{mode}, and the way back is a person's decision; {back}"
        );
    }
    if sites::withheld(scene).is_some() {
        return match guard::standing(scene).first() {
            Some(blocker) => format!("the primary serves and refuses writes, and stays so: {blocker}"),
            None => "let the primary, which serves, take writes again".to_owned(),
        };
    }
    match blockers {
        [] if scene.service.policy.approval => "open a plan that waits for approval".to_owned(),
        [] => "fail over to the standby".to_owned(),
        [Blocker::SourceHealthy { .. }] => "nothing: the primary is healthy".to_owned(),
        [Blocker::NoQuorum { role, .. }] => match rules::nearest(scene, *role) {
            Some(rule) => format!("nothing yet; the nearest rule: {rule}"),
            None => format!("nothing: {}", blockers.iter().map(ToString::to_string).collect::<String>()),
        },
        [Blocker::Confirming { remaining }] => {
            format!("fail over to the standby in {}, if the quorum holds and still sees it fail", human(*remaining))
        }
        [first, rest @ ..] => match rest.len() {
            0 => format!("nothing: {first}"),
            more => format!("nothing: {first}; and {more} more against it"),
        },
    }
}

/// What a drill that has moved the service does next.
fn away(scene: &Scene<'_>, open: &OpenDrill) -> String {
    let number = open.drill.number;
    if let Some(why) = &open.aborting {
        return format!("drill {number} brings it back as soon as that is possible: {why}");
    }
    let ended = open.out.as_ref().and_then(|leg| leg.end.as_ref()).map(|(_, at)| scene.wall.since(*at));
    let left = open.drill.hold.saturating_sub(ended.unwrap_or_default());
    format!("drill {number} brings it back in {} (sooner: quorate drill abort {})", human(left), scene.service.name)
}
