//! The operations: HTTP in, the store in the middle, XML out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::batch::{Action, ChangeBatch};
use super::error::ApiError;
use super::health::HealthChecks;
use super::name::DnsName;
use super::read;
use super::record::{FailoverRole, RecordKey, RecordKind, RecordSet};
use super::store::{ChangeInfo, NAME_SERVERS, Propagation, Store, ZoneInfo};
use super::xml::XmlWriter;
use crate::lab::clock;
use crate::lab::faults::{Fault, Switchboard};
use crate::lab::line::Line;
use crate::lab::requests::{Delivery, RequestEntry, RequestLog};

/// The most record sets of one listing page.
const RECORD_SETS_PAGE_MAX: usize = 300;
/// The most zones of one listing page.
const ZONES_PAGE_MAX: usize = 100;

/// What the handlers share.
#[derive(Debug)]
pub(in crate::lab) struct Api {
    pub(in crate::lab) store: Arc<Store>,
    pub(in crate::lab) health: Arc<HealthChecks>,
    pub(in crate::lab) faults: Arc<Switchboard>,
    pub(in crate::lab) log: Arc<RequestLog>,
    pub(in crate::lab) tasks: TaskTracker,
    pub(in crate::lab) closing: CancellationToken,
}

/// The API's routes, with and without a trailing slash.
pub(in crate::lab) fn router(api: Arc<Api>) -> Router {
    let routes = [
        ("/2013-04-01/hostedzone", get(list_hosted_zones).post(create_hosted_zone)),
        ("/2013-04-01/hostedzone/{id}", get(get_hosted_zone)),
        ("/2013-04-01/hostedzone/{id}/rrset", get(list_record_sets).post(change_record_sets)),
        ("/2013-04-01/change/{id}", get(get_change)),
        ("/2013-04-01/healthcheck", post(create_health_check)),
        ("/2013-04-01/healthcheck/{id}", get(get_health_check).delete(delete_health_check)),
        ("/2013-04-01/healthcheck/{id}/status", get(get_health_check_status)),
    ];
    let router = routes.into_iter().fold(Router::new(), |router, (path, methods)| {
        let methods = methods.fallback(unknown_operation);
        router.route(path, methods.clone()).route(&format!("{path}/"), methods)
    });
    router.route("/2013-04-01/{*rest}", axum::routing::any(unknown_operation)).with_state(api)
}

type Shared = State<Arc<Api>>;
type Params = Query<BTreeMap<String, String>>;

async fn change_record_sets(
    State(api): Shared,
    ConnectInfo(line): ConnectInfo<Line>,
    Path(zone): Path<String>,
    body: Bytes,
) -> Response {
    let batch = read::change_batch(&body);
    let refusal = api.gate().and_then(|()| {
        if api.faults.hits(Fault::PriorRequestNotComplete) {
            Err(ApiError::prior_request_not_complete())
        } else {
            Ok(())
        }
    });
    let (result, lost) = match (refusal, &batch) {
        (Err(error), _) => (Err(error), false),
        (Ok(()), Err(error)) => (Err(error.clone()), api.faults.hits(Fault::LoseAnswer)),
        (Ok(()), Ok(batch)) => (api.change(&zone, batch), api.faults.hits(Fault::LoseAnswer)),
    };
    api.log_change(&zone, batch.as_ref().ok(), &result, Delivery::First, !lost);
    if let Ok(batch) = batch
        && result.is_ok()
        && api.faults.hits(Fault::DuplicateDelivery)
    {
        api.deliver_again(zone, batch);
    }
    if lost {
        line.cut();
    }
    result.map_or_else(IntoResponse::into_response, |change| {
        let body = XmlWriter::document("ChangeResourceRecordSetsResponse", |xml| write_change(xml, &change));
        answer(StatusCode::OK, body)
    })
}

async fn list_record_sets(
    State(api): Shared,
    Path(zone): Path<String>,
    Query(params): Params,
) -> Result<Response, ApiError> {
    api.gate()?;
    let records = api.store.records(&zone)?;
    let max = page_size(&params, RECORD_SETS_PAGE_MAX)?;
    let start = start_key(&params)?;
    let mut rest = records.starting_at(start.as_ref());
    let page: Vec<&RecordSet> = rest.by_ref().take(max).collect();
    let next = rest.next();
    let body = XmlWriter::document("ListResourceRecordSetsResponse", |xml| {
        xml.element("ResourceRecordSets", |xml| page.iter().for_each(|set| write_record_set(xml, set)));
        xml.text("IsTruncated", next.is_some());
        if let Some(next) = next {
            xml.text("NextRecordName", &next.name);
            xml.text("NextRecordType", next.kind);
            xml.optional("NextRecordIdentifier", next.set_identifier.as_ref());
        }
        xml.text("MaxItems", max);
    });
    Ok(answer(StatusCode::OK, body))
}

async fn get_change(State(api): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.gate()?;
    let change = api.store.change_info(&id)?;
    Ok(answer(StatusCode::OK, XmlWriter::document("GetChangeResponse", |xml| write_change(xml, &change))))
}

