//! Views, the policy's rule and the time make a verdict.

use std::collections::BTreeMap;

use crate::domain::{
    CheckName, Evidence, Moment, Observation, Role, Service, SiteVotes, VantageName, VantageView, Verdict, Vote,
};

use super::window::Window;

/// All windows of one service.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows(BTreeMap<(Role, VantageName, CheckName), Window>);

impl Windows {
    /// Takes one observation of this service. One from a vantage or by a check that the service does not have is nobody's vote.
    pub(super) fn observe(&mut self, service: &Service, seen: &Observation) -> bool {
        let known = service.checks.contains(&seen.check)
            && service.vantages.iter().any(|vantage| vantage.name == seen.id.vantage);
        if known {
            let key = (seen.role, seen.id.vantage.clone(), seen.check.clone());
            self.0.entry(key).or_default().observe(&service.policy, seen);
        }
        known
    }

    /// Every vantage's vote on one site, in the order of the configuration.
    pub(super) fn votes(&self, service: &Service, role: Role, now: Moment) -> SiteVotes {
        let votes = service
            .vantages
            .iter()
            .map(|vantage| {
                let seen = service
                    .checks
                    .iter()
                    .map(|check| self.0.get(&(role, vantage.name.clone(), check.clone())))
                    .map(|window| (window.map_or(VantageView::Unknown, |w| w.view(&service.policy, now)), window))
                    .max_by_key(|(view, _)| weight(*view));
                let (view, window) = seen.unwrap_or((VantageView::Unknown, None));
                let why = window.and_then(Window::why);
                Vote {
                    vantage: vantage.name.clone(),
                    cloud: vantage.cloud.clone(),
                    account: vantage.account.clone(),
                    score: 0,
                    burn: 0,
                    burning: false,
                    failing_now: true,
                    generation: crate::domain::Generation::default(),
                    view,
                    failures: window.map_or(0, Window::failures),
                    kind: why.and_then(|why| why.kind),
                    reason: why.and_then(|why| why.reason.clone()),
                    failed_step: why.and_then(|why| why.step.clone()),
                    age_ms: window
                        .and_then(Window::last)
                        .map(|last| u64::try_from(now.since(last).as_millis()).unwrap_or(u64::MAX)),
                }
            })
            .collect();
        SiteVotes { role, votes }
    }

    /// When the next view goes stale by itself.
    pub(super) fn next_stale(&self, service: &Service, now: Moment) -> Option<Moment> {
        let fresh_for = service.policy.fresh_for;
        let one_later = std::time::Duration::from_millis(1);
        self.0
            .values()
            .filter_map(|window| window.last().map(|last| last.after(fresh_for).after(one_later)))
            .filter(|at| *at > now)
            .min()
    }
}

/// A site is up for a vantage when all its checks pass, and down when one of them is down: the heaviest view is the vantage's.
fn weight(view: VantageView) -> u8 {
    match view {
        VantageView::Up => 0,
        VantageView::Failing => 1,
        VantageView::Unknown => 2,
        VantageView::Stale => 3,
        VantageView::Down => 4,
        VantageView::Suspect | VantageView::Abstaining => 3,
    }
}

/// What the votes amount to. Where both sides would reach the quorum there is none.
pub(super) fn verdict(service: &Service, votes: &SiteVotes) -> Verdict {
    let policy = &service.policy;
    let healthy = votes.count(VantageView::Up) >= policy.quorum;
    match Evidence::new(votes, crate::domain::Rule { quorum: policy.quorum, clouds: policy.clouds }) {
        Ok(evidence) if !healthy => Verdict::Unhealthy(evidence),
        Err(_) if healthy => Verdict::Healthy,
        Err(shortfall) => Verdict::Undecided(shortfall),
        // Both: more vantages than two quorums, split down the middle.
        Ok(_) => match Evidence::new(votes, crate::domain::Rule { quorum: usize::MAX, clouds: policy.clouds }) {
            Err(shortfall) => Verdict::Undecided(crate::domain::Shortfall { quorum: policy.quorum, ..shortfall }),
            Ok(evidence) => Verdict::Unhealthy(evidence),
        },
    }
}
