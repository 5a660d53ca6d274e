//! Tags, and protections of record sets.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::error::ApiError;
use super::super::protections;
use super::super::record::RecordKey;
use super::super::tags::{self, Tagged};
use super::super::xml::XmlWriter;
use super::answers::{Params, answer, named_page_size, start_key};
use super::{Api, Shared, entry, zone_resource};

/// The most protections of one listing page.
const PROTECTIONS_PAGE_MAX: usize = 300;

pub(super) async fn change_tags(
    State(api): Shared,
    Path((kind, id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let changed = api
        .gate("ChangeTagsForResource", &format!("{kind}/{id}"))
        .and_then(|()| api.tagged(&kind, &id))
        .and_then(|kind| api.tags.change(kind, &id, tags::change(&body)?));
    let mut entry = entry("ChangeTagsForResource", changed.as_ref().err());
    entry.changes.push(format!("TAG {kind} {id}"));
    api.log.push(entry);
    changed.map_or_else(IntoResponse::into_response, |()| {
        answer(StatusCode::OK, XmlWriter::document("ChangeTagsForResourceResponse", |_| {}))
    })
}

pub(super) async fn list_tags(
    State(api): Shared,
    Path((kind, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    api.gate("ListTagsForResource", &format!("{kind}/{id}"))?;
    let kind = api.tagged(&kind, &id)?;
    let body = XmlWriter::document("ListTagsForResourceResponse", |xml| api.tags.write(xml, kind, &id));
    Ok(answer(StatusCode::OK, body))
}

pub(super) async fn list_tags_of_several(
    State(api): Shared,
    Path(kind): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    api.gate("ListTagsForResources", &format!("{kind}/*"))?;
    let (ids, name) = (tags::resources(&body)?, kind);
    let kind = Tagged::parse(&name)?;
    for id in &ids {
        api.tagged(&name, id)?;
    }
    let body = XmlWriter::document("ListTagsForResourcesResponse", |xml| {
        xml.element("ResourceTagSets", |xml| ids.iter().for_each(|id| api.tags.write(xml, kind, id)));
    });
    Ok(answer(StatusCode::OK, body))
}

pub(super) async fn create_protections(State(api): Shared, Path(zone): Path<String>, body: Bytes) -> Response {
    const OPERATION: &str = "CreateResourceRecordSetProtections";
    let created = api
        .gate(OPERATION, &zone_resource(&zone))
        .and_then(|()| {
            let known = ["RecordName", "RecordType", "Comment"];
            let root = "CreateResourceRecordSetProtectionsRequest";
            protections::entries(&body, root, "ResourceRecordSetProtectionConfig", &known)
        })
        .and_then(|entries| api.store.protect(&zone, &entries));
    api.protected(OPERATION, "CreateResourceRecordSetProtectionsResponse", zone, created)
}

pub(super) async fn delete_protections(State(api): Shared, Path(zone): Path<String>, body: Bytes) -> Response {
    const OPERATION: &str = "DeleteResourceRecordSetProtections";
    let deleted = api
        .gate(OPERATION, &zone_resource(&zone))
        .and_then(|()| {
            let known = ["RecordName", "RecordType"];
            let root = "DeleteResourceRecordSetProtectionsRequest";
            protections::entries(&body, root, "ResourceRecordSetProtectionKey", &known)
        })
        .and_then(|entries| api.store.unprotect(&zone, &entries));
    api.protected(OPERATION, "DeleteResourceRecordSetProtectionsResponse", zone, deleted)
}

/// The token of the next page is what that page begins with: name and type.
pub(super) async fn list_protections(
    State(api): Shared,
    Path(zone): Path<String>,
    Query(params): Query<Params>,
) -> Result<Response, ApiError> {
    api.gate("ListResourceRecordSetProtections", &zone_resource(&zone))?;
    let max = named_page_size(&params, "maxresults", PROTECTIONS_PAGE_MAX)?;
    let start: Option<RecordKey> = match params.get("nexttoken").filter(|token| !token.is_empty()) {
        Some(token) => {
            let (name, kind) = token.split_once(' ').ok_or_else(|| ApiError::invalid_pagination_token(token))?;
            let place = [("name", name), ("type", kind)].map(|(key, value)| (key.to_owned(), value.to_owned()));
            start_key(&Params::from(place)).map_err(|_| ApiError::invalid_pagination_token(token))?
        }
        None => start_key(&params)?,
    };
    let all = api.store.protections(&zone, start.as_ref())?;
    let body = XmlWriter::document("ListResourceRecordSetProtectionsResponse", |xml| {
        xml.element("ResourceRecordSetProtections", |xml| all.iter().take(max).for_each(|one| one.write(xml)));
        xml.optional("NextToken", all.get(max).map(|next| format!("{} {}", next.name, next.kind)));
    });
    Ok(answer(StatusCode::OK, body))
}

impl Api {
    /// Whether there is such a thing to be tagged.
    fn tagged(&self, kind: &str, id: &str) -> Result<Tagged, ApiError> {
        let kind = Tagged::parse(kind)?;
        match kind {
            Tagged::HostedZone => self.store.zone(id).map(|_| kind),
            Tagged::HealthCheck if self.health.exists(id) => Ok(kind),
            Tagged::HealthCheck => Err(ApiError::no_such_health_check(id)),
        }
    }

    fn protected(
        self: &Arc<Self>,
        operation: &'static str,
        root: &str,
        zone: String,
        done: Result<(), ApiError>,
    ) -> Response {
        let mut entry = entry(operation, done.as_ref().err());
        entry.zone = Some(zone);
        self.log.push(entry);
        done.map_or_else(IntoResponse::into_response, |()| answer(StatusCode::OK, XmlWriter::document(root, |_| {})))
    }
}
