//! The computing half of the check language: every function, what it says of an error, and the examples of its standard.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use quorate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner};
use quorate::domain::{CheckName, FailureKind, Outcome, ProbeReport, Role, Secret, Secrets};
use quorate::ports::{ProbeRequest, ProbeRunner, Resolution};
use url::Url;

use super::servers::{Server, respond};

const LONG: Duration = Duration::from_secs(20);

/// Runs a script against a target with these parameters and secrets.
pub(crate) async fn run_with(
    source: &str,
    target: Url,
    params: &[(&str, &str)],
    secrets: &[(&str, &str)],
) -> ProbeReport {
    let name = CheckName::new("test").expect("a name");
    let text = |pair: &(&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
    let script = CheckScript {
        name: name.clone(),
        path: PathBuf::from("checks/test.rhai"),
        source: source.to_owned(),
        params: params.iter().map(text).collect::<BTreeMap<_, _>>(),
        secrets: secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect::<Secrets>(),
        // A host that is the target's under another name.
        reach: Reach::new(["login.example.test".to_owned()]),
        limits: Limits::default(),
    };
    let runner = RhaiRunner::new(vec![script]).unwrap_or_else(|errors| panic!("{errors:?}\n{source}"));
    let (role, resolution) = (Role::Primary, Resolution::System);
    let request = ProbeRequest { check: name, target, role, vantage: None, deadline: LONG, resolution };
    runner.run(&request).await
}

/// Runs a script against a page that says `body` to everything.
pub(crate) async fn run(body: &'static str, source: &str) -> ProbeReport {
    let server = Server::start(move |_, stream| respond(stream, 200, &["x-a: 1", "X-A: 2"], body));
    run_with(source, server.url(), &[], &[("api-key", "top secret words")]).await
}

pub(crate) fn reason(report: &ProbeReport) -> &str {
    report.reason.as_deref().unwrap_or_default()
}

#[track_caller]
pub(crate) fn assert_passes(report: &ProbeReport) {
    assert_eq!((report.outcome, reason(report)), (Outcome::Pass, ""));
}

#[track_caller]
pub(crate) fn assert_fails(report: &ProbeReport, kind: FailureKind, saying: &str) {
    assert_eq!((report.outcome, report.kind), (Outcome::Fail, Some(kind)), "{report:?}");
    assert!(reason(report).contains(saying), "{:?} does not say {saying:?}", reason(report));
}

#[track_caller]
pub(crate) fn assert_inconclusive(report: &ProbeReport, saying: &str) {
    assert_eq!((report.outcome, report.kind), (Outcome::Inconclusive, None), "{report:?}");
    assert!(reason(report).contains(saying), "{:?} does not say {saying:?}", reason(report));
}

/// Each of the expressions must be true where `page` is a page with this body.
pub(crate) async fn assert_true(body: &'static str, expressions: &[&str]) {
    let mut source = r#"let page = get("/");"#.to_owned();
    for expression in expressions {
        source.push_str(&format!("\nexpect({expression}, `{}`);", expression.replace('`', "'").replace("${", "{")));
    }
    assert_passes(&run(body, &source).await);
}

/// Each of the expressions must end the probe, and say so.
pub(crate) async fn assert_wrong(body: &'static str, cases: &[(&str, Option<FailureKind>, &str)]) {
    for (expression, kind, saying) in cases {
        let report = run(body, &format!(r#"let page = get("/"); {expression}"#)).await;
        match kind {
            Some(kind) => assert_fails(&report, *kind, saying),
            None => assert_inconclusive(&report, saying),
        }
    }
}

pub(crate) const SITE: Option<FailureKind> = Some(FailureKind::Assertion);
pub(crate) const SCRIPT: Option<FailureKind> = None;

// ---- JSON ----

/// The example of RFC 9535, 1.5.
const STORE: &str = r#"{ "store": {
    "book": [
        { "category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95 },
        { "category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99 },
        { "category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99 },
        { "category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings", "isbn": "0-395-19395-8", "price": 22.99 }
    ],
    "bicycle": { "color": "red", "price": 399 } } }"#;

#[tokio::test]
async fn json_paths_find_what_the_examples_of_rfc_9535_find() {
    let cases = [
        r#"page.json_path_all("$.store.book[*].author") == ["Nigel Rees", "Evelyn Waugh", "Herman Melville", "J. R. R. Tolkien"]"#,
        r#"page.json_path_all("$..author").len() == 4"#,
        r#"page.json_path_all("$.store..price") == [399, 8.95, 12.99, 8.99, 22.99]"#,
        r#"page.json_path("$..book[2].title") == "Moby Dick""#,
        r#"page.json_path("$..book[2].publisher") == ()"#,
        r#"page.json_path("$..book[-1].author") == "J. R. R. Tolkien""#,
        r#"page.json_path_all("$..book[:2].price") == [8.95, 12.99]"#,
        r#"page.json_path_all("$..book[?@.isbn].price") == [8.99, 22.99]"#,
        r#"page.json_path_all("$..book[?@.price<10].title") == ["Sayings of the Century", "Moby Dick"]"#,
        r#"page.json_path_all("$..book[?length(@.author) == 10].title") == ["Sayings of the Century"]"#,
        r#"page.json_path_all("$.store.*").len() == 2"#,
        r#"json_path(page.json(), "$.store.bicycle.color") == "red""#,
        r#"json_path_all(#{ a: [1, 2, #{ b: 3 }] }, "$.a[2]['b']") == [3]"#,
        r#"json_path([(), true, "x"], "$[0]") == () && json_path([(), true, "x"], "$[1]")"#,
        r#"expect_json(page, "$.store.bicycle.price", 399).status == 200"#,
        r#"expect_json(page, "$.store.bicycle", #{ price: 399.0, color: "red" }).status == 200"#,
    ];
    assert_true(STORE, &cases).await;
}

#[tokio::test]
async fn json_goes_to_text_and_back() {
    let cases = [
        r#"to_json(#{ b: [1, 2.5, "x\"y", true, ()], a: #{} }) == `{"a":{},"b":[1,2.5,"x\"y",true,null]}`"#,
        r#"parse_json(`{"a":[1,{"b":null}]}`) == #{ a: [1, #{ b: () }] }"#,
        r#"parse_json(to_json("é")) == "é""#,
    ];
    assert_true("", &cases).await;
}

#[tokio::test]
async fn what_json_functions_say_tells_the_site_from_the_script() {
    let cases = [
        (r#"page.json_path("$.store[")"#, SCRIPT, "'$.store[' is no JSONPath that is followed: at character"),
        (r#"page.json_path("store")"#, SCRIPT, "is no JSONPath"),
        (
            r#"page.json_path_all("$..*..*..*..*..*..*..*..*")"#,
            SCRIPT,
            "it could come by more than 2000000 values here",
        ),
        (r#"let p = "$"; for i in 0..300 { p += ".a"; } page.json_path(p)"#, SCRIPT, "more than 500 bytes"),
        (
            r#"expect_json(page, "$.store.bicycle.price", 398)"#,
            SITE,
            "wanted 398 at '$.store.bicycle.price', got 399 in 200 OK",
        ),
        (
            r#"expect_json(page, "$.store.car", 1)"#,
            SITE,
            "wanted 1 at '$.store.car', got nothing in 200 OK from GET http",
        ),
        (r#"parse_json("{")"#, SITE, "wanted JSON (EOF while parsing an object at line 1 column 1), got \"{\""),
        (r#"let a = []; for i in 0..200 { a = [a]; } to_json(a)"#, SCRIPT, "more than 128 values inside each other"),
    ];
    assert_wrong(STORE, &cases).await;
    let cases = [
        (
            r#"page.json_path("$.a")"#,
            SITE,
            "wanted JSON (expected value at line 1 column 1), got 200 OK from GET http",
        ),
        (r#"expect_json(page, "$.a", 1)"#, SITE, "wanted JSON"),
    ];
    assert_wrong("<p>no JSON</p>", &cases).await;
}

// ---- regular expressions ----

#[tokio::test]
async fn regular_expressions_match_and_capture_in_texts_and_bodies() {
    let cases = [
        r#"page.matches("(?i)ORDER [0-9]+") && !page.matches("^order$")"#,
        r#"page.capture("order ([0-9]+)") == "17""#,
        r#"page.capture("order [0-9]+") == "order 17" && page.capture("bill") == ()"#,
        r#"page.capture_all("order ([0-9]+)") == ["17", "18"]"#,
        r#""a1b22".capture_all("[0-9]+") == ["1", "22"] && "x".capture_all("y") == []"#,
        r#""straße 7".matches(`^\w+ \d$`) && "ab".capture("(x)?b") == ()"#,
    ];
    assert_true("<p>order 17</p><p>order 18</p>", &cases).await;
}

#[tokio::test]
async fn regular_expressions_are_bounded_and_say_what_is_wrong() {
    let cases = [
        (r#"page.matches("(a")"#, SCRIPT, "'(a' is no regular expression that is compiled: unclosed group"),
        (r#"page.capture("(?:[a-z]{1000}){100}")"#, SCRIPT, "it takes more than 512 KiB; use shorter repetitions"),
        (
            r#"let p = "a"; for i in 0..1000 { p += "a"; } page.matches(p)"#,
            SCRIPT,
            "more than 1000 bytes is not compiled",
        ),
        (
            r#"let p = ""; for i in 0..30 { p += "("; } for i in 0..30 { p += ")"; } page.matches(p)"#,
            SCRIPT,
            "exceed the maximum number of nested parentheses",
        ),
        (
            r#"let t = ""; for i in 0..6000 { t += "a"; } t.capture_all("a")"#,
            SCRIPT,
            "'a' matches more than 5000 times",
        ),
    ];
    assert_wrong("", &cases).await;
    let cases = [
        // Exponential where regular expressions backtrack.
        (r#"!t.matches("^(a+)+$b")"#, ""),
        // Minutes where linear is thought to be enough.
        (r#"t.matches(`(?:(a?){1000})b|(?:a?){2000}c`)"#, "takes too long on this text of 262144 bytes"),
        (r#"("é" + t).capture(`(?:\b|\B|(a)|(b)){60}$`)"#, "takes too long on this text of 262146 bytes"),
        (r#"t.capture(`((((a*)*)*)*)`)"#, "takes too long on this text"),
    ];
    for (expression, saying) in cases {
        let source =
            format!(r#"let t = "a"; for i in 0..18 {{ t += t; }} get("/"); expect({expression} != (), "no")"#);
        let report = run("", &source).await;
        if saying.is_empty() {
            assert_passes(&report)
        } else {
            assert_inconclusive(&report, saying)
        }
        assert!(report.duration_ms < 10_000, "{report:?}");
    }
}

// ---- URLs and headers ----

#[tokio::test]
async fn urls_are_taken_apart_and_joined() {
    let cases = [
        r#"url_encode("a b&c=d/é'(1)") == "a%20b%26c%3Dd%2F%C3%A9'(1)""#,
        r#"url_decode("a%20b%26c+%C3%A9") == "a b&c+é" && url_decode("100%") == "100%""#,
        r#"url_param("https://app.example/cb?code=a%2Fb+c&state=1#x", "code") == "a/b c""#,
        r#"url_param("/cb#id_token=t&state=2", "state") == "2" && url_param("/cb", "state") == ()"#,
        r#"url_join("https://a.example/x/y", "../z?q#f") == "https://a.example/z?q#f""#,
        r#"url_join(page.url, "/login").ends_with("/login")"#,
        r#"page.headers("X-A") == ["1", "2"] && page.headers("none") == []"#,
    ];
    assert_true("", &cases).await;
    let cases = [
        (r#"url_join("nowhere", "/x")"#, SCRIPT, "'nowhere' is no URL: relative URL without a base"),
        (r#"url_join("https://a.example/", "http://[")"#, SCRIPT, "'http://[' is no URL"),
    ];
    assert_wrong("", &cases).await;
}

// ---- codes ----

#[tokio::test]
async fn encodings_and_digests_give_what_their_standards_say() {
    let cases = [
        // RFC 4648, 10.
        r#"base64("") == "" && base64("f") == "Zg==" && base64("foob") == "Zm9vYg==" && base64("foobar") == "Zm9vYmFy""#,
        r#"base64_decode("Zm9vYg==") == "foob" && base64_decode("Zm9vYg") == "foob" && base64_decode("") == """#,
        r#"base64url("~~~???") == "fn5-Pz8_" && base64url_decode("fn5-Pz8_") == "~~~???""#,
        r#"hex("foobar") == "666f6f626172" && hex_decode("666F6f626172") == "foobar""#,
        // FIPS 180-2, B.1.
        r#"sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#,
        r#"sha256("abc", "base64") == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=""#,
        r#"sha256(sha256("abc", "bytes"), "hex") == "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358""#,
        // RFC 4231, 4.2 and 4.3.
        r#"hmac_sha256("Jefe", "what do ya want for nothing?") == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843""#,
        r#"hmac_sha256(bytes("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "hex"), "Hi There") == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7""#,
        r#"hmac_sha256(bytes("SmVmZQ==", "base64"), "what do ya want for nothing?", "base64url") == "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM""#,
    ];
    assert_true("", &cases).await;
    let cases = [
        (r#"base64_decode("a b")"#, SITE, "wanted Base64: invalid"),
        (r#"base64_decode("/w==")"#, SITE, "wanted Base64: what it stands for is no UTF-8 text"),
        (r#"base64url_decode("+")"#, SITE, "wanted URL-safe Base64"),
        (r#"hex_decode("abc")"#, SITE, "wanted hex: Odd number of digits"),
        (r#"bytes("zz", "hex")"#, SCRIPT, "these bytes cannot be read"),
        (r#"bytes("zz", "rot13")"#, SCRIPT, "there is no encoding 'rot13', only hex, base64 and base64url"),
        (
            r#"sha256("a", "binary")"#,
            SCRIPT,
            "a digest is not written as 'binary': there are hex, base64, base64url and bytes",
        ),
        (r#"base64(page.select("a"))"#, SCRIPT, "base64 takes a text or bytes, and not no value, ()"),
        (r#"hmac_sha256(1, "a")"#, SCRIPT, "hmac_sha256 takes a text or bytes, and not a value of type i64"),
    ];
    assert_wrong("", &cases).await;
}

#[tokio::test]
async fn chance_and_time_are_within_their_bounds() {
    let cases = [
        r#"uuid().matches("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$") && uuid() != uuid()"#,
        r#"random(3, 3) == 3 && random(1, 2) >= 1 && random(1, 2) <= 2 && random(-5, 0) <= 0"#,
        r#"random_text(20).matches("^[A-Za-z0-9]{20}$") && random_text(20) != random_text(20)"#,
        r#"now() > 1700000000 && now_iso().matches("^20[0-9-]{8}T[0-9:]{8}Z$")"#,
        r#"format_time(0) == "1970-01-01T00:00:00Z" && format_time(1777896000) == "2026-05-04T12:00:00Z""#,
        r#"oauth_state().len() >= 43 && oauth_state() != oauth_state()"#,
    ];
    assert_true("", &cases).await;
    let cases = [
        (r#"random(2, 1)"#, SCRIPT, "there is no number from 2 to 1"),
        (r#"random_text(0)"#, SCRIPT, "a random text has 1 to 1024 characters, and not 0"),
        (r#"random_text(2000)"#, SCRIPT, "a random text has 1 to 1024 characters, and not 2000"),
        (r#"format_time(-1)"#, SCRIPT, "-1 seconds since 1970 are no date up to the year 9999"),
    ];
    assert_wrong("", &cases).await;
}
