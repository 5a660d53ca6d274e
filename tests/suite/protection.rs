//! A freeze that the provider itself keeps, with the real processes: made, taken away, and mended when something came in between.

use aws_sdk_route53::types as sdk;
use quorate::lab::FaultChange;
use serde_json::{Value, json};

use super::dns_world::console;
use super::world::{CONTROLLER, NAME, Options, PRIMARY, VANTAGES, World};

/// More requests than a test makes.
const ALL: u32 = 1_000_000;

fn protecting() -> Options {
    Options { dns: "protect = true", ..Options::default() }
}

/// The path of a zone's protections.
fn place(world: &World) -> String {
    format!("{}/2013-04-01/hostedzone/{}/rrsetprotection", world.lab.api_url(), world.zone)
}

/// The lab's own list.
async fn listed(world: &World) -> String {
    world.http.get(place(world)).send().await.unwrap().text().await.unwrap()
}

async fn until_protected(world: &World, wanted: bool) {
    let what = format!("the lab lists a protection: {wanted}");
    world.until_so(&what, async || listed(world).await.contains("<RecordName>") == wanted).await;
}

/// Somebody at a console overwrites the primary's record with what it is already.
async fn overwrite(world: &World, name: &str) -> Result<(), String> {
    let client = console(&world.lab.api_url());
    let sets =
        client.list_resource_record_sets().hosted_zone_id(&world.zone).send().await.unwrap().resource_record_sets;
    let set = sets.into_iter().find(|set| set.name.trim_end_matches('.') == name).unwrap();
    let change = sdk::Change::builder().action(sdk::ChangeAction::Upsert).resource_record_set(set).build().unwrap();
    let batch = sdk::ChangeBatch::builder().changes(change).build().unwrap();
    let sent = client.change_resource_record_sets().hosted_zone_id(&world.zone).change_batch(batch).send().await;
    sent.map(drop).map_err(|error| format!("{:?}", error.into_service_error()))
}

fn away(world: &World, away: bool) {
    let unavailable = Some(if away { ALL } else { 0 });
    world.lab_faults(FaultChange { unavailable, ..FaultChange::default() });
}

