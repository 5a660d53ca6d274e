//! How each site's writes are controlled: `[[service.standby.control]]`, `[[service.primary.control]]`, and the short form
//! `[service.standby.read_only]`.
//!
//! Refused here: a standby without any control, a control without what its kind needs, a site where nothing tries a write, a program that is
//! not on the list at the top of the file.

mod draft;
mod judge;

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub(super) use draft::{ControlDraft, ReadOnlyDraft, program};
pub(super) use judge::{Judge, apart};

use super::Check;
use crate::domain::{CheckName, Secret, Secrets};

/// How one site's writes are controlled.
#[derive(Debug, Clone, Default)]
pub struct SiteControls {
    /// The controls in their order; at least one on the standby, and none where the primary cannot be fenced.
    pub controls: Vec<ControlConfig>,
    /// The check that passes if a write was refused.
    pub write_probe: Option<CheckName>,
}

impl SiteControls {
    /// The first control that is an application's own endpoints.
    pub fn http(&self) -> Option<&HttpControl> {
        self.controls.iter().find_map(|control| match &control.kind {
            ControlKind::Http(http) => Some(http),
            ControlKind::Database(_) | ControlKind::Script(_) | ControlKind::Command(_) => None,
        })
    }
}

/// One control.
#[derive(Debug, Clone)]
pub struct ControlConfig {
    /// What its positions go by on both sites; default the kind's word.
    pub name: String,
    /// What it is.
    pub kind: ControlKind,
}

/// What a control is.
#[derive(Debug, Clone)]
pub enum ControlKind {
    /// Endpoints that the application offers.
    Http(HttpControl),
    /// A database's server.
    Database(Box<DatabaseControl>),
    /// A script with `fn enter()`, `fn verify()` and `fn leave()`.
    Script(Box<Check>),
    /// A program.
    Command(CommandControl),
}

/// An application's own endpoints.
#[derive(Debug, Clone)]
pub struct HttpControl {
    /// Where the signed request for read-only mode goes.
    pub url: Url,
    /// Where a write must then be refused; always there where the site has no check that tries one.
    pub write_probe: Option<Url>,
    /// Where it says how far its data is behind.
    pub lag: Option<Url>,
    /// The key that signs.
    pub key: Secret,
}

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
    /// Redis or Valkey.
    Redis,
}

impl Engine {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
        }
    }

    /// Where it listens unless it is told otherwise.
    fn port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Mysql => 3306,
            Self::Redis => 6379,
        }
    }
}

/// A database's server.
#[derive(Debug, Clone)]
pub struct DatabaseControl {
    /// Which it is.
    pub engine: Engine,
    /// Its host.
    pub host: String,
    /// Its port; default the engine's usual one.
    pub port: u16,
    /// Who logs in; for Redis `default` unless it is said.
    pub user: String,
    /// With what password.
    pub password: Option<Secret>,
    /// Into which database; default `postgres` for PostgreSQL, and none elsewhere.
    pub database: String,
    /// Whether the connection is secured; default yes, unless `host` is a loopback address.
    pub tls: bool,
    /// The authorities that are trusted in place of the machine's own, as PEM.
    pub ca: Option<Vec<u8>>,
    /// Whether a replica may be promoted; default no.
    pub promote: bool,
    /// The table that a write is tried on; MySQL needs one.
    pub probe_table: Option<String>,
    /// Who tries it, where that is somebody else, and the password.
    pub probe_user: Option<(String, Option<Secret>)>,
}

/// A program.
#[derive(Debug, Clone)]
pub struct CommandControl {
    /// Its path, one of the list at the top of the file.
    pub program: PathBuf,
    /// Its first arguments.
    pub args: Vec<String>,
    /// What it finds in its environment, by the secrets' names.
    pub secrets: Secrets,
    /// How long it may run, 1 s to 30 s; default 5 s.
    pub timeout: Duration,
}
