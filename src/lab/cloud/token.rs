//! What the site signs: sessions and CSRF tokens, none of which it stores; and what it checks: the admin's signature.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::Secret;
use crate::lab::clock;

/// How long a session lasts.
pub(super) const SESSION_S: u64 = 8 * 3600;
/// What comes before an admin signature.
const SIGNATURE_SCHEME: &str = "v1=";

/// A key for HMAC-SHA256.
#[derive(Clone)]
pub(super) struct SigningKey(Hmac<Sha256>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key]")
    }
}

impl SigningKey {
    /// The key itself.
    pub(super) fn new(key: &Secret) -> Self {
        Self::from_bytes(key.expose().as_bytes())
    }

    /// A key of its own for a purpose.
    pub(super) fn derived(key: &Secret, purpose: &str) -> Self {
        Self::from_bytes(&Self::new(key).mac(&[purpose]).finalize().into_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        // HMAC takes keys of any length; the empty one stands in for an error that cannot happen.
        Self(Hmac::new_from_slice(bytes).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }

    fn mac(&self, parts: &[&str]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                mac.update(b"\n");
            }
            mac.update(part.as_bytes());
        }
        mac
    }

    fn sign(&self, parts: &[&str]) -> String {
        hex::encode(self.mac(parts).finalize().into_bytes())
    }

    /// Compares in constant time; upper-case digits are not the same signature.
    fn verifies(&self, parts: &[&str], signature: &str) -> bool {
        let lower = !signature.bytes().any(|byte| byte.is_ascii_uppercase());
        hex::decode(signature).is_ok_and(|bytes| lower && self.mac(parts).verify_slice(&bytes).is_ok())
    }

    /// Whether `signature` is this key's for an admin request.
    pub(super) fn verifies_request(
        &self,
        method: &str,
        path: &str,
        timestamp: &str,
        body: &str,
        signature: &str,
    ) -> bool {
        let hex = signature.strip_prefix(SIGNATURE_SCHEME);
        hex.is_some_and(|hex| self.verifies(&[method, path, timestamp, body], hex))
    }

    /// Whether two texts are the same, taking as long for any two.
    pub(super) fn same(&self, a: &str, b: &str) -> bool {
        self.mac(&[a]).verify_slice(&self.mac(&[b]).finalize().into_bytes()).is_ok()
    }

    /// A session for a user.
    pub(super) fn session(&self, user: &str) -> String {
        let user = hex::encode(user);
        let until = (clock::wall().as_secs() + SESSION_S).to_string();
        let signature = self.sign(&["session", &user, &until]);
        format!("{user}.{until}.{signature}")
    }

    /// The user of a session that is genuine and has not ended.
    pub(super) fn session_user(&self, session: &str) -> Option<String> {
        let (user, rest) = session.split_once('.')?;
        let (until, signature) = rest.split_once('.')?;
        if !self.verifies(&["session", user, until], signature)
            || until.parse::<u64>().ok()? < clock::wall().as_secs()
        {
            return None;
        }
        String::from_utf8(hex::decode(user).ok()?).ok()
    }

    /// A fresh CSRF token.
    pub(super) fn csrf(&self) -> String {
        let nonce = hex::encode(clock::random_bytes::<16>());
        let signature = self.sign(&["csrf", &nonce]);
        format!("{nonce}.{signature}")
    }

    /// Whether a CSRF token is one of ours: a planted cookie is not.
    pub(super) fn is_csrf(&self, token: &str) -> bool {
        token.split_once('.').is_some_and(|(nonce, signature)| self.verifies(&["csrf", nonce], signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_untouched_tokens_are_taken() {
        let key = SigningKey::derived(&Secret::new("one"), "sessions");
        let other = SigningKey::derived(&Secret::new("two"), "sessions");
        let session = key.session("ana");
        assert_eq!(key.session_user(&session).as_deref(), Some("ana"));
        assert_eq!(other.session_user(&session), None);
        assert_eq!(key.session_user(&session.replacen("616e61", "626f62", 1)), None);
        let token = key.csrf();
        assert!(key.is_csrf(&token) && !other.is_csrf(&token) && !key.is_csrf("x.y"));
        assert!(key.same("a", "a") && !key.same("a", "b"));
    }
}
