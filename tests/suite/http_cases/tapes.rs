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

#[tokio::test]
async fn a_secret_among_bytes_that_are_no_text_is_struck_out_of_tapes_and_traces() {
    let site = Server::start(|_, stream| {
        use std::io::Write;
        let body = [b"\xff\xfe\x00".as_slice(), PASSWORD.as_bytes(), b"\x00\xff".as_slice()].concat();
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(&[head.as_bytes(), &body].concat());
    });
    let mode = Mode { trace: true, record: true, ..Mode::default() };
    let run = check(r#"get("/")"#).secret("password", PASSWORD).in_mode(mode).run_at(site.url().as_str()).await;
    passes(&run.report);
    let (tape, trace) = (run.tape.unwrap().to_json(), format!("{:?}", run.report));
    let coded = data_encoding::BASE64.encode(PASSWORD.as_bytes());
    for said in [&tape, &trace] {
        assert!(said.contains("[secret]"), "{said}");
        for never in [PASSWORD, coded.get(..16).unwrap(), "base64"] {
            assert!(!said.contains(never), "{never}: {said}");
        }
    }
}

/// A server that says all that it was sent, in its body and in a header.
fn echo() -> Server {
    Server::start(|request, stream| {
        let headers: String = request.headers.iter().map(|(name, value)| format!("{name}={value} ")).collect();
        let all = format!("{} {headers} {}", request.path, request.body);
        let line = format!("x-echo: {}", all.replace(['\r', '\n'], " "));
        respond(stream, 500, &[&line], &all);
    })
}

#[tokio::test]
async fn what_is_made_from_a_secret_is_struck_out_wherever_it_is_said() {
    const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let made = [
        r#"base64(secret("s"))"#,
        r#"base64url("user:" + secret("s"))"#,
        r#"hex(secret("s"))"#,
        r#"sha256(secret("s") + "salt")"#,
        r#"sha256("pepper" + secret("s"), "base64url")"#,
        r#"hmac_sha256(secret("s"), "text")"#,
        r#"hmac_sha256("key", `{"password":"${secret("s")}"}`, "base64")"#,
        r#"hmac_sha256(hmac_sha256("AWS4" + secret("s"), "20261122", "bytes"), "eu-west-1")"#,
        r#"hmac_sha256(bytes(base64(secret("s")), "base64"), "text")"#,
        r#"base64_decode(base64("x" + secret("s")))"#,
        r#"totp(secret("s"))"#,
        r#"totp(secret("s"), #{ digits: 8 })"#,
    ];
    let ways = [
        r#"fail(made)"#,
        r#"step(made, || expect_status(get("/", #{ headers: #{ "x-own": made } }), 200))"#,
        r#"expect_status(post_form("/", #{ code: made }), 200)"#,
        r#"expect_status(post_json("/", #{ code: made }), 200)"#,
        r#"get("/", #{ query: #{ code: made } }).json()"#,
        r#"get("/"); metric(made, 1); throw made"#,
    ];
    let site = echo();
    for (index, expression) in made.iter().enumerate() {
        let way = ways[index % ways.len()];
        let source = format!("let made = {expression}; print(made); {way}");
        let mode = Mode { trace: true, record: true, ..Mode::default() };
        let run = check(&source).secret("s", SEED).in_mode(mode).run_at(site.url().as_str()).await;
        let said = format!("{:?} {}", run.report, run.tape.map(|tape| tape.to_json()).unwrap_or_default());
        assert!(said.contains("[secret]") && !said.contains("no such function"), "{expression}: {said}");
        assert!(!said.contains(SEED) && !said.contains("4a425357593344"), "{expression}: {said}");
        // The same again where nothing is a secret tells what must not be said.
        let open =
            format!("let made = {}; fail(`<${{made}}>`)", expression.replace(r#"secret("s")"#, r#"param("s")"#));
        let report = check(&open).param("s", SEED).at("http://127.0.0.1:1/").await;
        let plain = super::reason(&report).split(['<', '>']).nth(1).unwrap().to_owned();
        assert!(plain.len() >= 6 && !said.contains(&plain), "{expression} gives {plain}: {said}");
    }
}

#[tokio::test]
async fn credentials_are_struck_out_of_what_is_traced_and_recorded() {
    let site = echo();
    let sources = [
        r#"get("/", #{ basic: #{ user: "ada", password: secret("s") } })"#,
        r#"get("/", #{ basic: #{ user: "al", password: secret("s") } })"#,
        r#"get(target.sub_string(0, 7) + "ada:p4ssword@" + target.sub_string(7))"#,
        r#"client_credentials("/token", "ada", secret("s"), "all")"#,
        r#"exchange_code("/token", "c0de", #{ client_id: "ada", client_secret: secret("s"), redirect_uri: "https://x.test/" })"#,
    ];
    for source in sources {
        let mode = Mode { trace: true, record: true, ..Mode::default() };
        let source = format!("step(\"log in\", || {{ {source} }}); expect_status(get(\"/\"), 200)");
        let run = check(&source).secret("s", PASSWORD).in_mode(mode).run_at(site.url().as_str()).await;
        let sent = site.seen().iter().rev().find_map(|request| request.headers.get("authorization").cloned());
        let sent = sent.unwrap_or_default();
        let coded = sent.strip_prefix("Basic ").unwrap_or("none at all");
        let sent: String = run
            .report
            .requests
            .iter()
            .flat_map(|request| request.answer.iter())
            .flat_map(|answer| answer.detail.iter())
            .map(|detail| format!("{:?}", detail.sent))
            .collect();
        assert!(sent.contains(r#"("authorization", "Basic [secret]")"#), "{source}: {:?}", run.report);
        // A password that is no secret by name is in what the site says of it, and nowhere else.
        if source.contains("secret(") {
            let said = format!("{:?} {}", run.report, run.tape.unwrap().to_json());
            assert!(!said.contains(coded) && !said.contains(PASSWORD), "{coded}: {said}");
        }
    }
}

#[tokio::test]
async fn a_script_that_makes_too_much_from_secrets_is_told() {
    let report =
        check(r#"for n in 0..150 { sha256(secret("s") + n) }"#).secret("s", PASSWORD).at("http://127.0.0.1:1/").await;
    inconclusive(&report, "the script makes more than 100 things from secrets");
}
