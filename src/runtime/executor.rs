//! Carries out one step, which leaves nothing to choose, and says how it went. Each can be run again without doubling its effect.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::outside::Ports;
use super::protector::Protector;
use super::register::Managed;
use super::signatures::Answered;
use crate::domain::{Answer, ClusterName, MovedName, Outcome, RecordType, Role, Service, Step, StepDetail};
use crate::engine::{StepOrder, StepSuccess};
use crate::ports::{ChangeState, PortError, ProbeRequest, Resolution, WriteProbe};

/// Between two questions to the provider: five requests a second is what an AWS account has for all its tools.
const SYNC_POLL: Duration = Duration::from_millis(500);
/// Between two questions to a name server.
const ANSWER_POLL: Duration = Duration::from_millis(200);
/// How long one run of a waiting step goes on asking before it is counted as an attempt that failed.
const ASK_FOR: Duration = Duration::from_secs(30);
/// The bound on any step, above all bounds within: three times [`ASK_FOR`].
const END_WITHIN: Duration = Duration::from_secs(90);
/// The port of a name server that is known by its name.
const DNS_PORT: u16 = 53;

/// What the steps of one service need.
pub(super) struct Executor {
    pub(super) cluster: ClusterName,
    pub(super) managed: Managed,
    pub(super) ports: Ports,
    /// Whoever protects its records while it is frozen.
    pub(super) protector: Option<Arc<Protector>>,
}

pub(super) fn said(text: impl Into<String>) -> StepSuccess {
    StepSuccess { detail: StepDetail::said(text), register: None }
}

impl Executor {
    /// Runs the step to its end, which comes whatever hangs: the engine waits for nothing else.
    pub(super) async fn run(&self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        match timeout(END_WITHIN, self.step(order)).await {
            Ok(result) => result,
            Err(_) => Err(PortError::retry(format!("no end within {} s", END_WITHIN.as_secs()))),
        }
    }

    async fn step(&self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        let Managed { service, standby, .. } = &self.managed;
        let (name, plan) = (&service.name, order.plan.id());
        match order.step {
            Step::AskVeto => self.veto(order.plan.to()).await,
            Step::EnterReadOnly => {
                standby.enter_read_only(&order.fence, name, plan).await?;
                Ok(said(format!("{} says that it is read-only", service.standby.name)))
            }
            Step::VerifyReadOnly => match standby.probe_write(&order.fence, name, plan).await? {
                WriteProbe::Refused { how } => Ok(said(format!("a write was refused: {how}"))),
                WriteProbe::Accepted { how } => {
                    Err(PortError::refused(format!("{} still accepts writes: {how}", service.standby.name)))
                }
            },
            Step::FencePrimary => self.fence_primary(order).await,
            Step::ReleasePrimary => self.release_primary(order).await,
            Step::AllowWrites => self.allow_writes(order).await,
            Step::VerifyWrites => self.verify_writes(order).await,
            // The engine has waited for as long as it takes.
            Step::DrainStandby => {
                Ok(said("its time to live and a minute have passed since a write was seen refused"))
            }
            Step::FlipRecords | Step::RaiseFlag | Step::LowerFlag => self.switch(order).await,
            Step::PinRecords => {
                self.unprotected()?;
                self.managed.pin(&order.fence, &self.cluster, &order.plan).await
            }
            Step::AwaitInSync => self.await_in_sync(order).await,
            Step::VerifyAnswers => self.verify_answers(order.plan.to()).await,
            Step::VerifyPublicLogin => self.public_login(order.plan.to()).await,
        }
    }

    /// The service's own script has the last word. What could not be asked is no "go".
    async fn veto(&self, to: Role) -> Result<StepSuccess, PortError> {
        let service = &self.managed.service;
        let Some(check) = &service.veto else {
            return Err(PortError::broken("the plan has a veto, and the configuration names no veto check any more"));
        };
        let request = ProbeRequest {
            check: check.clone(),
            target: service.site(to).url.clone(),
            role: to,
            vantage: None,
            deadline: self.managed.service.policy.timeout,
            resolution: Resolution::System,
        };
        let report = self.ports.probes.run(&request).await;
        let reason = report.reason.as_deref().unwrap_or("no reason given");
        match report.outcome {
            Outcome::Pass => Ok(said(format!("{check} has nothing against it"))),
            Outcome::Fail => Err(PortError::refused(format!("{check} says no: {reason}"))),
            Outcome::Inconclusive => Err(PortError::retry(format!("{check} could not be asked: {reason}"))),
        }
    }

