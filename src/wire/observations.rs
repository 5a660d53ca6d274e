//! What an agent delivers: numbered observations, each with its age instead of a time, because two machines' clocks are never
//! compared (S21).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::domain::{
    Canaries, CheckName, FailureKind, Generation, Metric, Moment, NameError, Observation, ObservationId, Outcome,
    Role, ServiceName, VantageName,
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
    /// What the check measured; absent means nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricItem>,
}

/// One thing that a check measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricItem {
    /// What, in 1 to 60 characters.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what, in at most 60 characters; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
}

/// JSON knows no NaN.
impl Eq for MetricItem {}

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
    /// A measure that no check makes.
    #[error("observation {seq}: {what}")]
    Metric {
        /// Which one.
        seq: u64,
        /// What is wrong with it.
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
            metrics: seen.metrics.iter().map(MetricItem::of).collect(),
        }
    }
}

impl MetricItem {
    fn of(metric: &Metric) -> Self {
        Self { name: metric.name.clone(), value: metric.value, unit: metric.unit.clone() }
    }
}

/// The measures, which are kept: so many and so long as a check's may be.
fn metrics(seq: u64, items: Vec<MetricItem>) -> Result<Vec<Metric>, BatchError> {
    if items.len() > Metric::MOST {
        return Err(BatchError::Metric { seq, what: "it has more measures than a check may make" });
    }
    let metric = |item: MetricItem| {
        let made = Metric { name: item.name, value: item.value, unit: item.unit };
        made.is_lawful()
            .then_some(made)
            .ok_or(BatchError::Metric { seq, what: "a measure's name or unit is missing or too long" })
    };
    items.into_iter().map(metric).collect()
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
                    metrics: metrics(seq, item.metrics)?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A delivery as agents made it before there were measures, canaries and generations.
    const OLD: &str = r#"{"v":1,"vantage":"aws-1","boot":"b","observations":[{"seq":1,"age_ms":10,"service":"login",
        "check":"login","role":"primary","outcome":"pass","duration_ms":20}]}"#;

    fn read(text: &str) -> Result<Vec<Observation>, BatchError> {
        serde_json::from_str::<Batch>(text).unwrap().observations(Moment::from_ms(1_000))
    }

    #[test]
    fn a_delivery_of_an_older_agent_is_read_and_has_no_measures() {
        let seen = read(OLD).unwrap();
        assert_eq!((seen.len(), seen[0].metrics.len(), seen[0].at), (1, 0, Moment::from_ms(990)));
        // And what has none is written as it was.
        let text = serde_json::to_string(&Item::new(&seen[0], Duration::ZERO)).unwrap();
        assert!(!text.contains("metrics"), "{text}");
    }

    #[test]
    fn measures_go_there_and_back() {
        let metric = |name: &str, value, unit: &str| Metric { name: name.to_owned(), value, unit: unit.to_owned() };
        let mut seen = read(OLD).unwrap().remove(0);
        seen.metrics = vec![metric("logins", 12.5, "1/min"), metric("lag", -3.0, "")];
        let item = Item::new(&seen, Duration::from_millis(10));
        let batch = Batch {
            v: VERSION,
            vantage: "aws-1".to_owned(),
            boot: "b".to_owned(),
            dropped: 0,
            observations: vec![item],
        };
        assert_eq!(read(&serde_json::to_string(&batch).unwrap()).unwrap(), [seen]);
    }

    #[test]
    fn measures_that_no_check_makes_are_refused() {
        let with = |metrics: String| {
            OLD.replace("\"duration_ms\":20", &format!("\"duration_ms\":20,\"metrics\":[{metrics}]"))
        };
        let one = r#"{"name":"n","value":1}"#;
        assert_eq!(read(&with(one.to_owned())).unwrap()[0].metrics.len(), 1);
        let many = vec![one; Metric::MOST + 1].join(",");
        assert!(read(&with(many)).unwrap_err().to_string().contains("more measures than a check may make"));
        for wrong in [one.replace("\"n\"", "\"\""), one.replace("\"n\"", &format!("\"{}\"", "n".repeat(70)))] {
            let error = read(&with(wrong)).unwrap_err().to_string();
            assert!(error.starts_with("observation 1: a measure's name"), "{error}");
        }
    }
}
