//! Aliases, failover over the wire, and what a batch may not do: protections, limits of the account, older errors.

use std::time::Duration;

use aws_sdk_route53::types::ChangeAction::{Create, Delete, Upsert};
use aws_sdk_route53::types::{AliasTarget, ResourceRecordSet, ResourceRecordSetFailover, RrType};
use hickory_proto::rr::RecordType;
use quorate::lab::FaultChange;

use super::dns::{answers, ask};
use super::*;

const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

fn alias(name: &str, zone: &str, target: &str) -> aws_sdk_route53::types::builders::ResourceRecordSetBuilder {
    let target = AliasTarget::builder().hosted_zone_id(zone).dns_name(target).evaluate_target_health(true).build();
    ResourceRecordSet::builder().name(name).r#type(RrType::A).alias_target(target.unwrap())
}

#[tokio::test]
async fn an_alias_needs_its_target_and_answers_with_what_that_has_now() {
    let bench = Bench::new().await;
    bench.lab.create_zone_as("ZLOADBALANCERS", "elb.test").unwrap();
    bench.lab.create_record("ZLOADBALANCERS", "one.elb.test", "A", 7, &["192.0.2.7"]).unwrap();
    let create =
        |set: aws_sdk_route53::types::builders::ResourceRecordSetBuilder| change(Create, set.build().unwrap());
    for (zone, target, trouble) in [
        ("ZLOADBALANCERS", "two.elb.test", "but that target was not found"),
        ("ZLOADBALANCERS", "one.elb.example", "does not lie within the target zone"),
        ("ZNOBODYS", "one.elb.test", "does not lie within the target zone"),
        (bench.zone.as_str(), "www.example.com", "but that target was not found"),
    ] {
        let (code, message) = bench.refusal(vec![create(alias("www.example.com", zone, target))]).await;
        assert_eq!(code, "InvalidChangeBatch");
        let tried = format!("Tried to create an alias that targets {target}., type A in zone {zone}");
        assert!(message.contains(&tried) && message.contains(trouble), "{message}");
    }
    bench
        .change(vec![
            create(alias("www.example.com", "ZLOADBALANCERS", "One.ELB.test.")),
            create(alias("again.example.com", &bench.zone, "www.example.com")),
        ])
        .await
        .unwrap();
    for name in ["www.example.com.", "again.example.com."] {
        let message = ask(bench.lab.dns_addr(), name, RecordType::A).await;
        assert_eq!((answers(&message), message.answers[0].ttl), (vec!["A 192.0.2.7".to_owned()], 7));
        assert_eq!(message.answers[0].name.to_string(), name);
    }
    let page = bench.client.list_resource_record_sets().hosted_zone_id(&bench.zone).send().await.unwrap();
    let listed = page.resource_record_sets().iter().find(|set| set.name() == "www.example.com.").unwrap();
    let target = listed.alias_target().unwrap();
    assert_eq!((target.dns_name(), listed.ttl(), listed.resource_records().len()), ("one.elb.test.", None, 0));

    // A DELETE names the alias exactly, too.
    let delete = |target: AliasTarget| {
        let set = ResourceRecordSet::builder().name("www.example.com").r#type(RrType::A).alias_target(target);
        change(Delete, set.build().unwrap())
    };
    let mut other = target.clone();
    other.evaluate_target_health = false;
    let (_, message) = bench.refusal(vec![delete(other)]).await;
    assert!(message.contains("but the values provided do not match the current values"), "{message}");
    bench.change(vec![delete(target.clone())]).await.unwrap();
    let orphan = ask(bench.lab.dns_addr(), "again.example.com.", RecordType::A).await;
    assert_eq!(answers(&orphan), [""; 0], "its target is gone");
}

#[tokio::test]
async fn a_failover_alias_evaluates_its_target_and_has_neither_ttl_nor_values() {
    let bench = Bench::new().await;
    bench.change(vec![a(Create, "one.example.com", 30, "192.0.2.1")]).await.unwrap();
    let pair = |set: aws_sdk_route53::types::builders::ResourceRecordSetBuilder| {
        set.set_identifier("one").failover(ResourceRecordSetFailover::Primary)
    };
    let target =
        AliasTarget::builder().hosted_zone_id(&bench.zone).dns_name("one.example.com").evaluate_target_health(false);
    let blind = pair(alias("f.example.com", &bench.zone, "one.example.com")).alias_target(target.build().unwrap());
    let (code, message) = bench.refusal(vec![change(Create, blind.build().unwrap())]).await;
    assert_eq!(code, "InvalidInput");
    assert!(message.contains("EvaluateTargetHealth"), "{message}");
    let both = alias("x.example.com", &bench.zone, "one.example.com").ttl(30).build().unwrap();
    let (_, message) = bench.refusal(vec![change(Create, both)]).await;
    assert!(message.contains("but found more than one"), "{message}");
    let set = pair(alias("f.example.com", &bench.zone, "one.example.com")).build().unwrap();
    bench.change(vec![change(Create, set)]).await.unwrap();
    let message = ask(bench.lab.dns_addr(), "f.example.com.", RecordType::A).await;
    assert_eq!(answers(&message), ["A 192.0.2.1"]);
}

