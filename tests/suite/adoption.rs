//! Records that are taken over, that differ, and that are put back: over the lab and ministack, and with the real processes.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_route53::types as sdk;
use quorate::adapters::twin::{Half, Twin};
use quorate::domain::adoption::{self, AdoptionError};
use quorate::domain::{ChangeBatch, ClusterName, OwnedRecords, Role, Token};
use quorate::lab::FaultChange;
use quorate::ports::{Class, DnsProvider};
use quorate::runtime::zone;
use serde_json::{Value, json};

use super::dns_world::{self, Begin, FIRST_TOKEN, failover, mark, record};
use super::dynamic_world::simple;
use super::name_servers::{NameServer, Program};
use super::world::{CONTROLLER, NAME, Options, PRIMARY, Ran, STANDBY, VANTAGES, World, Zone};

const MARK: &str = "_quorate.login.e2e.test";
const ADOPT: &str = "/v1/services/login/adopt";

fn refused(ran: &Ran, words: &str) {
    assert!(ran.code == Some(3) && ran.err.contains(words), "wanted a refusal with '{words}': {ran:?}");
}

/// A pair without a mark, over both.
async fn worlds() -> [dns_world::World; 2] {
    let worlds = [dns_world::World::lab(Begin::Empty).await, dns_world::World::ministack(Begin::Empty).await];
    for world in &worlds {
        let primary = failover("aws", dns_world::PRIMARY, sdk::ResourceRecordSetFailover::Primary);
        let standby = failover("gcp", dns_world::STANDBY, sdk::ResourceRecordSetFailover::Secondary);
        world.create([primary, standby]).await;
    }
    worlds
}

async fn adoption(
    world: &dns_world::World,
    from: Option<&str>,
    epoch: u64,
) -> Result<Option<ChangeBatch>, AdoptionError> {
    let from = from.map(|from| ClusterName::new(from).unwrap());
    let fence = dns_world::World::fence(epoch);
    adoption::adopt(&world.cluster, &world.service, &world.now().await, from.as_ref(), &fence)
}

async fn write(world: &dns_world::World, batch: &ChangeBatch) -> Result<Option<String>, quorate::ports::PortError> {
    let fence = dns_world::World::fence(batch.new_token().epoch.get());
    zone::mend(&world.provider, &fence, &world.cluster, &world.service, batch).await
}

#[tokio::test]
async fn a_pair_without_a_mark_is_taken_once_and_a_late_second_batch_changes_nothing() {
    for world in worlds().await {
        let batch = adoption(&world, None, 7).await.unwrap().expect("there is something to do");
        assert_eq!(batch.changes().len(), 1, "the records stay as they are");
        let rival = adoption(&world, None, 8).await.unwrap().unwrap();
        write(&world, &batch).await.unwrap();
        assert_eq!(world.token().await, "v1;c=demo;e=7;s=0;t=primary;d=-");
        assert_eq!(write(&world, &rival).await.unwrap_err().class, Class::Refused);
        assert_eq!(write(&world, &batch).await.unwrap_err().class, Class::Refused, "a repeated one, too");
        assert_eq!(adoption(&world, None, 9).await, Ok(None), "it is ours");
        // And from there on it is led as any other.
        let (fence, records) = world.lead(9).await;
        world.flip(&fence, &records, Role::Standby).await.unwrap();
        assert_eq!(world.serving().await, dns_world::STANDBY);
    }
}

#[tokio::test]
async fn another_clusters_records_are_taken_from_exactly_that_one() {
    for world in worlds().await {
        world.create([mark("v1;c=others;e=90;s=3;t=primary;d=-")]).await;
        let error = adoption(&world, None, 7).await.unwrap_err();
        assert!(error.to_string().contains("--from others"), "{error}");
        let error = adoption(&world, Some("third"), 7).await.unwrap_err();
        assert!(matches!(error, AdoptionError::NotFrom { .. }) && error.to_string().contains("'others'"), "{error}");
        let stale = adoption(&world, Some("others"), 7).await.unwrap().unwrap();
        world.upsert([mark("v1;c=others;e=90;s=4;t=primary;d=-")]).await;
        assert_eq!(write(&world, &stale).await.unwrap_err().class, Class::Refused, "they have written meanwhile");
        write(&world, &adoption(&world, Some("others"), 7).await.unwrap().unwrap()).await.unwrap();
        assert_eq!(world.token().await, "v1;c=demo;e=7;s=0;t=primary;d=-");
    }
}

