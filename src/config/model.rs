//! What a configuration says, once it has been judged: domain values, with every name resolved.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::{Flag, Place, Provider, SecondZone, SiteControls};
use crate::domain::{CheckName, ClusterName, Limits, Secret, Secrets, Service, Vantage, VantageName};

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// All controllers with this name share one journal and own the same records.
    pub cluster: ClusterName,
    /// The controller's own settings.
    pub controller: Controller,
    /// The agents' settings.
    pub agents: Agents,
    /// What holds for all services together.
    pub limits: Limits,
    /// What is kept, and for how long.
    pub store: Store,
    /// Where probes run, in the order of the file.
    pub vantages: Vec<Vantage>,
    /// What is looked after, in the order of the file.
    pub services: Vec<ServiceConfig>,
    /// The scripts that say what "up" means, by name.
    pub checks: Vec<Check>,
    /// The files that scripts share: `lib/*.rhai` in the folder of checks, in order.
    pub library: Vec<SharedScript>,
    /// Who is told.
    pub notify: Notify,
    /// Every secret, for striking values out of whatever is printed.
    pub secrets: Secrets,
}

/// What those use of a configuration who are no controller: it holds no key that moves, signs or tells anything.
#[derive(Debug, Clone)]
pub struct Outline {
    /// All controllers with this name share one journal and own the same records.
    pub cluster: ClusterName,
    /// The controller's settings; the token is there for an agent only, which presents it.
    pub controller: Controller,
    /// The agents' settings.
    pub agents: Agents,
    /// What holds for all services together.
    pub limits: Limits,
    /// Where probes run, in the order of the file.
    pub vantages: Vec<Vantage>,
    /// What is looked after, in the order of the file.
    pub services: Vec<Outlined>,
    /// The checks that are run there, with their secrets: for an agent those of the services that its vantage watches.
    pub checks: Vec<Check>,
    /// The files that scripts share: `lib/*.rhai` in the folder of checks, in order.
    pub library: Vec<SharedScript>,
}

/// A service without the keys to it.
#[derive(Debug, Clone)]
pub struct Outlined {
    /// The service itself.
    pub service: Service,
    /// Whether it is Route 53 that serves its zone.
    pub route53: bool,
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
    /// While a file of that name is there, nothing moves; default the journal's file with `.freeze` after its name.
    pub local_freeze: PathBuf,
}

/// The agents' settings.
#[derive(Debug, Clone)]
pub struct Agents {
    /// Every controller, each of which gets every observation; default the controller's own `listen`.
    pub controllers: Vec<Url>,
    /// How many observations an agent keeps while no controller answers, 1 to 10,000,000; default 10,000.
    pub spool: usize,
    /// Neutral places that an agent asks when a probe fails: http or https URLs, or `tcp://host:port`. Default none.
    pub canaries: Vec<Url>,
    /// How many of them must answer, or the agent's vote is an abstention: 1 to as many as there are, default 2; 0 where
    /// there are none.
    pub canaries_needed: usize,
    /// Resolvers that every agent asks for the services' names, but those with a list of their own; default none.
    pub resolvers: Vec<SocketAddr>,
    /// The lists of the vantages that have one.
    pub resolvers_of: BTreeMap<VantageName, Vec<SocketAddr>>,
    /// Whether agents also ask the resolvers of the system that they run on; default true.
    pub system_resolvers: bool,
}

impl Agents {
    /// The resolvers that an agent at that vantage asks beside its system's.
    pub fn resolvers_at(&self, vantage: &VantageName) -> &[SocketAddr] {
        self.resolvers_of.get(vantage).unwrap_or(&self.resolvers)
    }
}

/// What is kept, and for how long.
#[derive(Debug, Clone)]
pub struct Store {
    /// For how long observations are kept, 1 hour to 400 days; default 7 days. The journal is kept for ever.
    pub observations_kept: Duration,
}

/// A service and what the domain need not know of it.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// The service itself.
    pub service: Service,
    /// Who serves its zone.
    pub provider: Provider,
    /// The second zone with its names, at another provider.
    pub second: Option<SecondZone>,
    /// Whether the provider is to refuse every change of the records while the service is frozen; default no.
    pub protect: bool,
    /// The flag; always there where the lane has one.
    pub flag: Option<Flag>,
    /// How its primary is kept from taking writes when the name leaves it; none at all where it cannot be.
    pub primary_controls: SiteControls,
    /// How its standby is made read-only: at least one.
    pub standby_controls: SiteControls,
    /// The name to rehearse on.
    pub rehearsal: Option<Rehearsal>,
    /// Where the file says `dns.zone`: whether there is such a zone, only its provider knows.
    pub zone_at: Place,
}

/// A name that nobody uses, on which everything is done for real.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// The service, with that name and a name of its own.
    pub service: Service,
    /// Who serves its zone.
    pub provider: Provider,
    /// Where Route 53's API is for it, where that is a lab's.
    pub endpoint: Option<Url>,
    /// Where read-only mode can be tried; without, those steps are not rehearsed.
    pub controls: Option<SiteControls>,
    /// Where the file says its `dns.zone`.
    pub zone_at: Place,
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
    /// The hosts that it may ask beside the site's own: names, addresses, or `*.example.com`. Default none.
    pub reach: Vec<String>,
    /// Operations of the interpreter, if not as many as usual: 1,000 to 2,500,000.
    pub max_operations: Option<u32>,
    /// Requests and connections, if not as many as usual: 1 to 500.
    pub max_requests: Option<u32>,
    /// The longest body in KiB, if not as long as usual: 1 to 8,192.
    pub max_body_kib: Option<u32>,
}

/// A file that scripts share: `import "lib/NAME" as name;`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedScript {
    /// Its name in `import`: `lib/NAME`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub source: String,
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
