//! From the wish to move to a plan that leaves nothing to choose.

use crate::domain::{Cause, FlipIntent, Plan, PlanId, Register, Role, ServiceName, Terms};

use super::scene::Scene;

/// The plan that would move the scene's service to `to`. None while its register is not fenced, or in the impossible case of a
/// service whose plan numbers no longer fit a name.
pub(super) fn draft(scene: &Scene<'_>, to: Role, cause: Cause) -> Option<Plan> {
    let lane = scene.service.dns.lane;
    let promoted = to == Role::Primary && scene.ledger.diverging.is_some();
    let unrehearsed = to == Role::Standby && scene.service.drills.unrehearsed;
    made(scene, to, cause, Terms { lane, fence: scene.service.fence, promoted, unrehearsed, ..Terms::default() })
}

/// The plan that would let the standby take writes.
pub(super) fn promotion(scene: &Scene<'_>, cause: Cause) -> Option<Plan> {
    let lane = scene.service.dns.lane;
    made(scene, Role::Standby, cause, Terms { lane, fence: scene.service.fence, promote: true, ..Terms::default() })
}

/// The plan that lets the primary, which serves, take writes again after that plan was given up.
pub(super) fn release(scene: &Scene<'_>, plan: PlanId) -> Option<Plan> {
    let lane = scene.service.dns.lane;
    let terms = Terms { lane, fence: true, release: true, ..Terms::default() };
    made(scene, Role::Primary, Cause::GivenUp { plan }, terms)
}

fn made(scene: &Scene<'_>, to: Role, cause: Cause, terms: Terms) -> Option<Plan> {
    let register = scene.register?;
    let number = scene.ledger.plans + 1;
    // What holds an automatic move back does not hold a person back: they have had their look.
    let automatic = matches!(cause, Cause::Quorum(_));
    let terms = Terms {
        veto: automatic && scene.service.veto.is_some(),
        approval: automatic && scene.service.policy.approval,
        ..terms
    };
    let id = plan_id(&scene.service.name, number)?;
    Some(Plan::new(id, scene.service.name.clone(), to, cause, register.token().clone(), terms))
}

/// "login-7"; a service's name is cut where both together would be too long for a name.
fn plan_id(service: &ServiceName, number: u64) -> Option<PlanId> {
    let number = number.to_string();
    let room = 63_usize.checked_sub(number.len() + 1)?;
    let stem = service.as_str().get(..service.as_str().len().min(room))?.trim_end_matches('-');
    PlanId::new(&format!("{stem}-{number}")).ok()
}

/// What the plan's switch swaps, from the register as it is. None when the fence is older than the token.
pub(super) fn intent(scene: &Scene<'_>, register: &Register, plan: &Plan) -> Option<FlipIntent> {
    let fence = scene.fence?;
    let new = register.token().moved(&fence, plan.to(), plan.digest().clone())?;
    Some(FlipIntent { expected: register.token().clone(), new })
}
