//! Health checks that probe, and the failover answers that follow them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_route53::types::ChangeAction::Create;
use aws_sdk_route53::types::{
    HealthCheckConfig, HealthCheckType, ResourceRecord, ResourceRecordSet, ResourceRecordSetFailover, RrType,
};
use hickory_proto::rr::RecordType;
use quorate::domain::Secret;
use quorate::lab::LabOptions;
use quorate::lab::cloud::{Cloud, CloudOptions};

use super::dns::{answers, ask};
use super::*;

async fn cloud() -> Cloud {
    Cloud::start(CloudOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        name: "one".to_owned(),
        users: BTreeMap::new(),
        admin_key: Secret::new("key"),
    })
    .await
    .unwrap()
}

fn http_check(cloud: &Cloud) -> HealthCheckConfig {
    HealthCheckConfig::builder()
        .r#type(HealthCheckType::Http)
        .ip_address("127.0.0.1")
        .port(cloud.addr().port().into())
        .resource_path("/healthz")
        .request_interval(10)
        .failure_threshold(2)
        .build()
        .unwrap()
}

async fn create(bench: &Bench, reference: &str, config: HealthCheckConfig) -> Result<String, String> {
    let request = bench.client.create_health_check().caller_reference(reference).health_check_config(config);
    match request.send().await {
        Ok(made) => Ok(made.health_check().unwrap().id().to_owned()),
        Err(error) => Err(error.into_service_error().code().unwrap().to_owned()),
    }
}

#[tokio::test]
async fn the_answer_follows_the_primarys_check_there_and_back() {
    let quick = Some(Duration::from_millis(10));
    let options = LabOptions { propagation: Duration::ZERO, health_check_interval: quick, ..LabOptions::default() };
    let (bench, cloud) = (Bench::with(options).await, cloud().await);
    let check = create(&bench, "check-1", http_check(&cloud)).await.unwrap();
    let set = |role, id: &str, ip: &str, check: Option<&String>| {
        let set = ResourceRecordSet::builder()
            .name("f.example.com")
            .r#type(RrType::A)
            .set_identifier(id)
            .failover(role)
            .ttl(30)
            .resource_records(ResourceRecord::builder().value(ip).build().unwrap())
            .set_health_check_id(check.cloned())
            .build();
        change(Create, set.unwrap())
    };
    let primary = set(ResourceRecordSetFailover::Primary, "one", "192.0.2.1", Some(&check));
    let secondary = set(ResourceRecordSetFailover::Secondary, "two", "192.0.2.2", None);
    bench.change(vec![primary, secondary]).await.unwrap();

    let http = reqwest::Client::new();
    let down = async |down: bool| {
        let body = format!("{{\"down\":{down}}}");
        http.post(format!("{}/lab/faults", cloud.url())).body(body).send().await.unwrap();
    };
    let until = async |wanted: &str| {
        while answers(&ask(bench.lab.dns_addr(), "f.example.com.", RecordType::A).await) != [wanted] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    until("A 192.0.2.1").await;
    down(true).await;
    until("A 192.0.2.2").await;
    let status = bench.client.get_health_check_status().health_check_id(&check).send().await.unwrap();
    let report = status.health_check_observations()[0].status_report().unwrap();
    assert!(report.status().unwrap().starts_with("Failure"), "{report:?}");
    down(false).await;
    until("A 192.0.2.1").await;
}

#[tokio::test]
async fn a_check_is_made_once_and_its_reference_never_used_again() {
    let (bench, cloud) = (Bench::new().await, cloud().await);
    let first = create(&bench, "ref", http_check(&cloud)).await.unwrap();
    assert_eq!(create(&bench, "ref", http_check(&cloud)).await, Ok(first.clone()));
    let found = bench.client.get_health_check().health_check_id(&first).send().await.unwrap();
    let config = found.health_check().unwrap().health_check_config().unwrap();
    assert_eq!((config.failure_threshold(), config.resource_path()), (Some(2), Some("/healthz")));
    bench.client.delete_health_check().health_check_id(&first).send().await.unwrap();
    assert_eq!(create(&bench, "ref", http_check(&cloud)).await, Err("HealthCheckAlreadyExists".to_owned()));
    let gone = bench.client.get_health_check().health_check_id(&first).send().await;
    assert!(gone.unwrap_err().into_service_error().is_no_such_health_check());
}

#[tokio::test]
async fn a_check_of_an_unknown_id_is_refused() {
    let bench = Bench::new().await;
    let mut set = record_set("x.example.com", RrType::A, 30, "192.0.2.1");
    set.health_check_id = Some("nobody".to_owned());
    assert_eq!(bench.refusal(vec![change(Create, set)]).await.0, "NoSuchHealthCheck");
}

#[tokio::test]
async fn an_inverted_match_of_a_flag_is_healthy_until_the_flag_is_there() {
    let options = LabOptions { health_check_interval: Some(Duration::from_millis(10)), ..LabOptions::default() };
    let (bench, cloud) = (Bench::with(options).await, cloud().await);
    let flag = |text: &str| {
        HealthCheckConfig::builder()
            .r#type(HealthCheckType::HttpStrMatch)
            .ip_address("127.0.0.1")
            .port(cloud.addr().port().into())
            .resource_path("/login")
            .search_string(text)
            .inverted(true)
            .request_interval(10)
            .failure_threshold(1)
            .build()
            .unwrap()
    };
    let (absent, present) = (
        create(&bench, "absent", flag("no such phrase")).await.unwrap(),
        create(&bench, "present", flag("csrf_token")).await.unwrap(),
    );
    let calculated = HealthCheckConfig::builder()
        .r#type(HealthCheckType::Calculated)
        .set_child_health_checks(Some(vec![absent.clone(), present.clone()]))
        .health_threshold(2)
        .build()
        .unwrap();
    let both = create(&bench, "both", calculated).await.unwrap();
    let set = |name: &str, role, check: Option<&String>, ip: &str| {
        let set = ResourceRecordSet::builder()
            .name(name)
            .r#type(RrType::A)
            .set_identifier(ip)
            .failover(role)
            .ttl(30)
            .resource_records(ResourceRecord::builder().value(ip).build().unwrap())
            .set_health_check_id(check.cloned());
        change(Create, set.build().unwrap())
    };
    bench.faults(quorate::lab::FaultChange { propagation_ms: Some(0), ..Default::default() });
    let mut changes = Vec::new();
    for (name, check) in [("a.example.com", &absent), ("p.example.com", &present), ("b.example.com", &both)] {
        changes.push(set(name, ResourceRecordSetFailover::Primary, Some(check), "192.0.2.1"));
        changes.push(set(name, ResourceRecordSetFailover::Secondary, None, "192.0.2.2"));
    }
    bench.change(changes).await.unwrap();
    let until = async |name: &str, wanted: &str| {
        while answers(&ask(bench.lab.dns_addr(), name, RecordType::A).await) != [wanted] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    until("p.example.com.", "A 192.0.2.2").await;
    until("b.example.com.", "A 192.0.2.2").await;
    until("a.example.com.", "A 192.0.2.1").await;
}
