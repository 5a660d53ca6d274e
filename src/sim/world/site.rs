//! The two sites: what a login there gives, and whether they take writes.

use super::chance::Chance;
use crate::domain::{FailureKind, Outcome};

/// How a site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Health {
    /// Every login works.
    #[default]
    Up,
    /// None does.
    Dead(FailureKind),
    /// So many of a hundred fail.
    Half(u64),
}

/// One site.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) health: Health,
    /// Whether it takes writes, in truth.
    pub(super) writable: bool,
}

impl Site {
    /// One login: how it ends, and after how long in milliseconds.
    pub(super) fn log_in(&self, chance: &mut Chance) -> (Outcome, Option<FailureKind>, u64) {
        let kind = match self.health {
            Health::Up => None,
            Health::Dead(kind) => Some(kind),
            Health::Half(percent) => chance.percent(percent).then_some(FailureKind::ServerError),
        };
        match kind {
            None => (Outcome::Pass, None, chance.between(200, 900)),
            Some(FailureKind::Timeout) => (Outcome::Fail, kind, 5_000),
            Some(_) => (Outcome::Fail, kind, chance.between(20, 300)),
        }
    }

    /// Whether it answers at all.
    pub(super) fn answers(&self) -> bool {
        !matches!(self.health, Health::Dead(_))
    }
}
