//! What a configuration says, once it has been judged: domain values, with every name resolved.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use super::Place;
use crate::domain::{CheckName, ClusterName, Secret, Secrets, Service, Vantage};

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// All controllers with this name share one journal and own the same records.
    pub cluster: ClusterName,
    /// The controller's own settings.
    pub controller: Controller,
    /// The agents' settings.
    pub agents: Agents,
    /// Where probes run, in the order of the file.
    pub vantages: Vec<Vantage>,
    /// What is looked after, in the order of the file.
    pub services: Vec<ServiceConfig>,
    /// The scripts that say what "up" means, by name.
    pub checks: Vec<Check>,
    /// Who is told.
    pub notify: Notify,
    /// Every secret, for striking values out of whatever is printed.
    pub secrets: Secrets,
}

/// The controller's own settings.
#[derive(Debug, Clone)]
pub struct Controller {
    /// Where its HTTP API listens; default `127.0.0.1:7070`.
    pub listen: SocketAddr,
    /// The file of its journal; default `quorate.db` beside the configuration.
    pub data: PathBuf,
    /// What callers of its API present; always there unless `listen` is a loopback address.
    pub token: Option<Secret>,
}

/// The agents' settings.
#[derive(Debug, Clone)]
pub struct Agents {
    /// Every controller, each of which gets every observation; default the controller's own `listen`.
    pub controllers: Vec<Url>,
    /// How many observations an agent keeps while no controller answers, 1 to 10,000,000; default 10,000.
    pub spool: usize,
}

/// A service and what the domain need not know of it.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// The service itself.
    pub service: Service,
    /// How its standby is made read-only.
    pub read_only: ReadOnly,
    /// Where the file says `dns.zone`: whether there is such a zone, only its provider knows.
    pub zone_at: Place,
}

/// The standby's admin endpoint.
#[derive(Debug, Clone)]
pub struct ReadOnly {
    /// Where the signed request for read-only mode goes.
    pub url: Url,
    /// Where a write must then be refused.
    pub write_probe: Url,
    /// The key that signs.
    pub key: Secret,
}

/// A check: a script with its parameters and the secrets that it may see.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name.
    pub name: CheckName,
    /// The script's file.
    pub path: PathBuf,
    /// The script's text.
    pub source: String,
    /// What the script reads as parameters.
    pub params: BTreeMap<String, String>,
    /// Only the secrets that the check lists.
    pub secrets: Secrets,
}

/// Who is told.
#[derive(Debug, Clone, Default)]
pub struct Notify {
    /// The webhook of the ordinary channel: an http or https URL, and a secret.
    pub slack: Option<Secret>,
    /// The webhook of the louder channel, for the second failing verdict in a row.
    pub slack_loud: Option<Secret>,
    /// The text messages that go with the louder channel.
    pub sms: Option<Sms>,
}

/// Text messages through Twilio's Messages resource.
#[derive(Debug, Clone)]
pub struct Sms {
    /// The API; default `https://api.twilio.com`.
    pub base_url: Url,
    /// The account.
    pub account_sid: String,
    /// The account's token.
    pub token: Secret,
    /// A telephone number of the account, or a sender's name.
    pub from: String,
    /// Who is texted: at least one telephone number.
    pub to: Vec<String>,
}
