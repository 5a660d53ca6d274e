//! Values whose constructors hold the invariants. No I/O, no clock, no randomness, no async.

mod authority;
mod error;
mod journal;
mod names;
mod notice;
mod observation;
mod plan;
mod policy;
mod probe;
mod records;
mod secret;
mod service;
mod site;
mod time;
mod token;
mod verdict;

pub use authority::{Authority, Epoch, Fence};
pub use error::{Class, PortError};
pub use journal::{IncidentEnd, JournalEntry, JournalRecord, PlanEnd};
pub use names::{CheckName, ClusterName, NameError, PlanId, ServiceName, SiteName, VantageName};
pub use notice::{Level, Notice};
pub use observation::{Observation, ObservationId};
pub use plan::{Cause, FlipIntent, Plan, PlanDigest, Step, StepDetail, StepIndex};
pub use policy::{Policy, PolicyError, PolicyValues};
pub use probe::{FailureKind, Outcome, ProbeReport, StepRecord};
pub use records::{Change, ChangeBatch, Failover, OwnedRecords, RecordSet, RecordType, RecordsError};
pub use secret::{Secret, Secrets};
pub use service::{DnsTarget, Service, Site, Vantage};
pub use site::Role;
pub use time::{Moment, WallTime};
pub use token::{Token, TokenError};
pub use verdict::{Evidence, Shortfall, SiteVotes, VantageView, Verdict, Vote};
