//! Health checks that really probe, from this machine and of this machine only: the lab must not knock on strangers'
//! doors. An endpoint elsewhere is never asked, and so never passes.
//!
//! Types HTTP, HTTPS, HTTP_STR_MATCH, HTTPS_STR_MATCH, TCP and CALCULATED, with `Inverted` and `Disabled`. As documented:
//!
//! - Sixteen checkers know nothing of each other. Each starts at a moment of its own, and changes its mind, either way,
//!   after as many consecutive contrary results as the failure threshold says; the interval runs from the end of one probe
//!   to the start of the next.
//! - The endpoint is healthy while more than 18 % of them say so. `Inverted` turns that sum around, not each checker.
//! - A check is taken for healthy until there is data, and one that is inverted for unhealthy.
//! - A disabled check is healthy, or unhealthy when it is inverted too.

mod checkers;
mod config;
mod probe;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::ApiError;
use super::lookup::{Reply, View, Wanted, look_up};
use super::name::DnsName;
use super::record::RecordKind;
use super::store::Store;
use super::xml::XmlWriter;
use crate::lab::{LabError, clock};
use checkers::{CHECKERS, Checkers, Seen};
use config::{Config, Endpoint, Subject};
use probe::Prober;

/// The most checks of one account, unless AWS grants more.
const CHECKS_MAX: usize = 200;

#[derive(Debug)]
struct Check {
    id: String,
    caller_reference: String,
    version: u64,
    config: Config,
    /// Of an endpoint.
    checkers: Option<Checkers>,
    /// Ends the probing by these settings.
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Inner {
    checks: BTreeMap<String, Check>,
    /// Every caller reference ever used: a deleted check's may not come back.
    references: BTreeMap<String, String>,
}

/// All health checks.
#[derive(Debug)]
pub(in crate::lab) struct HealthChecks {
    inner: Mutex<Inner>,
    store: Arc<Store>,
    prober: Prober,
    /// Replaces the seconds of `RequestInterval`, so that tests need not wait for them.
    interval: Option<Duration>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// A health check as it stands, for people: `GET /lab/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckState {
    /// Its id.
    pub id: String,
    /// Its type, as in the API.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What DNS goes by: `Inverted` and `Disabled` are in it.
    pub healthy: bool,
    /// How many checkers say that the endpoint is healthy; none for a calculated check.
    pub checkers_healthy: Option<usize>,
    /// How many checkers there are.
    pub checkers: usize,
    /// Counts from 1, one more with each update.
    pub version: u64,
}

impl HealthChecks {
    pub(in crate::lab) fn new(
        store: Arc<Store>,
        interval: Option<Duration>,
        tasks: TaskTracker,
        closing: CancellationToken,
    ) -> Result<Self, LabError> {
        Ok(Self { inner: Mutex::default(), store, prober: Prober::new()?, interval, tasks, closing })
    }

    /// What the name servers answer: from what has propagated and from the checks as they stand. Nothing for a name of
    /// nobody's zone here.
    pub(in crate::lab) fn look_up(&self, name: &DnsName, wanted: Wanted) -> Option<Reply> {
        let served = self.store.served(name)?;
        let view = View {
            id: &served.id,
            zone: &served.name,
            records: &served.records,
            elsewhere: &|id| self.store.served_records(id),
            healthy: &|id| self.lock().is_healthy(id),
        };
        Some(look_up(&view, name, wanted))
    }

    /// Whether there is such a check.
    pub(super) fn exists(&self, id: &str) -> bool {
        self.lock().checks.contains_key(id)
    }

    /// Creates a check and starts probing; the same request again gets the same check.
    pub(super) fn create(self: &Arc<Self>, body: &[u8]) -> Result<(String, String), ApiError> {
        let (caller_reference, config) = config::new_check(body)?;
        let mut inner = self.lock();
        if let Some(id) = inner.references.get(&caller_reference) {
            return match inner.checks.get(id) {
                Some(check) if check.config == config => {
                    Ok((check.id.clone(), check.document("CreateHealthCheckResponse")))
                }
                _ => Err(ApiError::health_check_already_exists(&caller_reference)),
            };
        }
        if inner.checks.len() >= CHECKS_MAX {
            return Err(ApiError::too_many_health_checks(CHECKS_MAX));
        }
        inner.check_children(&config)?;
        let checkers = match &config.subject {
            Subject::Endpoint(endpoint) => Some(Checkers::of(endpoint)),
            Subject::Calculated { .. } => None,
        };
        let stop = self.closing.child_token();
        let check = Check { id: uuid_like(), caller_reference, version: 1, config, checkers, stop };
        self.start(&check);
        let (id, xml) = (check.id.clone(), check.document("CreateHealthCheckResponse"));
        inner.references.insert(check.caller_reference.clone(), id.clone());
        inner.checks.insert(id.clone(), check);
        Ok((id, xml))
    }

