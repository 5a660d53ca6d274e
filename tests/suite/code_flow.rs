//! `exchange_code`, against a token endpoint that keeps what it is sent. A real provider is in `example_checks`.

use std::net::TcpStream;

use quorate::domain::{FailureKind, Outcome, ProbeReport};

use super::language::run_with;
use super::servers::{Request, Server, respond};

const GRANTED: &str = r#"{"access_token":"a-token","id_token":"x.y.z"}"#;

fn endpoint(status: u16, body: &'static str) -> Server {
    Server::start(move |_: &Request, stream: &mut TcpStream| {
        respond(stream, status, &["content-type: application/json"], body);
    })
}

async fn run(server: &Server, source: &str) -> ProbeReport {
    run_with(source, server.url(), &[], &[("client-secret", "s:ecret&1")]).await
}

#[tokio::test]
async fn a_code_goes_as_an_application_sends_it_without_origin_and_referer() {
    let server = endpoint(200, GRANTED);
    let source = r#"
        get("/");
        let client = #{ client_id: "me", client_secret: secret("client-secret"), redirect_uri: `${target}/back`, verifier: "v" };
        let tokens = exchange_code("/token", "c&1", client);
        expect(tokens.access_token == "a-token" && tokens.id_token == "x.y.z", "wanted the answer");
        client.auth = "post";
        exchange_code("/token", "c", client);
        exchange_code("/token", "c", #{ client_id: "me", redirect_uri: "/back" });
    "#;
    let report = run(&server, source).await;
    assert_eq!((report.outcome, report.reason), (Outcome::Pass, None));
    let seen = server.seen();
    let [_, basic, post, public] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((basic.header("origin"), basic.header("referer")), ("", ""));
    // me:s%3Aecret%261, each encoded before they are joined (RFC 6749, 2.3.1)
    assert_eq!(basic.header("authorization"), "Basic bWU6cyUzQWVjcmV0JTI2MQ==");
    assert!(basic.body.starts_with("grant_type=authorization_code&code=c%261&redirect_uri=http"), "{}", basic.body);
    assert!(basic.body.ends_with("&code_verifier=v"), "{}", basic.body);
    assert_eq!(post.header("authorization"), "");
    assert!(post.body.ends_with("&client_id=me&client_secret=s%3Aecret%261"), "{}", post.body);
    assert_eq!(public.body, "grant_type=authorization_code&code=c&redirect_uri=%2Fback&client_id=me");
}

#[tokio::test]
async fn a_refusal_is_the_sites_and_a_wrong_option_the_scripts() {
    let call = r#"exchange_code("/token", "c", #{ client_id: "me", redirect_uri: "/back" });"#;
    let cases = [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"too old"}"#,
            FailureKind::Assertion,
            "invalid_grant: too old",
        ),
        (401, r#"{"error":"invalid_client"}"#, FailureKind::Denied, "invalid_client"),
        (500, "oops", FailureKind::ServerError, "wanted an access_token, got 500"),
        (200, "{}", FailureKind::Assertion, "wanted an access_token, got 200"),
    ];
    for (status, body, kind, saying) in cases {
        let report = run(&endpoint(status, body), call).await;
        assert_eq!((report.outcome, report.kind), (Outcome::Fail, Some(kind)), "{report:?}");
        assert!(report.reason.as_deref().is_some_and(|reason| reason.contains(saying)), "{report:?}");
    }
    let options = [
        (r#"#{ client_id: "me" }"#, "needs the option 'redirect_uri'"),
        (r#"#{ redirect_uri: "/" }"#, "needs the option 'client_id'"),
        (r#"#{ client_id: 7 }"#, "the option 'client_id' must be a text"),
        (r#"#{ auth: "header" }"#, "the option 'auth' must be basic or post"),
        (r#"#{ id: "me" }"#, "unknown option 'id': there are client_id"),
    ];
    for (client, saying) in options {
        let report = run(&endpoint(200, GRANTED), &format!("exchange_code(\"/token\", \"c\", {client});")).await;
        assert_eq!(report.outcome, Outcome::Inconclusive, "{report:?}");
        assert!(report.reason.as_deref().is_some_and(|reason| reason.contains(saying)), "{report:?}");
    }
}
