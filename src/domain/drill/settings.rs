//! What a service's configuration says of its drills.

use std::fmt;

use super::{DrillFault, Schedule};
use crate::domain::ServiceName;

/// On which side of a number trouble begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Above it.
    Above(f64),
    /// Below it.
    Below(f64),
}

/// A measure of a check that ends a drill when it goes too far.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricLimit {
    /// The measure's name, as checks report it for the site that serves.
    pub metric: String,
    /// How far is too far.
    pub bound: Bound,
}

impl MetricLimit {
    /// Whether the value is beyond the limit.
    pub fn is_beyond(&self, value: f64) -> bool {
        match self.bound {
            Bound::Above(most) => value > most,
            Bound::Below(least) => value < least,
        }
    }
}

impl fmt::Display for MetricLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bound {
            Bound::Above(most) => write!(f, "{} above {most}", self.metric),
            Bound::Below(least) => write!(f, "{} below {least}", self.metric),
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DrillSettings {
    /// The service of which this is the rehearsal, on a name that nobody uses. It is never moved but by a drill.
    pub rehearses: Option<ServiceName>,
    /// A rehearsal without a place to try read-only mode at: those steps are left out, and reported as not rehearsed.
    pub unrehearsed: bool,
    /// What a rehearsal may be asked to break.
    pub faults: Vec<DrillFault>,
    /// When drills begin by themselves.
    pub schedules: Vec<Schedule>,
    /// What ends a drill before its time, beside what always does.
    pub limits: Vec<MetricLimit>,
}

impl Eq for DrillSettings {}

/// What the rehearsal of a service is called, which is a service of its own; none for a name that leaves no room for it.
pub fn rehearsal_name(service: &ServiceName) -> Option<ServiceName> {
    ServiceName::new(&format!("{service}-rehearsal")).ok()
}
