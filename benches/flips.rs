//! From the decision to move a name to the lab's changed answer, in each lane: what is ours, and what is the provider's.
//!
//! `cargo bench --bench flips` makes 100 moves a row; `-- --moves N` another number. The decision is a person's "yes", which is opened, journaled, carried
//! out and verified as an automatic one is. *Ours* ends when the provider has the change (the lab's log of requests; the flag's file), and holds four to eight
//! durable appends, the standby's read-only mode and the write that must be refused there. *The provider's* ends when the name server's answer has
//! changed: propagation, or health checkers that look every ten seconds.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench that cannot go on must say so and end"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_route53::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_route53::types::{HealthCheckConfig, HealthCheckType};
use quorate::adapters::clock::SystemClock;
use quorate::adapters::flag::{Access, FlagKey, FlagOwner, FlagStores, ServedFlags};
use quorate::adapters::notify::Notifiers;
use quorate::adapters::resolver::Hickory;
use quorate::adapters::route53::Route53;
use quorate::adapters::script::RhaiRunner;
use quorate::adapters::sqlite::SqliteStore;
use quorate::adapters::standby_http::StandbyHttp;
use quorate::config::Notify;
use quorate::domain::*;
use quorate::engine::{Ask, MoveRequest, Reply};
use quorate::lab::cloud::{Cloud, CloudOptions};
use quorate::lab::{Lab, LabOptions};
use quorate::ports::{Clock, FlagStore, Resolver};
use quorate::runtime::controller::{Handle, Managed, Ports, Setup, start};
use quorate::web::flags;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Moves of each row.
const MOVES: usize = 100;
/// Services that take turns: a provider that takes twenty seconds would otherwise make a row take an hour.
const SERVICES: usize = 10;
/// Between the decisions for two services, so that they do not wait for each other's durable appends.
const APART: Duration = Duration::from_millis(400);
/// How often the answer is looked at, which is the error of the provider's part.
const LOOK: Duration = Duration::from_millis(5);
/// What the health checks search for.
const PHRASE: &str = "bench-phrase-0123456789abcdef";
/// An Ed25519 seed.
const SEED: &str = "ZTJlLWZsYWctc2lnbmluZy1rZXktMDEyMzQ1Njc4OWE=";

/// One lab, one controller and its services.
struct World {
    lab: Lab,
    handle: Handle,
    services: Vec<Service>,
    flags: std::path::PathBuf,
    closing: CancellationToken,
    tasks: TaskTracker,
    _standby: Cloud,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start(lane: DnsLane, propagation: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flags_folder = folder.path().join("flags");
        std::fs::create_dir(&flags_folder).unwrap();
        let lab = Lab::start(LabOptions { propagation, ..LabOptions::default() }).await.unwrap();
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let key = Secret::new("bench-admin-key");
        let options =
            CloudOptions { listen: anywhere, name: "azure".to_owned(), users: [].into(), admin_key: key.clone() };
        let standby = Cloud::start(options).await.unwrap();
        let listener = tokio::net::TcpListener::bind(anywhere).await.unwrap();
        let flags_at = listener.local_addr().unwrap();
        let served = flags::router(Arc::new(ServedFlags::new(flags_folder.clone())));
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(closing.clone().run_until_cancelled_owned(async move { axum::serve(listener, served).await }));

        let cluster = ClusterName::new("bench").unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut managed = Vec::new();
        for number in 0..SERVICES {
            let mut service = service(number, lane, &lab, &standby);
            if lane.has_flag() {
                service.primary.health_check = Some(watch(&lab, &service, flags_at).await);
            }
            service.dns.zone = lab.seed_service(&cluster, &service).unwrap();
            let url = |path: &str| format!("{}{path}", standby.url()).parse().unwrap();
            let control = StandbyHttp::new(
                &service.standby.name,
                url("/admin/read-only"),
                url("/admin/write-probe"),
                key.clone(),
                Arc::clone(&clock),
            );
            let flag = if lane.has_flag() { Some(flag(&cluster, &service, &flags_folder).await) } else { None };
            let dns = Arc::new(Route53::at(&lab.api_url().parse().unwrap(), "key", &Secret::new("secret")));
            managed.push(Managed {
                service,
                standby: Arc::new(control.unwrap()),
                primary: None,
                dns,
                homes: Vec::new(),
                protected: Vec::new(),
                flag,
            });
        }
        let services = managed.iter().map(|managed| managed.service.clone()).collect();
        let store = Arc::new(SqliteStore::open(folder.path().join("quorate.db")).unwrap());
        let ports = Ports {
            clock,
            resolver: Arc::new(Hickory::new()),
            probes: Arc::new(RhaiRunner::new(Vec::new()).unwrap()),
            lease: store.clone(),
            journal: store.clone(),
            outbox: store,
            notifier: Arc::new(Notifiers::new(Notify::default()).unwrap()),
        };
        let setup =
            Setup { cluster, limits: Limits::default(), services: managed, halt_file: None, watch_every: None };
        let handle = start(setup, ports, &tasks, &closing).await.unwrap();
        let world =
            Self { lab, handle, services, flags: flags_folder, closing, tasks, _standby: standby, _folder: folder };
        for service in &world.services {
            world.until_answer(service, Role::Primary).await;
            while world.handle.explain(Some(service.name.clone())).await.unwrap()[0].token.is_none() {
                tokio::time::sleep(LOOK).await;
            }
        }
        world
    }

