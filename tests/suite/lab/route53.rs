//! The API, as the official client sees it.

use std::net::TcpListener;
use std::time::Duration;

use aws_sdk_route53::types::ChangeAction::{Create, Delete, Upsert};
use aws_sdk_route53::types::{ChangeStatus, ResourceRecord, ResourceRecordSet, ResourceRecordSetFailover, RrType};
use quorate::lab::{Delivery, FaultChange, Lab, LabError, LabOptions};

use super::*;

const TOKEN: &str = "_quorate.login.example.com";
const VALUES_DIFFER: &str = "but the values provided do not match the current values";

#[tokio::test]
async fn a_swap_with_the_present_value_is_applied_whole() {
    let bench = Bench::new().await;
    bench.change(vec![txt(Create, TOKEN, "e=1;s=1"), a(Create, "login.example.com", 30, "192.0.2.1")]).await.unwrap();
    bench
        .change(vec![
            txt(Delete, TOKEN, "e=1;s=1"),
            txt(Create, TOKEN, "e=1;s=2"),
            a(Delete, "login.example.com", 30, "192.0.2.1"),
            a(Create, "login.example.com", 30, "198.51.100.1"),
        ])
        .await
        .unwrap();
    assert_eq!(
        bench.listed().await,
        ["login.example.com. A 198.51.100.1", "_quorate.login.example.com. TXT \"e=1;s=2\""]
    );
}

#[tokio::test]
async fn a_delete_must_match_value_ttl_and_name_exactly() {
    let bench = Bench::new().await;
    bench.change(vec![txt(Create, TOKEN, "e=1;s=1")]).await.unwrap();
    bench.change(vec![txt(Delete, TOKEN, "e=1;s=1"), txt(Create, TOKEN, "e=1;s=2")]).await.unwrap();

    let tried = format!("Tried to delete resource record set [name='{TOKEN}.', type='TXT']");
    let stale = bench.refusal(vec![txt(Delete, TOKEN, "e=1;s=1")]).await;
    assert_eq!(stale, ("InvalidChangeBatch".into(), format!("[{tried} {VALUES_DIFFER}]")), "an older valid value");

    let wrong_ttl = record_set(TOKEN, RrType::Txt, 61, "\"e=1;s=2\"");
    assert_eq!(bench.refusal(vec![change(Delete, wrong_ttl)]).await.1, format!("[{tried} {VALUES_DIFFER}]"));

    let missing = bench.refusal(vec![txt(Delete, "other.example.com", "e=1;s=2")]).await.1;
    assert!(missing.ends_with("[name='other.example.com.', type='TXT'] but it was not found]"), "{missing}");
    assert_eq!(bench.listed().await, ["_quorate.login.example.com. TXT \"e=1;s=2\""]);
}

#[tokio::test]
async fn a_lost_swap_shows_both_halves_and_changes_nothing() {
    let bench = Bench::new().await;
    bench.change(vec![txt(Create, TOKEN, "e=2;s=1"), a(Create, "login.example.com", 30, "192.0.2.1")]).await.unwrap();
    let before = bench.listed().await;
    let (code, message) = bench
        .refusal(vec![
            a(Delete, "login.example.com", 30, "192.0.2.1"),
            a(Create, "login.example.com", 30, "198.51.100.1"),
            txt(Delete, TOKEN, "e=1;s=7"),
            txt(Create, TOKEN, "e=1;s=8"),
        ])
        .await;
    assert_eq!(code, "InvalidChangeBatch");
    assert_eq!(
        message,
        format!(
            "[Tried to delete resource record set [name='{TOKEN}.', type='TXT'] {VALUES_DIFFER}, Tried to create \
             resource record set [name='{TOKEN}.', type='TXT'] but it already exists]"
        )
    );
    assert_eq!(bench.listed().await, before);
    let log = bench.lab.requests();
    let outcomes: Vec<(u16, &str)> = log.iter().map(|entry| (entry.status, entry.code)).collect();
    assert_eq!(outcomes, [(200, "OK"), (400, "InvalidChangeBatch")]);
    assert_eq!(log[1].comment.as_deref(), Some("decision d-1"));
    assert_eq!(log[1].changes[2], format!("DELETE TXT {TOKEN}. 60 \"e=1;s=7\""));
}

