//! `grpc_health` against gRPC's own server with its standard health service.

use quorate::domain::{FailureKind, Outcome};

use super::world::{
    self, Authority, Program, assert_fails, assert_in_time, assert_inconclusive, assert_passes, patience, rows, run,
    run_for,
};

const GRPC: &str = "grpcio==1.85.1 grpcio-health-checking==1.85.1";

/// The server: its plain port, its encrypted one, and that of a server without the health service.
pub(super) fn serve() -> (Program, Authority) {
    let authority = Authority::new();
    let pair = authority.issue(&["localhost", "127.0.0.1"], 2099);
    (Program::start("grpc_server.py", GRPC, &[&pair.cert, &pair.key]), authority)
}

#[tokio::test]
async fn the_state_of_a_service_is_told_over_plain_and_encrypted_http_2() {
    let (server, authority) = serve();
    let source = r#"
        let plain = `http://127.0.0.1:${param("plain")}`;
        let secure = `https://localhost:${param("secure")}`;
        expect(grpc_health(plain, "") == "SERVING", "the server");
        expect(grpc_health(plain, "shop.Cart") == "SERVING", "a service");
        expect(grpc_health(plain, "shop.Checkout") == "NOT_SERVING", "one that is down");
        expect(grpc_health(secure, "shop.Checkout", #{ ca: param("ca") }) == "NOT_SERVING", "the same over TLS");
        expect(grpc_health(plain, "keyed", #{ headers: #{ authorization: "Bearer k" } }) == "SERVING", "with a key");
    "#;
    let params = [("plain", &*server.port(0)), ("secure", &*server.port(1)), ("ca", authority.pem())];
    let report = run(source, &params).await;
    assert_passes(&report);
    let rows = rows(&report);
    assert_eq!(rows[1], "SERVING | grpc check http://127.0.0.1:PORT/shop.Cart");
    assert_eq!(rows[3], "NOT_SERVING | grpc check https://localhost:PORT/shop.Checkout");
}

#[tokio::test]
async fn calls_that_fail_are_told_apart_by_their_code() {
    let (server, authority) = serve();
    let params = [
        ("plain", &*server.port(0)),
        ("secure", &*server.port(1)),
        ("bare", &*server.port(2)),
        ("ca", authority.pem()),
    ];
    let cases = [
        (
            r#"grpc_health(plain, "shop.None")"#,
            FailureKind::Assertion,
            "NOT_FOUND, so the server does not know this service",
        ),
        (r#"grpc_health(bare, "")"#, FailureKind::Assertion, "UNIMPLEMENTED, so the server has no health service"),
        (r#"grpc_health(plain, "unavailable")"#, FailureKind::ServerError, "UNAVAILABLE: as asked"),
        (r#"grpc_health(plain, "denied")"#, FailureKind::Denied, "PERMISSION_DENIED: as asked"),
        (r#"grpc_health(plain, "keyed")"#, FailureKind::Denied, "UNAUTHENTICATED"),
        (
            r#"grpc_health(plain, "slow")"#,
            FailureKind::Timeout,
            "no answer from the health service of http://127.0.0.1",
        ),
        (r#"grpc_health(secure, "")"#, FailureKind::Tls, "UnknownIssuer"),
    ];
    for (source, kind, saying) in cases {
        let head = r#"let plain = `http://127.0.0.1:${param("plain")}`; let secure = `https://localhost:${param("secure")}`;
            let bare = `http://127.0.0.1:${param("bare")}`;"#;
        let report = run_for(&format!("{head} {source}"), &params, patience(kind)).await;
        assert_fails(&report, kind, saying);
        assert_in_time(&report, patience(kind));
    }
    // A server of HTTP/1.1 may answer, or break off before its answer is read.
    let report = run_for(r#"grpc_health(target, "")"#, &params, patience(FailureKind::Assertion)).await;
    let kinds = [Some(FailureKind::Assertion), Some(FailureKind::Network)];
    assert!(report.outcome == Outcome::Fail && kinds.contains(&report.kind), "{report:?}");
}

#[tokio::test]
async fn servers_that_misbehave_are_told_apart_and_end_in_time() {
    let bad = world::bad();
    let cases = [
        (&bad.refuses, FailureKind::Network, "connection refused"),
        (&bad.hangs, FailureKind::Timeout, "no answer from the health service"),
        (&bad.drips, FailureKind::Assertion, "what it says is no HTTP/2"),
        (&bad.hangs_up, FailureKind::Network, "the health service of http://127.0.0.1"),
        (&bad.babbles, FailureKind::Assertion, "what it says is no HTTP/2"),
        (&bad.floods, FailureKind::Assertion, "what it says is no HTTP/2"),
    ];
    for (port, kind, saying) in cases {
        let source = r#"grpc_health(`http://127.0.0.1:${param("port")}`, "")"#;
        let report = run_for(source, &[("port", port)], patience(kind)).await;
        assert_fails(&report, kind, saying);
        assert_in_time(&report, patience(kind));
    }
    let source = r#"grpc_health("http://127.0.0.1:1", "", #{ headers: #{ "a b": "c" } })"#;
    assert_inconclusive(&run(source, &[]).await, "cannot be asked");
}
