//! Limits on how often, and when, something moves by itself: pins, cool-down, budget, velocity over all services, maintenance windows,
//! what has not settled yet, and how far the standby's data is behind.

use std::time::Duration;

use crate::domain::{LagReading, Moment, Role, WallTime};

use super::guard::Blocker;
use super::scene::Scene;

/// A measurement of the lag that is older than this says nothing: unknown lag is too much.
const LAG_COUNTS_FOR: Duration = Duration::from_secs(30);
/// For how long what was last read of the primary tells how far the standby was behind when the primary fell silent. The slowest lane
/// decides in 224 s (safety.md 3.7); whoever was silent for longer than this had been so before, and may have written since.
const PRIMARY_HEARD_WITHIN: Duration = Duration::from_secs(300);
/// How much longer than the records' time to live a standby that took writes is left to drain before the primary takes them (S14).
const DRAIN_BEYOND_TTL: Duration = Duration::from_secs(60);

/// How long nothing is tried after a plan was given up; it doubles with each further one of the same incident.
const REST: Duration = Duration::from_secs(60);
/// The longest such rest.
const REST_MAX: Duration = Duration::from_secs(15 * 60);

/// How far the standby's data was behind when that was last measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) at: Moment,
    pub(super) reading: Option<LagReading>,
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
    let reading = measured.and_then(|measured| measured.reading.as_ref());
    let lag = reading.filter(|reading| reading.heard <= PRIMARY_HEARD_WITHIN).map(|reading| reading.behind);
    lag.is_none_or(|lag| lag > most).then_some(Blocker::Lag { lag, most })
}

/// For how long the standby is still left to drain; none when it has.
pub(super) fn drains_for(scene: &Scene<'_>, refused_at: Option<WallTime>) -> Option<Duration> {
    let whole = Duration::from_secs(u64::from(scene.service.dns.ttl_s)) + DRAIN_BEYOND_TTL;
    // A refused write that nobody remembers is none.
    let drained = refused_at.map_or(Duration::ZERO, |at| scene.wall.since(at));
    Some(whole.saturating_sub(drained)).filter(|remaining| !remaining.is_zero())
}

/// What keeps only the policy from moving the service.
pub(super) fn against_automatic(scene: &Scene<'_>) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    let policy = &scene.service.policy;
    if let Some(window) = scene.maintenance {
        blockers.push(Blocker::Maintenance { window: window.to_owned() });
    }
    if let Some((_, rehearsal, number)) = scene.broken {
        blockers.push(Blocker::BrokenOnPurpose { service: rehearsal.clone(), number: *number });
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