#[tokio::test]
async fn of_many_writers_with_one_token_exactly_one_wins() {
    let bench = Bench::new().await;
    bench.change(vec![txt(Create, TOKEN, "s=0")]).await.unwrap();
    for round in 0..5 {
        let (old, mut wins) = (format!("s={round}"), 0);
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (client, zone) = (bench.client.clone(), bench.zone.clone());
            let batch = ChangeBatch::builder()
                .changes(txt(Delete, TOKEN, &old))
                .changes(txt(Create, TOKEN, &format!("s={}", round + 1)))
                .build()
                .unwrap();
            writers.spawn(async move {
                client.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await.is_ok()
            });
        }
        while let Some(won) = writers.join_next().await {
            wins += usize::from(won.unwrap());
        }
        assert_eq!(wins, 1, "round {round}");
    }
}

#[tokio::test]
async fn an_upsert_writes_blindly_and_a_repeated_delete_is_refused() {
    let bench = Bench::new().await;
    bench.change(vec![a(Upsert, "x.example.com", 30, "192.0.2.1")]).await.unwrap();
    bench.change(vec![a(Upsert, "X.example.com.", 60, "192.0.2.2")]).await.unwrap();
    assert_eq!(bench.listed().await, ["x.example.com. A 192.0.2.2"]);
    let again = a(Delete, "x.example.com", 60, "192.0.2.2");
    let (code, message) = bench.refusal(vec![again.clone(), again]).await;
    assert_eq!(code, "InvalidChangeBatch");
    assert!(message.contains("invalid set of changes for a resource record set 'A x.example.com.'"), "{message}");
    assert_eq!(bench.listed().await, ["x.example.com. A 192.0.2.2"]);
}

#[tokio::test]
async fn failover_records_come_one_of_each_role_and_never_beside_a_simple_one() {
    let bench = Bench::new().await;
    let failover = |role, id: &str, ip: &str| {
        ResourceRecordSet::builder()
            .name("f.example.com")
            .r#type(RrType::A)
            .set_identifier(id)
            .failover(role)
            .ttl(30)
            .resource_records(ResourceRecord::builder().value(ip).build().unwrap())
            .build()
            .unwrap()
    };
    let (primary, secondary) = (ResourceRecordSetFailover::Primary, ResourceRecordSetFailover::Secondary);
    bench.change(vec![change(Create, failover(primary.clone(), "one", "192.0.2.1"))]).await.unwrap();
    let (_, twice) = bench.refusal(vec![change(Create, failover(primary.clone(), "two", "192.0.2.2"))]).await;
    assert!(twice.contains("a PRIMARY failover RRSet exists"), "{twice}");
    let (_, mixed) = bench.refusal(vec![a(Create, "f.example.com", 30, "192.0.2.3")]).await;
    assert!(mixed.contains("cannot be created as other RRSets exist with the same name and type"), "{mixed}");
    let (_, wrong_role) = bench.refusal(vec![change(Delete, failover(secondary.clone(), "one", "192.0.2.1"))]).await;
    assert!(wrong_role.contains(VALUES_DIFFER) && wrong_role.contains("set identifier='one'"), "{wrong_role}");
    bench.change(vec![change(Create, failover(secondary, "two", "192.0.2.2"))]).await.unwrap();
    assert_eq!(bench.listed().await.len(), 2);

    let without_identifier = ResourceRecordSet::builder()
        .name("g.example.com")
        .r#type(RrType::A)
        .failover(primary)
        .ttl(30)
        .resource_records(ResourceRecord::builder().value("192.0.2.1").build().unwrap())
        .build()
        .unwrap();
    assert_eq!(bench.refusal(vec![change(Create, without_identifier)]).await.0, "InvalidInput");
}

