//! Services, their sites, and the vantages that watch them.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use super::{CheckName, Policy, RecordType, Role, Routing, ServiceName, SiteName, VantageName, Window};

/// Where probes run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vantage {
    /// Its name.
    pub name: VantageName,
    /// The cloud or provider that it stands in: what can fail together is one fault domain.
    pub cloud: String,
    /// The region.
    pub region: String,
    /// The network that carries its traffic, where that is another fault domain than its cloud.
    pub network: Option<String>,
    /// The account that its checks log in with: vantages that share one are fooled together when it is locked.
    pub account: String,
}

/// One of a service's two sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name, which is also the set identifier of its record.
    pub name: SiteName,
    /// The cloud that it runs in.
    pub cloud: String,
    /// Where probes reach just this site.
    pub url: Url,
    /// The record's value while this site serves: an address, or a host name for a CNAME or an alias.
    pub answer: String,
    /// The provider's id of the answer's zone, where the record is an alias of it.
    pub alias_zone: Option<String>,
    /// The provider's health check on this site's record, if it has one.
    pub health_check: Option<String>,
}

/// By what a name is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DnsLane {
    /// By a change of the records, through the provider's control plane.
    #[default]
    Records,
    /// By a flag that the provider's health checks look for: its data plane, which works while no record can be changed.
    Flag,
    /// By the flag first, and then by the records, which pin what the flag did.
    Both,
}

impl DnsLane {
    const ALL: [Self; 3] = [Self::Records, Self::Flag, Self::Both];

    /// The word used in configuration and data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Flag => "flag",
            Self::Both => "both",
        }
    }

    /// The lane that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == word)
    }

    /// Whether a flag is raised.
    pub fn has_flag(self) -> bool {
        self != Self::Records
    }

    /// Whether records are changed.
    pub fn has_records(self) -> bool {
        self != Self::Flag
    }
}

/// Where a record points while its site serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// An address, or a host name for a CNAME or an alias.
    pub value: String,
    /// The provider's id of the value's zone, where the record is an alias of it.
    pub alias_zone: Option<String>,
}

/// One name and type that moves with its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedName {
    /// Fully qualified, lower case, without the final dot.
    pub name: String,
    /// The records' type.
    pub kind: RecordType,
    /// Where it points while the primary serves.
    pub primary: Answer,
    /// Where it points while the standby serves.
    pub standby: Answer,
}

impl MovedName {
    /// Where it points while the site with that role serves.
    pub fn answer(&self, role: Role) -> &Answer {
        match role {
            Role::Primary => &self.primary,
            Role::Standby => &self.standby,
        }
    }
}

/// The name that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsTarget {
    /// The provider's id of the zone.
    pub zone: String,
    /// The fully qualified name, lower case, without the final dot.
    pub name: String,
    /// The records' type.
    pub kind: RecordType,
    /// The records' time to live, in seconds.
    pub ttl_s: u32,
    /// How the records choose between the sites.
    pub routing: Routing,
    /// By what it is moved.
    pub lane: DnsLane,
    /// What else of the same zone is moved, in the same batch.
    pub also: Vec<MovedName>,
    /// The authoritative servers to verify at; empty means those that the zone's delegation names.
    pub authoritative: Vec<SocketAddr>,
}

/// What holds for all services together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// So many automatic moves, over all services (S19) …
    pub moves: usize,
    /// … within this time.
    pub per: Duration,
    /// For how long what users get must not be what was decided before people are told (S20); default two minutes.
    pub drift_after: Duration,
}

impl Default for Limits {
    /// Five in ten minutes: more at once is a fault of what they share, and a person's decision.
    fn default() -> Self {
        Self { moves: 5, per: Duration::from_secs(600), drift_after: Duration::from_secs(120) }
    }
}

/// One public name with a primary and a standby site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Where its users go.
    pub public_url: Url,
    /// The name that moves.
    pub dns: DnsTarget,
    /// Where it lives in ordinary times.
    pub primary: Site,
    /// Where it goes when the primary is down.
    pub standby: Site,
    /// What must pass for a site to be up.
    pub checks: Vec<CheckName>,
    /// Those of them that decide alone: a site that fails one is down, whatever the others say.
    pub critical: Vec<CheckName>,
    /// The check that has the last word before an automatic move: when it does not pass, nothing moves.
    pub veto: Option<CheckName>,
    /// Whether there is a way to make the primary refuse writes.
    pub fence: bool,
    /// The rules.
    pub policy: Policy,
    /// Who watches it.
    pub vantages: Vec<Vantage>,
    /// When it is worked on, and nothing is moved automatically.
    pub maintenance: Vec<Window>,
}

impl Service {
    /// The site with that role.
    pub fn site(&self, role: Role) -> &Site {
        match role {
            Role::Primary => &self.primary,
            Role::Standby => &self.standby,
        }
    }

    /// Every name and type that moves, the first of them with the ownership record.
    pub fn moved(&self) -> impl Iterator<Item = MovedName> + '_ {
        let answer = |site: &Site| Answer { value: site.answer.clone(), alias_zone: site.alias_zone.clone() };
        let first = MovedName {
            name: self.dns.name.clone(),
            kind: self.dns.kind,
            primary: answer(&self.primary),
            standby: answer(&self.standby),
        };
        std::iter::once(first).chain(self.dns.also.iter().cloned())
    }

    /// The names that move, each once, the first of them with the ownership record.
    pub fn names(&self) -> Vec<&str> {
        let mut names = vec![self.dns.name.as_str()];
        for also in &self.dns.also {
            if !names.contains(&also.name.as_str()) {
                names.push(&also.name);
            }
        }
        names
    }
}
