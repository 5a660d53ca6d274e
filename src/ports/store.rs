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

    /// The journal as it was at `at`, in order: up to the last record that was written no later. A clock that was set back leaves no gap
    /// in it, so that it can be read like a whole journal.
    async fn until(&self, at: WallTime) -> Result<Vec<JournalRecord>, PortError>;

    /// Appends a service's entries and queues the deliveries, in one transaction. When it returns `Ok`, they survive any crash. A delivery
    /// whose notice key and recipient were queued before is left out.
    ///
    /// It fails (`Fenced`) and writes nothing (S7) when the fence's epoch is not the store's, or when the service's last record is not
    /// `after`: what was decided was decided without knowing what somebody else has written, such as a freeze, a pin or a plan. `after`
    /// is the number of the last record of this service that the caller knows; `None` when it knows of none.
    async fn append(
        &self,
        fence: &Fence,
        after: Option<u64>,
        at: WallTime,
        service: &ServiceName,
        entries: &[JournalEntry],
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

/// A place in the log of observations: what comes after it is later, or of the same time and arrived later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    /// When the observation was made.
    pub at: WallTime,
    /// The log's own number for it, good while the log is open.
    pub row: u64,
}

/// An observation as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedObservation {
    /// Where it is in the log: the next page begins after it.
    pub place: LogPlace,
    /// When the probe ended, by the wall clock of whoever recorded it.
    pub at: WallTime,
    /// What was seen. The moments of the process that took it are gone: its moment is `at`, counted from 1970.
    pub observation: Observation,
}

/// What agents reported.
#[async_trait]
pub trait ObservationLog: Send + Sync {
    /// Records observations that are new; `now` and `at` turn their moments into wall time for later reading.
    async fn record(&self, now: Moment, at: WallTime, observations: &[Observation]) -> Result<(), PortError>;

    /// Those made between two times, both included, of one service or of all, in order of time: at most `limit` of them, beginning after
    /// the place `after` if there is one. Fewer than `limit` are the last ones.
    async fn between(
        &self,
        service: Option<&ServiceName>,
        from: WallTime,
        to: WallTime,
        after: Option<LogPlace>,
        limit: usize,
    ) -> Result<Vec<LoggedObservation>, PortError>;

    /// When the oldest observation that is still kept was made; none when there are none.
    async fn oldest(&self) -> Result<Option<WallTime>, PortError>;

    /// How far each agent's runs have been taken.
    async fn seen(&self) -> Result<Vec<SeenUpTo>, PortError>;
}
