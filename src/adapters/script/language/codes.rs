//! Encodings, digests, chance and the time of day. Chance and time are a script's to put into what it sends; no decision
//! of the probe comes from them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};
use data_encoding::{BASE64, BASE64URL_NOPAD, Encoding};
use rand::RngExt;
use rand::distr::Alphanumeric;
use rhai::{Blob, Dynamic};

use super::{Result, Shelf};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow;
use crate::domain::FailureKind;

/// The longest random text, in characters.
const MAX_RANDOM_CHARS: i64 = 1_024;
/// The last second that a date with four digits of year can say.
const LAST_SECOND: u64 = 253_402_300_799;
/// What `as` may be for a digest.
const FORMATS: &str = "hex, base64, base64url and bytes";

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("codes");
    encodings(shelf);
    digests(shelf);
    shelf.topic("chance and time");
    shelf.add("uuid() -> string", "A random UUID (version 4).", uuid);
    shelf.add(
        "random(from: int, to: int) -> int",
        "A random whole number between the two, either of them included.",
        |from: i64, to: i64| -> Result<i64> {
            if from > to {
                return Err(Ending::Inconclusive(format!("there is no number from {from} to {to}")).into());
            }
            Ok(chance(|rng| rng.random_range(from..=to)))
        },
    );
    shelf.add(
        "random_text(length: int) -> string",
        "Random letters and digits, for names that nobody had before.",
        |length: i64| -> Result<String> {
            if !(1..=MAX_RANDOM_CHARS).contains(&length) {
                let reason = format!("a random text has 1 to {MAX_RANDOM_CHARS} characters, and not {length}");
                return Err(Ending::Inconclusive(reason).into());
            }
            Ok(random_text(usize::try_from(length).unwrap_or_default()))
        },
    );
    shelf.add("now() -> int", "The seconds since 1970, by the vantage's clock.", now);
    shelf.add("now_iso() -> string", "The time in UTC as `2026-05-04T12:00:00Z`.", || iso(now()));
    shelf.add(
        "format_time(seconds: int) -> string",
        "The seconds since 1970 as `2026-05-04T12:00:00Z`.",
        |seconds: i64| -> Result<String> {
            let in_range = u64::try_from(seconds).is_ok_and(|seconds| seconds <= LAST_SECOND);
            if !in_range {
                let reason = format!("{seconds} seconds since 1970 are no date up to the year 9999");
                return Err(Ending::Inconclusive(reason).into());
            }
            Ok(iso(seconds))
        },
    );
}

fn encodings(shelf: &mut Shelf) {
    shelf.add("base64(text: string | blob) -> string", "The text in Base64.", |text: Dynamic| -> Result<String> {
        let bytes = bytes("base64", text)?;
        concealed(BASE64.encode(&bytes), &[&bytes])
    });
    shelf.add(
        "base64_decode(text: string) -> string",
        "The text that the Base64 stands for, with or without its `=`; fails if it is none.",
        |text: &str| concealed(decoded("Base64", base64_bytes(text))?, &[text.as_bytes()]),
    );
    shelf.add(
        "base64url(text: string | blob) -> string",
        "The text in URL-safe Base64 without `=`, as JWTs and PKCE write it.",
        |text: Dynamic| {
            let bytes = bytes("base64url", text)?;
            concealed(BASE64URL_NOPAD.encode(&bytes), &[&bytes])
        },
    );
    shelf.add(
        "base64url_decode(text: string) -> string",
        "The text that the URL-safe Base64 stands for; fails if it is none.",
        |text: &str| concealed(decoded("URL-safe Base64", base64url_bytes(text))?, &[text.as_bytes()]),
    );
    shelf.add("hex(text: string | blob) -> string", "The text's bytes in hex.", |text: Dynamic| -> Result<String> {
        let bytes = bytes("hex", text)?;
        concealed(hex::encode(&bytes), &[&bytes])
    });
    shelf.add(
        "hex_decode(text: string) -> string",
        "The text that the hex digits stand for; fails if they are none.",
        |text: &str| {
            let bytes = hex::decode(text).map_err(|error| error.to_string());
            concealed(decoded("hex", bytes)?, &[text.as_bytes()])
        },
    );
    shelf.add(
        "bytes(text: string, encoding: string) -> blob",
        "The bytes that a text in `hex`, `base64` or `base64url` stands for: a key, say, that is no text.",
        |text: &str, encoding: &str| -> Result<Blob> {
            let bytes = match encoding {
                "hex" => hex::decode(text).map_err(|error| error.to_string()),
                "base64" => base64_bytes(text),
                "base64url" => base64url_bytes(text),
                _ => Err(format!("there is no encoding '{encoding}', only hex, base64 and base64url")),
            };
            let bytes = bytes.map_err(|why| Ending::Inconclusive(format!("these bytes cannot be read: {why}")))?;
            if let Some(flow) = flow::current() {
                flow.conceal_bytes(&bytes, &[text.as_bytes()])?;
            }
            Ok(bytes)
        },
    );
}

