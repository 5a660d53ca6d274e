//! Bodies as they were before they were compressed, up to a cap: a bomb is cut off while it is unpacked.

use std::io::{self, Read};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use ruzstd::decoding::StreamingDecoder;

/// What a probe says that it can read.
pub(super) const ACCEPTED: &str = "gzip, br, zstd";

/// The most codings that a body may have; more than one is rare, and each costs a pass.
const MAX_CODINGS: usize = 5;
/// The largest window of zstd on the web (RFC 9659).
const MAX_ZSTD_WINDOW: u64 = 8 * 1024 * 1024;
/// The most frames of zstd in one body; each needs tables of its own.
const MAX_ZSTD_FRAMES: usize = 64;

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undecodable {
    /// It is larger than the cap.
    TooLarge,
    /// It is not what its header says.
    Broken(String),
}

/// The body, decoded as its headers say, and never longer than `max`.
pub(super) fn decode(headers: &HeaderMap, body: Bytes, max: usize) -> Result<Bytes, Undecodable> {
    let codings: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .to_ascii_lowercase()
                .split(',')
                .map(|word| word.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|word| !word.is_empty() && word != "identity")
        .collect();
    if codings.len() > MAX_CODINGS {
        return Err(Undecodable::Broken(format!(
            "the body has {} codings, and at most {MAX_CODINGS} are taken off",
            codings.len()
        )));
    }
    // What was applied last is taken off first.
    codings.iter().rev().try_fold(body, |body, coding| one(coding, body, max))
}

fn one(coding: &str, body: Bytes, max: usize) -> Result<Bytes, Undecodable> {
    // An empty body, of a redirect say, is no archive of anything.
    if body.is_empty() {
        return Ok(body);
    }
    let broken = |error: io::Error| Undecodable::Broken(format!("the body is no {coding}: {error}"));
    match coding {
        "gzip" | "x-gzip" => capped(flate2::read::MultiGzDecoder::new(body.as_ref()), max, broken),
        // Some send it with the frame that the standard asks for, and some without.
        "deflate" => capped(flate2::read::ZlibDecoder::new(body.as_ref()), max, broken).or_else(|error| {
            if error == Undecodable::TooLarge {
                Err(error)
            } else {
                capped(flate2::read::DeflateDecoder::new(body.as_ref()), max, broken)
            }
        }),
        "br" => capped(brotli_decompressor::Decompressor::new(body.as_ref(), 4096), max, broken),
        "zstd" => zstd(&body, max, broken),
        other => Err(Undecodable::Broken(format!("the body is encoded as '{other}', which was not asked for"))),
    }
}

/// Frames one after the other (RFC 8878, section 3).
fn zstd(mut rest: &[u8], max: usize, broken: impl Fn(io::Error) -> Undecodable) -> Result<Bytes, Undecodable> {
    let mut body = Vec::new();
    for _ in 0..MAX_ZSTD_FRAMES {
        let frame = StreamingDecoder::new_with_max_window_size(&mut rest, MAX_ZSTD_WINDOW);
        let frame = frame.map_err(|error| broken(io::Error::other(error.to_string())))?;
        body.extend(capped(frame, max - body.len(), &broken)?);
        if rest.is_empty() {
            return Ok(body.into());
        }
    }
    Err(broken(io::Error::other(format!("it has more than {MAX_ZSTD_FRAMES} frames"))))
}

fn capped(reader: impl Read, max: usize, broken: impl Fn(io::Error) -> Undecodable) -> Result<Bytes, Undecodable> {
    let mut body = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_to_end(&mut body).map_err(broken)?;
    if body.len() > max { Err(Undecodable::TooLarge) } else { Ok(body.into()) }
}
