//! What a person has the controller do to records outside of any plan, and the look that comes before: adoption, repair, drift.
//!
//! ```text
//!  draft:    standing ─▶ read every zone ─▶ batches, digest ─▶ shown
//!  confirm:  the same again, the same digest? ─▶ Asked ─▶ journal ─▶ one swap a zone, read back ─▶ Mended ─▶ fence at once
//! ```
//!
//! Reading happens in the caller's own task, and writing in one of the controller's: whoever asked may go away meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::executor::Executor;
use super::super::zone;
use super::{Controller, Handle, Message};
use crate::domain::adoption::{self, AdoptionError, Mending};
use crate::domain::drift::{self, Drift, Intended};
use crate::domain::zone_lint::{self, Finding};
use crate::domain::{
    ChangeBatch, DnsLane, Fence, Moment, OwnedFlag, PlanDigest, PortError, Register, Role, Service, ServiceName,
    Token,
};
use crate::engine::{Ask, Blocker, Input, Reply};
use crate::ports::Clock;

/// How long one provider may take to be read.
const READ_WITHIN: Duration = Duration::from_secs(12);

/// How a service stands with the controller.
pub(in crate::runtime) struct Standing {
    executor: Arc<Executor>,
    fence: Option<Fence>,
    register: Option<Register>,
    serving: Role,
    /// People have stopped it.
    frozen: bool,
    /// A plan is under way.
    pub(in crate::runtime) open: bool,
    blockers: Vec<Blocker>,
}

/// What a person wants done to the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MendRequest {
    /// Which service.
    pub service: ServiceName,
    /// What.
    pub what: Mending,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What would be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MendPlan {
    /// What it is called when it is confirmed.
    pub digest: PlanDigest,
    /// Where the records point after it.
    pub serving: Role,
    /// One batch for each zone that needs one, with its provider in words.
    pub batches: Vec<(String, ChangeBatch)>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mended {
    /// This would be done; nothing was.
    Plan(MendPlan),
    /// The plan is no longer the one that was shown.
    Changed(MendPlan),
    /// There is nothing to be done, and why.
    AlreadySo(String),
    /// Guards say no.
    Blocked(Vec<Blocker>),
    /// It was written, and read back.
    Done(String),
    /// There is no such service.
    NoSuchService,
}

/// A look at a service's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Where they should point.
    pub serving: Role,
    /// A plan is moving them: what differs is not yet to be counted as drift.
    pub moving: bool,
    /// What differs, and what could not be told.
    pub drift: Drift,
    /// What is legal but unwise.
    pub findings: Vec<Finding>,
}

/// The batches to write, on their way to the controller.
pub(in crate::runtime) struct Order {
    ask: Ask,
    batches: Vec<(String, ChangeBatch)>,
}

/// Whose answer is awaited.
pub(in crate::runtime) type Answer = oneshot::Sender<Result<Mended, PortError>>;

impl Handle {
    /// What is to be known of a service before anything is written to its records; none when there is no such service.
    async fn standing(&self, service: &ServiceName) -> Result<Option<Standing>, PortError> {
        Ok(self.ask_for(|sender| Message::Standing(service.clone(), sender)).await?)
    }

    /// Whether the service is frozen, by the journal, and the authority to write in its zone, while there is one. None when nobody can tell.
    pub(in crate::runtime) async fn freeze_and_fence(&self, service: &ServiceName) -> Option<(bool, Option<Fence>)> {
        let standing = self.standing(service).await.ok()??;
        Some((standing.frozen, standing.fence))
    }

    /// Looks at the service's names now; none when there is no such service.
    ///
    /// # Errors
    /// The controller is shutting down. What does not answer is told in the look.
    pub async fn look(&self, service: &ServiceName) -> Result<Option<Look>, PortError> {
        let Some(standing) = self.standing(service).await? else { return Ok(None) };
        let Standing { executor, register, serving, open, .. } = standing;
        let (seen, facts) = tokio::join!(executor.survey(), executor.zone_facts());
        let findings = zone_lint::lint(&executor.managed.service, &facts);
        let intended = Intended {
            cluster: &executor.cluster,
            service: &executor.managed.service,
            serving,
            token: register.as_ref().map(Register::token),
        };
        Ok(Some(Look { serving, moving: open, drift: drift::judge(intended, &seen), findings }))
    }

    /// What is legal but unwise in the service's zone; nothing when there is no such service.
    ///
    /// # Errors
    /// The controller is shutting down.
    pub async fn findings(&self, service: &ServiceName) -> Result<Vec<Finding>, PortError> {
        let Some(Standing { executor, .. }) = self.standing(service).await? else { return Ok(Vec::new()) };
        Ok(zone_lint::lint(&executor.managed.service, &executor.zone_facts().await))
    }

