//! The zones: what the API shows, what the name servers serve, and the changes on their way from one to the other.
//!
//! ```text
//! accepted ──> records (listed at once) ──propagation──> served (answered by DNS), change INSYNC
//! ```
//!
//! Nothing runs in the background: a change whose time has come is carried over when somebody looks, so what
//! GetChange says and what DNS answers can never disagree.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::batch::{ChangeBatch, Ground};
use super::error::ApiError;
use super::name::DnsName;
use super::protections::{Entry, Protection, Protections};
use super::read::NewZone;
use super::record::{RecordKey, RecordKind, RecordSet, Records};
use crate::lab::clock;

/// The name servers of every zone. Their addresses are the lab's own, which no record can say: DNS has no place for a
/// port.
pub(super) const NAME_SERVERS: [&str; 2] = ["ns-1.lab.quorate.test", "ns-2.lab.quorate.test"];
/// The SOA of a new zone, with Route 53's own timers.
const SOA_VALUE: &str = "ns-1.lab.quorate.test. hostmaster.lab.quorate.test. 1 7200 900 1209600 86400";
const SOA_TTL_S: u32 = 900;
const NS_TTL_S: u32 = 172_800;

/// How long an accepted change takes to reach the name servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum Propagation {
    /// So long, and never before an earlier change of the zone.
    After(Duration),
    /// For ever: the change stays PENDING, as one stranded in a region that was failed away from. It is listed; name
    /// servers get it only inside a later change.
    Stranded,
}

/// A change as GetChange tells it.
#[derive(Debug, Clone)]
pub(in crate::lab) struct ChangeInfo {
    pub(in crate::lab) id: String,
    pub(super) in_sync: bool,
    pub(super) submitted_at: String,
    pub(super) comment: Option<String>,
}

/// A zone as the API tells it.
#[derive(Debug, Clone)]
pub(super) struct ZoneInfo {
    pub(super) id: String,
    pub(super) name: DnsName,
    pub(super) caller_reference: String,
    pub(super) comment: Option<String>,
    pub(super) record_set_count: usize,
}

/// A zone as its name servers have it.
#[derive(Debug, Clone)]
pub(in crate::lab) struct Served {
    pub(in crate::lab) id: String,
    pub(in crate::lab) name: DnsName,
    pub(in crate::lab) records: Arc<Records>,
}

#[derive(Debug)]
struct Zone {
    id: String,
    name: DnsName,
    caller_reference: String,
    comment: Option<String>,
    records: Arc<Records>,
    protections: Protections,
    /// Nothing until the zone itself has propagated.
    served: Option<Arc<Records>>,
    on_their_way: VecDeque<OnItsWay>,
    /// The API does not know it any more; the name servers do until that has propagated.
    deleted: bool,
}

#[derive(Debug)]
struct OnItsWay {
    change: String,
    due: Instant,
    /// Nothing when the zone ends.
    records: Option<Arc<Records>>,
}

#[derive(Debug, Default)]
struct Inner {
    zones: Vec<Zone>,
    changes: BTreeMap<String, ChangeInfo>,
}

/// All zones and changes.
#[derive(Debug, Default)]
pub(in crate::lab) struct Store(Mutex<Inner>);

impl Store {
    /// Creates a zone with its SOA and NS records. A caller reference works once.
    pub(super) fn create_zone(
        &self,
        new: NewZone,
        propagation: Propagation,
    ) -> Result<(ZoneInfo, ChangeInfo), ApiError> {
        let mut inner = self.settled();
        let taken = |zone: &Zone| zone.caller_reference == new.caller_reference || new.id.as_ref() == Some(&zone.id);
        if inner.zones.iter().any(taken) {
            return Err(ApiError::hosted_zone_already_exists(&new.caller_reference));
        }
        let mut records = Records::default();
        let ns = NAME_SERVERS.iter().map(|name| format!("{name}.")).collect();
        for (kind, ttl, values) in
            [(RecordKind::Soa, SOA_TTL_S, vec![SOA_VALUE.to_owned()]), (RecordKind::Ns, NS_TTL_S, ns)]
        {
            records.put(RecordSet::simple(new.name.clone(), kind, ttl, values));
        }
        let mut zone = Zone {
            id: new.id.unwrap_or_else(|| clock::id("Z", 20)),
            name: new.name,
            caller_reference: new.caller_reference,
            comment: new.comment,
            records: Arc::new(records),
            protections: Protections::default(),
            served: None,
            on_their_way: VecDeque::new(),
            deleted: false,
        };
        let change = zone.publish(None, propagation);
        let info = zone.info();
        inner.zones.push(zone);
        Ok((info, inner.begun(change)))
    }