#[tokio::test]
async fn values_names_and_limits_are_checked_before_anything_changes() {
    let bench = Bench::new().await;
    let refused = [
        (vec![a(Create, "x.example.com", 30, "not-an-ip")], "InvalidChangeBatch", "not a valid IPv4"),
        (
            vec![change(Create, record_set("x.example.com", RrType::Txt, 30, "bare"))],
            "InvalidChangeBatch",
            "quotation marks",
        ),
        (vec![a(Create, "x.elsewhere.com", 30, "192.0.2.1")], "InvalidChangeBatch", "not permitted in zone"),
        (
            vec![change(Create, record_set("example.com", RrType::Cname, 30, "a.example."))],
            "InvalidChangeBatch",
            "at apex",
        ),
        (
            vec![
                a(Create, "x.example.com", 30, "192.0.2.1"),
                change(Create, record_set("x.example.com", RrType::Cname, 30, "a.example.")),
            ],
            "InvalidChangeBatch",
            "conflicts with other records",
        ),
        (
            (0..1_001).map(|n| a(Create, &format!("n{n}.example.com"), 30, "192.0.2.1")).collect(),
            "InvalidChangeBatch",
            "limit of 1000",
        ),
        (
            (0..501).map(|n| a(Upsert, &format!("n{n}.example.com"), 30, "192.0.2.1")).collect(),
            "InvalidChangeBatch",
            "limit of 1000",
        ),
        (
            (0..160).map(|n| txt(Create, &format!("n{n}.example.com"), &"x".repeat(200))).collect(),
            "InvalidChangeBatch",
            "limit of 32000",
        ),
    ];
    for (changes, code, words) in refused {
        let (got, message) = bench.refusal(changes).await;
        assert_eq!(got, code, "{message}");
        assert!(message.contains(words), "{message}");
    }
    let batch = ChangeBatch::builder()
        .changes(a(Create, "x.example.com", 30, "192.0.2.1"))
        .comment("x".repeat(257))
        .build()
        .unwrap();
    let long =
        bench.client.change_resource_record_sets().hosted_zone_id(&bench.zone).change_batch(batch).send().await;
    assert!(long.unwrap_err().into_service_error().is_invalid_input());
    assert_eq!(bench.listed().await, [""; 0]);
}