    /// Takes the records over, or puts them back: with the digest of the plan that was shown it is done, without one the plan is shown.
    ///
    /// # Errors
    /// `Refused`: the records are not such that it can be done, and a person must settle something first; or the provider refused.
    /// `Retry`: a provider does not answer, or it is not known what became of the write. `Fenced`: a newer controller has written.
    pub async fn mend(&self, request: MendRequest, digest: Option<PlanDigest>) -> Result<Mended, PortError> {
        let Some(standing) = self.standing(&request.service).await? else { return Ok(Mended::NoSuchService) };
        let Some(fence) = standing.fence.filter(|_| standing.blockers.is_empty()) else {
            return Ok(Mended::Blocked(standing.blockers));
        };
        let plan = match plan(&standing, &fence, &request.what).await? {
            Ok(plan) => plan,
            Err(why) => return Ok(Mended::AlreadySo(why)),
        };
        let MendRequest { service, what, by, reason } = request;
        match digest {
            None => Ok(Mended::Plan(plan)),
            Some(digest) if digest != plan.digest => Ok(Mended::Changed(plan)),
            Some(digest) => {
                let ask = match what {
                    Mending::Adopt { from } => Ask::Adopt { service, from, digest, by, reason },
                    Mending::Repair => Ask::Repair { service, digest, by, reason },
                };
                let order = Order { ask, batches: plan.batches };
                self.ask_for(|sender| Message::Mend(Box::new(order), sender)).await?
            }
        }
    }
}

/// What is to be written, or why nothing is.
async fn plan(standing: &Standing, fence: &Fence, what: &Mending) -> Result<Result<MendPlan, String>, PortError> {
    let Standing { executor, register, .. } = standing;
    let (cluster, service) = (&executor.cluster, &executor.managed.service);
    let name = &service.dns.name;
    if service.dns.lane == DnsLane::Flag {
        return match what {
            Mending::Adopt { .. } => Ok(Err(format!(
                "{name} is moved by a flag alone: its records are never written, and need no ownership record"
            ))),
            Mending::Repair => Err(PortError::refused(format!(
                "{name} is moved by a flag alone, and its records are not Quorate's to write: put them back where they are managed"
            ))),
        };
    }
    let homes = executor.managed.homes();
    let mut zones = Vec::new();
    for home in &homes {
        let read = timeout(READ_WITHIN, home.dns.read(&home.service.dns.zone, &home.service.names())).await;
        let late = || PortError::retry(format!("{}: no answer within {} s", home.label, READ_WITHIN.as_secs()));
        zones.push(read.map_err(|_| late())??);
    }
    let refused = |error: AdoptionError| match error {
        AdoptionError::Newer { .. } => PortError::fenced(error.to_string()),
        _ => PortError::refused(error.to_string()),
    };
    // The flag's token is not the zone's.
    let token = register.as_ref().map(Register::token).filter(|_| !service.dns.lane.has_flag());
    let serving = match register {
        Some(register) => Some(register.serving()),
        None if service.dns.lane.has_flag() => None,
        None => zones
            .iter()
            .filter_map(|zone| adoption::held(cluster, service, zone))
            .reduce(newer)
            .map(|held| held.serving),
    };
    let mut batches = Vec::new();
    for (home, zone) in homes.iter().zip(&zones) {
        let batch = match what {
            Mending::Adopt { from } => adoption::adopt(cluster, &home.service, zone, from.as_ref(), fence),
            Mending::Repair => {
                let Some(serving) = serving else { return Err(PortError::refused(unsaid(service))) };
                adoption::repair(cluster, &home.service, zone, serving, token, fence)
            }
        };
        batches.extend(batch.map_err(refused)?.map(|batch| (home.label.clone(), batch)));
    }
    let Some((_, first)) = batches.first() else {
        return Ok(Err(match what {
            Mending::Adopt { .. } => format!("{name} belongs to the cluster '{cluster}' already: nothing to do"),
            Mending::Repair => format!("the records of {name} are as they should be: nothing to do"),
        }));
    };
    let serving = first.new_token().serving;
    let named: Vec<(&str, &ChangeBatch)> = batches.iter().map(|(label, batch)| (label.as_str(), batch)).collect();
    let digest = adoption::digest(service, what, &named);
    Ok(Ok(MendPlan { digest, serving, batches }))
}

fn newer(one: Token, other: Token) -> Token {
    if other.is_after(&one) { other } else { one }
}

fn unsaid(service: &Service) -> String {
    format!(
        "nothing says where {} should point: its {} could not be read under this controller, and no ownership record says it either; \
         `quorate explain {}` says why",
        service.dns.name,
        Register::word(service.dns.lane),
        service.name
    )
}

