//! The record of one probe, as the controller holds it.

use super::{CheckName, FailureKind, Generation, Metric, Moment, Outcome, Role, ServiceName, VantageName};

/// What a vantage's canaries, neutral targets that have nothing to do with any site, said about the vantage itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Canaries {
    /// They were not asked.
    #[default]
    Unasked,
    /// Enough of them answered: the vantage's own network works.
    Answered,
    /// Too few answered: what this vantage saw says nothing about any site.
    Silent,
}

impl Canaries {
    /// The word used in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::Answered => "answered",
            Self::Silent => "silent",
        }
    }

    /// The value that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Unasked, Self::Answered, Self::Silent].into_iter().find(|value| value.as_str() == word)
    }
}

/// What makes an observation itself, however often it is delivered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObservationId {
    /// Where it was made.
    pub vantage: VantageName,
    /// The agent's own random number for this run of it: a restarted agent counts from 1 again.
    pub boot: String,
    /// Counts the observations of one run of an agent, from 1.
    pub seq: u64,
}

/// What one vantage saw of one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What makes it itself.
    pub id: ObservationId,
    /// The service that was probed.
    pub service: ServiceName,
    /// The check that was run.
    pub check: CheckName,
    /// The site that was probed.
    pub role: Role,
    /// When the probe ended: the receiver's moment of arrival less the age that the agent measured on its own clock.
    pub at: Moment,
    /// How it ended.
    pub outcome: Outcome,
    /// What kind of failure.
    pub kind: Option<FailureKind>,
    /// Why it did not pass, redacted.
    pub reason: Option<String>,
    /// The step in which it ended, if it did not pass.
    pub failed_step: Option<String>,
    /// How long the probe took, in milliseconds.
    pub duration_ms: u64,
    /// What the vantage's canaries said when the probe had failed.
    pub canaries: Canaries,
    /// By which scripts and settings it was seen.
    pub generation: Generation,
    /// What the check measured. It decides nothing, and the log of observations does without it.
    pub metrics: Vec<Metric>,
}

impl Observation {
    /// When the probe began.
    pub fn began(&self) -> Moment {
        self.at.before(std::time::Duration::from_millis(self.duration_ms))
    }
}
