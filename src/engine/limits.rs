//! Limits on how often, and when, something moves by itself: pins, cool-down, budget, velocity over all services, maintenance windows,
//! what has not settled yet, and how far the standby's data is behind.

use std::time::Duration;

use crate::domain::{Moment, Role, WallTime};

use super::guard::Blocker;
use super::scene::Scene;

/// A measurement of the lag that is older than this says nothing: unknown lag is too much.
const LAG_COUNTS_FOR: Duration = Duration::from_secs(30);

/// How long nothing is tried after a plan was given up; it doubles with each further one of the same incident.
const REST: Duration = Duration::from_secs(60);
/// The longest such rest.
const REST_MAX: Duration = Duration::from_secs(15 * 60);

/// How far the standby's data was behind when that was last measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) at: Moment,
    pub(super) lag: Option<Duration>,
}

/// What keeps anybody from moving the service there: a pin elsewhere.
pub(super) fn against_pin(scene: &Scene<'_>, to: Role) -> Option<Blocker> {
    let pin = scene.ledger.pinned.as_ref().filter(|pin| pin.to != to)?;
    let remaining = pin.remaining(scene.wall);
    (!remaining.is_zero()).then(|| Blocker::Pinned {
        to: pin.to,
        by: pin.by.clone(),
        reason: pin.reason.clone(),
        remaining,
    })
}

/// What would be lost: known to be little, or too much.
pub(super) fn against_lag(scene: &Scene<'_>, to: Role) -> Option<Blocker> {
    let most = scene.service.policy.max_lag.filter(|_| to == Role::Standby)?;
    let measured = scene.lag.filter(|measured| scene.now.since(measured.at) <= LAG_COUNTS_FOR);
    let lag = measured.and_then(|measured| measured.lag);
    lag.is_none_or(|lag| lag > most).then_some(Blocker::Lag { lag, most })
}

/// What keeps only the policy from moving the service.
pub(super) fn against_automatic(scene: &Scene<'_>) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    let policy = &scene.service.policy;
    if let Some(window) = scene.maintenance {
        blockers.push(Blocker::Maintenance { window: window.to_owned() });
    }
    if let Some((why, until)) = &scene.unsettled {
        blockers.push(Blocker::Unsettled { why: why.clone(), remaining: until.since(scene.now) });
    }
    if let (Some(last), Some(times)) = (&scene.ledger.last, scene.ledger.given_up.checked_sub(1)) {
        let rest = REST.saturating_mul(1 << times.min(8)).min(REST_MAX);
        let remaining = rest.saturating_sub(scene.wall.since(last.at));
        if !remaining.is_zero() {
            blockers.push(Blocker::Resting { plan: last.plan.id().clone(), remaining });
        }
    }
    if let Some(last) = scene.ledger.moves.iter().rev().find(|moved| !moved.drill) {
        let remaining = policy.cool_down.saturating_sub(scene.wall.since(last.at));
        if !remaining.is_zero() {
            blockers.push(Blocker::CoolDown { remaining });
        }
    }
    let (moves, per) = (policy.budget.moves, policy.budget.per);
    if let Some(remaining) = spent(scene.wall, &scene.ledger.automatic_moves(scene.wall, per), moves, per) {
        blockers.push(Blocker::Budget { moves, per, remaining });
    }
    let (moves, per) = (scene.limits.moves, scene.limits.per);
    if let Some(remaining) = spent(scene.wall, scene.all_moves, moves, per) {
        blockers.push(Blocker::Velocity { moves, per, remaining });
    }
    blockers
}

/// Until when there were too many, if there were: until the oldest of the last `most` is no longer within the time.
fn spent(wall: WallTime, at: &[WallTime], most: usize, per: Duration) -> Option<Duration> {
    let mut within: Vec<WallTime> = at.iter().copied().filter(|at| wall.since(*at) < per).collect();
    within.sort_unstable();
    let oldest = within.len().checked_sub(most.max(1)).and_then(|first| within.get(first))?;
    Some(per.saturating_sub(wall.since(*oldest)))
}
