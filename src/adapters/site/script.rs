//! A Rhai hook: a script with `fn enter()`, `fn verify()` and `fn leave()`, in the very sandbox of checks.
//!
//! It sees its site as a check does (`target`, `site`), and `param("service")`, `param("plan")` and `param("epoch")`. Each of the three runs by
//! itself, with the script's top level before it. One that passes says yes; one whose expectation is not met (`fail`, `expect…`) says no: to
//! `verify` that is a site that takes writes. Anything else is "nobody can tell", a site that does not answer among it, and is tried again.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::{Act, Control, LIMIT};
use crate::adapters::script::{CheckScript, Mode, ModuleScript, RhaiRunner, ScriptError};
use crate::domain::{CheckName, FailureKind, Outcome, PortError, ProbeReport, Role};
use crate::ports::{ProbeRequest, Resolution, WriteProbe};

/// The parameters that each run gets beside the configuration's.
pub const FACTS: [&str; 3] = ["service", "plan", "epoch"];

/// What a hook must have.
const WORDS: [&str; 3] = ["enter", "verify", "leave"];

/// One hook.
pub struct Hook {
    site: String,
    target: Url,
    role: Role,
    name: String,
    entries: [CheckName; 3],
    runner: Arc<RhaiRunner>,
}

/// What an entry has said.
enum Said {
    Yes,
    No(String),
}

#[derive(Clone, Copy)]
enum Entry {
    Enter,
    Verify,
    Leave,
}

impl Hook {
    /// The hook for a site (`the standby 'azure'`) with that URL.
    ///
    /// # Errors
    /// The script, or what it shares, does not compile.
    pub fn new(
        site: String,
        role: Role,
        target: Url,
        script: CheckScript,
        library: Vec<ModuleScript>,
    ) -> Result<Self, Vec<ScriptError>> {
        let name = script.name.to_string();
        // These are names; were one none, the runner would say that there is a check twice.
        let entries = WORDS.map(|word| CheckName::new(word).unwrap_or_else(|_| script.name.clone()));
        let scripts = entries.iter().zip(WORDS).map(|(name, word)| {
            // Behind the script's last line, so that its own lines keep their numbers.
            let source = format!("{}\n{word}();", script.source);
            CheckScript { name: name.clone(), source, ..script.clone() }
        });
        let runner = Arc::new(RhaiRunner::with_library(scripts.collect(), library)?);
        Ok(Self { site, target, role, name, entries, runner })
    }

    async fn run(&self, entry: Entry, Act { fence, service, plan }: Act<'_>) -> Result<Said, PortError> {
        let values = [service.to_string(), plan.to_string(), fence.epoch().to_string()];
        let facts: BTreeMap<String, String> = FACTS.map(str::to_owned).into_iter().zip(values).collect();
        let [enter, verify, leave] = &self.entries;
        let check = match entry {
            Entry::Enter => enter,
            Entry::Verify => verify,
            Entry::Leave => leave,
        };
        let request = ProbeRequest {
            check: check.clone(),
            target: self.target.clone(),
            role: self.role,
            vantage: None,
            deadline: LIMIT,
            resolution: Resolution::System,
        };
        let report = self.runner.run_as(&request, Mode { facts, ..Mode::default() }).await.report;
        let reason = reason(&report);
        match report.outcome {
            Outcome::Pass => Ok(Said::Yes),
            Outcome::Fail if report.kind == Some(FailureKind::Assertion) => Ok(Said::No(reason)),
            Outcome::Fail | Outcome::Inconclusive => Err(PortError::retry(format!("{}: {reason}", self.who(entry)))),
        }
    }

    fn who(&self, entry: Entry) -> String {
        format!("{}: the hook '{}', {}()", self.site, self.name, entry.word())
    }

    async fn done(&self, entry: Entry, act: Act<'_>) -> Result<(), PortError> {
        match self.run(entry, act).await? {
            Said::Yes => Ok(()),
            Said::No(reason) => Err(PortError::refused(format!("{}: it says no: {reason}", self.who(entry)))),
        }
    }
}

impl Entry {
    fn word(self) -> &'static str {
        let [enter, verify, leave] = WORDS;
        match self {
            Self::Enter => enter,
            Self::Verify => verify,
            Self::Leave => leave,
        }
    }
}

#[async_trait]
impl Control for Hook {
    async fn enter(&self, act: Act<'_>) -> Result<(), PortError> {
        self.done(Entry::Enter, act).await?;
        self.done(Entry::Verify, act).await
    }

    async fn leave(&self, act: Act<'_>) -> Result<(), PortError> {
        self.done(Entry::Leave, act).await?;
        match self.run(Entry::Verify, act).await? {
            Said::No(_) => Ok(()),
            Said::Yes => Err(PortError::refused(format!(
                "{}: it was told to leave read-only mode, and says that it has not",
                self.who(Entry::Verify)
            ))),
        }
    }

    async fn probe(&self, act: Act<'_>) -> Result<Option<WriteProbe>, PortError> {
        let who = format!("the hook '{}'", self.name);
        Ok(Some(match self.run(Entry::Verify, act).await? {
            Said::Yes => WriteProbe::Refused { how: format!("{who} says that writes are refused") },
            Said::No(reason) => WriteProbe::Accepted { how: format!("{who} says no: {reason}") },
        }))
    }
}

fn reason(report: &ProbeReport) -> String {
    let place = report.place.as_ref().map(|place| format!(" (line {})", place.line)).unwrap_or_default();
    format!("{}{place}", report.reason.as_deref().unwrap_or("no reason given"))
}
