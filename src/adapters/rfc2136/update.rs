//! A change batch as one dynamic update, and what the server's answer to it means. Pure.
//!
//! The prerequisites make the compare-and-swap (RFC 2136 section 2.4): what is deleted must exist with exactly these values and no
//! others (2.4.2), and what is created where nothing is deleted must not exist (2.4.3). A server checks them and applies the update as
//! one (3.2, 3.4.2.7). Times to live are not compared (2.4.2 says so): a record whose TTL somebody changed is swapped all the
//! same, and has the configured one after it.

use hickory_proto::op::{Message, OpCode, Query, ResponseCode, UpdateMessage};
use hickory_proto::rr::{self, DNSClass, Name, Record};

use super::records;
use crate::domain::{Change, RecordSet, RecordType};
use crate::ports::PortError;

/// The update, not signed yet.
pub(super) fn message(zone: &Name, changes: &[Change]) -> Result<Message, String> {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_zone(Query::query(zone.clone(), rr::RecordType::SOA));
    let deleted = |name: &str, kind: RecordType| {
        changes.iter().any(|change| matches!(change, Change::Delete(set) if set.name == name && set.kind == kind))
    };
    for change in changes {
        match change {
            Change::Delete(set) => {
                for mut record in records_of(zone, set, 0)? {
                    message.add_pre_requisite(record.clone());
                    record.dns_class = DNSClass::NONE;
                    message.add_update(record);
                }
            }
            Change::Create(set) => {
                if !deleted(&set.name, set.kind) {
                    let owner = records::name(&set.name)?;
                    let rivals = rivals(set.kind).iter().filter(|kind| !deleted(&set.name, **kind));
                    for kind in rivals {
                        let mut absent = Record::update0(owner.clone(), 0, records::wire_kind(*kind));
                        absent.dns_class = DNSClass::NONE;
                        message.add_pre_requisite(absent);
                    }
                }
                message.add_updates(records_of(zone, set, set.ttl_s)?);
            }
        }
    }
    Ok(message)
}

/// What must not be there for a record of this type to be added: itself, and what a CNAME cannot stand beside. A server
/// ignores such an addition without a word (RFC 2136 section 3.4.2.2), and the token would be swapped all the same.
fn rivals(kind: RecordType) -> &'static [RecordType] {
    match kind {
        RecordType::A => &[RecordType::A, RecordType::Cname],
        RecordType::Aaaa => &[RecordType::Aaaa, RecordType::Cname],
        RecordType::Txt => &[RecordType::Txt, RecordType::Cname],
        RecordType::Cname => &[RecordType::Cname, RecordType::A, RecordType::Aaaa, RecordType::Txt],
    }
}

fn records_of(zone: &Name, set: &RecordSet, ttl_s: u32) -> Result<Vec<Record>, String> {
    let owner = records::name(&set.name)?;
    if !zone.zone_of(&owner) {
        return Err(format!("{} is not in the zone {}", set.name, records::plain(zone)));
    }
    let data = records::to_data(set)?;
    Ok(data.into_iter().map(|data| Record::from_rdata(owner.clone(), ttl_s, data)).collect())
}

/// What a signed, complete answer to an update means.
pub(super) fn judge(code: ResponseCode, place: &str, key: Option<&str>) -> Result<(), PortError> {
    let say = |text: &str| format!("{place}: the server answers {}: {text}", words(code));
    match code {
        ResponseCode::NoError => Ok(()),
        ResponseCode::NXRRSet | ResponseCode::YXRRSet | ResponseCode::NXDomain | ResponseCode::YXDomain => {
            Err(PortError::refused(say(
                "the records are not those that the change expects, and nothing of it was applied",
            )))
        }
        ResponseCode::Refused => Err(PortError::broken(say(&match key {
            Some(key) => {
                format!("allow the key {key} to update these names and types (BIND: update-policy, Knot: acl)")
            }
            None => "it takes no unsigned updates from here; configure `tsig`, or allow this address".to_owned(),
        }))),
        ResponseCode::NotAuth | ResponseCode::NotZone => Err(PortError::broken(say(
            "it is not the primary server of this zone, or refuses the key; correct `server` or `zone`",
        ))),
        ResponseCode::NotImp => {
            Err(PortError::broken(say("it takes no dynamic updates; enable them, or correct `server`")))
        }
        ResponseCode::FormErr => {
            Err(PortError::broken(say("it does not understand the update; see the server's log")))
        }
        _ => Err(PortError::retry(say("it is not known whether the change was or will be applied"))),
    }
}