    /// Changes a check, if it is still at the version that the request names; one that names none overwrites.
    pub(super) fn update(self: &Arc<Self>, id: &str, body: &[u8]) -> Result<String, ApiError> {
        let mut inner = self.lock();
        let check = inner.checks.get(id).ok_or_else(|| ApiError::no_such_health_check(id))?;
        let (expected, config) = config::updated(body, &check.config)?;
        if let Some(expected) = expected.filter(|expected| *expected != check.version) {
            return Err(ApiError::health_check_version_mismatch(expected, check.version));
        }
        inner.check_children(&config)?;
        let check = inner.checks.get_mut(id).ok_or_else(|| ApiError::no_such_health_check(id))?;
        if let (Some(checkers), Subject::Endpoint(endpoint)) = (&check.checkers, &config.subject) {
            check.checkers = Some(checkers.moved(endpoint));
        }
        check.version += 1;
        if check.config != config {
            check.stop.cancel();
            check.stop = self.closing.child_token();
            check.config = config;
            self.start(check);
        }
        Ok(check.document("UpdateHealthCheckResponse"))
    }

    /// GetHealthCheck.
    pub(super) fn get(&self, id: &str) -> Result<String, ApiError> {
        self.with(id, |check| Ok(check.document("GetHealthCheckResponse")))
    }

    /// The ids of all checks, in order.
    pub(super) fn ids(&self) -> Vec<String> {
        self.lock().checks.keys().cloned().collect()
    }

    /// Writes one check, if it is still there.
    pub(super) fn write(&self, id: &str, xml: &mut XmlWriter) {
        if let Some(check) = self.lock().checks.get(id) {
            check.write(xml);
        }
    }

    /// GetHealthCheckStatus: what each checker saw last. A calculated check has none, and the service refuses to say more.
    pub(super) fn status(&self, id: &str) -> Result<String, ApiError> {
        self.observations(id, "GetHealthCheckStatusResponse", |checker| checker.last.clone())
    }

    /// GetHealthCheckLastFailureReason: what each checker saw when it last failed.
    pub(super) fn last_failure(&self, id: &str) -> Result<String, ApiError> {
        self.observations(id, "GetHealthCheckLastFailureReasonResponse", |checker| checker.last_failure.clone())
    }

    /// Deletes a check and stops probing, whether or not something refers to it: the real service does not look either.
    pub(super) fn delete(&self, id: &str) -> Result<(), ApiError> {
        let check = self.lock().checks.remove(id).ok_or_else(|| ApiError::no_such_health_check(id))?;
        check.stop.cancel();
        Ok(())
    }

    /// All checks as they stand.
    pub(in crate::lab) fn states(&self) -> Vec<CheckState> {
        let inner = self.lock();
        let states = inner.checks.values().map(|check| CheckState {
            id: check.id.clone(),
            kind: check.config.kind(),
            healthy: inner.is_healthy(&check.id),
            checkers_healthy: check.checkers.as_ref().map(Checkers::healthy),
            checkers: check.checkers.as_ref().map_or(0, |_| CHECKERS),
            version: check.version,
        });
        states.collect()
    }

    fn observations(
        &self,
        id: &str,
        root: &str,
        seen: impl Fn(&checkers::Checker) -> Option<Seen>,
    ) -> Result<String, ApiError> {
        self.with(id, |check| {
            let Some(checkers) = &check.checkers else {
                return Err(ApiError::invalid_input(format!(
                    "the health check {id} is CALCULATED, and this call is not for those"
                )));
            };
            Ok(XmlWriter::document(root, |xml| {
                xml.element("HealthCheckObservations", |xml| {
                    for (checker, seen) in checkers.iter().filter_map(|checker| Some((checker, seen(checker)?))) {
                        xml.element("HealthCheckObservation", |xml| {
                            xml.text("Region", &checker.region);
                            xml.text("IPAddress", Ipv4Addr::LOCALHOST);
                            xml.element("StatusReport", |xml| {
                                xml.text("Status", &seen.status);
                                xml.text("CheckedTime", &seen.at);
                            });
                        });
                    }
                });
            }))
        })
    }

