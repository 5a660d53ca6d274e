//! Canaries over the network: neutral targets that say whether this machine can see anything at all.
//!
//! `https://` and `http://`: any answer counts, a redirect or an error too, because it came from there. Certificates are verified, so that
//! nobody on the way can answer for the target; plain HTTP has no such proof. `tcp://host:port`: that a connection comes about.
//!
//! Like the probes it uses no proxy, follows no redirect and keeps no connection: it must see what a probe would see.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::outbound;
use crate::domain::Canaries;
use crate::ports::{CanaryRunner, PortError};

/// How long a target has. Neutral targets are near and quick; one that is not is as good as silent.
const WITHIN: Duration = Duration::from_secs(2);
/// For how long an answer stands for those who ask next: failures come in bunches.
const REUSED_FOR: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct NetworkCanaries {
    targets: Vec<Arc<Target>>,
    needed: usize,
    /// What was said last, and when. Held while the targets are asked, so that they are asked once for all who wait.
    last: Mutex<Option<(Instant, Canaries)>>,
}

#[derive(Debug)]
enum Target {
    Http(Client, Url),
    Tcp(String, u16),
}

impl NetworkCanaries {
    /// Asks these targets, of which so many must answer. Without targets nothing is ever asked.
    ///
    /// # Errors
    /// A target is neither `https://…`, `http://…` nor `tcp://host:port`; `needed` is 0 or more than there are targets; or the TLS
    /// library cannot be set up.
    pub fn new(targets: &[Url], needed: usize) -> Result<Self, PortError> {
        if !targets.is_empty() && !(1..=targets.len()).contains(&needed) {
            let count = targets.len();
            return Err(PortError::broken(format!("{needed} of {count} canaries are to answer: use 1 to {count}")));
        }
        let client = outbound::direct_client(WITHIN)?;
        let targets = targets.iter().map(|url| Target::of(url, &client).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Self { targets, needed, last: Mutex::new(None) })
    }

    /// Asks all at the same time, until it is clear.
    async fn round(&self) -> Canaries {
        let mut asked = JoinSet::new();
        for target in &self.targets {
            let target = Arc::clone(target);
            asked.spawn(async move { timeout(WITHIN, target.answers()).await.unwrap_or(false) });
        }
        let mut answers = 0;
        while answers < self.needed && answers + asked.len() >= self.needed {
            if let Some(Ok(true)) = asked.join_next().await {
                answers += 1;
            }
        }
        if answers >= self.needed { Canaries::Answered } else { Canaries::Silent }
    }
}

#[async_trait]
impl CanaryRunner for NetworkCanaries {
    async fn ask(&self) -> Canaries {
        if self.targets.is_empty() {
            return Canaries::Unasked;
        }
        let mut last = self.last.lock().await;
        if let Some((at, said)) = *last
            && at.elapsed() < REUSED_FOR
        {
            return said;
        }
        let said = self.round().await;
        *last = Some((Instant::now(), said));
        said
    }
}

impl Target {
    fn of(url: &Url, client: &Client) -> Result<Self, PortError> {
        match (url.scheme(), url.host(), url.port()) {
            ("https" | "http", Some(_), _) => Ok(Self::Http(client.clone(), url.clone())),
            ("tcp", Some(host), Some(port)) if matches!(url.path(), "" | "/") => {
                let host = match host {
                    Host::Domain(name) => name.to_owned(),
                    Host::Ipv4(ip) => ip.to_string(),
                    Host::Ipv6(ip) => ip.to_string(),
                };
                Ok(Self::Tcp(host, port))
            }
            _ => {
                Err(PortError::broken(format!("canary '{url}': use https://host/, http://host/ or tcp://host:port")))
            }
        }
    }

    async fn answers(&self) -> bool {
        match self {
            Self::Http(client, url) => client.get(url.clone()).send().await.is_ok(),
            Self::Tcp(host, port) => TcpStream::connect((host.as_str(), *port)).await.is_ok(),
        }
    }
}
