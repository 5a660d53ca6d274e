//! Moving a name, and seeing where it points.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;

use super::PortError;
use crate::domain::zone_lint::Soa;
use crate::domain::{
    ChangeBatch, Dnssec, Fence, Moment, Protection, RecordName, RecordSet, RecordType, Said, Sighting, SignedAnswer,
    VantageName,
};

/// How far the provider has got with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeState {
    /// Accepted.
    Pending,
    /// On every name server of the provider.
    InSync,
}

/// A provider of authoritative DNS that can swap records by compare-and-swap.
#[async_trait]
pub trait DnsProvider: Send + Sync {
    /// The records of these names and of the first one's ownership mark, as the provider's API has them at one moment: accepted
    /// changes included, in sync or not.
    async fn read(&self, zone: &str, names: &[&str]) -> Result<Vec<RecordSet>, PortError>;

    /// Applies the batch, all or nothing, and returns the change's id.
    ///
    /// # Errors
    /// `Refused`: the provider rejected the batch, and nothing of it was applied *by this request*. `Retry`: nothing is known, the batch
    /// may or may not have been applied, now or later. `Broken`: the zone is not there, or permission is missing.
    /// In the first two cases the caller reads back; it never repeats blindly.
    async fn apply(&self, fence: &Fence, zone: &str, batch: &ChangeBatch) -> Result<String, PortError>;

    /// How far the change has got.
    async fn change_state(&self, change: &str) -> Result<ChangeState, PortError>;

    /// Whether there is such a zone. `false` is the provider's own word for it, never a guess.
    async fn has_zone(&self, zone: &str) -> Result<bool, PortError>;

    /// The host names of the zone's authoritative servers.
    async fn name_servers(&self, zone: &str) -> Result<Vec<String>, PortError>;

    /// What a person should know of the last read or write although it succeeded: of several providers, one is silent or behind.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Gives a provider that is behind the others what they have, and says what was done; none when nothing was to be done.
    ///
    /// # Errors
    /// As `apply`; `Broken` also when a person must decide which of them is right.
    async fn catch_up(&self, _fence: &Fence) -> Result<Option<String>, PortError> {
        Ok(None)
    }
}

/// A provider that can keep records from being changed, by whomever.
#[async_trait]
pub trait RecordProtection: Send + Sync {
    /// The zone's protections.
    async fn list(&self, zone: &str) -> Result<Vec<Protection>, PortError>;

    /// Protects all records of these names and types. The comment is shown to whoever is refused.
    ///
    /// # Errors
    /// `Refused`: it said no, as when one of them is protected already. `Retry`: it may have been done. `Broken`: the zone is not there, or
    /// permission is missing. The caller lists again after each.
    async fn create(&self, fence: &Fence, zone: &str, names: &[RecordName], comment: &str) -> Result<(), PortError>;

    /// Takes those protections away.
    ///
    /// # Errors
    /// As `create`; `Refused` also when one of them is not there.
    async fn delete(&self, fence: &Fence, zone: &str, names: &[RecordName]) -> Result<(), PortError>;
}

/// Asking name servers.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// What this server itself answers, in sorted order, without any cache. No such name or no such record is an empty answer.
    async fn ask(&self, server: SocketAddr, name: &str, kind: RecordType) -> Result<Vec<String>, PortError>;

    /// The answers of these servers to these names, asked for with signatures, and what the signatures say: one for each question, in
    /// their order. An error is a server that could not be asked; what could not be found out otherwise is `Trust::Unknown`.
    async fn ask_signed(
        &self,
        rules: &Dnssec,
        questions: &[(SocketAddr, String, RecordType)],
    ) -> Vec<Result<SignedAnswer, PortError>>;

    /// The start of authority of the zone that this server holds the name in; none when it shows none.
    async fn soa(&self, server: SocketAddr, name: &str) -> Result<Option<Soa>, PortError>;

    /// The addresses of a host, as this machine resolves them.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, PortError>;
}

/// The resolvers that users near this machine ask.
#[async_trait]
pub trait OwnResolvers: Send + Sync {
    /// Which they are at this moment, each once; and what kept some of them from being known, in words.
    async fn list(&self) -> (Vec<SocketAddr>, Option<String>);

    /// What this one answers, asked once, without any cache of ours. It never fails: whatever goes wrong is no answer, and says why.
    async fn look_up(&self, resolver: SocketAddr, name: &str, kind: RecordType) -> Said;
}

/// One controller, as an agent tells it what it sees of public names.
#[async_trait]
pub trait SightingSink: Send + Sync {
    /// The controller's address, for messages.
    fn name(&self) -> &str;

    /// Tells what a vantage sees, as of `now`. Telling it again is harmless.
    ///
    /// # Errors
    /// `Broken`: the controller does not understand it, as one of an older release. `Retry`: it may the next time.
    async fn sighted(&self, now: Moment, vantage: &VantageName, seen: &[Sighting]) -> Result<(), PortError>;
}
