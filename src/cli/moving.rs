//! From a configuration to what services are moved by: providers of DNS, stores of flags, controls of standbys.

use std::net::SocketAddr;
use std::sync::Arc;

use super::exit::Failure;
use crate::adapters::flag::{Access, FlagKey, FlagOwner, FlagStores};
use crate::adapters::rfc2136::{Rfc2136, Tsig};
use crate::adapters::route53::Route53;
use crate::adapters::standby_http::StandbyHttp;
use crate::adapters::twin::{Half, Twin};
use crate::config::{Flag, Provider, SecondZone, ServiceConfig, TsigKey};
use crate::domain::{ClusterName, DnsTarget, Service};
use crate::ports::{Clock, DnsProvider, FlagStore, SiteControl};
use crate::runtime::controller::{Home, Managed, ProtectedZone};

/// Makes what all services of a configuration are moved by.
pub(super) struct Movers {
    cluster: ClusterName,
    clock: Arc<dyn Clock>,
    /// One client for all zones: they share an account, and its limit of five requests a second.
    route53: Arc<Route53>,
}

impl Movers {
    /// With the usual AWS settings. Nothing is sent yet.
    pub(super) async fn new(cluster: ClusterName, clock: Arc<dyn Clock>) -> Self {
        Self { cluster, clock, route53: Arc::new(Route53::from_settings().await) }
    }

    /// What one service is moved by.
    pub(super) async fn of(&self, config: &ServiceConfig) -> Result<Managed, Failure> {
        let ServiceConfig { service, provider, second, protect, read_only, flag, .. } = config;
        let (enter, probe, key) = (read_only.url.clone(), read_only.write_probe.clone(), read_only.key.clone());
        let standby = StandbyHttp::new(&service.standby.name, enter, probe, key, Arc::clone(&self.clock));
        let standby: Arc<dyn SiteControl> =
            Arc::new(standby.map_err(Failure::unknown)?.with_lag(read_only.lag.clone()));
        let flag = match flag {
            Some(flag) => Some(self.flag(service, flag).await?),
            None => None,
        };
        let mut service = service.clone();
        let mut homes = Vec::new();
        let mut dns = self.provider(provider, &service.dns.authoritative)?;
        if let Some(SecondZone { provider: other, target, .. }) = second {
            let half = |provider, word: &Provider, target: &DnsTarget| Half {
                label: format!("{} {}", provider_word(word), target.zone),
                provider,
                service: Service { dns: target.clone(), ..service.clone() },
            };
            let first = half(dns, provider, &service.dns);
            let mut second = half(self.provider(other, &target.authoritative)?, other, target);
            if second.label == first.label {
                second.label.push_str(" at the second provider");
            }
            homes = [&first, &second].map(home).to_vec();
            dns = Arc::new(Twin::new(self.cluster.clone(), first, second));
            // What is asked after a flip: the servers of both, where the configuration names them.
            service.dns.authoritative.extend(&target.authoritative);
        }
        let managed = Managed { service, standby, primary: None, dns, homes, protected: Vec::new(), flag };
        let protected = if *protect { self.protected(&managed, provider, second.as_ref()) } else { Vec::new() };
        Ok(Managed { protected, ..managed })
    }

    /// The zones of a service, with whoever can protect their records.
    fn protected(&self, managed: &Managed, first: &Provider, second: Option<&SecondZone>) -> Vec<ProtectedZone> {
        let providers = std::iter::once(first).chain(second.map(|second| &second.provider));
        let zone = |(home, provider): (Home, &Provider)| ProtectedZone {
            label: home.label,
            zone: home.service.dns.zone,
            provider: match provider {
                Provider::Route53 => Some(Arc::<Route53>::clone(&self.route53)),
                Provider::Rfc2136 { .. } => None,
            },
        };
        managed.homes().into_iter().zip(providers).map(zone).collect()
    }

    fn provider(&self, provider: &Provider, servers: &[SocketAddr]) -> Result<Arc<dyn DnsProvider>, Failure> {
        match provider {
            Provider::Route53 => Ok(Arc::<Route53>::clone(&self.route53)),
            Provider::Rfc2136 { server, tsig } => {
                let signed = |key: &TsigKey| Tsig::new(&key.name, key.algorithm.as_str(), &key.key);
                let tsig = tsig.as_ref().map(signed).transpose().map_err(Failure::usage)?;
                let updates = Rfc2136::new(*server, tsig, Arc::clone(&self.clock));
                Ok(Arc::new(updates.with_servers(servers.to_vec())))
            }
        }
    }

    async fn flag(&self, service: &Service, flag: &Flag) -> Result<Arc<dyn FlagStore>, Failure> {
        let owner = FlagOwner {
            cluster: self.cluster.clone(),
            service: service.name.clone(),
            phrase: flag.phrase.clone(),
            key: FlagKey::from_seed(&flag.signing_key).map_err(Failure::usage)?,
        };
        let stores = flag.stores.iter().map(|store| (store.to_string(), Access::Usual)).collect();
        let opened = FlagStores::open(owner, stores).await;
        let stores = opened.map_err(|error| Failure::usage(format!("the flag of {}: {error}", service.name)))?;
        Ok(Arc::new(stores))
    }
}

fn home(half: &Half) -> Home {
    Home { label: half.label.clone(), dns: Arc::clone(&half.provider), service: half.service.clone() }
}

fn provider_word(provider: &Provider) -> &'static str {
    match provider {
        Provider::Route53 => "Route 53's zone",
        Provider::Rfc2136 { .. } => "the updated zone",
    }
}
