//! JSON Web Tokens (RFC 7519): read, and verified against a key set (RFC 7517) as a site's own consumers verify them.
//!
//! What is wrong with a token is the site's fault, and each fault has words of its own. A key fits an algorithm by its type
//! (RFC 8725, 3.1): a public RSA key is never used as the shared key of an HMAC, and `none` is no algorithm.

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use aws_lc_rs::{error::Unspecified, hmac};
use rhai::serde::to_dynamic;
use rhai::{Array, Dynamic, Map, NativeCallContext};
use serde_json::Value;

use super::codes::{base64url_bytes, now};
use super::data::plain;
use super::{Result, Shelf};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::text::MAX_EXCERPT_CHARS;
use crate::domain::FailureKind;

/// How far the site's clock and the vantage's may be apart, unless a check says otherwise.
const LEEWAY_S: i64 = 30;
/// The most that a check may say: more is no leeway.
const MAX_LEEWAY_S: i64 = 3_600;
/// The most keys of a set that are looked at; providers publish two to four.
const MAX_KEYS: usize = 100;

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("JSON Web Tokens");
    shelf.add(
        "jwt_claims(token: string) -> map",
        "What a JWT claims, without looking at its signature; fails if it is no JWT.",
        |context: NativeCallContext<'_>, token: &str| -> Result<Dynamic> {
            flow::of(&context)?;
            to_dynamic(Token::parse(token)?.claims)
        },
    );
    shelf.add(
        "jwt_verify(token: string, keys: any) -> map",
        "What a JWT claims, if its signature is by one of the keys (a JWKS, one JWK, or a text that both sides share, for HS256) and it is valid now; fails otherwise, and says why. Algorithms: RS256, PS256, ES256, EdDSA (Ed25519), HS256.",
        |context: NativeCallContext<'_>, token: &str, keys: Dynamic| verify(&context, token, &keys, Map::new()),
    );
    shelf.add(
        "jwt_verify(token: string, keys: any, options: map) -> map",
        "The same with `issuer` and `audience` (a text, or an array of those that will do), `leeway_s` (30) and `at` (seconds since 1970).",
        |context: NativeCallContext<'_>, token: &str, keys: Dynamic, options: Map| {
            verify(&context, token, &keys, options)
        },
    );
}

/// What must hold besides the signature.
struct Terms {
    issuer: Option<Vec<String>>,
    audience: Option<Vec<String>>,
    leeway_s: i64,
    at: i64,
}

fn verify(context: &NativeCallContext<'_>, token: &str, keys: &Dynamic, options: Map) -> Result<Dynamic> {
    let flow = flow::of(context)?;
    let terms = Terms::of(options)?;
    let token = Token::parse(token)?;
    token.check_signature(&flow, keys)?;
    token.check_claims(&flow, &terms)?;
    to_dynamic(token.claims)
}

impl Terms {
    fn of(options: Map) -> std::result::Result<Self, Ending> {
        let mut terms = Self { issuer: None, audience: None, leeway_s: LEEWAY_S, at: now() };
        for (name, value) in options {
            let wrong = |wanted: &str| Ending::Inconclusive(format!("the option '{name}' must be {wanted}"));
            match name.as_str() {
                "issuer" => terms.issuer = Some(texts(value).ok_or_else(|| wrong("a text or an array of texts"))?),
                "audience" => {
                    terms.audience = Some(texts(value).ok_or_else(|| wrong("a text or an array of texts"))?)
                }
                "leeway_s" => {
                    let leeway = value.as_int().ok().filter(|leeway| (0..=MAX_LEEWAY_S).contains(leeway));
                    terms.leeway_s = leeway.ok_or_else(|| wrong("0 to 3600 seconds"))?;
                }
                "at" => terms.at = value.as_int().map_err(|_| wrong("seconds since 1970"))?,
                _ => {
                    let reason = format!("unknown option '{name}': there are issuer, audience, leeway_s and at");
                    return Err(Ending::Inconclusive(reason));
                }
            }
        }
        Ok(terms)
    }
}

fn texts(value: Dynamic) -> Option<Vec<String>> {
    match value.clone().try_cast::<Array>() {
        Some(items) => items.into_iter().map(|item| item.into_string().ok()).collect(),
        None => Some(vec![value.into_string().ok()?]),
    }
}

fn fail(reason: String) -> Ending {
    Ending::Fail(FailureKind::Assertion, reason)
}

