//! Where an agent's observations go.

use async_trait::async_trait;

use super::PortError;
use crate::domain::{Moment, Observation};

/// One controller, as an agent sees it.
#[async_trait]
pub trait ObservationSink: Send + Sync {
    /// The controller's address, for messages.
    fn name(&self) -> &str;

    /// Delivers observations in the order of their numbers, with `dropped` as the count of those that this run has lost unsent.
    /// Returns the number up to which the controller has taken them. Delivering again is harmless: each counts once.
    async fn deliver(&self, now: Moment, dropped: u64, observations: &[Observation]) -> Result<u64, PortError>;
}
