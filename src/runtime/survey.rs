//! A look at everything that says, or should say, where a service's names point: each provider's zone, each store of the flag, each
//! authoritative server. It writes nothing and judges nothing; what does not answer in time is told as unknown.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use url::Host;

use super::chance::nonce;
use super::executor::Executor;
use super::register::{Home, Managed};
use crate::domain::drift::{AnswerSeen, FlagSeen, FlagTrouble, Sighting, ZoneSeen};
use crate::domain::zone_lint::{self, ZoneFacts};
use crate::domain::{DnssecMode, MovedName, Role, SignedAnswer};
use crate::ports::{FlagCopy, PortError};

/// How long one provider, all stores together, or one server may take: a person may be waiting for the answer.
const LOOK_WITHIN: Duration = Duration::from_secs(12);

async fn in_time<T>(what: impl Future<Output = Result<T, PortError>>) -> Result<T, String> {
    match timeout(LOOK_WITHIN, what).await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", LOOK_WITHIN.as_secs())),
    }
}

impl Executor {
    /// See the module.
    pub(super) async fn survey(&self) -> Sighting {
        let homes = self.managed.homes();
        let zones = join_all(homes.iter().map(zone_seen));
        let (zones, flags, (answers, unasked)) = tokio::join!(zones, self.flags_seen(), self.answers_seen());
        let (flags, no_flags) = flags;
        Sighting { zones, flags, answers, unasked: unasked.into_iter().chain(no_flags).collect() }
    }

    /// What the lint wants to know.
    pub(super) async fn zone_facts(&self) -> ZoneFacts {
        let Managed { service, dns, .. } = &self.managed;
        let homes = self.managed.homes();
        let zones = join_all(homes.iter().map(zone_seen));
        let servers = in_time(self.servers());
        let name_servers = in_time(dns.name_servers(&service.dns.zone));
        let (primary, standby) = (self.site_addresses(Role::Primary), self.site_addresses(Role::Standby));
        let (zones, servers, name_servers, primary, standby) =
            tokio::join!(zones, servers, name_servers, primary, standby);
        let server = servers.and_then(|servers| servers.first().map(|(_, addr)| *addr).ok_or("no server".to_owned()));
        let label = format!("quorate-{:016x}", nonce());
        let asked = zone_lint::siblings(service, &label).into_iter().map(async |(name, kind)| {
            let answer = match &server {
                Ok(server) => in_time(self.ports.resolver.ask(*server, &name, kind)).await,
                Err(why) => Err(why.clone()),
            };
            (name, answer)
        });
        let soa = async {
            match &server {
                Ok(server) => in_time(self.ports.resolver.soa(*server, &service.dns.name)).await,
                Err(why) => Err(why.clone()),
            }
        };
        let signed = async {
            let rules = &service.dns.dnssec;
            match &server {
                _ if rules.mode == DnssecMode::Off => None,
                Ok(server) => Some(in_time(self.signed(*server)).await),
                Err(why) => Some(Err(why.clone())),
            }
        };
        let (siblings, soa, signed) = tokio::join!(join_all(asked), soa, signed);
        ZoneFacts { zones, soa, signed, siblings, primary, standby, name_servers }
    }

    async fn signed(&self, server: SocketAddr) -> Result<SignedAnswer, PortError> {
        let dns = &self.managed.service.dns;
        let question = (server, dns.name.clone(), dns.kind);
        let mut found = self.ports.resolver.ask_signed(&dns.dnssec, &[question]).await;
        found.pop().unwrap_or_else(|| Err(PortError::broken("no answer to a question about signatures")))
    }

    /// What the probes of that site reach.
    async fn site_addresses(&self, role: Role) -> Result<Vec<IpAddr>, String> {
        match self.managed.service.site(role).url.host() {
            Some(Host::Ipv4(ip)) => Ok(vec![ip.into()]),
            Some(Host::Ipv6(ip)) => Ok(vec![ip.into()]),
            Some(Host::Domain(host)) => in_time(self.ports.resolver.addresses(host)).await,
            None => Err("its URL has no host".to_owned()),
        }
    }

    async fn flags_seen(&self) -> (Vec<FlagSeen>, Option<String>) {
        let Some(flag) = &self.managed.flag else { return (Vec::new(), None) };
        let Ok(copies) = timeout(LOOK_WITHIN, flag.read()).await else {
            return (Vec::new(), Some(format!("the flag's stores: no answer within {} s", LOOK_WITHIN.as_secs())));
        };
        let seen = |copy: FlagCopy| {
            let held = match copy.held {
                Ok(Some(held)) if held.token.cluster != self.cluster => {
                    Err(FlagTrouble::Foreign(format!("the flag is the cluster '{}''s", held.token.cluster)))
                }
                Ok(held) => Ok(held.map(|held| held.token)),
                Err(error) => {
                    Err(copy.foreign.map_or_else(|| FlagTrouble::Unknown(error.to_string()), FlagTrouble::Foreign))
                }
            };
            FlagSeen { store: copy.store, held }
        };
        (copies.into_iter().map(seen).collect(), None)
    }

    async fn answers_seen(&self) -> (Vec<AnswerSeen>, Option<String>) {
        let servers = match in_time(self.servers()).await {
            Ok(servers) => servers,
            Err(why) => return (Vec::new(), Some(format!("the authoritative servers: {why}"))),
        };
        let of_names = join_all(self.managed.service.moved().map(|name| self.answers_for(name, &servers))).await;
        (of_names.into_iter().flatten().collect(), None)
    }

    async fn answers_for(&self, name: MovedName, servers: &[(String, SocketAddr)]) -> Vec<AnswerSeen> {
        let (primary, standby) =
            tokio::join!(in_time(self.wanted(&name, Role::Primary)), in_time(self.wanted(&name, Role::Standby)));
        let ask = async |(host, addr): &(String, SocketAddr)| AnswerSeen {
            server: if *host == addr.to_string() { host.clone() } else { format!("{host} ({addr})") },
            name: name.name.clone(),
            kind: name.kind,
            primary: primary.clone(),
            standby: standby.clone(),
            got: in_time(self.ports.resolver.ask(*addr, &name.name, name.kind)).await,
        };
        join_all(servers.iter().map(ask)).await
    }
}

async fn zone_seen(home: &Home) -> ZoneSeen {
    let dns = &home.service.dns;
    let records = in_time(home.dns.read(&dns.zone, &home.service.names())).await;
    ZoneSeen { at: home.label.clone(), routing: dns.routing, records }
}