async fn get_hosted_zone(State(api): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.gate()?;
    let zone = api.store.zone(&id)?;
    let body = XmlWriter::document("GetHostedZoneResponse", |xml| {
        write_zone(xml, &zone);
        write_delegation_set(xml);
    });
    Ok(answer(StatusCode::OK, body))
}

async fn list_hosted_zones(State(api): Shared, Query(params): Params) -> Result<Response, ApiError> {
    api.gate()?;
    let max = page_size(&params, ZONES_PAGE_MAX)?;
    let marker = params.get("marker").filter(|marker| !marker.is_empty());
    let zones = api.store.zones();
    let mut rest = zones.iter().filter(|zone| marker.is_none_or(|marker| zone.id >= *marker));
    let page: Vec<&ZoneInfo> = rest.by_ref().take(max).collect();
    let next = rest.next();
    let body = XmlWriter::document("ListHostedZonesResponse", |xml| {
        xml.element("HostedZones", |xml| page.iter().for_each(|zone| write_zone(xml, zone)));
        xml.optional("Marker", marker);
        xml.text("IsTruncated", next.is_some());
        xml.optional("NextMarker", next.map(|zone| &zone.id));
        xml.text("MaxItems", max);
    });
    Ok(answer(StatusCode::OK, body))
}

async fn create_hosted_zone(State(api): Shared, body: Bytes) -> Response {
    let created = api.gate().and_then(|()| read::new_zone(&body)).and_then(|new| {
        let line = format!("CREATE zone {}", new.name);
        Ok((api.store.create_zone(new, api.propagation())?, line))
    });
    let mut entry = entry("CreateHostedZone", created.as_ref().err());
    if let Ok(((zone, change), line)) = &created {
        entry.status = 201;
        entry.zone = Some(zone.id.clone());
        entry.change = Some(change.id.clone());
        entry.changes.push(line.clone());
    }
    api.log.push(entry);
    created.map_or_else(IntoResponse::into_response, |((zone, change), _)| {
        let body = XmlWriter::document("CreateHostedZoneResponse", |xml| {
            write_zone(xml, &zone);
            write_change(xml, &change);
            write_delegation_set(xml);
        });
        located(&format!("/2013-04-01/hostedzone/{}", zone.id), body)
    })
}

async fn create_health_check(State(api): Shared, body: Bytes) -> Response {
    let created = api.gate().and_then(|()| api.health.create(&body));
    let mut entry = entry("CreateHealthCheck", created.as_ref().err());
    if let Ok((id, _)) = &created {
        entry.status = 201;
        entry.changes.push(format!("CREATE health check {id}"));
    }
    api.log.push(entry);
    created
        .map_or_else(IntoResponse::into_response, |(id, xml)| located(&format!("/2013-04-01/healthcheck/{id}"), xml))
}

async fn get_health_check(State(api): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.gate()?;
    Ok(answer(StatusCode::OK, api.health.get(&id)?))
}

async fn get_health_check_status(State(api): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.gate()?;
    Ok(answer(StatusCode::OK, api.health.status(&id)?))
}

async fn delete_health_check(State(api): Shared, Path(id): Path<String>) -> Response {
    let deleted = api.gate().and_then(|()| api.health.delete(&id));
    let mut entry = entry("DeleteHealthCheck", deleted.as_ref().err());
    entry.changes.push(format!("DELETE health check {id}"));
    api.log.push(entry);
    deleted.map_or_else(IntoResponse::into_response, |()| {
        answer(StatusCode::OK, XmlWriter::document("DeleteHealthCheckResponse", |_| {}))
    })
}

async fn unknown_operation(State(api): Shared, method: Method, uri: Uri) -> ApiError {
    match api.gate() {
        Err(error) => error,
        Ok(()) => ApiError::unknown_operation(method.as_str(), uri.path()),
    }
}

impl Api {
    /// The faults that hit any request.
    fn gate(&self) -> Result<(), ApiError> {
        if self.faults.hits(Fault::Unavailable) {
            Err(ApiError::unavailable())
        } else if self.faults.hits(Fault::Throttle) {
            Err(ApiError::throttled())
        } else {
            Ok(())
        }
    }

    fn propagation(&self) -> Propagation {
        Propagation::After(Duration::from_millis(self.faults.state().propagation_ms))
    }

    fn change(&self, zone: &str, batch: &ChangeBatch) -> Result<ChangeInfo, ApiError> {
        let checks = batch.changes.iter().filter(|change| change.action != Action::Delete);
        let missing =
            checks.filter_map(|change| change.set.health_check_id.as_deref()).find(|id| !self.health.exists(id));
        if let Some(id) = missing {
            self.store.zone(zone)?;
            return Err(ApiError::no_such_health_check(id));
        }
        let propagation = if self.faults.hits(Fault::Stranded) { Propagation::Stranded } else { self.propagation() };
        self.store.change(zone, batch, propagation)
    }