#[tokio::test]
async fn listing_is_ordered_by_reversed_labels_and_pages_without_loss() {
    let bench = Bench::new().await;
    let names = ["b", "a.b", "*", "a", "b-c", "_q.a"];
    let mut changes: Vec<Change> =
        names.iter().map(|name| a(Create, &format!("{name}.example.com"), 30, "192.0.2.1")).collect();
    changes.push(txt(Create, "a.example.com", "t"));
    bench.change(changes).await.unwrap();
    let all = [
        "example.com. NS",
        "example.com. SOA",
        "\\052.example.com. A",
        "a.example.com. A",
        "a.example.com. TXT",
        "_q.a.example.com. A",
        "b-c.example.com. A",
        "b.example.com. A",
        "a.b.example.com. A",
    ];
    let (mut listed, mut pages) = (Vec::new(), 0);
    let mut request = bench.client.list_resource_record_sets().hosted_zone_id(&bench.zone).max_items(2);
    loop {
        let page = request.send().await.unwrap();
        pages += 1;
        listed.extend(page.resource_record_sets().iter().map(|set| format!("{} {}", set.name(), set.r#type())));
        if !page.is_truncated() {
            break;
        }
        request = bench
            .client
            .list_resource_record_sets()
            .hosted_zone_id(&bench.zone)
            .max_items(2)
            .set_start_record_name(page.next_record_name().map(str::to_owned))
            .set_start_record_type(page.next_record_type().cloned())
            .set_start_record_identifier(page.next_record_identifier().map(str::to_owned));
    }
    assert_eq!((listed, pages), (all.map(str::to_owned).to_vec(), 5));

    let from = bench.client.list_resource_record_sets().hosted_zone_id(&bench.zone);
    let from = from.start_record_name("a.example.com").start_record_type(RrType::Txt).max_items(1);
    let first = from.send().await.unwrap();
    assert_eq!(first.resource_record_sets()[0].r#type(), &RrType::Txt);
    let lone_type = bench.client.list_resource_record_sets().hosted_zone_id(&bench.zone);
    let lone_type = lone_type.start_record_type(RrType::Txt).send().await;
    assert!(lone_type.unwrap_err().into_service_error().is_invalid_input());
}

#[tokio::test]
async fn a_change_is_pending_until_it_has_propagated_and_listed_at_once() {
    let bench = Bench::with(LabOptions { propagation: NEVER, ..LabOptions::default() }).await;
    let made = bench.change(vec![a(Create, "x.example.com", 30, "192.0.2.1")]).await.unwrap();
    let info = made.change_info().unwrap();
    assert_eq!((info.status(), info.comment()), (&ChangeStatus::Pending, Some("decision d-1")));
    assert_eq!(bench.listed().await, ["x.example.com. A 192.0.2.1"]);
    let status = bench.client.get_change().id(info.id()).send().await.unwrap();
    assert_eq!(status.change_info().unwrap().status(), &ChangeStatus::Pending);

    let quick = Bench::with(LabOptions { propagation: Duration::from_millis(30), ..LabOptions::default() }).await;
    let made = quick.change(vec![a(Create, "x.example.com", 30, "192.0.2.1")]).await.unwrap();
    let id = made.change_info().unwrap().id();
    while quick.client.get_change().id(id).send().await.unwrap().change_info().unwrap().status()
        != &ChangeStatus::Insync
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let unknown = quick.client.get_change().id("C0").send().await.unwrap_err().into_service_error();
    assert!(unknown.is_no_such_change());
}

#[tokio::test]
async fn a_stranded_change_stays_pending_and_the_next_one_does_not() {
    let bench = Bench::new().await;
    bench.faults(FaultChange { stranded: Some(1), ..FaultChange::default() });
    let stranded = bench.change(vec![txt(Create, TOKEN, "s=1")]).await.unwrap();
    let next = bench.change(vec![a(Create, "x.example.com", 30, "192.0.2.1")]).await.unwrap();
    let status = async |id: &str| {
        bench.client.get_change().id(id).send().await.unwrap().change_info().unwrap().status().clone()
    };
    assert_eq!(status(stranded.change_info().unwrap().id()).await, ChangeStatus::Pending);
    assert_eq!(status(next.change_info().unwrap().id()).await, ChangeStatus::Insync);
}

#[tokio::test]
async fn faults_arrive_in_the_client_as_the_errors_they_are() {
    let bench = Bench::new().await;
    let one = || vec![a(Create, "x.example.com", 30, "192.0.2.1")];
    bench.faults(FaultChange { throttle: Some(1), ..FaultChange::default() });
    assert_eq!(bench.refusal(one()).await, ("Throttling".into(), "Rate exceeded".into()));

    bench.faults(FaultChange { prior_request_not_complete: Some(1), ..FaultChange::default() });
    let error = bench.change(one()).await.unwrap_err().into_service_error();
    assert!(error.is_prior_request_not_complete());

    bench.faults(FaultChange { unavailable: Some(1), ..FaultChange::default() });
    let error = bench.change(one()).await.unwrap_err();
    assert_eq!(error.raw_response().map(|response| response.status().as_u16()), Some(503));
    assert_eq!(bench.listed().await, [""; 0], "none of them had an effect");
    bench.change(one()).await.unwrap();
    assert!(bench.lab.requests().iter().all(|entry| entry.changes == ["CREATE A x.example.com. 30 192.0.2.1"]));
}

#[tokio::test]
async fn a_lost_answer_belongs_to_a_change_that_was_applied() {
    let bench = Bench::new().await;
    bench.faults(FaultChange { lose_answer: Some(1), ..FaultChange::default() });
    let error = bench.change(vec![txt(Create, TOKEN, "s=1")]).await.unwrap_err();
    assert!(error.raw_response().is_none(), "{error:?}");
    assert_eq!(bench.listed().await, ["_quorate.login.example.com. TXT \"s=1\""]);
    let log = bench.lab.requests();
    assert_eq!((log.len(), log[0].status, log[0].answered), (1, 200, false));
}

#[tokio::test]
async fn a_duplicate_of_a_swap_is_refused_now_and_later() {
    let bench = Bench::new().await;
    bench.change(vec![txt(Create, TOKEN, "s=1")]).await.unwrap();
    bench.faults(FaultChange { duplicate_delivery: Some(1), ..FaultChange::default() });
    bench.change(vec![txt(Delete, TOKEN, "s=1"), txt(Create, TOKEN, "s=2")]).await.unwrap();
    bench.faults(FaultChange { duplicate_delivery: Some(1), duplicate_after_ms: Some(10), ..FaultChange::default() });
    bench.change(vec![txt(Delete, TOKEN, "s=2"), txt(Create, TOKEN, "s=3")]).await.unwrap();
    while bench.lab.requests().len() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let duplicates: Vec<u16> = bench
        .lab
        .requests()
        .iter()
        .filter(|entry| entry.delivery == Delivery::Duplicate)
        .map(|entry| entry.status)
        .collect();
    assert_eq!(duplicates, [400, 400]);
    assert_eq!(bench.listed().await, ["_quorate.login.example.com. TXT \"s=3\""]);
}

#[tokio::test]
async fn zones_are_created_once_listed_in_pages_and_found_by_id_only() {
    let bench = Bench::new().await;
    let create = |reference: &str| {
        bench.client.create_hosted_zone().name("Second.example.").caller_reference(reference).send()
    };
    let made = create("ref-1").await.unwrap();
    assert_eq!(made.hosted_zone().unwrap().name(), "second.example.");
    assert!(create("ref-1").await.unwrap_err().into_service_error().is_hosted_zone_already_exists());

    let id = made.hosted_zone().unwrap().id();
    let zone = bench.client.get_hosted_zone().id(id).send().await.unwrap();
    assert_eq!(zone.delegation_set().unwrap().name_servers().len(), 2);
    assert_eq!(zone.hosted_zone().unwrap().resource_record_set_count(), Some(2));

    let first = bench.client.list_hosted_zones().max_items(1).send().await.unwrap();
    assert!(first.is_truncated());
    let second = bench.client.list_hosted_zones().set_marker(first.next_marker().map(str::to_owned));
    let second = second.send().await.unwrap();
    assert_eq!((first.hosted_zones().len(), second.hosted_zones().len()), (1, 1));

    let missing = bench.client.get_hosted_zone().id("Z0").send().await.unwrap_err().into_service_error();
    assert!(missing.is_no_such_hosted_zone());
}

#[tokio::test]
async fn what_is_not_the_documented_xml_is_refused() {
    let bench = Bench::new().await;
    let url = format!("{}/2013-04-01/hostedzone/{}/rrset/", bench.lab.api_url(), bench.zone);
    let post = async |body: String| {
        let answer = reqwest::Client::new().post(&url).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let document = |set: &str| {
        format!(
            "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch>\
             <Changes><Change><Action>CREATE</Action><ResourceRecordSet>{set}</ResourceRecordSet></Change></Changes>\
             </ChangeBatch></ChangeResourceRecordSetsRequest>"
        )
    };
    let value = "<ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>";
    let head = "<Name>x.example.com</Name><Type>A</Type>";
    for (set, detail) in [
        (format!("{head}<TTL>60</TTL><TTL>60</TTL>{value}"), "element 'TTL' twice"),
        (format!("{head}<TTL>60</TTL>{value}<Colour>red</Colour>"), "unknown element 'Colour'"),
        (format!("{head}<Weight>1</Weight><TTL>60</TTL>{value}"), "does not serve 'Weight'"),
        (format!("{head}{value}"), "Expected exactly one of"),
    ] {
        let (status, body) = post(document(&set)).await;
        assert_eq!(status, 400, "{body}");
        assert!(body.contains("<Code>InvalidInput</Code>") && body.contains("<RequestId>"), "{body}");
        assert!(body.replace("&apos;", "'").contains(detail), "{body}");
    }
    assert_eq!(post("<open".to_owned()).await.0, 400);
    // In the order of clients that sort by name.
    let (status, body) =
        post(document(&format!("{value}<TTL>60</TTL><Type>A</Type><Name>x.example.com</Name>"))).await;
    assert_eq!(status, 200, "the path with a trailing slash works: {body}");
}

#[tokio::test]
async fn the_switchboard_refuses_what_it_does_not_know() {
    let bench = Bench::new().await;
    let (http, url) = (reqwest::Client::new(), format!("{}/lab/faults", bench.lab.api_url()));
    let post = async |body: &'static str| http.post(&url).body(body).send().await.unwrap();
    assert_eq!(post(r#"{"throtle":1}"#).await.status(), 400);
    assert_eq!(post(r#"{"throttle":2,"propagation_ms":7}"#).await.status(), 200);
    let state: serde_json::Value = http.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&state["throttle"], &state["propagation_ms"], &state["lose_answer"]),
        (&2.into(), &7.into(), &0.into())
    );
    let log = http.get(format!("{}/lab/requests", bench.lab.api_url())).send().await.unwrap();
    assert_eq!(log.json::<Vec<serde_json::Value>>().await.unwrap().len(), 0);
}

#[tokio::test]
async fn an_address_in_use_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Lab::start(LabOptions { api: address, ..LabOptions::default() }).await.unwrap_err();
    assert!(matches!(error, LabError::AddressInUse { .. }));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("give another address"), "{text}");
}

#[tokio::test]
async fn a_lab_that_was_shut_down_leaves_its_ports_free() {
    let bench = Bench::new().await;
    let (url, dns) = (bench.lab.api_url(), bench.lab.dns_addr());
    let api = url.trim_start_matches("http://").parse().unwrap();
    bench.listed().await;
    bench.lab.shutdown().await;
    assert!(reqwest::get(&url).await.is_err());
    let again = Lab::start(LabOptions { api, dns, ..LabOptions::default() }).await.unwrap();
    assert_eq!((again.api_url(), again.dns_addr()), (url, dns));
}
