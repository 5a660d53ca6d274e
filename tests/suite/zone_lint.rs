//! Every rule about what is unwise in a zone: when it speaks, and when it must not.

use std::net::IpAddr;

use quorate::adapters::resolver::Hickory;
use quorate::domain::drift::ZoneSeen;
use quorate::domain::zone_lint::{FindingLevel, Soa, ZoneFacts, lint, siblings};
use quorate::domain::{DnsLane, OwnedRecords, RecordSet, RecordType, Role, Routing, Service, SignedAnswer, Trust};
use quorate::lab::{Lab, LabOptions};
use quorate::ports::Resolver;

use super::dns_world;

fn service(change: impl FnOnce(&mut Service)) -> Service {
    let mut service = dns_world::service("Z1");
    change(&mut service);
    service
}

/// Facts against which nothing is to be said.
fn facts(service: &Service) -> ZoneFacts {
    let mut records = OwnedRecords::wanted(service, Role::Primary);
    if service.dns.lane.has_flag() {
        records[0].health_check = Some("h-1".to_owned());
    }
    let address = |text: &str| Ok(vec![text.parse::<IpAddr>().unwrap()]);
    ZoneFacts {
        zones: vec![ZoneSeen { at: "zone Z1".to_owned(), routing: service.dns.routing, records: Ok(records) }],
        soa: Ok(Some(Soa { zone: "example.test".to_owned(), ttl_s: 900, minimum_s: 60 })),
        signed: None,
        siblings: vec![("quorate-1.example.test".to_owned(), Ok(Vec::new()))],
        primary: address("192.0.2.1"),
        standby: address("198.51.100.1"),
        name_servers: Ok(vec!["ns-1.awsdns-01.org".to_owned(), "dns1.p01.nsone.net".to_owned()]),
    }
}

fn codes(service: &Service, change: impl FnOnce(&mut ZoneFacts)) -> Vec<&'static str> {
    let mut facts = facts(service);
    change(&mut facts);
    let found = lint(service, &facts);
    for finding in &found {
        for text in [&finding.what, &finding.why, &finding.way_out] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{finding:?}");
        }
    }
    found.into_iter().map(|finding| finding.code).collect()
}

fn records(facts: &mut ZoneFacts) -> &mut Vec<RecordSet> {
    facts.zones[0].records.as_mut().unwrap()
}

#[test]
fn a_sound_zone_has_no_findings_in_any_lane_or_routing() {
    for lane in [DnsLane::Records, DnsLane::Flag, DnsLane::Both] {
        assert_eq!(codes(&service(|service| service.dns.lane = lane), |_| {}), [""; 0], "{lane:?}");
    }
    assert_eq!(codes(&service(|service| service.dns.routing = Routing::Simple), |_| {}), [""; 0]);
}

#[test]
fn a_long_time_to_live_is_measured_by_the_lane() {
    let with = |lane, ttl_s| {
        codes(&service(|service| service.dns.lane = lane), |facts| {
            records(facts).iter_mut().for_each(|set| set.ttl_s = ttl_s)
        })
    };
    assert_eq!((with(DnsLane::Records, 30), with(DnsLane::Records, 31)), (vec![], vec!["ttl"]));
    assert_eq!((with(DnsLane::Both, 60), with(DnsLane::Flag, 61)), (vec![], vec!["ttl"]));
}

#[test]
fn a_no_such_name_is_kept_for_the_smaller_of_the_two() {
    let with = |ttl_s, minimum_s| {
        let soa = Soa { zone: "example.test".to_owned(), ttl_s, minimum_s };
        codes(&service(|_| {}), |facts| facts.soa = Ok(Some(soa)))
    };
    assert_eq!((with(900, 300), with(300, 86_400), with(900, 86_400)), (vec![], vec![], vec!["negative-ttl"]));
    assert_eq!(codes(&service(|_| {}), |facts| facts.soa = Ok(None)), [""; 0]);
}

#[test]
fn a_wildcard_is_known_by_an_answer_for_a_name_that_nobody_has_made() {
    let answered = |facts: &mut ZoneFacts| facts.siblings[0].1 = Ok(vec!["192.0.2.7".to_owned()]);
    assert_eq!(codes(&service(|_| {}), answered), ["wildcard"]);
    let asked = siblings(&service(|_| {}), "x");
    assert_eq!(asked, [("x.example.test".to_owned(), RecordType::A)]);
    assert_eq!(siblings(&service(|service| service.dns.name = "test".to_owned()), "x"), []);
}

#[test]
fn other_routing_and_other_types_at_the_name_are_told() {
    let service = service(|_| {});
    let weighted = |facts: &mut ZoneFacts| records(facts)[0].failover = None;
    assert_eq!(codes(&service, weighted), ["mixed-routing"]);
    let with = |kind| {
        codes(&service, |facts| {
            let other = RecordSet { kind, ..records(facts)[0].clone() };
            records(facts).push(other);
        })
    };
    assert_eq!((with(RecordType::Aaaa), with(RecordType::Txt)), (vec!["other-type"], vec![]));
}