async fn say(world: &World, word: &str) -> String {
    let ran = world.cli(&[word, "login", "--reason", "a test"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.out
}

#[tokio::test]
async fn what_is_frozen_nobody_else_can_change_until_it_is_no_longer() {
    let mut world = World::healthy(protecting()).await;
    overwrite(&world, NAME).await.expect("nothing is protected yet");
    let said = say(&world, "freeze").await;
    assert!(said.contains("frozen: nothing moves") && said.contains("refuses every change of the records"), "{said}");
    let list = listed(&world).await;
    assert_eq!(list.matches("<RecordName>").count(), 1, "{list}");
    for words in [NAME, "<RecordType>A<", "Quorate e2e login: frozen; `quorate unfreeze login` lifts it"] {
        assert!(list.contains(words), "{words}: {list}");
    }
    let refused = overwrite(&world, NAME).await.unwrap_err();
    assert!(refused.contains("InvalidChangeBatch") && refused.contains("quorate unfreeze login"), "{refused}");
    let zone = world.service().await["protection"][0].clone();
    assert_eq!((&zone["protected"], &zone["settled"]), (&json!(true), &json!(true)), "{zone}");
    assert!(zone["zone"].as_str().unwrap().contains(&world.zone), "{zone}");
    let explained = world.cli(&["explain", "login"]).await.out;
    assert!(explained.contains("the provider refuses every change"), "{explained}");

    // A new leader still fences the zone: the ownership record is not protected.
    world.kill(CONTROLLER).await;
    world.start_controller().await;
    let healthy = world.until_healthy().await;
    assert!(healthy["frozen"].is_object() && healthy["token"].as_str().unwrap().contains("e=2"), "{healthy}");
    assert_eq!(listed(&world).await, list, "and made no second protection");

    let said = say(&world, "unfreeze").await;
    assert!(said.contains("no longer frozen") && said.contains("the records are not protected"), "{said}");
    assert!(!listed(&world).await.contains("<RecordName>"));
    world.break_primary().await;
    world.until_held().await;
}

#[tokio::test]
async fn a_freeze_holds_while_the_provider_is_away_and_a_crash_in_between_is_mended() {
    let mut world = World::healthy(protecting()).await;
    away(&world, true);
    let said = say(&world, "freeze").await;
    assert!(
        said.contains("frozen: nothing moves") && said.contains("not known") && said.contains("tried again"),
        "{said}"
    );
    let service = world.service().await;
    assert!(service["frozen"].is_object(), "{service}");
    let zone = &service["protection"][0];
    assert_eq!((&zone["protected"], &zone["settled"]), (&Value::Null, &json!(false)), "{zone}");
    // Nobody has told the provider yet.
    world.kill(CONTROLLER).await;
    away(&world, false);
    world.start_controller().await;
    until_protected(&world, true).await;
    // And the other way round.
    away(&world, true);
    let said = say(&world, "unfreeze").await;
    assert!(said.contains("no longer frozen") && said.contains("tried again"), "{said}");
    world.kill(CONTROLLER).await;
    away(&world, false);
    assert!(listed(&world).await.contains("<RecordName>"), "it was left behind");
    world.start_controller().await;
    until_protected(&world, false).await;
    world.until("it is told", |service| service["protection"][0]["settled"] == true).await;
}

#[tokio::test]
async fn a_flip_waits_for_its_own_protection_to_be_gone() {
    let world = World::healthy(protecting()).await;
    say(&world, "freeze").await;
    until_protected(&world, true).await;
    // The list is read, and no write gets through: the provider's word is then that it is still protected.
    let denied = FaultChange { access_denied: Some(ALL), ..FaultChange::default() };
    world.lab_faults(denied);
    let said = say(&world, "unfreeze").await;
    assert!(said.contains("no longer frozen") && said.contains("allow route53:"), "{said}");
    world.lab_faults(FaultChange { access_denied: Some(0), ..FaultChange::default() });
    world.break_primary().await;
    let service = world.until_held().await;
    assert_eq!(service["stuck"], Value::Null, "{service}");
    assert!(!listed(&world).await.contains("<RecordName>"));
}

#[tokio::test]
async fn somebody_elses_protection_is_left_alone_and_told_of() {
    let mut world = World::prepared(protecting()).await;
    let body = format!(
        "<CreateResourceRecordSetProtectionsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Protections>\
         <ResourceRecordSetProtectionConfig><RecordName>{NAME}</RecordName><RecordType>A</RecordType><Comment>change freeze of \
         the audit</Comment></ResourceRecordSetProtectionConfig></Protections></CreateResourceRecordSetProtectionsRequest>"
    );
    let made = world.http.post(place(&world)).body(body).send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    world.start_controller().await;
    for vantage in VANTAGES {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
    let theirs = listed(&world).await;
    let service = world
        .until("it is told", |service| {
            service["protection"][0]["text"].to_string().contains("change freeze of the audit")
        })
        .await;
    assert_eq!(service["protection"][0]["protected"], true, "{service}");
    for word in ["freeze", "unfreeze"] {
        let said = say(&world, word).await;
        assert!(said.contains("protected by somebody else"), "{said}");
        assert_eq!(listed(&world).await, theirs, "after {word}");
    }
    // Nothing but the provider's own refusal stands in a move's way, and it names who is asked.
    world.break_primary().await;
    let stuck = world.until("the provider refuses the flip", |service| service["stuck"].is_string()).await;
    assert!(stuck["stuck"].as_str().unwrap().contains("change freeze of the audit"), "{}", stuck["stuck"]);
    assert_eq!(world.answer().await, PRIMARY);
}
