//! What only the lab can show: its own faults, its log of applied changes, and its name server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use aws_sdk_route53::types as sdk;
use quorate::adapters::resolver::Hickory;
use quorate::domain::{Answer, MovedName, RecordType, Role};
use quorate::lab::{Delivery, FaultChange, Lab};
use quorate::ports::{ChangeState, Class, DnsProvider, Resolver};
use quorate::runtime::zone;
use tokio::net::{TcpListener, UdpSocket};

use super::dns_world::{Begin, MARK, NAME, PRIMARY, STANDBY, World, record};

fn lab(world: &World) -> &Lab {
    world.lab.as_ref().unwrap()
}

/// The comments of Quorate's own batches that took effect.
fn applied(world: &World) -> Vec<String> {
    let entries = lab(world).requests().into_iter().filter(|entry| entry.status < 300);
    entries.filter_map(|entry| entry.comment).filter(|comment| comment.starts_with("quorate")).collect()
}

async fn answer(world: &World) -> Vec<String> {
    Hickory::new().ask(lab(world).dns_addr(), NAME, RecordType::A).await.unwrap()
}

/// Waits until the name server answers with this address. It refuses a zone that it does not have yet.
async fn answers(world: &World, address: &str) {
    let ask = || async { Hickory::new().ask(lab(world).dns_addr(), NAME, RecordType::A).await };
    let arrived = async {
        while ask().await != Ok(vec![address.to_owned()]) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), arrived).await.unwrap();
}

#[tokio::test]
async fn a_flip_is_visible_at_the_name_server_and_named_in_the_providers_log() {
    let world = World::lab(Begin::Owned).await;
    answers(&world, PRIMARY).await;
    let (fence, records) = world.lead(5).await;
    let flipped = world.flip(&fence, &records, Role::Standby).await.unwrap();
    answers(&world, STANDBY).await;
    assert_eq!(world.provider.change_state(&flipped.change.unwrap()).await.unwrap(), ChangeState::InSync);
    assert_eq!(applied(&world), ["quorate fence e=5 s=0", "quorate login to standby d=0123456789abcdef e=5 s=1"]);
    let mark = Hickory::new().ask(lab(&world).dns_addr(), MARK, RecordType::Txt).await.unwrap();
    assert_eq!(mark, [flipped.records.token().to_string()]);
}

