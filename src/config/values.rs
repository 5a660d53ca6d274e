//! Texts into values: URLs, durations, host names, telephone numbers. Every refusal names the text and the way out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use url::Url;

use crate::domain::{CheckName, RecordType};

/// A text with at least one visible character.
pub(super) fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Whether the text keeps the rule for names: 1 to 63 lower-case letters, digits and inner hyphens.
pub(super) fn is_name(text: &str) -> bool {
    name(text).is_ok()
}

/// A name without a type of its own: a cloud, a policy, a secret. A cloud is a name because "AWS" and "aws" would
/// count as two fault domains.
pub(super) fn name(text: &str) -> Result<String, String> {
    CheckName::new(text).map(|name| name.as_str().to_owned()).map_err(|error| error.to_string())
}

/// An http or https URL with a host and without a user or password.
pub(super) fn url(text: &str) -> Result<Url, String> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(url::ParseError::EmptyHost) => return Err(format!("'{text}' has no host: write https://host/path")),
        Err(error) => return Err(format!("'{text}' is not a URL ({error}): write https://host/path")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("'{text}' is not an http or https URL: write https://host/path"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL must not carry a user or password: name a secret instead".to_owned());
    }
    Ok(url)
}

/// Where name servers listen (RFC 1035).
const DNS_PORT: u16 = 53;

/// An address with a port.
pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("'{text}' is not an address with a port: write 127.0.0.1:7070 or [::1]:7070"))
}

/// A resolver's address, with its port where that is not the usual one.
pub(super) fn resolver(text: &str) -> Result<SocketAddr, String> {
    let usual = || text.parse().map(|ip| SocketAddr::new(ip, DNS_PORT));
    text.parse()
        .or_else(|_| usual())
        .map_err(|_| format!("'{text}' is not a resolver's address: write 9.9.9.9, 9.9.9.9:53 or [2620:fe::fe]:53"))
}

/// A duration such as "2s", "500ms" or "1m 30s".
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("'{text}' is not a duration: write a number with its unit, such as \"2s\" or \"500ms\""))
}

/// A duration as people write it. Months and years, which have no one length, are days.
pub(super) fn human(duration: Duration) -> String {
    const DAY_S: u64 = 86_400;
    let days = duration.as_secs() / DAY_S;
    let rest = duration.saturating_sub(Duration::from_secs(days * DAY_S));
    match (days, rest.is_zero()) {
        (0 | 1, _) => humantime::format_duration(duration).to_string(),
        (days, true) => format!("{days}days"),
        (days, false) => format!("{days}days {}", humantime::format_duration(rest)),
    }
}

/// A host name, lower case and without the final dot: what DNS compares by.
pub(super) fn host(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // an address is made of labels too, and is no host name
    let address = name.parse::<Ipv4Addr>().is_ok();
    if name.len() <= 253 && name.contains('.') && name.split('.').all(label) && !address {
        Ok(name)
    } else {
        Err(format!("'{text}' is not a full host name: write one such as login.example.com"))
    }
}

/// A host that a check may ask: a name, an address, or `*.` before a name.
pub(super) fn host_pattern(text: &str) -> Result<String, String> {
    let plain = text.trim_matches(['[', ']']).to_ascii_lowercase();
    let name = plain.strip_prefix("*.").unwrap_or(&plain);
    let alone = plain == "localhost" || plain.parse::<IpAddr>().is_ok();
    if alone || host(name).is_ok() {
        return Ok(plain);
    }
    Err(format!("'{text}' is no host: write login.example.com, *.example.com or an address, without scheme and port"))
}

/// A type of record that Quorate can move.
pub(super) fn record_type(text: &str) -> Result<RecordType, String> {
    match RecordType::parse(text) {
        Some(RecordType::Txt) | None => {
            Err(format!("'{text}' is not a type that can be moved: write A, AAAA or CNAME"))
        }
        Some(kind) => Ok(kind),
    }
}

/// The answer as it goes into a record of that type.
pub(super) fn answer(kind: RecordType, text: &str) -> Result<String, String> {
    let wrong = |needs: &str| Err(format!("'{text}' does not fit a record of type {kind}, which needs {needs}"));
    match kind {
        RecordType::A => match text.parse::<Ipv4Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => wrong("an IPv4 address such as 192.0.2.1"),
        },
        RecordType::Aaaa => match text.parse::<Ipv6Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => wrong("an IPv6 address such as 2001:db8::1"),
        },
        RecordType::Cname => match host(text) {
            Ok(host) => Ok(host),
            Err(_) => wrong("a full host name such as login.azure.example.com"),
        },
        RecordType::Txt => wrong("nothing: Quorate does not move it"),
    }
}

/// A telephone number in the international form (E.164): a plus sign and 8 to 15 digits.
pub(super) fn phone(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    if (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is not a telephone number: write it in the international form, such as +15550100123"))
    }
}

/// Who an SMS comes from: a telephone number, or up to 11 letters, digits and spaces where carriers allow a name.
pub(super) fn sender(text: &str) -> Result<String, String> {
    let named = (1..=11).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ')
        && text.bytes().any(|b| b.is_ascii_alphabetic());
    if named { Ok(text.to_owned()) } else { phone(text) }
}

/// The known word that was probably meant: at most a third of its letters away.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|known| (distance(word, known), known))
        .filter(|(distance, known)| *distance <= (known.chars().count() / 3).max(1))
        .min()
        .map(|(_, known)| known)
}

/// Edits between two words: letters added, dropped, changed, or two neighbours exchanged.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let changed = cell(&last, j) + usize::from(letter != other);
            let edited = cell(&last, j + 1).min(cell(&row, j)) + 1;
            let mut best = changed.min(edited);
            let crossed = i > 0 && j > 0 && a.get(i - 1) == Some(other) && b.get(j - 1) == Some(letter);
            if crossed {
                best = best.min(cell(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    cell(&last, b.len())
}

/// What was not asked for is whole; what was asked for and is wrong is not.
pub(super) fn whole<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(None) => None,
        Some(part) => Some(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_near_and_other_words_are_not() {
        let known = ["interval", "timeout", "quorum", "ttl"];
        assert_eq!(nearest("itnerval", known), Some("interval"));
        assert_eq!(nearest("tll", known), Some("ttl"));
        assert_eq!(nearest("quorums", known), Some("quorum"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn a_duration_is_written_as_it_can_be_read_again() {
        let cases = [(0, "0s"), (90, "1m 30s"), (86_400, "1day"), (90_000, "1day 1h"), (34_560_000, "400days")];
        for (seconds, text) in cases {
            assert_eq!(human(Duration::from_secs(seconds)), text);
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        assert_eq!(human(Duration::from_secs(31 * 86_400 + 60)), "31days 1m");
    }

    #[test]
    fn an_answer_fits_its_type_and_is_kept_as_dns_compares_it() {
        assert_eq!(answer(RecordType::Cname, "Login.Example.COM."), Ok("login.example.com".to_owned()));
        assert_eq!(answer(RecordType::Aaaa, "2001:DB8:0::1"), Ok("2001:db8::1".to_owned()));
        assert!(answer(RecordType::Cname, "192.0.2.1").is_err(), "an address is not a host name");
        assert!(answer(RecordType::A, "2001:db8::1").is_err());
    }

    #[test]
    fn a_url_needs_a_scheme_a_host_and_no_password() {
        assert!(url("https://login.example.com/x").is_ok());
        for bad in ["login.example.com", "ftp://example.com", "http://", "mailto:a@b", "https://u:p@example.com"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
