//! `dns` and `dns_answer` against dnslib's server, and against servers that misbehave.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

use hickory_proto::op::{Message, MessageType};
use quorate::domain::FailureKind;
use quorate::ports::Resolution;

use super::world::{
    self, Program, assert_fails, assert_in_time, assert_inconclusive, assert_passes, patience, reason, run, run_for,
};

pub(super) const DNSLIB: &str = "dnslib==0.9.26";

fn dnslib() -> (Program, String) {
    let program = Program::start("dns_server.py", DNSLIB, &[]);
    let server = format!("127.0.0.1:{}", program.port(0));
    (program, server)
}

/// A name server over UDP that answers each question with these bytes.
fn name_server(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address: SocketAddr = socket.local_addr().expect("its address");
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&answer(&buffer[..length]), from);
        }
    });
    address.to_string()
}

#[tokio::test]
async fn records_of_every_type_come_as_people_write_them() {
    let (_dnslib, server) = dnslib();
    let source = r#"
        let server = #{ server: param("server") };
        let said = |name, type| dns(name, type, server).map(|r| r.value);
        expect(said.call("site.example.test", "A") == ["127.0.0.1"], "A");
        expect(said.call("site.example.test.", "aaaa") == ["::1"], "AAAA, in small letters, of a name with its dot");
        expect(said.call("example.test", "MX") == ["10 mail.example.test"], "MX");
        expect(said.call("example.test", "TXT") == ["v=spf1 -all more"], "TXT, its strings joined");
        expect(said.call("example.test", "NS") == ["ns1.example.test"], "NS");
        expect(said.call("example.test", "CAA") == ["0 issue \"ca.example\""], "CAA");
        expect(said.call("example.test", "TYPE257") == ["0 issue \"ca.example\""], "CAA by its number");
        expect(said.call("_sip._tcp.example.test", "SRV") == ["1 2 5060 site.example.test"], "SRV");
        let record = dns("www.example.test", "CNAME", server)[0];
        expect(record == #{ name: "www.example.test", type: "CNAME", ttl: 60, value: "site.example.test" }, `${record}`);
        let soa = dns("example.test", "SOA", server)[0].value;
        expect(soa.starts_with("ns1.example.test. hostmaster.example.test. 7 "), soa);
        let over_tcp = #{ server: param("server"), tcp: true, dnssec: true };
        expect(dns("site.example.test", "A", over_tcp).len() == 1, "over TCP");
        expect(dns("many.example.test", "TXT", server).len() == 60, "an answer too large for a datagram");
    "#;
    let report = run(source, &[("server", &server)]).await;
    assert_passes(&report);
    let rows = world::rows(&report);
    assert_eq!(rows[0], "NOERROR | dns A dns://127.0.0.1:PORT/site.example.test");
    assert_eq!((rows.len(), rows[2].as_str()), (12, "NOERROR | dns MX dns://127.0.0.1:PORT/example.test"));
}

#[tokio::test]
async fn a_name_that_is_not_there_is_an_answer_and_a_servers_refusal_is_told_apart() {
    let (_dnslib, server) = dnslib();
    let source = r#"
        let server = #{ server: param("server") };
        expect(dns("none.example.test", "A", server) == [], "no such name");
        expect(dns("site.example.test", "MX", server) == [], "no such record");
        let none = dns_answer("none.example.test", "A", server);
        expect(none.rcode == "NXDOMAIN" && none.answers == [] && none.authoritative, `${none}`);
        let there = dns_answer("www.example.test", "A", server);
        expect(there.rcode == "NOERROR" && there.answers.len() >= 1 && there.server == param("server"), `${there}`);
        expect(!there.authenticated, "nobody has vouched for it");
        expect(dns_answer("elsewhere.test", "A", server).rcode == "REFUSED", "refused");
        expect(dns_answer("broken.example.test", "A", server).rcode == "SERVFAIL", "failed");
    "#;
    assert_passes(&run(source, &[("server", &server)]).await);

    let ask = |name: &str| format!(r#"dns("{name}", "A", #{{ server: param("server") }})"#);
    let report = run(&ask("elsewhere.test"), &[("server", &server)]).await;
    assert_fails(
        &report,
        FailureKind::Denied,
        &format!("the name server {server} says REFUSED to 'elsewhere.test' A"),
    );
    let report = run(&ask("broken.example.test"), &[("server", &server)]).await;
    assert_fails(&report, FailureKind::ServerError, "says SERVFAIL to 'broken.example.test' A");
}

#[tokio::test]
async fn a_named_server_that_does_not_answer_is_the_sites_failure_and_says_how() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let silent = silent.local_addr().map(|address| (silent, address.to_string())).expect("its address");
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("its address");
    let noise = name_server(|_| b"no DNS at all".to_vec());
    let stray = name_server(|question| {
        let mut answer = Message::from_vec(question).expect("a question");
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.id = answer.metadata.id.wrapping_add(1);
        answer.to_vec().expect("encodes")
    });
    let bad = world::bad();
    let at = |port: &str| format!("127.0.0.1:{port}");
    let udp = r#"dns("site.example.test", "A", #{ server: param("server") })"#;
    let tcp = r#"dns("site.example.test", "A", #{ server: param("server"), tcp: true })"#;
    let cases = [
        (udp, silent.1.clone(), FailureKind::Network, "silence"),
        (udp, closed.to_string(), FailureKind::Network, "connection refused"),
        (udp, noise, FailureKind::Network, "what it sends is no answer to the question (1 datagrams)"),
        (udp, stray, FailureKind::Network, "what it sends is no answer to the question"),
        (tcp, at(&bad.refuses), FailureKind::Network, "connection refused"),
        (tcp, at(&bad.hangs), FailureKind::Network, "silence"),
        (tcp, at(&bad.hangs_up), FailureKind::Network, "connection "),
        (tcp, at(&bad.drips), FailureKind::Network, "silence"),
        (tcp, at(&bad.floods), FailureKind::Assertion, "its answer"),
    ];
    for (source, server, kind, saying) in cases {
        let report = run_for(source, &[("server", &server)], patience(kind)).await;
        assert_fails(&report, kind, saying);
        assert!(
            reason(&report).contains(&format!("no answer from the name server {server} to 'site.example.test' A"))
        );
        assert_in_time(&report, patience(kind));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_the_scripts_mistake() {
    let cases = [
        (r#"dns("a..b", "A", #{ server: "127.0.0.1" })"#, "'a..b' is no name that DNS can hold"),
        (r#"dns("a", "AZ", #{ server: "127.0.0.1" })"#, "'AZ' is no type of DNS record"),
        (r#"dns("a", "AXFR", #{ server: "127.0.0.1" })"#, "AXFR is a transfer of a zone"),
        (r#"dns("a", "A", #{ server: "ns1.example.test" })"#, "must be an address such as 192.0.2.1"),
        (
            r#"dns("a", "A", #{ sever: "127.0.0.1" })"#,
            "dns: unknown option 'sever': there are server, tcp, dnssec, validate, anchor",
        ),
        (r#"dns("a", "A", #{ server: "127.0.0.1", tcp: 1 })"#, "the option 'tcp' must be true or false, and is i64"),
        (
            r#"dns("a", "A", #{ anchor: "a. DS 1 13 2 00" })"#,
            "dns: the option 'anchor': it has no use without validate: true",
        ),
        (
            r#"dns("a", "A", #{ validate: true, anchor: "a. DS 1 13 2 00" })"#,
            "dns: the option 'anchor': the digest of key 1 must be 64 hexadecimal digits",
        ),
        (r#"dns("a", "A", #{ server: "127.0.0.1:0" })"#, "a probe may not connect to 127.0.0.1:0: port 0 is none"),
    ];
    for (source, saying) in cases {
        assert_inconclusive(&run(source, &[]).await, saying);
    }
}

#[tokio::test]
async fn a_probe_that_resolves_through_one_server_asks_it_for_everything() {
    let (_dnslib, server) = dnslib();
    let banner = world::listener(|mut stream| {
        let _ = stream.write_all(b"220 here\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let through = Resolution::Through(server.parse().expect("an address"));
    let source = r#"
        expect(dns("site.example.test", "A")[0].value == "127.0.0.1", "a question");
        expect(tcp_banner("site.example.test", param("port", 0)) == "220 here\r\n", "a connection");
        tcp("none.example.test", 80);
    "#;
    let port = banner.port().to_string();
    let report = world::run_through(source, &[("port", &port)], world::LONG, through).await;
    let saying = format!("cannot resolve 'none.example.test' through the name server {server}: ");
    assert_fails(&report, FailureKind::Network, &saying);
}