    async fn switch(&self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        let Some(switch) = &order.switch else {
            return Err(PortError::broken(format!("to {}, without its tokens", order.step.sentence())));
        };
        if order.step == Step::FlipRecords {
            self.unprotected()?;
        }
        self.managed.switch(&order.fence, &self.cluster, order.step, switch).await
    }

    /// Records that we protect ourselves are not yet to be written.
    fn unprotected(&self) -> Result<(), PortError> {
        self.protector.as_ref().map_or(Ok(()), |protector| protector.in_the_way())
    }

    async fn await_in_sync(&self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        let Some(change) = &order.change else {
            // Nothing to ask about: the next step asks the name servers themselves.
            return Ok(said("the change's id is not known (its answer was lost), so the name servers decide"));
        };
        let until = Instant::now() + ASK_FOR;
        loop {
            match self.managed.dns.change_state(change).await? {
                ChangeState::InSync => return Ok(said(format!("{change} is in sync"))),
                ChangeState::Pending if Instant::now() >= until => {
                    return Err(PortError::retry(format!("{change} is still pending after {} s", ASK_FOR.as_secs())));
                }
                ChangeState::Pending => sleep(SYNC_POLL).await,
            }
        }
    }

    /// The servers to ask: those of the configuration, else those of the zone's delegation.
    pub(super) async fn servers(&self) -> Result<Vec<(String, SocketAddr)>, PortError> {
        let dns = &self.managed.service.dns;
        if !dns.authoritative.is_empty() {
            return Ok(dns.authoritative.iter().map(|addr| (addr.to_string(), *addr)).collect());
        }
        let mut servers = Vec::new();
        for host in self.managed.dns.name_servers(&dns.zone).await? {
            let addresses = self.ports.resolver.addresses(&host).await?;
            // A controller without IPv6 must still be able to verify: a host's IPv6 addresses are asked only where it has no others.
            let only_v6 = addresses.iter().all(IpAddr::is_ipv6);
            let asked = addresses.into_iter().filter(|ip| only_v6 || ip.is_ipv4());
            servers.extend(asked.map(|ip| (host.clone(), SocketAddr::new(ip, DNS_PORT))));
        }
        if servers.is_empty() {
            return Err(PortError::retry(format!("zone {} has no name servers to ask", dns.zone)));
        }
        Ok(servers)
    }

    /// What a name must be answered with: its value, or where its alias leads.
    pub(super) async fn wanted(&self, name: &MovedName, to: Role) -> Result<Vec<String>, PortError> {
        let Answer { value, alias_zone } = name.answer(to);
        let plain = value.trim_end_matches('.').to_ascii_lowercase();
        if alias_zone.is_none() {
            return Ok(vec![plain]);
        }
        let addresses = self.ports.resolver.addresses(&plain).await?;
        let of_kind = |ip: &IpAddr| (name.kind == RecordType::Aaaa) == ip.is_ipv6();
        let wanted: Vec<String> = addresses.iter().filter(|ip| of_kind(ip)).map(ToString::to_string).collect();
        if wanted.is_empty() {
            return Err(PortError::retry(format!(
                "{plain}, which {} is an alias of, has no {} record",
                name.name, name.kind
            )));
        }
        Ok(wanted)
    }

