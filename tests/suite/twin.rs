//! One name at two providers that nobody could confuse: the lab's Route 53 with failover records, and BIND with simple ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use quorate::adapters::rfc2136::Rfc2136;
use quorate::adapters::route53::Route53;
use quorate::adapters::twin::{Half, Twin};
use quorate::domain::{ChangeBatch, Fence, OwnedRecords, RecordSet, Role, Secret};
use quorate::ports::{ChangeState, Class, DnsProvider, PortError};
use quorate::runtime::zone::{self, Flipped, TakenOver};
use url::Url;

use super::dns_world::{self, Begin, FIRST_TOKEN, MARK, NAME, PRIMARY, STANDBY};
use super::dynamic_world::{owned, simple};
use super::name_servers::{NameServer, Program};

/// The pair, and each of it by itself.
struct Pair {
    lab: dns_world::World,
    bind: NameServer,
    twin: Twin,
}

impl Pair {
    async fn new() -> Self {
        let lab = dns_world::World::lab(Begin::Owned).await;
        let bind = NameServer::primary(Program::Bind, &owned(FIRST_TOKEN), None).await;
        let twin = twin(&lab, Arc::new(lab.provider.clone()), Arc::new(bind.provider()));
        Self { lab, bind, twin }
    }

    /// The same pair, with Route 53's control plane away.
    fn without_route53(&self) -> Twin {
        // Nothing listens at the discard port.
        let nowhere = Route53::at(&Url::parse("http://127.0.0.1:9/").unwrap(), "key", &Secret::new("secret"));
        twin(&self.lab, Arc::new(nowhere), Arc::new(self.bind.provider()))
    }

    async fn take_over(&self, twin: &Twin, epoch: u64) -> Result<TakenOver, PortError> {
        zone::take_over(twin, &fence(epoch), &self.lab.cluster, &self.lab.service).await
    }

    async fn flip(&self, twin: &Twin, fence: &Fence, from: &OwnedRecords, to: Role) -> Result<Flipped, PortError> {
        let intent = dns_world::World::intent(from, fence, to);
        zone::flip(twin, fence, &self.lab.cluster, &self.lab.service, from, &intent).await
    }

    /// The token and the address at each: Route 53's PRIMARY, and what BIND answers.
    async fn seen(&self) -> [(String, String); 2] {
        let bind = (self.bind.dig(MARK, "TXT").trim_matches('"').to_owned(), self.bind.dig(NAME, "A"));
        [(self.lab.token().await, self.lab.serving().await), bind]
    }
}

fn fence(epoch: u64) -> Fence {
    dns_world::World::fence(epoch)
}

fn twin(lab: &dns_world::World, first: Arc<dyn DnsProvider>, second: Arc<dyn DnsProvider>) -> Twin {
    let half = |label: &str, provider, service| Half { label: label.to_owned(), provider, service };
    Twin::new(lab.cluster.clone(), half("route53", first, lab.service.clone()), half("bind", second, simple()))
}

fn both(token: &str, address: &str) -> [(String, String); 2] {
    [0, 1].map(|_| (token.to_owned(), address.to_owned()))
}

#[tokio::test]
async fn both_are_swapped_and_in_sync_when_each_is() {
    let pair = Pair::new().await;
    let taken = pair.take_over(&pair.twin, 5).await.unwrap();
    assert_eq!(pair.seen().await, both("v1;c=demo;e=5;s=0;t=primary;d=-", PRIMARY));
    let flipped = pair.flip(&pair.twin, &fence(5), &taken.records, Role::Standby).await.unwrap();
    assert_eq!(pair.seen().await, both("v1;c=demo;e=5;s=1;t=standby;d=0123456789abcdef", STANDBY));
    assert_eq!(pair.twin.remarks(), Vec::<String>::new());
    let change = flipped.change.unwrap();
    assert!(change.starts_with("1:") && change.contains(" 2:example.test/"), "{change}");
    let in_sync = async {
        while pair.twin.change_state(&change).await.unwrap() != ChangeState::InSync {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), in_sync).await.unwrap();
    let zone = &pair.lab.service.dns.zone;
    let servers = pair.twin.name_servers(zone).await.unwrap();
    assert!(servers.contains(&"ns1.example.test".to_owned()) && servers.len() > 1, "{servers:?}");
    assert!(pair.twin.has_zone(zone).await.unwrap());
    assert_eq!(pair.twin.catch_up(&fence(5)).await.unwrap(), None);
    assert!(pair.twin.read("Z0OTHER", &[NAME]).await.unwrap_err().what.contains("Z0OTHER"));
}