#[tokio::test]
async fn records_that_are_not_whole_are_not_taken() {
    let world = dns_world::World::lab(Begin::Empty).await;
    assert!(
        adoption(&world, None, 7).await.unwrap_err().to_string().contains("must be one PRIMARY and one SECONDARY")
    );
    world.create([record(dns_world::NAME, sdk::RrType::A, 30, dns_world::PRIMARY).build().unwrap()]).await;
    assert!(adoption(&world, None, 7).await.unwrap_err().to_string().contains("a simple record"));
}

#[tokio::test]
async fn a_hand_edited_zone_is_put_back_in_one_batch_whatever_became_of_its_mark() {
    let edits: [(&str, Option<&str>); 4] = [
        ("198.51.100.9", Some(FIRST_TOKEN)),
        ("198.51.100.9", Some("by hand")),
        (dns_world::PRIMARY, Some("by hand")),
        ("198.51.100.9", None),
    ];
    for (value, token) in edits {
        let world = dns_world::World::lab(Begin::Owned).await;
        let (fence, records) = world.lead(9).await;
        world.upsert([failover("aws", value, sdk::ResourceRecordSetFailover::Primary)]).await;
        match token {
            Some(token) => world.upsert([mark(token)]).await,
            None => world.delete([mark(&records.token().to_string())]).await,
        }
        let sets = world.now().await;
        let repair = |sets| {
            adoption::repair(&world.cluster, &world.service, sets, Role::Primary, Some(records.token()), &fence)
        };
        let batch = repair(&sets[..]).unwrap().expect("there is something to do");
        write(&world, &batch).await.unwrap();
        let now = world.now().await;
        let found = OwnedRecords::find(&world.cluster, &world.service, &now).unwrap();
        assert!(found.token().is_after(records.token()), "{}", found.token());
        assert_eq!(world.serving().await, dns_world::PRIMARY);
        let again =
            adoption::repair(&world.cluster, &world.service, &now, Role::Primary, Some(found.token()), &fence);
        assert_eq!(again, Ok(None));
    }
}

#[tokio::test]
async fn a_newer_or_foreign_mark_is_never_repaired_over() {
    let world = dns_world::World::lab(Begin::Owned).await;
    let (fence, records) = world.lead(9).await;
    for (token, newer) in [("v1;c=demo;e=10;s=0;t=primary;d=-", true), ("v1;c=others;e=1;s=0;t=primary;d=-", false)] {
        world.upsert([mark(token)]).await;
        let sets = world.now().await;
        let error =
            adoption::repair(&world.cluster, &world.service, &sets, Role::Primary, Some(records.token()), &fence);
        assert_eq!(matches!(error, Err(AdoptionError::Newer { .. })), newer, "{error:?}");
        assert!(newer || matches!(error, Err(AdoptionError::OtherCluster { .. })), "{error:?}");
    }
}

/// Somebody at the console.
async fn by_hand(world: &World, action: sdk::ChangeAction, set: sdk::ResourceRecordSet) {
    let change = sdk::Change::builder().action(action).resource_record_set(set).build().unwrap();
    let batch = sdk::ChangeBatch::builder().changes(change).build().unwrap();
    let console = dns_world::console(&world.lab.api_url());
    console.change_resource_record_sets().hosted_zone_id(&world.zone).change_batch(batch).send().await.unwrap();
}

fn mark_of(token: &Token) -> sdk::ResourceRecordSet {
    record(MARK, sdk::RrType::Txt, 30, &format!("\"{token}\"")).build().unwrap()
}