/// A token taken apart.
struct Token<'t> {
    header: Value,
    claims: Value,
    /// What is signed: the first two parts as they came.
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// The reasons quote nothing of the token: whoever reads them could log in with it.
    fn parse(text: &'t str) -> std::result::Result<Self, Ending> {
        let broken =
            |why: &str| fail(format!("wanted a JWT, got a text of {} characters: {why}", text.chars().count()));
        let (signed, signature) = text.rsplit_once('.').ok_or_else(|| broken("it has no dots"))?;
        let (header, claims) = signed.split_once('.').ok_or_else(|| broken("it has one dot, and not two"))?;
        if claims.contains('.') {
            return Err(broken("it has more than two dots; encrypted tokens are not read"));
        }
        let object = |part: &str, what: &str| {
            let bytes =
                base64url_bytes(part).map_err(|error| broken(&format!("its {what} is no Base64: {error}")))?;
            let value = serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object);
            value.ok_or_else(|| broken(&format!("its {what} is no JSON object")))
        };
        let (header, claims) = (object(header, "header")?, object(claims, "payload")?);
        let signature =
            base64url_bytes(signature).map_err(|error| broken(&format!("its signature is no Base64: {error}")))?;
        Ok(Self { header, claims, signed, signature })
    }

    fn check_signature(&self, flow: &Flow, keys: &Dynamic) -> std::result::Result<(), Ending> {
        let said = |name: &str| self.header.get(name).and_then(Value::as_str);
        let algorithm = match said("alg") {
            Some(name) if name.eq_ignore_ascii_case("none") => {
                return Err(fail("the token is not signed: its algorithm is 'none'".to_owned()));
            }
            Some(name) => Algorithm::named(name).ok_or_else(|| {
                let name = flow.tidy(name, MAX_EXCERPT_CHARS);
                Ending::Inconclusive(format!("a check cannot verify a token signed with '{name}': there are {KNOWN}"))
            })?,
            None => return Err(fail("the token does not say how it is signed: its header has no 'alg'".to_owned())),
        };
        if self.header.get("crit").is_some() {
            return Err(Ending::Inconclusive(
                "a check cannot verify a token with critical extensions ('crit')".to_owned(),
            ));
        }
        let kid = said("kid");
        let ring = Ring::of(keys)?;
        let fitting: Vec<&Key> = ring.0.iter().filter(|key| key.fits(algorithm, kid)).collect();
        if fitting.is_empty() {
            let wanted = kid.map(|kid| format!(" with the id '{}'", flow.tidy(kid, MAX_EXCERPT_CHARS)));
            let has: Vec<String> = ring.0.iter().map(Key::words).collect();
            return Err(fail(format!(
                "the token is signed with {} by a key{} that the key set does not have; it has {}",
                algorithm.name(),
                wanted.unwrap_or_default(),
                if has.is_empty() { "none".to_owned() } else { flow.tidy(&has.join(", "), MAX_EXCERPT_CHARS) },
            )));
        }
        if fitting.iter().any(|key| key.verifies(algorithm, self.signed.as_bytes(), &self.signature)) {
            return Ok(());
        }
        Err(fail(format!(
            "the token's signature ({}) is not by the key that it names, or it was changed",
            algorithm.name()
        )))
    }

    fn check_claims(&self, flow: &Flow, terms: &Terms) -> std::result::Result<(), Ending> {
        let shown = |value: Option<&Value>| {
            value.map_or_else(|| "none".to_owned(), |value| flow.tidy(&value.to_string(), MAX_EXCERPT_CHARS))
        };
        let time = |name: &str| match self.claims.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_f64()
                .map(|seconds| Some(seconds as i64))
                .ok_or_else(|| fail(format!("the token's '{name}' is no number: {}", shown(Some(value))))),
        };
        if let Some(expiry) = time("exp")?
            && expiry.saturating_add(terms.leeway_s) <= terms.at
        {
            let ago = terms.at.saturating_sub(expiry);
            return Err(fail(format!("the token expired {ago} s ago (its 'exp' is {expiry})")));
        }
        if let Some(begin) = time("nbf")?
            && begin.saturating_sub(terms.leeway_s) > terms.at
        {
            let ahead = begin.saturating_sub(terms.at);
            return Err(fail(format!("the token is not valid for another {ahead} s (its 'nbf' is {begin})")));
        }
        if let Some(wanted) = &terms.issuer {
            let issuer = self.claims.get("iss");
            if !issuer.and_then(Value::as_str).is_some_and(|issuer| wanted.iter().any(|wanted| wanted == issuer)) {
                return Err(fail(format!(
                    "wanted a token by the issuer '{}', got {}",
                    wanted.join("' or '"),
                    shown(issuer)
                )));
            }
        }
        if let Some(wanted) = &terms.audience {
            let audience = self.claims.get("aud");
            let all = match audience {
                Some(Value::Array(all)) => all.iter().collect(),
                one => Vec::from_iter(one),
            };
            if !all.iter().filter_map(|one| one.as_str()).any(|one| wanted.iter().any(|wanted| wanted == one)) {
                return Err(fail(format!(
                    "wanted a token for the audience '{}', got {}",
                    wanted.join("' or '"),
                    shown(audience)
                )));
            }
        }
        Ok(())
    }
}

