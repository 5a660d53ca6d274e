//! The networks between all parties: cuts in one direction or both, loss, delay, and second copies.

use std::time::Duration;

use super::chance::Chance;
use crate::domain::Role;

/// Who can be cut off from whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    /// An agent's host.
    Agent(usize),
    /// A controller's host.
    Controller(usize),
    /// A site, its administration included.
    Site(Role),
    /// The provider's API.
    Provider,
    /// The provider's name servers.
    NameServers,
    /// Whoever takes notices.
    People,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Net {
    chance: Chance,
    /// What does not get through, by direction.
    cut: Vec<(Party, Party)>,
    /// Lost, of a hundred messages.
    pub(super) loss_percent: u64,
    /// The longest delay beyond the ordinary one, in milliseconds.
    pub(super) delay_ms_max: u64,
    /// Arriving a second time later, of a hundred messages.
    pub(super) again_percent: u64,
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        let chance = Chance::new(seed, "net");
        Self { chance, cut: Vec::new(), loss_percent: 0, delay_ms_max: 0, again_percent: 0 }
    }

    pub(super) fn cut(&mut self, from: Party, to: Party) {
        self.cut.push((from, to));
    }

    pub(super) fn mend(&mut self, from: Party, to: Party) {
        if let Some(at) = self.cut.iter().position(|cut| *cut == (from, to)) {
            self.cut.swap_remove(at);
        }
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
        (self.loss_percent, self.delay_ms_max, self.again_percent) = (0, 0, 0);
    }

    /// How long one message takes; none when it is lost.
    pub(super) fn hop(&mut self, from: Party, to: Party) -> Option<Duration> {
        if self.cut.contains(&(from, to)) || self.chance.percent(self.loss_percent) {
            return None;
        }
        let slow = if self.delay_ms_max > 0 { self.chance.between(0, self.delay_ms_max) } else { 0 };
        Some(Duration::from_millis(self.chance.between(3, 40) + slow))
    }

    /// After how long a message arrives a second time; none when it does not.
    pub(super) fn again(&mut self) -> Option<Duration> {
        let again = self.again_percent > 0 && self.chance.percent(self.again_percent);
        again.then(|| Duration::from_millis(self.chance.between(50, 120_000)))
    }
}
