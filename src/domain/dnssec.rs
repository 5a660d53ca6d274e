//! Whether a zone's answers are to be believed by their signatures (RFC 4033 to 4035): what is asked for, what is trusted without proof, and
//! what was found.

use std::fmt;
use std::net::SocketAddr;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

/// The digests of a key that are accepted, by number (RFC 8624, section 3.3), and their length in bytes: SHA-256 and SHA-384.
const DIGESTS: [(u8, usize); 2] = [(2, 32), (4, 48)];
/// The algorithms of keys that are accepted, by number (RFC 8624, section 3.1): RSA with SHA-256 and SHA-512, ECDSA, Ed25519.
const ALGORITHMS: [u8; 5] = [8, 10, 13, 14, 15];

/// How much is asked of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DnssecMode {
    /// They must be good wherever the zone's parent says that it is signed.
    #[default]
    Auto,
    /// They must be signed, and good.
    Require,
    /// Nobody looks.
    Off,
}

impl DnssecMode {
    const ALL: [Self; 3] = [Self::Auto, Self::Require, Self::Off];

    /// The word used in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Require => "require",
            Self::Off => "off",
        }
    }

    /// The mode that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

/// How a service's answers are validated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dnssec {
    /// How much is asked of them.
    pub mode: DnssecMode,
    /// What is trusted without proof, beside the root's keys; a key of the root takes their place.
    pub anchors: Vec<TrustAnchor>,
    /// Who is asked about the zones above; none means this system's resolvers.
    pub resolvers: Vec<SocketAddr>,
}

impl Dnssec {
    /// Nobody looks.
    pub fn off() -> Self {
        Self { mode: DnssecMode::Off, ..Self::default() }
    }
}

/// A key that is trusted without proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustAnchor {
    /// The zone that it signs: lower case, without the final dot; empty for the root.
    pub zone: String,
    /// The key, or its digest.
    pub key: AnchorKey,
}

/// How a trusted key is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnchorKey {
    /// By its digest, as its parent would (RFC 4034, section 5).
    Ds {
        /// Tells keys apart, most of the time.
        tag: u16,
        /// The key's algorithm.
        algorithm: u8,
        /// The digest's.
        digest_type: u8,
        /// The digest.
        digest: Vec<u8>,
    },
    /// Itself (RFC 4034, section 2).
    Dnskey {
        /// Its algorithm.
        algorithm: u8,
        /// The public key.
        key: Vec<u8>,
    },
}

impl TrustAnchor {
    /// Reads DS and DNSKEY records as a zone file has them: with or without time to live and class, with comments and parentheses.
    ///
    /// # Errors
    /// What is not such a record, in words.
    pub fn read(text: &str) -> Result<Vec<Self>, String> {
        let records: Vec<Self> = lines(text)?.iter().map(|line| Self::of(line)).collect::<Result<_, _>>()?;
        if records.is_empty() { Err("there is no DS or DNSKEY record".to_owned()) } else { Ok(records) }
    }

