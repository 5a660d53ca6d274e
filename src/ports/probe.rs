//! Running a check against a site.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::domain::{CheckName, Generation, ProbeReport, Role, VantageName};

/// How the probe turns the target's name into an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// As this machine does.
    System,
    /// By asking this name server, and no cache: what the flip's verification uses.
    Through(SocketAddr),
}

/// One probe to run.
#[derive(Debug, Clone)]
pub struct ProbeRequest {
    /// Which check.
    pub check: CheckName,
    /// The site's base URL.
    pub target: Url,
    /// The role of the site.
    pub role: Role,
    /// Where the probe runs; absent on an SRE's laptop.
    pub vantage: Option<VantageName>,
    /// The wall-clock limit, after which the probe ends whatever the script does.
    pub deadline: Duration,
    /// How names are resolved.
    pub resolution: Resolution,
}

/// Runs checks. It never fails: whatever goes wrong is an outcome.
#[async_trait]
pub trait ProbeRunner: Send + Sync {
    /// Runs one probe to its end or its deadline.
    async fn run(&self, request: &ProbeRequest) -> ProbeReport;

    /// The mark of the check's script and settings, which changes when they do; the default for a check that is not there.
    fn generation(&self, check: &CheckName) -> Generation;
}
