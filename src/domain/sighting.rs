//! What a vantage sees of a service's public names: what its own resolvers answer, and whether the checks pass through the name.
//!
//! None of this is a vote on a site, and no value here can become one: an [`super::Observation`] is another type, made in another place (S2).

use std::net::SocketAddr;

use super::{CheckName, Moment, Outcome, RecordType, Role, ServiceName, VantageName};

/// Which question of a resolver's is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId {
    /// Where it was asked.
    pub vantage: VantageName,
    /// Who was asked.
    pub resolver: SocketAddr,
    /// For which name: fully qualified, lower case, without the final dot.
    pub name: String,
    /// And which type.
    pub kind: RecordType,
}

/// What a resolver said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// These values, sorted; none at all when there is no such name or record.
    Values {
        /// Addresses, or names in lower case without the final dot.
        values: Vec<String>,
        /// The least remaining time to live on the way to them, in seconds; none where there is nothing.
        ttl_s: Option<u32>,
    },
    /// No answer: why, in words.
    Nothing(String),
}

/// What one resolver of a vantage answers for one of a service's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The service.
    pub service: ServiceName,
    /// Which question.
    pub id: LookupId,
    /// What was said.
    pub said: Said,
    /// The site that the answer leads to, as the vantage has found out: it can follow an alias, and a controller cannot. None where it
    /// leads to neither, or to both.
    pub leads_to: Option<Role>,
    /// When it was said: the receiver's moment of arrival less the age that the agent measured (S21).
    pub at: Moment,
    /// Since when the resolver has led there, without having led elsewhere in between.
    pub since: Moment,
}

/// One run of a service's check through its public name, with a vantage's own resolvers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicRun {
    /// The service.
    pub service: ServiceName,
    /// Where it was run.
    pub vantage: VantageName,
    /// Which check.
    pub check: CheckName,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass, redacted.
    pub reason: Option<String>,
    /// The step in which it ended, if it did not pass.
    pub failed_step: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// When it ended, as [`Lookup::at`].
    pub at: Moment,
}

impl PublicRun {
    /// When it began.
    pub fn began(&self) -> Moment {
        self.at.before(std::time::Duration::from_millis(self.duration_ms))
    }
}

/// One thing that a vantage saw of a public name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// A resolver's answer.
    Lookup(Lookup),
    /// A check's end.
    Run(PublicRun),
}

impl Sighting {
    /// The service that it is about.
    pub fn service(&self) -> &ServiceName {
        match self {
            Self::Lookup(lookup) => &lookup.service,
            Self::Run(run) => &run.service,
        }
    }
}