/// The algorithms that are verified.
const KNOWN: &str = "RS256, PS256, ES256, EdDSA and HS256";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Ps256,
    Es256,
    EdDsa,
    Hs256,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa, Self::Hs256]
            .into_iter()
            .find(|known| known.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}

/// The keys that a script gave.
struct Ring(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    for_signatures: bool,
    kind: String,
    material: Option<Material>,
}

/// What is needed of a key to verify with it; absent of kinds that are not verified.
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256 { point: Vec<u8> },
    Ed25519 { x: Vec<u8> },
    Shared(Vec<u8>),
}

impl Ring {
    fn of(keys: &Dynamic) -> std::result::Result<Self, Ending> {
        if let Ok(shared) = keys.clone().into_string() {
            let material = Some(Material::Shared(shared.into_bytes()));
            let kind = "shared text".to_owned();
            return Ok(Self(vec![Key { id: None, algorithm: None, for_signatures: true, kind, material }]));
        }
        let value = plain(keys)?;
        let list = match &value {
            Value::Object(set) if set.contains_key("kty") => vec![&value],
            Value::Object(set) => match set.get("keys") {
                Some(Value::Array(list)) => list.iter().collect(),
                _ => return Err(fail("wanted a JWKS, got JSON without a list 'keys'".to_owned())),
            },
            Value::Array(list) => list.iter().collect(),
            _ => {
                let reason = "jwt_verify takes a JWKS as a map, one key as a map, or a shared text".to_owned();
                return Err(Ending::Inconclusive(reason));
            }
        };
        if list.len() > MAX_KEYS {
            return Err(Ending::Inconclusive(format!("a key set of more than {MAX_KEYS} keys is not looked at")));
        }
        Ok(Self(list.into_iter().map(Key::of).collect()))
    }
}

impl Key {
    /// A key that is broken, or of a kind that is not known, fits nothing; the others may do.
    fn of(value: &Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let bytes = |name: &str| text(name).and_then(|text| base64url_bytes(text).ok());
        let material = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => bytes("n").zip(bytes("e")).map(|(n, e)| Material::Rsa { n, e }),
            (Some("EC"), Some("P-256")) => bytes("x").zip(bytes("y")).and_then(|(x, y)| {
                // Uncompressed, as X9.62 writes it.
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                (x.len() == 32 && y.len() == 32).then_some(Material::P256 { point })
            }),
            (Some("OKP"), Some("Ed25519")) => bytes("x").map(|x| Material::Ed25519 { x }),
            (Some("oct"), _) => bytes("k").map(Material::Shared),
            _ => None,
        };
        let kind = [text("kty"), text("crv")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        Self {
            id: text("kid").map(str::to_owned),
            algorithm: text("alg").map(str::to_owned),
            for_signatures: text("use").is_none_or(|purpose| purpose == "sig"),
            kind,
            material,
        }
    }

    fn fits(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        let by_type = matches!(
            (algorithm, &self.material),
            (Algorithm::Rs256 | Algorithm::Ps256, Some(Material::Rsa { .. }))
                | (Algorithm::Es256, Some(Material::P256 { .. }))
                | (Algorithm::EdDsa, Some(Material::Ed25519 { .. }))
                | (Algorithm::Hs256, Some(Material::Shared(_)))
        );
        let named = match (kid, &self.id) {
            (Some(kid), Some(id)) => kid == id,
            // A lone key without an id, or a shared text, is meant by every token.
            _ => true,
        };
        let said = self.algorithm.as_deref().is_none_or(|said| said == algorithm.name());
        by_type && named && said && self.for_signatures
    }

    fn verifies(&self, algorithm: Algorithm, signed: &[u8], given: &[u8]) -> bool {
        let verified: std::result::Result<(), Unspecified> = match (&self.material, algorithm) {
            (Some(Material::Rsa { n, e }), Algorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PSS_2048_8192_SHA256, signed, given)
            }
            (Some(Material::Rsa { n, e }), _) => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed, given)
            }
            (Some(Material::P256 { point }), _) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(signed, given)
            }
            (Some(Material::Ed25519 { x }), _) => {
                UnparsedPublicKey::new(&signature::ED25519, x).verify(signed, given)
            }
            (Some(Material::Shared(key)), _) => hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), signed, given),
            (None, _) => Err(Unspecified),
        };
        verified.is_ok()
    }

    fn words(&self) -> String {
        let id = self.id.as_ref().map(|id| format!(" '{id}'")).unwrap_or_default();
        format!("{}{id}", if self.kind.is_empty() { "a key without a type" } else { &self.kind })
    }
}
