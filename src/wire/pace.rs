//! What a controller answers an agent that asks how often to probe.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::domain::{NameError, Pace, PaceMark, ServiceName};

/// `GET /v1/pace?known=MARK`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaceAnswer {
    /// The version of the document.
    pub v: u32,
    /// Which word of which controller this is, to be sent as `known` with the next question.
    pub mark: String,
    /// How often the sites of these services should be probed, in milliseconds; those that are not in it as often as the policy says.
    pub every_ms: BTreeMap<String, u64>,
    /// The services whose names were just moved: their resolvers' answers should be looked at each second. Older releases do not say
    /// it, and do not read it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub draining: BTreeSet<String>,
}

/// Why an answer is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaceError {
    /// Another version.
    #[error(
        "the pace has version {0}, and this agent knows version {VERSION}: agent and controller must be of one release"
    )]
    Version(u32),
    /// Not a mark.
    #[error("'{0}' is no mark of a pace")]
    Mark(String),
    /// Not a name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl PaceAnswer {
    /// A pace as it is sent.
    pub fn new(pace: &Pace) -> Self {
        let ms = |every: &Duration| u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        Self {
            v: VERSION,
            mark: pace.mark.to_string(),
            every_ms: pace.every.iter().map(|(service, every)| (service.to_string(), ms(every))).collect(),
            draining: pace.draining.iter().map(ToString::to_string).collect(),
        }
    }

    /// The pace that was sent.
    pub fn pace(self) -> Result<Pace, PaceError> {
        if self.v != VERSION {
            return Err(PaceError::Version(self.v));
        }
        let mark = PaceMark::parse(&self.mark).ok_or(PaceError::Mark(self.mark))?;
        let every = self.every_ms.iter().map(|(name, ms)| Ok((ServiceName::new(name)?, Duration::from_millis(*ms))));
        let draining = self.draining.iter().map(|name| ServiceName::new(name));
        Ok(Pace {
            mark,
            every: every.collect::<Result<_, NameError>>()?,
            draining: draining.collect::<Result<_, NameError>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{"v":1,"mark":"00000000000000ff.7","every_ms":{"login":1000,"search":2500}}"#;

    fn pace() -> Pace {
        let every = [("login", 1_000), ("search", 2_500)]
            .map(|(name, ms)| (ServiceName::new(name).unwrap(), Duration::from_millis(ms)));
        Pace { mark: PaceMark { run: 255, revision: 7 }, every: every.into(), draining: BTreeSet::new() }
    }

    #[test]
    fn a_pace_is_written_as_it_always_was_and_comes_back() {
        assert_eq!(serde_json::to_string(&PaceAnswer::new(&pace())).unwrap(), GOLDEN);
        let read: PaceAnswer = serde_json::from_str(GOLDEN).unwrap();
        assert_eq!(read.pace(), Ok(pace()));
    }

    #[test]
    fn what_drains_is_said_where_there_is_any() {
        let draining = Pace { draining: [ServiceName::new("search").unwrap()].into(), ..pace() };
        let text = serde_json::to_string(&PaceAnswer::new(&draining)).unwrap();
        assert_eq!(text, GOLDEN.replace("2500}}", r#"2500},"draining":["search"]}"#));
        assert_eq!(serde_json::from_str::<PaceAnswer>(&text).unwrap().pace(), Ok(draining));
    }

    #[test]
    fn a_field_of_a_later_release_is_no_reason_to_miss_a_burst() {
        let later = GOLDEN.replace(r#""v":1"#, r#""v":1,"because":"suspicion""#);
        assert_eq!(serde_json::from_str::<PaceAnswer>(&later).unwrap().pace(), Ok(pace()));
    }

    #[test]
    fn an_answer_that_means_something_else_is_refused() {
        let refused = |from: &str, to: &str| {
            serde_json::from_str::<PaceAnswer>(&GOLDEN.replace(from, to)).unwrap().pace().unwrap_err().to_string()
        };
        assert!(refused(r#""v":1"#, r#""v":2"#).contains("version 2"));
        assert!(refused("ff.7", "ff").contains("no mark"));
        assert!(refused("search", "not a name").contains("'not a name' is not a name"));
    }
}