    /// Handles the batch once more, now or after the delay that is set.
    fn deliver_again(self: &Arc<Self>, zone: String, batch: ChangeBatch) {
        match self.faults.state().duplicate_after_ms {
            0 => self.change_again(&zone, &batch),
            delay_ms => {
                let (api, closing) = (Arc::clone(self), self.closing.clone());
                self.tasks.spawn(async move {
                    let delay = tokio::time::sleep(Duration::from_millis(delay_ms));
                    if closing.run_until_cancelled(delay).await.is_some() {
                        api.change_again(&zone, &batch);
                    }
                });
            }
        }
    }

    fn change_again(&self, zone: &str, batch: &ChangeBatch) {
        let result = self.change(zone, batch);
        self.log_change(zone, Some(batch), &result, Delivery::Duplicate, false);
    }

    fn log_change(
        &self,
        zone: &str,
        batch: Option<&ChangeBatch>,
        result: &Result<ChangeInfo, ApiError>,
        delivery: Delivery,
        answered: bool,
    ) {
        self.log.push(RequestEntry {
            zone: Some(zone.to_owned()),
            comment: batch.and_then(|batch| batch.comment.clone()),
            change: result.as_ref().ok().map(|change| change.id.clone()),
            delivery,
            answered,
            changes: batch.map(ChangeBatch::summary).unwrap_or_default(),
            ..entry("ChangeResourceRecordSets", result.as_ref().err())
        });
    }
}

fn entry(op: &'static str, error: Option<&ApiError>) -> RequestEntry {
    let entry = RequestEntry::accepted(op);
    match error {
        None => entry,
        Some(error) => {
            RequestEntry { status: error.status, code: error.code, message: Some(error.message.clone()), ..entry }
        }
    }
}

fn answer(status: StatusCode, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/xml".to_owned()),
        (HeaderName::from_static("x-amzn-requestid"), clock::id("", 24)),
    ];
    (status, headers, body).into_response()
}

fn located(path: &str, body: String) -> Response {
    ([(header::LOCATION, path.to_owned())], answer(StatusCode::CREATED, body)).into_response()
}

fn page_size(params: &BTreeMap<String, String>, max: usize) -> Result<usize, ApiError> {
    let Some(text) = params.get("maxitems") else { return Ok(max) };
    match text.parse::<usize>() {
        Ok(size) if size > 0 => Ok(size.min(max)),
        _ => Err(ApiError::invalid_input(format!("'{text}' is not a number of items"))),
    }
}

/// Where a listing starts: a name, then a type only with a name, then an identifier only with both.
fn start_key(params: &BTreeMap<String, String>) -> Result<Option<RecordKey>, ApiError> {
    let param = |name: &str| params.get(name).filter(|value| !value.is_empty());
    let (kind, identifier) = (param("type"), param("identifier"));
    let Some(name) = param("name") else {
        return match (kind, identifier) {
            (None, None) => Ok(None),
            _ => Err(ApiError::invalid_input("a start type or identifier needs a start name")),
        };
    };
    let name = DnsName::parse(name).map_err(|error| ApiError::invalid_input(format!("start name: {error}")))?;
    let Some(kind) = kind else {
        return match identifier {
            None => Ok(Some(RecordKey::first_of(&name))),
            Some(_) => Err(ApiError::invalid_input("a start identifier needs a start type")),
        };
    };
    let kind = RecordKind::parse(kind)
        .ok_or_else(|| ApiError::invalid_input(format!("'{kind}' is not a record type of the lab")))?;
    Ok(Some(RecordKey::new(&name, kind, identifier.cloned())))
}

fn write_change(xml: &mut XmlWriter, change: &ChangeInfo) {
    xml.element("ChangeInfo", |xml| {
        xml.text("Id", format!("/change/{}", change.id));
        xml.text("Status", if change.in_sync { "INSYNC" } else { "PENDING" });
        xml.text("SubmittedAt", &change.submitted_at);
        xml.optional("Comment", change.comment.as_ref());
    });
}

fn write_zone(xml: &mut XmlWriter, zone: &ZoneInfo) {
    xml.element("HostedZone", |xml| {
        xml.text("Id", format!("/hostedzone/{}", zone.id));
        xml.text("Name", &zone.name);
        xml.text("CallerReference", &zone.caller_reference);
        xml.element("Config", |xml| {
            xml.optional("Comment", zone.comment.as_ref());
            xml.text("PrivateZone", false);
        });
        xml.text("ResourceRecordSetCount", zone.record_set_count);
    });
}

fn write_delegation_set(xml: &mut XmlWriter) {
    xml.element("DelegationSet", |xml| {
        xml.element("NameServers", |xml| NAME_SERVERS.iter().for_each(|name| xml.text("NameServer", name)));
    });
}

fn write_record_set(xml: &mut XmlWriter, set: &RecordSet) {
    xml.element("ResourceRecordSet", |xml| {
        xml.text("Name", &set.name);
        xml.text("Type", set.kind);
        xml.optional("SetIdentifier", set.set_identifier.as_ref());
        xml.optional("Failover", set.failover.map(FailoverRole::as_str));
        xml.text("TTL", set.ttl);
        xml.element("ResourceRecords", |xml| {
            for value in &set.values {
                xml.element("ResourceRecord", |xml| xml.text("Value", value));
            }
        });
        xml.optional("HealthCheckId", set.health_check_id.as_ref());
    });
}
