//! Bodies: every framing and coding, whole, broken, too large and too slow.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use quorate::adapters::script::Limits;
use quorate::domain::{FailureKind, ProbeReport};

use super::{LONG, Raw, SLACK, check, fails, passes};
use crate::suite::servers;

const PAGE: &str = "<p>hello</p>";
/// The same by the reference tools `brotli` and `zstd`, the last one in two frames.
const BROTLI: &str = "iwWAPHA+aGVsbG88L3A+Aw==";
const ZSTD: &str = "KLUv/QRYYQAAPHA+aGVsbG88L3A+ReQaOQ==";
const ZSTD_IN_TWO: &str = "KLUv/QRYKQAAPHA+aGUGZYqvKLUv/QRYOQAAbGxvPC9wPgE2/nM=";
/// A hundred million zeros by the reference tool.
const BROTLI_BOMB: &str = "y///P/gnAOKxQCD3/o///3/wTwDEYRGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f/BMAcVgAoHv/x///P/gnAOKwAED3/o///3/wTwDEYQGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/5//+DfwIgDgsAdO9/AA==";
/// Four million zeros by the reference tool.
const ZSTD_BOMB: &str = "KLUv/QRYVAAAEAAAAQD7/znAAgIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAAgAQAAIAEAACABAAA0gIAFmZaAM=";
/// The header of a frame with a window of 128 MiB.
const ZSTD_LONG: &str = "KLUv/QSITAAACAABAPz/ORACAgAQAAIAEAACABAAAgAQ";

fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn decoded(text: &str) -> Vec<u8> {
    BASE64.decode(text.as_bytes()).unwrap()
}

/// What a check makes of these bytes.
async fn reading(bytes: impl Into<Vec<u8>>) -> ProbeReport {
    let server = Raw::saying(bytes);
    check(&format!("same(get(\"/\").text, \"{PAGE}\")")).at(server.url()).await
}

async fn reading_coded(coding: &str, body: &[u8]) -> ProbeReport {
    reading(answer(&format!("content-encoding: {coding}\r\n"), body)).await
}

#[tokio::test]
async fn every_coding_is_read() {
    let plain = PAGE.as_bytes();
    let halves = [gzip(&plain[..5]), gzip(&plain[5..])].concat();
    let cases = [
        ("identity", plain.to_vec()),
        ("gzip", gzip(plain)),
        ("x-gzip", gzip(plain)),
        ("GZip", gzip(plain)),
        ("gzip", halves),
        ("deflate", zlib(plain)),
        ("deflate", deflate(plain)),
        ("br", decoded(BROTLI)),
        ("zstd", decoded(ZSTD)),
        ("zstd", decoded(ZSTD_IN_TWO)),
        ("deflate, gzip", gzip(&zlib(plain))),
        ("gzip,  identity , gzip", gzip(&gzip(plain))),
        ("deflate\r\ncontent-encoding: gzip", gzip(&zlib(plain))),
    ];
    for (coding, body) in cases {
        let report = reading_coded(coding, &body).await;
        assert_eq!(super::reason(&report), "", "{coding}");
    }
}

#[tokio::test]
async fn a_bomb_is_cut_off_at_the_cap_whatever_its_coding() {
    let zeros = vec![0; 3 * 1024 * 1024];
    let twice = gzip(&gzip(&zeros));
    let cases = [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("deflate", deflate(&zeros)),
        ("br", decoded(BROTLI_BOMB)),
        ("zstd", decoded(ZSTD_BOMB)),
        ("gzip, gzip", twice),
    ];
    for (coding, body) in cases {
        assert!(body.len() < 500 * 1024, "{coding}: {}", body.len());
        fails(&reading_coded(coding, &body).await, FailureKind::Assertion, "is larger than 1024 KiB");
    }
}

#[tokio::test]
async fn a_broken_archive_is_the_sites_fault_and_named() {
    let whole = gzip(PAGE.repeat(100).as_bytes());
    let damaged = {
        let mut bytes = gzip(PAGE.as_bytes());
        let at = bytes.len() - 6;
        bytes[at] ^= 0xff;
        bytes
    };
    let cases = [
        ("gzip", b"no archive".to_vec()),
        ("gzip", whole[..whole.len() / 2].to_vec()),
        ("gzip", damaged),
        ("deflate", b"\xff\xff\xff\xff".to_vec()),
        ("br", b"no archive".to_vec()),
        ("br", decoded(BROTLI)[..9].to_vec()),
        ("zstd", b"no archive".to_vec()),
        ("zstd", decoded(ZSTD)[..12].to_vec()),
        ("zstd", decoded(ZSTD_LONG)),
    ];
    for (coding, body) in cases {
        let saying = format!("the body cannot be decoded: the body is no {coding}: ");
        fails(&reading_coded(coding, &body).await, FailureKind::Assertion, &saying);
    }
    let report = reading_coded("compress", b"x").await;
    fails(&report, FailureKind::Assertion, "the body is encoded as 'compress', which was not asked for");
    let report = reading_coded("gzip,gzip,gzip,gzip,gzip,gzip", &gzip(b"x")).await;
    fails(&report, FailureKind::Assertion, "the body has 6 codings, and at most 5 are taken off");
}

