//! One battery for the DNS provider and the two procedures around it, over the lab, over ministack and, but for what fences stale
//! writers off, over moto. Each case has a zone of its
//! own; what goes wrong on the way goes wrong in the relay, so that every emulator is tried with the same faults.

use std::time::Duration;

use aws_sdk_route53::types as sdk;
use quorate::domain::{ChangeBatch, ClusterName, Failover, OwnedRecords, RecordType, Role};
use quorate::ports::{ChangeState, Class, DnsProvider, PortError};
use quorate::runtime::zone;

use super::dns_world::{Begin, FIRST_TOKEN, MARK, NAME, PRIMARY, STANDBY, World, failover, mark, record};
use super::wire::Fault;

/// Rounds of the race.
const ROUNDS: u64 = 1_000;

macro_rules! over {
    ($module:ident, $world:ident: $($case:ident ($begin:ident)),* $(,)?) => {
        mod $module {
            use super::*;
            $(#[tokio::test] async fn $case() { super::$case(World::$world(Begin::$begin).await).await; })*
        }
    };
}

/// The cases that every emulator takes, and those that only one takes which compares with what is there now. moto keeps a list
/// of all changes that it ever took, and compares with that.
macro_rules! battery {
    (all: { $($all:tt)* } exact: { $($exact:tt)* }) => {
        over! { over_the_lab, lab: $($all)* $($exact)* }
        over! { over_ministack, ministack: $($all)* $($exact)* }
        over! { over_moto, moto: $($all)* }
    };
}

battery! {
    all: {
        a_flip_exchanges_the_records_and_nothing_else(Owned),
        a_fence_write_leaves_the_records_alone(Owned),
        an_older_epoch_is_fenced(Owned),
        records_without_our_mark_are_not_touched(Empty),
        records_that_are_not_ours_or_not_whole_are_not_touched(Empty),
        a_simple_record_is_not_a_pair(Empty),
        a_missing_zone_is_named(Owned),
        a_flip_whose_answer_was_lost_is_found_and_not_repeated(Owned),
        a_takeover_whose_answer_was_lost_is_found_and_not_repeated(Owned),
        an_answer_that_nobody_can_read_is_unknown_and_read_back(Owned),
        a_request_that_was_lost_may_be_tried_again(Owned),
        without_reading_back_nothing_is_claimed(Owned),
        throttled_writes_are_not_repeated_and_reads_are(Owned),
        both_forms_of_a_refusal_are_understood(Owned),
        a_missing_permission_is_named(Owned),
        a_mark_far_down_the_list_is_found(Owned),
        the_delegation_names_the_servers(Owned),
    }
    exact: {
        a_flip_back_restores_what_was_there_before(Owned),
        a_writer_with_the_old_token_changes_nothing(Owned),
        somebody_else_under_our_epoch_is_refused_and_not_overwritten(Owned),
        of_two_writers_exactly_one_wins_each_round(Owned),
        a_delayed_duplicate_changes_nothing(Owned),
        a_predecessors_delayed_flip_does_not_survive_the_takeover(Owned),
        a_takeover_that_arrives_twice_is_taken_over_again(Owned),
        a_refusal_with_the_right_token_needs_a_person(Owned),
        a_read_of_several_pages_is_of_one_moment(Owned),
        a_change_is_pending_and_then_in_sync(Owned),
    }
}

async fn a_flip_exchanges_the_records_and_nothing_else(world: World) {
    let (fence, records) = world.lead(5).await;
    let flipped = world.flip(&fence, &records, Role::Standby).await.unwrap();
    assert!(flipped.change.is_some() && !flipped.read_back);
    assert_eq!(flipped.records.token().to_string(), "v1;c=demo;e=5;s=1;t=standby;d=0123456789abcdef");
    let sets = world.now().await;
    let shape: Vec<_> = sets
        .iter()
        .map(|set| (set.name.as_str(), set.set_identifier.as_deref(), set.failover, set.values.join(","), set.ttl_s))
        .collect();
    assert_eq!(
        shape,
        [
            (MARK, None, None, flipped.records.token().to_string(), 60),
            (NAME, Some("aws"), Some(Failover::Secondary), PRIMARY.to_owned(), 30),
            (NAME, Some("gcp"), Some(Failover::Primary), STANDBY.to_owned(), 30),
        ]
    );
    // What the flip says the records are is what a reader finds.
    assert_eq!(OwnedRecords::find(&world.cluster, &world.service, &sets).unwrap().serving(), Role::Standby);
}

async fn a_flip_back_restores_what_was_there_before(world: World) {
    let (fence, records) = world.lead(5).await;
    let before = world.now().await;
    let there = world.flip(&fence, &records, Role::Standby).await.unwrap();
    let back = world.flip(&fence, &there.records, Role::Primary).await.unwrap();
    assert_eq!((world.serving().await.as_str(), back.records.token().seq), (PRIMARY, 2));
    // The mark is the first.
    assert_eq!(world.now().await[1..], before[1..]);
}

async fn a_fence_write_leaves_the_records_alone(world: World) {
    let before = world.now().await;
    let token = zone::read_token(&world.provider, &world.cluster, &world.service).await.unwrap();
    assert_eq!(token.to_string(), FIRST_TOKEN);
    let taken = zone::take_over(&world.provider, &World::fence(5), &world.cluster, &world.service).await.unwrap();
    assert_eq!(
        (taken.before, taken.records.token().to_string().as_str()),
        (token, "v1;c=demo;e=5;s=0;t=primary;d=-")
    );
    let after = world.now().await;
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1..], after[1..]);
    // One write, and two reads.
    assert_eq!((world.wire.writes(), world.wire.reads()), (vec![Some(200)], 3));
}

