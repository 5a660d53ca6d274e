//! A strict Route 53: the REST-XML API of version 2013-04-01 for hosted zones, record sets, changes and health
//! checks.
//!
//! It is strict where emulators are kind: a DELETE must name type, set identifier, routing, TTL and values exactly as
//! they are, or the whole batch is refused in the service's own words. Quorate's fence stands on that rule, so the
//! fake that tests it must not be softer than the real thing. Credentials are not looked at: it listens where its
//! owner told it to.
//!
//! It refuses, rather than pretends, what it would not serve faithfully: alias targets, routing policies other than
//! simple and failover, private zones, health checks beyond this machine.

mod api;
mod batch;
mod error;
mod health;
mod lookup;
mod name;
mod read;
mod record;
mod store;
mod value;
mod xml;

pub(super) use api::{Api, router};
pub(super) use health::HealthChecks;
pub(super) use lookup::{Status, Wanted, look_up};
pub(super) use name::DnsName;
pub(super) use record::{RecordKind, RecordSet};
pub(super) use store::Store;
pub(super) use value::to_rdata;

use batch::{Action, Change, ChangeBatch};
use error::ApiError;
use read::NewZone;
use store::Propagation;

impl Api {
    /// Creates a zone that is served at once, and returns its id.
    pub(super) fn seed_zone(&self, name: &str) -> Result<String, ApiError> {
        let parsed = DnsName::parse(name).map_err(|error| ApiError::invalid_domain_name(name, &error.to_string()))?;
        let new = NewZone { name: parsed, caller_reference: super::clock::id("lab-", 20), comment: None };
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
        let set = RecordSet {
            name: parsed,
            kind,
            set_identifier: None,
            failover: None,
            ttl,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            health_check_id: None,
        };
        let batch = ChangeBatch { comment: None, changes: vec![Change { action: Action::Create, set }] };
        self.store.change(zone, &batch, Propagation::After(std::time::Duration::ZERO)).map(|_| ())
    }
}
