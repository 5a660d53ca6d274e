//! The answers' documents, and what all listings share.

use std::collections::BTreeMap;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::error::ApiError;
use super::super::name::DnsName;
use super::super::record::{FailoverRole, RecordKey, RecordKind, RecordSet};
use super::super::store::{ChangeInfo, NAME_SERVERS, ZoneInfo};
use super::super::xml::XmlWriter;
use crate::lab::clock;

/// The query of a request.
pub(super) type Params = BTreeMap<String, String>;

/// A document, with the headers that clients look for.
pub(super) fn answer(status: StatusCode, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/xml".to_owned()),
        (HeaderName::from_static("x-amzn-requestid"), clock::id("", 24)),
    ];
    (status, headers, body).into_response()
}

/// The document of something that was created, and where it is.
pub(super) fn located(path: &str, body: String) -> Response {
    ([(header::LOCATION, path.to_owned())], answer(StatusCode::CREATED, body)).into_response()
}

/// How many entries a page may have: as asked, and never more than the service gives.
pub(super) fn page_size(params: &Params, max: usize) -> Result<usize, ApiError> {
    named_page_size(params, "maxitems", max)
}

/// The same, by another name of the parameter.
pub(super) fn named_page_size(params: &Params, name: &str, max: usize) -> Result<usize, ApiError> {
    let Some(text) = params.get(name) else { return Ok(max) };
    match text.parse::<usize>() {
        Ok(size) if size > 0 => Ok(size.min(max)),
        _ => Err(ApiError::invalid_input(format!("'{text}' is not a number of items"))),
    }
}

/// Where a listing starts: a name, then a type only with a name, then an identifier only with both.
pub(super) fn start_key(params: &Params) -> Result<Option<RecordKey>, ApiError> {
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

pub(super) fn write_change(xml: &mut XmlWriter, change: &ChangeInfo) {
    xml.element("ChangeInfo", |xml| {
        xml.text("Id", format!("/change/{}", change.id));
        xml.text("Status", if change.in_sync { "INSYNC" } else { "PENDING" });
        xml.text("SubmittedAt", &change.submitted_at);
        xml.optional("Comment", change.comment.as_ref());
    });
}

pub(super) fn write_zone(xml: &mut XmlWriter, zone: &ZoneInfo) {
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

pub(super) fn write_delegation_set(xml: &mut XmlWriter) {
    xml.element("DelegationSet", |xml| {
        xml.element("NameServers", |xml| NAME_SERVERS.iter().for_each(|name| xml.text("NameServer", name)));
    });
}

pub(super) fn write_record_set(xml: &mut XmlWriter, set: &RecordSet) {
    xml.element("ResourceRecordSet", |xml| {
        xml.text("Name", &set.name);
        xml.text("Type", set.kind);
        xml.optional("SetIdentifier", set.set_identifier.as_ref());
        xml.optional("Failover", set.failover.map(FailoverRole::as_str));
        match &set.alias {
            None => {
                xml.text("TTL", set.ttl);
                xml.element("ResourceRecords", |xml| {
                    for value in &set.values {
                        xml.element("ResourceRecord", |xml| xml.text("Value", value));
                    }
                });
            }
            Some(alias) => xml.element("AliasTarget", |xml| {
                xml.text("HostedZoneId", &alias.zone);
                xml.text("DNSName", &alias.name);
                xml.text("EvaluateTargetHealth", alias.evaluate);
            }),
        }
        xml.optional("HealthCheckId", set.health_check_id.as_ref());
    });
}
