//! How many observations were taken, by what they are of and how they ended: for graphs. It is gone with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::{CheckName, Observation, Outcome, Role, ServiceName, VantageName};

/// The most that are told apart. A configuration of thousands of services has so many; an agent that makes up names does not fill the memory.
const MAX_KINDS: usize = 50_000;

/// Whose observations, and how they ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The service.
    pub service: ServiceName,
    /// The site.
    pub role: Role,
    /// Where it was made.
    pub vantage: VantageName,
    /// The check.
    pub check: CheckName,
    /// How it ended.
    pub outcome: Outcome,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<Kind, u64>>);

impl Tally {
    /// Counts these.
    pub(super) fn take(&self, observations: &[Observation]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in observations {
            let kind = Kind {
                service: seen.service.clone(),
                role: seen.role,
                vantage: seen.id.vantage.clone(),
                check: seen.check.clone(),
                outcome: seen.outcome,
            };
            if let Some(count) = kept.get_mut(&kind) {
                *count = count.saturating_add(1);
            } else if kept.len() < MAX_KINDS {
                kept.insert(kind, 1);
            }
        }
    }

    /// All of them, in order.
    pub(super) fn all(&self) -> Vec<(Kind, u64)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|(kind, count)| (kind.clone(), *count)).collect()
    }
}