fn digests(shelf: &mut Shelf) {
    shelf.add("sha256(text: string | blob) -> string", "The SHA-256 digest in hex.", |text: Dynamic| {
        let bytes = bytes("sha256", text)?;
        written(sha256(&bytes), "hex", &[&bytes])
    });
    shelf.add(
        "sha256(text: string | blob, as: string) -> string | blob",
        "The digest as `hex`, `base64`, `base64url` or `bytes`.",
        |text: Dynamic, form: &str| {
            let bytes = bytes("sha256", text)?;
            written(sha256(&bytes), form, &[&bytes])
        },
    );
    shelf.add(
        "hmac_sha256(key: string | blob, text: string | blob) -> string",
        "The HMAC with SHA-256 (RFC 2104) in hex.",
        |key: Dynamic, text: Dynamic| hmac_sha256(key, text, "hex"),
    );
    shelf.add(
        "hmac_sha256(key: string | blob, text: string | blob, as: string) -> string | blob",
        "The HMAC as `hex`, `base64`, `base64url` or `bytes`; as bytes it can be the next key.",
        hmac_sha256,
    );
}

/// The bytes of a text or a blob.
fn bytes(function: &str, value: Dynamic) -> std::result::Result<Blob, Ending> {
    if value.is_blob() {
        return Ok(value.into_blob().unwrap_or_default());
    }
    let kind = value.type_name();
    value.into_immutable_string().map(|text| text.as_bytes().to_vec()).map_err(|_| {
        let hint = if kind == "()" { "no value, ()".to_owned() } else { format!("a value of type {kind}") };
        Ending::Inconclusive(format!("{function} takes a text or bytes, and not {hint}"))
    })
}

/// Base64 with or without its padding.
fn base64_bytes(text: &str) -> std::result::Result<Blob, String> {
    unpadded(&data_encoding::BASE64_NOPAD, text)
}

/// URL-safe Base64 with or without its padding.
pub(super) fn base64url_bytes(text: &str) -> std::result::Result<Blob, String> {
    unpadded(&BASE64URL_NOPAD, text)
}

fn unpadded(encoding: &Encoding, text: &str) -> std::result::Result<Blob, String> {
    encoding.decode(text.trim_end_matches('=').as_bytes()).map_err(|error| error.to_string())
}

/// A text that came from the site; what it says is not quoted, since it may be anybody's.
fn decoded(what: &str, bytes: std::result::Result<Blob, String>) -> std::result::Result<String, Ending> {
    let fail = |why: String| Ending::Fail(FailureKind::Assertion, format!("wanted {what}: {why}"));
    let no_text = |_| fail("what it stands for is no UTF-8 text".to_owned());
    String::from_utf8(bytes.map_err(fail)?).map_err(no_text)
}

pub(super) fn sha256(bytes: &[u8]) -> Blob {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn hmac_sha256(key: Dynamic, text: Dynamic, form: &str) -> Result<Dynamic> {
    let (key, text) = (bytes("hmac_sha256", key)?, bytes("hmac_sha256", text)?);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &text);
    written(tag.as_ref().to_vec(), form, &[&key, &text])
}

/// What was made from these, struck out in whatever form it is shown if a secret is among them.
fn concealed(made: String, from: &[&[u8]]) -> Result<String> {
    if let Some(flow) = flow::current() {
        flow.conceal(&made, from)?;
    }
    Ok(made)
}

fn written(bytes: Blob, form: &str, from: &[&[u8]]) -> Result<Dynamic> {
    if let Some(flow) = flow::current() {
        flow.conceal_bytes(&bytes, from)?;
    }
    Ok(match form {
        "hex" => hex::encode(bytes).into(),
        "base64" => BASE64.encode(&bytes).into(),
        "base64url" => BASE64URL_NOPAD.encode(&bytes).into(),
        "bytes" => Dynamic::from_blob(bytes),
        _ => {
            return Err(
                Ending::Inconclusive(format!("a digest is not written as '{form}': there are {FORMATS}")).into()
            );
        }
    })
}

fn uuid() -> String {
    let mut bits: u128 = chance(|rng| rng.random());
    bits = bits & !(0xf << 76) | (4 << 76);
    bits = bits & !(3 << 62) | (2 << 62);
    let digits = format!("{bits:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Letters and digits.
pub(super) fn random_text(length: usize) -> String {
    chance(|rng| rng.sample_iter(Alphanumeric).take(length).map(char::from).collect())
}

/// 32 bytes that nobody can guess, in URL-safe Base64.
pub(super) fn unguessable() -> String {
    BASE64URL_NOPAD.encode(&chance(|rng| rng.random::<[u8; 32]>()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a script makes up: a nonce, a name, a boundary; nothing is decided by it"
)]
fn chance<T>(draw: impl FnOnce(&mut rand::rngs::ThreadRng) -> T) -> T {
    draw(&mut rand::rng())
}

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "what a script puts into a request, a TOTP code say, and what it holds a token's expiry against"
)]
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn iso(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default().min(LAST_SECOND));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}
