//! The key that signs updates and queries (TSIG, RFC 8945).

use std::fmt;

use data_encoding::BASE64;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Name, TSigner};

use crate::domain::Secret;

/// How far the two clocks may be apart, in seconds (RFC 8945 section 10 recommends it).
const FUDGE_S: u16 = 300;

/// A shared key. Neither `Debug` nor any error shows it.
#[derive(Clone)]
pub struct Tsig {
    pub(super) signer: TSigner,
    pub(super) label: String,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TsigError {
    /// The name is not one that DNS can hold.
    #[error("'{name}' cannot be the name of a TSIG key: {why}")]
    Name {
        /// The name.
        name: String,
        /// What DNS says.
        why: String,
    },
    /// The algorithm is not known, or too weak to be offered.
    #[error(
        "the TSIG algorithm '{algorithm}' of the key '{name}' is not offered: use hmac-sha256, hmac-sha384 or hmac-sha512"
    )]
    Algorithm {
        /// The key's name.
        name: String,
        /// The algorithm.
        algorithm: String,
    },
    /// The key is not Base64, or empty.
    #[error("the TSIG key '{name}' must be Base64 and not empty, as `tsig-keygen` and `keymgr -t` print it")]
    Key {
        /// The key's name.
        name: String,
    },
}

impl Tsig {
    /// A key by its name at the server, its algorithm (`hmac-sha256`, `hmac-sha384` or `hmac-sha512`) and its Base64.
    pub fn new(name: &str, algorithm: &str, key: &Secret) -> Result<Self, TsigError> {
        let owner = Name::from_ascii(name)
            .map_err(|error| TsigError::Name { name: name.to_owned(), why: error.to_string() })?;
        let bad_algorithm = || TsigError::Algorithm { name: name.to_owned(), algorithm: algorithm.to_owned() };
        let kind = match algorithm {
            "hmac-sha256" => TsigAlgorithm::HmacSha256,
            "hmac-sha384" => TsigAlgorithm::HmacSha384,
            "hmac-sha512" => TsigAlgorithm::HmacSha512,
            _ => return Err(bad_algorithm()),
        };
        let bytes = BASE64
            .decode(key.expose().trim().as_bytes())
            .ok()
            .filter(|bytes| !bytes.is_empty())
            .ok_or_else(|| TsigError::Key { name: name.to_owned() })?;
        let signer = TSigner::new(bytes, kind, owner, FUDGE_S).map_err(|_| bad_algorithm())?;
        Ok(Self { signer, label: format!("'{}' ({algorithm})", name.trim_end_matches('.')) })
    }
}

impl fmt::Debug for Tsig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tsig").field(&self.label).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_checked_when_it_is_made_and_never_printed() {
        let key = Secret::new("c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMgb3Igc28=");
        let tsig = Tsig::new("quorate.", "hmac-sha256", &key).unwrap();
        assert_eq!(format!("{tsig:?}"), "Tsig(\"'quorate' (hmac-sha256)\")");
        assert!(matches!(Tsig::new("quorate", "hmac-md5", &key), Err(TsigError::Algorithm { .. })));
        for bad in ["", "not base64!", "YQ"] {
            let error = Tsig::new("quorate", "hmac-sha256", &Secret::new(bad)).unwrap_err();
            assert_eq!(error, TsigError::Key { name: "quorate".to_owned() }, "{bad:?}");
        }
        assert!(matches!(Tsig::new("a..b", "hmac-sha512", &key), Err(TsigError::Name { .. })));
    }
}