    fn with<T>(&self, id: &str, look: impl FnOnce(&Check) -> Result<T, ApiError>) -> Result<T, ApiError> {
        look(self.lock().checks.get(id).ok_or_else(|| ApiError::no_such_health_check(id))?)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the checkers, if there is something to probe.
    fn start(self: &Arc<Self>, check: &Check) {
        let Some(endpoint) = check.config.probed() else { return };
        let endpoint = Arc::new(endpoint.clone());
        for checker in 0..CHECKERS {
            let probing =
                Arc::clone(self).probe_for_ever(check.id.clone(), checker, Arc::clone(&endpoint), check.stop.clone());
            let stop = check.stop.clone();
            self.tasks.spawn(async move {
                stop.run_until_cancelled_owned(probing).await;
            });
        }
    }

    async fn probe_for_ever(
        self: Arc<Self>,
        id: String,
        checker: usize,
        endpoint: Arc<Endpoint>,
        stop: CancellationToken,
    ) {
        let interval = self.interval.unwrap_or(Duration::from_secs(endpoint.interval_s));
        tokio::time::sleep(clock::part_of(interval)).await;
        loop {
            let result = match self.address(&endpoint) {
                Ok(address) => self.prober.probe(&endpoint, address).await,
                Err(failure) => Err(format!("Failure: {failure}")),
            };
            // Looked at under the lock: what was asked of the endpoint as it was does not count for what it is now.
            if let Some(check) = self.lock().checks.get_mut(&id).filter(|_| !stop.is_cancelled())
                && let Some(checkers) = &mut check.checkers
            {
                checkers.observe(checker, endpoint.threshold, result, clock::wall_text());
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// Where the endpoint is. Without an address it is where the lab's own zones say, IPv4 only; no other name is known.
    fn address(&self, endpoint: &Endpoint) -> Result<SocketAddr, String> {
        let ip = match (endpoint.ip, endpoint.host.as_deref()) {
            (Some(ip), _) => ip,
            (None, Some("localhost")) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            (None, host) => self
                .resolve(host.unwrap_or_default())
                .ok_or("DNS resolution failed: the lab knows its own zones only")?,
        };
        if ip.is_loopback() {
            Ok(SocketAddr::new(ip, endpoint.port))
        } else {
            Err(format!("Resolved IP: {ip}. The lab probes this machine only, and that is another"))
        }
    }

    fn resolve(&self, host: &str) -> Option<IpAddr> {
        let reply = self.look_up(&DnsName::parse(host).ok()?, Wanted::Kind(RecordKind::A))?;
        let addresses = reply.answers.into_iter().filter(|set| set.kind == RecordKind::A);
        addresses.flat_map(|set| set.values).find_map(|value| value.parse().ok())
    }
}

impl Inner {
    /// A check that is gone does not stand in the way.
    fn is_healthy(&self, id: &str) -> bool {
        let Some(check) = self.checks.get(id) else { return true };
        let up = match (&check.config.subject, &check.checkers) {
            _ if check.config.disabled => true,
            (Subject::Calculated { children, threshold }, _) => {
                children.iter().filter(|child| self.is_healthy(child)).count() >= *threshold
            }
            (Subject::Endpoint(_), checkers) => checkers.as_ref().is_none_or(Checkers::agree),
        };
        up != check.config.inverted
    }

    /// Children exist, and have none of their own.
    fn check_children(&self, config: &Config) -> Result<(), ApiError> {
        let Subject::Calculated { children, .. } = &config.subject else { return Ok(()) };
        for child in children {
            match self.checks.get(child).map(|check| &check.config.subject) {
                None => return Err(ApiError::no_such_health_check(child)),
                Some(Subject::Calculated { .. }) => {
                    return Err(ApiError::invalid_input(format!("the child {child} is itself CALCULATED")));
                }
                Some(Subject::Endpoint(_)) => {}
            }
        }
        Ok(())
    }
}

impl Check {
    fn document(&self, root: &str) -> String {
        XmlWriter::document(root, |xml| self.write(xml))
    }

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("HealthCheck", |xml| {
            xml.text("Id", &self.id);
            xml.text("CallerReference", &self.caller_reference);
            xml.element("HealthCheckConfig", |xml| self.config.write(xml));
            xml.text("HealthCheckVersion", self.version);
        });
    }
}

/// An id in the shape of the real ones.
fn uuid_like() -> String {
    let digits = hex::encode(clock::random_bytes::<16>());
    let mut id = String::with_capacity(36);
    for (place, digit) in digits.chars().enumerate() {
        if [8, 12, 16, 20].contains(&place) {
            id.push('-');
        }
        id.push(digit);
    }
    id
}
