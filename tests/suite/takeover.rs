//! A controller's start: which epoch it takes, and that every zone is fenced under it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_route53::types as sdk;
use quorate::adapters::clock::SystemClock;
use quorate::adapters::flag::{Access, FlagKey, FlagOwner, FlagStores};
use quorate::adapters::notify::Notifiers;
use quorate::adapters::resolver::Hickory;
use quorate::adapters::route53::Route53;
use quorate::adapters::script::RhaiRunner;
use quorate::adapters::sqlite::SqliteStore;
use quorate::adapters::standby_http::StandbyHttp;
use quorate::config::{Notify, ServiceConfig};
use quorate::domain::{ClusterName, DnsLane, FlagPhrase, Limits, OwnedRecords, Secret, Service, ServiceName};
use quorate::lab::{FaultChange, Lab, LabOptions};
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
    Managed {
        service,
        standby: Arc::new(standby),
        primary: None,
        dns,
        homes: Vec::new(),
        protected: Vec::new(),
        flag: None,
    }
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
    let (controller, closing) = started(&cluster, services, folder.path()).await;
    let epoch = |token: &Option<String>, epoch: &str| token.as_ref().is_some_and(|token| token.contains(epoch));
    until_tokens(&controller, |tokens| tokens[0].is_none() && epoch(&tokens[1], ";e=1;")).await;

    write_mark(&lab, &ahead, mark).await;
    until_tokens(&controller, |tokens| tokens.iter().all(|token| epoch(token, wanted))).await;
    closing.cancel();
    controller.ended().await;
}

/// A new store, and a controller on it.
async fn started(cluster: &ClusterName, services: Vec<Managed>, folder: &Path) -> (Handle, CancellationToken) {
    let store = Arc::new(SqliteStore::open(folder.join("quorate.db")).unwrap());
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
        Setup { cluster: cluster.clone(), limits: Limits::default(), services, halt_file: None, watch_every: None },
        ports,
        &tasks,
        &closing,
    )
    .await
    .unwrap();
    (controller, closing)
}

/// Two registers, and each may be the further one. Looking at the flag's alone gave the zone's epoch to a second controller (S6).
#[tokio::test]
async fn in_both_lanes_the_further_of_flag_and_zone_says_whether_an_epoch_was_used_before() {
    let lab = Lab::start(LabOptions { propagation: Duration::ZERO, ..LabOptions::default() }).await.unwrap();
    let cluster = ClusterName::new("demo").unwrap();
    let (folder, flags) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut managed = service(&lab, &cluster, "both");
    managed.service.dns.lane = DnsLane::Both;
    let owner = FlagOwner {
        cluster: cluster.clone(),
        service: managed.service.name.clone(),
        phrase: FlagPhrase::new(Secret::new("0123456789abcdef0123456789abcdef")).unwrap(),
        key: FlagKey::from_seed(&Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")).unwrap(),
    };
    let stores = vec![(format!("file://{}", flags.path().display()), Access::Usual)];
    managed.flag = Some(Arc::new(FlagStores::open(owner, stores).await.unwrap()));
    // Another controller has led under epoch 1, and the flag's store has lost it.
    write_mark(&lab, &managed.service, "v1;c=demo;e=1;s=3;t=primary;d=-").await;
    // The zone does not answer while the epoch is chosen, which is one read with its repetitions, and does when it is fenced.
    lab.set_faults(FaultChange { unavailable: Some(3), ..FaultChange::default() });
    let service = managed.service.clone();
    let (controller, closing) = started(&cluster, vec![managed], folder.path()).await;
    assert_eq!(lab.set_faults(FaultChange::default()).unavailable, 0, "the zone was silent for just this read");
    until_tokens(&controller, |tokens| tokens[0].as_ref().is_some_and(|token| token.contains(";e=2;"))).await;
    let console = console(&lab.api_url());
    let mark = OwnedRecords::mark_name(&service.dns.name);
    let epoch_of_the_zone = async || {
        let sets = console.list_resource_record_sets().hosted_zone_id(&service.dns.zone).send().await.unwrap();
        let set = sets.resource_record_sets.into_iter().find(|set| set.name.trim_end_matches('.') == mark).unwrap();
        set.resource_records.unwrap_or_default().remove(0).value
    };
    let fenced = async {
        while !epoch_of_the_zone().await.contains(";e=2;") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), fenced).await.expect("the zone is fenced under the same epoch");
    closing.cancel();
    controller.ended().await;
}