async fn a_writer_with_the_old_token_changes_nothing(world: World) {
    let (old_fence, old_records) = world.lead(5).await;
    world.lead(6).await;
    let before = world.now().await;
    let error = world.flip(&old_fence, &old_records, Role::Standby).await.unwrap_err();
    assert_eq!(error.class, Class::Fenced, "{error}");
    assert!(error.what.contains("epoch 6") && error.what.contains(NAME), "{error}");
    assert_eq!(world.now().await, before);
}

async fn somebody_else_under_our_epoch_is_refused_and_not_overwritten(world: World) {
    let (fence, records) = world.lead(5).await;
    world.upsert([mark("v1;c=demo;e=5;s=9;t=primary;d=-")]).await;
    let before = world.now().await;
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!(error.class, Class::Refused, "{error}");
    assert!(error.what.contains("e=5;s=9") && error.what.contains("e=5;s=0"), "{error}");
    assert_eq!(world.now().await, before);
    // Nor is a flip sent whose intent is about other records than those in hand.
    let intent = World::intent(&records, &fence, Role::Standby);
    let now = zone::read_records(&world.provider, &world.cluster, &world.service).await.unwrap();
    let writes = world.wire.writes().len();
    let flip = zone::flip(&world.provider, &fence, &world.cluster, &world.service, &now, &intent).await;
    assert_eq!((flip.unwrap_err().class, world.wire.writes().len()), (Class::Refused, writes));
}

async fn of_two_writers_exactly_one_wins_each_round(world: World) {
    let zone_id = world.service.dns.zone.as_str();
    // Past the wire, whose connections are for one request each: the race is in the emulator.
    let provider = &world.direct;
    let started = tokio::time::Instant::now();
    let mut present = zone::read_records(provider, &world.cluster, &world.service).await.unwrap();
    for round in 0..ROUNDS {
        let write = async |epoch: u64| {
            let fence = World::fence(epoch);
            let batch = ChangeBatch::fence(&present, present.token().advanced(&fence).unwrap());
            let answer = provider.apply(&fence, zone_id, &batch).await;
            (answer, present.after(&batch))
        };
        let (one, other) = tokio::join!(write(10 + 2 * round), write(11 + 2 * round));
        // The next round's winner must name this one's token, so the zone has it, or nobody wins then.
        present = match (one, other) {
            ((Ok(_), won), (Err(lost), _)) | ((Err(lost), _), (Ok(_), won)) => {
                assert_eq!(lost.class, Class::Refused, "round {round}: {lost}");
                won
            }
            both => panic!("round {round}: {both:?}"),
        };
    }
    assert_eq!(zone::read_records(provider, &world.cluster, &world.service).await.unwrap(), present);
    println!("{ROUNDS} rounds in {:.1} s", started.elapsed().as_secs_f64());
}

