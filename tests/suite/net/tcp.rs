//! `tcp`, `tcp_banner` and `tcp_exchange`.

use std::io::{BufRead, BufReader, Write};

use quorate::domain::FailureKind;

use super::world::{
    self, Authority, Program, assert_fails, assert_in_time, assert_inconclusive, assert_passes, patience, run,
    run_for,
};

#[tokio::test]
async fn a_connection_a_banner_and_an_answer_are_read() {
    let server = world::listener(|mut stream| {
        let _ = stream.write_all(b"redis-like 7\r\nmore");
        let mut lines = BufReader::new(stream.try_clone().expect("a copy")).lines();
        while let Some(Ok(line)) = lines.next() {
            if line == "PING" {
                let _ = stream.write_all(b"\r\n+PONG\r\nrest");
            }
            if line == "QUIT" {
                return;
            }
        }
    });
    let source = r#"
        let port = param("port", 0);
        let opened = tcp("127.0.0.1", port);
        expect(opened.address == `127.0.0.1:${port}` && opened.connect_ms >= 0, `${opened}`);
        expect(tcp("localhost", port).connect_ms < 5000, "by name");
        expect(tcp_banner("127.0.0.1", port) == "redis-like 7\r\n", "the first line");
        expect(tcp_banner("127.0.0.1", port, #{ up_to: "like" }) == "redis-like", "up to there");
        expect(tcp_exchange("127.0.0.1", port, "PING\r\n", #{ up_to: "PONG" }) == "redis-like 7\r\nmore\r\n+PONG", "an answer");
        expect(tcp_exchange("127.0.0.1", port, "PING\nQUIT\n", #{ up_to: "" }) == "redis-like 7\r\nmore\r\n+PONG\r\nrest", "to the end");
    "#;
    let report = run(source, &[("port", &server.port().to_string())]).await;
    assert_passes(&report);
    let rows = world::rows(&report);
    let expected = ["connected | tcp connect tcp://127.0.0.1:PORT", "connected | tcp connect tcp://localhost:PORT"];
    assert_eq!(rows[..2], expected);
    assert_eq!(rows[2..4], ["14 bytes | tcp read tcp://127.0.0.1:PORT", "10 bytes | tcp read tcp://127.0.0.1:PORT"]);
    assert_eq!(rows[4], "25 bytes | tcp exchange tcp://127.0.0.1:PORT");
    assert!(report.requests.iter().all(|record| record.duration_us > 0 && record.answer.is_none()), "{report:?}");
    let report = run(r#"step("ask", || tcp("127.0.0.1", 1))"#, &[]).await;
    assert_eq!(world::rows(&report), ["no answer | tcp connect tcp://127.0.0.1:PORT"]);
    assert_eq!(report.requests[0].step, Some(0));
}

#[tokio::test]
async fn an_exchange_over_tls_verifies_the_certificate() {
    let authority = Authority::new();
    let pair = authority.issue(&["127.0.0.1", "site.example.test"], 2099);
    let version = std::path::Path::new("TLSv1_3");
    let server = Program::start("tls_server.py", "", &[&pair.cert, &pair.key, version]);
    let port = server.port(0);
    let source = r#"
        let options = #{ tls: true, ca: param("ca") };
        expect(tcp_banner("127.0.0.1", param("port", 0), options) == "hello over TLS\r\n", "greeted");
        options.server_name = "other.example.test";
        tcp_banner("127.0.0.1", param("port", 0), options);
    "#;
    let report = run(source, &[("port", &port), ("ca", authority.pem())]).await;
    assert_fails(&report, FailureKind::Tls, "certificate not valid for name \"other.example.test\"");
    let source = r#"tcp_banner("127.0.0.1", param("port", 0), #{ tls: true })"#;
    assert_fails(&run(source, &[("port", &port)]).await, FailureKind::Tls, "invalid peer certificate: UnknownIssuer");
}

#[tokio::test]
async fn servers_that_misbehave_are_told_apart_and_end_in_time() {
    let bad = world::bad();
    let connect = r#"tcp("127.0.0.1", param("port", 0))"#;
    let banner = r#"tcp_banner("127.0.0.1", param("port", 0), #{ max: 1000 })"#;
    let cases = [
        (connect, &bad.refuses, FailureKind::Network, "connection refused"),
        (banner, &bad.hangs, FailureKind::Timeout, "did not send \"\\n\" (0 bytes came) within the deadline of 1s"),
        (banner, &bad.drips, FailureKind::Timeout, "bytes came) within the deadline"),
        (banner, &bad.hangs_up, FailureKind::Network, "hung up without a word"),
        (
            banner,
            &bad.floods,
            FailureKind::Assertion,
            "sent 1000 bytes, the most that the check takes, without \"\\n\"",
        ),
    ];
    for (source, port, kind, saying) in cases {
        let report = run_for(source, &[("port", port)], patience(kind)).await;
        assert_fails(&report, kind, saying);
        assert_in_time(&report, patience(kind));
    }
}

#[tokio::test]
async fn connections_are_counted_with_the_requests() {
    let server = world::listener(drop);
    let report =
        run(r#"loop { tcp("127.0.0.1", param("port", 0)); }"#, &[("port", &server.port().to_string())]).await;
    assert_inconclusive(&report, "the script makes more than 100 requests");
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_the_scripts_mistake() {
    let cases = [
        (r#"tcp("127.0.0.1", 0)"#, "0 is no port"),
        (r#"tcp("127.0.0.1", 65536)"#, "65536 is no port: there are 1 to 65535"),
        (r#"tcp("http://example.test", 80)"#, "'http://example.test' is no host name"),
        (r#"tcp("", 80)"#, "'' is no host name"),
        (r#"tcp("0.0.0.0", 80)"#, "a probe may not connect to 0.0.0.0: it is no address of one machine"),
        (r#"tcp("169.254.169.254", 80)"#, "a probe may not connect to 169.254.169.254: it is link-local"),
        (r#"dns("a.test", "A", #{ server: "169.254.169.254" })"#, "a probe may not connect to 169.254.169.254:53"),
        (r#"dns("a.test", "A", #{ server: "192.0.2.53" })"#, "the check may not ask '192.0.2.53'"),
        (r#"tcp("db.example.net", 5432)"#, "the check may not ask 'db.example.net'"),
        (r#"websocket("ws://db.example.net/")"#, "the check may not ask 'db.example.net'"),
        (r#"grpc_health("http://db.example.net", "")"#, "the check may not ask 'db.example.net'"),
        (r#"certificate_facts("db.example.net")"#, "the check may not ask 'db.example.net'"),
        (r#"smtp_check("db.example.net", 25)"#, "the check may not ask 'db.example.net'"),
        (
            r#"mail_mark(#{ host: "db.example.net", user: "a", password: "b" })"#,
            "the check may not ask 'db.example.net'",
        ),
        (r#"tcp_banner("127.0.0.1", 80, #{ max: 0 })"#, "the option 'max' must be from 1 to 1048576"),
        (
            r#"tcp_banner("127.0.0.1", 80, #{ tls: true, ca: "-" })"#,
            "the option 'ca' cannot be used: it holds no certificate in PEM",
        ),
    ];
    for (source, saying) in cases {
        assert_inconclusive(&run(source, &[]).await, saying);
    }
}
