//! Who watches what: the policy under test, and the agents and services that it is tried on.

use super::catalogue::{Scenario, Twist};
use super::desk::DeskError;
use super::fault::{PRIMARY_CLOUD, STANDBY_CLOUD, Seat};
use crate::domain::{
    CheckName, DnsLane, DnsTarget, Policy, RecordType, Routing, Service, ServiceName, Site, SiteName, Vantage,
    VantageName,
};

/// Agents unless said otherwise (safety.md 3.7).
pub const AGENTS: usize = 5;
/// The most agents that are simulated.
pub const AGENTS_MAX: usize = 99;

/// The clouds that agents stand in, in turn: five agents are two, two and one.
const CLOUDS: [&str; 3] = ["aws", "gcp", "azure"];

/// See the module.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The policy under test.
    pub policy: Policy,
    /// How many agents there are, from the policy's quorum up to [`AGENTS_MAX`], in turn in three clouds.
    pub agents: usize,
    /// Whether agents ask canaries when a probe fails. Without, the loss of an agent's own network looks like an outage.
    pub canaries: bool,
}

impl Setting {
    /// Five agents with canaries.
    pub fn new(policy: Policy) -> Self {
        Self { policy, agents: AGENTS, canaries: true }
    }

    /// Where an agent sits.
    pub(super) fn seat(&self, agent: usize) -> Seat {
        let place = (agent as f64 + 0.5) / self.agents.max(1) as f64;
        Seat { place, cloud: agent % CLOUDS.len(), fresh: None }
    }

    /// The services of a scenario, with those who watch them.
    pub(super) fn services(&self, scenario: &Scenario) -> Result<Vec<Service>, DeskError> {
        let count = if let Twist::Services(count) = scenario.twist { count } else { 1 };
        let two_accounts = scenario.twist == Twist::TwoAccounts;
        let vantages = (0..self.agents)
            .map(|agent| {
                let cloud = CLOUDS.get(agent % CLOUDS.len()).copied().unwrap_or_default();
                Ok(Vantage {
                    name: VantageName::new(&format!("{cloud}-{}", agent / CLOUDS.len() + 1))?,
                    cloud: cloud.to_owned(),
                    region: "simulated".to_owned(),
                    network: None,
                    account: if two_accounts && agent % 2 == 1 { "second" } else { "first" }.to_owned(),
                })
            })
            .collect::<Result<Vec<_>, DeskError>>()?;
        (0..count)
            .map(|number| {
                let name = format!("login-{number}");
                Ok(Service {
                    name: ServiceName::new(&name)?,
                    public_url: address("login.example.org")?,
                    dns: DnsTarget {
                        zone: "Z1".to_owned(),
                        name: format!("{name}.example.org"),
                        kind: RecordType::A,
                        ttl_s: 30,
                        routing: Routing::Failover,
                        lane: DnsLane::Records,
                        also: Vec::new(),
                        authoritative: Vec::new(),
                    },
                    primary: site(PRIMARY_CLOUD, "192.0.2.1")?,
                    standby: site(STANDBY_CLOUD, "192.0.2.2")?,
                    checks: vec![CheckName::new("login")?],
                    critical: Vec::new(),
                    maintenance: Vec::new(),
                    veto: None,
                    fence: false,
                    policy: self.policy.clone(),
                    vantages: vantages.clone(),
                })
            })
            .collect()
    }
}

fn site(cloud: usize, answer: &str) -> Result<Site, DeskError> {
    let cloud = CLOUDS.get(cloud).copied().unwrap_or_default();
    let (name, url) = (SiteName::new(cloud)?, address(answer)?);
    Ok(Site { name, cloud: cloud.to_owned(), url, answer: answer.to_owned(), alias_zone: None, health_check: None })
}

fn address(host: &str) -> Result<url::Url, DeskError> {
    Ok(format!("https://{host}/").parse()?)
}