#[tokio::test]
async fn an_answer_that_the_lab_loses_is_read_back_and_applied_once() {
    let world = World::lab(Begin::Owned).await;
    let (fence, records) = world.lead(5).await;
    lab(&world).set_faults(FaultChange { lose_answer: Some(1), ..FaultChange::default() });
    assert!(world.flip(&fence, &records, Role::Standby).await.unwrap().read_back);
    assert_eq!(applied(&world).len(), 2);
    let asked = lab(&world).requests().into_iter().filter(|entry| entry.comment.is_some()).count();
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn a_flip_that_is_delivered_twice_is_applied_once() {
    let world = World::lab(Begin::Owned).await;
    let (fence, records) = world.lead(5).await;
    for (delay, to) in [(0, Role::Standby), (50, Role::Primary)] {
        let records = if to == Role::Standby {
            records.clone()
        } else {
            zone::read_records(&world.provider, &world.cluster, &world.service).await.unwrap()
        };
        lab(&world).set_faults(FaultChange {
            duplicate_delivery: Some(1),
            duplicate_after_ms: Some(delay),
            ..FaultChange::default()
        });
        world.flip(&fence, &records, to).await.unwrap();
    }
    let both = async {
        while lab(&world).requests().iter().filter(|entry| entry.delivery == Delivery::Duplicate).count() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    let duplicates: Vec<_> =
        lab(&world).requests().into_iter().filter(|entry| entry.delivery == Delivery::Duplicate).collect();
    assert!(duplicates.iter().all(|entry| entry.code == "InvalidChangeBatch"), "{duplicates:?}");
    assert_eq!((applied(&world).len(), world.serving().await.as_str()), (3, PRIMARY));
}

#[tokio::test]
async fn throttling_and_a_prior_request_apply_nothing() {
    let world = World::lab(Begin::Owned).await;
    let (fence, records) = world.lead(5).await;
    for faults in [
        FaultChange { throttle: Some(1), ..FaultChange::default() },
        FaultChange { unavailable: Some(1), ..FaultChange::default() },
        FaultChange { prior_request_not_complete: Some(1), ..FaultChange::default() },
    ] {
        lab(&world).set_faults(faults);
        let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
        assert_eq!(error.class, Class::Retry, "{error}");
        assert_eq!((applied(&world).len(), world.serving().await.as_str()), (1, PRIMARY));
    }
    world.flip(&fence, &records, Role::Standby).await.unwrap();
}

#[tokio::test]
async fn a_stranded_change_stays_pending_and_is_not_served() {
    let world = World::lab(Begin::Owned).await;
    answers(&world, PRIMARY).await;
    let (fence, records) = world.lead(5).await;
    lab(&world).set_faults(FaultChange { stranded: Some(1), ..FaultChange::default() });
    let change = world.flip(&fence, &records, Role::Standby).await.unwrap().change.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(world.provider.change_state(&change).await.unwrap(), ChangeState::Pending);
    assert_eq!((world.serving().await.as_str(), answer(&world).await), (STANDBY, vec![PRIMARY.to_owned()]));
}

#[tokio::test]
async fn no_such_name_and_no_such_record_are_empty_and_a_foreign_name_is_an_error() {
    let world = World::lab(Begin::Owned).await;
    answers(&world, PRIMARY).await;
    let (resolver, server) = (Hickory::new(), lab(&world).dns_addr());
    for (name, kind) in [("nobody.example.test", RecordType::A), (NAME, RecordType::Aaaa), (NAME, RecordType::Cname)]
    {
        assert_eq!(resolver.ask(server, name, kind).await.unwrap(), Vec::<String>::new(), "{name} {kind}");
    }
    let error = resolver.ask(server, "www.example.org", RecordType::A).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains(&server.to_string()) && error.what.contains("Refused"), "{error}");
    let error = resolver.ask(server, "not a..name", RecordType::A).await.unwrap_err();
    assert_eq!(error.class, Class::Broken);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_a_datagram_comes_over_tcp() {
    let world = World::lab(Begin::Owned).await;
    answers(&world, PRIMARY).await;
    let lab = lab(&world);
    let values: Vec<String> = (10..20).map(|number| format!("\"{number}{}\"", "x".repeat(200))).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let id = world.service.dns.zone.trim_start_matches("/hostedzone/");
    lab.create_record(id, "long.example.test", "TXT", 60, &values).unwrap();
    let found = Hickory::new().ask(lab.dns_addr(), "long.example.test", RecordType::Txt).await.unwrap();
    assert_eq!(found.len(), 10);
    assert!(found.iter().zip(10..).all(|(text, number)| text.starts_with(&number.to_string()) && text.len() == 202));
}

#[tokio::test]
async fn a_silent_server_and_no_server_are_errors_in_bounded_time() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let absent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    for server in [silent.local_addr().unwrap(), absent] {
        let asked = Hickory::new();
        let asked = asked.ask(server, NAME, RecordType::A);
        let error = tokio::time::timeout(Duration::from_secs(10), asked).await.unwrap().unwrap_err();
        assert_eq!(error.class, Class::Retry);
        assert!(error.what.contains(&server.to_string()) && error.what.contains(NAME), "{error}");
    }
}

/// Answers one question after noise: an answer with another id, and no message at all. Then it says "truncated", and is not
/// there over TCP.
#[tokio::test]
async fn strangers_answers_are_dropped_and_half_an_answer_is_an_error() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address: SocketAddr = server.local_addr().unwrap();
    let _deaf = TcpListener::bind(address).await.unwrap();
    let serve = async {
        let mut buffer = [0; 1500];
        let (length, client) = server.recv_from(&mut buffer).await.unwrap();
        let mut reply = buffer[..length].to_vec();
        // A response, authoritative and truncated.
        reply[2] |= 0b1000_0110;
        let mut stranger = reply.clone();
        stranger[0] ^= 0xff;
        stranger[2] &= 0b1111_1101;
        for noise in [b"noise".as_slice(), &stranger, &reply] {
            server.send_to(noise, client).await.unwrap();
        }
    };
    let resolver = Hickory::new();
    let (error, ()) = tokio::join!(resolver.ask(address, NAME, RecordType::A), serve);
    let error = error.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains("over TCP"), "{error}");
}

