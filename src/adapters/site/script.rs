//! A hook: a script of the operator's own with `fn enter()`, `fn verify()` and `fn leave()`.
//!
//! It sees its site as a check does, and `param("service")`, `param("plan")` and `param("epoch")`. An entry that passes says yes; one whose
//! expectation is not met (`fail`, `expect…`) says no: to `verify` that is a site that takes writes. Anything else is "nobody can tell", a
//! site that does not answer among it, and is tried again.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::{Act, Control, LIMIT};
use crate::domain::{FailureKind, Outcome, PortError, ProbeReport, Role};
use crate::ports::{HookEntry, HookRequest, HookRunner, WriteProbe};

/// One hook and its site.
pub struct Hook {
    /// The site: `the standby 'azure'`.
    pub site: String,
    /// Its role.
    pub role: Role,
    /// Its base URL.
    pub target: Url,
    /// What the hook is called.
    pub name: String,
    /// Runs it.
    pub runner: Arc<dyn HookRunner>,
}

/// What an entry has said.
enum Said {
    Yes,
    No(String),
}

impl Hook {
    async fn run(&self, entry: HookEntry, Act { fence, service, plan }: Act<'_>) -> Result<Said, PortError> {
        let facts =
            [("service", service.to_string()), ("plan", plan.to_string()), ("epoch", fence.epoch().to_string())];
        let request = HookRequest {
            entry,
            target: self.target.clone(),
            role: self.role,
            deadline: LIMIT,
            facts: facts.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        let report = self.runner.run(&request).await;
        let reason = reason(&report);
        match report.outcome {
            Outcome::Pass => Ok(Said::Yes),
            Outcome::Fail if report.kind == Some(FailureKind::Assertion) => Ok(Said::No(reason)),
            Outcome::Fail | Outcome::Inconclusive => Err(PortError::retry(format!("{}: {reason}", self.who(entry)))),
        }
    }

    fn who(&self, entry: HookEntry) -> String {
        format!("{}: the hook '{}', {}()", self.site, self.name, entry.as_str())
    }

    async fn done(&self, entry: HookEntry, act: Act<'_>) -> Result<(), PortError> {
        match self.run(entry, act).await? {
            Said::Yes => Ok(()),
            Said::No(reason) => Err(PortError::refused(format!("{}: it says no: {reason}", self.who(entry)))),
        }
    }
}

#[async_trait]
impl Control for Hook {
    async fn enter(&self, act: Act<'_>) -> Result<(), PortError> {
        self.done(HookEntry::Enter, act).await?;
        self.done(HookEntry::Verify, act).await
    }

    async fn leave(&self, act: Act<'_>) -> Result<(), PortError> {
        self.done(HookEntry::Leave, act).await?;
        match self.run(HookEntry::Verify, act).await? {
            Said::No(_) => Ok(()),
            Said::Yes => Err(PortError::refused(format!(
                "{}: it was told to leave read-only mode, and says that it has not",
                self.who(HookEntry::Verify)
            ))),
        }
    }

    async fn probe(&self, act: Act<'_>) -> Result<Option<WriteProbe>, PortError> {
        let who = format!("the hook '{}'", self.name);
        Ok(Some(match self.run(HookEntry::Verify, act).await? {
            Said::Yes => WriteProbe::Refused { how: format!("{who} says that writes are refused") },
            Said::No(reason) => WriteProbe::Accepted { how: format!("{who} says no: {reason}") },
        }))
    }
}

fn reason(report: &ProbeReport) -> String {
    let place = report.place.as_ref().map(|place| format!(" (line {})", place.line)).unwrap_or_default();
    format!("{}{place}", report.reason.as_deref().unwrap_or("no reason given"))
}
