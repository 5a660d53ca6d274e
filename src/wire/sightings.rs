//! What an agent saw of public names: `POST /v1/sightings`. Everything with its age, because two machines' clocks are never compared (S21).
//!
//! It is a document of its own, beside the observations: a controller of an older release has nothing at that path, and the votes that an
//! agent delivers to it are the same with or without. What a later release adds to a sighting is passed over.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::domain::{
    CheckName, Lookup, LookupId, Moment, NameError, Outcome, PublicRun, RecordType, Role, Said, ServiceName,
    Sighting, VantageName,
};

/// The most that one delivery may hold: ten services with ten names and a dozen resolvers each.
pub const SIGHTINGS_MAX: usize = 2_000;

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sightings {
    /// The version of the document.
    pub v: u32,
    /// The agent's vantage.
    pub vantage: String,
    /// What resolvers answer.
    #[serde(default)]
    pub lookups: Vec<LookupItem>,
    /// How checks through the public name ended.
    #[serde(default)]
    pub runs: Vec<RunItem>,
}

/// One resolver's answer for one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupItem {
    /// The service.
    pub service: String,
    /// The resolver's address and port.
    pub resolver: SocketAddr,
    /// The name that was asked for.
    pub name: String,
    /// `A`, `AAAA` or `CNAME`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The values, empty when there is no such name; absent when there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<String>>,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The remaining time to live, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u32>,
    /// `primary` or `standby`: the site that the answer leads to, where it is one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<String>,
    /// How long ago it was said, in milliseconds.
    pub age_ms: u64,
    /// For how long it has led there, in milliseconds.
    pub since_ms: u64,
}

/// One run of a check through the public name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunItem {
    /// The service.
    pub service: String,
    /// The check.
    pub check: String,
    /// `pass`, `fail` or `inconclusive`.
    pub outcome: String,
    /// Why it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The step in which it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_step: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How long ago it ended, in milliseconds.
    pub age_ms: u64,
}

/// The controller's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SightingsReceipt {
    /// The version of the document.
    pub v: u32,
    /// How many it held.
    pub taken: usize,
}

/// Why a delivery was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SightingsError {
    /// Another version.
    #[error(
        "the sightings have version {0}, and this controller knows version {VERSION}: agent and controller must be of one release"
    )]
    Version(u32),
    /// Not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Not a word that is known.
    #[error("'{word}' is no {what}")]
    Word {
        /// The word.
        word: String,
        /// What it should be.
        what: &'static str,
    },
    /// More than anybody has to say.
    #[error("{0} sightings in one delivery: at most {SIGHTINGS_MAX} are taken")]
    TooMany(usize),
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn read<T>(word: &str, parsed: Option<T>, what: &'static str) -> Result<T, SightingsError> {
    parsed.ok_or_else(|| SightingsError::Word { word: word.to_owned(), what })
}

impl Sightings {
    /// What a vantage saw, as it is sent at `now`.
    pub fn new(vantage: &VantageName, now: Moment, seen: &[Sighting]) -> Self {
        let mut sightings = Self { v: VERSION, vantage: vantage.to_string(), lookups: Vec::new(), runs: Vec::new() };
        for one in seen {
            match one {
                Sighting::Lookup(lookup) => sightings.lookups.push(LookupItem::new(lookup, now)),
                Sighting::Run(run) => sightings.runs.push(RunItem::new(run, now)),
            }
        }
        sightings
    }

    /// What was seen, placed on the receiver's clock, where the delivery arrived at `now`.
    ///
    /// # Errors
    /// Another version, or what is no sighting; nothing of the delivery is taken then.
    pub fn sightings(self, now: Moment) -> Result<(VantageName, Vec<Sighting>), SightingsError> {
        if self.v != VERSION {
            return Err(SightingsError::Version(self.v));
        }
        let count = self.lookups.len() + self.runs.len();
        if count > SIGHTINGS_MAX {
            return Err(SightingsError::TooMany(count));
        }
        let vantage = VantageName::new(&self.vantage)?;
        let lookups = self.lookups.into_iter().map(|item| item.lookup(&vantage, now).map(Sighting::Lookup));
        let runs = self.runs.into_iter().map(|item| item.run(&vantage, now).map(Sighting::Run));
        let seen = lookups.chain(runs).collect::<Result<_, _>>()?;
        Ok((vantage, seen))
    }
}

impl LookupItem {
    fn new(lookup: &Lookup, now: Moment) -> Self {
        let (answers, error, ttl_s) = match &lookup.said {
            Said::Values { values, ttl_s } => (Some(values.clone()), None, *ttl_s),
            Said::Nothing(why) => (None, Some(why.clone()), None),
        };
        Self {
            service: lookup.service.to_string(),
            resolver: lookup.id.resolver,
            name: lookup.id.name.clone(),
            kind: lookup.id.kind.to_string(),
            answers,
            error,
            ttl_s,
            leads_to: lookup.leads_to.map(|role| role.to_string()),
            age_ms: ms(now.since(lookup.at)),
            since_ms: ms(now.since(lookup.since)),
        }
    }

