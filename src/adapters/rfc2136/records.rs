//! Record sets to and from resource records.
//!
//! A deletion must name the data exactly, so a value that cannot be written back as it was read stays visibly strange, and
//! [`OwnedRecords::find`](crate::domain::OwnedRecords::find) refuses it.

use hickory_proto::rr::rdata::{A, AAAA, CNAME, TXT};
use hickory_proto::rr::{self, Name, RData};

use crate::domain::{RecordSet, RecordType};

/// The longest string of a TXT record, in octets (RFC 1035 section 3.3).
const MAX_STRING: usize = 255;

/// The type on the wire.
pub(super) fn wire_kind(kind: RecordType) -> rr::RecordType {
    match kind {
        RecordType::A => rr::RecordType::A,
        RecordType::Aaaa => rr::RecordType::AAAA,
        RecordType::Cname => rr::RecordType::CNAME,
        RecordType::Txt => rr::RecordType::TXT,
    }
}

/// A fully qualified name.
pub(super) fn name(text: &str) -> Result<Name, String> {
    let mut name =
        Name::from_ascii(text).map_err(|error| format!("'{text}' is not a name that DNS can hold: {error}"))?;
    name.set_fqdn(true);
    Ok(name)
}

/// A name as the domain writes it: lower case, without the final dot.
pub(super) fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// The data of every record of the set.
///
/// # Errors
/// The set asks for what plain DNS does not have, or holds what its type cannot.
pub(super) fn to_data(set: &RecordSet) -> Result<Vec<RData>, String> {
    let what = || format!("{} {}", set.name, set.kind);
    let routed = set.set_identifier.is_some() || set.failover.is_some() || set.health_check.is_some();
    if routed || set.alias.is_some() {
        let text =
            "is a failover record or an alias, which servers of RFC 2136 do not have; use routing = \"simple\"";
        return Err(format!("{} {text}", what()));
    }
    if set.values.is_empty() {
        return Err(format!("{} has no value", what()));
    }
    set.values
        .iter()
        .map(|value| one(set.kind, value).ok_or_else(|| format!("{} cannot hold '{value}'", what())))
        .collect()
}

fn one(kind: RecordType, value: &str) -> Option<RData> {
    match kind {
        RecordType::A => value.parse().ok().map(|address| RData::A(A(address))),
        RecordType::Aaaa => value.parse().ok().map(|address| RData::AAAA(AAAA(address))),
        RecordType::Cname => name(value).ok().map(|target| RData::CNAME(CNAME(target))),
        // What begins with a quote is how `from_data` shows several strings.
        RecordType::Txt if value.starts_with('"') || value.len() > MAX_STRING => None,
        RecordType::Txt => Some(RData::TXT(TXT::new(vec![value.to_owned()]))),
    }
}

/// The value as the domain has it; none for data of another type. One string of text is itself; several, or one that is not text,
/// are shown quoted: joined they would look like a value that they are not, and a deletion would not match.
pub(super) fn from_data(kind: RecordType, data: &RData) -> Option<String> {
    match (kind, data) {
        (RecordType::A, RData::A(address)) => Some(address.to_string()),
        (RecordType::Aaaa, RData::AAAA(address)) => Some(address.to_string()),
        (RecordType::Cname, RData::CNAME(target)) => Some(plain(&target.0)),
        (RecordType::Txt, RData::TXT(text)) => {
            let strings: Vec<&[u8]> = text.txt_data.iter().map(AsRef::as_ref).collect();
            Some(match strings.as_slice() {
                [only] => match std::str::from_utf8(only) {
                    Ok(text) if !text.starts_with('"') => text.to_owned(),
                    _ => format!("\"{}\"", only.escape_ascii()),
                },
                several => {
                    let quoted: Vec<String> =
                        several.iter().map(|part| format!("\"{}\"", part.escape_ascii())).collect();
                    quoted.join(" ")
                }
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kind: RecordType, value: &str) -> RecordSet {
        RecordSet {
            name: "www.example.test".to_owned(),
            kind,
            ttl_s: 30,
            values: vec![value.to_owned()],
            alias: None,
            set_identifier: None,
            failover: None,
            health_check: None,
        }
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        for (kind, value) in [
            (RecordType::A, "192.0.2.1"),
            (RecordType::Aaaa, "2001:db8::1"),
            (RecordType::Cname, "lb.example.net"),
            (RecordType::Txt, "v1;c=demo;e=4;s=7;t=primary;d=-"),
        ] {
            let data = to_data(&set(kind, value)).unwrap();
            assert_eq!(data.iter().filter_map(|data| from_data(kind, data)).collect::<Vec<_>>(), [value]);
        }
    }

    #[test]
    fn texts_of_several_strings_are_shown_and_never_written() {
        let parts = RData::TXT(TXT::new(vec!["v1;c=demo;".to_owned(), "e=4".to_owned()]));
        let shown = from_data(RecordType::Txt, &parts).unwrap();
        assert_eq!(shown, "\"v1;c=demo;\" \"e=4\"");
        assert!(to_data(&set(RecordType::Txt, &shown)).unwrap_err().contains("cannot hold"));
        assert!(to_data(&set(RecordType::Txt, &"x".repeat(256))).is_err());
    }

    #[test]
    fn what_the_type_cannot_hold_and_routing_are_refused_by_name() {
        let error = to_data(&set(RecordType::A, "lb.example.net")).unwrap_err();
        assert_eq!(error, "www.example.test A cannot hold 'lb.example.net'");
        let routed = RecordSet { set_identifier: Some("aws".to_owned()), ..set(RecordType::A, "192.0.2.1") };
        assert!(to_data(&routed).unwrap_err().contains("routing = \"simple\""));
    }
}