    async fn verify_answers(&self, to: Role) -> Result<StepSuccess, PortError> {
        let servers = self.servers().await?;
        let until = Instant::now() + ASK_FOR;
        // Of two providers one may be dead: its servers go on answering what they had, and are named instead of waited for.
        let remarks = self.managed.dns.remarks();
        let (mut answers, mut lagging, mut signed) = (Vec::new(), Vec::new(), Vec::new());
        for name in self.managed.service.moved() {
            let wanted = self.wanted(&name, to).await?;
            let mut right = 0;
            for (host, addr) in &servers {
                let one = Answered {
                    host: host.clone(),
                    addr: *addr,
                    name: name.name.clone(),
                    kind: name.kind,
                    wanted: wanted.clone(),
                };
                match self.verify_answer(&one, until).await {
                    Ok(()) => {
                        right += 1;
                        signed.push(one);
                    }
                    Err(error) if remarks.is_empty() => return Err(error),
                    Err(error) => lagging.push(error),
                }
            }
            if right == 0 {
                let none =
                    || PortError::retry(format!("no server answers {} for {}", wanted.join(" or "), name.name));
                return Err(lagging.pop().unwrap_or_else(none));
            }
            answers.push(name.answer(to).value.clone());
        }
        let signatures = match self.validate(&signed, until).await {
            Ok(said) => said.map(|said| format!("; {said}")).unwrap_or_default(),
            Err(error) if remarks.is_empty() => return Err(error),
            Err(error) => {
                lagging.push(error);
                String::new()
            }
        };
        let count = servers.len();
        let noun = if count == 1 { "server answers" } else { "servers answer" };
        let but: Vec<String> = lagging.iter().map(|error| format!("; but {error}")).collect();
        let text = if but.is_empty() { "" } else { "at least one of " };
        Ok(said(format!("{text}{count} authoritative {noun} {}{signatures}{}", answers.join(", "), but.concat())))
    }

    async fn verify_answer(&self, one: &Answered, until: Instant) -> Result<(), PortError> {
        let Answered { host, addr, name, kind, wanted } = one;
        loop {
            let found = match self.ports.resolver.ask(*addr, name, *kind).await {
                // An alias may be answered with some of its addresses.
                Ok(answers) if one.is_wanted(&answers) => return Ok(()),
                Ok(answers) if answers.is_empty() => "nothing".to_owned(),
                Ok(others) => others.join(", "),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= until {
                let wanted = wanted.join(" or ");
                return Err(PortError::retry(format!(
                    "{host} ({addr}) answers {found} for {name} instead of {wanted}"
                )));
            }
            sleep(ANSWER_POLL).await;
        }
    }

    /// The server through which the login goes: of two providers one may be dead, and its servers go on answering what they had.
    async fn moved_server(&self, to: Role) -> Result<SocketAddr, PortError> {
        let servers = self.servers().await?;
        let Some((_, first)) = servers.first() else {
            return Err(PortError::retry("no name server to ask"));
        };
        let Some(name) = self.managed.service.moved().next().filter(|_| !self.managed.dns.remarks().is_empty())
        else {
            return Ok(*first);
        };
        let wanted = self.wanted(&name, to).await?;
        for (host, addr) in &servers {
            let (host, wanted) = (host.clone(), wanted.clone());
            let one = Answered { host, addr: *addr, name: name.name.clone(), kind: name.kind, wanted };
            if self.verify_answer(&one, Instant::now()).await.is_ok() {
                return Ok(*addr);
            }
        }
        Ok(*first)
    }

    async fn public_login(&self, to: Role) -> Result<StepSuccess, PortError> {
        let server = self.moved_server(to).await?;
        let mut slowest = 0;
        for check in &self.managed.service.checks {
            let request = ProbeRequest {
                check: check.clone(),
                target: self.managed.service.public_url.clone(),
                role: to,
                vantage: None,
                deadline: self.managed.service.policy.timeout,
                resolution: Resolution::Through(server),
            };
            let report = self.ports.probes.run(&request).await;
            if report.outcome != Outcome::Pass {
                let step = report.failed_step.map(|step| format!(" at '{step}'")).unwrap_or_default();
                let why = report.reason.unwrap_or_else(|| "no reason given".to_owned());
                let (outcome, url) = (report.outcome, &self.managed.service.public_url);
                return Err(PortError::retry(format!("{check} through {url}: {outcome}{step}: {why}")));
            }
            slowest = slowest.max(report.duration_ms);
        }
        Ok(said(format!(
            "{} works through {} ({slowest} ms)",
            list(&self.managed.service),
            self.managed.service.public_url
        )))
    }
}

fn list(service: &Service) -> String {
    service.checks.iter().map(|check| check.as_str()).collect::<Vec<_>>().join(", ")
}
