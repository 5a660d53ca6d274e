//! Carries out one step, which leaves nothing to choose, and says how it went. Each can be run again without doubling its effect.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::outside::Ports;
use super::zone;
use crate::domain::{ClusterName, Outcome, Role, Service, Step, StepDetail};
use crate::engine::{StepOrder, StepSuccess};
use crate::ports::{ChangeState, PortError, ProbeRequest, Resolution, StandbyControl, WriteProbe};

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
    pub(super) service: Service,
    pub(super) standby: Arc<dyn StandbyControl>,
    pub(super) ports: Ports,
}

fn said(text: impl Into<String>) -> StepSuccess {
    StepSuccess { detail: StepDetail { text: text.into(), change: None }, records: None }
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
        let (name, plan) = (&self.service.name, order.plan.id());
        match order.step {
            Step::AskVeto => self.veto(order.plan.to()).await,
            Step::EnterReadOnly => {
                self.standby.enter_read_only(&order.fence, name, plan).await?;
                Ok(said(format!("{} says that it is read-only", self.service.standby.name)))
            }
            Step::VerifyReadOnly => match self.standby.probe_write(&order.fence, name, plan).await? {
                WriteProbe::Refused { how } => Ok(said(format!("a write was refused: {how}"))),
                WriteProbe::Accepted { how } => {
                    Err(PortError::refused(format!("{} still accepts writes: {how}", self.service.standby.name)))
                }
            },
            Step::FlipRecords => self.flip(order).await,
            Step::AwaitInSync => self.await_in_sync(order).await,
            Step::VerifyAnswers => self.verify_answers(order.plan.to()).await,
            Step::VerifyPublicLogin => self.public_login(order.plan.to()).await,
        }
    }

    /// The service's own script has the last word. What could not be asked is no "go".
    async fn veto(&self, to: Role) -> Result<StepSuccess, PortError> {
        let Some(check) = &self.service.veto else {
            return Err(PortError::broken("the plan has a veto, and the configuration names no veto check any more"));
        };
        let request = ProbeRequest {
            check: check.clone(),
            target: self.service.site(to).url.clone(),
            role: to,
            vantage: None,
            deadline: self.service.policy.timeout,
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

    async fn flip(&self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        let Some((present, intent)) = &order.flip else {
            return Err(PortError::broken("a flip without its tokens"));
        };
        let (cluster, service) = (&self.cluster, &self.service);
        let flipped = zone::flip(self.ports.dns.as_ref(), &order.fence, cluster, service, present, intent).await?;
        let how = match (&flipped.change, flipped.read_back) {
            (Some(change), _) => format!("accepted as {change}"),
            (None, _) => "the answer was lost, and reading back shows it applied".to_owned(),
        };
        let text = format!("{} → {}: {how}", service.dns.name, service.site(order.plan.to()).answer);
        Ok(StepSuccess { detail: StepDetail { text, change: flipped.change }, records: Some(flipped.records) })
    }

    async fn await_in_sync(&self, order: &StepOrder) -> Result<StepSuccess, PortError> {
        let Some(change) = &order.change else {
            // Nothing to ask about: the next step asks the name servers themselves.
            return Ok(said("the change's id is not known (its answer was lost), so the name servers decide"));
        };
        let until = Instant::now() + ASK_FOR;
        loop {
            match self.ports.dns.change_state(change).await? {
                ChangeState::InSync => return Ok(said(format!("{change} is in sync"))),
                ChangeState::Pending if Instant::now() >= until => {
                    return Err(PortError::retry(format!("{change} is still pending after {} s", ASK_FOR.as_secs())));
                }
                ChangeState::Pending => sleep(SYNC_POLL).await,
            }
        }
    }

    /// The servers to ask: those of the configuration, else those of the zone's delegation.
    async fn servers(&self) -> Result<Vec<(String, SocketAddr)>, PortError> {
        let dns = &self.service.dns;
        if !dns.authoritative.is_empty() {
            return Ok(dns.authoritative.iter().map(|addr| (addr.to_string(), *addr)).collect());
        }
        let mut servers = Vec::new();
        for host in self.ports.dns.name_servers(&dns.zone).await? {
            let addresses = self.ports.resolver.addresses(&host).await?;
            // A controller without IPv6 must still be able to verify: a host's IPv6 addresses are asked only where it has no others.
            let only_v6 = addresses.iter().all(std::net::IpAddr::is_ipv6);
            let asked = addresses.into_iter().filter(|ip| only_v6 || ip.is_ipv4());
            servers.extend(asked.map(|ip| (host.clone(), SocketAddr::new(ip, DNS_PORT))));
        }
        if servers.is_empty() {
            return Err(PortError::retry(format!("zone {} has no name servers to ask", dns.zone)));
        }
        Ok(servers)
    }

    async fn verify_answers(&self, to: Role) -> Result<StepSuccess, PortError> {
        let servers = self.servers().await?;
        let (dns, wanted) = (&self.service.dns, self.service.site(to).answer.trim_end_matches('.'));
        let until = Instant::now() + ASK_FOR;
        for (host, addr) in &servers {
            loop {
                let found = match self.ports.resolver.ask(*addr, &dns.name, dns.kind).await {
                    Ok(answers) => match answers.as_slice() {
                        [only] if only.trim_end_matches('.').eq_ignore_ascii_case(wanted) => break,
                        [] => "nothing".to_owned(),
                        others => others.join(", "),
                    },
                    Err(error) => error.to_string(),
                };
                if Instant::now() >= until {
                    let text = format!("{host} ({addr}) answers {found} for {} instead of {wanted}", dns.name);
                    return Err(PortError::retry(text));
                }
                sleep(ANSWER_POLL).await;
            }
        }
        let count = servers.len();
        let noun = if count == 1 { "server answers" } else { "servers answer" };
        Ok(said(format!("{count} authoritative {noun} {wanted}")))
    }

    async fn public_login(&self, to: Role) -> Result<StepSuccess, PortError> {
        let servers = self.servers().await?;
        let Some((_, server)) = servers.first() else {
            return Err(PortError::retry("no name server to ask"));
        };
        let mut slowest = 0;
        for check in &self.service.checks {
            let request = ProbeRequest {
                check: check.clone(),
                target: self.service.public_url.clone(),
                role: to,
                vantage: None,
                deadline: self.service.policy.timeout,
                resolution: Resolution::Through(*server),
            };
            let report = self.ports.probes.run(&request).await;
            if report.outcome != Outcome::Pass {
                let step = report.failed_step.map(|step| format!(" at '{step}'")).unwrap_or_default();
                let why = report.reason.unwrap_or_else(|| "no reason given".to_owned());
                let (outcome, url) = (report.outcome, &self.service.public_url);
                return Err(PortError::retry(format!("{check} through {url}: {outcome}{step}: {why}")));
            }
            slowest = slowest.max(report.duration_ms);
        }
        Ok(said(format!("{} works through {} ({slowest} ms)", list(&self.service), self.service.public_url)))
    }
}

fn list(service: &Service) -> String {
    service.checks.iter().map(|check| check.as_str()).collect::<Vec<_>>().join(", ")
}
