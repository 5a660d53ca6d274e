//! Votes, the policy's rule and the time make a verdict, and what the verdict has been for how long.

use crate::domain::{Evidence, Lane, Moment, Role, Rule, Service, Shortfall, SiteVotes, VantageView, Verdict};

/// The service's rule.
pub(super) fn rule(service: &Service) -> Rule {
    Rule { quorum: service.policy.quorum, clouds: service.policy.clouds }
}

/// What the votes amount to. Where both sides would reach the quorum there is none: more vantages than two quorums, split down the
/// middle. Failures that come and go outweigh that a quorum is up at this moment.
pub(super) fn verdict(service: &Service, votes: &SiteVotes) -> Verdict {
    let rule = rule(service);
    let healthy = votes.count(VantageView::Up) >= rule.quorum;
    match Evidence::new(votes, rule) {
        Ok(evidence) if !healthy || evidence.lane() == Lane::Burn => Verdict::Unhealthy(evidence),
        Ok(_) => Verdict::Undecided(Shortfall::of(votes, rule)),
        Err(_) if healthy => Verdict::Healthy,
        Err(shortfall) => Verdict::Undecided(shortfall),
    }
}

/// Since when the serving site has been what it is, without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// The site, while it serves.
    role: Option<Role>,
    /// Since when a quorum has said "down", or suspected it strongly enough.
    down: Option<Moment>,
    /// Since when there has been any evidence.
    unhealthy: Option<Moment>,
    /// Since when a quorum has said "up".
    healthy: Option<Moment>,
}

impl Held {
    /// What holds now, for as long as it held before.
    pub(super) fn then(self, now: Moment, role: Role, votes: &SiteVotes, rule: Rule, verdict: &Verdict) -> Self {
        let before = if self.role == Some(role) { self } else { Self::default() };
        let since = |holds: bool, before: Option<Moment>| holds.then(|| before.unwrap_or(now));
        let (unhealthy, healthy) = (matches!(verdict, Verdict::Unhealthy(_)), *verdict == Verdict::Healthy);
        let down = unhealthy
            && [Lane::Down, Lane::Suspect].into_iter().any(|lane| Evidence::in_lane(votes, rule, lane).is_some());
        Self {
            role: Some(role),
            down: since(down, before.down),
            unhealthy: since(unhealthy, before.unhealthy),
            healthy: since(healthy, before.healthy),
        }
    }

    /// Likewise, for one site.
    pub(super) fn down(&self, role: Role) -> Option<Moment> {
        self.down.filter(|_| self.role == Some(role))
    }

    pub(super) fn unhealthy(&self, role: Role) -> Option<Moment> {
        self.unhealthy.filter(|_| self.role == Some(role))
    }

    pub(super) fn healthy(&self, role: Role) -> Option<Moment> {
        self.healthy.filter(|_| self.role == Some(role))
    }
}
