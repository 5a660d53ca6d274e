//! What must hold whenever a step is about to run, as named predicates. Tests and production call the same ones; in production a
//! violation stops the step (fail static), whatever its cause.

use crate::domain::{Cause, Role, Step, Verdict};

use super::io::StepOrder;
use super::ledger::StepStatus;
use super::scene::Scene;
use super::{guard, limits};

/// A named invariant that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// E1.
    #[error("E1: a step of a plan that is not the open one")]
    NotTheOpenPlan,
    /// E2.
    #[error("E2: a step whose start is not durable")]
    StartNotDurable,
    /// S4 and S3.
    #[error("S3/S4: a flip to a site that is not proven to work")]
    TargetNotProven,
    /// S2.
    #[error("S2: an automatic flip without a quorum")]
    NoQuorum,
    /// S5.
    #[error("S5: a flip whose token does not grow")]
    TokenDoesNotGrow,
    /// S10.
    #[error("S10: a flip of a frozen service")]
    Frozen,
    /// S13.
    #[error("S13: a flip away from where a person has pinned the service")]
    Pinned,
    /// S2.
    #[error("S2: an automatic flip away from a site that is passing again")]
    PassingAgain,
    /// A plan that waits for a person.
    #[error("a flip of a plan that nobody has approved")]
    NotApproved,
    /// S9: what could not be measured is no "go".
    #[error("S9: a flip to data that is too far behind, or nobody knows how far")]
    TooFarBehind,
    /// S15.
    #[error("S15: a failover's flip before a write was seen refused")]
    ReadOnlyNotVerified,
    /// S1.
    #[error("S1: a second site is to take writes")]
    TwoWriters,
}

/// The first invariant that running this step would break.
pub(super) fn check(scene: &Scene<'_>, order: &StepOrder) -> Option<Violation> {
    let Some(open) = scene.ledger.open.as_ref().filter(|open| open.plan == order.plan) else {
        return Some(Violation::NotTheOpenPlan);
    };
    if !matches!(open.steps.get(order.index), Some(StepStatus::Started { .. })) {
        return Some(Violation::StartNotDurable);
    }
    let forced = matches!(order.plan.cause(), Cause::Operator { force: true, .. });
    match order.step {
        Step::AllowWrites if scene.ledger.frozen.is_some() => return Some(Violation::Frozen),
        Step::AllowWrites if !forced && scene.ledger.fenced != Some(true) => return Some(Violation::TwoWriters),
        // A failover that was given up had seen the standby refuse a write, and nothing has let it take any since.
        Step::ReleasePrimary if order.plan.terms().release => {
            let serves = scene.register.is_some_and(|register| register.serving() == Role::Primary);
            return (!serves || scene.ledger.promoted.is_some()).then_some(Violation::TwoWriters);
        }
        Step::ReleasePrimary if open.refused_at.is_none() => return Some(Violation::TwoWriters),
        _ => {}
    }
    if !order.step.is_switch() {
        return None;
    }
    let to = order.plan.to();
    let automatic = matches!(order.plan.cause(), Cause::Quorum(_));
    let passing_again = match scene.verdict(to.other()) {
        Verdict::Unhealthy(evidence) => guard::still_failing(scene, evidence).is_some(),
        Verdict::Healthy | Verdict::Undecided(_) => false,
    };
    if scene.ledger.frozen.is_some() || scene.halted.is_some() {
        Some(Violation::Frozen)
    } else if limits::against_pin(scene, to).is_some() {
        Some(Violation::Pinned)
    } else if open.plan.terms().approval && open.approved.is_none() {
        Some(Violation::NotApproved)
    } else if automatic && passing_again {
        Some(Violation::PassingAgain)
    } else if !forced && limits::against_lag(scene, to).is_some() {
        Some(Violation::TooFarBehind)
    } else if automatic && !matches!(scene.verdict(to.other()), Verdict::Unhealthy(_)) {
        Some(Violation::NoQuorum)
    } else if !forced && *scene.verdict(to) != Verdict::Healthy {
        Some(Violation::TargetNotProven)
    } else if to == Role::Standby
        && !scene.service.drills.unrehearsed
        && open.succeeded(Step::VerifyReadOnly).is_none()
    {
        Some(Violation::ReadOnlyNotVerified)
    } else if !order.switch.as_ref().is_some_and(|(_, intent)| intent.new.is_after(&intent.expected)) {
        Some(Violation::TokenDoesNotGrow)
    } else {
        None
    }
}
