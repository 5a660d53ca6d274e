//! An open plan, the journal and the scene make the next step.
//!
//! Recovery is not a mode: a new controller folds the journal and asks this module, as every ordinary turn does. The one step that
//! cannot simply be run again is the switch (the records' flip, or the flag's); whether it was applied is read from the register's own token after a fence
//! write has made sure that it cannot be applied any more (S8).

use std::time::Duration;

use crate::domain::{
    Cause, JournalEntry, Moment, Plan, PlanEnd, Register, Role, Step, StepDetail, StepIndex, Verdict,
};

use super::guard::{self, Blocker};
use super::ledger::{OpenPlan, StepStatus};
use super::limits;
use super::planner;
use super::scene::Scene;

/// How long a plan whose evidence has gone thin waits for it to come back before it is given up: one minute and the policy's
/// `fresh_for`, so that a restarted controller has time to hear from every vantage again.
const EVIDENCE_WAIT: Duration = Duration::from_secs(60);
/// After how long without success a step needs a person. Changes are in sync "generally within 60 seconds" (Route 53 API reference), so five
/// times that is not a wait any more.
const IN_SYNC_WITHIN: Duration = Duration::from_secs(300);
/// Likewise for answers: the name servers have it by then, and what is left is a query.
const ANSWERS_WITHIN: Duration = Duration::from_secs(120);
/// Likewise for the standby's endpoint and the public login.
const SITE_WITHIN: Duration = Duration::from_secs(60);
/// The first wait after a failed attempt; it doubles with every further one.
const BACKOFF: Duration = Duration::from_millis(500);
/// The longest such wait.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// What this process knows of the current step beyond the journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempt {
    /// The step's start was made durable by this process, and it has not been run since.
    pub(super) armed: bool,
    /// It is being run.
    pub(super) running: bool,
    /// A switch was sent since its register was last fenced: it may still be under way.
    pub(super) flip_sent: bool,
    /// When the step was first tried.
    pub(super) since: Option<Moment>,
    /// Failed attempts in a row.
    pub(super) failures: u32,
    /// Not before this.
    pub(super) retry_at: Option<Moment>,
    /// Since when evidence has been missing.
    pub(super) thin_since: Option<Moment>,
}

