//! The flag of one service, in its object stores.

use async_trait::async_trait;

use super::PortError;
use crate::domain::{Fence, ServiceName, Token};

/// The state of an object that a compare-and-swap names: what the store calls it, for nobody else to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagVersion {
    /// The entity tag.
    pub tag: Option<String>,
    /// The version or generation, where the store counts them.
    pub generation: Option<String>,
}

/// A flag that one store holds: its form and its signature are right, and it is of this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFlag {
    /// Its token; of our cluster.
    pub token: Token,
    /// What to name in order to replace just this.
    pub version: FlagVersion,
}

/// What one store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagCopy {
    /// The object's place, fit for people; it holds no secret.
    pub store: String,
    /// The flag; none when the store itself says that there is no such object.
    ///
    /// Errors: `Retry`: nothing is known. `Broken`: the object is no flag of ours (unreadable, edited, wrongly signed, another cluster's or service's, raised with another phrase), or
    /// there is no bucket or no permission to read. It is never overwritten.
    pub held: Result<Option<HeldFlag>, PortError>,
    /// What is wrong with the object, where there is one and it is no flag of ours; none where it is one, and where nothing is known.
    pub foreign: Option<String>,
}

/// What became of the write to one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagWrite {
    /// The object's place.
    pub store: String,
    /// Errors: `Refused`: the store holds something else than was read, and nothing was written *by this request*. `Retry`: nothing is known, it may have been
    /// written, now or later. `Fenced`: the store holds a newer epoch than the fence, or the token is not of the fence's epoch; nothing was sent.
    /// `Broken`: the store needs a person.
    pub outcome: Result<(), PortError>,
}

/// The stores of one service's flag.
#[async_trait]
pub trait FlagStore: Send + Sync {
    /// What each store holds now: one answer a store, in the configuration's order.
    async fn read(&self) -> Vec<FlagCopy>;

    /// Writes `new`, signed, over each of these copies, by compare-and-swap in its store: where there was no object it is created only if there still is none, and
    /// otherwise exactly the version that was read is replaced. One request a store, sent once, all at the same time; one answer a copy, in the copies' order. The caller reads
    /// back. A copy that could not be read is not written, and has its own error for an answer.
    async fn swap(&self, fence: &Fence, copies: &[FlagCopy], new: &Token) -> Vec<FlagWrite>;
}

/// The flags of a store as they are, for whoever serves them to Route 53's checkers.
#[async_trait]
pub trait FlagBodies: Send + Sync {
    /// The text of a service's flag, of at most a little more than a flag can have; none when there is none.
    async fn body(&self, service: &ServiceName) -> Result<Option<Vec<u8>>, PortError>;
}
