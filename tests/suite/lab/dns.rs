//! The name server, asked over UDP and TCP.

use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_route53::types::ChangeAction::{Create, Delete};
use aws_sdk_route53::types::{ChangeStatus, RrType};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use quorate::lab::{FaultChange, LabOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::*;

pub(super) fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

pub(super) async fn ask(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&question(name, kind).to_vec().unwrap(), server).await.unwrap();
    let mut buffer = [0; 4096];
    let received = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await.unwrap().unwrap();
    Message::from_vec(&buffer[..received]).unwrap()
}

async fn ask_tcp(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let bytes = question(name, kind).to_vec().unwrap();
    stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut buffer = vec![0; stream.read_u16().await.unwrap().into()];
    stream.read_exact(&mut buffer).await.unwrap();
    Message::from_vec(&buffer).unwrap()
}

/// `type data` of the answers.
pub(super) fn answers(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| format!("{} {}", record.record_type(), record.data)).collect()
}

#[tokio::test]
async fn udp_and_tcp_give_the_same_authoritative_answer() {
    let bench = Bench::new().await;
    bench.change(vec![a(Create, "x.example.com", 42, "192.0.2.1")]).await.unwrap();
    let server = bench.lab.dns_addr();
    for message in
        [ask(server, "X.Example.com.", RecordType::A).await, ask_tcp(server, "x.example.com.", RecordType::A).await]
    {
        assert_eq!(answers(&message), ["A 192.0.2.1"]);
        assert_eq!((message.metadata.authoritative, message.metadata.recursion_available), (true, false));
        assert_eq!((message.metadata.id, message.answers[0].ttl), (7, 42));
    }
    let ns = ask(server, "example.com.", RecordType::NS).await;
    assert_eq!(ns.answers.len(), 2);
}

#[tokio::test]
async fn an_answer_too_large_for_udp_is_cut_and_whole_over_tcp() {
    let bench = Bench::new().await;
    let long: Vec<String> = (0..4).map(|n| format!("\"{}{n}\"", "x".repeat(200))).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    bench.lab.create_record(&bench.zone, "long.example.com", "TXT", 60, &long).unwrap();
    let udp = ask(bench.lab.dns_addr(), "long.example.com.", RecordType::TXT).await;
    assert!(udp.metadata.truncation);
    let tcp = ask_tcp(bench.lab.dns_addr(), "long.example.com.", RecordType::TXT).await;
    assert_eq!((tcp.metadata.truncation, tcp.answers.len()), (false, 4));
}

#[tokio::test]
async fn no_such_name_differs_from_no_such_type_and_both_carry_the_soa() {
    let bench = Bench::new().await;
    bench.change(vec![a(Create, "a.b.example.com", 30, "192.0.2.1")]).await.unwrap();
    let server = bench.lab.dns_addr();
    for (name, kind, code) in [
        ("a.b.example.com.", RecordType::AAAA, ResponseCode::NoError),
        ("b.example.com.", RecordType::A, ResponseCode::NoError),
        ("c.example.com.", RecordType::A, ResponseCode::NXDomain),
        ("a.b.example.com.", RecordType::HTTPS, ResponseCode::NoError),
    ] {
        let message = ask(server, name, kind).await;
        assert_eq!((message.metadata.response_code, message.answers.len()), (code, 0), "{name} {kind}");
        assert!(message.metadata.authoritative, "{name} {kind}");
        assert_eq!(message.authorities[0].record_type(), RecordType::SOA, "{name} {kind}");
    }
    let elsewhere = ask(server, "example.org.", RecordType::A).await;
    assert_eq!((elsewhere.metadata.response_code, elsewhere.metadata.authoritative), (ResponseCode::Refused, false));
}

#[tokio::test]
async fn a_cname_is_answered_with_its_target() {
    let bench = Bench::new().await;
    let cname = change(Create, record_set("login.example.com", RrType::Cname, 30, "one.example.com."));
    bench.change(vec![a(Create, "one.example.com", 30, "192.0.2.1"), cname]).await.unwrap();
    let message = ask(bench.lab.dns_addr(), "login.example.com.", RecordType::A).await;
    assert_eq!(answers(&message), ["CNAME one.example.com.", "A 192.0.2.1"]);
}

#[tokio::test]
async fn the_answer_moves_when_the_change_is_in_sync_and_not_before() {
    let bench = Bench::new().await;
    bench.change(vec![a(Create, "x.example.com", 30, "192.0.2.1")]).await.unwrap();
    let server = bench.lab.dns_addr();
    assert_eq!(answers(&ask(server, "x.example.com.", RecordType::A).await), ["A 192.0.2.1"]);

    bench.faults(FaultChange { propagation_ms: Some(120), ..FaultChange::default() });
    let flip = vec![a(Delete, "x.example.com", 30, "192.0.2.1"), a(Create, "x.example.com", 30, "192.0.2.2")];
    let made = bench.change(flip).await.unwrap();
    let id = made.change_info().unwrap().id().to_owned();
    let in_sync = async || {
        let change = bench.client.get_change().id(&id).send().await.unwrap();
        change.change_info().unwrap().status() == &ChangeStatus::Insync
    };
    // Answer first, status after it: an answer seen before INSYNC must be the old one, whatever the pace.
    loop {
        let before = answers(&ask(server, "x.example.com.", RecordType::A).await);
        if in_sync().await {
            break;
        }
        assert_eq!(before, ["A 192.0.2.1"]);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(answers(&ask(server, "x.example.com.", RecordType::A).await), ["A 192.0.2.2"]);

    bench.faults(FaultChange { propagation_ms: Some(3_600_000), ..FaultChange::default() });
    let back = vec![a(Delete, "x.example.com", 30, "192.0.2.2"), a(Create, "x.example.com", 30, "192.0.2.1")];
    bench.change(back).await.unwrap();
    assert_eq!(bench.listed().await, ["x.example.com. A 192.0.2.1"]);
    assert_eq!(answers(&ask(server, "x.example.com.", RecordType::A).await), ["A 192.0.2.2"]);
}

#[tokio::test]
async fn a_zone_made_through_the_api_is_served_once_it_has_propagated() {
    let bench = Bench::with(LabOptions { propagation: NEVER, ..LabOptions::default() }).await;
    let create = async |name: &str| {
        bench.client.create_hosted_zone().name(name).caller_reference(name).send().await.unwrap();
        ask(bench.lab.dns_addr(), name, RecordType::SOA).await.metadata.response_code
    };
    assert_eq!(create("late.example.").await, ResponseCode::Refused);
    bench.faults(FaultChange { propagation_ms: Some(0), ..FaultChange::default() });
    assert_eq!(create("soon.example.").await, ResponseCode::NoError);
}