#[tokio::test]
async fn a_dead_second_stops_nothing_and_is_caught_up_when_it_returns() {
    let mut pair = Pair::new().await;
    let before = pair.take_over(&pair.twin, 5).await.unwrap();
    pair.bind.kill();
    let flipped = pair.flip(&pair.twin, &fence(5), &before.records, Role::Standby).await.unwrap();
    assert_eq!(pair.lab.serving().await, STANDBY);
    assert!(flipped.change.unwrap().starts_with("1:"));
    let remarks = pair.twin.remarks().join("; ");
    assert!(remarks.contains("bind was not changed"), "{remarks}");
    pair.bind.resume().await;
    let present = zone::read_records(&pair.twin, &pair.lab.cluster, &pair.lab.service).await.unwrap();
    assert_eq!(present, flipped.records);
    let remarks = pair.twin.remarks().join("; ");
    assert!(remarks.contains("bind is behind") && remarks.contains("e=5;s=0"), "{remarks}");
    let done = pair.twin.catch_up(&fence(5)).await.unwrap().unwrap();
    assert!(done.contains("bind has caught up"), "{done}");
    assert_eq!(pair.seen().await, both(&present.token().to_string(), STANDBY));
    // Only who holds the epoch of the newest token may.
    pair.bind.kill();
    pair.take_over(&pair.twin, 6).await.unwrap();
    pair.bind.resume().await;
    assert_eq!(pair.twin.catch_up(&fence(5)).await.unwrap_err().class, Class::Fenced);
}

#[tokio::test]
async fn a_dead_first_stops_nothing_and_the_next_write_catches_it_up() {
    let pair = Pair::new().await;
    let alone = pair.without_route53();
    let taken = pair.take_over(&alone, 5).await.unwrap();
    let flipped = pair.flip(&alone, &fence(5), &taken.records, Role::Standby).await.unwrap();
    assert!(flipped.change.unwrap().starts_with("2:example.test/"));
    assert!(alone.remarks().join("; ").contains("route53 was not changed"), "{:?}", alone.remarks());
    let [route53, bind] = pair.seen().await;
    assert_eq!((route53.0.as_str(), route53.1.as_str(), bind.1.as_str()), (FIRST_TOKEN, PRIMARY, STANDBY));
    // It returns. The position is the other's, in its own shape; a takeover brings it along.
    let taken = pair.take_over(&pair.twin, 6).await.unwrap();
    assert_eq!(taken.before, flipped.records.token().clone());
    let now = both("v1;c=demo;e=6;s=0;t=standby;d=0123456789abcdef", STANDBY);
    assert_eq!(pair.seen().await, now);
    // Neither: nothing is known, and nothing was sent.
    let mut pair = pair;
    pair.bind.kill();
    let error = pair.take_over(&pair.without_route53(), 7).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains("route53:") && error.what.contains("bind:"), "{error}");
}

#[tokio::test]
async fn a_token_that_we_do_not_know_stops_both() {
    let pair = Pair::new().await;
    let taken = pair.take_over(&pair.twin, 5).await.unwrap();
    let by_hand = |token: &str| {
        let lines = [format!("update delete {MARK} TXT"), format!("update add {MARK} 60 TXT \"{token}\"")];
        pair.bind.by_hand(&lines.each_ref().map(String::as_str));
    };
    let writes = pair.lab.wire.writes().len();
    for (token, class, word) in [
        ("v1;c=demo;e=6;s=0;t=primary;d=-", Class::Fenced, "of a newer controller"),
        ("v1;c=demo;e=5;s=9;t=primary;d=-", Class::Refused, "e=5;s=9"),
        (
            "v1;c=theirs;e=5;s=0;t=primary;d=-",
            Class::Broken,
            "at bind: login.example.test belongs to the cluster 'theirs'",
        ),
        ("v1;c=demo;e=5;s=0;t=primary;d=0123456789abcdef", Class::Broken, "two different moves"),
    ] {
        by_hand(token);
        let error = pair.flip(&pair.twin, &fence(5), &taken.records, Role::Standby).await.unwrap_err();
        assert_eq!(error.class, class, "{error}");
        assert!(error.what.contains(word), "{error}");
        assert_eq!((pair.lab.serving().await, pair.lab.wire.writes().len()), (PRIMARY.to_owned(), writes));
    }
}

