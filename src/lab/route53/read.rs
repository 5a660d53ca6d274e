//! Reads requests into the lab's own types, and refuses what it would not serve faithfully: routing other than simple
//! and failover.

use roxmltree::Node;

use super::batch::{Action, Change, ChangeBatch};
use super::error::ApiError;
use super::name::DnsName;
use super::record::{Alias, FailoverRole, RecordKind, RecordSet};
use super::xml::{Fields, items, read_document};

/// The longest value of one record.
const VALUE_CHARS_MAX: usize = 4_000;
/// The longest set identifier.
const SET_IDENTIFIER_CHARS_MAX: usize = 128;
/// The largest TTL, in seconds.
const TTL_S_MAX: u32 = i32::MAX as u32;

/// The elements of a record set.
const RECORD_SET: [&str; 15] = [
    "Name",
    "Type",
    "SetIdentifier",
    "Weight",
    "Region",
    "GeoLocation",
    "Failover",
    "MultiValueAnswer",
    "TTL",
    "ResourceRecords",
    "AliasTarget",
    "HealthCheckId",
    "TrafficPolicyInstanceId",
    "CidrRoutingConfig",
    "GeoProximityLocation",
];
/// Those that the lab does not serve.
const NOT_SERVED: [&str; 7] = [
    "Weight",
    "Region",
    "GeoLocation",
    "MultiValueAnswer",
    "TrafficPolicyInstanceId",
    "CidrRoutingConfig",
    "GeoProximityLocation",
];

/// What CreateHostedZone asks for.
#[derive(Debug)]
pub(super) struct NewZone {
    /// The id it must have; any, when absent. Only the lab's owner can ask for one.
    pub(super) id: Option<String>,
    pub(super) name: DnsName,
    pub(super) caller_reference: String,
    pub(super) comment: Option<String>,
}

/// Reads the body of ChangeResourceRecordSets.
pub(super) fn change_batch(body: &[u8]) -> Result<ChangeBatch, ApiError> {
    read_document(body, "ChangeResourceRecordSetsRequest", |root| {
        let batch = Fields::read(root, &["ChangeBatch"])?.required_node("ChangeBatch")?;
        let fields = Fields::read(batch, &["Comment", "Changes"])?;
        let changes = items(fields.required_node("Changes")?, "Change")?;
        if changes.is_empty() {
            return Err(ApiError::invalid_input("the list of changes is empty"));
        }
        Ok(ChangeBatch {
            comment: fields.text("Comment")?.filter(|comment| !comment.is_empty()),
            changes: changes.into_iter().map(change).collect::<Result<_, _>>()?,
        })
    })
}

/// Reads the body of CreateHostedZone.
pub(super) fn new_zone(body: &[u8]) -> Result<NewZone, ApiError> {
    read_document(body, "CreateHostedZoneRequest", |root| {
        let known = ["Name", "VPC", "CallerReference", "HostedZoneConfig", "DelegationSetId"];
        let fields = Fields::read(root, &known)?;
        if fields.node("VPC").is_some() {
            return Err(ApiError::invalid_input("the lab has public zones only: leave out 'VPC'"));
        }
        let name = fields.required("Name")?;
        let caller_reference = fields.required("CallerReference")?;
        if !(1..=128).contains(&caller_reference.chars().count()) {
            return Err(ApiError::invalid_input("'CallerReference' must have 1 to 128 characters"));
        }
        let config = fields.node("HostedZoneConfig");
        let config = config.map(|node| Fields::read(node, &["Comment", "PrivateZone"])).transpose()?;
        Ok(NewZone {
            id: None,
            name: DnsName::parse(&name).map_err(|error| ApiError::invalid_domain_name(&name, &error.to_string()))?,
            caller_reference,
            comment: config.map(|config| config.text("Comment")).transpose()?.flatten(),
        })
    })
}

/// Reads the body of UpdateHostedZoneComment.
pub(super) fn zone_comment(body: &[u8]) -> Result<Option<String>, ApiError> {
    read_document(body, "UpdateHostedZoneCommentRequest", |root| {
        Ok(Fields::read(root, &["Comment"])?.text("Comment")?.filter(|comment| !comment.is_empty()))
    })
}

fn change(node: Node<'_, '_>) -> Result<Change, ApiError> {
    let fields = Fields::read(node, &["Action", "ResourceRecordSet"])?;
    let action = fields.required("Action")?;
    let action = Action::parse(&action)
        .ok_or_else(|| ApiError::invalid_input(format!("'{action}' is not an action: CREATE, DELETE or UPSERT")))?;
    Ok(Change { action, set: record_set(action, fields.required_node("ResourceRecordSet")?)? })
}