impl Executor {
    /// Writes each batch once, and reads it back.
    async fn write(&self, fence: &Fence, batches: &[(String, ChangeBatch)]) -> Result<String, PortError> {
        let homes = self.managed.homes();
        let (mut done, mut failed) = (Vec::new(), None);
        for (label, batch) in batches {
            let Some(home) = homes.iter().find(|home| home.label == *label) else { continue };
            match zone::mend(home.dns.as_ref(), fence, &self.cluster, &home.service, batch).await {
                Ok(Some(change)) => done.push(format!("{label}: accepted as {change}")),
                Ok(None) => done.push(format!("{label}: the answer was lost, and reading back shows it applied")),
                Err(error) => {
                    failed.get_or_insert(PortError { what: format!("{label}: {}", error.what), ..error });
                }
            }
        }
        match failed {
            None => Ok(done.join("; ")),
            Some(error) if done.is_empty() => Err(error),
            Some(error) => Err(PortError { what: format!("{}; but {}", done.join("; "), error.what), ..error }),
        }
    }

    /// Gives what is behind the register what it has missed. What stays behind is logged, and looked at again with the next survey.
    pub(in crate::runtime) async fn catch_up(&self, fence: &Fence, flag: Option<&OwnedFlag>, zone: bool) {
        let service = &self.managed.service.name;
        if let (Some(flag), Some(stores)) = (flag, &self.managed.flag) {
            match super::super::flag::catch_up(stores.as_ref(), fence, &self.cluster, service, flag).await {
                Ok(behind) if behind.is_empty() => tracing::info!(%service, "the flag's stores have caught up"),
                Ok(behind) => behind.iter().for_each(|one| tracing::warn!(%service, "the flag is behind: {one}")),
                Err(error) => tracing::warn!(%service, "catching up the flag: {error}"),
            }
        }
        if zone {
            match self.managed.dns.catch_up(fence).await {
                Ok(done) => tracing::info!(%service, "{}", done.as_deref().unwrap_or("both providers agree")),
                Err(error) => tracing::warn!(%service, "catching up a provider: {error}"),
            }
        }
    }
}

impl Controller {
    pub(super) fn standing(&self, service: &ServiceName) -> Option<Standing> {
        let now = self.ports.clock.now();
        let (register, serving) = self.engine.register(now, service)?;
        Some(Standing {
            executor: Arc::clone(self.executors.get(service)?),
            fence: self.engine.authority().and_then(|held| held.fence(now)),
            register: register.cloned(),
            serving,
            frozen: self.engine.ledger(service)?.frozen.is_some(),
            open: self.engine.ledger(service)?.open.is_some(),
            blockers: self.engine.against_mending(now, service)?,
        })
    }

    /// Records what is asked, and only then has it written, in a task of its own.
    pub(super) async fn mend(&mut self, order: Order, answer: Answer) -> Option<Moment> {
        let Order { ask, batches } = order;
        let service = ask.service().clone();
        let (wake, reply) = self.feed_for_reply(Input::Asked(ask)).await;
        let fence = self.engine.authority().and_then(|held| held.fence(self.ports.clock.now()));
        let (executor, fence) = match (reply, self.executors.get(&service), fence) {
            (Ok(Reply::Done), Some(executor), Some(fence)) => (Arc::clone(executor), fence),
            (reply, ..) => {
                let _ = answer.send(reply.and_then(|reply| match reply {
                    Reply::Blocked(blockers) => Ok(Mended::Blocked(blockers)),
                    Reply::NoSuchService => Ok(Mended::NoSuchService),
                    _ => Err(PortError::fenced("this controller may not act any more, and nothing was written")),
                }));
                return wake;
            }
        };
        let mailbox = self.mailbox.clone();
        self.tasks.spawn(self.closing.clone().run_until_cancelled_owned(async move {
            let result = executor.write(&fence, &batches).await;
            let ended = Message::Mended { service, fence, wrote: result.is_ok() };
            let _ = mailbox.send(ended).await;
            let _ = answer.send(result.map(Mended::Done));
        }));
        wake
    }

    /// A person's write has ended. What it wrote under this epoch is no sign of somebody else with the same one.
    pub(super) async fn mended(&mut self, service: ServiceName, fence: Fence, wrote: bool) -> Option<Moment> {
        let ours = self.engine.authority().is_some_and(|held| held.epoch() == fence.epoch());
        let in_zone =
            self.executors.get(&service).is_some_and(|executor| !executor.managed.service.dns.lane.has_flag());
        if wrote && ours && in_zone {
            self.fenced_once.insert(service.clone());
        }
        self.feed(Input::Mended { service }).await
    }
}

/// Looks at one service's names again and again, and says what was seen. While a plan moves them it does not ask: the provider's few
/// requests a second are the plan's.
pub(in crate::runtime) async fn watch(
    service: ServiceName,
    handle: Handle,
    clock: Arc<dyn Clock>,
    every: Duration,
) -> std::convert::Infallible {
    loop {
        // Scattered, so that a hundred services do not ask at once.
        tokio::time::sleep(every.mul_f64(0.75 + 0.25 * super::super::chance::scatter())).await;
        let Ok(Some(standing)) = handle.standing(&service).await else { continue };
        if standing.open {
            continue;
        }
        let began = clock.now();
        let seen = Box::new(standing.executor.survey().await);
        let noticed = Message::Noticed(Input::Surveyed { service: service.clone(), began, seen });
        let _ = handle.mailbox.send(noticed).await;
    }
}