async fn an_older_epoch_is_fenced(world: World) {
    let taken = zone::take_over(&world.provider, &World::fence(3), &world.cluster, &world.service).await;
    let error = taken.unwrap_err();
    assert_eq!(error.class, Class::Fenced);
    assert!(error.what.contains("epoch 4") && error.what.contains("ours is 3"), "{error}");
    // A batch that was made under another epoch than the fence's does not leave the house.
    let present = zone::read_records(&world.provider, &world.cluster, &world.service).await.unwrap();
    let batch = ChangeBatch::fence(&present, present.token().advanced(&World::fence(9)).unwrap());
    let answer = world.provider.apply(&World::fence(5), &world.service.dns.zone, &batch).await;
    assert_eq!(answer.unwrap_err().class, Class::Fenced);
    assert_eq!((world.wire.writes(), world.token().await.as_str()), (vec![], FIRST_TOKEN));
}

/// The takeover's error, after which nothing was sent.
async fn refused_untouched(world: &World) -> PortError {
    let before = world.now().await;
    let taken = zone::take_over(&world.provider, &World::fence(9), &world.cluster, &world.service).await;
    let error = taken.unwrap_err();
    assert_eq!(error.class, Class::Broken, "{error}");
    assert_eq!((world.wire.writes(), world.now().await), (vec![], before));
    error
}

fn pair() -> [sdk::ResourceRecordSet; 2] {
    [
        failover("aws", PRIMARY, sdk::ResourceRecordSetFailover::Primary),
        failover("gcp", STANDBY, sdk::ResourceRecordSetFailover::Secondary),
    ]
}

async fn records_without_our_mark_are_not_touched(world: World) {
    world.create(pair()).await;
    let error = refused_untouched(&world).await;
    assert!(error.what.contains("no ownership record") && error.what.contains(MARK), "{error}");
}

async fn records_that_are_not_ours_or_not_whole_are_not_touched(world: World) {
    world.create(pair()).await;
    for (token, why) in [
        ("v1;c=theirs;e=4;s=7;t=primary;d=-", "belongs to the cluster 'theirs'"),
        ("v1;c=demo;e=04;s=7;t=primary;d=-", "the form"),
        ("hands off", "the version"),
        ("v1;c=demo;e=4;\" \"s=7;t=primary;d=-", "the version"),
        ("v1;c=demo;e=4;s=7;t=standby;d=-", "changed by hand"),
    ] {
        world.upsert([mark(token)]).await;
        let error = refused_untouched(&world).await;
        assert!(error.what.contains(why), "{error}");
    }
    world.upsert([mark(FIRST_TOKEN), failover("aws", "203.0.113.7", sdk::ResourceRecordSetFailover::Primary)]).await;
    let error = refused_untouched(&world).await;
    assert!(error.what.contains("203.0.113.7") && error.what.contains(PRIMARY), "{error}");
    let cluster = ClusterName::new("other").unwrap();
    let read = zone::read_token(&world.provider, &cluster, &world.service).await;
    assert!(read.unwrap_err().what.contains("belongs to the cluster 'demo'"));
}

async fn a_simple_record_is_not_a_pair(world: World) {
    let simple = record(NAME, sdk::RrType::A, 30, PRIMARY).build().unwrap();
    world.create([simple, mark(FIRST_TOKEN)]).await;
    let error = refused_untouched(&world).await;
    assert!(error.what.contains("a simple record (192.0.2.1)"), "{error}");
}

async fn a_missing_zone_is_named(mut world: World) {
    let (fence, records) = world.lead(5).await;
    world.service.dns.zone = "Z0NOSUCHZONE".to_owned();
    let reading = zone::read_token(&world.provider, &world.cluster, &world.service).await.unwrap_err();
    let writing = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    for error in [reading, writing] {
        assert_eq!(error.class, Class::Broken, "{error}");
        assert!(error.what.contains("Z0NOSUCHZONE") && error.what.contains("correct the zone id"), "{error}");
    }
}

async fn a_flip_whose_answer_was_lost_is_found_and_not_repeated(world: World) {
    let (fence, records) = world.lead(5).await;
    world.wire.on_write(Fault::LoseAnswer);
    let flipped = world.flip(&fence, &records, Role::Standby).await.unwrap();
    assert_eq!((flipped.read_back, flipped.change), (true, None));
    assert_eq!(flipped.records.token().to_string(), world.token().await);
    assert_eq!((world.serving().await.as_str(), world.wire.writes()), (STANDBY, vec![Some(200), Some(200)]));
    // The same flip again, as after a crash between the write and its journal entry, finds itself done.
    let again = world.flip(&fence, &records, Role::Standby).await.unwrap();
    assert_eq!((again.read_back, again.records), (true, flipped.records));
    assert_eq!(world.wire.writes(), [Some(200), Some(200), Some(400)]);
}