#[tokio::test]
async fn a_chunked_body_is_put_together_extensions_and_trailers_apart() {
    let chunks = "5;name=\"value\"\r\n<p>he\r\n7\r\nllo</p>\r\n0\r\nx-trailer: 1\r\n\r\n";
    passes(&reading(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")).await);
    let coded = gzip(PAGE.as_bytes());
    let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-encoding: gzip\r\n\r\n".to_vec();
    for byte in coded {
        bytes.extend_from_slice(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']);
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    passes(&reading(bytes).await);
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    passes(&reading(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{PAGE}")).await);
    passes(&reading(format!("HTTP/1.0 200 OK\r\n\r\n{PAGE}")).await);
}

#[tokio::test]
async fn an_answer_without_a_body_has_an_empty_text() {
    for head in
        ["204 No Content\r\n", "304 Not Modified\r\ncontent-length: 50\r\n", "200 OK\r\ncontent-length: 0\r\n"]
    {
        let server = Raw::saying(format!("HTTP/1.1 {head}\r\n"));
        passes(&check(r#"same(get("/").text, "")"#).at(server.url()).await);
    }
    let server = Raw::saying("HTTP/1.1 200 OK\r\ncontent-length: 50\r\ncontent-encoding: gzip\r\n\r\n");
    passes(&check(r#"same(head("/").text, "")"#).at(server.url()).await);
}

#[tokio::test]
async fn an_answer_before_the_answer_is_passed_over() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let bytes = [early.as_bytes(), &answer("", PAGE.as_bytes())].concat();
    passes(&reading(bytes).await);
}

#[tokio::test]
async fn a_body_of_stray_bytes_is_read_with_replacements() {
    let server = Raw::saying(answer("", b"a\xff\xfeb"));
    passes(&check(r#"same(get("/").text, "a\uFFFD\uFFFDb")"#).at(server.url()).await);
    let server = Raw::saying(answer("", &vec![0xff; 1024 * 1024]));
    passes(&check(r#"same(get("/").text.len(), 1048576)"#).at(server.url()).await);
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_a_network_failure() {
    let cases: [&str; 4] = [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n",
    ];
    for bytes in cases {
        fails(&reading(bytes).await, FailureKind::Network, "the connection ended in the middle of the answer");
    }
    fails(&reading("").await, FailureKind::Network, "the connection ended");
}

#[tokio::test]
async fn what_is_no_http_is_a_network_failure() {
    let cases = [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    ];
    for bytes in cases {
        fails(&reading(bytes).await, FailureKind::Network, "GET http://127.0.0.1:");
    }
    let headers: String = (0..500).map(|number| format!("x-{number}: {}\r\n", "y".repeat(2000))).collect();
    fails(&reading(answer(&headers, b"")).await, FailureKind::Network, "GET http://127.0.0.1:");
}

#[tokio::test]
async fn a_connection_that_is_reset_in_the_middle_says_so() {
    let server = Raw::start(|stream, _| {
        let _ = stream.read(&mut [0; 1]);
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
        thread::sleep(Duration::from_millis(50));
        // Hanging up with something unread resets the connection.
    });
    fails(&check(r#"get("/")"#).at(server.url()).await, FailureKind::Network, "connection reset");
}

#[tokio::test]
async fn a_body_larger_than_the_cap_is_refused_as_soon_as_it_is() {
    let server = Raw::start(|stream, _| {
        let _ = servers::read(stream);
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n");
        while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
    });
    let report = check(r#"get("/large")"#).at(server.url()).await;
    fails(&report, FailureKind::Assertion, "/large is larger than 1024 KiB");
    assert!(report.duration_ms < 5_000, "{report:?}");
    let report =
        check(r#"get("/large")"#).limited(Limits { body_bytes: 2_000, ..Limits::default() }).at(server.url()).await;
    fails(&report, FailureKind::Assertion, "/large is larger than 1 KiB");
}

#[tokio::test]
async fn a_check_may_be_allowed_a_larger_body_up_to_the_ceiling() {
    let (small, large) = (3 * 1024 * 1024, 9 * 1024 * 1024);
    let server = Raw::start(move |stream, _| {
        let Some(request) = servers::read(stream) else { return };
        let length = if request.path == "/small" { small } else { large };
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        let _ = stream.write_all(&vec![b'x'; length]);
        let _ = stream.read(&mut [0; 64]);
    });
    let most = Limits { body_bytes: usize::MAX, ..Limits::default() };
    let source = format!(r#"same(get("/small").text.len(), {small}); get("/large");"#);
    let report = check(&source).limited(most).at(server.url()).await;
    fails(&report, FailureKind::Assertion, "/large is larger than 8192 KiB");
}

#[tokio::test]
async fn a_server_that_drips_is_a_timeout_that_says_how_much_came() {
    let server = Raw::start(|stream, _| {
        let _ = servers::read(stream);
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let deadline = Duration::from_millis(450);
    let report = check(r#"get("/")"#).within(deadline).at(server.url()).await;
    fails(&report, FailureKind::Timeout, "bytes came) within the deadline of 450ms");
    assert!(Duration::from_millis(report.duration_ms) < deadline + SLACK, "{report:?}");
    let words = super::reason(&report);
    let came: usize = words.split('(').nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap();
    assert!((1..=5).contains(&came), "{words}");
}

#[tokio::test]
async fn a_request_may_have_a_limit_of_its_own() {
    let server = Raw::start(|stream, _| {
        let _ = servers::read(stream);
        thread::sleep(LONG);
    });
    let report = check(r#"get("/slow", #{ timeout: "200ms" })"#).at(server.url()).await;
    fails(&report, FailureKind::Timeout, "/slow within its own limit of 200ms");
    assert!((200..200 + u64::try_from(SLACK.as_millis()).unwrap()).contains(&report.duration_ms), "{report:?}");
    // One that is longer than the deadline changes nothing.
    let report =
        check(r#"get("/slow", #{ timeout: "1h" })"#).within(Duration::from_millis(100)).at(server.url()).await;
    fails(&report, FailureKind::Timeout, "/slow within the deadline of 100ms");
}
