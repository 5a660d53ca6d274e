//! Record sets to and from Route 53's shapes.
//!
//! A DELETE must repeat a record exactly, so what is read is kept as it is, and `to_sdk(from_sdk(x))` is `x` for every record that
//! Quorate may delete. Routing that the domain does not model is made visible instead of being dropped: such a record
//! has no failover part, and what it is stands in its values, so that [`OwnedRecords::find`](crate::domain::OwnedRecords::find)
//! refuses it and says why.

use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types as sdk;

use crate::domain::{Alias, Change, Failover, RecordSet, RecordType};

/// A name in lower case, without its final dot, and with Route 53's octal escapes (`\052` for `*`) resolved. A dot or a
/// backslash inside a label stays escaped: without the escape it would be another name.
pub(super) fn plain_name(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        let octal = escape.get(1..4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) if byte.is_ascii_graphic() && byte != b'.' && byte != b'\\' => {
                plain.push(char::from(byte));
                rest = escape.get(4..).unwrap_or_default();
            }
            _ => {
                plain.push('\\');
                rest = escape.get(1..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    plain.make_ascii_lowercase();
    plain
}

/// The domain's record; none for a type that Quorate neither moves nor owns.
pub(super) fn from_sdk(set: &sdk::ResourceRecordSet) -> Option<RecordSet> {
    let kind = RecordType::parse(set.r#type.as_str())?;
    let mut values: Vec<String> = set
        .resource_records
        .iter()
        .flatten()
        .map(|record| if kind == RecordType::Txt { unquoted(&record.value) } else { record.value.clone() })
        .collect();
    let mut failover = match &set.failover {
        Some(sdk::ResourceRecordSetFailover::Primary) => Some(Failover::Primary),
        Some(sdk::ResourceRecordSetFailover::Secondary) => Some(Failover::Secondary),
        _ => None,
    };
    let mut alias = None;
    if let Some(target) = &set.alias_target {
        values = vec![target.dns_name.clone()];
        let zone = target.hosted_zone_id.clone();
        alias = Some(Alias { zone, evaluate_target_health: target.evaluate_target_health });
    }
    if let Some(routing) = other_routing(set) {
        failover = None;
        values = vec![format!("{routing}: {}", values.join(", "))];
    }
    Some(RecordSet {
        name: plain_name(&set.name),
        kind,
        ttl_s: set.ttl.and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or_default(),
        values,
        alias,
        set_identifier: set.set_identifier.clone(),
        failover,
        health_check: set.health_check_id.clone(),
    })
}

/// The routing of a record that the domain has no words for.
fn other_routing(set: &sdk::ResourceRecordSet) -> Option<String> {
    if let Some(weight) = set.weight {
        return Some(format!("weighted routing ({weight})"));
    }
    if let Some(region) = &set.region {
        return Some(format!("latency routing ({})", region.as_str()));
    }
    if let Some(id) = &set.traffic_policy_instance_id {
        return Some(format!("a record of the traffic policy instance {id}"));
    }
    match set {
        _ if set.geo_location.is_some() => Some("geolocation routing".to_owned()),
        _ if set.geo_proximity_location.is_some() => Some("geoproximity routing".to_owned()),
        _ if set.cidr_routing_config.is_some() => Some("routing by address range".to_owned()),
        _ if set.multi_value_answer.is_some() => Some("multivalue answers".to_owned()),
        _ => match &set.failover {
            None | Some(sdk::ResourceRecordSetFailover::Primary | sdk::ResourceRecordSetFailover::Secondary) => None,
            Some(other) => Some(format!("failover routing '{}'", other.as_str())),
        },
    }
}

/// A change as Route 53 takes it.
pub(super) fn to_sdk(change: &Change) -> Result<sdk::Change, BuildError> {
    let (action, set) = match change {
        Change::Delete(set) => (sdk::ChangeAction::Delete, set),
        Change::Create(set) => (sdk::ChangeAction::Create, set),
    };
    sdk::Change::builder().action(action).resource_record_set(set_to_sdk(set)?).build()
}

fn set_to_sdk(set: &RecordSet) -> Result<sdk::ResourceRecordSet, BuildError> {
    let kind = match set.kind {
        RecordType::A => sdk::RrType::A,
        RecordType::Aaaa => sdk::RrType::Aaaa,
        RecordType::Cname => sdk::RrType::Cname,
        RecordType::Txt => sdk::RrType::Txt,
    };
    let alias = match (&set.alias, set.values.first()) {
        (Some(alias), Some(target)) => Some(
            sdk::AliasTarget::builder()
                .hosted_zone_id(&alias.zone)
                .dns_name(target)
                .evaluate_target_health(alias.evaluate_target_health)
                .build()?,
        ),
        _ => None,
    };
    let values = set
        .values
        .iter()
        .map(|value| {
            let value = if set.kind == RecordType::Txt { quoted(value) } else { value.clone() };
            sdk::ResourceRecord::builder().value(value).build()
        })
        .collect::<Result<Vec<_>, _>>()?;
    sdk::ResourceRecordSet::builder()
        .name(&set.name)
        .r#type(kind)
        .set_set_identifier(set.set_identifier.clone())
        .set_failover(set.failover.map(|failover| match failover {
            Failover::Primary => sdk::ResourceRecordSetFailover::Primary,
            Failover::Secondary => sdk::ResourceRecordSetFailover::Secondary,
        }))
        // An alias has neither a time to live nor values: both are those of what it means.
        .set_ttl(alias.is_none().then(|| i64::from(set.ttl_s)))
        .set_resource_records(alias.is_none().then_some(values))
        .set_alias_target(alias)
        .set_health_check_id(set.health_check.clone())
        .build()
}

/// A TXT value without its quotes, when it is one plain string. Anything else (several strings, escapes) stays as
/// it is, quotes included: joined it would look like a value that it is not, and the DELETE would not match it.
fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !inner.contains(['"', '\\']) => inner.to_owned(),
        _ => value.to_owned(),
    }
}

fn quoted(value: &str) -> String {
    if value.starts_with('"') { value.to_owned() } else { format!("\"{value}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ClusterName, OwnedRecords};

    fn txt(value: &str) -> sdk::ResourceRecordSet {
        sdk::ResourceRecordSet::builder()
            .name("_quorate.www.example.test.")
            .r#type(sdk::RrType::Txt)
            .ttl(60)
            .resource_records(sdk::ResourceRecord::builder().value(value).build().unwrap())
            .build()
            .unwrap()
    }

    #[test]
    fn names_are_as_people_write_them() {
        for (theirs, ours) in [
            ("WWW.Example.test.", "www.example.test"),
            ("\\052.example.test.", "*.example.test"),
            ("_quorate.www.example.test", "_quorate.www.example.test"),
            ("a\\056b.example.test.", "a\\056b.example.test"),
            ("a\\134b.example.test.", "a\\134b.example.test"),
            ("tail\\05", "tail\\05"),
            ("odd\\ü9.test", "odd\\ü9.test"),
        ] {
            assert_eq!(plain_name(theirs), ours);
        }
    }

    #[test]
    fn what_was_read_is_what_is_deleted() {
        for value in
            ["\"v1;c=demo;e=1;s=0;t=primary;d=-\"", "\"two\" \"strings\"", "\"a \\\"quote\\\"\"", "\"\\344\""]
        {
            let theirs = txt(value);
            let back = set_to_sdk(&from_sdk(&theirs).unwrap()).unwrap();
            assert_eq!(back.resource_records, theirs.resource_records);
            assert_eq!((back.ttl, back.set_identifier), (theirs.ttl, None));
        }
    }

    #[test]
    fn routing_that_is_not_modelled_never_looks_like_failover_or_a_plain_record() {
        let base = || {
            sdk::ResourceRecordSet::builder()
                .name("www.example.test.")
                .r#type(sdk::RrType::A)
                .set_identifier("aws")
                .ttl(60)
                .resource_records(sdk::ResourceRecord::builder().value("192.0.2.1").build().unwrap())
        };
        for (built, word) in [
            (base().weight(10), "weighted routing (10): 192.0.2.1"),
            (base().region(sdk::ResourceRecordSetRegion::UsWest2), "latency routing (us-west-2): 192.0.2.1"),
            (base().multi_value_answer(true), "multivalue answers: 192.0.2.1"),
            (base().failover("TERTIARY".into()), "failover routing 'TERTIARY': 192.0.2.1"),
            (base().geo_location(sdk::GeoLocation::builder().build()), "geolocation routing: 192.0.2.1"),
            (
                base().failover(sdk::ResourceRecordSetFailover::Primary).traffic_policy_instance_id("t1"),
                "a record of the traffic policy instance t1: 192.0.2.1",
            ),
        ] {
            let set = from_sdk(&built.build().unwrap()).unwrap();
            assert_eq!((set.failover, set.values), (None, vec![word.to_owned()]));
        }
    }

    #[test]
    fn an_alias_survives_the_way_through_the_domain() {
        let target = sdk::AliasTarget::builder()
            .hosted_zone_id("Z1")
            .dns_name("lb.example.test.")
            .evaluate_target_health(true)
            .build()
            .unwrap();
        let theirs = sdk::ResourceRecordSet::builder()
            .name("www.example.test.")
            .r#type(sdk::RrType::A)
            .set_identifier("aws")
            .failover(sdk::ResourceRecordSetFailover::Primary)
            .alias_target(target)
            .build()
            .unwrap();
        let ours = from_sdk(&theirs).unwrap();
        assert_eq!((ours.values.as_slice(), ours.ttl_s), (["lb.example.test.".to_owned()].as_slice(), 0));
        assert_eq!(ours.alias, Some(Alias { zone: "Z1".to_owned(), evaluate_target_health: true }));
        let back = set_to_sdk(&ours).unwrap();
        assert_eq!((back.alias_target, back.ttl, back.resource_records), (theirs.alias_target, None, None));
    }

    #[test]
    fn an_mx_record_is_nobodys_business() {
        let set = sdk::ResourceRecordSet::builder().name("example.test.").r#type(sdk::RrType::Mx).build().unwrap();
        assert_eq!(from_sdk(&set), None);
        assert_eq!(OwnedRecords::mark_name("example.test"), "_quorate.example.test");
        assert!(ClusterName::new("demo").is_ok());
    }
}
