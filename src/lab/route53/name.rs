//! DNS names as Route 53 writes them.

use std::fmt;

use hickory_proto::rr::Name;

/// The longest label, in bytes (RFC 1035).
const LABEL_BYTES_MAX: usize = 63;
/// The longest name on the wire, in bytes (RFC 1035).
const NAME_BYTES_MAX: usize = 255;

/// Why a text is not a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::lab) enum DnsNameError {
    #[error("an empty label")]
    EmptyLabel,
    #[error("a label of more than {LABEL_BYTES_MAX} bytes")]
    LongLabel,
    #[error("more than {NAME_BYTES_MAX} bytes")]
    LongName,
    #[error("a broken escape")]
    Escape,
}

/// A DNS name, normalised: lower-case, absolute with its trailing dot, and every character but letters, digits,
/// hyphen and underscore as a three-digit octal escape (so `*` is `\052`). Two names are the same exactly when their
/// texts are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::lab) struct DnsName(String);

impl DnsName {
    /// Reads a name with or without trailing dot and escapes.
    pub(in crate::lab) fn parse(text: &str) -> Result<Self, DnsNameError> {
        if text == "." {
            return Ok(Self(text.to_owned()));
        }
        let mut labels = vec![Vec::new()];
        let mut rest = text.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match byte {
                b'.' => labels.push(Vec::new()),
                b'\\' => {
                    let (byte, used) = unescape(rest)?;
                    push(&mut labels, byte);
                    rest = rest.get(used..).unwrap_or_default();
                }
                byte => push(&mut labels, byte),
            }
        }
        if labels.len() > 1 && labels.last().is_some_and(Vec::is_empty) {
            labels.pop();
        }
        Self::from_labels(labels.iter().map(Vec::as_slice))
    }

    /// The name of a question that came over the wire.
    pub(in crate::lab) fn from_wire(name: &Name) -> Result<Self, DnsNameError> {
        Self::from_labels(name.iter())
    }

    fn from_labels<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Result<Self, DnsNameError> {
        let mut text = String::new();
        let mut bytes = 1;
        for label in labels {
            match label.len() {
                0 => return Err(DnsNameError::EmptyLabel),
                1..=LABEL_BYTES_MAX => bytes += label.len() + 1,
                _ => return Err(DnsNameError::LongLabel),
            }
            for byte in label {
                match byte.to_ascii_lowercase() {
                    plain @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') => text.push(char::from(plain)),
                    other => text.push_str(&format!("\\{other:03o}")),
                }
            }
            text.push('.');
        }
        if bytes > NAME_BYTES_MAX {
            return Err(DnsNameError::LongName);
        }
        if text.is_empty() {
            text.push('.');
        }
        Ok(Self(text))
    }

    /// The text with its labels reversed, each followed by a dot: Route 53 sorts by it, byte by byte, so the dot
    /// takes part (`a-b` sorts before `a.b`). Everything below a name has the name's text as a prefix.
    pub(in crate::lab) fn reversed(&self) -> String {
        let mut labels: Vec<&str> = self.labels().collect();
        labels.reverse();
        labels.into_iter().flat_map(|label| [label, "."]).collect()
    }

    /// Whether this is the other name or below it.
    pub(in crate::lab) fn is_within(&self, zone: &Self) -> bool {
        self.reversed().starts_with(&zone.reversed())
    }

    /// The name without its first label; nothing above the root.
    pub(in crate::lab) fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_once('.')?;
        match (rest, self.0.as_str()) {
            (_, ".") => None,
            ("", _) => Some(Self(".".to_owned())),
            (rest, _) => Some(Self(rest.to_owned())),
        }
    }

    /// The wildcard directly below this name.
    pub(in crate::lab) fn wildcard(&self) -> Self {
        Self(format!("\\052.{}", if self.0 == "." { "" } else { &self.0 }))
    }

    /// The name for the wire.
    pub(in crate::lab) fn to_wire(&self) -> Name {
        let labels: Vec<Vec<u8>> = self.labels().map(plain_bytes).collect();
        // Lengths were checked when the name was made, so the root is only a formality.
        Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap_or_else(|_| Name::root())
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.split_terminator('.').filter(|label| !label.is_empty())
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn push(labels: &mut [Vec<u8>], byte: u8) {
    if let Some(label) = labels.last_mut() {
        label.push(byte);
    }
}

/// The byte behind a backslash, and how many bytes spelt it: three octal digits, or the character itself.
pub(super) fn unescape(rest: &[u8]) -> Result<(u8, usize), DnsNameError> {
    match rest {
        [a @ b'0'..=b'7', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
            let value = u16::from(a - b'0') * 64 + u16::from(b - b'0') * 8 + u16::from(c - b'0');
            Ok((u8::try_from(value).map_err(|_| DnsNameError::Escape)?, 3))
        }
        [b'0'..=b'9', ..] | [] => Err(DnsNameError::Escape),
        [byte, ..] => Ok((*byte, 1)),
    }
}

fn plain_bytes(label: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(label.len());
    let mut rest = label.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, unescape(tail)) {
            (b'\\', Ok((escaped, used))) => {
                bytes.push(escaped);
                rest = tail.get(used..).unwrap_or_default();
            }
            (byte, _) => bytes.push(byte),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_absolute_and_escaped_and_survives_the_wire() {
        for (text, normal) in [
            ("WWW.Example.COM", "www.example.com."),
            ("*.example.com.", "\\052.example.com."),
            ("\\052.example.com", "\\052.example.com."),
            ("_q.a-b.x.", "_q.a-b.x."),
            ("a\\.b.x", "a\\056b.x."),
            (".", "."),
        ] {
            let name = DnsName::parse(text).unwrap();
            assert_eq!(name.to_string(), normal, "{text}");
            assert_eq!(DnsName::from_wire(&name.to_wire()).unwrap(), name, "{text}");
        }
        for text in ["a..b", "..", "a\\9.b", &"x".repeat(64), &"abc.".repeat(64)] {
            assert!(DnsName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_sort_by_reversed_labels_with_the_dot_taking_part() {
        let mut names: Vec<DnsName> =
            ["b.x", "x", "a.b.x", "b-c.x", "a.x"].iter().map(|text| DnsName::parse(text).unwrap()).collect();
        names.sort_by_key(DnsName::reversed);
        let texts: Vec<String> = names.iter().map(DnsName::to_string).collect();
        assert_eq!(texts, ["x.", "a.x.", "b-c.x.", "b.x.", "a.b.x."]);
    }

    #[test]
    fn parents_end_at_the_root() {
        let name = DnsName::parse("a.b").unwrap();
        let up: Vec<String> =
            std::iter::successors(Some(name), DnsName::parent).map(|name| name.to_string()).collect();
        assert_eq!(up, ["a.b.", "b.", "."]);
    }
}