    async fn until_answer(&self, service: &Service, role: Role) {
        let wanted = service.site(role).answer.clone();
        let resolver = Hickory::new();
        loop {
            let answer = resolver.ask(self.lab.dns_addr(), &service.dns.name, service.dns.kind).await;
            if answer.is_ok_and(|answer| answer == [wanted.clone()]) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// When the lab was asked to move it. The lab serves a change before it has noted who asked: an entry from before the decision is of the move
    /// before this one.
    async fn written(&self, service: &Service, decided: u64) -> u64 {
        let name = format!(" A {}", service.dns.name);
        loop {
            let moves = self.lab.requests().into_iter().rev();
            let mut moves = moves.filter(|entry| entry.changes.iter().any(|change| change.contains(&name)));
            if let Some(entry) = moves.next().filter(|entry| entry.at_ms >= decided) {
                return entry.at_ms;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Moves a service there. How long our part took, and the provider's, in milliseconds.
    async fn take(&self, service: &Service, to: Role) -> (u64, u64) {
        let request = MoveRequest {
            service: service.name.clone(),
            to,
            by: "bench".to_owned(),
            reason: "a measurement".to_owned(),
            force: true,
            promote: false,
        };
        let Reply::Opened(plan) = self.handle.draft(request.clone()).await.unwrap() else { panic!("no plan") };
        let clock = SystemClock::new();
        let decided = clock.wall().as_ms();
        let asked = Ask::Move { request, digest: plan.digest().clone() };
        assert!(matches!(self.handle.ask(asked).await.unwrap(), Reply::Opened(_)));
        self.until_answer(service, to).await;
        let answered = clock.wall().as_ms();
        let switched = if service.dns.lane.has_flag() {
            let file = self.flags.join(format!("{}.flag", service.name));
            let written = std::fs::metadata(file).unwrap().modified().unwrap();
            u64::try_from(written.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap()
        } else {
            self.written(service, decided).await
        };
        while self.handle.explain(Some(service.name.clone())).await.unwrap()[0].plan.is_some() {
            tokio::time::sleep(LOOK).await;
        }
        (switched.saturating_sub(decided), answered.saturating_sub(switched))
    }
}

fn service(number: usize, lane: DnsLane, lab: &Lab, standby: &Cloud) -> Service {
    let site = |name: &str, answer: &str| Site {
        name: SiteName::new(name).unwrap(),
        cloud: name.to_owned(),
        url: standby.url().parse().unwrap(),
        answer: answer.to_owned(),
        alias_zone: None,
        health_check: None,
    };
    Service {
        name: ServiceName::new(&format!("login-{number}")).unwrap(),
        public_url: "http://login.bench.test/".parse().unwrap(),
        dns: DnsTarget {
            zone: String::new(),
            name: format!("login.bench-{number}.test"),
            kind: RecordType::A,
            ttl_s: 30,
            routing: Routing::Failover,
            lane,
            also: Vec::new(),
            authoritative: vec![lab.dns_addr()],
        },
        primary: site("aws", "192.0.2.1"),
        standby: site("azure", "192.0.2.2"),
        // A login would be the site's time.
        checks: Vec::new(),
        critical: Vec::new(),
        veto: None,
        fence: false,
        policy: Policy::new("default", PolicyValues::default()).unwrap(),
        vantages: Vec::new(),
        maintenance: Vec::new(),
    }
}

/// The service's flag in a folder.
async fn flag(cluster: &ClusterName, service: &Service, folder: &Path) -> Arc<dyn FlagStore> {
    let owner = FlagOwner {
        cluster: cluster.clone(),
        service: service.name.clone(),
        phrase: FlagPhrase::new(Secret::new(PHRASE)).unwrap(),
        key: FlagKey::from_seed(&Secret::new(SEED)).unwrap(),
    };
    let stores = vec![(format!("file://{}", folder.display()), Access::Usual)];
    Arc::new(FlagStores::open(owner, stores).await.unwrap())
}

/// The health checks that look for it, every ten seconds as Route 53's fastest.
async fn watch(lab: &Lab, service: &Service, at: SocketAddr) -> String {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(lab.api_url())
        .credentials_provider(Credentials::new("key", "secret", None, None, "bench"));
    let console = aws_sdk_route53::Client::from_conf(config.build());
    let make = async |reference: String, config: HealthCheckConfig| {
        let made = console.create_health_check().caller_reference(reference).health_check_config(config).send().await;
        made.unwrap().health_check.unwrap().id
    };
    let child = HealthCheckConfig::builder()
        .r#type(HealthCheckType::HttpStrMatch)
        .ip_address(at.ip().to_string())
        .port(at.port().into())
        .resource_path(format!("/flags/{}", service.name))
        .search_string(PHRASE)
        .request_interval(10)
        .failure_threshold(1)
        .inverted(true);
    let child = make(format!("flag-{}", service.name), child.build().unwrap()).await;
    let all = HealthCheckConfig::builder()
        .r#type(HealthCheckType::Calculated)
        .health_threshold(1)
        .child_health_checks(child);
    make(format!("flags-{}", service.name), all.build().unwrap()).await
}

fn row(label: &str, ours: &mut [u64], theirs: &mut [u64]) {
    let at = |sorted: &[u64], share: usize| sorted[(sorted.len() * share / 100).min(sorted.len() - 1)];
    ours.sort_unstable();
    theirs.sort_unstable();
    println!(
        "{label:<28} {:>7} {:>10} {:>10} {:>12} {:>12}",
        ours.len(),
        at(ours, 50),
        at(ours, 99),
        at(theirs, 50),
        at(theirs, 99)
    );
}

async fn measure(lane: DnsLane, propagation: Duration, moves: usize) {
    let world = Arc::new(World::start(lane, propagation).await);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut to = Role::Standby;
    while ours.len() < moves {
        let mut round = tokio::task::JoinSet::new();
        for service in world.services.iter().take(moves - ours.len()) {
            let world = Arc::clone(&world);
            let service = service.clone();
            round.spawn(async move { world.take(&service, to).await });
            tokio::time::sleep(APART).await;
        }
        while let Some(taken) = round.join_next().await {
            let (our, their) = taken.unwrap();
            ours.push(our);
            theirs.push(their);
        }
        to = to.other();
    }
    row(&format!("{}, propagation {} s", lane.as_str(), propagation.as_secs()), &mut ours, &mut theirs);
    world.closing.cancel();
    world.tasks.close();
    world.tasks.wait().await;
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let asked = arguments.iter().position(|word| word == "--moves").and_then(|at| arguments.get(at + 1));
    let moves = asked.map_or(MOVES, |number| number.parse().expect("--moves takes a number"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "{:<28} {:>7} {:>10} {:>10} {:>12} {:>12}",
        "milliseconds", "moves", "ours p50", "ours p99", "theirs p50", "theirs p99"
    );
    runtime.block_on(async {
        for propagation in [0, 20] {
            for lane in [DnsLane::Records, DnsLane::Flag] {
                measure(lane, Duration::from_secs(propagation), moves).await;
            }
        }
    });
}