    /// Applies a batch whole, or not at all.
    pub(super) fn change(
        &self,
        zone_id: &str,
        batch: &ChangeBatch,
        propagation: Propagation,
        refuse_in_old_form: bool,
    ) -> Result<ChangeInfo, ApiError> {
        let mut inner = self.settled();
        let zone = inner.zone(zone_id)?;
        let elsewhere = |id: &str| inner.zone(id).ok().map(|zone| (zone.name.clone(), Arc::clone(&zone.records)));
        let applied = batch.apply(&Ground {
            id: zone_id,
            zone: &zone.name,
            current: &zone.records,
            protections: &zone.protections,
            elsewhere: &elsewhere,
            refuse_in_old_form,
        })?;
        let zone = inner.zone_mut(zone_id)?;
        zone.records = Arc::new(applied);
        let change = zone.publish(batch.comment.clone(), propagation);
        Ok(inner.begun(change))
    }

    /// Deletes a zone that has nothing but its own SOA and NS.
    pub(super) fn delete_zone(&self, zone_id: &str, propagation: Propagation) -> Result<ChangeInfo, ApiError> {
        let mut inner = self.settled();
        let zone = inner.zone_mut(zone_id)?;
        let own = |set: &RecordSet| set.name == zone.name && matches!(set.kind, RecordKind::Soa | RecordKind::Ns);
        if !zone.records.starting_at(None).all(own) {
            return Err(ApiError::hosted_zone_not_empty("non-required resource record sets"));
        }
        if !zone.protections.is_empty() {
            return Err(ApiError::hosted_zone_not_empty("resource record set protections"));
        }
        zone.deleted = true;
        let change = zone.publish(None, propagation);
        Ok(inner.begun(change))
    }

    /// Sets or removes a zone's comment.
    pub(super) fn comment_zone(&self, zone_id: &str, comment: Option<String>) -> Result<ZoneInfo, ApiError> {
        let mut inner = self.settled();
        let zone = inner.zone_mut(zone_id)?;
        zone.comment = comment;
        Ok(zone.info())
    }

    /// Protects names and types, all or none.
    pub(super) fn protect(&self, zone_id: &str, entries: &[Entry]) -> Result<(), ApiError> {
        let mut inner = self.settled();
        let zone = inner.zone_mut(zone_id)?;
        zone.protections.create(&zone.name, entries)
    }

    /// Ends protections, all or none.
    pub(super) fn unprotect(&self, zone_id: &str, entries: &[Entry]) -> Result<(), ApiError> {
        let mut inner = self.settled();
        let zone = inner.zone_mut(zone_id)?;
        zone.protections.delete(&zone.name, entries)
    }

    /// The protections of a zone from a key on, in order.
    pub(super) fn protections(&self, zone_id: &str, from: Option<&RecordKey>) -> Result<Vec<Protection>, ApiError> {
        self.settled().zone(zone_id).map(|zone| zone.protections.starting_at(from))
    }

    /// The records as accepted, PENDING ones included.
    pub(super) fn records(&self, zone_id: &str) -> Result<Arc<Records>, ApiError> {
        self.settled().zone(zone_id).map(|zone| Arc::clone(&zone.records))
    }

