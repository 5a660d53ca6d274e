//! Bodies as they were before they were compressed, up to a cap: a bomb is cut off while it is unpacked.

use std::io::{self, Read};

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// What a probe says that it can read.
pub(super) const ACCEPTED: &str = "gzip, br, zstd";

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undecodable {
    /// It is larger than the cap.
    TooLarge,
    /// It is not what its header says.
    Broken(String),
}

/// The body, decoded as its headers say, and never longer than `max`.
pub(super) fn decode(headers: &HeaderMap, body: Vec<u8>, max: usize) -> Result<Vec<u8>, Undecodable> {
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
    // What was applied last is taken off first.
    codings.iter().rev().try_fold(body, |body, coding| one(coding, body, max))
}

fn one(coding: &str, body: Vec<u8>, max: usize) -> Result<Vec<u8>, Undecodable> {
    // An empty body, of a redirect say, is no archive of anything.
    if body.is_empty() {
        return Ok(body);
    }
    let broken = |error: io::Error| Undecodable::Broken(format!("the body is no {coding}: {error}"));
    match coding {
        "gzip" | "x-gzip" => capped(flate2::read::MultiGzDecoder::new(body.as_slice()), max, broken),
        // Some send it with the frame that the standard asks for, and some without.
        "deflate" => capped(flate2::read::ZlibDecoder::new(body.as_slice()), max, broken).or_else(|error| {
            if error == Undecodable::TooLarge {
                Err(error)
            } else {
                capped(flate2::read::DeflateDecoder::new(body.as_slice()), max, broken)
            }
        }),
        "br" => capped(brotli_decompressor::Decompressor::new(body.as_slice(), 4096), max, broken),
        "zstd" => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(body.as_slice());
            capped(decoder.map_err(|error| broken(io::Error::other(error.to_string())))?, max, broken)
        }
        other => Err(Undecodable::Broken(format!("the body is encoded as '{other}', which was not asked for"))),
    }
}

fn capped(reader: impl Read, max: usize, broken: impl Fn(io::Error) -> Undecodable) -> Result<Vec<u8>, Undecodable> {
    let mut body = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_to_end(&mut body).map_err(broken)?;
    if body.len() > max { Err(Undecodable::TooLarge) } else { Ok(body) }
}