    /// Whether the name is the zone's or lies below it.
    pub fn covers(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        let below = name.strip_suffix(&self.zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        self.zone.is_empty() || below
    }

    fn of(words: &[&str]) -> Result<Self, String> {
        let shown = || words.join(" ").chars().take(60).collect::<String>();
        let [owner, rest @ ..] = words else { return Err("there is an empty record".to_owned()) };
        let is_front = |word: &str| word.eq_ignore_ascii_case("IN") || word.bytes().all(|byte| byte.is_ascii_digit());
        let front = rest.iter().take(2).take_while(|word| is_front(word)).count();
        let (kind, fields) = match rest.get(front..) {
            Some([kind, fields @ ..]) => (kind.to_ascii_uppercase(), fields),
            _ => return Err(format!("'{}' is no DS or DNSKEY record", shown())),
        };
        let form = match kind.as_str() {
            "DS" => "ZONE. DS TAG ALGORITHM DIGEST-TYPE DIGEST",
            "DNSKEY" => "ZONE. DNSKEY FLAGS 3 ALGORITHM KEY",
            _ => return Err(format!("'{}' is no DS or DNSKEY record", shown())),
        };
        let no_form = || format!("'{}' is not of the form {form}", shown());
        let [one, two, three, data @ ..] = fields else { return Err(no_form()) };
        let (one, data) = (one.parse::<u16>().map_err(|_| no_form())?, data.concat());
        let (two, three) = (two.parse::<u8>().map_err(|_| no_form())?, three.parse::<u8>().map_err(|_| no_form())?);
        let zone = owner.trim_end_matches('.').to_ascii_lowercase();
        let key = if kind == "DS" { digest(one, two, three, &data) } else { public_key(one, two, three, &data) }?;
        Ok(Self { zone, key })
    }
}

fn digest(tag: u16, algorithm: u8, digest_type: u8, hex: &str) -> Result<AnchorKey, String> {
    accepted(algorithm)?;
    let Some((_, bytes)) = DIGESTS.iter().find(|(number, _)| *number == digest_type) else {
        return Err(format!(
            "the digest type {digest_type} is not accepted: give one of type 2 (SHA-256) or 4 (SHA-384)"
        ));
    };
    let digest = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap_or_default();
    if digest.len() != *bytes {
        return Err(format!("the digest of key {tag} must be {} hexadecimal digits", bytes * 2));
    }
    Ok(AnchorKey::Ds { tag, algorithm, digest_type, digest })
}

fn public_key(flags: u16, protocol: u8, algorithm: u8, base64: &str) -> Result<AnchorKey, String> {
    // "Zone key", and "revoked" (RFC 4034, section 2.1.1; RFC 5011, section 7).
    const ZONE: u16 = 0x0100;
    const REVOKED: u16 = 0x0080;
    accepted(algorithm)?;
    if protocol != 3 {
        return Err(format!("the protocol of a DNSKEY record is 3, not {protocol}"));
    }
    if flags & ZONE == 0 || flags & REVOKED != 0 {
        return Err(format!("a key with the flags {flags} signs no zone: they are 257, or 256"));
    }
    match BASE64.decode(base64.as_bytes()) {
        Ok(key) if !key.is_empty() => Ok(AnchorKey::Dnskey { algorithm, key }),
        _ => Err("the public key of a DNSKEY record must be Base64".to_owned()),
    }
}

fn accepted(algorithm: u8) -> Result<(), String> {
    if ALGORITHMS.contains(&algorithm) {
        return Ok(());
    }
    Err(format!(
        "the key's algorithm {algorithm} is not accepted: 8 and 10 (RSA), 13 and 14 (ECDSA) and 15 (Ed25519) are"
    ))
}

/// The words of each record; one may go over several lines within parentheses.
fn lines(text: &str) -> Result<Vec<Vec<&str>>, String> {
    let mut records = Vec::new();
    let (mut words, mut open) = (Vec::new(), false);
    for line in text.lines() {
        let line = line.split_once(';').map_or(line, |(before, _)| before);
        for (part, word) in line.split_inclusive(['(', ')']).map(|part| (part, part.trim_end_matches(['(', ')']))) {
            words.extend(word.split_whitespace());
            open = if part.ends_with('(') { true } else { open && !part.ends_with(')') };
        }
        if !open && !words.is_empty() {
            records.push(std::mem::take(&mut words));
        }
    }
    if open { Err("a '(' is not closed".to_owned()) } else { Ok(records) }
}

/// What validation found of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Signed, and good, up to a key that is trusted.
    Secure,
    /// It is known that nobody could check it: why.
    Insecure(String),
    /// It should be good and is not: why.
    Bogus(String),
    /// It could not be found out: why. Never a finding against anybody.
    Unknown(String),
}

impl Trust {
    /// One word, as validators use it (RFC 4035, section 4.3).
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Secure => "secure",
            Self::Insecure(_) => "insecure",
            Self::Bogus(_) => "bogus",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Why it is so; nothing to say where all is good.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Secure => None,
            Self::Insecure(why) | Self::Bogus(why) | Self::Unknown(why) => Some(why),
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why() {
            Some(why) => write!(f, "{}: {why}", self.as_str()),
            None => f.write_str(self.as_str()),
        }
    }
}

/// An answer, and what its signatures say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAnswer {
    /// Sorted; empty where there is no such name or record.
    pub values: Vec<String>,
    /// What was found.
    pub trust: Trust,
    /// For how long the signature over them holds still, in seconds; none where there is none, or none that holds.
    pub holds_s: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";

    #[test]
    fn records_are_read_as_zone_files_have_them() {
        let text = format!(
            "; made by dnssec-dsfromkey\nExample.test. 3600 IN DS 20326 8 2 ( {}\n   {} ) ; the key\n\n. IN DNSKEY 257 3 13 b25l IHR3bw==\n",
            &DIGEST[..20],
            DIGEST[20..].to_ascii_lowercase()
        );
        let read = TrustAnchor::read(&text).unwrap();
        let digest = HEXLOWER_PERMISSIVE.decode(DIGEST.as_bytes()).unwrap();
        let key = AnchorKey::Ds { tag: 20_326, algorithm: 8, digest_type: 2, digest };
        assert_eq!(read[0], TrustAnchor { zone: "example.test".to_owned(), key });
        let key = AnchorKey::Dnskey { algorithm: 13, key: b"one two".to_vec() };
        assert_eq!(read[1], TrustAnchor { zone: String::new(), key });
        assert!(read[0].covers("login.example.test") && read[0].covers("example.test."));
        assert!(!read[0].covers("loginexample.test") && !read[0].covers("test") && read[1].covers("test"));
    }

    #[test]
    fn what_is_no_anchor_is_refused_with_the_reason() {
        for (text, words) in [
            ("", "there is no DS or DNSKEY record"),
            ("example.test. A 192.0.2.1", "'example.test. A 192.0.2.1' is no DS or DNSKEY record"),
            ("example.test. DS 1 13 2", "the digest of key 1 must be 64 hexadecimal digits"),
            ("example.test. DS 1 13", "is not of the form ZONE. DS TAG ALGORITHM DIGEST-TYPE DIGEST"),
            ("example.test. DS 1 13 1 00", "the digest type 1 is not accepted"),
            ("example.test. DS 1 5 2 00", "the key's algorithm 5 is not accepted"),
            ("example.test. DNSKEY 0 3 13 AAAA", "a key with the flags 0 signs no zone"),
            ("example.test. DNSKEY 257 3 13 %", "must be Base64"),
            ("example.test. DS ( 1 13 2", "a '(' is not closed"),
        ] {
            let error = TrustAnchor::read(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