#[tokio::test]
async fn a_protected_name_and_type_refuses_every_change_until_the_protection_is_gone() {
    let bench = Bench::new().await;
    bench.change(vec![a(Create, "x.example.com", 30, "192.0.2.1"), txt(Create, "x.example.com", "t")]).await.unwrap();
    let http = reqwest::Client::new();
    let url = format!("{}/2013-04-01/hostedzone/{}/rrsetprotection", bench.lab.api_url(), bench.zone);
    // The SDK of this version does not know these calls yet.
    let post = async |path: &str, root: &str, item: &str, entries: &[(&str, &str, &str)]| {
        let entries: String = entries
            .iter()
            .map(|(name, kind, comment)| {
                let comment =
                    if comment.is_empty() { String::new() } else { format!("<Comment>{comment}</Comment>") };
                format!("<{item}><RecordName>{name}</RecordName><RecordType>{kind}</RecordType>{comment}</{item}>")
            })
            .collect();
        let body = format!("<{root} xmlns=\"{NAMESPACE}\"><Protections>{entries}</Protections></{root}>");
        let answer = http.post(format!("{url}{path}")).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let protect = async |entries: &[(&str, &str, &str)]| {
        let item = "ResourceRecordSetProtectionConfig";
        post("", "CreateResourceRecordSetProtectionsRequest", item, entries).await
    };
    let release = async |entries: &[(&str, &str, &str)]| {
        post("/delete", "DeleteResourceRecordSetProtectionsRequest", "ResourceRecordSetProtectionKey", entries).await
    };
    let (status, body) = protect(&[("x.example.com", "A", "frozen by ana"), ("new.example.com", "A", "")]).await;
    assert_eq!(status, 200, "{body}");
    let listed = http.get(format!("{url}?maxresults=1")).send().await.unwrap().text().await.unwrap();
    assert!(
        listed.contains("<RecordName>new.example.com.</RecordName>") && listed.contains("<NextToken>"),
        "{listed}"
    );
    let token = listed.split("<NextToken>").nth(1).unwrap().split('<').next().unwrap();
    let rest = http.get(&url).query(&[("nexttoken", token)]).send().await.unwrap().text().await.unwrap();
    assert!(rest.contains("<Comment>frozen by ana</Comment>") && !rest.contains("NextToken"), "{rest}");

    for changes in [
        vec![a(Delete, "x.example.com", 30, "192.0.2.1")],
        vec![a(Upsert, "X.example.com", 30, "192.0.2.2")],
        vec![txt(Create, "y.example.com", "innocent"), a(Create, "new.example.com", 30, "192.0.2.2")],
    ] {
        let (code, message) = bench.refusal(changes).await;
        assert_eq!(code, "InvalidChangeBatch");
        assert!(message.contains("but it is protected"), "{message}");
    }
    let (_, message) = bench.refusal(vec![a(Delete, "x.example.com", 30, "192.0.2.1")]).await;
    assert!(message.contains("frozen by ana"), "{message}");
    bench.change(vec![txt(Delete, "x.example.com", "t")]).await.unwrap();

    let (status, body) = protect(&[("x.example.com", "A", ""), ("new.example.com", "A", "")]).await;
    assert!(status == 409 && body.contains("<Code>ProtectionAlreadyExists</Code>"), "{body}");
    let (status, body) = protect(&[("x.example.com", "A", ""), ("other.example.com", "A", "")]).await;
    assert!(status == 400 && body.contains("InvalidResourceRecordSetProtectionBatch"), "{body}");
    let (status, body) = protect(&[("x.example.com", "A", ""), ("x.elsewhere.com", "A", "")]).await;
    assert!(status == 400 && body.contains("<RecordName>x.elsewhere.com</RecordName>"), "{body}");
    assert!(!body.contains("<RecordName>x.example.com</RecordName>"), "only what is invalid is told: {body}");
    let (status, body) = release(&[("x.example.com", "A", ""), ("nobody.example.com", "A", "")]).await;
    assert!(status == 400 && body.contains("<Code>ProtectionNotFound</Code>"), "{body}");
    assert_eq!(release(&[("x.example.com", "A", ""), ("new.example.com", "A", "")]).await.0, 200);
    bench.change(vec![a(Delete, "x.example.com", 30, "192.0.2.1")]).await.unwrap();
}

#[tokio::test]
async fn a_refused_batch_in_the_older_form_lists_the_same_messages() {
    let bench = Bench::new().await;
    bench.faults(FaultChange { batch_errors_as_list: Some(true), ..FaultChange::default() });
    let error = bench.change(vec![txt(Delete, "x.example.com", "t")]).await.unwrap_err();
    let raw = error.raw_response().unwrap();
    assert_eq!(raw.status().as_u16(), 400);
    let body = String::from_utf8_lossy(raw.body().bytes().unwrap()).into_owned();
    assert!(
        body.contains("<InvalidChangeBatch xmlns=") && body.contains("<Messages><Message>Tried to delete"),
        "{body}"
    );
}

#[tokio::test]
async fn more_than_five_requests_a_second_are_throttled_and_have_no_effect() {
    let bench = Bench::new().await;
    bench.faults(FaultChange { requests_per_second: Some(5), ..FaultChange::default() });
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..40 {
        let (client, zone) = (bench.client.clone(), bench.zone.clone());
        let change = a(Create, &format!("n{number}.example.com"), 30, "192.0.2.1");
        let batch = ChangeBatch::builder().changes(change).build().unwrap();
        writers.spawn(async move {
            let change = client.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await;
            change.map(|_| ()).map_err(|error| error.into_service_error().code().unwrap().to_owned())
        });
    }
    let (mut made, mut throttled) = (0, 0);
    while let Some(result) = writers.join_next().await {
        match result.unwrap() {
            Ok(()) => made += 1,
            Err(code) => {
                assert_eq!(code, "Throttling");
                throttled += 1;
            }
        }
    }
    // However long the forty took, most of them came within the same second.
    assert!(made >= 5 && throttled > 0, "{made} made, {throttled} throttled");
    bench.faults(FaultChange { requests_per_second: Some(0), ..FaultChange::default() });
    assert_eq!(bench.listed().await.len(), made);
}

#[tokio::test]
async fn a_missing_permission_names_the_call_and_the_zone() {
    let bench = Bench::new().await;
    bench.faults(FaultChange { access_denied: Some(1), ..FaultChange::default() });
    let (code, message) = bench.refusal(vec![txt(Create, "x.example.com", "t")]).await;
    assert_eq!(code, "AccessDenied");
    let arn = format!("route53:ChangeResourceRecordSets on resource: arn:aws:route53:::hostedzone/{}", bench.zone);
    assert!(message.contains(&arn), "{message}");
    assert_eq!(bench.listed().await, [""; 0]);
}

#[tokio::test]
async fn a_zone_that_is_deleted_is_served_until_that_has_propagated() {
    let bench = Bench::new().await;
    bench.change(vec![a(Create, "x.example.com", 30, "192.0.2.1")]).await.unwrap();
    let delete = || bench.client.delete_hosted_zone().id(&bench.zone).send();
    assert!(delete().await.unwrap_err().into_service_error().is_hosted_zone_not_empty());
    bench.change(vec![a(Delete, "x.example.com", 30, "192.0.2.1")]).await.unwrap();
    bench.faults(FaultChange { propagation_ms: Some(300), ..FaultChange::default() });
    let change = delete().await.unwrap().change_info().unwrap().id().to_owned();
    let gone = bench.client.get_hosted_zone().id(&bench.zone).send().await.unwrap_err();
    assert!(gone.into_service_error().is_no_such_hosted_zone());
    let in_sync = async {
        loop {
            let code = ask(bench.lab.dns_addr(), "example.com.", RecordType::SOA).await.metadata.response_code;
            let info = bench.client.get_change().id(&change).send().await.unwrap().change_info().unwrap().clone();
            if info.status() == &aws_sdk_route53::types::ChangeStatus::Insync {
                break;
            }
            assert_eq!(code, hickory_proto::op::ResponseCode::NoError);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), in_sync).await.unwrap();
    let after = ask(bench.lab.dns_addr(), "example.com.", RecordType::SOA).await;
    assert_eq!(after.metadata.response_code, hickory_proto::op::ResponseCode::Refused);
}
