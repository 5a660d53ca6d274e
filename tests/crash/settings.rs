//! What both parts must agree on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate::adapters::route53::Route53;
use quorate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner};
use quorate::domain::{
    CheckName, ClusterName, DnsLane, DnsTarget, Policy, PolicyValues, RecordType, Routing, Secret, Service,
    ServiceName, Site, SiteName, Vantage, VantageName,
};
use serde::{Deserialize, Serialize};
use url::Url;

pub(crate) const SERVICE: &str = "login";
pub(crate) const NAME: &str = "login.crash.test";
pub(crate) const PRIMARY: &str = "127.0.0.11";
pub(crate) const STANDBY: &str = "127.0.0.12";
pub(crate) const USER: &str = "probe";
pub(crate) const PASSWORD: &str = "not-a-real-password";
pub(crate) const ADMIN_KEY: &str = "not-a-real-key";
pub(crate) const NUMBER: &str = "+15550100101";

/// What a child is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) store: PathBuf,
    /// Where the child writes down which boundaries it passes.
    pub(crate) trace: PathBuf,
    /// Where it dies.
    pub(crate) kill_at: Option<String>,
    pub(crate) lab: Url,
    pub(crate) dns: SocketAddr,
    pub(crate) zone: String,
    pub(crate) port: u16,
}

impl Settings {
    /// The service under test.
    pub(crate) fn service(&self) -> Service {
        service(&self.zone, self.port, self.dns)
    }

    /// The provider, with no setting of this machine in it.
    pub(crate) fn provider(&self) -> Route53 {
        Route53::at(&self.lab, "lab", &Secret::new("lab"))
    }
}

pub(crate) fn cluster() -> ClusterName {
    ClusterName::new("crash").unwrap()
}

pub(crate) fn url(host: &str, port: u16, path: &str) -> Url {
    Url::parse(&format!("http://{host}:{port}{path}")).unwrap()
}

pub(crate) fn service(zone: &str, port: u16, dns: SocketAddr) -> Service {
    let site = |name: &str, host: &str| Site {
        name: SiteName::new(name).unwrap(),
        cloud: name.to_owned(),
        url: url(host, port, "/"),
        answer: host.to_owned(),
        alias_zone: None,
        health_check: None,
    };
    let vantage = |name: &str, cloud: &str| Vantage {
        name: VantageName::new(name).unwrap(),
        cloud: cloud.to_owned(),
        region: "here".to_owned(),
        network: None,
        account: "default".to_owned(),
    };
    // `interval` paces the second verdict and `timeout` limits the public login: nothing here is true only on a fast machine.
    let policy = PolicyValues {
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        quorum: 3,
        clouds: 2,
        up_after: 2,
        fresh_for: Duration::from_secs(5),
        confirm: Duration::from_millis(1_100),
        ..PolicyValues::counting(2)
    };
    Service {
        name: ServiceName::new(SERVICE).unwrap(),
        public_url: url(NAME, port, "/"),
        dns: DnsTarget {
            zone: zone.to_owned(),
            name: NAME.to_owned(),
            kind: RecordType::A,
            ttl_s: 30,
            routing: Routing::Failover,
            lane: DnsLane::Records,
            also: Vec::new(),
            authoritative: vec![dns],
        },
        primary: site("aws", PRIMARY),
        standby: site("azure", STANDBY),
        checks: vec![CheckName::new("login").unwrap()],
        critical: Vec::new(),
        veto: None,
        fence: false,
        maintenance: Vec::new(),
        policy: Policy::new("crash", policy).unwrap(),
        vantages: vec![
            vantage("aws-1", "aws"),
            vantage("aws-2", "aws"),
            vantage("azure-1", "azure"),
            vantage("gcp-1", "gcp"),
            vantage("hetzner-1", "hetzner"),
        ],
    }
}

/// The shipped check.
pub(crate) fn runner() -> Arc<RhaiRunner> {
    let secrets = [("probe-user", USER), ("probe-password", PASSWORD)];
    let script = CheckScript {
        name: CheckName::new("login").unwrap(),
        path: PathBuf::from("login.rhai"),
        source: include_str!("../../checks/login.rhai").to_owned(),
        params: std::collections::BTreeMap::new(),
        secrets: secrets.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value))).collect(),
        reach: Reach::default(),
        limits: Limits::default(),
    };
    Arc::new(RhaiRunner::new(vec![script]).unwrap())
}
