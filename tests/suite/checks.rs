//! Checks run as agents run them: against Django's admin, and against servers that misbehave in one way each.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use quorate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner};
use quorate::domain::{CheckName, FailureKind, Outcome, ProbeReport, Role, Secret, Secrets, StepRecord, VantageName};
use quorate::ports::{ProbeRequest, ProbeRunner, Resolution};
use url::Url;

use super::django::{self, Django};
use super::language::{assert_fails, assert_inconclusive, assert_passes, reason};
use super::servers::{self, Server, respond};

const LOGIN: &str = include_str!("../../checks/login.rhai");
const LONG: Duration = Duration::from_secs(20);
/// How long after its deadline a probe may return on a machine that is busy with other tests.
const SLACK_MS: u64 = 500;

fn secrets(pairs: &[(&str, &str)]) -> Secrets {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect()
}

fn script(source: &str) -> CheckScript {
    CheckScript {
        name: CheckName::new("test").expect("a name"),
        path: PathBuf::from("checks/test.rhai"),
        source: source.to_owned(),
        params: BTreeMap::new(),
        secrets: secrets(&[("probe-user", django::USER), ("probe-password", django::PASSWORD)]),
        reach: Reach::default(),
        limits: Limits::default(),
    }
}

fn login(params: Vec<(String, String)>, password: &str) -> RhaiRunner {
    let secrets = secrets(&[("probe-user", django::USER), ("probe-password", password)]);
    let script = CheckScript { params: params.into_iter().collect(), secrets, ..script(LOGIN) };
    RhaiRunner::new(vec![script]).expect("compiles")
}

fn request(target: Url, deadline: Duration) -> ProbeRequest {
    ProbeRequest {
        check: CheckName::new("test").expect("a name"),
        target,
        role: Role::Standby,
        vantage: Some(VantageName::new("test-vantage").expect("a name")),
        deadline,
        resolution: Resolution::System,
    }
}

async fn run(source: &str, target: Url) -> ProbeReport {
    run_for(source, target, LONG).await
}

async fn run_for(source: &str, target: Url, deadline: Duration) -> ProbeReport {
    let runner = RhaiRunner::new(vec![script(source)]).expect("compiles");
    runner.run(&request(target, deadline)).await
}

fn names(report: &ProbeReport) -> Vec<&str> {
    report.steps.iter().map(|step| step.name.as_str()).collect()
}

fn hello() -> Server {
    Server::start(|_, stream| respond(stream, 200, &[], "<p>hello</p>"))
}

// ---- Django's admin ----

#[tokio::test]
async fn the_right_password_logs_in_to_django_and_out_again() {
    let django = Django::start();
    let report = login(django::params(), django::PASSWORD).run(&request(django.url(), LONG)).await;
    assert_passes(&report);
    assert_eq!(names(&report), ["open the login page", "log in", "see the account page", "log out"]);
    assert!(report.steps.iter().all(|step| step.outcome == Outcome::Pass), "{report:?}");
}

#[tokio::test]
async fn a_wrong_password_fails_at_the_login_with_the_words_of_the_page() {
    let django = Django::start();
    let report = login(django::params(), "wrong-password").run(&request(django.url(), LONG)).await;
    assert_fails(&report, FailureKind::Assertion, "the login was refused: Please enter the correct username");
    assert_eq!(report.failed_step.as_deref(), Some("log in"));
    assert_eq!(names(&report), ["open the login page", "log in"]);
}

#[tokio::test]
async fn a_stopped_server_is_a_network_failure_at_the_first_step() {
    let django = Django::start();
    let url = django.url();
    drop(django);
    let report = login(django::params(), django::PASSWORD).run(&request(url, LONG)).await;
    assert_fails(&report, FailureKind::Network, "/admin/login/?next=/admin/: connection refused");
    assert_eq!(report.failed_step.as_deref(), Some("open the login page"));
}

#[tokio::test]
async fn a_login_without_its_csrf_token_is_denied() {
    let django = Django::start();
    let source = r#"
        get("/admin/login/");
        let fields = #{ username: secret("probe-user"), password: secret("probe-password") };
        expect_status(post_form("/admin/login/", fields), 200);
    "#;
    let report = run(source, django.url()).await;
    assert_fails(&report, FailureKind::Denied, "wanted status 200, got 403 Forbidden from POST");
    assert!(reason(&report).contains("CSRF verification failed"), "{report:?}");
}

