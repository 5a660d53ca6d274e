//! The outside world on one machine: a strict Route 53 with its name servers, a receiver for notices, and demo
//! clouds.
//!
//! `quorate demo` runs on it, drills rehearse on it and tests use it; all of them talk to it over the network, with
//! the official client where there is one, so nothing learns that it is not the real thing. It listens where it is
//! told (loopback, by default on ports the system chooses), keeps everything in memory, and ends all of it when
//! dropped.
//!
//! It refuses to be kinder than the real services: a stale DELETE is refused whole, an answer moves only when the
//! change has propagated, a request out of order is an error. [`Faults`] lists what can be broken on purpose, and
//! [`cloud`] has the sites that stand for a primary and its standby.
//!
//! On the API's listener:
//!
//! | path | what |
//! |---|---|
//! | `/2013-04-01/…` | Route 53 |
//! | `GET /lab` | `{"quorate":"lab","part":"route53"}`: the proof that it is a lab, for whoever is about to break it |
//! | `GET`, `POST /lab/faults` | the fault switchboard |
//! | `GET /lab/requests` | the log of mutating calls |
//! | `GET /lab/health` | the health checks as they stand |
//! | `GET /lab/canary/one`, `…/two`, `…/three` | neutral targets, which always answer 204 |
//! | `POST /slack/{channel}`, `POST /2010-04-01/Accounts/{sid}/Messages.json`, `GET /lab/notices` | notices |

mod canaries;
mod clock;
pub mod cloud;
mod dns;
mod error;
mod faults;
mod line;
mod notices;
mod requests;
mod route53;
mod switch;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use error::LabError;
pub use faults::{FaultChange, Faults};
pub use notices::{Notice, NoticeKind};
pub use requests::{Delivery, RequestEntry};
pub use route53::CheckState;

use crate::domain::{ClusterName, Service};
use faults::Switchboard;
use notices::Inbox;
use route53::{Api, HealthChecks, Store};

/// Where the lab listens, and its pace.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// Where the API listens; port 0 takes any free one.
    pub api: SocketAddr,
    /// Where the name server listens, UDP and TCP; port 0 takes one that is free for both.
    pub dns: SocketAddr,
    /// How long a change stays PENDING, until the switchboard says otherwise.
    pub propagation: Duration,
    /// Replaces the 10 or 30 seconds between the probes of a health check.
    pub health_check_interval: Option<Duration>,
}

impl Default for LabOptions {
    fn default() -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { api: anywhere, dns: anywhere, propagation: Duration::from_secs(2), health_check_interval: None }
    }
}

/// A running lab. Dropping it closes its listeners and every connection; [`Lab::shutdown`] also waits for the end.
#[derive(Debug)]
pub struct Lab {
    api: Arc<Api>,
    inbox: Arc<Inbox>,
    api_addr: SocketAddr,
    dns_addr: SocketAddr,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Lab {
    /// Binds the addresses and starts serving.
    pub async fn start(options: LabOptions) -> Result<Self, LabError> {
        const WHAT: &str = "the lab's API";
        let listener = line::bind(WHAT, options.api).await?;
        let api_addr = line::local_addr(WHAT, &listener)?;
        let sockets = dns::bind(options.dns).await?;
        let dns_addr = sockets.addr;

        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let store = Arc::new(Store::default());
        let interval = options.health_check_interval;
        let health = HealthChecks::new(Arc::clone(&store), interval, tasks.clone(), closing.clone())?;
        let health = Arc::new(health);
        let faults = Switchboard::new(options.propagation);
        let api = Arc::new(Api::new(store, Arc::clone(&health), faults, tasks.clone(), closing.clone()));
        let inbox = Arc::new(Inbox::default());
        let router = route53::router(Arc::clone(&api))
            .merge(switch::router(Arc::clone(&api)))
            .merge(notices::router(Arc::clone(&inbox)))
            .merge(canaries::router());
        line::serve(&tasks, listener, router, closing.clone());
        dns::serve(&tasks, sockets, dns::Authority { health }, closing.clone());
        Ok(Self { api, inbox, api_addr, dns_addr, tasks, closing })
    }

    /// The base URL of the API, to be given to a Route 53 client as its endpoint.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api_addr)
    }

    /// The neutral targets: what an agent's canaries can be.
    pub fn canary_urls(&self) -> [String; 3] {
        canaries::PATHS.map(|path| format!("{}{path}", self.api_url()))
    }

    /// The address of the name server, UDP and TCP.
    pub fn dns_addr(&self) -> SocketAddr {
        self.dns_addr
    }

    /// Creates a zone that is served at once, and returns its id. It is not in the log of requests.
    pub fn create_zone(&self, name: &str) -> Result<String, LabError> {
        let seeded = self.api.seed_zone(name, None);
        seeded.map_err(|error| refused(format!("the zone {name}"), error.code, error.message))
    }

    /// The same with an id that is known beforehand: a zone that stands for one of AWS' own, such as that of load balancers,
    /// which aliases name.
    pub fn create_zone_as(&self, id: &str, name: &str) -> Result<(), LabError> {
        let seeded = self.api.seed_zone(name, Some(id.to_owned()));
        seeded.map(|_| ()).map_err(|error| refused(format!("the zone {id} {name}"), error.code, error.message))
    }

    /// The health checks as they stand.
    pub fn health(&self) -> Vec<CheckState> {
        self.api.health.states()
    }

    /// Adds a simple record set to a zone, served at once. Values are as in the API: those of TXT in quotation marks.
    /// It is not in the log of requests.
    pub fn create_record(
        &self,
        zone_id: &str,
        name: &str,
        kind: &str,
        ttl: u32,
        values: &[&str],
    ) -> Result<(), LabError> {
        let seeded = self.api.seed_record(zone_id, name, kind, ttl, values);
        seeded.map_err(|error| refused(format!("the record {kind} {name}"), error.code, error.message))
    }

    /// Creates a zone for a service, named after the parent of the name that moves, with the records that a controller of
    /// `cluster` looks after, all served at once; returns the zone's id. It is not in the log of requests.
    pub fn seed_service(&self, cluster: &ClusterName, service: &Service) -> Result<String, LabError> {
        let name = &service.dns.name;
        let parent = name.split_once('.').map_or(name.as_str(), |(_, parent)| parent);
        let zone = self.create_zone(parent)?;
        self.seed_records(&zone, cluster, service)?;
        Ok(zone)
    }

    /// Creates the records that a controller of `cluster` looks after in a zone that is there, all served at once. The targets
    /// of aliases must be there, too. It is not in the log of requests.
    pub fn seed_records(&self, zone: &str, cluster: &ClusterName, service: &Service) -> Result<(), LabError> {
        let seeded = self.api.seed_service(zone, cluster, service);
        seeded.map_err(|error| refused(format!("the records of {}", service.dns.name), error.code, error.message))
    }

    /// Sets switches of the fault switchboard, as `POST /lab/faults` does.
    pub fn set_faults(&self, change: FaultChange) -> Faults {
        self.api.faults.set(change)
    }

    /// The log of mutating calls, oldest first.
    pub fn requests(&self) -> Vec<RequestEntry> {
        self.api.log.entries()
    }

    /// The notices received, oldest first.
    pub fn notices(&self) -> Vec<Notice> {
        self.inbox.notices()
    }

    /// Closes everything and waits until it is closed.
    pub async fn shutdown(self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

fn refused(what: String, code: &str, message: String) -> LabError {
    LabError::Refused { what, code: code.to_owned(), message }
}
