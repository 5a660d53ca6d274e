//! What must survive a crash.

use async_trait::async_trait;

use super::{Delivery, PortError};
use crate::domain::{
    Authority, Epoch, Fence, JournalEntry, JournalRecord, Moment, Observation, ServiceName, VantageName, WallTime,
};

/// Time-bound leadership.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Takes the lease and returns the last epoch that the store knows; `Refused` while somebody else holds it.
    async fn acquire(&self) -> Result<Epoch, PortError>;

    /// Makes `epoch` the store's epoch, durably. It must be larger than every epoch before.
    async fn claim(&self, epoch: Epoch) -> Result<Authority, PortError>;
}

/// The durable record of intent and outcome.
#[async_trait]
pub trait JournalStore: Send + Sync {
    /// The whole journal, in order.
    async fn load(&self) -> Result<Vec<JournalRecord>, PortError>;

    /// Appends the entries and queues the deliveries, in one transaction that fails (`Fenced`) when the fence's epoch is not the
    /// store's. When it returns `Ok`, they survive any crash. A delivery whose notice key and recipient were queued before is left out.
    async fn append(
        &self,
        fence: &Fence,
        at: WallTime,
        entries: &[(ServiceName, JournalEntry)],
        deliveries: &[Delivery],
    ) -> Result<Vec<JournalRecord>, PortError>;

    /// The newest records of a service, oldest first.
    async fn recent(&self, service: &ServiceName, limit: usize) -> Result<Vec<JournalRecord>, PortError>;
}

/// A delivery that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedDelivery {
    /// The store's number for it.
    pub id: u64,
    /// What to tell whom.
    pub delivery: Delivery,
    /// How often it was tried.
    pub attempts: u32,
}

/// Notices that are still to be sent.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The oldest ones of each recipient, at most `each` of them, in order: a recipient who cannot be reached keeps nobody else's back.
    async fn pending(&self, each: usize) -> Result<Vec<QueuedDelivery>, PortError>;

    /// The other side has taken it.
    async fn sent(&self, id: u64, at: WallTime) -> Result<(), PortError>;

    /// It did not work this time.
    async fn failed(&self, id: u64, why: &str) -> Result<(), PortError>;
}

/// How far the observations of one run of an agent have been taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenUpTo {
    /// The agent's vantage.
    pub vantage: VantageName,
    /// The agent's run.
    pub boot: String,
    /// The last number taken.
    pub seq: u64,
}

/// What agents reported.
#[async_trait]
pub trait ObservationLog: Send + Sync {
    /// Records observations that are new; `now` and `at` turn their moments into wall time for later reading.
    async fn record(&self, now: Moment, at: WallTime, observations: &[Observation]) -> Result<(), PortError>;

    /// How far each agent's runs have been taken.
    async fn seen(&self) -> Result<Vec<SeenUpTo>, PortError>;
}
