//! HTTP/1.1 and HTTP/2, by agreement and by force; and connections that are used again.

use std::io::Write;
use std::thread;
use std::time::Duration;

use quorate::domain::{FailureKind, ProbeReport};

use super::tls_servers::{Authority, Habits, serve};
use super::{Raw, check, fails, passes};
use crate::suite::servers::read;

const WORDS: &str = r#"
    fn parts(page) { page.text.split("|") }
"#;

/// What a check makes of a server that agrees to these protocols over TLS.
async fn over_tls(protocols: &[&str], source: &str) -> ProbeReport {
    let authority = Authority::new();
    let address = serve(Some(authority.leaf(&["localhost"]).config(protocols, None)), Habits::default());
    let source = format!(r#"{WORDS} let ca = param("ca"); {source}"#);
    check(&source).param("ca", authority.pem()).at(format!("https://localhost:{}/", address.port())).await
}

fn reused(report: &ProbeReport) -> Vec<bool> {
    report.requests.iter().map(|request| request.answer.as_ref().is_some_and(|answer| answer.reused)).collect()
}

#[tokio::test]
async fn over_tls_the_server_chooses_the_version() {
    let source = |wanted: &str| {
        format!(
            r#"let page = get("/a?b", #{{ ca: ca }}); same(page.http, "{wanted}"); same(parts(page)[0], "{wanted}");"#
        )
    };
    passes(&over_tls(&["h2", "http/1.1"], &source("HTTP/2.0")).await);
    passes(&over_tls(&["http/1.1"], &source("HTTP/1.1")).await);
    passes(&over_tls(&[], &source("HTTP/1.1")).await);
}

#[tokio::test]
async fn a_script_may_insist_on_a_version() {
    let both = ["h2", "http/1.1"];
    passes(&over_tls(&both, r#"same(get("/", #{ ca: ca, http: "1.1" }).http, "HTTP/1.1")"#).await);
    passes(&over_tls(&both, r#"same(get("/", #{ ca: ca, http: "2" }).http, "HTTP/2.0")"#).await);
    let report = over_tls(&[], r#"get("/", #{ ca: ca, http: "2" })"#).await;
    fails(&report, FailureKind::Assertion, "the server does not speak HTTP/2");
    let report = over_tls(&["http/1.1"], r#"get("/", #{ ca: ca, http: "2" })"#).await;
    fails(&report, FailureKind::Tls, "NoApplicationProtocol");
}

#[tokio::test]
async fn http_2_needs_no_tls_where_the_script_says_so() {
    let address = serve(None, Habits { clear_http2: true, ..Habits::default() });
    let source = r#"
        let seen = parts(post_json("/a", [1], #{ http: "2" }));
        same(seen.extract(0..4), ["HTTP/2.0", "POST", "/a", param("authority")]);
    "#;
    let case = check(&format!("{WORDS}{source}")).param("authority", address);
    passes(&case.at(format!("http://{address}/")).await);
    // A server that knows HTTP/1.1 only does not understand the greeting.
    let old = serve(None, Habits::default());
    let report = check(r#"get("/", #{ http: "2" })"#).at(format!("http://{old}/")).await;
    fails(&report, FailureKind::Network, "GET http://127.0.0.1:");
}

#[tokio::test]
async fn a_second_request_uses_the_first_ones_connection() {
    let source = r#"same(parts(get("/a"))[5], "1"); same(parts(post_form("/b", #{}))[5], "1"); same(parts(get("/c"))[5], "1");"#;
    let address = serve(None, Habits::default());
    let report = check(&format!("{WORDS}{source}")).at(format!("http://{address}/")).await;
    passes(&report);
    assert_eq!(reused(&report), [false, true, true]);
    let first = report.requests[0].answer.as_ref().unwrap();
    let second = report.requests[1].answer.as_ref().unwrap();
    assert!(first.connect_us > 0, "{first:?}");
    assert_eq!((second.dns_us, second.connect_us, second.tls_us), (0, 0, 0));

    let source = source.replace("\"))", "\", #{ ca: ca }))").replace("#{}))", "#{}, #{ ca: ca }))");
    let report = over_tls(&["h2"], &source).await;
    passes(&report);
    assert_eq!(reused(&report), [false, true, true]);
}

#[tokio::test]
async fn a_connection_of_another_kind_is_not_used_again() {
    let address = serve(None, Habits::default());
    let source = r#"
        same(parts(get("/"))[5], "1");
        same(parts(get("/", #{ connect_to: "127.0.0.1" }))[5], "2");
        same(parts(get("/", #{ http: "1.1" }))[5], "3");
        same(parts(get("/"))[5], "1");
    "#;
    passes(&check(&format!("{WORDS}{source}")).at(format!("http://{address}/")).await);
}

#[tokio::test]
async fn two_runs_share_no_connection() {
    let address = serve(None, Habits::default());
    let case = check(&format!("{WORDS}same(parts(get(\"/\"))[5], param(\"number\"))"));
    passes(&case.param("number", 1).at(format!("http://{address}/")).await);
    let case = check(&format!("{WORDS}same(parts(get(\"/\"))[5], param(\"number\"))"));
    passes(&case.param("number", 2).at(format!("http://{address}/")).await);
}

/// A server that promises to keep the connection and hangs up after each answer.
fn fickle(pause: Duration) -> Raw {
    Raw::start(move |stream, number| {
        let Some(request) = read(stream) else { return };
        let body = format!("{number} {}", request.body);
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        thread::sleep(pause);
    })
}

#[tokio::test]
async fn a_server_that_has_closed_its_idle_connection_is_asked_again() {
    let server = fickle(Duration::ZERO);
    let source = r#"
        for number in 1..=5 { same(get("/").text, `${number} `); }
        for number in 6..=10 { same(post("/", "x").text, `${number} x`); }
    "#;
    passes(&check(source).at(server.url()).await);
    assert_eq!(server.connections(), 10);
}

#[tokio::test]
async fn a_server_that_hangs_up_over_a_second_request_is_asked_once_more_and_no_more() {
    // The first connection is kept until the second request is read, and then closed without an answer.
    let server = Raw::start(|stream, number| {
        if number > 1 {
            let _ = read(stream);
            return;
        }
        let _ = read(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let _ = read(stream);
    });
    let report = check(r#"get("/"); get("/again");"#).at(server.url()).await;
    fails(&report, FailureKind::Network, "/again: the connection ended in the middle of the answer");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_is_left_alone_when_the_server_says_so() {
    let server = Raw::start(|stream, number| {
        let _ = read(stream);
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n{number}");
        let _ = read(stream);
    });
    passes(&check(r#"same(get("/").text, "1"); same(get("/").text, "2");"#).at(server.url()).await);
}