fn record_set(action: Action, node: Node<'_, '_>) -> Result<RecordSet, ApiError> {
    let fields = Fields::read(node, &RECORD_SET)?;
    let (name, kind) = (fields.required("Name")?, fields.required("Type")?);
    let set_identifier = fields.text("SetIdentifier")?;
    let place = format!(
        "in Change with [Action={}, Name={name}, Type={kind}, SetIdentifier={}]",
        action.as_str(),
        set_identifier.as_deref().unwrap_or("null")
    );
    if let Some(element) = NOT_SERVED.iter().find(|element| fields.node(element).is_some()) {
        return Err(ApiError::invalid_input(format!("the lab does not serve '{element}' {place}")));
    }
    let failover = fields.text("Failover")?;
    let failover = failover
        .map(|text| {
            FailoverRole::parse(&text)
                .ok_or_else(|| ApiError::invalid_input(format!("'{text}' is not a failover role {place}")))
        })
        .transpose()?;
    match (&set_identifier, failover) {
        (None, Some(_)) => {
            return Err(ApiError::invalid_input(format!("Invalid request: Missing field 'SetIdentifier' {place}")));
        }
        (Some(_), None) => {
            return Err(ApiError::invalid_input(format!(
                "Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, MultiValueAnswer, \
                 GeoProximityLocation, or CidrRoutingConfig], but found none {place}"
            )));
        }
        (Some(id), Some(_)) if !(1..=SET_IDENTIFIER_CHARS_MAX).contains(&id.chars().count()) => {
            return Err(ApiError::invalid_input(format!("'SetIdentifier' must have 1 to 128 characters {place}")));
        }
        _ => {}
    }
    let (ttl, values, alias) = content(&fields, &place)?;
    if failover.is_some() && alias.as_ref().is_some_and(|alias| !alias.evaluate) {
        return Err(ApiError::invalid_input(format!(
            "a failover alias must have EvaluateTargetHealth set to true {place}"
        )));
    }
    Ok(RecordSet {
        name: parsed_name(&name)?,
        kind: RecordKind::parse(&kind)
            .ok_or_else(|| ApiError::invalid_input(format!("the lab does not serve type '{kind}' {place}")))?,
        set_identifier,
        failover,
        ttl,
        values,
        alias,
        health_check_id: fields.text("HealthCheckId")?.filter(|id| !id.is_empty()),
    })
}

/// TTL and values, or an alias, and nothing of the other.
fn content(fields: &Fields<'_, '_>, place: &str) -> Result<(u32, Vec<String>, Option<Alias>), ApiError> {
    let expected = |found: &str| {
        ApiError::invalid_input(format!(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or \
             TrafficPolicyInstanceId], but found {found} {place}"
        ))
    };
    let (ttl, list) = (fields.parsed::<u32>("TTL")?, fields.node("ResourceRecords"));
    match (fields.node("AliasTarget"), ttl, list) {
        (Some(target), None, None) => Ok((0, Vec::new(), Some(alias(target)?))),
        (Some(_), ..) => Err(expected("more than one")),
        (None, Some(ttl), Some(list)) => {
            if ttl > TTL_S_MAX {
                return Err(ApiError::invalid_input(format!("'TTL' must be at most {TTL_S_MAX} {place}")));
            }
            let values = values(list)?;
            if values.is_empty() {
                return Err(ApiError::invalid_input(format!("'ResourceRecords' is empty {place}")));
            }
            Ok((ttl, values, None))
        }
        (None, ..) => Err(expected("none")),
    }
}

fn alias(node: Node<'_, '_>) -> Result<Alias, ApiError> {
    let fields = Fields::read(node, &["HostedZoneId", "DNSName", "EvaluateTargetHealth"])?;
    let evaluate = fields.parsed("EvaluateTargetHealth")?;
    Ok(Alias {
        zone: fields.required("HostedZoneId")?.trim_start_matches("/hostedzone/").to_owned(),
        name: parsed_name(&fields.required("DNSName")?)?,
        evaluate: evaluate
            .ok_or_else(|| ApiError::invalid_xml("no element 'EvaluateTargetHealth' in 'AliasTarget'"))?,
    })
}

fn parsed_name(name: &str) -> Result<DnsName, ApiError> {
    DnsName::parse(name)
        .map_err(|error| ApiError::invalid_change_batch(&[format!("FATAL problem: {error} in '{name}'")]))
}

fn values(list: Node<'_, '_>) -> Result<Vec<String>, ApiError> {
    let records = items(list, "ResourceRecord")?.into_iter();
    records
        .map(|record| {
            let value = Fields::read(record, &["Value"])?.required("Value")?;
            if value.chars().count() > VALUE_CHARS_MAX {
                return Err(ApiError::invalid_input(format!("a value has more than {VALUE_CHARS_MAX} characters")));
            }
            Ok(value)
        })
        .collect()
}
