//! How far each of the policy's rules is from condemning a site, as a person would say it.

use std::time::Duration;

use crate::domain::{Lane, Role, VantageView};
use crate::engine::guard::human;
use crate::engine::quorum;
use crate::engine::scene::Scene;

/// One rule, and how far it is from acting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleView {
    /// Which.
    pub lane: Lane,
    /// Votes that count for it.
    pub have: usize,
    /// Votes that it takes.
    pub need: usize,
    /// Clouds that they come from.
    pub clouds: usize,
    /// Clouds that they must come from.
    pub clouds_needed: usize,
    /// Whether its votes suffice.
    pub met: bool,
    /// For how long they have sufficed without a break.
    pub held: Option<Duration>,
    /// For how long they must.
    pub confirm: Duration,
    /// How many of the voters see the site fail still.
    pub failing_now: usize,
    /// In words.
    pub text: String,
}

pub(super) fn of(scene: &Scene<'_>, role: Role) -> Vec<RuleView> {
    let lanes = Lane::ALL.into_iter().filter(|lane| *lane != Lane::Burn || scene.service.policy.burn.is_some());
    lanes.map(|lane| rule(scene, role, lane)).collect()
}

/// The rule that is the nearest to acting, unless nothing speaks for any of them.
pub(super) fn nearest(scene: &Scene<'_>, role: Role) -> Option<String> {
    let rules = of(scene, role).into_iter().filter(|rule| rule.have > 0);
    // Of equals the first one.
    let nearest = rules.min_by_key(|rule| rule.need.saturating_sub(rule.have))?;
    Some(nearest.text)
}

fn rule(scene: &Scene<'_>, role: Role, lane: Lane) -> RuleView {
    let policy = &scene.service.policy;
    let votes = &scene.votes(role).votes;
    let counting = || votes.iter().filter(|vote| lane.counts(vote));
    let mut clouds: Vec<&str> = counting().map(|vote| vote.cloud.as_str()).collect();
    clouds.sort_unstable();
    clouds.dedup();
    let (have, need, clouds) = (counting().count(), lane.votes_needed(policy.quorum), clouds.len());
    let met = crate::domain::Evidence::in_lane(scene.votes(role), quorum::rule(scene.service), lane).is_some();
    let held = match lane {
        Lane::Burn => met.then_some(Duration::ZERO),
        Lane::Down | Lane::Suspect => scene.held.down(role).filter(|_| met).map(|since| scene.now.since(since)),
    };
    let confirm = if lane == Lane::Burn { Duration::ZERO } else { policy.confirm };
    let failing_now = counting().filter(|vote| vote.failing_now).count();
    let of = votes.len();
    let mut text = match lane {
        Lane::Down => format!("{have} of {of} vantages say down, {need} are needed"),
        Lane::Suspect => format!("{have} of {of} say or suspect it, {need} by two accounts are needed"),
        Lane::Burn => {
            let (ratio, window) = policy.burn.map_or((0, Duration::ZERO), |burn| (burn.ratio, burn.window));
            let mut shares: Vec<u32> =
                votes.iter().filter(|vote| !vote.view.is_silent()).map(|vote| vote.burn).collect();
            shares.sort_unstable_by(|one, other| other.cmp(one));
            // The share that the quorum stands or falls with.
            let share = shares.get(need.saturating_sub(1)).copied().unwrap_or(0);
            let (share, ratio) = (f64::from(share) / 10.0, f64::from(ratio) / 10.0);
            format!(
                "{need} vantages have seen {share:.0} % failures or more in {}, {ratio:.0} % are needed",
                human(window)
            )
        }
    };
    if met {
        if let Some(held) = held.filter(|_| !confirm.is_zero()) {
            text.push_str(&format!("; held for {} of {}", human(held.min(confirm)), human(confirm)));
        }
        text.push_str(&format!("; {failing_now} see it fail still"));
    } else if have >= need && clouds < policy.clouds {
        text.push_str(&format!("; from {clouds} of {} clouds", policy.clouds));
    } else if lane == Lane::Down {
        // The vote that would be the next one.
        let towards = votes.iter().filter(|vote| !vote.view.is_silent() && vote.view != VantageView::Down);
        if let Some(next) = towards.max_by_key(|vote| vote.score).filter(|vote| vote.score > 0) {
            let share = next.score / 10;
            text.push_str(&format!("; {} is at {share} % of what it takes", next.vantage));
        }
    }
    RuleView { lane, have, need, clouds, clouds_needed: policy.clouds, met, held, confirm, failing_now, text }
}
