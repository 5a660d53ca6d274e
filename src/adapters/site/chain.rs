//! All controls of one site as one.
//!
//! | asked to | does |
//! |---|---|
//! | enter | one control after the other, in the order of the configuration; the first that does not succeed ends it. A primary's all at once: fencing it is best effort, and one that hangs must not keep the others from it |
//! | leave | the same in the reverse order, primary or not |
//! | try a write | by each control that can, then by the check; a single write that was taken is the answer, whatever the others say |
//! | say its lag | the largest that any of them tells |
//! | say its positions | those of all that have one, by their names |

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use url::Url;

use super::http::SiteHttp;
use super::{Act, LIMIT, Named};
use crate::domain::{
    CheckName, Class, FailureKind, Fence, Outcome, PlanId, PortError, Positions, Role, Secret, ServiceName, SiteName,
};
use crate::ports::{Clock, ProbeRequest, ProbeRunner, Resolution, SiteControl, WriteProbe};

/// A check that tries a write as a user does, by a script that passes if the write was refused.
#[derive(Clone)]
pub struct TriedWrite {
    /// Runs it.
    pub runner: Arc<dyn ProbeRunner>,
    /// The check.
    pub check: CheckName,
    /// The site.
    pub target: Url,
}

/// See the module.
#[derive(Clone)]
pub struct Chain {
    site: String,
    role: Role,
    controls: Vec<Named>,
    write_probe: Option<TriedWrite>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.controls.iter().map(|named| named.name.as_str()).collect();
        f.debug_struct("Chain").field("site", &self.site).field("controls", &names).finish_non_exhaustive()
    }
}

impl Chain {
    /// The controls of a site (`the standby 'azure'`) in their order.
    pub fn new(site: String, role: Role, controls: Vec<Named>) -> Self {
        Self { site, role, controls, write_probe: None }
    }

    /// One control alone.
    pub fn of(site: String, role: Role, control: impl super::Control + 'static) -> Self {
        Self::new(site, role, vec![Named { name: "http".to_owned(), control: Arc::new(control) }])
    }

    /// A site that is controlled by its application's own endpoints alone.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn http(
        role: Role,
        site: &SiteName,
        enter_url: Url,
        write_probe_url: Url,
        key: Secret,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PortError> {
        let site = super::words(role, site);
        let control = SiteHttp::new(site.clone(), enter_url, Some(write_probe_url), key, clock)?;
        Ok(Self::of(site, role, control))
    }

    /// The same with a check that tries a write.
    #[must_use]
    pub fn with_write_probe(self, write_probe: Option<TriedWrite>) -> Self {
        Self { write_probe, ..self }
    }

    /// Everything at once. All are told, whatever becomes of the others.
    async fn enter_all(&self, act: Act<'_>) -> Result<(), PortError> {
        let results = join_all(self.controls.iter().map(|named| named.control.enter(act))).await;
        let told = self.controls.iter().zip(results);
        let (mut done, mut errors) = (Vec::new(), Vec::new());
        for (named, result) in told {
            match result {
                Ok(()) => done.push(named.name.as_str()),
                Err(error) => errors.push(error),
            }
        }
        let Some(first) = errors.first() else { return Ok(()) };
        // A newer leader's word is the strongest; what may pass is tried again although something else will not.
        let class =
            [Class::Fenced, Class::Retry].into_iter().find(|class| errors.iter().any(|error| error.class == *class));
        let what: Vec<&str> = errors.iter().map(|error| error.what.as_str()).collect();
        let done = if done.is_empty() { String::new() } else { format!(" (done: {})", done.join(", ")) };
        Err(PortError { class: class.unwrap_or(first.class), what: format!("{}{done}", what.join("; ")) })
    }

    async fn by_check(&self, probe: &TriedWrite) -> Result<WriteProbe, PortError> {
        let request = ProbeRequest {
            check: probe.check.clone(),
            target: probe.target.clone(),
            role: self.role,
            vantage: None,
            deadline: LIMIT,
            resolution: Resolution::System,
        };
        let report = probe.runner.run(&request).await;
        let (site, check) = (&self.site, &probe.check);
        let reason = report.reason.as_deref().unwrap_or("no reason given");
        match report.outcome {
            Outcome::Pass => Ok(WriteProbe::Refused { how: format!("the check {check} saw it refused") }),
            // A site that is down refuses writes, too. Only the script's own word says that this one was taken.
            Outcome::Fail if report.kind == Some(FailureKind::Assertion) => {
                Ok(WriteProbe::Accepted { how: format!("the check {check} says: {reason}") })
            }
            Outcome::Fail | Outcome::Inconclusive => Err(PortError::retry(format!(
                "{site}: whether a write is refused, the check {check} could not tell: {reason}"
            ))),
        }
    }
}

#[async_trait]
impl SiteControl for Chain {
    async fn enter_read_only(&self, fence: &Fence, service: &ServiceName, plan: &PlanId) -> Result<(), PortError> {
        let act = Act { fence, service, plan };
        if self.role == Role::Primary {
            return self.enter_all(act).await;
        }
        for named in &self.controls {
            named.control.enter(act).await?;
        }
        Ok(())
    }

    async fn leave_read_only(&self, fence: &Fence, service: &ServiceName, plan: &PlanId) -> Result<(), PortError> {
        for named in self.controls.iter().rev() {
            named.control.leave(Act { fence, service, plan }).await?;
        }
        Ok(())
    }

    async fn probe_write(
        &self,
        fence: &Fence,
        service: &ServiceName,
        plan: &PlanId,
    ) -> Result<WriteProbe, PortError> {
        let act = Act { fence, service, plan };
        let (mut refused, mut trouble) = (Vec::new(), None);
        let mut results = join_all(self.controls.iter().map(|named| named.control.probe(act))).await;
        if let Some(probe) = &self.write_probe {
            results.push(self.by_check(probe).await.map(Some));
        }
        for result in results {
            match result {
                Ok(None) => {}
                Ok(Some(WriteProbe::Refused { how })) => refused.push(how),
                // One that was taken is a fact, and no trouble elsewhere makes it less of one.
                Ok(Some(accepted @ WriteProbe::Accepted { .. })) => return Ok(accepted),
                Err(error) => {
                    trouble.get_or_insert(error);
                }
            }
        }
        match trouble {
            Some(error) => Err(error),
            None if refused.is_empty() => Err(PortError::broken(format!(
                "{}: nothing that is configured can try a write: add write_probe, the name of a check that tries one",
                self.site
            ))),
            None => Ok(WriteProbe::Refused { how: refused.join("; ") }),
        }
    }

    async fn lag(&self, service: &ServiceName) -> Result<Option<Duration>, PortError> {
        let mut largest = None;
        for result in join_all(self.controls.iter().map(|named| named.control.lag(service))).await {
            largest = largest.max(result?);
        }
        Ok(largest)
    }

    async fn positions(&self, service: &ServiceName) -> Result<Positions, PortError> {
        let asked = join_all(self.controls.iter().map(|named| named.control.position(service))).await;
        let mut positions = Positions::new();
        for (named, position) in self.controls.iter().zip(asked) {
            positions.extend(position?.map(|position| (named.name.clone(), position)));
        }
        Ok(positions)
    }
}
