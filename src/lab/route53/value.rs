//! Record values: the texts of the API, checked and turned into what goes over the wire.

use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData};

use super::name::{DnsName, unescape};
use super::record::RecordKind;

/// The longest character string inside a TXT record, in bytes (RFC 1035).
const TXT_STRING_BYTES_MAX: usize = 255;

/// Turns one value into record data, or says what is wrong with it.
pub(in crate::lab) fn to_rdata(kind: RecordKind, value: &str) -> Result<RData, &'static str> {
    match kind {
        RecordKind::A => value.parse().map(|ip| RData::A(A(ip))).map_err(|_| "Value is not a valid IPv4 address"),
        RecordKind::Aaaa => {
            value.parse().map(|ip| RData::AAAA(AAAA(ip))).map_err(|_| "Value is not a valid IPv6 address")
        }
        RecordKind::Cname => domain(value).map(|name| RData::CNAME(CNAME(name))),
        RecordKind::Ns => domain(value).map(|name| RData::NS(NS(name))),
        RecordKind::Ptr => domain(value).map(|name| RData::PTR(PTR(name))),
        RecordKind::Mx => match fields(value).as_slice() {
            [preference, exchange] => Ok(RData::MX(MX::new(number(preference)?, domain(exchange)?))),
            _ => Err("Value is not a priority and a domain name"),
        },
        RecordKind::Srv => match fields(value).as_slice() {
            [priority, weight, port, target] => {
                Ok(RData::SRV(SRV::new(number(priority)?, number(weight)?, number(port)?, domain(target)?)))
            }
            _ => Err("Value is not priority, weight, port and a domain name"),
        },
        RecordKind::Soa => match fields(value).as_slice() {
            [mname, rname, serial, refresh, retry, expire, minimum] => Ok(RData::SOA(SOA::new(
                domain(mname)?,
                domain(rname)?,
                number(serial)?,
                number(refresh)?,
                number(retry)?,
                number(expire)?,
                number(minimum)?,
            ))),
            _ => Err("Value is not the seven fields of an SOA record"),
        },
        RecordKind::Txt => {
            let strings = character_strings(value)?;
            Ok(RData::TXT(TXT::from_bytes(strings.iter().map(Vec::as_slice).collect())))
        }
    }
}

fn fields(value: &str) -> Vec<&str> {
    value.split_ascii_whitespace().collect()
}

fn domain(text: &str) -> Result<Name, &'static str> {
    DnsName::parse(text).map(|name| name.to_wire()).map_err(|_| "Value is not a valid domain name")
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "Value holds a number out of range")
}

/// The quoted strings of a TXT value, unescaped.
fn character_strings(value: &str) -> Result<Vec<Vec<u8>>, &'static str> {
    const QUOTES: &str = "Value should be enclosed in quotation marks";
    let mut strings = Vec::new();
    let mut rest = value.as_bytes();
    loop {
        rest = rest.trim_ascii_start();
        let Some((&first, tail)) = rest.split_first() else { break };
        if first != b'"' {
            return Err(QUOTES);
        }
        let (string, after) = quoted(tail).ok_or(QUOTES)?;
        if string.len() > TXT_STRING_BYTES_MAX {
            return Err("Value is too long: a string holds at most 255 characters");
        }
        if after.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return Err(QUOTES);
        }
        strings.push(string);
        rest = after;
    }
    if strings.is_empty() { Err(QUOTES) } else { Ok(strings) }
}

/// The string up to its closing quotation mark, and what follows.
fn quoted(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut string = Vec::new();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => return Some((string, rest)),
            b'\\' => {
                let (byte, used) = unescape(rest).ok()?;
                string.push(byte);
                rest = rest.get(used..)?;
            }
            byte => string.push(byte),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_txt_value_is_quoted_strings_with_escapes() {
        let strings = |value: &str| character_strings(value);
        assert_eq!(strings(r#""v1;e=41""#), Ok(vec![b"v1;e=41".to_vec()]));
        assert_eq!(strings(r#""a\"b" "c\052\\""#), Ok(vec![b"a\"b".to_vec(), b"c*\\".to_vec()]));
        assert_eq!(strings(r#""""#), Ok(vec![Vec::new()]));
        for bad in ["", "bare", r#""open"#, r#""a""b""#, r#"a "b""#, r#""\9""#] {
            assert!(strings(bad).is_err(), "{bad}");
        }
        assert!(strings(&format!("\"{}\"", "x".repeat(256))).is_err());
    }

    #[test]
    fn every_type_takes_its_own_shape_and_no_other() {
        let good = [
            (RecordKind::A, "192.0.2.1"),
            (RecordKind::Aaaa, "2001:db8::1"),
            (RecordKind::Cname, "x.example"),
            (RecordKind::Mx, "10 mail.example."),
            (RecordKind::Ns, "ns.example."),
            (RecordKind::Ptr, "host.example."),
            (RecordKind::Soa, "ns.example. root.example. 1 7200 900 1209600 86400"),
            (RecordKind::Srv, "1 2 443 host.example."),
            (RecordKind::Txt, r#""text""#),
        ];
        for (kind, value) in good {
            assert!(to_rdata(kind, value).is_ok(), "{kind} {value}");
        }
        let bad = [
            (RecordKind::A, "2001:db8::1"),
            (RecordKind::Aaaa, "192.0.2.1"),
            (RecordKind::Cname, "a..b"),
            (RecordKind::Mx, "mail.example."),
            (RecordKind::Srv, "1 2 70000 host.example."),
            (RecordKind::Txt, "text"),
        ];
        for (kind, value) in bad {
            assert!(to_rdata(kind, value).is_err(), "{kind} {value}");
        }
    }
}
