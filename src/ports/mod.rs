//! What the engine and the runtime need of the world, as traits in the domain's words.
//!
//! Every error carries what to do about it ([`Class`]), decided where the facts are: in the adapter.

mod canary;
mod clock;
mod dns;
mod flag;
mod hook;
mod lab;
mod notify;
mod probe;
mod sink;
mod site;
mod store;

pub use crate::domain::{Class, PortError};
pub use canary::CanaryRunner;
pub use clock::Clock;
pub use dns::{ChangeState, DnsProvider, OwnResolvers, RecordProtection, Resolver, SightingSink};
pub use flag::{FlagBodies, FlagCopy, FlagStore, FlagVersion, FlagWrite, HeldFlag};
pub use hook::{HookEntry, HookRequest, HookRunner};
pub use lab::LabFault;
pub use notify::{Delivery, Notifier};
pub use probe::{ProbeRequest, ProbeRunner, Resolution};
pub use sink::ObservationSink;
pub use site::{SiteControl, WriteProbe};
pub use store::{
    JournalStore, LeaseStore, LogPlace, LoggedObservation, ObservationLog, Outbox, QueuedDelivery, SeenUpTo,
};
