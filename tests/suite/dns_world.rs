//! A zone with one service's records in it, over the lab or an emulator, and a relay in between.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_route53::Client;
use aws_sdk_route53::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_route53::types as sdk;
use quorate::adapters::route53::Route53;
use quorate::domain::{
    Authority, CheckName, ClusterName, DnsLane, DnsTarget, Epoch, Failover, Fence, FlipIntent, Moment, OwnedRecords,
    PlanDigest, Policy, PolicyValues, RecordSet, RecordType, Role, Routing, Secret, Service, ServiceName, Site,
    SiteName,
};
use quorate::lab::{Lab, LabOptions};
use quorate::ports::DnsProvider;
use quorate::runtime::zone;
use url::Url;

use super::emulators::Emulator;
use super::wire::Wire;

/// The name that moves.
pub(crate) const NAME: &str = "login.example.test";
/// Its mark.
pub(crate) const MARK: &str = "_quorate.login.example.test";
/// The primary's address.
pub(crate) const PRIMARY: &str = "192.0.2.1";
/// The standby's address.
pub(crate) const STANDBY: &str = "198.51.100.1";
/// The token that a world begins with.
pub(crate) const FIRST_TOKEN: &str = "v1;c=demo;e=4;s=7;t=primary;d=-";

/// Records of the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Ours, whole.
    Owned,
    /// None.
    Empty,
}

/// One test's zone.
pub(crate) struct World {
    /// The lab, if it is one.
    pub(crate) lab: Option<Lab>,
    /// Between the provider and its endpoint.
    pub(crate) wire: Wire,
    /// The provider under test, through the wire.
    pub(crate) provider: Route53,
    /// Somebody at the console: past the wire.
    pub(crate) console: Client,
    /// Our cluster.
    pub(crate) cluster: ClusterName,
    /// The service.
    pub(crate) service: Service,
    /// Another one, past the wire.
    pub(crate) direct: Route53,
}

impl World {
    /// Over ministack.
    pub(crate) async fn ministack(begin: Begin) -> Self {
        Self::over(None, Emulator::ministack().await.url().clone(), begin).await
    }

    /// Over moto.
    pub(crate) async fn moto(begin: Begin) -> Self {
        Self::over(None, Emulator::moto().await.url().clone(), begin).await
    }

    /// Over a lab of its own.
    pub(crate) async fn lab(begin: Begin) -> Self {
        let options = LabOptions { propagation: Duration::from_millis(200), ..LabOptions::default() };
        let lab = Lab::start(options).await.unwrap();
        let url = Url::parse(&lab.api_url()).unwrap();
        Self::over(Some(lab), url, begin).await
    }

    async fn over(lab: Option<Lab>, endpoint: Url, begin: Begin) -> Self {
        let console = console(endpoint.as_str());
        // The same reference again would give the same zone again.
        static ZONES: AtomicUsize = AtomicUsize::new(0);
        let number = ZONES.fetch_add(1, Ordering::Relaxed);
        let wire = Wire::to(&endpoint).await;
        let created = console
            .create_hosted_zone()
            .name("example.test")
            .caller_reference(format!("{}-{number}", std::process::id()))
            .send()
            .await
            .unwrap();
        let zone = created.hosted_zone.unwrap().id;
        let key = Secret::new("secret");
        let world = Self {
            lab,
            provider: Route53::at(wire.url(), "key", &key),
            direct: Route53::at(&endpoint, "key", &key),
            console,
            wire,
            cluster: ClusterName::new("demo").unwrap(),
            service: service(zone.trim_start_matches("/hostedzone/")),
        };
        if begin == Begin::Owned {
            let pair = [failover("aws", PRIMARY, sdk::ResourceRecordSetFailover::Primary), secondary()];
            world.create(pair.into_iter().chain([mark(FIRST_TOKEN)])).await;
        }
        world
    }

    /// A proof of authority under that epoch.
    pub(crate) fn fence(epoch: u64) -> Fence {
        Authority::new(Epoch::new(epoch), None).fence(Moment::default()).unwrap()
    }

    /// Takes over under that epoch.
    pub(crate) async fn lead(&self, epoch: u64) -> (Fence, OwnedRecords) {
        let fence = Self::fence(epoch);
        let taken = zone::take_over(&self.provider, &fence, &self.cluster, &self.service).await.unwrap();
        (fence, taken.records)
    }

    /// The next write, that moves the records.
    pub(crate) fn intent(records: &OwnedRecords, fence: &Fence, to: Role) -> FlipIntent {
        let digest = PlanDigest::parse("0123456789abcdef").unwrap();
        let expected = records.token().clone();
        FlipIntent { new: expected.moved(fence, to, digest).unwrap(), expected }
    }

    /// Flips.
    pub(crate) async fn flip(
        &self,
        fence: &Fence,
        present: &OwnedRecords,
        to: Role,
    ) -> Result<zone::Flipped, quorate::ports::PortError> {
        let intent = Self::intent(present, fence, to);
        zone::flip(&self.provider, fence, &self.cluster, &self.service, present, &intent).await
    }

