//! The battery of the provider for dynamic updates, over BIND and over Knot. What is changed by hand is changed with `nsupdate`, and
//! what is seen is seen with `dig`.

use std::sync::Arc;
use std::time::Duration;

use quorate::adapters::clock::SystemClock;
use quorate::adapters::rfc2136::Rfc2136;
use quorate::domain::{ChangeBatch, ClusterName, RecordType, Role};
use quorate::ports::{ChangeState, Class, DnsProvider, PortError};
use quorate::runtime::zone;

use super::dns_world::{self, FIRST_TOKEN, MARK, NAME, PRIMARY, STANDBY};
use super::dynamic_world::{ALSO, Mishap, World, at, owned, with_also};
use super::name_servers::{NameServer, Program, ZONE, free_port, key};

/// Rounds of the race.
const ROUNDS: u64 = 1_000;

/// Codes of answers (RFC 2136 section 2.2).
const NOERROR: Option<u8> = Some(0);
const NXRRSET: u8 = 8;

macro_rules! battery {
    ($($(#[$doc:meta])* $case:ident),* $(,)?) => {
        mod over_bind {
            use super::*;
            $($(#[$doc])* #[tokio::test] async fn $case() { super::$case(Program::Bind).await; })*
        }
        mod over_knot {
            use super::*;
            $($(#[$doc])* #[tokio::test] async fn $case() { super::$case(Program::Knot).await; })*
        }
    };
}

battery! {
    a_flip_exchanges_the_records_and_nothing_else,
    a_fence_write_leaves_the_records_alone,
    a_writer_with_the_old_token_changes_nothing,
    somebody_else_under_our_epoch_is_refused_and_not_overwritten,
    of_two_writers_exactly_one_wins_each_round,
    an_older_epoch_is_fenced,
    records_that_are_not_ours_or_not_whole_are_not_touched,
    a_missing_zone_is_named,
    a_flip_whose_answer_was_lost_is_found_and_not_repeated,
    a_takeover_whose_answer_was_lost_is_found_and_not_repeated,
    an_answer_whose_signature_does_not_verify_is_unknown_and_read_back,
    a_request_that_was_lost_may_be_tried_again,
    without_reading_back_nothing_is_claimed,
    a_delayed_duplicate_changes_nothing,
    a_predecessors_delayed_flip_does_not_survive_the_takeover,
    a_takeover_that_arrives_twice_is_taken_over_again,
    several_names_move_in_one_update,
    a_time_to_live_changed_by_hand_is_swapped_all_the_same,
    a_record_changed_behind_our_back_is_refused_whole,
    a_name_that_has_become_an_alias_is_not_touched,
    a_change_is_in_sync_when_the_secondary_has_it,
    a_secondary_takes_no_updates,
    the_zone_names_its_servers,
}

async fn a_flip_exchanges_the_records_and_nothing_else(program: Program) {
    let world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    let flipped = world.flip(&fence, &records, Role::Standby).await.unwrap();
    assert!(!flipped.read_back, "{flipped:?}");
    assert_eq!(world.seen(), at("v1;c=demo;e=5;s=1;t=standby;d=0123456789abcdef", Role::Standby));
    let shape: Vec<_> =
        world.now().await.iter().map(|set| (set.name.clone(), set.kind, set.values.join(","), set.ttl_s)).collect();
    assert_eq!(
        shape,
        [
            (MARK.to_owned(), RecordType::Txt, flipped.records.token().to_string(), 60),
            (NAME.to_owned(), RecordType::A, STANDBY.to_owned(), 30),
        ]
    );
    assert_eq!((world.server.dig("www.example.test", "A"), world.server.dig(ALSO, "AAAA")), {
        ("192.0.2.80".to_owned(), "2001:db8::1".to_owned())
    });
    // What the flip says the records are is what a reader finds.
    assert_eq!(world.records().await.unwrap(), flipped.records);
    world.flip(&fence, &flipped.records, Role::Primary).await.unwrap();
    assert_eq!(world.serving(), PRIMARY);
}

async fn a_fence_write_leaves_the_records_alone(program: Program) {
    let world = World::owned(program).await;
    let taken = world.take_over(&dns_world::World::fence(5)).await.unwrap();
    assert_eq!(taken.before.to_string(), FIRST_TOKEN);
    assert_eq!(world.seen(), at("v1;c=demo;e=5;s=0;t=primary;d=-", Role::Primary));
    assert_eq!(world.wire.updates(), [NOERROR]);
}

async fn a_writer_with_the_old_token_changes_nothing(program: Program) {
    let world = World::owned(program).await;
    let (old_fence, old_records) = world.lead(5).await;
    world.lead(6).await;
    let before = world.seen();
    let error = world.flip(&old_fence, &old_records, Role::Standby).await.unwrap_err();
    assert_eq!((error.class, world.seen()), (Class::Fenced, before), "{error}");
}

async fn somebody_else_under_our_epoch_is_refused_and_not_overwritten(program: Program) {
    let world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    by_hand_token(&world, "v1;c=demo;e=5;s=9;t=primary;d=-");
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!(error.class, Class::Refused, "{error}");
    assert!(error.what.contains("e=5;s=9") && error.what.contains("e=5;s=0"), "{error}");
    assert_eq!(world.seen(), at("v1;c=demo;e=5;s=9;t=primary;d=-", Role::Primary));
}

fn by_hand_token(world: &World, token: &str) {
    let lines = [&format!("update delete {MARK} TXT"), &format!("update add {MARK} 60 TXT \"{token}\"")];
    world.server.by_hand(&lines.map(String::as_str));
}

async fn of_two_writers_exactly_one_wins_each_round(program: Program) {
    let world = World::owned(program).await;
    let provider = world.server.provider();
    let mut present = world.records().await.unwrap();
    let mut wins = [0_u64; 2];
    for round in 0..ROUNDS {
        let write = async |epoch: u64| {
            let fence = dns_world::World::fence(epoch);
            let batch = ChangeBatch::fence(&present, present.token().advanced(&fence).unwrap());
            (provider.apply(&fence, ZONE, &batch).await, batch)
        };
        // Who connects first is changed about, so that neither always wins.
        let (one, other) = if round % 2 == 0 {
            tokio::join!(write(10 + 2 * round), write(11 + 2 * round))
        } else {
            let (other, one) = tokio::join!(write(11 + 2 * round), write(10 + 2 * round));
            (one, other)
        };
        let (winner, lost, batch) = match (one, other) {
            ((Ok(_), batch), (Err(lost), _)) => (0, lost, batch),
            ((Err(lost), _), (Ok(_), batch)) => (1, lost, batch),
            both => panic!("round {round}: {both:?}"),
        };
        wins[winner] += 1;
        assert_eq!(lost.class, Class::Refused, "round {round}: {lost}");
        present = world.records().await.unwrap();
        assert_eq!(present, present.after(&batch), "round {round}");
    }
    println!("{program:?}: {ROUNDS} rounds, won {wins:?}");
    assert_eq!(wins[0] + wins[1], ROUNDS);
}

async fn an_older_epoch_is_fenced(program: Program) {
    let world = World::owned(program).await;
    let error = world.take_over(&dns_world::World::fence(3)).await.unwrap_err();
    assert_eq!(error.class, Class::Fenced, "{error}");
    // A batch that was made under another epoch than the fence's does not leave the house.
    let present = world.records().await.unwrap();
    let batch = ChangeBatch::fence(&present, present.token().advanced(&dns_world::World::fence(9)).unwrap());
    let answer = world.provider.apply(&dns_world::World::fence(5), ZONE, &batch).await;
    assert_eq!((answer.unwrap_err().class, world.wire.updates()), (Class::Fenced, vec![]));
}

/// The takeover's error, after which nothing was sent.
async fn refused_untouched(world: &World) -> PortError {
    let before = world.now().await;
    let error = world.take_over(&dns_world::World::fence(9)).await.unwrap_err();
    assert_eq!(error.class, Class::Broken, "{error}");
    assert_eq!((world.wire.updates(), world.now().await), (vec![], before));
    error
}

async fn records_that_are_not_ours_or_not_whole_are_not_touched(program: Program) {
    let world = World::with(program, &format!("login 30 A {PRIMARY}")).await;
    let error = refused_untouched(&world).await;
    assert!(error.what.contains("no ownership record") && error.what.contains(MARK), "{error}");
    for (token, why) in [
        ("v1;c=theirs;e=4;s=7;t=primary;d=-", "belongs to the cluster 'theirs'"),
        ("v1;c=demo;e=04;s=7;t=primary;d=-", "the form"),
        ("hands off", "the version"),
        ("v1;c=demo;e=4;\" \"s=7;t=primary;d=-", "the version"),
        ("v1;c=demo;e=4;s=7;t=standby;d=-", "changed by hand"),
    ] {
        by_hand_token(&world, token);
        let error = refused_untouched(&world).await;
        assert!(error.what.contains(why), "{error}");
    }
    by_hand_token(&world, FIRST_TOKEN);
    world.server.by_hand(&[&format!("update add {NAME} 30 A 203.0.113.7")]);
    let error = refused_untouched(&world).await;
    assert!(error.what.contains("203.0.113.7") && error.what.contains(PRIMARY), "{error}");
    let cluster = ClusterName::new("other").unwrap();
    let read = zone::read_token(&world.provider, &cluster, &world.service).await;
    assert!(read.unwrap_err().what.contains("belongs to the cluster 'demo'"));
}

async fn a_missing_zone_is_named(program: Program) {
    let mut world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    world.service.dns.zone = "login.example.test".to_owned();
    // No zone of its own: the server is authoritative for what is above it.
    let servers = world.provider.name_servers("login.example.test").await.unwrap_err();
    assert!(servers.what.contains("no such zone"), "{servers}");
    assert!(!world.provider.has_zone("login.example.test").await.unwrap());
    let writing = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    world.service.dns.zone = "example.net".to_owned();
    let reading = world.provider.read("example.net", &["www.example.net"]).await.unwrap_err();
    let outside = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    for (error, name) in [(writing, "login.example.test"), (reading, "example.net"), (outside, "example.net")] {
        assert_eq!(error.class, Class::Broken, "{error}");
        assert!(error.what.contains(&format!("zone {name}")), "{error}");
    }
    assert_eq!(world.serving(), PRIMARY);
    // That a server refuses to say anything of a zone is not its word that there is none.
    assert_eq!(world.provider.has_zone("example.net").await.unwrap_err().class, Class::Broken);
}

async fn a_flip_whose_answer_was_lost_is_found_and_not_repeated(program: Program) {
    let world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    world.wire.on_update(Mishap::LoseAnswer);
    let flipped = world.flip(&fence, &records, Role::Standby).await.unwrap();
    assert_eq!((flipped.read_back, &flipped.change), (true, &None));
    assert_eq!((world.serving().as_str(), world.wire.updates()), (STANDBY, vec![NOERROR, NOERROR]));
    // The same flip again, as after a crash between the write and its journal entry, finds itself done.
    let again = world.flip(&fence, &records, Role::Standby).await.unwrap();
    assert_eq!((again.read_back, again.records), (true, flipped.records));
    assert_eq!(world.wire.updates(), [NOERROR, NOERROR, Some(NXRRSET)]);
}

async fn a_takeover_whose_answer_was_lost_is_found_and_not_repeated(program: Program) {
    let world = World::owned(program).await;
    world.wire.on_update(Mishap::LoseAnswer);
    let taken = world.take_over(&dns_world::World::fence(5)).await.unwrap();
    assert_eq!((taken.change, taken.records.token().to_string()), (None, world.seen().0));
    assert_eq!(world.wire.updates(), [NOERROR]);
}

async fn an_answer_whose_signature_does_not_verify_is_unknown_and_read_back(program: Program) {
    let world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    world.wire.on_update(Mishap::GarbleAnswer);
    let flipped = world.flip(&fence, &records, Role::Standby).await.unwrap();
    assert!(flipped.read_back);
    assert_eq!(world.serving(), STANDBY);
}

async fn a_request_that_was_lost_may_be_tried_again(program: Program) {
    let world = World::owned(program).await;
    world.wire.on_update(Mishap::LoseRequest);
    let error = world.take_over(&dns_world::World::fence(5)).await.unwrap_err();
    assert_eq!((error.class, world.seen().0.as_str()), (Class::Retry, FIRST_TOKEN), "{error}");
    let (fence, records) = world.lead(5).await;
    world.wire.on_update(Mishap::LoseRequest);
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!((error.class, world.serving().as_str()), (Class::Retry, PRIMARY), "{error}");
    assert!(!world.flip(&fence, &records, Role::Standby).await.unwrap().read_back);
    assert_eq!(world.wire.updates(), [None, NOERROR, None, NOERROR]);
}

async fn without_reading_back_nothing_is_claimed(program: Program) {
    let world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    world.wire.on_update(Mishap::LoseAnswer);
    world.wire.cut_reads(2);
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains("unknown whether"), "{error}");
    // One broken connection is nothing.
    world.wire.cut_reads(1);
    assert!(world.flip(&fence, &records, Role::Standby).await.unwrap().read_back);
}

async fn a_delayed_duplicate_changes_nothing(program: Program) {
    let world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    let there = world.flip(&fence, &records, Role::Standby).await.unwrap();
    world.flip(&fence, &there.records, Role::Primary).await.unwrap();
    let before = world.now().await;
    for update in 0..3 {
        assert_eq!(world.wire.deliver(update).await, NXRRSET);
    }
    assert_eq!(world.now().await, before);
}

/// The case that a lease and a compare-and-swap without the fence write get wrong.
async fn a_predecessors_delayed_flip_does_not_survive_the_takeover(program: Program) {
    let world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    world.wire.on_update(Mishap::LoseRequest);
    assert_eq!(world.flip(&fence, &records, Role::Standby).await.unwrap_err().class, Class::Retry);
    world.lead(6).await;
    let before = world.now().await;
    assert_eq!(world.wire.deliver(1).await, NXRRSET);
    assert_eq!(world.now().await, before);
}

async fn a_takeover_that_arrives_twice_is_taken_over_again(program: Program) {
    let world = World::owned(program).await;
    world.wire.on_update(Mishap::DeliverTwice);
    let error = world.take_over(&dns_world::World::fence(5)).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains("take over again"), "{error}");
    let (_, records) = world.lead(5).await;
    assert_eq!((records.token().epoch.get(), records.token().seq), (5, 1));
}

async fn several_names_move_in_one_update(program: Program) {
    let mut world = World::owned(program).await;
    world.service = with_also(world.service);
    let (fence, records) = world.lead(5).await;
    let flipped = world.flip(&fence, &records, Role::Standby).await.unwrap();
    assert_eq!((world.serving().as_str(), world.server.dig(ALSO, "AAAA").as_str()), (STANDBY, "2001:db8:ffff::1"));
    assert_eq!(world.wire.updates(), [NOERROR, NOERROR]);
    assert_eq!(world.records().await.unwrap(), flipped.records);
    // One of them changed by hand: nothing of the next batch is applied.
    world.server.by_hand(&[&format!("update delete {ALSO} AAAA"), &format!("update add {ALSO} 30 AAAA 2001:db8::9")]);
    let before = world.seen();
    let error = world.flip(&fence, &flipped.records, Role::Primary).await.unwrap_err();
    assert_eq!((error.class, world.seen()), (Class::Broken, before), "{error}");
}

/// Prerequisites do not compare times to live (RFC 2136 section 2.4.2).
async fn a_time_to_live_changed_by_hand_is_swapped_all_the_same(program: Program) {
    let world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    world.server.by_hand(&[&format!("update delete {NAME} A"), &format!("update add {NAME} 31 A {PRIMARY}")]);
    world.flip(&fence, &records, Role::Standby).await.unwrap();
    let sets = world.now().await;
    assert_eq!((sets[1].values.join(","), sets[1].ttl_s), (STANDBY.to_owned(), 30));
}

async fn a_record_changed_behind_our_back_is_refused_whole(program: Program) {
    let world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    world.server.by_hand(&[&format!("update add {NAME} 30 A 203.0.113.7")]);
    let before = world.now().await;
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!((error.class, world.now().await), (Class::Broken, before), "{error}");
    assert!(error.what.contains("203.0.113.7"), "{error}");
    assert_eq!(world.wire.updates(), [NOERROR, Some(NXRRSET)]);
}

async fn a_name_that_has_become_an_alias_is_not_touched(program: Program) {
    let world = World::owned(program).await;
    let (fence, records) = world.lead(5).await;
    world.server.by_hand(&[&format!("update delete {NAME} A"), &format!("update add {NAME} 30 CNAME www.{ZONE}.")]);
    let before = world.now().await;
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!((error.class, world.now().await), (Class::Broken, before), "{error}");
    assert!(error.what.contains("the zone has none"), "{error}");
}

/// The two programs as each other's secondary.
async fn a_change_is_in_sync_when_the_secondary_has_it(program: Program) {
    let second = free_port();
    let primary = NameServer::primary(program, &owned(FIRST_TOKEN), Some(second)).await;
    let other = if program == Program::Bind { Program::Knot } else { Program::Bind };
    let mut secondary = NameServer::secondary(other, second, primary.address().port()).await;
    let provider = Rfc2136::new(primary.address(), Some(key()), Arc::new(SystemClock::new()))
        .with_servers(vec![primary.address(), secondary.address()]);
    let (cluster, service) = (ClusterName::new("demo").unwrap(), super::dynamic_world::simple());
    let take_over = async |epoch: u64| {
        zone::take_over(&provider, &dns_world::World::fence(epoch), &cluster, &service).await.unwrap()
    };
    let in_sync = async |change: &str| {
        let waiting = async {
            while provider.change_state(change).await.ok() != Some(ChangeState::InSync) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
    };
    let taken = take_over(5).await;
    let change = taken.change.unwrap();
    in_sync(&change).await;
    assert_eq!(secondary.dig(MARK, "TXT"), format!("\"{}\"", taken.records.token()));
    // While the secondary is away, nothing is known; when it is back with what it had, the change has not arrived.
    secondary.kill();
    let change = take_over(6).await.change.unwrap();
    let error = provider.change_state(&change).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains(&secondary.address().to_string()), "{error}");
    secondary.resume().await;
    in_sync(&change).await;
    assert!(secondary.dig(MARK, "TXT").contains("e=6;"));
    for strange in ["C0123456789", "example.test/soon"] {
        assert_eq!(provider.change_state(strange).await.unwrap_err().class, Class::Broken);
    }
}

async fn a_secondary_takes_no_updates(program: Program) {
    let primary = NameServer::primary(program, &owned(FIRST_TOKEN), None).await;
    let secondary = NameServer::secondary(program, free_port(), primary.address().port()).await;
    let (cluster, service) = (ClusterName::new("demo").unwrap(), super::dynamic_world::simple());
    let fence = dns_world::World::fence(5);
    let error = zone::take_over(&secondary.provider(), &fence, &cluster, &service).await.unwrap_err();
    assert_eq!(error.class, Class::Broken, "{error}");
    assert!(error.what.contains(&secondary.address().to_string()), "{error}");
    assert!(primary.dig(MARK, "TXT").contains(FIRST_TOKEN));
}

async fn the_zone_names_its_servers(program: Program) {
    let world = World::owned(program).await;
    assert_eq!(world.provider.name_servers(ZONE).await.unwrap(), ["ns1.example.test"]);
    assert!(world.provider.has_zone(ZONE).await.unwrap());
}
