//! The signature under a flag: Ed25519 (RFC 8032), made by controllers and verified by whoever reads.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::BASE64;

use crate::domain::{FLAG_SIGNATURE_BYTES, FlagText, Secret, SignedFlag};

/// A seed (RFC 8032, section 5.1.5).
const SEED_BYTES: usize = 32;

/// The key of one cluster's flags.
pub struct FlagKey {
    pair: Ed25519KeyPair,
}

/// Why a secret is no key. It never shows the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the signing key of flags must be an Ed25519 seed, {SEED_BYTES} bytes in Base64: `openssl rand -base64 32` gives one"
)]
pub struct FlagKeyError;

impl std::fmt::Debug for FlagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlagKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl FlagKey {
    /// The key of this seed, 32 bytes in Base64.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_seed(seed: &Secret) -> Result<Self, FlagKeyError> {
        let seed = BASE64.decode(seed.expose().trim().as_bytes()).map_err(|_| FlagKeyError)?;
        if seed.len() != SEED_BYTES {
            return Err(FlagKeyError);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| FlagKeyError)?;
        Ok(Self { pair })
    }

    /// The public half, in Base64: for readers of their own.
    pub fn public(&self) -> String {
        BASE64.encode(self.pair.public_key().as_ref())
    }

    /// The signature of a text; none if the library gives one of another length, which it does not.
    pub(super) fn sign(&self, text: &FlagText) -> Option<[u8; FLAG_SIGNATURE_BYTES]> {
        self.pair.sign(text.signed_bytes().as_bytes()).as_ref().try_into().ok()
    }

    /// Whether the text was signed with this key, every byte of it.
    pub(super) fn verifies(&self, flag: &SignedFlag) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.pair.public_key().as_ref());
        key.verify(flag.text.signed_bytes().as_bytes(), &flag.signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FlagPhrase, ServiceName, Token};

    #[test]
    fn the_key_is_that_of_rfc_8032_and_its_signature_holds_for_just_this_text() {
        // RFC 8032, section 7.1, test 1.
        let hex = |text: &str| hex::decode(text).unwrap();
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let key = FlagKey::from_seed(&Secret::new(BASE64.encode(&seed))).unwrap();
        assert_eq!(key.public(), BASE64.encode(&public));

        let phrase = FlagPhrase::new(Secret::new("0123456789abcdef0123456789abcdef")).unwrap();
        let text =
            |token: &str| FlagText::new(ServiceName::new("login").unwrap(), Token::parse(token).unwrap(), &phrase);
        let (up, down) = (text("v1;c=main;e=1;s=2;t=standby;d=-"), text("v1;c=main;e=1;s=2;t=primary;d=-"));
        let signature = key.sign(&up).unwrap();
        assert!(key.verifies(&SignedFlag { text: up.clone(), signature }));
        assert!(!key.verifies(&SignedFlag { text: down, signature }));
        let other = FlagKey::from_seed(&Secret::new(BASE64.encode(&public))).unwrap();
        assert!(!other.verifies(&SignedFlag { text: up, signature }));
        assert!(!format!("{key:?}").contains(&BASE64.encode(&seed)));
    }

    #[test]
    fn what_is_no_seed_is_refused_without_being_shown() {
        for wrong in ["", "c2hvcnQ=", "not base64 at all, but long enough to be one"] {
            let error = FlagKey::from_seed(&Secret::new(wrong)).unwrap_err().to_string();
            assert!(error.contains("openssl rand -base64 32") && (wrong.is_empty() || !error.contains(wrong)));
        }
    }
}