    fn lookup(self, vantage: &VantageName, now: Moment) -> Result<Lookup, SightingsError> {
        let kind = read(&self.kind, RecordType::parse(&self.kind), "type of record")?;
        let leads_to = match &self.leads_to {
            Some(word) => Some(read(word, Role::parse(word), "role")?),
            None => None,
        };
        let said = match self.answers {
            Some(values) => Said::Values { values, ttl_s: self.ttl_s },
            None => Said::Nothing(self.error.unwrap_or_else(|| "no reason given".to_owned())),
        };
        Ok(Lookup {
            service: ServiceName::new(&self.service)?,
            id: LookupId { vantage: vantage.clone(), resolver: self.resolver, name: self.name, kind },
            said,
            leads_to,
            at: now.before(Duration::from_millis(self.age_ms)),
            since: now.before(Duration::from_millis(self.since_ms)),
        })
    }
}

impl RunItem {
    fn new(run: &PublicRun, now: Moment) -> Self {
        Self {
            service: run.service.to_string(),
            check: run.check.to_string(),
            outcome: run.outcome.to_string(),
            reason: run.reason.clone(),
            failed_step: run.failed_step.clone(),
            duration_ms: run.duration_ms,
            age_ms: ms(now.since(run.at)),
        }
    }

    fn run(self, vantage: &VantageName, now: Moment) -> Result<PublicRun, SightingsError> {
        Ok(PublicRun {
            service: ServiceName::new(&self.service)?,
            vantage: vantage.clone(),
            check: CheckName::new(&self.check)?,
            outcome: read(&self.outcome, Outcome::parse(&self.outcome), "outcome")?,
            reason: self.reason,
            failed_step: self.failed_step,
            duration_ms: self.duration_ms,
            at: now.before(Duration::from_millis(self.age_ms)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{"v":1,"vantage":"aws-1","lookups":[{"service":"login","resolver":"192.0.2.53:53","name":"login.example.com","type":"A","answers":["192.0.2.1"],"ttl_s":17,"leads_to":"primary","age_ms":200,"since_ms":90000},{"service":"login","resolver":"[2001:db8::53]:53","name":"login.example.com","type":"A","error":"no answer in time","age_ms":100,"since_ms":100}],"runs":[{"service":"login","check":"login","outcome":"fail","reason":"503","failed_step":"log in","duration_ms":40,"age_ms":300}]}"#;

    fn seen(now: Moment) -> Vec<Sighting> {
        let ago = |ms| now.before(Duration::from_millis(ms));
        let service = || ServiceName::new("login").unwrap();
        let vantage = || VantageName::new("aws-1").unwrap();
        let id = |resolver: &str| LookupId {
            vantage: vantage(),
            resolver: resolver.parse().unwrap(),
            name: "login.example.com".into(),
            kind: RecordType::A,
        };
        vec![
            Sighting::Lookup(Lookup {
                service: service(),
                id: id("192.0.2.53:53"),
                said: Said::Values { values: vec!["192.0.2.1".into()], ttl_s: Some(17) },
                leads_to: Some(Role::Primary),
                at: ago(200),
                since: ago(90_000),
            }),
            Sighting::Lookup(Lookup {
                service: service(),
                id: id("[2001:db8::53]:53"),
                said: Said::Nothing("no answer in time".into()),
                leads_to: None,
                at: ago(100),
                since: ago(100),
            }),
            Sighting::Run(PublicRun {
                service: service(),
                vantage: vantage(),
                check: CheckName::new("login").unwrap(),
                outcome: Outcome::Fail,
                reason: Some("503".into()),
                failed_step: Some("log in".into()),
                duration_ms: 40,
                at: ago(300),
            }),
        ]
    }

    #[test]
    fn sightings_are_written_as_they_always_were_and_come_back_on_the_receivers_clock() {
        let (sent, arrived) = (Moment::from_ms(1_000_000), Moment::from_ms(7_000_000));
        let vantage = VantageName::new("aws-1").unwrap();
        let text = serde_json::to_string(&Sightings::new(&vantage, sent, &seen(sent))).unwrap();
        assert_eq!(text, GOLDEN);
        let read: Sightings = serde_json::from_str(GOLDEN).unwrap();
        assert_eq!(read.sightings(arrived), Ok((vantage, seen(arrived))));
    }

    #[test]
    fn what_a_later_release_adds_is_passed_over_and_what_is_wrong_is_refused_with_the_word() {
        let now = Moment::from_ms(1_000_000);
        let with = |from: &str, to: &str| {
            let read: Sightings = serde_json::from_str(&GOLDEN.replacen(from, to, 1)).unwrap();
            read.sightings(now).map_err(|error| error.to_string())
        };
        let vantage = VantageName::new("aws-1").unwrap();
        assert_eq!(with(r#""ttl_s":17"#, r#""ttl_s":17,"cache":"hit""#), Ok((vantage, seen(now))));
        for (from, to, words) in [
            (r#""v":1"#, r#""v":2"#, "version 2"),
            (r#""type":"A""#, r#""type":"MX""#, "'MX' is no type of record"),
            (r#""leads_to":"primary""#, r#""leads_to":"third""#, "'third' is no role"),
            (r#""outcome":"fail""#, r#""outcome":"dead""#, "'dead' is no outcome"),
            ("aws-1", "no name!", "no name!"),
        ] {
            assert!(with(from, to).unwrap_err().contains(words), "{words}");
        }
    }
}