#[tokio::test]
async fn records_without_a_mark_are_adopted_by_the_plan_that_was_shown_and_then_fail_over() {
    let mut world = World::prepared(Options::default()).await;
    let unmoved = Token::unmoved(ClusterName::new("e2e").unwrap());
    by_hand(&world, sdk::ChangeAction::Delete, mark_of(&unmoved)).await;
    world.start_controller().await;
    for vantage in VANTAGES {
        world.start_agent(vantage);
    }
    world.until_logged(CONTROLLER, "`quorate adopt` takes them").await;
    let adopt = ["adopt", "login", "--reason", "a new service", "--by", "ada"];
    let asked = world.cli(&adopt).await;
    assert!(asked.code == Some(64) && asked.err.contains("--yes"), "{asked:?}");
    assert!(asked.out.contains(&format!("+ {MARK} 30 TXT")) && asked.out.contains("digest"), "{asked:?}");
    assert!(asked.out.contains("one-network"), "both answers are in 127.0.0.0/24: {asked:?}");
    let shown = world.cli(&[&adopt[..], &["--json"]].concat()).await;
    assert_eq!((shown.code, &shown.json()["result"]), (Some(0), &json!("plan")));
    let body = json!({ "by": "ada", "reason": "a guess", "digest": "0000000000000000" });
    let (status, answer) = world.post(ADOPT, body.to_string()).await;
    assert_eq!((status, &answer["result"]), (200, &json!("plan-changed")), "{answer}");
    assert!(!world.history().await.iter().any(|(kind, _)| kind == "adoption-asked"), "nothing was done");
    assert_eq!(world.cli(&["drift", "login"]).await.code, Some(1), "the mark is missing");

    world
        .until_so("the fence has failed often enough to be waited for", async || {
            world.log(CONTROLLER).matches("fencing the zone").count() >= 3
        })
        .await;
    let adopted = world.cli(&[&adopt[..], &["--yes"]].concat()).await;
    assert!(adopted.code == Some(0) && adopted.out.contains("done"), "{adopted:?}");
    let at = tokio::time::Instant::now();
    world.until("it is fenced at once", |service| service["token"].is_string()).await;
    assert!(at.elapsed() < Duration::from_secs(4), "not after the pause of a failure: {:?}", at.elapsed());
    let service = world.service().await;
    assert_eq!((service["epoch"].as_u64(), world.log(CONTROLLER).contains("was as far, or ahead")), (Some(1), false));
    assert!(world.until_history("adoption-asked").await.contains("by ada"));
    let again = world.cli(&[&adopt[..], &["--yes"]].concat()).await;
    assert!(again.code == Some(0) && again.out.contains("nothing to do"), "{again:?}");

    world.until_healthy().await;
    let moved = world.cli(&["failover", "login", "--reason", "a rehearsal", "--yes"]).await;
    assert_eq!((moved.code, world.answer().await.as_str()), (Some(0), STANDBY), "{moved:?}");
    let drift = world.cli(&["drift", "login"]).await;
    assert!(drift.code == Some(0) && drift.out.contains("in order"), "{drift:?}");
}

#[tokio::test]
async fn another_clusters_service_is_taken_only_from_the_cluster_that_is_named() {
    let mut world = World::prepared(Options { zone: Zone::Of("others"), ..Options::default() }).await;
    world.start_controller().await;
    let adopt = ["adopt", "login", "--reason", "the old cluster is gone", "--yes"];
    refused(&world.cli(&adopt).await, "--from others");
    refused(&world.cli(&[&adopt[..], &["--from", "third"]].concat()).await, "'others'");
    assert_eq!(world.lab.requests(), [], "nothing was written");
    let adopted = world.cli(&[&adopt[..], &["--from", "others"]].concat()).await;
    assert_eq!(adopted.code, Some(0), "{adopted:?}");
    let ours = |service: &Value| service["token"].as_str().is_some_and(|token| token.starts_with("v1;c=e2e;"));
    world.until("it is ours", ours).await;
}

