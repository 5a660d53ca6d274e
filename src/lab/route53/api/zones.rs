//! Hosted zones.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::error::ApiError;
use super::super::name::DnsName;
use super::super::read;
use super::super::store::ZoneInfo;
use super::super::tags::Tagged;
use super::super::xml::XmlWriter;
use super::answers::{Params, answer, located, page_size, write_change, write_delegation_set, write_zone};
use super::{Shared, entry, zone_resource};

/// The most zones of one listing page.
const ZONES_PAGE_MAX: usize = 100;
/// What a permission to list or create zones is about.
const ANY: &str = "hostedzone/*";

pub(super) async fn get_hosted_zone(State(api): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.gate("GetHostedZone", &zone_resource(&id))?;
    let zone = api.store.zone(&id)?;
    let body = XmlWriter::document("GetHostedZoneResponse", |xml| {
        write_zone(xml, &zone);
        write_delegation_set(xml);
    });
    Ok(answer(StatusCode::OK, body))
}

pub(super) async fn list_hosted_zones(
    State(api): Shared,
    Query(params): Query<Params>,
) -> Result<Response, ApiError> {
    api.gate("ListHostedZones", ANY)?;
    let max = page_size(&params, ZONES_PAGE_MAX)?;
    let marker = params.get("marker").filter(|marker| !marker.is_empty());
    // There are no private zones here, and no reusable delegation sets.
    let none = ["hostedzonetype", "delegationsetid"].iter().any(|filter| params.contains_key(*filter));
    let zones = if none { Vec::new() } else { api.store.zones() };
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

pub(super) async fn create_hosted_zone(State(api): Shared, body: Bytes) -> Response {
    let created = api.gate("CreateHostedZone", ANY).and_then(|()| read::new_zone(&body)).and_then(|new| {
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

pub(super) async fn list_hosted_zones_by_name(
    State(api): Shared,
    Query(params): Query<Params>,
) -> Result<Response, ApiError> {
    api.gate("ListHostedZonesByName", ANY)?;
    let max = page_size(&params, ZONES_PAGE_MAX)?;
    let param = |name: &str| params.get(name).filter(|value| !value.is_empty());
    let (name, id) = (param("dnsname"), param("hostedzoneid").map(|id| id.trim_start_matches("/hostedzone/")));
    if name.is_none() && id.is_some() {
        return Err(ApiError::invalid_input("a start hosted zone id needs a start DNS name"));
    }
    let start = name
        .map(|name| DnsName::parse(name).map_err(|error| ApiError::invalid_domain_name(name, &error.to_string())));
    let start = start.transpose()?.map(|name| (name.reversed(), id.unwrap_or_default().to_owned()));
    let place = |zone: &ZoneInfo| (zone.name.reversed(), zone.id.clone());
    let mut zones = api.store.zones();
    zones.sort_by_key(place);
    let mut rest = zones.iter().filter(|zone| start.as_ref().is_none_or(|start| place(zone) >= *start));
    let page: Vec<&ZoneInfo> = rest.by_ref().take(max).collect();
    let next = rest.next();
    let body = XmlWriter::document("ListHostedZonesByNameResponse", |xml| {
        xml.element("HostedZones", |xml| page.iter().for_each(|zone| write_zone(xml, zone)));
        xml.optional("DNSName", name);
        xml.optional("HostedZoneId", id);
        xml.text("IsTruncated", next.is_some());
        xml.optional("NextDNSName", next.map(|zone| &zone.name));
        xml.optional("NextHostedZoneId", next.map(|zone| &zone.id));
        xml.text("MaxItems", max);
    });
    Ok(answer(StatusCode::OK, body))
}

pub(super) async fn count_hosted_zones(State(api): Shared) -> Result<Response, ApiError> {
    api.gate("GetHostedZoneCount", ANY)?;
    let count = api.store.zones().len();
    let body = XmlWriter::document("GetHostedZoneCountResponse", |xml| xml.text("HostedZoneCount", count));
    Ok(answer(StatusCode::OK, body))
}

pub(super) async fn delete_hosted_zone(State(api): Shared, Path(id): Path<String>) -> Response {
    let deleted = api
        .gate("DeleteHostedZone", &zone_resource(&id))
        .and_then(|()| api.store.delete_zone(&id, api.propagation()));
    if deleted.is_ok() {
        api.tags.forget(Tagged::HostedZone, &id);
    }
    let mut entry = entry("DeleteHostedZone", deleted.as_ref().err());
    entry.change = deleted.as_ref().ok().map(|change| change.id.clone());
    entry.changes.push(format!("DELETE zone {id}"));
    entry.zone = Some(id);
    api.log.push(entry);
    deleted.map_or_else(IntoResponse::into_response, |change| {
        answer(StatusCode::OK, XmlWriter::document("DeleteHostedZoneResponse", |xml| write_change(xml, &change)))
    })
}

pub(super) async fn comment_hosted_zone(State(api): Shared, Path(id): Path<String>, body: Bytes) -> Response {
    let commented = api
        .gate("UpdateHostedZoneComment", &zone_resource(&id))
        .and_then(|()| read::zone_comment(&body))
        .and_then(|comment| api.store.comment_zone(&id, comment));
    let mut entry = entry("UpdateHostedZoneComment", commented.as_ref().err());
    entry.zone = Some(id);
    api.log.push(entry);
    commented.map_or_else(IntoResponse::into_response, |zone| {
        answer(StatusCode::OK, XmlWriter::document("UpdateHostedZoneCommentResponse", |xml| write_zone(xml, &zone)))
    })
}

/// The lab signs nothing, which is an answer, too: tools ask before they delete a zone.
pub(super) async fn get_dnssec(State(api): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    api.gate("GetDNSSEC", &zone_resource(&id))?;
    api.store.zone(&id)?;
    let body = XmlWriter::document("GetDNSSECResponse", |xml| {
        xml.element("Status", |xml| xml.text("ServeSignature", "NOT_SIGNING"));
        xml.element("KeySigningKeys", |_| {});
    });
    Ok(answer(StatusCode::OK, body))
}