#[tokio::test]
async fn hosts_are_resolved_as_this_machine_does() {
    let resolver = Hickory::new();
    assert!(resolver.addresses("localhost").await.unwrap().iter().all(std::net::IpAddr::is_loopback));
    let error = resolver.addresses("nobody.invalid").await.unwrap_err();
    assert!(error.class == Class::Retry && error.what.contains("nobody.invalid"), "{error}");
}

#[tokio::test]
async fn aliases_are_moved_like_addresses() {
    let mut world = World::lab(Begin::Empty).await;
    for (zone, name, address) in [("ZELBONE", "elb.one.test", PRIMARY), ("ZELBTWO", "elb.two.test", STANDBY)] {
        lab(&world).create_zone_as(zone, name.split_once('.').unwrap().1).unwrap();
        lab(&world).create_record(zone, name, "A", 60, &[address]).unwrap();
    }
    for (site, zone, name) in [
        (&mut world.service.primary, "ZELBONE", "elb.one.test"),
        (&mut world.service.standby, "ZELBTWO", "elb.two.test"),
    ] {
        (site.alias_zone, site.answer) = (Some(zone.to_owned()), name.to_owned());
    }
    lab(&world).seed_records(&world.service.dns.zone, &world.cluster, &world.service).unwrap();
    answers(&world, PRIMARY).await;
    let (fence, records) = world.lead(5).await;
    let there = world.flip(&fence, &records, Role::Standby).await.unwrap();
    answers(&world, STANDBY).await;
    world.flip(&fence, &there.records, Role::Primary).await.unwrap();
    answers(&world, PRIMARY).await;
}

#[tokio::test]
async fn a_batch_over_the_providers_limit_is_refused_in_words_and_whole() {
    let mut world = World::lab(Begin::Owned).await;
    // Two records a name, each deleted and created: with the token's two these are more than a thousand.
    let moved = |number: usize| MovedName {
        name: format!("n{number}.example.test"),
        kind: RecordType::A,
        primary: Answer { value: PRIMARY.to_owned(), alias_zone: None },
        standby: Answer { value: STANDBY.to_owned(), alias_zone: None },
    };
    world.service.dns.also = (0..250).map(moved).collect();
    let pair = |name: &str| {
        [
            ("aws", PRIMARY, sdk::ResourceRecordSetFailover::Primary),
            ("gcp", STANDBY, sdk::ResourceRecordSetFailover::Secondary),
        ]
        .map(|(id, value, place)| {
            record(name, sdk::RrType::A, 30, value).set_identifier(id).failover(place).build().unwrap()
        })
    };
    let names: Vec<String> = world.service.dns.also.iter().map(|moved| moved.name.clone()).collect();
    world.create(names.iter().flat_map(|name| pair(name))).await;
    let (fence, records) = world.lead(5).await;
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!(error.class, Class::Broken, "{error}");
    assert!(error.what.contains("Number of records limit of 1000 exceeded"), "{error}");
    assert_eq!(world.serving().await, PRIMARY);
    let now = zone::read_records(&world.provider, &world.cluster, &world.service).await.unwrap();
    assert_eq!(now, records, "nothing half-done");
}

#[tokio::test]
async fn a_denied_account_is_told_what_to_allow_and_has_changed_nothing() {
    let world = World::lab(Begin::Owned).await;
    let (fence, records) = world.lead(5).await;
    lab(&world).set_faults(FaultChange { access_denied: Some(1), ..FaultChange::default() });
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!(error.class, Class::Broken, "{error}");
    assert!(
        error.what.contains("allow route53:ChangeResourceRecordSets on arn:aws:route53:::hostedzone/"),
        "{error}"
    );
    assert_eq!(world.serving().await, PRIMARY);
    // And a refusal in the older form reads as one in the newer.
    lab(&world).set_faults(FaultChange { batch_errors_as_list: Some(true), ..FaultChange::default() });
    let (_, newer) = world.lead(6).await;
    let stale = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!(stale.class, Class::Fenced, "{stale}");
    let present = zone::read_records(&world.provider, &world.cluster, &world.service).await.unwrap();
    assert_eq!(present, newer);
}
