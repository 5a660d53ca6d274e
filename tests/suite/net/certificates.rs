//! `certificate` and `certificate_facts` against OpenSSL, with certificates made at run time.

use std::path::Path;

use quorate::domain::FailureKind;

use super::world::{
    self, Authority, Pair, Program, assert_fails, assert_in_time, assert_inconclusive, assert_passes, patience, rows,
    run, run_for,
};

fn serve(pair: &Pair, version: &str) -> Program {
    Program::start("tls_server.py", "", &[&pair.cert, &pair.key, Path::new(version)])
}

#[tokio::test]
async fn the_facts_of_a_good_certificate_are_told() {
    let authority = Authority::new();
    let pair = authority.issue(&["site.example.test", "127.0.0.1", "*.example.test"], 2099);
    for (version, protocol) in [("TLSv1_3", "TLSv1.3"), ("TLSv1_2", "TLSv1.2")] {
        let server = serve(&pair, version);
        let source = r#"
            for seen in [
                certificate("127.0.0.1", param("port", 0), #{ ca: param("ca"), server_name: "site.example.test" }),
                certificate_facts("127.0.0.1", param("port", 0), #{ ca: param("ca"), server_name: "a.example.test" }),
            ] {
                expect(seen.verified && seen.problem == "", `verified: ${seen.problem}`);
                expect(seen.protocol == param("protocol"), seen.protocol);
                expect(seen.names == ["site.example.test", "127.0.0.1", "*.example.test"], `${seen.names}`);
                expect(seen.subject.contains("CN=site.example.test") && seen.issuer.contains("CN=The test's own CA"), seen.subject);
                expect(seen.not_before == "2020-01-01T00:00:00Z" && seen.not_after == "2099-01-01T00:00:00Z", seen.not_after);
                expect(seen.days_left > 20000 && seen.days_left < 30000, `${seen.days_left} days`);
                expect(seen.chain.len() == 2 && seen.chain[0].sha256 == seen.sha256, "the chain");
                expect(seen.chain[1].subject == seen.issuer && seen.sha256.len() == 64 && seen.serial != "", "its links");
            }
        "#;
        let params = [("port", &*server.port(0)), ("ca", authority.pem()), ("protocol", protocol)];
        let report = run(source, &params).await;
        assert_passes(&report);
        assert_eq!(rows(&report), ["verified | tls handshake tls://127.0.0.1:PORT"; 2]);
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_fails_and_says_which_and_can_be_looked_at() {
    let authority = Authority::new();
    let expired = serve(&authority.issue(&["127.0.0.1"], 2021), "TLSv1_3");
    let other = serve(&authority.issue(&["other.example.test"], 2099), "TLSv1_2");
    let fine = serve(&authority.issue(&["127.0.0.1"], 2099), "TLSv1_3");
    let stranger = Authority::named("A stranger");
    let cases = [
        (&expired, authority.pem(), "certificate expired", -1),
        (&other, authority.pem(), "certificate not valid for name \"127.0.0.1\"", 1),
        (&fine, stranger.pem(), "UnknownIssuer", 1),
        (&fine, "", "UnknownIssuer", 1),
    ];
    for (server, ca, saying, sign) in cases {
        let options = if ca.is_empty() { "#{}" } else { r#"#{ ca: param("ca") }"# };
        let params = [("port", &*server.port(0)), ("ca", ca), ("saying", saying), ("sign", &sign.to_string())];
        let source = format!(r#"certificate("127.0.0.1", param("port", 0), {options})"#);
        assert_fails(&run(&source, &params).await, FailureKind::Tls, saying);
        let source = format!(
            r#"
            let seen = certificate_facts("127.0.0.1", param("port", 0), {options});
            expect(!seen.verified && seen.problem.contains(param("saying")), seen.problem);
            expect(seen.days_left * param("sign", 0) > 0 && seen.chain.len() == 2, `${{seen.days_left}} days left`);
            "#
        );
        assert_passes(&run(&source, &params).await);
    }
}

#[tokio::test]
async fn looking_at_a_certificate_never_finishes_a_handshake_nor_sends_a_byte() {
    let authority = Authority::new();
    let pair = authority.issue(&["127.0.0.1"], 2021);
    for version in ["TLSv1_3", "TLSv1_2"] {
        let mut server = serve(&pair, version);
        let source = r#"expect(certificate_facts("127.0.0.1", param("port", 0)).days_left < 0, "expired")"#;
        assert_passes(&run(source, &[("port", &server.port(0))]).await);
        assert_eq!(server.line(), "no 0", "{version}");
    }
}

#[tokio::test]
async fn servers_that_misbehave_are_told_apart_and_end_in_time() {
    let bad = world::bad();
    for function in ["certificate", "certificate_facts"] {
        let source = format!(r#"{function}("127.0.0.1", param("port", 0))"#);
        let cases = [
            (&bad.refuses, FailureKind::Network, "connection refused"),
            (&bad.hangs, FailureKind::Timeout, "no TLS handshake with 127.0.0.1"),
            (&bad.drips, FailureKind::Tls, "the server does not speak TLS here"),
            (&bad.hangs_up, FailureKind::Tls, "the TLS handshake"),
            (&bad.babbles, FailureKind::Tls, "the server does not speak TLS here"),
            (&bad.floods, FailureKind::Tls, "the server does not speak TLS here"),
        ];
        for (port, kind, saying) in cases {
            let report = run_for(&source, &[("port", port)], patience(kind)).await;
            assert_fails(&report, kind, saying);
            assert_in_time(&report, patience(kind));
        }
    }
    let source = r#"certificate("127.0.0.1", 443, #{ server_name: "a b" })"#;
    assert_inconclusive(&run(source, &[]).await, "'a b' is no name that a certificate can have");
}
