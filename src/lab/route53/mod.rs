//! A strict Route 53: the REST-XML API of version 2013-04-01 for hosted zones, record sets, changes and health
//! checks.
//!
//! It is strict where emulators are kind: a DELETE must name type, set identifier, routing, TTL and values exactly as
//! they are, or the whole batch is refused in the service's own words. Quorate's fence stands on that rule, so the
//! fake that tests it must not be softer than the real thing. Credentials are not looked at: it listens where its
//! owner told it to.
//!
//! It refuses, rather than pretends, what it would not serve faithfully: routing policies other than simple and
//! failover, private zones, DNSSEC signing, health checks of alarms. `docs/lab.md` lists what differs.

mod api;
mod batch;
mod error;
mod health;
mod lookup;
mod name;
mod protections;
mod read;
mod record;
mod store;
mod tags;
mod value;
mod xml;

pub(super) use api::{Api, router};
pub use health::CheckState;
pub(super) use health::HealthChecks;
pub(super) use lookup::{Status, Wanted};
pub(super) use name::DnsName;
pub(super) use record::{RecordKind, RecordSet};
pub(super) use store::Store;
pub(super) use value::to_rdata;

use crate::domain::{ClusterName, Failover, OwnedRecords, Service};
use batch::{Action, Change, ChangeBatch};
use error::ApiError;
use read::NewZone;
use record::{Alias, FailoverRole};
use store::Propagation;

impl Api {
    /// Creates a zone that is served at once, and returns its id: the one that is asked for, or any.
    pub(super) fn seed_zone(&self, name: &str, id: Option<String>) -> Result<String, ApiError> {
        let parsed = DnsName::parse(name).map_err(|error| ApiError::invalid_domain_name(name, &error.to_string()))?;
        let caller_reference = super::clock::id("lab-", 20);
        let new = NewZone { id, name: parsed, caller_reference, comment: None };
        self.store.create_zone(new, Propagation::After(std::time::Duration::ZERO)).map(|(zone, _)| zone.id)
    }

    /// Adds a record set that is served at once.
    pub(super) fn seed_record(
        &self,
        zone: &str,
        name: &str,
        kind: &str,
        ttl: u32,
        values: &[&str],
    ) -> Result<(), ApiError> {
        let parsed = DnsName::parse(name).map_err(|error| ApiError::invalid_domain_name(name, &error.to_string()))?;
        let kind = RecordKind::parse(kind)
            .ok_or_else(|| ApiError::invalid_input(format!("the lab does not serve type '{kind}'")))?;
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.seed(zone, vec![RecordSet::simple(parsed, kind, ttl, values)])
    }

    /// Adds the records that a controller of `cluster` looks after, as somebody makes them who sets the service up.
    pub(super) fn seed_service(&self, zone: &str, cluster: &ClusterName, service: &Service) -> Result<(), ApiError> {
        let sets = OwnedRecords::unmoved(cluster, service).into_iter().map(|owned| {
            let name = DnsName::parse(&owned.name)
                .map_err(|error| ApiError::invalid_domain_name(&owned.name, &error.to_string()))?;
            let kind = RecordKind::parse(owned.kind.as_str())
                .ok_or_else(|| ApiError::invalid_input(format!("the lab does not serve type '{}'", owned.kind)))?;
            let quoted = |value: String| if kind == RecordKind::Txt { format!("\"{value}\"") } else { value };
            let alias = match (owned.alias, owned.values.first()) {
                (Some(alias), Some(target)) => Some(Alias {
                    zone: alias.zone,
                    name: DnsName::parse(target)
                        .map_err(|error| ApiError::invalid_domain_name(target, &error.to_string()))?,
                    evaluate: alias.evaluate_target_health,
                }),
                _ => None,
            };
            let values = if alias.is_some() { Vec::new() } else { owned.values };
            Ok(RecordSet {
                name,
                kind,
                set_identifier: owned.set_identifier,
                failover: owned.failover.map(|part| match part {
                    Failover::Primary => FailoverRole::Primary,
                    Failover::Secondary => FailoverRole::Secondary,
                }),
                ttl: owned.ttl_s,
                values: values.into_iter().map(quoted).collect(),
                alias,
                health_check_id: owned.health_check,
            })
        });
        let sets = sets.collect::<Result<Vec<_>, ApiError>>()?;
        self.seed(zone, sets)
    }

    fn seed(&self, zone: &str, sets: Vec<RecordSet>) -> Result<(), ApiError> {
        let changes = sets.into_iter().map(|set| Change { action: Action::Create, set }).collect();
        let batch = ChangeBatch { comment: None, changes };
        self.store.change(zone, &batch, Propagation::After(std::time::Duration::ZERO), false).map(|_| ())
    }
}
