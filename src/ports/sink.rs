//! Where an agent's observations go, and whose wishes it follows.

use async_trait::async_trait;

use super::PortError;
use crate::domain::{Moment, Observation, Pace, PaceMark};

/// One controller, as an agent sees it.
#[async_trait]
pub trait ObservationSink: Send + Sync {
    /// The controller's address, for messages.
    fn name(&self) -> &str;

    /// Delivers observations in the order of their numbers, with `dropped` as the count of those that this run has lost unsent.
    /// Returns the number up to which the controller has taken them. Delivering again is harmless: each counts once.
    async fn deliver(&self, now: Moment, dropped: u64, observations: &[Observation]) -> Result<u64, PortError>;

    /// How often the controller wishes its services to be probed: at once when its word is not the `known` one, else when it changes, or
    /// unchanged after some 25 seconds.
    async fn pace(&self, known: Option<PaceMark>) -> Result<Pace, PortError>;
}
