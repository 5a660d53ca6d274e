//! Control of a site's writes: refusing them, allowing them again, trying one, and saying how far its data has come.
//!
//! ```text
//! Chain ── the SiteControl of one site: its controls in order, and a check that tries a write as a user does
//!   ├ http      endpoints that the application offers         ├ redis    a replica, or a primary without replicas enough
//!   ├ postgres  recovery, or default_transaction_read_only    ├ script   a Rhai hook in the sandbox of checks
//!   ├ mysql     super_read_only; MariaDB's read_only          └ command  an allow-listed program
//! ```
//!
//! What all of them hold to:
//! - Each act is idempotent, ends within [`LIMIT`] (a command within its own), and is **verified in a session of its own** before it counts.
//! - A write is refused only by the very refusal that the system documents for it (S15). Whatever else goes wrong is an error.
//! - Errors name the site, the place and the way out; a password or key is struck out of them.

mod chain;
pub mod command;
pub mod http;
pub mod mysql;
pub mod postgres;
pub mod redis;
pub mod script;
mod tls;

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

pub use chain::{Chain, TriedWrite};
pub use tls::Tls;

use super::outbound::quote;
use crate::domain::{Fence, PlanId, PortError, Position, Role, Secret, Secrets, ServiceName, SiteName};
use crate::ports::WriteProbe;

/// How long any one act of a control may take. Switching a flag takes milliseconds; a site that needs longer under load will not carry
/// the users of the primary either, and the step is tried again.
pub const LIMIT: Duration = Duration::from_secs(5);

/// On whose authority, for what and why something is done.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// The proof of authority.
    pub fence: &'a Fence,
    /// The service.
    pub service: &'a ServiceName,
    /// The plan.
    pub plan: &'a PlanId,
}

/// One means of controlling a site's writes; see the module.
#[async_trait]
pub trait Control: Send + Sync {
    /// Makes the site refuse writes, and verifies it.
    async fn enter(&self, act: Act<'_>) -> Result<(), PortError>;

    /// Lets the site take writes again, and verifies it.
    async fn leave(&self, act: Act<'_>) -> Result<(), PortError>;

    /// Tries a write; nothing where this control has no way to try one.
    async fn probe(&self, act: Act<'_>) -> Result<Option<WriteProbe>, PortError>;

    /// How old the last change is that the site has received and applied, by its own word; nothing where it has none.
    async fn lag(&self, _service: &ServiceName) -> Result<Option<Duration>, PortError> {
        Ok(None)
    }

    /// How far the site's data has come; nothing where this control cannot tell.
    async fn position(&self, _service: &ServiceName) -> Result<Option<Position>, PortError> {
        Ok(None)
    }
}

/// A control and the name that positions go by: both sites give the same one to what replicates from one to the other.
#[derive(Clone)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The control.
    pub control: Arc<dyn Control>,
}

/// A site in words: `the standby 'azure'`.
pub fn words(role: Role, site: &SiteName) -> String {
    format!("the {role} '{site}'")
}

/// A database's server and how to log in there.
#[derive(Clone)]
pub struct Database {
    /// Whose it is: `the standby 'azure'`.
    pub site: String,
    /// Its host's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// With what password, if any.
    pub password: Option<Secret>,
    /// Into which database.
    pub database: String,
    /// How connections are secured.
    pub tls: Tls,
    /// Whether a replica may be made a primary when it is to take writes. It cannot be undone.
    pub promote: bool,
    /// The table that a write is tried on, `name` or `schema.name`.
    pub probe_table: Option<String>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} as {}", self.host, self.port, self.user)
    }
}

impl Database {
    /// What errors begin with.
    fn who(&self, kind: &str) -> String {
        let Self { site, host, port, user, database, .. } = self;
        let host =
            if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) { format!("[{host}]") } else { host.clone() };
        let database = if database.is_empty() { String::new() } else { format!(", database {database}") };
        format!("{site}: {kind} at {host}:{port} (user {user}{database})")
    }

    /// A line of the server's or the network's without the password.
    fn quote(&self, text: &str) -> String {
        let secrets: Secrets =
            self.password.iter().map(|password| ("password".to_owned(), password.clone())).collect();
        quote(&secrets.redact(text))
    }
}

/// The work within the limit, or the error that it did not come to an end.
async fn within<T>(
    who: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, PortError>> + Send,
) -> Result<T, PortError> {
    match timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(PortError::retry(format!(
            "{who}: no answer within {} s: is it overloaded, or a firewall silent?",
            limit.as_secs()
        ))),
    }
}

/// An error and its causes in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        source = cause.source();
    }
    line
}
