//! How often a service is probed: as its policy says, and more often while the serving site may be failing. A burst ends when no evidence is
//! left and three passes a vantage have been seen; one that goes on for long becomes gentler, because it is a load of its own.

use std::time::Duration;

use crate::domain::{Burst, Moment, Role, Service};

use super::panel::Panel;

/// So many passes for each vantage, since the last failure.
const PASSES_EACH: usize = 3;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The site that is failing, and since when.
    burst: Option<(Role, Moment)>,
    /// Passes since the last failure.
    passes: usize,
    /// What agents were last told.
    told: Option<Duration>,
}

impl Pace {
    /// A probe of the serving site has failed.
    pub(super) fn failed(&mut self, now: Moment, role: Role) {
        self.passes = 0;
        if self.burst.is_none_or(|(site, _)| site != role) {
            self.burst = Some((role, now));
        }
    }

    /// A probe of a site has passed.
    pub(super) fn passed(&mut self, service: &Service, panel: &Panel, role: Role) {
        if self.burst.is_none_or(|(site, _)| site != role) {
            return;
        }
        self.passes += 1;
        if self.passes >= PASSES_EACH * service.vantages.len() && panel.is_calm(service, role) {
            self.burst = None;
        }
    }

    /// The site serves no more: what it does is nobody's hurry.
    pub(super) fn serving(&mut self, role: Role) {
        if self.burst.is_some_and(|(site, _)| site != role) {
            self.burst = None;
        }
    }

    /// What agents are to be told, if that is news.
    pub(super) fn news(&mut self, rule: Option<&Burst>, now: Moment) -> Option<Option<Duration>> {
        let every = self.every(rule, now);
        (std::mem::replace(&mut self.told, every) != every).then_some(every)
    }

    /// How often now; none is as often as the policy says.
    pub(super) fn every(&self, rule: Option<&Burst>, now: Moment) -> Option<Duration> {
        let (rule, (_, since)) = (rule?, self.burst?);
        Some(if now.since(since) < rule.at_most { rule.interval } else { rule.then })
    }

    /// When the burst becomes gentler.
    pub(super) fn gentler_at(&self, rule: Option<&Burst>, now: Moment) -> Option<Moment> {
        let at = self.burst?.1.after(rule?.at_most);
        (at > now).then_some(at)
    }
}