#[tokio::test]
async fn two_probes_share_no_session() {
    let django = Django::start();
    let source = r##"
        if get("/admin/").select("#user-tools") != () { fail("somebody is logged in already"); }
        let token = expect_element(get("/admin/login/"), "input[name=csrfmiddlewaretoken]").attr("value");
        let page = post_form("/admin/login/?next=/admin/", #{
            csrfmiddlewaretoken: token, username: secret("probe-user"), password: secret("probe-password"),
        });
        expect_element(page, "#user-tools");
        expect(cookie("sessionid") != (), "wanted a session cookie");
    "##;
    let runner = RhaiRunner::new(vec![script(source)]).expect("compiles");
    for _ in 0..2 {
        assert_passes(&runner.run(&request(django.url(), LONG)).await);
    }
}

#[tokio::test]
async fn a_name_is_resolved_through_the_given_server_only() {
    let django = Django::start();
    let through = Resolution::Through(servers::name_server("site.example.test"));
    let runner = login(django::params(), django::PASSWORD);
    let at = |host: &str| Url::parse(&format!("http://{host}:{}/", django.port())).expect("a URL");

    let known = ProbeRequest { resolution: through.clone(), ..request(at("site.example.test"), LONG) };
    assert_passes(&runner.run(&known).await);

    let unknown = ProbeRequest { resolution: through, ..request(at("other.example.test"), LONG) };
    let report = runner.run(&unknown).await;
    assert_fails(
        &report,
        FailureKind::Network,
        "cannot resolve 'other.example.test' through the name server 127.0.0.1",
    );
}

// ---- the login check without any parameter ----

/// A site as the login check expects one by default: a form with a hidden token, a cookie to go with it, a redirect to
/// the account, and a logout by POST. It remembers one session.
fn demo_site() -> Server {
    let session = Mutex::new(false);
    Server::start(move |request, stream| {
        let fields: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let mut session = session.lock().expect("no panic");
        let cookies = request.header("cookie");
        let logged_in = *session && cookies.contains("session=s1");
        let token = "<input type=hidden name=csrf_token value=t0ken>";
        let form = format!("<form>{token}<input name=username><input name=password type=password></form>");
        let forged = request.method == "POST" && (field("csrf_token") != "t0ken" || !cookies.contains("csrf=c1"));
        match (request.method.as_str(), request.path.as_str()) {
            _ if forged => respond(stream, 403, &[], "forged"),
            ("GET", "/login") => respond(stream, 200, &["set-cookie: csrf=c1; Path=/"], &form),
            ("POST", "/login") if (field("username"), field("password")) == (django::USER, django::PASSWORD) => {
                *session = true;
                respond(stream, 303, &["set-cookie: session=s1; Path=/; HttpOnly", "location: /account"], "");
            }
            ("POST", "/login") => respond(stream, 200, &[], &format!("<p class=error>Not you.</p>{form}")),
            ("GET", "/account") if logged_in => {
                let page = format!("<b id=user>ada</b><form method=post action=/logout>{token}</form>");
                respond(stream, 200, &[], &page);
            }
            ("POST", "/logout") if logged_in => {
                *session = false;
                respond(stream, 303, &["location: /login"], "");
            }
            _ => respond(stream, 404, &[], "nothing here"),
        }
    })
}

#[tokio::test]
async fn the_login_check_needs_no_parameter_for_a_plain_form() {
    let site = demo_site();
    assert_passes(&login(Vec::new(), django::PASSWORD).run(&request(site.url(), LONG)).await);
    let refused = login(Vec::new(), "wrong-password").run(&request(site.url(), LONG)).await;
    assert_fails(&refused, FailureKind::Assertion, "the login was refused: Not you.");
    assert_eq!(refused.failed_step.as_deref(), Some("log in"));
}