#[test]
fn the_health_checks_of_the_pair_are_judged_by_what_they_would_do() {
    let flag = service(|service| service.dns.lane = DnsLane::Flag);
    let bare = |facts: &mut ZoneFacts| records(facts)[0].health_check = None;
    assert_eq!(codes(&flag, bare), ["primary-without-health-check"]);
    assert_eq!(codes(&service(|_| {}), bare), [""; 0], "the records lane needs none");
    let second = |facts: &mut ZoneFacts| records(facts)[1].health_check = Some("h-2".to_owned());
    assert_eq!(codes(&flag, second), ["secondary-with-health-check"]);
    assert_eq!(codes(&service(|_| {}), second), ["secondary-with-health-check"]);
}

#[test]
fn what_fails_together_is_told() {
    let answers = |kind, one: &str, other: &str| {
        codes(
            &service(|service| {
                service.dns.kind = kind;
                (service.primary.answer, service.standby.answer) = (one.to_owned(), other.to_owned());
            }),
            |_| {},
        )
    };
    assert_eq!(answers(RecordType::A, "192.0.2.1", "192.0.2.200"), ["one-network"]);
    assert_eq!(answers(RecordType::Aaaa, "2001:db8:1::1", "2001:db8:1:9::1"), ["one-network"]);
    assert_eq!(answers(RecordType::Cname, "a.cloudfront.net", "b.cloudfront.net"), ["one-front"]);
    assert_eq!(answers(RecordType::Cname, "a.cloudfront.net", "b.azurefd.net"), [""; 0]);
    assert_eq!(answers(RecordType::Cname, "a.example.com", "b.example.com."), ["one-domain"]);
    let host = service(|service| service.standby.url = service.primary.url.clone());
    assert_eq!(codes(&host, |_| {}), ["same-host"]);
    let shared = |facts: &mut ZoneFacts| facts.standby = facts.primary.clone();
    assert_eq!(codes(&service(|_| {}), shared), ["same-address"]);
    let one = |facts: &mut ZoneFacts| {
        facts.name_servers = Ok(vec!["ns-1.awsdns-01.org".to_owned(), "ns-2.awsdns-02.net".to_owned()]);
    };
    assert_eq!(codes(&service(|_| {}), one), ["one-dns-provider"]);
}

#[test]
fn what_could_not_be_looked_at_is_a_note_and_never_a_warning() {
    let service = service(|_| {});
    let mut facts = facts(&service);
    let away = || "no answer in time".to_owned();
    facts.zones[0].records = Err(away());
    (facts.soa, facts.primary, facts.name_servers) = (Err(away()), Err(away()), Err(away()));
    facts.siblings[0].1 = Err(away());
    let found = lint(&service, &facts);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found.iter().all(|finding| finding.level == FindingLevel::Note && finding.code == "unchecked"),
        "{found:?}"
    );
}

#[tokio::test]
async fn the_start_of_authority_is_found_from_any_name_of_the_zone_with_its_own_time_to_live() {
    let lab = Lab::start(LabOptions::default()).await.unwrap();
    lab.create_zone("example.test").unwrap();
    let mut seen = Vec::new();
    for name in ["example.test", "login.example.test", "no.such.example.test"] {
        let soa = Hickory::new().soa(lab.dns_addr(), name).await.unwrap().unwrap();
        assert_eq!(soa.zone, "example.test");
        seen.push(soa);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(
        Hickory::new().soa(lab.dns_addr(), "example.org").await.is_err(),
        "a server that refuses is no empty answer"
    );
}

#[test]
fn signatures_that_fail_or_run_out_are_warned_of_and_a_signed_zone_must_be_signed_anew() {
    let with = |signed: Option<Result<(Trust, Option<u64>), &str>>, routing: Routing| {
        let signed = signed.map(|signed| {
            signed
                .map(|(trust, holds_s)| SignedAnswer { values: Vec::new(), trust, holds_s })
                .map_err(ToOwned::to_owned)
        });
        let service = service(|service| service.dns.routing = routing);
        codes(&service, |facts| facts.signed = signed)
    };
    let (day, hours) = (Some(86_400), Some(5 * 3600));
    let failover = |signed| with(signed, Routing::Failover);
    assert_eq!(failover(Some(Ok((Trust::Secure, day)))), [""; 0], "Route 53 signs what it answers");
    assert_eq!(with(Some(Ok((Trust::Secure, day))), Routing::Simple), ["dnssec-signed"]);
    assert_eq!(with(Some(Ok((Trust::Secure, hours))), Routing::Simple), ["dnssec-expiring"]);
    assert_eq!(failover(Some(Ok((Trust::Bogus("ran out".to_owned()), None)))), ["dnssec-bogus"]);
    assert_eq!(failover(Some(Ok((Trust::Unknown("silence".to_owned()), None)))), ["unchecked"]);
    assert_eq!(failover(Some(Err("silence"))), ["unchecked"]);
    assert_eq!(failover(Some(Ok((Trust::Insecure("no DS".to_owned()), None)))), [""; 0]);
    assert_eq!(failover(None), [""; 0]);
}
