//! Health checks.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::error::ApiError;
use super::super::tags::Tagged;
use super::super::xml::XmlWriter;
use super::answers::{Params, answer, located, page_size};
use super::{Shared, entry};

/// The most checks of one listing page. The service's documents name none; this is what it says of zones.
const CHECKS_PAGE_MAX: usize = 100;
/// What a permission to list or create checks is about.
const ANY: &str = "healthcheck/*";

fn resource(id: &str) -> String {
    format!("healthcheck/{id}")
}

pub(super) async fn create(State(api): Shared, body: Bytes) -> Response {
    let created = api.gate("CreateHealthCheck", ANY).and_then(|()| api.health.create(&body));
    let mut entry = entry("CreateHealthCheck", created.as_ref().err());
    if let Ok((id, _)) = &created {
        entry.status = 201;
        entry.changes.push(format!("CREATE health check {id}"));
    }
    api.log.push(entry);
    created
        .map_or_else(IntoResponse::into_response, |(id, xml)| located(&format!("/2013-04-01/healthcheck/{id}"), xml))
}

pub(super) async fn list(State(api): Shared, Query(params): Query<Params>) -> Result<Response, ApiError> {
    api.gate("ListHealthChecks", ANY)?;
    let max = page_size(&params, CHECKS_PAGE_MAX)?;
    let marker = params.get("marker").filter(|marker| !marker.is_empty());
    let ids = api.health.ids();
    let mut rest = ids.iter().filter(|id| marker.is_none_or(|marker| *id >= marker));
    let page: Vec<&String> = rest.by_ref().take(max).collect();
    let next = rest.next();
    let body = XmlWriter::document("ListHealthChecksResponse", |xml| {
        xml.element("HealthChecks", |xml| page.iter().for_each(|id| api.health.write(id, xml)));
        xml.text("Marker", marker.map_or("", String::as_str));
        xml.text("IsTruncated", next.is_some());
        xml.optional("NextMarker", next);
        xml.text("MaxItems", max);
    });
    Ok(answer(StatusCode::OK, body))
}

pub(super) async fn count(State(api): Shared) -> Result<Response, ApiError> {
    api.gate("GetHealthCheckCount", ANY)?;
    let count = api.health.ids().len();
    let body = XmlWriter::document("GetHealthCheckCountResponse", |xml| xml.text("HealthCheckCount", count));
    Ok(answer(StatusCode::OK, body))
}

pub(super) async fn get(State(api): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.gate("GetHealthCheck", &resource(&id))?;
    Ok(answer(StatusCode::OK, api.health.get(&id)?))
}

pub(super) async fn update(State(api): Shared, Path(id): Path<String>, body: Bytes) -> Response {
    let updated = api.gate("UpdateHealthCheck", &resource(&id)).and_then(|()| api.health.update(&id, &body));
    let mut entry = entry("UpdateHealthCheck", updated.as_ref().err());
    entry.changes.push(format!("UPDATE health check {id}"));
    api.log.push(entry);
    updated.map_or_else(IntoResponse::into_response, |xml| answer(StatusCode::OK, xml))
}

pub(super) async fn status(State(api): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.gate("GetHealthCheckStatus", &resource(&id))?;
    Ok(answer(StatusCode::OK, api.health.status(&id)?))
}

pub(super) async fn last_failure(State(api): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.gate("GetHealthCheckLastFailureReason", &resource(&id))?;
    Ok(answer(StatusCode::OK, api.health.last_failure(&id)?))
}

pub(super) async fn delete(State(api): Shared, Path(id): Path<String>) -> Response {
    let deleted = api.gate("DeleteHealthCheck", &resource(&id)).and_then(|()| api.health.delete(&id));
    if deleted.is_ok() {
        api.tags.forget(Tagged::HealthCheck, &id);
    }
    let mut entry = entry("DeleteHealthCheck", deleted.as_ref().err());
    entry.changes.push(format!("DELETE health check {id}"));
    api.log.push(entry);
    deleted.map_or_else(IntoResponse::into_response, |()| {
        answer(StatusCode::OK, XmlWriter::document("DeleteHealthCheckResponse", |_| {}))
    })
}
