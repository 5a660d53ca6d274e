//! Values whose constructors hold the invariants. No I/O, no clock, no randomness, no async.

mod authority;
mod detector;
mod error;
mod generation;
mod journal;
pub mod maintenance;
mod names;
mod notice;
mod observation;
mod pace;
mod plan;
mod policy;
mod probe;
mod records;
mod redaction;
mod secret;
mod service;
mod site;
mod time;
mod token;
mod verdict;
mod vote;

pub use authority::{Authority, Epoch, Fence};
pub use detector::{Burn, Cusum, Detector};
pub use error::{Class, PortError};
pub use generation::Generation;
pub use journal::{Alert, IncidentEnd, JournalEntry, JournalRecord, PlanEnd};
pub use maintenance::{Weekday, Window, WindowError};
pub use names::{CheckName, ClusterName, NameError, PlanId, ServiceName, SiteName, VantageName};
pub use notice::{Level, Notice};
pub use observation::{Canaries, Observation, ObservationId};
pub use pace::{Pace, PaceMark};
pub use plan::{Cause, FlipIntent, Plan, PlanDigest, Step, StepDetail, StepIndex, Terms};
pub use policy::{Budget, Burst, Need, Policy, PolicyError, PolicyValues};
pub use probe::{
    AnswerRecord, ExchangeDetail, FailureKind, Metric, Outcome, ProbeReport, Protocol, RequestRecord, ScriptPlace,
    StepRecord,
};
pub use records::{Change, ChangeBatch, Failover, OwnedRecords, RecordSet, RecordType, RecordsError};
pub use redaction::{Redaction, URI_COMPONENT};
pub use secret::{Secret, Secrets};
pub use service::{DnsTarget, Limits, Service, Site, Vantage};
pub use site::Role;
pub use time::{Moment, WallTime};
pub use token::{Token, TokenError};
pub use verdict::{Evidence, Lane, Rule, Shortfall, Verdict};
pub use vote::{SiteVotes, VantageView, Vote};