/// The code's name in the standards, which is what servers' logs say.
pub(super) fn words(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::YXDomain => "YXDOMAIN".to_owned(),
        ResponseCode::YXRRSet => "YXRRSET".to_owned(),
        ResponseCode::NXRRSet => "NXRRSET".to_owned(),
        ResponseCode::NotAuth => "NOTAUTH".to_owned(),
        ResponseCode::NotZone => "NOTZONE".to_owned(),
        other => format!("{other} ({})", u16::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Class;

    fn set(name: &str, kind: RecordType, value: &str) -> RecordSet {
        RecordSet {
            name: name.to_owned(),
            kind,
            ttl_s: 30,
            values: vec![value.to_owned()],
            alias: None,
            set_identifier: None,
            failover: None,
            health_check: None,
        }
    }

    /// Class, time to live, name, type and whether it has data.
    fn shown(records: &[Record]) -> Vec<String> {
        let show = |record: &Record| {
            let data = record.data.to_string();
            let (class, ttl, name) = (record.dns_class, record.ttl, &record.name);
            format!("{class} {ttl} {name} {} {data}", record.record_type()).trim_end().to_owned()
        };
        records.iter().map(show).collect()
    }

    #[test]
    fn a_swap_requires_the_old_data_and_deletes_just_it() {
        let zone = records::name("example.test").unwrap();
        let changes = [
            Change::Delete(set("www.example.test", RecordType::A, "192.0.2.1")),
            Change::Create(set("www.example.test", RecordType::A, "192.0.2.2")),
        ];
        let message = message(&zone, &changes).unwrap();
        assert_eq!(shown(message.prerequisites()), ["IN 0 www.example.test. A 192.0.2.1"]);
        assert_eq!(
            shown(message.updates()),
            ["NONE 0 www.example.test. A 192.0.2.1", "IN 30 www.example.test. A 192.0.2.2"]
        );
        assert!(!message.metadata.recursion_desired && message.metadata.op_code == OpCode::Update);
    }

    #[test]
    fn a_creation_requires_that_nothing_stands_in_its_way() {
        let zone = records::name("example.test").unwrap();
        let alone = [Change::Create(set("www.example.test", RecordType::A, "192.0.2.1"))];
        let kinds = |message: &Message| -> Vec<rr::RecordType> {
            message.prerequisites().iter().map(Record::record_type).collect()
        };
        let message_of = |changes: &[Change]| message(&zone, changes).unwrap();
        assert_eq!(kinds(&message_of(&alone)), [rr::RecordType::A, rr::RecordType::CNAME]);
        // What the batch itself takes away is required to be there, not to be absent.
        let instead = [
            Change::Delete(set("www.example.test", RecordType::Cname, "lb.example.net")),
            Change::Create(set("www.example.test", RecordType::A, "192.0.2.1")),
        ];
        assert_eq!(kinds(&message_of(&instead)), [rr::RecordType::CNAME, rr::RecordType::A]);
    }

    #[test]
    fn a_name_outside_the_zone_is_not_sent() {
        let zone = records::name("example.test").unwrap();
        let changes = [Change::Create(set("www.example.net", RecordType::A, "192.0.2.1"))];
        assert_eq!(message(&zone, &changes).unwrap_err(), "www.example.net is not in the zone example.test");
    }

    #[test]
    fn every_answer_has_its_class() {
        let class = |code| judge(code, "zone example.test", Some("'quorate'")).err().map(|error| error.class);
        assert_eq!(class(ResponseCode::NoError), None);
        for code in [ResponseCode::NXRRSet, ResponseCode::YXRRSet, ResponseCode::NXDomain, ResponseCode::YXDomain] {
            assert_eq!(class(code), Some(Class::Refused), "{code}");
        }
        for code in [ResponseCode::Refused, ResponseCode::NotAuth, ResponseCode::NotZone, ResponseCode::NotImp] {
            assert_eq!(class(code), Some(Class::Broken), "{code}");
        }
        for code in [ResponseCode::ServFail, ResponseCode::BADCOOKIE, ResponseCode::Unknown(77)] {
            assert_eq!(class(code), Some(Class::Retry), "{code}");
        }
    }
}
