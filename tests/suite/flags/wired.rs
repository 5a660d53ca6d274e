//! What goes wrong between us and a store: S3 over ministack, through the relay.

use super::*;
use crate::suite::wire::{Fault, Wire};

fn s3_error(status: u16, code: &str) -> Fault {
    Fault::Answer(
        status,
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>so it is</Message></Error>"),
    )
}

/// A store behind a relay, taken over under epoch 1.
async fn led() -> (Shop, Wire, FlagStores, OwnedFlag) {
    let shop = Shop::ministack().await;
    let (wire, store) = shop.relayed().await;
    let stores = open(vec![store]).await;
    let taken = take_over(&stores, 1).await.unwrap();
    (shop, wire, stores, taken.flag)
}

#[tokio::test]
async fn a_takeover_and_a_move_are_one_write_each_and_two_reads() {
    let (_shop, wire, stores, flag) = led().await;
    assert_eq!((wire.writes(), wire.reads()), (vec![Some(200)], 2));
    moved(&stores, 1, &flag, Role::Standby, 1).await;
    assert_eq!((wire.writes(), wire.reads()), (vec![Some(200); 2], 4));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_or_garbled_is_found_and_not_repeated() {
    for fault in [Fault::LoseAnswer, Fault::GarbleAnswer] {
        let (shop, wire, stores, flag) = led().await;
        wire.on_write(fault);
        let up = moved(&stores, 1, &flag, Role::Standby, 1).await;
        assert_eq!(wire.writes().len(), 2);
        assert!(up.behind.is_empty() && shop.text(OBJECT).await.unwrap().contains(PHRASE));

        wire.on_write(Fault::LoseAnswer);
        let taken = take_over(&stores, 2).await.unwrap();
        assert_eq!((taken.flag.serving(), wire.writes().len()), (Role::Standby, 3));
    }
}

#[tokio::test]
async fn a_write_that_was_lost_is_unknown_sent_once_and_may_be_tried_again() {
    for fault in [Fault::LoseRequest, s3_error(503, "SlowDown"), s3_error(500, "InternalError")] {
        let (shop, wire, stores, flag) = led().await;
        let raise = intent(&flag, 1, Role::Standby, 1);
        wire.on_write(fault);
        let error = go(&stores, 1, &flag, &raise).await.unwrap_err();
        assert_eq!(error.class, Class::Retry);
        assert!(error.what.contains("still may be") && error.what.contains("s3://flags/"), "{error}");
        assert_eq!(wire.writes(), [Some(200), None]);
        assert!(!shop.text(OBJECT).await.unwrap().contains(PHRASE));
        go(&stores, 1, &flag, &raise).await.unwrap();
    }
}

#[tokio::test]
async fn without_reading_back_nothing_is_claimed() {
    let (_shop, wire, stores, flag) = led().await;
    let raise = intent(&flag, 1, Role::Standby, 1);
    wire.on_read(Fault::Pass);
    wire.on_read(Fault::LoseAnswer);
    let error = go(&stores, 1, &flag, &raise).await.unwrap_err();
    assert_eq!(error.class, Class::Retry, "{error}");
    // It was written all the same, and the same intent finds it.
    go(&stores, 1, &flag, &raise).await.unwrap();
    assert_eq!(wire.writes().len(), 2);
}

#[tokio::test]
async fn a_delayed_duplicate_changes_nothing() {
    let (shop, wire, stores, flag) = led().await;
    let up = moved(&stores, 1, &flag, Role::Standby, 1).await;
    moved(&stores, 1, &up.flag, Role::Primary, 2).await;
    let text = shop.text(OBJECT).await.unwrap();
    for write in 0..3 {
        assert_eq!(wire.deliver(write).await, 412, "write {write}");
    }
    assert_eq!(shop.text(OBJECT).await.unwrap(), text);
}

#[tokio::test]
async fn a_predecessors_delayed_move_does_not_survive_the_takeover() {
    let (shop, wire, stores, flag) = led().await;
    wire.on_write(Fault::LoseRequest);
    let raise = intent(&flag, 1, Role::Standby, 1);
    go(&stores, 1, &flag, &raise).await.unwrap_err();
    take_over(&stores, 2).await.unwrap();
    assert_eq!(wire.deliver(1).await, 412);
    assert!(!shop.text(OBJECT).await.unwrap().contains(PHRASE));

    // It arrives just before the takeover's write: that one is refused, and the next finds it up.
    wire.on_write(Fault::LoseRequest);
    let flag = OwnedFlag::new(flag::read_token(&stores, &cluster(), &login()).await.unwrap());
    let raise = intent(&flag, 2, Role::Standby, 3);
    go(&stores, 2, &flag, &raise).await.unwrap_err();
    wire.on_write(Fault::After(3));
    let error = take_over(&stores, 3).await.unwrap_err();
    assert_eq!(error.class, Class::Retry, "{error}");
    let taken = take_over(&stores, 3).await.unwrap();
    assert_eq!((taken.before, taken.flag.serving()), (raise.new, Role::Standby));
}

#[tokio::test]
async fn a_takeover_that_arrives_twice_is_taken_over_again() {
    let (_shop, wire, stores, _flag) = led().await;
    wire.on_write(Fault::DeliverTwice);
    let error = take_over(&stores, 2).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
    assert!(error.what.contains("take over again"), "{error}");
    assert_eq!(take_over(&stores, 2).await.unwrap().flag.token().seq, 1);
}

#[tokio::test]
async fn what_a_store_refuses_for_good_needs_a_person_and_is_named() {
    for (status, code, wanted) in [
        (403, "AccessDenied", "writing is not allowed: 403 AccessDenied so it is"),
        (404, "NoSuchBucket", "no such bucket"),
        (501, "NotImplemented", "no conditional writes"),
        (307, "TemporaryRedirect", "is its region right?"),
    ] {
        let (_shop, wire, stores, flag) = led().await;
        wire.on_write(s3_error(status, code));
        let error = go(&stores, 1, &flag, &intent(&flag, 1, Role::Standby, 1)).await.unwrap_err();
        assert_eq!(error.class, Class::Broken, "{error}");
        assert!(error.what.contains(wanted), "{error}");
        assert_eq!(wire.writes(), [Some(200), None], "sent once, followed nowhere");
    }
    let (_shop, wire, stores, _flag) = led().await;
    wire.on_read(s3_error(403, "AccessDenied"));
    let error = stores.read().await.remove(0).held.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("s3:ListBucket"), "{error}");
    wire.on_read(s3_error(503, "SlowDown"));
    assert_eq!(stores.read().await.remove(0).held.unwrap_err().class, Class::Retry);
}