// ---- time ----

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout_that_returns_in_time() {
    let report = run_for(r#"step("wait", || get("/slow"))"#, servers::silent(), Duration::from_millis(300)).await;
    assert_fails(&report, FailureKind::Timeout, "no answer to GET http://127.0.0.1");
    assert!(reason(&report).ends_with("/slow within the deadline of 300ms"), "{report:?}");
    assert_eq!(report.failed_step.as_deref(), Some("wait"));
    assert!((300..300 + SLACK_MS).contains(&report.duration_ms), "{report:?}");
}

#[tokio::test]
async fn a_body_that_drips_is_a_timeout_that_says_how_much_came() {
    let server = Server::start(|_, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc");
        thread::park();
    });
    let report = run_for(r#"get("/")"#, server.url(), Duration::from_millis(300)).await;
    assert_fails(&report, FailureKind::Timeout, "did not end (3 bytes came) within the deadline of 300ms");
    assert!(report.duration_ms < 300 + SLACK_MS, "{report:?}");
}

#[tokio::test]
async fn an_endless_loop_ends_by_its_operations_and_says_nothing_of_the_site() {
    let report = run(r#"get("/"); step("spin", || { loop { } })"#, hello().url()).await;
    assert_inconclusive(&report, "checks/test.rhai:1:");
    assert!(reason(&report).ends_with("the script ran more than 250000 operations"), "{report:?}");
    assert_eq!(report.failed_step.as_deref(), Some("spin"));
}

#[tokio::test]
async fn a_loop_that_burns_the_deadline_is_the_scripts_fault() {
    let report = run_for("loop { }", hello().url(), Duration::from_millis(2)).await;
    assert_inconclusive(&report, "used up the deadline of 2ms");
    assert!(report.duration_ms < 2 + SLACK_MS, "{report:?}");
}

#[tokio::test]
async fn several_probes_run_at_the_same_time() {
    // Each answer waits until all four requests are in, so that probes one after the other would never end.
    let barrier = Barrier::new(4);
    let server = Server::start(move |_, stream| {
        barrier.wait();
        respond(stream, 200, &[], "hello");
    });
    let runner = RhaiRunner::new(vec![script(r#"expect_contains(get("/"), "hello")"#)]).expect("compiles");
    let request = request(server.url(), LONG);
    let reports =
        tokio::join!(runner.run(&request), runner.run(&request), runner.run(&request), runner.run(&request));
    for report in [reports.0, reports.1, reports.2, reports.3] {
        assert_passes(&report);
    }
}

// ---- sizes and depths ----

#[tokio::test]
async fn an_endless_body_ends_by_the_cap() {
    let server = Server::start(|_, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        while stream.write_all(&[b'x'; 16 * 1024]).is_ok() {}
    });
    let report = run(r#"get("/endless")"#, server.url()).await;
    assert_fails(&report, FailureKind::Assertion, "/endless is larger than 1024 KiB");
}

#[tokio::test]
async fn hostile_scripts_end_by_a_limit_that_they_are_told() {
    let deep = format!("fn f(n) {{ {}f(n + 1){} }} f(1)", "[".repeat(12), "]".repeat(12));
    let cases: [(&str, &str); 8] = [
        ("let f = || 1; loop { let g = f; f = || g; }", "more than 250000 operations"),
        (r#"fn f() { step("again", || f()) } f()"#, "called more than 16 functions deep"),
        (r#"let s = "0123456789"; loop { s += s; }"#, "too large a value: length of string"),
        ("let a = [1]; loop { a += a; }", "too large a value: size of array"),
        ("fn f() { f() } f()", "called more than 16 functions deep"),
        (&deep, "called more than 16 functions deep"),
        (r#"loop { step("again", || 1); }"#, "more than 100 steps"),
        (r#"loop { get("/"); }"#, "more than 100 requests"),
    ];
    let server = hello();
    for (source, saying) in cases {
        assert_inconclusive(&run(source, server.url()).await, saying);
    }
}

#[tokio::test]
async fn values_nested_as_deep_as_allowed_do_not_overflow_the_stack() {
    let use_it = r#"print(a); print(`${a}`); a == a; post_json("/", a); throw a;"#;
    let nests = [
        "let a = []; for i in 0..4900 { a = [a]; }",
        "let a = #{}; for i in 0..4900 { let b = #{}; b.x = a; a = b; }",
        "let a = []; for i in 0..4900 { let b = #{}; b.x = a; a = [b]; }",
    ];
    for nest in nests {
        // Whether it gets through in time is of no matter, only that it ends, in time, and takes nothing down with it.
        let report = run_for(&format!("{nest} {use_it}"), hello().url(), Duration::from_secs(2)).await;
        assert_inconclusive(&report, "");
        assert!(report.duration_ms < 2_000 + SLACK_MS, "{report:?}");
    }
}

// ---- honesty ----

#[tokio::test]
async fn what_is_wrong_with_the_check_is_never_said_of_the_site() {
    let cases = [
        (r#"get("/").frobnicate()"#, "checks/test.rhai:1:10: no such function: frobnicate (Page)"),
        (r##"let x = get("/").select("#none"); x.attr("value")"##, "'()' is what a selector"),
        (r#"get("/"); let x = 1 + #{};"#, "checks/test.rhai:1:"),
        (r#"throw "up""#, "the script threw: up"),
        (r#"secret("api-key")"#, "checks/test.rhai:1:1: the secret 'api-key' is not given to this check"),
        (r#"param("region")"#, "the check has no parameter 'region'"),
        (r#"inconclusive("the calendar is closed")"#, "the calendar is closed"),
        (r#"get("/", #{ folow: false })"#, "unknown option 'folow': there are headers, query, follow"),
        (r#"get("/", #{ headers: #{ "a b": "c" } })"#, "the header 'a b' cannot be sent"),
        (r#"get("ftp://example.test/")"#, "is no http or https URL"),
        (r#"get("http://[")"#, "is no URL"),
        (r#"get("/").select("a[")"#, "'a[' is no CSS selector"),
        (r#"post_form("/", #{ token: () })"#, "the field 'token' has no value"),
        (r#"let all_is_well = true;"#, "the check made no request"),
    ];
    let server = hello();
    for (source, saying) in cases {
        assert_inconclusive(&run(source, server.url()).await, saying);
    }
}

#[tokio::test]
async fn no_try_in_a_script_turns_a_failure_into_a_pass() {
    let source = r#"try { expect_status(get("/"), 201); } catch { }"#;
    assert_fails(&run(source, hello().url()).await, FailureKind::Assertion, "wanted status 201, got 200");
    let source = r#"try { secret("none"); } catch { } get("/")"#;
    assert_inconclusive(&run(source, hello().url()).await, "the secret 'none'");
}

#[tokio::test]
async fn a_failure_says_what_was_wanted_and_what_came() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/500" => respond(stream, 503, &[], "<title>Oops</title><script>no()</script>\n<p>come   back\nlater</p>"),
        "/429" => respond(stream, 429, &[], ""),
        _ => respond(stream, 200, &[], "<b>hello</b>"),
    });
    let cases = [
        (
            r#"expect_status(get("/500"), 200)"#,
            FailureKind::ServerError,
            "got 503 Service Unavailable from GET http://",
        ),
        (r#"expect_status(get("/500"), 200)"#, FailureKind::ServerError, "/500: \"Oops come back later\""),
        (r##"expect_element(get("/500"), "#user")"##, FailureKind::ServerError, "wanted an element '#user'"),
        (r#"expect_status(get("/429"), 200)"#, FailureKind::Denied, "and an empty body"),
        (r#"expect_contains(get("/"), "bye")"#, FailureKind::Assertion, "wanted the text 'bye', got 200 OK"),
        (r#"get("/"); expect(1 > 2, "more")"#, FailureKind::Assertion, "more; the last answer was 200 OK"),
        (r#"get("/").json()"#, FailureKind::Assertion, "wanted JSON"),
        (r#"fail("as asked")"#, FailureKind::Assertion, "as asked"),
    ];
    for (source, kind, saying) in cases {
        assert_fails(&run(source, server.url()).await, kind, saying);
    }
}

#[tokio::test]
async fn broken_connections_and_handshakes_are_told_apart() {
    let slammed = Server::start(|_, _| {});
    assert_fails(&run(r#"get("/")"#, slammed.url()).await, FailureKind::Network, "GET http://127.0.0.1");

    let plain = hello();
    let mut https = plain.url();
    https.set_scheme("https").expect("https");
    // The plain server reads the handshake as a request, finds none, and hangs up.
    assert_fails(&run(r#"get("/")"#, https).await, FailureKind::Tls, "TLS");

    let nowhere = Url::parse("http://nowhere.invalid/").expect("a URL");
    let saying = "cannot resolve 'nowhere.invalid' with this machine's resolver";
    assert_fails(&run(r#"get("/")"#, nowhere).await, FailureKind::Network, saying);
}

#[tokio::test]
async fn a_redirect_loop_fails_with_its_chain_and_redirects_stay_on_the_web() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/away" => respond(stream, 302, &["location: file:///etc/passwd"], ""),
        "/a" => respond(stream, 302, &["location: /b"], ""),
        _ => respond(stream, 302, &["location: /a"], ""),
    });
    let report = run(r#"get("/a")"#, server.url()).await;
    assert_fails(&report, FailureKind::Assertion, "more than 10 redirects: GET http://127.0.0.1");
    assert!(reason(&report).contains("/a → http://127.0.0.1"), "{report:?}");
    let report = run(r#"get("/away")"#, server.url()).await;
    assert_fails(&report, FailureKind::Assertion, "redirects to file:, which is neither http nor https");
}

// ---- secrets ----

#[tokio::test]
async fn no_secret_leaves_a_probe_even_when_the_site_echoes_it() {
    let server = Server::start(|request, stream| {
        let sent = request.body.trim_start_matches("p=").to_owned();
        let plain = url::form_urlencoded::parse(request.body.as_bytes()).map(|(_, v)| v).collect::<String>();
        let html = plain.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let json = serde_json::to_string(&plain).expect("encodes");
        let body = format!("you sent {sent} {html} {json} {plain}");
        respond(stream, 500, &[], &body);
    });
    let sources = [
        r#"expect_status(post_form("/", #{ p: secret("probe-password") }), 200)"#,
        r#"post_form("/", #{ p: secret("probe-password") }).json()"#,
        r#"get("/" + secret("probe-password")); fail("ended")"#,
        r#"expect_status(get("/x", #{ query: #{ p: secret("probe-password") } }), 200)"#,
        r#"step(secret("probe-password"), || fail(secret("probe-password")))"#,
        r#"throw secret("probe-password")"#,
        r#"get("http://" + secret("probe-password"))"#,
        r#"get("/"); [][secret("probe-password")]"#,
    ];
    let whole = django::PASSWORD;
    for source in sources {
        let report = run(source, server.url()).await;
        assert_ne!(report.outcome, Outcome::Pass);
        let said = format!("{report:?}");
        // Pieces that survive any encoding of the signs between them.
        for piece in [whole, "zanz", "rse="] {
            assert!(!said.contains(piece), "{source} says {piece:?}: {said}");
        }
    }
}

// ---- requests ----

#[tokio::test]
async fn requests_carry_what_the_script_asked_for_and_what_a_browser_adds() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/303" => respond(stream, 303, &["location: /after"], ""),
        "/307" => respond(stream, 307, &["location: /again"], ""),
        _ => respond(stream, 200, &["set-cookie: a=1; Path=/", "set-cookie: b=2; Path=/deep"], "ok"),
    });
    let source = r#"
        let page = get("/form?x=1", #{ headers: #{ "X-Probe": "yes" }, query: #{ q: "a b", n: [1, 2] } });
        expect(cookie("a") == "1" && cookie("b") == (), "one cookie for this path");
        post_form("/303", #{ name: "Ada & Bob" });
        post_json("/307", #{ list: [1, "two"] });
        expect_status(post_form("/303", #{}, #{ follow: false }), 303);
        get("deeper");
    "#;
    assert_passes(&run(source, server.url()).await);
    let seen = server.seen();
    let lines: Vec<String> = seen.iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    let expected = [
        "GET /form?x=1&n=1&n=2&q=a+b",
        "POST /303",
        "GET /after",
        "POST /307",
        "POST /again",
        "POST /303",
        "GET /deeper",
    ];
    assert_eq!(lines, expected);
    let base = server.url();
    let origin = base.as_str().trim_end_matches('/');
    assert_eq!((seen[0].header("x-probe"), seen[0].header("cookie"), seen[0].header("referer")), ("yes", "", ""));
    assert_eq!(seen[1].header("referer"), format!("{origin}/form?x=1&n=1&n=2&q=a+b"));
    assert_eq!((seen[1].header("origin"), seen[1].header("cookie")), (origin, "a=1"));
    assert_eq!((seen[1].body.as_str(), seen[2].body.as_str()), ("name=Ada+%26+Bob", ""));
    assert_eq!(
        (seen[4].body.as_str(), seen[4].header("content-type")),
        (r#"{"list":[1,"two"]}"#, "application/json")
    );
}

#[tokio::test]
async fn answers_can_be_read_in_every_way() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/json" => respond(stream, 200, &["x-note: seen"], r#"{"user":{"id":7,"tags":["a","b"]},"big":1.5}"#),
        _ => respond(stream, 200, &[], "<ul id=l><li class=x data-n=1>one <b>bold</b></li><li>two</li></ul>"),
    });
    let source = r##"
        let page = get("/page");
        expect(page.status == 200 && page.url.ends_with("/page"), "status and url");
        let items = page.select_all("li");
        expect(items.len() == 2 && items[1].text == "two", "all items");
        let first = page.html().select("ul#l").select("li.x");
        expect(first.name == "li" && first.text == "one bold" && first.attr("data-n") == "1", "an element");
        expect(first.attr("none") == () && page.select("#none") == () && page.header("none") == (), "absent");
        let answer = get("/json");
        let data = answer.json();
        expect(answer.header("X-Note") == "seen", "a header");
        expect(data.user.id == 7 && data.user.tags[1] == "b" && data.big == 1.5, "JSON");
    "##;
    assert_passes(&run(source, server.url()).await);
}

#[tokio::test]
async fn a_script_knows_its_context_in_functions_and_closures() {
    let server = hello();
    let source = r#"
        fn context() { `${target} ${site} ${vantage}` }
        let seen = step("outer", || step("inner", || `${target} ${site} ${vantage}`));
        expect(seen == context(), "the same in a function and in a closure");
        expect(seen == `${param("origin")} standby test-vantage`, seen);
        expect(param("retries", 3) == 5 && param("absent", "x") == "x", "typed parameters");
        get("/");
    "#;
    let origin = server.url().as_str().trim_end_matches('/').to_owned();
    let params = [("origin".to_owned(), origin), ("retries".to_owned(), "5".to_owned())];
    let check = CheckScript { params: params.into(), ..script(source) };
    let mut target = server.url();
    target.set_password(Some("hidden")).expect("a password");
    let report = RhaiRunner::new(vec![check]).expect("compiles").run(&request(target, LONG)).await;
    assert_passes(&report);
    assert_eq!(names(&report), ["outer", "inner"]);
}

#[tokio::test]
async fn the_innermost_step_is_where_a_nested_flow_failed() {
    let source = r#"step("outer", || { step("fine", || get("/")); step("inner", || fail("no")) })"#;
    let report = run(source, hello().url()).await;
    assert_fails(&report, FailureKind::Assertion, "no");
    assert_eq!(report.failed_step.as_deref(), Some("inner"));
    let outcomes: Vec<Outcome> = report.steps.iter().map(|step: &StepRecord| step.outcome).collect();
    assert_eq!(outcomes, [Outcome::Fail, Outcome::Pass, Outcome::Fail]);
}

// ---- loading ----

#[tokio::test]
async fn everything_wrong_with_the_scripts_is_said_at_once_with_its_place() {
    let named = |name: &str, source: &str| CheckScript {
        name: CheckName::new(name).expect("a name"),
        path: PathBuf::from(format!("checks/{name}.rhai")),
        ..script(source)
    };
    let errors = RhaiRunner::new(vec![
        named("good", "1"),
        named("comma", "let a = 1;\nlet b = get(\"/\" ;"),
        named("variable", "get(pth)"),
        named("banned", "eval(\"1\")"),
        named("good", "2"),
    ])
    .expect_err("must be refused");
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "checks/comma.rhai:2:17: expecting ',' to separate the arguments to function call 'get'\n    \
                2 | let b = get(\"/\" ;\n      |                 ^",
            "checks/variable.rhai:1:5: undefined variable: pth\n    1 | get(pth)\n      |     ^",
            "checks/banned.rhai:1:1: reserved keyword 'eval' is disabled\n    1 | eval(\"1\")\n      | ^",
            "checks/good.rhai: the name 'good' is taken by checks/good.rhai",
        ]
    );
}

#[tokio::test]
async fn an_unknown_check_is_inconclusive() {
    let runner = RhaiRunner::new(Vec::new()).expect("no scripts, no errors");
    let report = runner.run(&request(hello().url(), LONG)).await;
    assert_inconclusive(&report, "there is no check 'test'");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_probe_ends_its_script() {
    let (hung_up, seen) = mpsc::channel();
    let server = Server::start(move |_, stream| {
        // Reading ends when the probe closes its connection, long before its deadline.
        let _ = hung_up.send(stream.read(&mut [0]).is_ok_and(|length| length == 0));
    });
    let runner = RhaiRunner::new(vec![script(r#"get("/")"#)]).expect("compiles");
    let request = request(server.url(), Duration::from_secs(3600));
    let given_up = tokio::time::timeout(Duration::from_millis(200), runner.run(&request)).await;
    assert!(given_up.is_err());
    assert_eq!(seen.recv_timeout(LONG), Ok(true));
}
