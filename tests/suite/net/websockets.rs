//! `websocket` against the server of PyPI's `websockets`.

use quorate::domain::FailureKind;

use super::world::{
    self, Authority, Program, assert_fails, assert_in_time, assert_inconclusive, assert_passes, patience, rows, run,
    run_for,
};

pub(super) const WEBSOCKETS: &str = "websockets==17.4";

/// The server, its plain and its encrypted port, and who vouches for it.
pub(super) fn serve() -> (Program, Authority) {
    let authority = Authority::new();
    let pair = authority.issue(&["localhost"], 2099);
    (Program::start("websocket_server.py", WEBSOCKETS, &[&pair.cert, &pair.key]), authority)
}

#[tokio::test]
async fn texts_are_echoed_over_ws_and_wss_and_pings_are_answered() {
    let (server, authority) = serve();
    let source = r#"
        let plain = `ws://localhost:${param("plain")}`;
        let secure = `wss://localhost:${param("secure")}`;
        for socket in [websocket(plain + "/echo"), websocket(secure + "/echo", #{ ca: param("ca") })] {
            socket.send("one");
            socket.send("two ü");
            expect(socket.receive() == "echo one" && socket.receive() == "echo two ü", "echoes in their order");
            expect(socket.subprotocol == (), "none was asked for");
            socket.close();
        }
        expect(websocket(plain + "/greet").receive() == "welcome", "greeted");
        expect(websocket(plain + "/ping").receive() == "pong came", "a ping was answered");
        let chat = websocket(plain + "/header", #{ subprotocol: "chat.v2", headers: #{ "X-Probe": "yes" } });
        expect(chat.subprotocol == "chat.v2" && chat.receive() == "yes", "a header and a subprotocol");
    "#;
    let params = [("plain", &*server.port(0)), ("secure", &*server.port(1)), ("ca", authority.pem())];
    let report = run(source, &params).await;
    assert_passes(&report);
    let expected = [
        "open | websocket open ws://localhost:PORT/echo",
        "open | websocket open wss://localhost:PORT/echo",
        "3 bytes | websocket send ws://localhost:PORT/echo",
        "6 bytes | websocket send ws://localhost:PORT/echo",
        "8 bytes | websocket receive ws://localhost:PORT/echo",
        "11 bytes | websocket receive ws://localhost:PORT/echo",
        "closed | websocket close ws://localhost:PORT/echo",
    ];
    assert_eq!(rows(&report)[..7], expected);
}

#[tokio::test]
async fn what_a_server_does_instead_of_talking_is_told_apart() {
    let (server, _authority) = serve();
    let port = server.port(0);
    let open = r#"websocket(`ws://127.0.0.1:${param("port")}` + param("path"))"#;
    let receive = format!("{open}.receive()");
    let cases = [
        ("/forbidden", FailureKind::Denied, "the server answers 403 Forbidden instead of opening it"),
        ("/broken", FailureKind::ServerError, "the server answers 503 Service Unavailable"),
        ("/bye", FailureKind::Network, "/bye was closed by the server with 1011 going down"),
        ("/abort", FailureKind::Network, "/abort"),
        ("/big", FailureKind::Assertion, "a message is larger than 1024 KiB"),
        ("/binary", FailureKind::Assertion, "sent a binary message of 2 bytes that is no text"),
        ("/silent", FailureKind::Timeout, "/silent sent no message within the deadline"),
    ];
    for (path, kind, saying) in cases {
        let report = run_for(&receive, &[("port", &port), ("path", path)], patience(kind)).await;
        assert_fails(&report, kind, saying);
        assert_in_time(&report, patience(kind));
    }
    let strange = r#"websocket(`ws://127.0.0.1:${param("port")}/echo`, #{ subprotocol: "none.v1" })"#;
    assert_fails(&run(strange, &[("port", &port)]).await, FailureKind::Assertion, "no WebSocket");
    let untrusted = r#"websocket(`wss://localhost:${param("port")}/echo`)"#;
    assert_fails(&run(untrusted, &[("port", &server.port(1))]).await, FailureKind::Tls, "UnknownIssuer");
}

#[tokio::test]
async fn servers_that_misbehave_are_told_apart_and_end_in_time() {
    let bad = world::bad();
    let cases = [
        (&bad.refuses, FailureKind::Network, "connection refused"),
        (&bad.hangs, FailureKind::Timeout, "was not opened within the deadline"),
        (&bad.drips, FailureKind::Assertion, "no WebSocket"),
        (&bad.hangs_up, FailureKind::Network, "the WebSocket ws://127.0.0.1"),
        (&bad.babbles, FailureKind::Assertion, "no WebSocket"),
        (&bad.floods, FailureKind::Assertion, "the WebSocket ws://127.0.0.1"),
    ];
    for (port, kind, saying) in cases {
        let source = r#"websocket(`ws://127.0.0.1:${param("port")}/`)"#;
        let report = run_for(source, &[("port", port)], patience(kind)).await;
        assert_fails(&report, kind, saying);
        assert_in_time(&report, patience(kind));
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_script_is_never_said_of_the_site() {
    let (server, _authority) = serve();
    let url = format!("ws://127.0.0.1:{}/echo", server.port(0));
    let cases = [
        (r#"websocket("http://example.test/")"#, "'http://example.test/' is no ws or wss URL"),
        (r#"websocket("echo")"#, "'echo' is no ws or wss URL"),
        (r#"websocket(param("url"), #{ headers: #{ "a b": "c" } })"#, "the header 'a b' cannot be sent"),
        (r#"let s = websocket(param("url")); s.close(); s.send("x")"#, "after it closed it"),
        (
            r#"let s = websocket(param("url")); let t = "x"; for i in 0..21 { t += t; } s.send(t)"#,
            "larger than 1024 KiB",
        ),
    ];
    for (source, saying) in cases {
        assert_inconclusive(&run(source, &[("url", &url)]).await, saying);
    }
}