impl Attempt {
    /// Notes a failed attempt.
    pub(super) fn failed(&mut self, now: Moment) {
        let wait = BACKOFF.saturating_mul(1 << self.failures.min(8)).min(BACKOFF_MAX);
        self.failures += 1;
        self.retry_at = Some(now.after(wait));
    }
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Move {
    /// Record this.
    Append(Vec<JournalEntry>),
    /// End the plan.
    Close(PlanEnd),
    /// Run this step, whose start is durable.
    Run(StepIndex, Step),
    /// Fence the register, and read what became of the switch.
    Fence,
    /// Nothing for now.
    Wait { why: String, until: Option<Moment>, thin: bool },
}

fn wait(why: impl Into<String>) -> Move {
    Move::Wait { why: why.into(), until: None, thin: false }
}

/// The next move of the open plan.
pub(super) fn next(scene: &Scene<'_>, open: &OpenPlan, attempt: &Attempt) -> Move {
    let Some((index, step, status)) = open.current() else {
        return Move::Close(PlanEnd::Done);
    };
    if attempt.running {
        return wait(format!("to {}", step.sentence()));
    }
    if step.is_switch() {
        return switch(scene, open, attempt, (index, step), status);
    }
    if open.plan.terms().release
        && let Some(held) = release_gate(scene)
    {
        return held;
    }
    let may_stop = !open.committed() && open.plan.steps().iter().skip(index).any(|later| later.is_commit());
    if may_stop && let Some(held) = gate(scene, &open.plan, attempt) {
        return held;
    }
    if open.plan.terms().approval && open.approved.is_none() {
        let (service, id, digest) = (&scene.service.name, open.plan.id(), open.plan.digest());
        return wait(format!("for approval: quorate approve {service} {id} --digest {digest}"));
    }
    if step == Step::AllowWrites && open.committed() && (scene.ledger.frozen.is_some() || scene.halted.is_some()) {
        return wait("for the freeze to end: it was about to let the standby take writes, which may have happened");
    }
    if step == Step::DrainStandby
        && let Some(remaining) = limits::drains_for(scene, open.refused_at)
    {
        let why = "until nobody writes to the standby any more".to_owned();
        return Move::Wait { why, until: Some(scene.now.after(remaining)), thin: false };
    }
    match status {
        StepStatus::Started { .. } => Move::Run(index, step),
        StepStatus::Failed { why, .. } if too_late(scene.now, attempt, step) => {
            let why = format!("could not {}: {why}", step.sentence());
            // Only a promotion insists on a fence, and it has touched nothing yet; a release is tried again, and must be in nobody's way.
            let given_up = step == Step::FencePrimary || open.plan.terms().release;
            Move::Close(if given_up { PlanEnd::Abandoned { why } } else { PlanEnd::Stuck { why } })
        }
        StepStatus::Waiting | StepStatus::Failed { .. } => start(scene, open, attempt, index),
        StepStatus::Succeeded(_) => wait("a step that is done is never the current one"),
    }
}

fn start(scene: &Scene<'_>, open: &OpenPlan, attempt: &Attempt, index: StepIndex) -> Move {
    if let Some(at) = attempt.retry_at.filter(|at| *at > scene.now) {
        return Move::Wait { why: "to try again".to_owned(), until: Some(at), thin: false };
    }
    let plan = open.plan.id().clone();
    Move::Append(vec![JournalEntry::StepStarted { plan, step: index, intent: None }])
}

fn too_late(now: Moment, attempt: &Attempt, step: Step) -> bool {
    let within = match step {
        Step::AwaitInSync => IN_SYNC_WITHIN,
        Step::VerifyAnswers => ANSWERS_WITHIN,
        Step::AskVeto
        | Step::EnterReadOnly
        | Step::VerifyReadOnly
        | Step::FencePrimary
        | Step::DrainStandby
        | Step::ReleasePrimary
        | Step::AllowWrites
        | Step::VerifyWrites
        | Step::VerifyPublicLogin => SITE_WITHIN,
        // A flip that the provider does not answer is tried for as long as the evidence holds: an outage of the provider's API can
        // last hours, and giving up would leave users on a dead site. People are told, see `Engine::step_ended`. Records that only follow a
        // flag have as long.
        Step::FlipRecords | Step::RaiseFlag | Step::LowerFlag | Step::PinRecords => return false,
    };
    attempt.since.is_some_and(|since| now.since(since) > within)
}

/// The switch: started afresh, retried as it is, or settled by the register's token.
fn switch(
    scene: &Scene<'_>,
    open: &OpenPlan,
    attempt: &Attempt,
    (index, step): (StepIndex, Step),
    status: &StepStatus,
) -> Move {
    let word = Register::word(scene.service.dns.lane);
    let Some(register) = scene.register else {
        return wait(format!("for the {word} to be fenced"));
    };
    if !register.is_swapped_by(step) {
        let why = format!("it is to {}, and the configuration moves the name by its {word} now", step.sentence());
        return Move::Close(PlanEnd::Stuck { why });
    }
    let held = gate(scene, &open.plan, attempt);
    match status {
        StepStatus::Waiting => held.unwrap_or_else(|| begin(scene, register, open, attempt, index)),
        StepStatus::Started { .. } if attempt.armed => match held {
            None => Move::Run(index, step),
            // What the gate said changed while the start was being made durable.
            Some(_) if attempt.flip_sent => Move::Fence,
            Some(_) => Move::Append(vec![JournalEntry::StepVoided {
                plan: open.plan.id().clone(),
                step: index,
                why: "never sent".to_owned(),
            }]),
        },
        StepStatus::Started { intent: Some(intent) } | StepStatus::Failed { intent: Some(intent), .. } => {
            let plan = open.plan.id().clone();
            if !attempt.flip_sent {
                // It was fenced after the switch was sent, so what it shows is final.
                let token = register.token();
                if token.same_move(&intent.new) {
                    let text = format!("found applied: the {word}'s token is {token}");
                    let detail = StepDetail::said(text);
                    return Move::Append(vec![JournalEntry::StepSucceeded { plan, step: index, detail }]);
                }
                let why = format!("not applied, and fenced out: the {word}'s token is {token}");
                return Move::Append(vec![JournalEntry::StepVoided { plan, step: index, why }]);
            }
            // Not fenced since: the identical batch can be sent again while the evidence holds, and only then.
            match (held, attempt.retry_at) {
                (None, Some(at)) if at > scene.now => {
                    Move::Wait { why: format!("to {} again", step.sentence()), until: Some(at), thin: false }
                }
                (None, _) if register.token() == &intent.expected => {
                    let intent = Some(Box::new(intent.clone()));
                    Move::Append(vec![JournalEntry::StepStarted { plan, step: index, intent }])
                }
                (None | Some(_), _) => Move::Fence,
            }
        }
        StepStatus::Started { intent: None } | StepStatus::Failed { intent: None, .. } => {
            Move::Close(PlanEnd::Stuck { why: "the journal holds a flip without its tokens".to_owned() })
        }
        StepStatus::Succeeded(_) => wait("a step that is done is never the current one"),
    }
}

fn begin(scene: &Scene<'_>, register: &Register, open: &OpenPlan, attempt: &Attempt, index: StepIndex) -> Move {
    if let Some(at) = attempt.retry_at.filter(|at| *at > scene.now) {
        return Move::Wait { why: "to try again".to_owned(), until: Some(at), thin: false };
    }
    match planner::intent(scene, register, &open.plan) {
        Some(intent) => {
            let (plan, intent) = (open.plan.id().clone(), Some(Box::new(intent)));
            Move::Append(vec![JournalEntry::StepStarted { plan, step: index, intent }])
        }
        None => wait("for authority"),
    }
}

/// What keeps a plan from its flip at this moment: checked before every step up to it, and at the commit point (S2, S3, S4, S10).
fn gate(scene: &Scene<'_>, plan: &Plan, attempt: &Attempt) -> Option<Move> {
    if let Some(freeze) = &scene.ledger.frozen {
        let why = format!("frozen by {}: {}", freeze.by, freeze.reason);
        return Some(Move::Close(PlanEnd::Abandoned { why }));
    }
    if let Some(why) = scene.halted {
        return Some(Move::Close(PlanEnd::Abandoned { why: why.to_owned() }));
    }
    if let (Cause::Drill { .. }, Role::Standby, Some(open)) = (plan.cause(), plan.to(), &scene.ledger.drills.open)
        && let Some(why) = &open.aborting
    {
        return Some(Move::Close(PlanEnd::Abandoned { why: format!("the drill is rolled back: {why}") }));
    }
    if let Some(pin) = limits::against_pin(scene, plan.to()) {
        return Some(Move::Close(PlanEnd::Abandoned { why: pin.to_string() }));
    }
    if let Some(blocker) = guard::standing(scene).first() {
        return Some(wait(blocker.to_string()));
    }
    if plan.terms().promote {
        return promotion_gate(scene, plan, attempt);
    }
    // It points there already: either this plan's own switch, which the token settles, or somebody else's.
    if scene.register.is_some_and(|register| {
        register.serving() == plan.to() && register.token().digest.as_ref() != Some(plan.digest())
    }) {
        let why = format!("the name points at the {} already", plan.to());
        return Some(Move::Close(PlanEnd::Abandoned { why }));
    }
    let from = plan.to().other();
    let missing = match plan.cause() {
        Cause::Quorum(_) => match scene.verdict(from) {
            Verdict::Healthy => {
                let why = format!("the {from} is healthy again");
                return Some(Move::Close(PlanEnd::Abandoned { why }));
            }
            Verdict::Undecided(shortfall) => Some(format!("the evidence is thin: {shortfall}")),
            Verdict::Unhealthy(evidence) => guard::still_failing(scene, evidence)
                .or_else(|| limits::against_lag(scene, plan.to()))
                .or_else(|| guard::against_target(scene, plan.to()))
                .map(|blocker| blocker.to_string()),
        },
        Cause::Operator { force: true, .. } => None,
        Cause::Operator { force: false, .. } | Cause::Drill { .. } | Cause::GivenUp { .. } => {
            limits::against_lag(scene, plan.to())
                .or_else(|| guard::against_target(scene, plan.to()))
                .map(|blocker| blocker.to_string())
        }
    };
    missing.map(|missing| thin(scene, attempt, missing))
}

/// What keeps a promotion from letting the standby take writes.
fn promotion_gate(scene: &Scene<'_>, plan: &Plan, attempt: &Attempt) -> Option<Move> {
    if scene.register.is_some_and(|register| register.serving() != Role::Standby) {
        let why = "the standby does not serve any more".to_owned();
        return Some(Move::Close(PlanEnd::Abandoned { why }));
    }
    let forced = matches!(plan.cause(), Cause::Operator { force: true, .. });
    let missing = limits::against_lag(scene, plan.to()).or_else(|| guard::against_target(scene, plan.to()));
    missing.filter(|_| !forced).map(|blocker| thin(scene, attempt, blocker.to_string()))
}

/// What keeps the primary from being let take writes again. A failover must not wait for it.
fn release_gate(scene: &Scene<'_>) -> Option<Move> {
    let abandoned = |why: String| Some(Move::Close(PlanEnd::Abandoned { why }));
    if scene.register.is_some_and(|register| register.serving() != Role::Primary) {
        return abandoned("the primary does not serve any more".to_owned());
    }
    if let Some(evidence) = guard::fails(scene, Role::Primary) {
        return abandoned(evidence.to_string());
    }
    match guard::standing(scene).into_iter().next()? {
        blocker @ (Blocker::Frozen { .. } | Blocker::Halted { .. }) => abandoned(blocker.to_string()),
        blocker => Some(wait(blocker.to_string())),
    }
}

/// Evidence is missing: it is waited for, for a while.
fn thin(scene: &Scene<'_>, attempt: &Attempt, missing: String) -> Move {
    let until = attempt.thin_since.unwrap_or(scene.now).after(EVIDENCE_WAIT).after(scene.service.policy.fresh_for);
    if scene.now >= until {
        Move::Close(PlanEnd::Abandoned { why: missing })
    } else {
        Move::Wait { why: missing, until: Some(until), thin: true }
    }
}
