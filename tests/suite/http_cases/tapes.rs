//! Recordings: a run once made is played without a network, and a script that has changed since says so.

use std::sync::Arc;

use quorate::adapters::script::{Mode, Tape};
use quorate::domain::FailureKind;

use super::{Check, check, fails, inconclusive, passes};
use crate::suite::servers::{Server, respond};

const PASSWORD: &str = "correct horse";
const LOGIN: &str = r##"
    let token = expect_element(get("/login?next=%2F"), "input[name=csrf]").attr("value");
    let page = post_form("/login", #{ csrf: token, user: "ada", password: secret("password") });
    expect_element(page, "#user");
    same(page.redirects.len(), 2);
    same(get("/seal").text.len(), 4);
    same(cookie("session"), "s1");
"##;

fn site() -> Server {
    Server::start(|request, stream| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/login?next=%2F") => respond(stream, 200, &["set-cookie: session=s0"], "<input name=csrf value=t0>"),
        ("POST", "/login") if request.body.contains("csrf=t0") => {
            respond(stream, 303, &["set-cookie: session=s1", "location: /account"], "");
        }
        ("GET", "/account") => {
            respond(stream, 200, &[&format!("x-echo: {PASSWORD}")], &format!("<b id=user>{PASSWORD}</b>"));
        }
        ("GET", "/seal") => {
            use std::io::Write;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\n\xff\xfe\x00\x01");
        }
        _ => respond(stream, 404, &[], "nothing here"),
    })
}

fn login() -> Check {
    check(LOGIN).secret("password", PASSWORD)
}

async fn recorded() -> Tape {
    let (site, mode) = (site(), Mode { record: true, ..Mode::default() });
    let run = login().in_mode(mode).run_at(site.url().as_str()).await;
    passes(&run.report);
    run.tape.unwrap()
}

fn playing(tape: &Tape) -> Mode {
    Mode { play: Some(Arc::new(Tape::from_json(&tape.to_json()).unwrap())), ..Mode::default() }
}

#[tokio::test]
async fn a_login_is_played_against_nothing_at_any_address() {
    let tape = recorded().await;
    for target in ["http://127.0.0.1:1/", "https://standby.example.test/"] {
        let run = login().in_mode(playing(&tape)).run_at(target).await;
        passes(&run.report);
        assert_eq!(run.report.requests.len(), 4);
        assert!(run.report.requests.iter().all(|request| request.answer.as_ref().unwrap().remote.is_none()));
        assert!(run.tape.is_none());
    }
}

#[tokio::test]
async fn a_tape_has_no_secret_and_no_target() {
    let tape = recorded().await;
    let text = tape.to_json();
    for never in [PASSWORD, "correct+horse", "horse"] {
        assert!(!text.contains(never), "{text}");
    }
    assert!(text.contains("{target}/account") && text.contains("[secret]"), "{text}");
    assert_eq!(tape.target().matches("http://127.0.0.1:").count(), 1);
}

#[tokio::test]
async fn a_script_that_has_changed_is_told_what_differs() {
    let tape = recorded().await;
    let play =
        |source: &str| check(source).secret("password", PASSWORD).in_mode(playing(&tape)).at("http://127.0.0.1:1/");
    let report = play(r#"get("/signin")"#).await;
    inconclusive(
        &report,
        "the script asks for GET {target}/signin, and answer 1 of the recording is to GET {target}/login: record it again",
    );
    let report = play(r#"post_form("/login", #{})"#).await;
    inconclusive(
        &report,
        "the script asks for POST {target}/login, and answer 1 of the recording is to GET {target}/login",
    );
    let report = play(&format!("{LOGIN} get(\"/more\");")).await;
    inconclusive(
        &report,
        "the recording ends after 4 answers, and the script asks for GET {target}/more: record it again",
    );
    let report = play(r#"get("http://other.example.test/login")"#).await;
    inconclusive(&report, "the check may not ask 'other.example.test'");
    // A check that asks less still passes: what it asked was answered.
    passes(&play(r#"get("/login")"#).await);
    // And an expectation that the recording does not meet fails, as it would have.
    fails(&play(r#"expect_status(get("/login"), 201)"#).await, FailureKind::Assertion, "wanted status 201, got 200");
}

#[tokio::test]
async fn a_file_that_is_no_recording_says_why() {
    let tape = recorded().await.to_json();
    let cases = [
        (String::new(), "it is no recording: "),
        ("[]".to_owned(), "it is no recording: "),
        (tape.replacen("\"v\": 1", "\"v\": 2", 1), "it is a recording of version 2, and 1 is read here"),
        (tape.replacen("\"v\": 1", "\"v\": 1, \"more\": 1", 1), "it is no recording: unknown field `more`"),
        (tape.replacen("\"target\": \"http", "\"target\": \"", 1), "is no URL"),
    ];
    for (text, saying) in cases {
        let error = Tape::from_json(&text).unwrap_err();
        assert!(error.contains(saying), "{error}");
    }
    for (from, to) in [
        ("\"status\": 200", "\"status\": 99999"),
        ("\"set-cookie\"", "\"set cookie\""),
        ("\"status\": 200", "\"status\": 7"),
    ] {
        let Ok(tape) = Tape::from_json(&tape.replacen(from, to, 1)) else { continue };
        let report = login().in_mode(playing(&tape)).at("http://127.0.0.1:1/").await;
        inconclusive(&report, "answer 1 of the recording cannot be played");
    }
}

#[tokio::test]
async fn a_trace_has_headers_and_bodies_without_secrets() {
    let site = site();
    let run = login().in_mode(Mode { trace: true, ..Mode::default() }).run_at(site.url().as_str()).await;
    passes(&run.report);
    let said = format!("{:?}", run.report);
    assert!(!said.contains("horse") && said.contains("csrf=t0") && said.contains("[secret]"), "{said}");
    let plain = login().run_at(site.url().as_str()).await.report;
    assert!(plain.requests.iter().all(|request| request.answer.as_ref().unwrap().detail.is_none()));
}
