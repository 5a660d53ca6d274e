//! What one controller has been told by the agents, as the judge counts it: what the engine *may* hold at best, and what it cannot help
//! knowing. The engine's own statistic lies between the two whichever it is, so a change of the detection does not change the judge.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::{Detector, Moment, Observation, Outcome, Role, Service, VantageName};

/// Observations kept of each vantage and site: three minutes of bursts.
const KEPT: usize = 180;

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Moment,
    pass: bool,
    /// When the engine's mailbox had it, in the world's milliseconds.
    known_ms: Option<u64>,
}

/// Fewer failures than these never make a vantage say "down", in whatever order they come.
fn failures_needed(service: &Service) -> usize {
    let needed = match service.policy.detector {
        Detector::Consecutive { down_after } => i64::from(down_after),
        Detector::Cusum(cusum) => (i64::from(cusum.threshold) * 1_000).div_euclid(i64::from(cusum.failure().max(1))),
    };
    usize::try_from(needed).unwrap_or(usize::MAX)
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Votes {
    seen: BTreeMap<(Role, VantageName), VecDeque<Seen>>,
    taken: BTreeMap<(VantageName, String), u64>,
}

impl Votes {
    /// A delivery is about to be given to the intake, which counts each observation once.
    pub(super) fn arriving(&mut self, observations: &[Observation]) {
        for one in observations {
            let key = (one.id.vantage.clone(), one.id.boot.clone());
            let taken = self.taken.entry(key).or_default();
            if one.id.seq <= *taken {
                continue;
            }
            *taken = one.id.seq;
            if one.outcome == Outcome::Inconclusive {
                continue;
            }
            let seen = self.seen.entry((one.role, one.id.vantage.clone())).or_default();
            seen.push_back(Seen { at: one.at, pass: one.outcome == Outcome::Pass, known_ms: None });
            if seen.len() > KEPT {
                seen.pop_front();
            }
        }
    }

    /// The intake has answered, so the engine's mailbox has it.
    pub(super) fn arrived(&mut self, vantage: &VantageName, now_ms: u64) {
        for ((_, name), seen) in &mut self.seen {
            if name == vantage {
                for one in seen.iter_mut().rev().take_while(|one| one.known_ms.is_none()) {
                    one.known_ms = Some(now_ms);
                }
            }
        }
    }

    /// The vantages for which `holds` is true of what they reported of the site, newest last; and from how many clouds they are.
    fn count(&self, service: &Service, role: Role, holds: impl Fn(&VecDeque<Seen>) -> bool) -> (usize, usize) {
        let mut clouds = BTreeSet::new();
        let those = service.vantages.iter().filter(|vantage| {
            let held = self.seen.get(&(role, vantage.name.clone())).is_some_and(&holds);
            if held {
                clouds.insert(vantage.cloud.as_str());
            }
            held
        });
        (those.count(), clouds.len())
    }

    fn fresh(service: &Service, now: Moment, seen: &VecDeque<Seen>) -> bool {
        seen.iter().any(|one| now.since(one.at) <= service.policy.fresh_for)
    }

    /// How many vantages report at all.
    pub(super) fn reporting(&self, service: &Service, role: Role, now: Moment) -> usize {
        self.count(service, role, |seen| Self::fresh(service, now, seen)).0
    }

    /// How many vantages, from how many clouds, may hold the site for down: fresh, and with enough failures to say so.
    pub(super) fn may_be_down(&self, service: &Service, role: Role, now: Moment) -> (usize, usize) {
        let enough = failures_needed(service);
        self.count(service, role, |seen| {
            Self::fresh(service, now, seen) && seen.iter().filter(|one| !one.pass).count() >= enough
        })
    }

    /// How many vantages may hold it for up.
    pub(super) fn may_be_up(&self, service: &Service, role: Role, now: Moment) -> usize {
        let enough = usize::try_from(service.policy.up_after).unwrap_or(usize::MAX);
        self.count(service, role, |seen| {
            Self::fresh(service, now, seen) && seen.iter().filter(|one| one.pass).count() >= enough
        })
        .0
    }

    /// How many vantages are known, since before `by_ms`, to have last seen it fail (or pass).
    pub(super) fn last_was(&self, service: &Service, role: Role, pass: bool, by_ms: u64) -> usize {
        let known = |one: &&Seen| one.known_ms.is_some_and(|ms| ms < by_ms);
        // By the time of the probe, as the engine orders them; of two at once either may count.
        self.count(service, role, |seen| {
            let newest = seen.iter().filter(known).map(|one| one.at).max();
            let newest = newest.filter(|newest| seen.iter().all(|one| one.at <= *newest || known(&one)));
            newest.is_some_and(|newest| seen.iter().filter(|one| one.at == newest).all(|one| one.pass == pass))
        })
        .0
    }
}
