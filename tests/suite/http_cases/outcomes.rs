//! The table "How a probe ends" of `docs/checks.md`: each test names its row, and the table has no row without a test.

use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use quorate::adapters::script::{Limits, Mode, Tape};
use quorate::domain::FailureKind::{self, Assertion, Denied, Network, ServerError, Timeout, Tls};

use super::{LONG, Raw, check, fails, inconclusive, passes};
use crate::suite::servers::{Server, read, respond};

const DOCS: &str = include_str!("../../../docs/checks.md");
const HEAD: &str = "| outcome | when | what the quorum makes of it |";
/// All rows, in the table's order: what a row says first, and how its second column begins.
const ROWS: [(&str, &str); 24] = [
    ("pass", "the script came to its end"),
    ("fail: `network`", "no connection, a reset"),
    ("fail: `network`", "a name that does not exist"),
    ("fail: `network`", "an answer that is cut off or no HTTP"),
    ("fail: `tls`", "the certificate or the handshake was refused"),
    ("fail: `timeout`", "the site did not answer within the deadline"),
    ("fail: `timeout`", "the site did not answer within the request's own `timeout`"),
    ("fail: `server-error`", "an unmet expectation about a 5xx answer"),
    ("fail: `denied`", "the same about 401, 403 or 429"),
    ("fail: `assertion`", "any other unmet expectation, or `fail(…)`"),
    ("fail: `assertion`", "a body that is larger than its cap, or cannot be decoded"),
    ("fail: `assertion`", "a redirect that goes in circles or leads nowhere"),
    ("inconclusive", "an error in the script"),
    ("inconclusive", "a secret or a parameter that is not given"),
    ("inconclusive", "a limit that the script hit"),
    ("inconclusive", "a deadline that the script used up"),
    ("inconclusive", "a resolver that is down, fails or does not answer"),
    ("inconclusive", "no network at this vantage"),
    ("inconclusive", "a proxy that is down or refuses"),
    ("inconclusive", "a host out of reach, or an address that no probe may ask"),
    ("inconclusive", "a certificate or key of the script's own that cannot be used"),
    ("inconclusive", "a recording that the script has outgrown"),
    ("inconclusive", "no request at all"),
    ("inconclusive", "`inconclusive(…)`"),
];

fn site() -> Server {
    Server::start(|request, stream| match request.path.split('/').next_back().and_then(|text| text.parse().ok()) {
        Some(0) => respond(stream, 302, &["location: /0"], ""),
        Some(status) => respond(stream, status, &[], "said"),
        None => respond(stream, 200, &[], "said"),
    })
}

async fn failing(source: &str, kind: FailureKind, saying: &str) {
    fails(&check(source).at(site().url()).await, kind, saying);
}

async fn unclear(source: &str, saying: &str) {
    inconclusive(&check(source).at(site().url()).await, saying);
}

#[test]
fn the_table_has_these_rows_and_no_other() {
    let table = DOCS.split(HEAD).nth(1).expect("the table").trim_start().lines().skip(1);
    let rows: Vec<(&str, &str)> = table
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut columns = line.split('|').map(str::trim).skip(1);
            (columns.next().unwrap(), columns.next().unwrap())
        })
        .collect();
    for (row, (outcome, begins)) in rows.iter().zip(ROWS) {
        assert!(row.0 == outcome && row.1.starts_with(begins), "{row:?} is not ({outcome:?}, {begins:?})");
    }
    assert_eq!(rows.len(), ROWS.len());
}