    /// One zone.
    pub(super) fn zone(&self, zone_id: &str) -> Result<ZoneInfo, ApiError> {
        self.settled().zone(zone_id).map(Zone::info)
    }

    /// All zones, in the order of their ids.
    pub(super) fn zones(&self) -> Vec<ZoneInfo> {
        let inner = self.settled();
        let mut zones: Vec<ZoneInfo> = inner.zones.iter().filter(|zone| !zone.deleted).map(Zone::info).collect();
        zones.sort_by(|a, b| a.id.cmp(&b.id));
        zones
    }

    /// One change.
    pub(super) fn change_info(&self, id: &str) -> Result<ChangeInfo, ApiError> {
        self.settled().changes.get(id).cloned().ok_or_else(|| ApiError::no_such_change(id))
    }

    /// The served zone that a name belongs to: the longest that holds it, and of twins the elder.
    pub(in crate::lab) fn served(&self, name: &DnsName) -> Option<Served> {
        let inner = self.settled();
        let holding = inner.zones.iter().filter(|zone| name.is_within(&zone.name));
        let served = holding.filter_map(|zone| Some((zone, zone.served.as_ref()?)));
        // `max_by_key` takes the last of equals, hence the reversal.
        let (zone, records) = served.rev().max_by_key(|(zone, _)| zone.name.reversed().len())?;
        Some(Served { id: zone.id.clone(), name: zone.name.clone(), records: Arc::clone(records) })
    }

    /// What a zone's name servers have.
    pub(in crate::lab) fn served_records(&self, zone_id: &str) -> Option<Arc<Records>> {
        self.settled().zones.iter().find(|zone| zone.id == zone_id)?.served.clone()
    }

    fn settled(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.settle();
        inner
    }
}

impl Inner {
    fn zone(&self, id: &str) -> Result<&Zone, ApiError> {
        let mut zones = self.zones.iter().filter(|zone| !zone.deleted);
        zones.find(|zone| zone.id == id).ok_or_else(|| ApiError::no_such_hosted_zone(id))
    }

    fn zone_mut(&mut self, id: &str) -> Result<&mut Zone, ApiError> {
        let mut zones = self.zones.iter_mut().filter(|zone| !zone.deleted);
        zones.find(|zone| zone.id == id).ok_or_else(|| ApiError::no_such_hosted_zone(id))
    }

    /// Keeps a change that was just published, and returns what to say of it.
    fn begun(&mut self, change: ChangeInfo) -> ChangeInfo {
        self.changes.insert(change.id.clone(), change.clone());
        self.settle();
        change
    }

    /// Carries over every change whose time has come.
    fn settle(&mut self) {
        let now = clock::now();
        for zone in &mut self.zones {
            while zone.on_their_way.front().is_some_and(|change| change.due <= now) {
                let Some(arrived) = zone.on_their_way.pop_front() else { break };
                zone.served = arrived.records;
                if let Some(change) = self.changes.get_mut(&arrived.change) {
                    change.in_sync = true;
                }
            }
        }
        self.zones.retain(|zone| !(zone.deleted && zone.served.is_none() && zone.on_their_way.is_empty()));
    }
}

impl Zone {
    /// Sends the present records on their way.
    fn publish(&mut self, comment: Option<String>, propagation: Propagation) -> ChangeInfo {
        let change = ChangeInfo { id: clock::id("C", 20), in_sync: false, submitted_at: clock::wall_text(), comment };
        if let Propagation::After(delay) = propagation {
            let due = clock::now() + delay;
            let due = self.on_their_way.back().map_or(due, |earlier| due.max(earlier.due));
            let records = (!self.deleted).then(|| Arc::clone(&self.records));
            self.on_their_way.push_back(OnItsWay { change: change.id.clone(), due, records });
        }
        change
    }

    fn info(&self) -> ZoneInfo {
        ZoneInfo {
            id: self.id.clone(),
            name: self.name.clone(),
            caller_reference: self.caller_reference.clone(),
            comment: self.comment.clone(),
            record_set_count: self.records.len(),
        }
    }
}
