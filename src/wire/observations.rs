//! What an agent delivers: numbered observations, each with its age instead of a time, because two machines' clocks are never
//! compared (S21).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::domain::{
    Canaries, CheckName, FailureKind, Generation, Moment, NameError, Observation, ObservationId, Outcome, Role,
    ServiceName, VantageName,
};

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The version of the document.
    pub v: u32,
    /// The agent's vantage.
    pub vantage: String,
    /// The agent's run.
    pub boot: String,
    /// How many observations this run has dropped unsent so far, because the spool was full.
    #[serde(default)]
    pub dropped: u64,
    /// The observations, in the order of their numbers.
    pub observations: Vec<Item>,
}

/// One observation of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its number in this run of the agent, from 1.
    pub seq: u64,
    /// How long ago the probe ended, by the agent's own clock, when this was sent; in milliseconds.
    pub age_ms: u64,
    /// The service.
    pub service: String,
    /// The check.
    pub check: String,
    /// `primary` or `standby`.
    pub role: String,
    /// `pass`, `fail` or `inconclusive`.
    pub outcome: String,
    /// The kind of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Why it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The step in which it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_step: Option<String>,
    /// How long the probe took, in milliseconds.
    pub duration_ms: u64,
    /// `unasked`, `answered` or `silent`; absent means `unasked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canaries: Option<String>,
    /// The mark of the scripts and settings, 16 hexadecimal digits; absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
}

/// The controller's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The version of the document.
    pub v: u32,
    /// Everything up to this number has been taken.
    pub taken_up_to: u64,
}

/// Why a delivery was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Another version.
    #[error(
        "the delivery has version {0}, and this controller knows version {VERSION}: agent and controller must be of one release"
    )]
    Version(u64),
    /// Not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Not a word that is known.
    #[error("observation {seq}: '{word}' is no {what}")]
    Word {
        /// Which one.
        seq: u64,
        /// The word.
        word: String,
        /// What it should be.
        what: &'static str,
    },
    /// Out of order.
    #[error("observation {seq} comes after {after}: numbers must grow")]
    Order {
        /// Which one.
        seq: u64,
        /// The one before.
        after: u64,
    },
}

impl Item {
    /// An observation as it is sent when it is `age` old.
    pub fn new(seen: &Observation, age: Duration) -> Self {
        Self {
            seq: seen.id.seq,
            age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            service: seen.service.to_string(),
            check: seen.check.to_string(),
            role: seen.role.to_string(),
            outcome: seen.outcome.to_string(),
            kind: seen.kind.map(|kind| kind.to_string()),
            reason: seen.reason.clone(),
            failed_step: seen.failed_step.clone(),
            duration_ms: seen.duration_ms,
            canaries: (seen.canaries != Canaries::Unasked).then(|| seen.canaries.as_str().to_owned()),
            generation: (seen.generation != Generation::default()).then(|| seen.generation.to_string()),
        }
    }
}

impl Batch {
    /// The observations, placed on the receiver's clock, where the delivery arrived at `now`.
    pub fn observations(self, now: Moment) -> Result<Vec<Observation>, BatchError> {
        if self.v != VERSION {
            return Err(BatchError::Version(u64::from(self.v)));
        }
        let vantage = VantageName::new(&self.vantage)?;
        let mut last = 0;
        self.observations
            .into_iter()
            .map(|item| {
                let seq = item.seq;
                if seq <= last {
                    return Err(BatchError::Order { seq, after: last });
                }
                last = seq;
                let word = |word: &str, what| BatchError::Word { seq, word: word.to_owned(), what };
                Ok(Observation {
                    id: ObservationId { vantage: vantage.clone(), boot: self.boot.clone(), seq },
                    service: ServiceName::new(&item.service)?,
                    check: CheckName::new(&item.check)?,
                    role: Role::parse(&item.role).ok_or_else(|| word(&item.role, "role"))?,
                    at: now.before(Duration::from_millis(item.age_ms)),
                    outcome: Outcome::parse(&item.outcome).ok_or_else(|| word(&item.outcome, "outcome"))?,
                    kind: match &item.kind {
                        Some(kind) => Some(FailureKind::parse(kind).ok_or_else(|| word(kind, "kind of failure"))?),
                        None => None,
                    },
                    reason: item.reason,
                    failed_step: item.failed_step,
                    duration_ms: item.duration_ms,
                    canaries: match &item.canaries {
                        Some(said) => Canaries::parse(said).ok_or_else(|| word(said, "word of canaries"))?,
                        None => Canaries::Unasked,
                    },
                    generation: match &item.generation {
                        Some(mark) => Generation::parse(mark).ok_or_else(|| word(mark, "mark of a generation"))?,
                        None => Generation::default(),
                    },
                })
            })
            .collect()
    }
}
