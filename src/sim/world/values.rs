//! The one place where the simulator makes values of the domain: the service, its vantages, its policies.

use std::time::Duration;

use super::SimError;
use crate::domain::{
    CheckName, ClusterName, DnsLane, DnsTarget, Dnssec, Policy, PolicyValues, RecordType, Routing, Service,
    ServiceName, Site, SiteName, Vantage, VantageName,
};

/// Five vantages in three clouds, as the default policy asks for.
const VANTAGES: [(&str, &str); 5] =
    [("aws-1", "aws"), ("aws-2", "aws"), ("gcp-1", "gcp"), ("gcp-2", "gcp"), ("azure-1", "azure")];

/// How many vantages there are.
pub(super) const AGENTS: usize = VANTAGES.len();

/// How often an agent probes both sites, in milliseconds: the policies' interval.
pub(super) const INTERVAL_MS: u64 = 5_000;

/// A record beside ours, which nobody may touch (S17).
pub(super) const NEIGHBOUR: &str = "www.example.org";

/// What a controller is configured with.
#[derive(Debug, Clone)]
pub(super) struct Values {
    pub(super) cluster: ClusterName,
    /// The same service under the policies between which a push of the configuration changes.
    pub(super) services: [Service; 2],
}

impl Values {
    pub(super) fn new() -> Result<Self, SimError> {
        let cluster = ClusterName::new("sim").map_err(SimError::of)?;
        let services = [service(policy("watchful", watchful())?)?, service(policy("patient", patient())?)?];
        Ok(Self { cluster, services })
    }

    /// The service under the policy with that number; any but 1 is 0.
    pub(super) fn service(&self, policy: usize) -> &Service {
        let [first, second] = &self.services;
        if policy == 1 { second } else { first }
    }
}

/// The default policy in a hurry: a run lasts some minutes.
fn watchful() -> PolicyValues {
    PolicyValues {
        burst: None,
        warm_up: 3,
        settle: Duration::from_secs(20),
        confirm: Duration::from_secs(10),
        recovered_after: Duration::from_secs(15),
        cool_down: Duration::from_secs(60),
        // A new controller begins to wait anew, and the people of a run ask four times and go home.
        failback_after: Duration::ZERO,
        ..PolicyValues::default()
    }
}

/// Plain counting, and a longer confirmation.
fn patient() -> PolicyValues {
    PolicyValues { up_after: 2, confirm: Duration::from_secs(25), ..PolicyValues::counting(4) }
}

fn policy(name: &str, values: PolicyValues) -> Result<Policy, SimError> {
    Policy::new(name, values).map_err(|errors| SimError(errors.iter().map(ToString::to_string).collect()))
}

fn service(policy: Policy) -> Result<Service, SimError> {
    let site = |name: &str, answer: &str| -> Result<Site, SimError> {
        Ok(Site {
            name: SiteName::new(name).map_err(SimError::of)?,
            cloud: name.to_owned(),
            url: format!("http://{answer}/").parse().map_err(SimError::of)?,
            answer: answer.to_owned(),
            alias_zone: None,
            health_check: None,
        })
    };
    let vantage = |(name, cloud): &(&str, &str)| -> Result<Vantage, SimError> {
        let name = VantageName::new(name).map_err(SimError::of)?;
        Ok(Vantage {
            name,
            cloud: (*cloud).to_owned(),
            region: "r".to_owned(),
            network: None,
            account: format!("probe-{cloud}"),
        })
    };
    Ok(Service {
        name: ServiceName::new("login").map_err(SimError::of)?,
        public_url: "http://login.example.org/".parse().map_err(SimError::of)?,
        dns: DnsTarget {
            zone: "Z1".to_owned(),
            name: "login.example.org".to_owned(),
            kind: RecordType::A,
            ttl_s: 30,
            routing: Routing::Failover,
            lane: DnsLane::Records,
            also: Vec::new(),
            dnssec: Dnssec::off(),
            authoritative: ["192.0.2.53:53", "198.51.100.53:53"]
                .iter()
                .map(|addr| addr.parse().map_err(SimError::of))
                .collect::<Result<_, _>>()?,
        },
        primary: site("aws", "192.0.2.1")?,
        standby: site("azure", "192.0.2.2")?,
        checks: vec![CheckName::new("login").map_err(SimError::of)?],
        critical: Vec::new(),
        veto: None,
        fence: false,
        maintenance: Vec::new(),
        drills: Default::default(),
        policy,
        vantages: VANTAGES.iter().map(vantage).collect::<Result<_, _>>()?,
    })
}
