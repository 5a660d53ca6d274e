//! From a configuration to what services are moved by: providers of DNS, stores of flags, controls of standbys.

use std::net::SocketAddr;
use std::sync::Arc;

use super::controls::Sites;
use super::exit::Failure;
use crate::adapters::flag::{Access, FlagKey, FlagOwner, FlagStores};
use crate::adapters::lab::LabSwitch;
use crate::adapters::rfc2136::{Rfc2136, Tsig};
use crate::adapters::route53::Route53;
use crate::adapters::twin::{Half, Twin};
use crate::config::{Flag, Provider, Rehearsal, SecondZone, ServiceConfig, TsigKey};
use crate::domain::{ClusterName, DnsTarget, DrillFault, Role, Secret, Service};
use crate::ports::{Clock, DnsProvider, FlagStore, LabFault};
use crate::runtime::controller::{Home, Managed, ProtectedZone};
use crate::runtime::faults::LabFaults;

/// Makes what all services of a configuration are moved by.
pub(super) struct Movers {
    cluster: ClusterName,
    clock: Arc<dyn Clock>,
    sites: Sites,
    /// One client for all zones: they share an account, and its limit of five requests a second.
    route53: Arc<Route53>,
}

impl Movers {
    /// With the usual AWS settings. Nothing is sent yet.
    pub(super) async fn new(cluster: ClusterName, sites: Sites) -> Self {
        let clock = Arc::clone(&sites.clock);
        Self { cluster, clock, sites, route53: Arc::new(Route53::from_settings().await) }
    }

    /// What one service is moved by.
    pub(super) async fn of(&self, config: &ServiceConfig) -> Result<Managed, Failure> {
        let ServiceConfig { service, provider, second, protect, primary_controls, standby_controls, flag, .. } =
            config;
        let primary = self.sites.of(Role::Primary, &service.primary, primary_controls)?;
        let standby = self.sites.of(Role::Standby, &service.standby, standby_controls)?;
        let standby =
            standby.ok_or_else(|| Failure::usage(format!("{}: its standby has no control", service.name)))?;
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
        let managed = Managed { service, standby, primary, dns, homes, protected: Vec::new(), flag };
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

    /// What a service's rehearsal is moved by, if it has one.
    pub(super) async fn rehearsal(&self, config: &ServiceConfig) -> Result<Option<Managed>, Failure> {
        let Some(Rehearsal { service, provider, endpoint, controls, .. }) = &config.rehearsal else {
            return Ok(None);
        };
        // Without a place of its own, nothing but its lag is asked of the real one: the plan has no such steps.
        let controls = controls.as_ref().unwrap_or(&config.standby_controls);
        let standby = self.sites.of(Role::Standby, &service.standby, controls)?;
        let standby =
            standby.ok_or_else(|| Failure::usage(format!("{}: its standby has no control", service.name)))?;
        let dns: Arc<dyn DnsProvider> = match (provider, endpoint) {
            // Only a lab takes these.
            (Provider::Route53, Some(endpoint)) => Arc::new(Route53::at(endpoint, "lab", &Secret::new("lab"))),
            _ => self.provider(provider, &service.dns.authoritative)?,
        };
        Ok(Some(Managed {
            service: service.clone(),
            standby,
            primary: None,
            dns,
            homes: Vec::new(),
            protected: Vec::new(),
            flag: None,
        }))
    }

    /// The labs that may be asked to break something for a service's rehearsal.
    pub(super) fn labs(config: &ServiceConfig) -> Result<Option<LabFaults>, Failure> {
        let Some(Rehearsal { service, endpoint, .. }) = &config.rehearsal else { return Ok(None) };
        let mut faults: Vec<(DrillFault, Arc<dyn LabFault>)> = Vec::new();
        for fault in &service.drills.faults {
            let at = match fault {
                DrillFault::BreakLogin => Some(&service.primary.url),
                DrillFault::DelayProvider => endpoint.as_ref(),
                DrillFault::DropAgent | DrillFault::KillController => None,
            };
            let Some(at) = at else { continue };
            if let Some(lab) = LabSwitch::new(*fault, at).map_err(Failure::unknown)? {
                faults.push((*fault, Arc::new(lab)));
            }
        }
        Ok(Some(LabFaults { service: service.name.clone(), faults }))
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