async fn a_takeover_whose_answer_was_lost_is_found_and_not_repeated(world: World) {
    world.wire.on_write(Fault::LoseAnswer);
    let taken = zone::take_over(&world.provider, &World::fence(5), &world.cluster, &world.service).await.unwrap();
    assert_eq!((taken.change, taken.records.token().to_string()), (None, world.token().await));
    assert_eq!(world.wire.writes(), [Some(200)]);
}

async fn an_answer_that_nobody_can_read_is_unknown_and_read_back(world: World) {
    let (fence, records) = world.lead(5).await;
    world.wire.on_write(Fault::GarbleAnswer);
    assert!(world.flip(&fence, &records, Role::Standby).await.unwrap().read_back);
    let html = "<html><body>503 from something on the way</body></html>";
    world.wire.on_write(Fault::Answer(404, html.to_owned()));
    let records = zone::read_records(&world.provider, &world.cluster, &world.service).await.unwrap();
    let error = world.flip(&fence, &records, Role::Primary).await.unwrap_err();
    assert_eq!((error.class, world.serving().await.as_str()), (Class::Retry, STANDBY), "{error}");
}

async fn a_request_that_was_lost_may_be_tried_again(world: World) {
    world.wire.on_write(Fault::LoseRequest);
    let taken = zone::take_over(&world.provider, &World::fence(5), &world.cluster, &world.service).await;
    assert_eq!((taken.unwrap_err().class, world.token().await.as_str()), (Class::Retry, FIRST_TOKEN));
    let (fence, records) = world.lead(5).await;
    world.wire.on_write(Fault::LoseRequest);
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!((error.class, world.serving().await.as_str()), (Class::Retry, PRIMARY), "{error}");
    assert!(!world.flip(&fence, &records, Role::Standby).await.unwrap().read_back);
    assert_eq!(world.wire.writes(), [None, Some(200), None, Some(200)]);
}

async fn without_reading_back_nothing_is_claimed(world: World) {
    let (fence, records) = world.lead(5).await;
    world.wire.on_write(Fault::LoseAnswer);
    for _ in 0..3 {
        world.wire.on_read(Fault::error(503, "ServiceUnavailable", "later"));
    }
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains("unknown whether"), "{error}");
    assert!(world.flip(&fence, &records, Role::Standby).await.unwrap().read_back);
}

async fn a_delayed_duplicate_changes_nothing(world: World) {
    let (fence, records) = world.lead(5).await;
    let there = world.flip(&fence, &records, Role::Standby).await.unwrap();
    world.flip(&fence, &there.records, Role::Primary).await.unwrap();
    let before = world.now().await;
    for write in 0..3 {
        assert_eq!(world.wire.deliver(write).await, 400);
    }
    assert_eq!(world.now().await, before);
}

/// The case that a lease and a compare-and-swap without the fence write get wrong.
async fn a_predecessors_delayed_flip_does_not_survive_the_takeover(world: World) {
    let (fence, records) = world.lead(5).await;
    world.wire.on_write(Fault::LoseRequest);
    assert_eq!(world.flip(&fence, &records, Role::Standby).await.unwrap_err().class, Class::Retry);
    world.lead(6).await;
    let before = world.now().await;
    assert_eq!(world.wire.deliver(1).await, 400);
    assert_eq!(world.now().await, before);
}

async fn a_takeover_that_arrives_twice_is_taken_over_again(world: World) {
    world.wire.on_write(Fault::DeliverTwice);
    let first = zone::take_over(&world.provider, &World::fence(5), &world.cluster, &world.service).await;
    let error = first.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains("take over again"), "{error}");
    // The same epoch again: a new token all the same, which no twin has.
    let (fence, records) = world.lead(5).await;
    assert_eq!((records.token().epoch.get(), records.token().seq), (5, 1));
    // A flip's token names its plan, so the same there is success.
    world.wire.on_write(Fault::DeliverTwice);
    assert!(world.flip(&fence, &records, Role::Standby).await.unwrap().read_back);
    assert_eq!(world.serving().await, STANDBY);
}

