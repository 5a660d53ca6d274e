//! What a login needs besides a password: TOTP codes (RFC 6238), PKCE (RFC 7636) and client credentials (RFC 6749, 4.4).

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use rhai::{Dynamic, Map, NativeCallContext};
use url::Url;

use super::codes::{now, sha256, unguessable};
use super::options::texts;
use super::sending::{self, Outgoing, URLENCODED};
use super::steps::kind_of;
use super::{Result, Shelf};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::page::Page;
use crate::adapters::script::text::MAX_EXCERPT_CHARS;
use crate::domain::FailureKind;

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("logins");
    shelf.add(
        "totp(secret: string) -> string",
        "The TOTP code (RFC 6238) of this moment. The secret is in Base32, blanks and lower case allowed, or an `otpauth://` URI.",
        |secret: &str| totp(secret, Map::new()),
    );
    shelf.add(
        "totp(secret: string, options: map) -> string",
        "The same with `digits` (6 to 8), `period` (seconds), `algorithm` (`SHA1`, `SHA256`, `SHA512`) and `at` (seconds since 1970).",
        totp,
    );
    shelf.add("pkce() -> map", "A fresh `verifier` with its `challenge` and the `method` S256 (RFC 7636).", || {
        challenged(&unguessable())
    });
    shelf.add(
        "pkce(verifier: string) -> map",
        "The same for a verifier that is given.",
        |verifier: &str| -> Result<Map> {
            let lawful = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(lawful) {
                let reason = "a PKCE verifier has 43 to 128 letters, digits and signs of '-._~'".to_owned();
                return Err(Ending::Inconclusive(reason).into());
            }
            Ok(challenged(verifier))
        },
    );
    shelf.add("oauth_state() -> string", "A text that nobody can guess: for `state` and `nonce`.", unguessable);
    shelf.add(
        "client_credentials(token_url: string, client_id: string, client_secret: string, scope: string) -> map",
        "Asks an OAuth 2 token endpoint for a token with the client's own credentials, and gives back its answer; fails if it has no `access_token`.",
        |context: NativeCallContext<'_>, url: &str, id: &str, secret: &str, scope: &str| {
            client_credentials(&context, url, Client { id, secret, scope }, Map::new())
        },
    );
    shelf.add(
        "client_credentials(token_url: string, client_id: string, client_secret: string, scope: string, options: map) -> map",
        "The same with `auth` (`basic` for the header, which is the default, or `post` for the form) and `fields`, which are sent as well: an `audience`, say.",
        |context: NativeCallContext<'_>, url: &str, id: &str, secret: &str, scope: &str, options: Map| {
            client_credentials(&context, url, Client { id, secret, scope }, options)
        },
    );
}

/// Who asks for a token, and for what.
struct Client<'a> {
    id: &'a str,
    secret: &'a str,
    scope: &'a str,
}

/// What a TOTP code is made from.
#[derive(Debug)]
struct Totp {
    key: Vec<u8>,
    digits: u32,
    period: u64,
    algorithm: hmac::Algorithm,
}

fn totp(secret: &str, options: Map) -> Result<String> {
    let mut totp = Totp { key: Vec::new(), digits: 6, period: 30, algorithm: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY };
    match secret.trim().get(..10).filter(|scheme| scheme.eq_ignore_ascii_case("otpauth://")) {
        Some(_) => totp.read_uri(secret.trim())?,
        None => totp.key = base32(secret)?,
    }
    let mut at = now();
    for (name, value) in options {
        match name.as_str() {
            "at" => at = value.as_int().map_err(|_| wrong("at", "seconds since 1970"))?,
            name => totp.set(name, &value.to_string())?,
        }
    }
    let seconds = u64::try_from(at).map_err(|_| wrong("at", "seconds since 1970"))?;
    let code = totp.code(seconds / totp.period);
    if let Some(flow) = flow::current() {
        flow.conceal(&code, &[secret.as_bytes()])?;
    }
    Ok(code)
}

impl Totp {
    fn read_uri(&mut self, text: &str) -> std::result::Result<(), Ending> {
        let broken = |why: &str| Ending::Inconclusive(format!("the otpauth URI cannot be used: {why}"));
        let uri = Url::parse(text).map_err(|_| broken("it is no URI"))?;
        if !uri.host_str().is_some_and(|kind| kind.eq_ignore_ascii_case("totp")) {
            return Err(broken("its codes do not go by the time (totp)"));
        }
        for (name, value) in uri.query_pairs() {
            match name.as_ref() {
                "secret" => self.key = base32(&value)?,
                known @ ("digits" | "period" | "algorithm") => self.set(known, &value)?,
                _ => {}
            }
        }
        if self.key.is_empty() { Err(broken("it has no secret")) } else { Ok(()) }
    }

    fn set(&mut self, name: &str, value: &str) -> std::result::Result<(), Ending> {
        let number = || value.parse::<u64>().ok();
        match name {
            "digits" => {
                let digits = number().filter(|digits| (6..=8).contains(digits));
                self.digits =
                    digits.and_then(|digits| u32::try_from(digits).ok()).ok_or_else(|| wrong(name, "6, 7 or 8"))?;
            }
            "period" => {
                let period = number().filter(|period| (1..=3_600).contains(period));
                self.period = period.ok_or_else(|| wrong(name, "1 to 3600 seconds"))?;
            }
            "algorithm" => {
                self.algorithm = match value.to_ascii_uppercase().replace('-', "").as_str() {
                    "SHA1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                    "SHA256" => hmac::HMAC_SHA256,
                    "SHA512" => hmac::HMAC_SHA512,
                    _ => return Err(wrong(name, "SHA1, SHA256 or SHA512")),
                };
            }
            _ => {
                let reason = format!("unknown option '{name}': there are digits, period, algorithm and at");
                return Err(Ending::Inconclusive(reason));
            }
        }
        Ok(())
    }

