//! Values whose constructors hold the invariants. No I/O, no clock, no randomness, no async.

mod names;
mod probe;
mod secret;
mod site;

pub use names::{CheckName, ClusterName, NameError, PlanId, ServiceName, SiteName, VantageName};
pub use probe::{FailureKind, Outcome, ProbeReport, StepRecord};
pub use secret::{Secret, Secrets};
pub use site::Role;