async fn throttled_writes_are_not_repeated_and_reads_are(world: World) {
    let (fence, records) = world.lead(5).await;
    let reads = world.wire.reads();
    world.wire.on_read(Fault::error(400, "Throttling", "Rate exceeded"));
    zone::read_token(&world.provider, &world.cluster, &world.service).await.unwrap();
    assert_eq!(world.wire.reads() - reads, 2);
    for (status, code) in [(400, "Throttling"), (400, "PriorRequestNotComplete"), (503, "ServiceUnavailable")] {
        let writes = world.wire.writes().len();
        world.wire.on_write(Fault::error(status, code, "not now"));
        let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
        assert_eq!((error.class, world.wire.writes().len()), (Class::Retry, writes + 1), "{error}");
        assert!(error.what.contains("not now"), "{error}");
    }
    assert_eq!((world.serving().await, world.token().await), (PRIMARY.to_owned(), records.token().to_string()));
}

async fn a_refusal_with_the_right_token_needs_a_person(world: World) {
    let (fence, records) = world.lead(5).await;
    // Somebody changes a time to live at the console: the value is as configured, and the DELETE does not match.
    let touched = record(NAME, sdk::RrType::A, 31, PRIMARY)
        .set_identifier("aws")
        .failover(sdk::ResourceRecordSetFailover::Primary)
        .build()
        .unwrap();
    world.upsert([touched]).await;
    let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    assert_eq!(error.class, Class::Broken);
    assert!(error.what.contains("do not match the current values"), "{error}");
    assert_eq!((world.serving().await, world.token().await), (PRIMARY.to_owned(), records.token().to_string()));
    // With the records as they are now, it works, and the configured time to live is back.
    let now = zone::read_records(&world.provider, &world.cluster, &world.service).await.unwrap();
    world.flip(&fence, &now, Role::Standby).await.unwrap();
    assert!(world.now().await[1..].iter().all(|set| set.ttl_s == 30));
}

async fn both_forms_of_a_refusal_are_understood(world: World) {
    let (fence, records) = world.lead(5).await;
    let old = "<?xml version=\"1.0\"?>\n<InvalidChangeBatch xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Messages>\
               <Message>Tried to delete it but it was not found</Message></Messages></InvalidChangeBatch>";
    let both = "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error>\
                <Type>Sender</Type><Code>InvalidChangeBatch</Code><Messages><Message>Tried to delete it but it was not found</Message>\
                </Messages></Error><RequestId>r</RequestId></ErrorResponse>";
    for body in [old, both] {
        world.wire.on_write(Fault::Answer(400, body.to_owned()));
        let error = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
        assert_eq!(error.class, Class::Broken, "{error}");
        assert!(error.what.contains("refuses the flip") && error.what.contains("it was not found"), "{error}");
    }
}

async fn a_missing_permission_is_named(world: World) {
    let (fence, records) = world.lead(5).await;
    world.wire.on_write(Fault::error(403, "AccessDenied", "no identity-based policy allows it"));
    let writing = world.flip(&fence, &records, Role::Standby).await.unwrap_err();
    world.wire.on_read(Fault::error(403, "AccessDenied", "no identity-based policy allows it"));
    let reading = zone::read_token(&world.provider, &world.cluster, &world.service).await.unwrap_err();
    for (error, call) in [(writing, "route53:ChangeResourceRecordSets"), (reading, "route53:ListResourceRecordSets")]
    {
        assert_eq!(error.class, Class::Broken);
        let arn = format!("allow {call} on arn:aws:route53:::hostedzone/{}", world.service.dns.zone);
        assert!(error.what.contains(&arn), "{error}");
    }
}

async fn a_mark_far_down_the_list_is_found(world: World) {
    // Digits sort before the underscore: these lie between the name and its mark, and fill more than a page.
    let between =
        |number| record(&format!("{number:03}.{NAME}"), sdk::RrType::Txt, 60, "\"between\"").build().unwrap();
    world.create((0..150).map(between)).await;
    let (fence, records) = world.lead(5).await;
    world.flip(&fence, &records, Role::Standby).await.unwrap();
    assert_eq!((world.serving().await.as_str(), world.now().await.len()), (STANDBY, 3));
}