    /// The code of a counter: HOTP (RFC 4226, 5.3).
    fn code(&self, counter: u64) -> String {
        let tag = hmac::sign(&hmac::Key::new(self.algorithm, &self.key), &counter.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
        let four = tag.iter().skip(offset).take(4);
        let number = four.fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
        format!("{:0width$}", number % 10_u32.pow(self.digits), width = self.digits as usize)
    }
}

fn wrong(name: &str, wanted: &str) -> Ending {
    Ending::Inconclusive(format!("the option '{name}' must be {wanted}"))
}

/// The bytes of a secret as people copy it. Bits left over at its end are of no matter, as in all authenticator apps.
fn base32(text: &str) -> std::result::Result<Vec<u8>, Ending> {
    let broken = || Ending::Inconclusive("the TOTP secret is no Base32 (letters and the digits 2 to 7)".to_owned());
    let clean: String = text
        .chars()
        .filter(|char| !char.is_whitespace() && *char != '-')
        .map(|char| char.to_ascii_uppercase())
        .collect();
    let mut lenient = BASE32_NOPAD.specification();
    lenient.check_trailing_bits = false;
    let encoding = lenient.encoding().map_err(|_| broken())?;
    let bytes = encoding.decode(clean.trim_end_matches('=').as_bytes()).map_err(|_| broken())?;
    if bytes.is_empty() { Err(broken()) } else { Ok(bytes) }
}

fn challenged(verifier: &str) -> Map {
    let challenge = data_encoding::BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes()));
    let pairs = [("verifier", verifier.to_owned()), ("challenge", challenge), ("method", "S256".to_owned())];
    pairs.into_iter().map(|(name, value)| (name.into(), Dynamic::from(value))).collect()
}

fn client_credentials(
    context: &NativeCallContext<'_>,
    token_url: &str,
    client: Client<'_>,
    options: Map,
) -> Result<Map> {
    let flow = flow::of(context)?;
    let mut fields = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
    if !client.scope.is_empty() {
        fields.push(("scope".to_owned(), client.scope.to_owned()));
    }
    let mut in_form = false;
    for (name, value) in options {
        match name.as_str() {
            "auth" => {
                in_form = match value.to_string().as_str() {
                    "basic" => false,
                    "post" => true,
                    _ => return Err(wrong("auth", "basic or post").into()),
                };
            }
            "fields" => {
                for (name, value) in value.try_cast::<Map>().ok_or_else(|| wrong("fields", "a map"))? {
                    fields.extend(texts(&name, value)?.into_iter().map(|text| (name.to_string(), text)));
                }
            }
            _ => {
                let reason = format!("unknown option '{name}': there are auth and fields");
                return Err(Ending::Inconclusive(reason).into());
            }
        }
    }
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if in_form {
        fields.push(("client_id".to_owned(), client.id.to_owned()));
        fields.push(("client_secret".to_owned(), client.secret.to_owned()));
    } else {
        let mut basic = sending::value("authorization", &basic(&flow, client.id, client.secret)?)?;
        basic.set_sensitive(true);
        headers.insert(AUTHORIZATION, basic);
    }
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let body = Some((URLENCODED.to_owned(), form.into_bytes()));
    let asked = Outgoing { method: Method::POST, url: flow.resolve(token_url)?, body, headers, from: None };
    let page = sending::send(&flow, asked, Map::new())?;
    Ok(granted(&flow, &page)?)
}

/// The credentials, each encoded before they are joined (RFC 6749, 2.3.1).
pub(super) fn basic(flow: &Flow, id: &str, secret: &str) -> std::result::Result<String, Ending> {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let coded = data_encoding::BASE64.encode(format!("{}:{}", encoded(id), encoded(secret)).as_bytes());
    flow.conceal(&coded, &[secret.as_bytes()])?;
    Ok(format!("Basic {coded}"))
}

/// The answer of a token endpoint, which must hold a token.
pub(super) fn granted(flow: &Flow, page: &Page) -> std::result::Result<Map, Ending> {
    let status = page.answer().status;
    let answer = serde_json::from_str::<Dynamic>(&page.text()).ok();
    let answer = answer.and_then(Dynamic::try_cast::<Map>).unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(|value| value.clone().into_string().ok());
    if status.is_success() && text("access_token").is_some_and(|token| !token.is_empty()) {
        return Ok(answer);
    }
    let kind = if matches!(status.as_u16(), 401 | 403 | 429) { FailureKind::Denied } else { kind_of(page) };
    if let Some(error) = text("error") {
        let why = text("error_description").map(|why| format!(": {why}")).unwrap_or_default();
        let said = flow.tidy(&format!("{error}{why}"), MAX_EXCERPT_CHARS);
        return Err(Ending::Fail(kind, format!("the token endpoint {} refused: {said}", page.answer().url)));
    }
    Err(Ending::Fail(kind, format!("wanted an access_token, got {}", page.summary(&flow.struck()))))
}