#[tokio::test]
async fn a_script_that_comes_to_its_end_passes() {
    passes(&check(r#"expect_status(get("/"), 200)"#).at(site().url()).await);
}

#[tokio::test]
async fn no_connection_or_a_reset_is_a_network_failure() {
    let report = check(r#"get("/")"#).at("http://127.0.0.1:1/").await;
    fails(&report, Network, "connection refused");
    // Hanging up with the request unread resets the connection.
    let reset = Raw::start(|_, _| thread::sleep(Duration::from_millis(50)));
    fails(&check(r#"get("/")"#).at(reset.url()).await, Network, "connection");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_a_network_failure() {
    let report = check(r#"get("/")"#).at("http://login.invalid/").await;
    fails(&report, Network, "cannot resolve 'login.invalid' with this machine's resolver");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_or_no_http_is_a_network_failure() {
    for bytes in ["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "220 smtp.example.test\r\n", ""] {
        fails(&check(r#"get("/")"#).at(Raw::saying(bytes).url()).await, Network, "GET http://127.0.0.1");
    }
}

#[tokio::test]
async fn a_refused_handshake_is_a_tls_failure() {
    let report = check(r#"get("/")"#).at(site().url().as_str().replace("http:", "https:")).await;
    fails(&report, Tls, "TLS");
}

#[tokio::test]
async fn a_site_that_does_not_answer_in_time_is_a_timeout() {
    let deaf = Raw::start(|_, _| thread::sleep(LONG));
    let report = check(r#"get("/")"#).within(Duration::from_millis(200)).at(deaf.url()).await;
    fails(&report, Timeout, "no answer to GET");
    let report = check(r#"get("/", #{ timeout: "100ms" })"#).at(deaf.url()).await;
    fails(&report, Timeout, "within its own limit of 100ms");
    // Many answers, each in time, may take up the deadline as well.
    let slow = Raw::start(|stream, _| {
        while read(stream).is_some() {
            thread::sleep(Duration::from_millis(50));
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    let report = check(r#"loop { get("/"); }"#).within(Duration::from_millis(400)).at(slow.url()).await;
    fails(&report, Timeout, "within the deadline of 400ms");
}

#[tokio::test]
async fn an_unmet_expectation_is_told_by_the_answer_that_it_was_about() {
    failing(r#"expect_status(get("/503"), 200)"#, ServerError, "wanted status 200, got 503").await;
    failing(r#"expect_contains(get("/500"), "hello")"#, ServerError, "wanted the text 'hello', got 500").await;
    failing(r#"get("/502"); fail("as asked")"#, ServerError, "as asked").await;
    for status in [401, 403, 429] {
        failing(&format!(r#"expect_status(get("/{status}"), 200)"#), Denied, "wanted status 200").await;
    }
    failing(r#"expect_status(get("/404"), 200)"#, Assertion, "wanted status 200, got 404").await;
    failing(r#"get("/"); expect(1 > 2, "more")"#, Assertion, "more; the last answer was 200").await;
    failing(r#"get("/").json()"#, Assertion, "wanted JSON").await;
    failing(r#"fail("as asked")"#, Assertion, "as asked").await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_an_assertion_failure() {
    let large = Raw::saying(format!("HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n{}", "x".repeat(3_000)));
    let few = Limits { body_bytes: 2_048, ..Limits::default() };
    fails(&check(r#"get("/")"#).limited(few).at(large.url()).await, Assertion, "is larger than 2 KiB");
    let broken = Raw::saying("HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 3\r\n\r\nabc");
    fails(&check(r#"get("/")"#).at(broken.url()).await, Assertion, "cannot be decoded");
}

#[tokio::test]
async fn a_redirect_in_circles_or_to_nowhere_is_an_assertion_failure() {
    failing(r#"get("/0")"#, Assertion, "more than 10 redirects").await;
    let nowhere = Server::start(|_, stream| respond(stream, 302, &["location: tel:112"], ""));
    fails(&check(r#"get("/")"#).at(nowhere.url()).await, Assertion, "redirects to tel:");
}

#[tokio::test]
async fn an_error_in_the_script_is_inconclusive() {
    for (source, saying) in [
        (r#"get("/").frobnicate()"#, "no such function: frobnicate"),
        (r#"get("/"); throw "up""#, "the script threw: up"),
        (r#"get("/"); 1 / 0"#, "checks/case.rhai:1:"),
        (r#"get("/", #{ folow: false })"#, "unknown option 'folow'"),
        (r#"get("/").select("a[")"#, "is no CSS selector"),
        (r#"get("ftp://example.test/")"#, "is no http or https URL"),
    ] {
        unclear(source, saying).await;
    }
}

#[tokio::test]
async fn a_missing_secret_or_parameter_is_inconclusive() {
    unclear(r#"get("/"); secret("none")"#, "the secret 'none' is not given to this check").await;
    unclear(r#"get("/"); param("none")"#, "the check has no parameter 'none'").await;
}

#[tokio::test]
async fn a_limit_that_the_script_hit_is_inconclusive() {
    for (source, saying) in [
        ("loop { }", "the script ran more than 250000 operations"),
        (r#"loop { get("/") }"#, "the script makes more than 100 requests"),
        (r#"loop { step("s", || 1) }"#, "the script has more than 100 steps"),
        ("fn f() { f() } f()", "the script called more than 16 functions deep"),
        (r#"let s = "0123456789"; loop { s += s; }"#, "the script made too large a value: length of string"),
    ] {
        unclear(source, saying).await;
    }
}

#[tokio::test]
async fn a_deadline_that_the_script_used_up_is_inconclusive() {
    let report = check("loop { }").within(Duration::from_millis(2)).at(site().url()).await;
    inconclusive(&report, "the script or a busy prober used up the deadline of 2ms");
}

#[tokio::test]
async fn a_resolver_that_is_of_no_use_is_inconclusive() {
    let silent = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let server = silent.local_addr().unwrap();
    let case = check(r#"get("/")"#).asking(server).within(Duration::from_millis(200));
    inconclusive(&case.at("http://login.example.test/").await, "no answer about the name");
    drop(silent);
    let case = check(r#"get("/")"#).asking(server).within(Duration::from_millis(700));
    inconclusive(&case.at("http://login.example.test/").await, "login.example.test");
}

#[test]
fn no_network_at_this_vantage_is_inconclusive() {
    // A network namespace with nothing in it, where users may make one. `trouble.rs` has the same for every error of the system.
    let unshared = |command: &[&str]| Command::new("unshare").arg("-rn").args(command).output();
    if !unshared(&["true"]).is_ok_and(|output| output.status.success()) {
        println!("no network namespace can be made here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("check.rhai");
    std::fs::write(&script, r#"get("/")"#).unwrap();
    let script = script.to_str().unwrap();
    let output =
        unshared(&[env!("CARGO_BIN_EXE_quorate"), "check", "run", script, "--target", "http://192.0.2.1/"]).unwrap();
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(line.contains("network unreachable from this vantage"), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
}

#[tokio::test]
async fn a_proxy_that_is_of_no_use_is_inconclusive() {
    let report = check(r#"get("/", #{ proxy: "http://127.0.0.1:1" })"#)
        .reaching(&["127.0.0.1"])
        .at("http://login.example.test/")
        .await;
    inconclusive(&report, "the proxy 127.0.0.1: connection refused");
    let refusing = Raw::saying("HTTP/1.1 403 Forbidden\r\n\r\n");
    let case =
        check(r#"get("/", #{ proxy: param("proxy") })"#).param("proxy", refusing.url()).reaching(&["127.0.0.1"]);
    inconclusive(
        &case.at("https://login.example.test/").await,
        "the proxy gives no way to login.example.test: HTTP/1.1 403",
    );
}

#[tokio::test]
async fn a_host_out_of_reach_is_inconclusive() {
    unclear(r#"get("http://example.test/")"#, "the check may not ask 'example.test'").await;
    let report = check(r#"get("/")"#).at("http://169.254.169.254/").await;
    inconclusive(&report, "a probe may not connect to 169.254.169.254");
}

#[tokio::test]
async fn papers_of_the_scripts_own_that_cannot_be_used_are_inconclusive() {
    let source = r#"get("/", #{ ca: "no PEM" })"#;
    let report = check(source).at(site().url().as_str().replace("http:", "https:")).await;
    inconclusive(&report, "the option 'ca' cannot be used");
}

#[tokio::test]
async fn a_recording_that_the_script_has_outgrown_is_inconclusive() {
    let tape = Tape::from_json(r#"{"v": 1, "target": "http://127.0.0.1/", "answers": []}"#).unwrap();
    let mode = Mode { play: Some(Arc::new(tape)), ..Mode::default() };
    inconclusive(&check(r#"get("/")"#).in_mode(mode).at(site().url()).await, "the recording ends after 0 answers");
}

#[tokio::test]
async fn a_check_that_asks_nothing_is_inconclusive() {
    unclear("let all_is_well = true;", "the check made no request").await;
    unclear(r#"inconclusive("the calendar is closed")"#, "the calendar is closed").await;
}