async fn a_read_of_several_pages_is_of_one_moment(world: World) {
    let between =
        |number| record(&format!("{number:03}.{NAME}"), sdk::RrType::Txt, 60, "\"between\"").build().unwrap();
    world.create((0..150).map(between)).await;
    let (fence, records) = world.lead(5).await;
    world.wire.on_write(Fault::LoseRequest);
    assert_eq!(world.flip(&fence, &records, Role::Standby).await.unwrap_err().class, Class::Retry);
    // The first page, the mark; and the flip arrives before the records are read. Old mark and new records together
    // would look like somebody's hand.
    for fault in [Fault::Pass, Fault::Pass, Fault::After(1)] {
        world.wire.on_read(fault);
    }
    let error = zone::read_token(&world.provider, &world.cluster, &world.service).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains("written to while it was read"), "{error}");
    let token = zone::read_token(&world.provider, &world.cluster, &world.service).await.unwrap();
    assert_eq!((token.seq, token.serving), (1, Role::Standby));
}

async fn a_change_is_pending_and_then_in_sync(world: World) {
    let (fence, records) = world.lead(5).await;
    let change = world.flip(&fence, &records, Role::Standby).await.unwrap().change.unwrap();
    assert_eq!(world.provider.change_state(&change).await.unwrap(), ChangeState::Pending);
    let in_sync = async {
        while world.provider.change_state(&change).await.unwrap() != ChangeState::InSync {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), in_sync).await.unwrap();
    let error = world.provider.change_state("/change/C0NOSUCHCHANGE").await.unwrap_err();
    assert_eq!(error.class, Class::Broken);
    assert!(error.what.contains("C0NOSUCHCHANGE"), "{error}");
}

async fn the_delegation_names_the_servers(world: World) {
    let servers = world.provider.name_servers(&world.service.dns.zone).await.unwrap();
    assert!(!servers.is_empty() && servers.iter().all(|name| !name.ends_with('.')), "{servers:?}");
}

/// The lab takes no weights: it models what Quorate writes.
#[tokio::test]
async fn a_weighted_record_is_not_a_simple_one() {
    let world = World::ministack(Begin::Empty).await;
    let weighted = record(NAME, sdk::RrType::A, 30, PRIMARY).set_identifier("aws").weight(10).build().unwrap();
    world.create([weighted, mark(FIRST_TOKEN)]).await;
    let error = refused_untouched(&world).await;
    assert!(error.what.contains("'aws' (weighted routing (10): 192.0.2.1)"), "{error}");
    // A mark with a weight is no mark: another one may stand beside it.
    let world = World::ministack(Begin::Empty).await;
    let value = format!("\"{FIRST_TOKEN}\"");
    let weighted = record(MARK, sdk::RrType::Txt, 30, &value).set_identifier("one").weight(10).build().unwrap();
    world.create(pair().into_iter().chain([weighted])).await;
    assert!(refused_untouched(&world).await.what.contains("must be one simple TXT record"));
    assert_eq!(world.now().await.iter().filter(|set| set.kind == RecordType::Txt).count(), 1);
}

/// What makes moto unfit for the cases that it is left out of.
#[tokio::test]
async fn moto_takes_a_stale_swap() {
    let world = World::moto(Begin::Owned).await;
    let (old_fence, old_records) = world.lead(5).await;
    world.lead(6).await;
    let intent = World::intent(&old_records, &old_fence, Role::Standby);
    let batch = ChangeBatch::flip(&old_records, &world.service, intent.new);
    let stale = world.provider.apply(&old_fence, &world.service.dns.zone, &batch).await;
    assert!(
        stale.is_ok(),
        "moto refuses a stale DELETE and CREATE now ({stale:?}): move the cases under `exact` of the battery in tests/suite/dns.rs \
         to `all`, one by one, and correct docs/lab.md"
    );
}

/// And another thing that keeps it from a failback.
#[tokio::test]
async fn moto_refuses_to_create_what_was_there_before() {
    let world = World::moto(Begin::Owned).await;
    let (fence, records) = world.lead(5).await;
    let there = world.flip(&fence, &records, Role::Standby).await.unwrap();
    let back = world.flip(&fence, &there.records, Role::Primary).await;
    assert!(
        back.as_ref().is_err_and(|error| error.what.contains("already exists")),
        "moto lets records be created again now ({back:?}): move a_flip_back_restores_what_was_there_before to `all` of the battery in \
         tests/suite/dns.rs, and correct docs/lab.md"
    );
}
