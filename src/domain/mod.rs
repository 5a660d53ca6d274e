//! Values whose constructors hold the invariants. No I/O, no clock, no randomness, no async.

pub mod adoption;
mod authority;
mod batch;
mod detector;
mod drain;
pub mod drift;
mod error;
mod flag;
mod generation;
mod journal;
pub mod maintenance;
mod names;
mod notice;
mod observation;
mod owned;
mod pace;
mod plan;
mod policy;
mod position;
mod probe;
pub mod protection;
mod reconcile;
mod records;
mod redaction;
mod register;
mod secret;
mod service;
mod sighting;
mod site;
mod time;
mod token;
pub mod twin;
mod verdict;
mod vote;
pub mod zone_lint;

pub use adoption::{AdoptionError, Mending};
pub use authority::{Authority, Epoch, Fence};
pub use batch::ChangeBatch;
pub use detector::{Burn, Cusum, Detector};
pub use drain::{Curve, DrainEnd, DrainRecord, PublicWord, Straggler, curve_in_words, public_in_words};
pub use error::{Class, PortError};
pub use flag::{
    FLAG_BYTES_MAX, FLAG_SIGNATURE_BYTES, FlagError, FlagPhrase, FlagPhraseError, FlagText, OwnedFlag, SignedFlag,
};
pub use generation::Generation;
pub use journal::{Alert, IncidentEnd, JournalEntry, JournalRecord, PlanEnd};
pub use maintenance::{Weekday, Window, WindowError};
pub use names::{CheckName, ClusterName, NameError, PlanId, ServiceName, SiteName, VantageName};
pub use notice::{Level, Notice};
pub use observation::{Canaries, Observation, ObservationId};
pub use owned::{OwnedRecords, RecordsError};
pub use pace::{Pace, PaceMark};
pub use plan::{Cause, FlipIntent, Plan, PlanDigest, Step, StepDetail, StepIndex, Terms};
pub use policy::{Budget, Burst, Need, Policy, PolicyError, PolicyValues};
pub use position::{Distance, Position, Positions};
pub use probe::{
    AnswerRecord, ExchangeDetail, FailureKind, Metric, Outcome, ProbeReport, Protocol, RequestRecord, ScriptPlace,
    StepRecord,
};
pub use protection::{Protection, ProtectionState, RecordName};
pub use reconcile::{Comparison, Divergence, LagReading, Look, WriteProbe, digest as reconciliation_digest};
pub use records::{Alias, Change, Failover, RecordSet, RecordType, Routing};
pub use redaction::{Redaction, URI_COMPONENT};
pub use register::Register;
pub use secret::{Secret, Secrets};
pub use service::{Answer, DnsLane, DnsTarget, Limits, MovedName, Service, Site, Vantage};
pub use sighting::{Lookup, LookupId, PublicRun, Said, Sighting};
pub use site::Role;
pub use time::{Moment, WallTime};
pub use token::{Token, TokenError};
pub use verdict::{Evidence, Lane, Rule, Shortfall, Verdict};
pub use vote::{SiteVotes, VantageView, Vote};
