//! A controller's start: which epoch it takes, and that every zone is fenced under it.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_route53::types as sdk;
use quorate::adapters::clock::SystemClock;
use quorate::adapters::notify::Notifiers;
use quorate::adapters::resolver::Hickory;
use quorate::adapters::route53::Route53;
use quorate::adapters::script::RhaiRunner;
use quorate::adapters::sqlite::SqliteStore;
use quorate::adapters::standby_http::StandbyHttp;
use quorate::config::{Notify, ServiceConfig};
use quorate::domain::{ClusterName, Limits, OwnedRecords, Secret, Service, ServiceName};
use quorate::lab::{Lab, LabOptions};
use quorate::runtime::controller::{Handle, Managed, Ports, Setup, start};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dns_world::{console, record};

/// The demo's service under another name, in a zone of its own.
fn service(lab: &Lab, cluster: &ClusterName, name: &str) -> Managed {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/demo/quorate.toml");
    let ServiceConfig { mut service, read_only, .. } =
        quorate::config::load(config.as_ref()).unwrap().config.services.remove(0);
    service.name = ServiceName::new(name).unwrap();
    service.dns.name = format!("{name}.takeover.test");
    service.dns.zone = lab.seed_service(cluster, &service).unwrap();
    let clock = Arc::new(SystemClock::new());
    let standby =
        StandbyHttp::new(&service.standby.name, read_only.url, read_only.write_probe, read_only.key, clock).unwrap();
    let dns = Arc::new(Route53::at(&lab.api_url().parse().unwrap(), "key", &Secret::new("secret")));
    Managed { service, standby: Arc::new(standby), primary: None, dns, homes: Vec::new(), flag: None }
}

/// Writes a service's mark by hand.
async fn write_mark(lab: &Lab, service: &Service, token: &str) {
    let name = OwnedRecords::mark_name(&service.dns.name);
    let set = record(&name, sdk::RrType::Txt, 30, &format!("\"{token}\"")).build().unwrap();
    let change = sdk::Change::builder().action(sdk::ChangeAction::Upsert).resource_record_set(set).build().unwrap();
    let batch = sdk::ChangeBatch::builder().changes(change).build().unwrap();
    let console = console(&lab.api_url());
    console.change_resource_record_sets().hosted_zone_id(&service.dns.zone).change_batch(batch).send().await.unwrap();
}

/// Waits until the services' tokens are as wanted.
async fn until_tokens(controller: &Handle, wanted: impl Fn(&[Option<String>]) -> bool) {
    let seen = async {
        loop {
            let known = controller.explain(None).await.unwrap();
            if wanted(&known.into_iter().map(|service| service.token).collect::<Vec<_>>()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen).await.expect("the tokens become as wanted");
}

#[tokio::test]
async fn a_zone_that_turns_out_to_be_ahead_raises_the_epoch_of_every_zone() {
    late_zone("v1;c=demo;e=7;s=3;t=primary;d=-", ";e=8;").await;
}

/// The model found this one: without it, a store that was restored and a zone that was silent give one epoch to two controllers (S6).
#[tokio::test]
async fn a_zone_that_turns_out_to_be_at_the_very_epoch_that_was_chosen_raises_it_too() {
    late_zone("v1;c=demo;e=1;s=3;t=primary;d=-", ";e=2;").await;
}

/// A start while a zone cannot be read, which then shows this mark: every zone must come to the epoch that is wanted.
async fn late_zone(mark: &str, wanted: &str) {
    let lab = Lab::start(LabOptions { propagation: Duration::ZERO, ..LabOptions::default() }).await.unwrap();
    let cluster = ClusterName::new("demo").unwrap();
    let services = vec![service(&lab, &cluster, "ahead"), service(&lab, &cluster, "behind")];
    let ahead = services[0].service.clone();
    // When the epoch is chosen, nobody can tell how far this zone is.
    write_mark(&lab, &ahead, "somebody is editing this").await;

    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("quorate.db")).unwrap());
    let ports = Ports {
        clock: Arc::new(SystemClock::new()),
        resolver: Arc::new(Hickory::new()),
        probes: Arc::new(RhaiRunner::new(Vec::new()).unwrap()),
        lease: store.clone(),
        journal: store.clone(),
        outbox: store,
        notifier: Arc::new(Notifiers::new(Notify::default()).unwrap()),
    };
    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    let controller = start(
        Setup { cluster, limits: Limits::default(), services, halt_file: None, watch_every: None },
        ports,
        &tasks,
        &closing,
    )
    .await
    .unwrap();
    let epoch = |token: &Option<String>, epoch: &str| token.as_ref().is_some_and(|token| token.contains(epoch));
    until_tokens(&controller, |tokens| tokens[0].is_none() && epoch(&tokens[1], ";e=1;")).await;

    write_mark(&lab, &ahead, mark).await;
    until_tokens(&controller, |tokens| tokens.iter().all(|token| epoch(token, wanted))).await;
    closing.cancel();
    controller.ended().await;
}