/// The move to the standby was made at BIND alone, and the controller that took over at Route 53 alone has never seen it.
#[tokio::test]
async fn a_zone_is_not_led_back_to_the_primary_unasked() {
    let mut pair = Pair::new().await;
    let alone = pair.without_route53();
    let taken = pair.take_over(&alone, 5).await.unwrap();
    pair.flip(&alone, &fence(5), &taken.records, Role::Standby).await.unwrap();
    pair.bind.kill();
    let taken = pair.take_over(&pair.twin, 6).await.unwrap();
    assert_eq!(taken.records.serving(), Role::Primary);
    pair.bind.resume().await;
    let taken = pair.take_over(&pair.twin, 7).await.unwrap();
    let remarks = pair.twin.catch_up(&fence(7)).await.unwrap_err();
    assert_eq!(remarks.class, Class::Broken);
    assert!(remarks.what.contains("bind is behind and serves the standby"), "{remarks}");
    assert_eq!(pair.bind.dig(NAME, "A"), STANDBY);
    // A planned move settles it, either way.
    let there = pair.flip(&pair.twin, &fence(7), &taken.records, Role::Standby).await.unwrap();
    assert_eq!(pair.seen().await, both(&there.records.token().to_string(), STANDBY));
    let back = pair.flip(&pair.twin, &fence(7), &there.records, Role::Primary).await.unwrap();
    assert_eq!(pair.seen().await, both(&back.records.token().to_string(), PRIMARY));
}

/// BIND, at which a predecessor's flip arrives just before the first write that comes through here.
struct Overtaken {
    inner: Rfc2136,
    bind: Arc<NameServer>,
    done: AtomicBool,
}

#[async_trait]
impl DnsProvider for Overtaken {
    async fn read(&self, zone: &str, names: &[&str]) -> Result<Vec<RecordSet>, PortError> {
        self.inner.read(zone, names).await
    }

    async fn apply(&self, fence: &Fence, zone: &str, batch: &ChangeBatch) -> Result<String, PortError> {
        if !self.done.swap(true, Ordering::SeqCst) {
            self.bind.by_hand(&[
                &format!("update delete {MARK} TXT"),
                &format!("update add {MARK} 60 TXT \"v1;c=demo;e=4;s=8;t=standby;d=0123456789abcdef\""),
                &format!("update delete {NAME} A"),
                &format!("update add {NAME} 30 A {STANDBY}"),
            ]);
        }
        self.inner.apply(fence, zone, batch).await
    }

    async fn change_state(&self, change: &str) -> Result<ChangeState, PortError> {
        self.inner.change_state(change).await
    }

    async fn has_zone(&self, zone: &str) -> Result<bool, PortError> {
        self.inner.has_zone(zone).await
    }

    async fn name_servers(&self, zone: &str) -> Result<Vec<String>, PortError> {
        self.inner.name_servers(zone).await
    }
}

#[tokio::test]
async fn a_predecessors_flip_that_overtakes_the_takeover_at_one_of_them_is_swapped_away() {
    let lab = dns_world::World::lab(Begin::Owned).await;
    let bind = Arc::new(NameServer::primary(Program::Bind, &owned(FIRST_TOKEN), None).await);
    let overtaken = Overtaken { inner: bind.provider(), bind: Arc::clone(&bind), done: AtomicBool::new(false) };
    let twin = twin(&lab, Arc::new(lab.provider.clone()), Arc::new(overtaken));
    let taken = zone::take_over(&twin, &fence(5), &lab.cluster, &lab.service).await.unwrap();
    let token = "v1;c=demo;e=5;s=0;t=primary;d=-";
    assert_eq!(taken.records.token().to_string(), token);
    assert_eq!((lab.token().await.as_str(), bind.dig(MARK, "TXT")), (token, format!("\"{token}\"")));
    assert_eq!((lab.serving().await.as_str(), bind.dig(NAME, "A").as_str()), (PRIMARY, PRIMARY));
}