#[tokio::test]
async fn a_hand_edit_is_seen_told_of_and_put_back_by_a_person() {
    let watch = &["--watch-every", "1s", "--drift-after", "2s"];
    let world = World::healthy(Options { controller: watch, ..Options::default() }).await;
    assert_eq!(world.cli(&["drift"]).await.code, Some(0), "all services");
    let pair = |value: &str, ttl| {
        record(NAME, sdk::RrType::A, ttl, value)
            .set_identifier("aws")
            .failover(sdk::ResourceRecordSetFailover::Primary)
            .build()
            .unwrap()
    };
    by_hand(&world, sdk::ChangeAction::Upsert, pair("127.0.0.99", 300)).await;

    let seen = world.until("the look shows it", |service| service["drift"]["differences"][0].is_object()).await;
    assert!(seen["drift"]["differences"].to_string().contains("127.0.0.99"), "{seen:#}");
    let alert = world.until_history("alert-raised").await;
    assert!(alert.starts_with("drift: ") && alert.contains("zone "), "{alert}");
    world.until_noticed("sms", "+15550100101", "not what was decided").await;
    world.until_noticed("slack", "e2e-loud-hook-c3b4", "quorate drift login").await;
    let drift = world.cli(&["drift", "login"]).await;
    assert_eq!(drift.code, Some(1), "{drift:?}");
    for words in ["- login.e2e.test 300 A 127.0.0.99 PRIMARY 'aws'", "+ login.e2e.test 30 A 127.0.0.11 PRIMARY 'aws'"]
    {
        assert!(drift.out.contains(words), "{words}: {drift:?}");
    }
    assert!(drift.out.contains("(answer)") && drift.out.contains("(changed)"), "{drift:?}");
    let explained = world.cli(&["explain", "login"]).await;
    assert!(explained.out.contains("+ login.e2e.test 30 A 127.0.0.11"), "{explained:?}");
    assert_eq!(world.answer().await, "127.0.0.99", "it is never repaired by itself");

    let repair = ["drift", "login", "--repair", "--reason", "a hand slipped", "--yes"];
    assert_eq!(world.cli(&["drift", "login", "--repair", "--yes"]).await.code, Some(64));
    assert_eq!(world.cli(&["freeze", "login", "--reason", "we look first"]).await.code, Some(0));
    refused(&world.cli(&repair).await, "(frozen)");
    assert_eq!(world.cli(&["unfreeze", "login", "--reason", "seen"]).await.code, Some(0));
    let repaired = world.cli(&repair).await;
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    world.until_so("it answers as before", async || world.answer().await == PRIMARY).await;
    world.until_history("repair-asked").await;
    world.until_history("alert-cleared").await;
    let drift = world.cli(&["drift", "login", "--json"]).await;
    assert_eq!((drift.code, &drift.json()["result"]), (Some(0), &json!("in-order")), "{drift:?}");
    let again = world.cli(&repair).await;
    assert!(again.code == Some(0) && again.out.contains("nothing to do"), "{again:?}");
    world.until_healthy().await;
    let moved = world.cli(&["failover", "login", "--reason", "a rehearsal", "--yes"]).await;
    assert_eq!((moved.code, world.answer().await.as_str()), (Some(0), STANDBY), "{moved:?}");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_unknown_and_no_drift() {
    let world = World::healthy(Options::default()).await;
    world.lab_faults(FaultChange { unavailable: Some(100_000), ..FaultChange::default() });
    let drift = world.cli(&["drift", "login"]).await;
    assert_eq!(drift.code, Some(2), "{drift:?}");
    assert!(drift.out.contains("unknown") && !drift.out.contains("differs"), "{drift:?}");
    let repair = world.cli(&["drift", "login", "--repair", "--reason", "try", "--yes"]).await;
    assert_eq!(repair.code, Some(2), "{repair:?}");
}

#[tokio::test]
async fn a_name_at_two_providers_is_adopted_at_the_one_that_needs_it_and_led_at_both() {
    let lab = dns_world::World::lab(Begin::Owned).await;
    let lines = format!("login 30 A {}\n", dns_world::PRIMARY);
    let bind = NameServer::primary(Program::Bind, &lines, None).await;
    let (cluster, second) = (&lab.cluster, simple());
    let read = bind.provider().read(&second.dns.zone, &second.names()).await.unwrap();
    let fence = dns_world::World::fence(9);
    assert_eq!(adoption(&lab, None, 9).await, Ok(None), "the first is ours");
    let batch = adoption::adopt(cluster, &second, &read, None, &fence).unwrap().expect("the second has no mark");
    zone::mend(&bind.provider(), &fence, cluster, &second, &batch).await.unwrap();
    assert_eq!(bind.dig(dns_world::MARK, "TXT").trim_matches('"'), "v1;c=demo;e=9;s=0;t=primary;d=-");
    let again = zone::mend(&bind.provider(), &fence, cluster, &second, &batch).await;
    assert_eq!(again.unwrap_err().class, Class::Refused, "a mark is there");

    let half =
        |label: &str, provider: Arc<dyn DnsProvider>, service| Half { label: label.to_owned(), provider, service };
    let first = half("route53", Arc::new(lab.provider.clone()), lab.service.clone());
    let twin = Twin::new(cluster.clone(), first, half("bind", Arc::new(bind.provider()), second));
    let fence = dns_world::World::fence(10);
    zone::take_over(&twin, &fence, cluster, &lab.service).await.unwrap();
    let token = lab.token().await;
    assert!(token.starts_with("v1;c=demo;e=10;"), "{token}");
    assert_eq!(bind.dig(dns_world::MARK, "TXT").trim_matches('"'), token);
}
