//! A controller's start: which epoch it takes, and that every zone is fenced under it.

use std::sync::Arc;
use std::time::Duration;

use quorate::adapters::clock::SystemClock;
use quorate::adapters::notify::Notifiers;
use quorate::adapters::resolver::Hickory;
use quorate::adapters::route53::Route53;
use quorate::adapters::script::RhaiRunner;
use quorate::adapters::sqlite::SqliteStore;
use quorate::adapters::standby_http::StandbyHttp;
use quorate::config::{Notify, ServiceConfig};
use quorate::domain::{Authority, ClusterName, Epoch, Moment, Secret, Service, ServiceName};
use quorate::lab::{FaultChange, Lab, LabOptions};
use quorate::ports::{Clock, StandbyControl};
use quorate::runtime::controller::{Ports, Setup, start};
use quorate::runtime::zone;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The demo's service under another name, in a zone of its own.
fn service(lab: &Lab, cluster: &ClusterName, name: &str) -> (Service, Arc<dyn StandbyControl>) {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/demo/quorate.toml");
    let ServiceConfig { mut service, read_only, .. } =
        quorate::config::load(config.as_ref()).unwrap().config.services.remove(0);
    service.name = ServiceName::new(name).unwrap();
    service.dns.name = format!("{name}.takeover.test");
    service.dns.zone = lab.seed_service(cluster, &service).unwrap();
    let clock = Arc::new(SystemClock::new());
    let standby =
        StandbyHttp::new(&service.standby.name, read_only.url, read_only.write_probe, read_only.key, clock).unwrap();
    (service, Arc::new(standby))
}

#[tokio::test]
async fn a_zone_that_turns_out_to_be_ahead_raises_the_epoch_of_every_zone() {
    let lab = Lab::start(LabOptions { propagation: Duration::ZERO, ..LabOptions::default() }).await.unwrap();
    let cluster = ClusterName::new("demo").unwrap();
    let dns = Arc::new(Route53::at(&lab.api_url().parse().unwrap(), "key", &Secret::new("secret")));
    let services = vec![service(&lab, &cluster, "behind"), service(&lab, &cluster, "ahead")];
    let seventh = Authority::new(Epoch::new(7), None).fence(Moment::default()).unwrap();
    zone::take_over(dns.as_ref(), &seventh, &cluster, &services[1].0).await.unwrap();

    // Neither zone can be read when the epoch is chosen: it is 1, and one zone is at 7.
    lab.set_faults(FaultChange { unavailable: Some(1_000), ..FaultChange::default() });
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("quorate.db")).unwrap());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ports = Ports {
        clock,
        dns,
        resolver: Arc::new(Hickory::new()),
        probes: Arc::new(RhaiRunner::new(Vec::new()).unwrap()),
        lease: store.clone(),
        journal: store.clone(),
        outbox: store,
        notifier: Arc::new(Notifiers::new(Notify::default()).unwrap()),
    };
    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    let controller = start(Setup { cluster, services }, ports, &tasks, &closing).await.unwrap();
    lab.set_faults(FaultChange { unavailable: Some(0), ..FaultChange::default() });

    let fenced = async {
        loop {
            let known = controller.explain(None).await.unwrap();
            let tokens: Vec<String> = known.into_iter().filter_map(|service| service.token).collect();
            if tokens.len() == 2 && tokens.iter().all(|token| token.contains(";e=8;")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), fenced).await.expect("both zones are fenced under epoch 8");
    closing.cancel();
    controller.ended().await;
}