    /// What the zone has, past the wire, in a fixed order.
    pub(crate) async fn now(&self) -> Vec<RecordSet> {
        let mut sets = self.direct.read(&self.service.dns.zone, &[NAME]).await.unwrap();
        sets.sort_by_key(|set| (set.name.clone(), set.set_identifier.clone()));
        sets
    }

    /// The token text in the zone.
    pub(crate) async fn token(&self) -> String {
        self.now().await.into_iter().find(|set| set.name == MARK).unwrap().values.remove(0)
    }

    /// The address that is PRIMARY in the zone.
    pub(crate) async fn serving(&self) -> String {
        let sets = self.now().await;
        sets.into_iter().find(|set| set.failover == Some(Failover::Primary)).unwrap().values.remove(0)
    }

    /// Creates record sets by hand.
    pub(crate) async fn create(&self, sets: impl IntoIterator<Item = sdk::ResourceRecordSet>) {
        self.by_hand(sdk::ChangeAction::Create, sets).await;
    }

    /// Replaces record sets by hand.
    pub(crate) async fn upsert(&self, sets: impl IntoIterator<Item = sdk::ResourceRecordSet>) {
        self.by_hand(sdk::ChangeAction::Upsert, sets).await;
    }

    /// Deletes record sets by hand.
    pub(crate) async fn delete(&self, sets: impl IntoIterator<Item = sdk::ResourceRecordSet>) {
        self.by_hand(sdk::ChangeAction::Delete, sets).await;
    }

    async fn by_hand(&self, action: sdk::ChangeAction, sets: impl IntoIterator<Item = sdk::ResourceRecordSet>) {
        let change = |set| sdk::Change::builder().action(action.clone()).resource_record_set(set).build().unwrap();
        let changes = sets.into_iter().map(change).collect();
        let batch = sdk::ChangeBatch::builder().set_changes(Some(changes)).build().unwrap();
        let zone = &self.service.dns.zone;
        self.console.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await.unwrap();
    }
}

/// Somebody at the console of the Route 53 there.
pub(crate) fn console(endpoint: &str) -> Client {
    let credentials = Credentials::new("console", "secret", None, None, "test");
    Client::from_conf(
        Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(endpoint)
            .credentials_provider(credentials)
            .build(),
    )
}

/// A record set under construction.
pub(crate) fn record(
    name: &str,
    kind: sdk::RrType,
    ttl: i64,
    value: &str,
) -> sdk::builders::ResourceRecordSetBuilder {
    let value = sdk::ResourceRecord::builder().value(value).build().unwrap();
    sdk::ResourceRecordSet::builder().name(name).r#type(kind).ttl(ttl).resource_records(value)
}

/// A failover record of the service.
pub(crate) fn failover(id: &str, value: &str, place: sdk::ResourceRecordSetFailover) -> sdk::ResourceRecordSet {
    record(NAME, sdk::RrType::A, 30, value).set_identifier(id).failover(place).build().unwrap()
}

fn secondary() -> sdk::ResourceRecordSet {
    failover("gcp", STANDBY, sdk::ResourceRecordSetFailover::Secondary)
}

/// An ownership record.
pub(crate) fn mark(token: &str) -> sdk::ResourceRecordSet {
    record(MARK, sdk::RrType::Txt, 60, &format!("\"{token}\"")).build().unwrap()
}

/// The service whose records they are.
pub(crate) fn service(zone: &str) -> Service {
    let site = |name: &str, answer: &str| Site {
        name: SiteName::new(name).unwrap(),
        cloud: name.to_owned(),
        url: Url::parse(&format!("https://{name}.example.test/")).unwrap(),
        answer: answer.to_owned(),
        alias_zone: None,
        health_check: None,
    };
    let values = PolicyValues {
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        quorum: 3,
        clouds: 2,
        up_after: 3,
        fresh_for: Duration::from_secs(15),
        confirm: Duration::from_secs(25),
        ..PolicyValues::counting(3)
    };
    Service {
        name: ServiceName::new("login").unwrap(),
        public_url: Url::parse("https://login.example.test/").unwrap(),
        dns: DnsTarget {
            zone: zone.to_owned(),
            name: NAME.to_owned(),
            kind: RecordType::A,
            ttl_s: 30,
            routing: Routing::Failover,
            lane: DnsLane::Records,
            also: Vec::new(),
            authoritative: Vec::new(),
        },
        primary: site("aws", PRIMARY),
        standby: site("gcp", STANDBY),
        checks: vec![CheckName::new("login").unwrap()],
        critical: Vec::new(),
        veto: None,
        fence: false,
        maintenance: Vec::new(),
        policy: Policy::new("default", values).unwrap(),
        vantages: Vec::new(),
    }
}
