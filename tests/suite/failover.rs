//! Failovers with the real processes: what moves, what must not, and who is told.

use quorate::lab::FaultChange;
use serde_json::{Value, json};

use super::world::{CONTROLLER, Options, PRIMARY, SECRETS, STANDBY, World, Zone};

const MOVE: &str = "/v1/services/login/move";

fn codes(service: &Value) -> Vec<&str> {
    service["blockers"].as_array().unwrap().iter().map(|blocker| blocker["code"].as_str().unwrap()).collect()
}

fn blocked_by(code: &str) -> impl Fn(&Value) -> bool {
    move |service| codes(service).contains(&code)
}

#[tokio::test]
async fn a_standby_that_lies_stops_the_failover_before_the_flip() {
    let world = World::healthy(Options::default()).await;
    world.fault(&world.standby, json!({ "read_only": "lies" })).await;
    world.break_primary().await;
    let stuck = world.until("the service is stuck", |service| service["phase"] == "stuck").await;
    assert!(stuck["stuck"].as_str().unwrap().contains("still accepts writes"), "{stuck:#}");
    assert_eq!((world.flips(), world.answer().await.as_str()), (vec![], PRIMARY));
    world.until_noticed("slack", "e2e-loud-hook-c3b4", "is stuck and needs a person").await;
    world.until_noticed("sms", "+15550100101", "is stuck and needs a person").await;
    let status = world.cli(&["status"]).await;
    assert_eq!(status.code, Some(1), "{status:?}");
    assert!(status.out.contains("still accepts writes"), "{status:?}");
    // Nothing is tried again by itself.
    world.until("it says why", blocked_by("stuck")).await;
    assert_eq!(world.flips(), []);

    world.fault(&world.standby, json!({ "read_only": "honest" })).await;
    let moved = world.cli(&["failover", "login", "--reason", "the standby is mended", "--yes"]).await;
    assert_eq!(moved.code, Some(0), "{moved:?}");
    let held = world.until_held().await;
    assert_eq!((&held["stuck"], world.flipped(), world.answer().await.as_str()), (&Value::Null, 1, STANDBY));
    assert_eq!(world.cli(&["status"]).await.code, Some(0));
}

#[tokio::test]
async fn with_both_sites_down_nothing_moves_and_force_overrules_the_evidence_only() {
    let world = World::healthy(Options::default()).await;
    world.fault(&world.standby, json!({ "login": "error" })).await;
    world.until_verdict(1, "unhealthy").await;
    world.break_primary().await;
    let blocked = world.until_history("blocked").await;
    assert!(blocked.contains("target-down"), "{blocked}");
    let service = world.service().await;
    assert_eq!((service["phase"].as_str(), codes(&service)), (Some("suspecting"), vec!["target-down"]));
    let explained = world.cli(&["explain", "login"]).await;
    assert!(explained.code == Some(0) && explained.out.contains("(target-down)"), "{explained:?}");
    assert_eq!(world.cli(&["status"]).await.code, Some(1));
    world.until_noticed("sms", "+15550100101", "would fail over, and does not").await;

    let failover = ["failover", "login", "--reason", "now", "--yes"];
    let refused = world.cli(&failover).await;
    assert!(refused.code == Some(3) && refused.err.contains("(target-down)"), "{refused:?}");
    assert_eq!(world.cli(&["freeze", "login", "--reason", "we look first"]).await.code, Some(0));
    let refused = world.cli(&[&failover[..], &["--force"]].concat()).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.err.contains("(frozen)") && !refused.err.contains("target-down"), "{refused:?}");
    assert!(refused.err.contains("we look first"), "{refused:?}");
    let kinds: Vec<String> = world.history().await.into_iter().map(|(kind, _)| kind).collect();
    assert!(!kinds.iter().any(|kind| kind == "plan-opened"), "{kinds:?}");
    assert_eq!((world.flips(), world.answer().await.as_str()), (vec![], PRIMARY));
    assert_eq!(world.cloud_state(&world.standby).await["enter_requests"], 0);
}

#[tokio::test]
async fn a_frozen_service_stays_where_it_is_until_it_is_unfrozen() {
    let world = World::healthy(Options::default()).await;
    let frozen = world.cli(&["freeze", "login", "--reason", "a release", "--by", "ada"]).await;
    assert_eq!(frozen.code, Some(0), "{frozen:?}");
    world.break_primary().await;
    let blocked = world.until_history("blocked").await;
    assert!(blocked.contains("frozen by ada: a release"), "{blocked}");
    assert_eq!(codes(&world.service().await), ["frozen"]);
    assert_eq!(world.flips(), []);
    let unfrozen = world.cli(&["unfreeze", "login", "--reason", "it is out"]).await;
    assert_eq!(unfrozen.code, Some(0), "{unfrozen:?}");
    world.until_held().await;
    assert_eq!((world.flipped(), world.answer().await.as_str()), (1, STANDBY));
    let again = world.cli(&["unfreeze", "login", "--reason", "again"]).await;
    assert!(again.code == Some(0) && again.out.contains("already"), "{again:?}");
}

#[tokio::test]
async fn a_person_fails_over_and_back_by_the_plan_that_was_shown() {
    let world = World::healthy(Options::default()).await;
    let failover = ["failover", "login", "--reason", "a rehearsal"];
    let yes = [&failover[..], &["--yes"]].concat();

    let asked = world.cli(&failover).await;
    assert_eq!(asked.code, Some(64), "{asked:?}");
    assert!(asked.out.contains("digest") && asked.out.contains(&format!("{PRIMARY} → {STANDBY}")), "{asked:?}");
    assert!(asked.err.contains("--yes"), "{asked:?}");
    let shown = world.cli(&[&failover[..], &["--json"]].concat()).await;
    assert_eq!((shown.code, &shown.json()["result"]), (Some(0), &json!("plan")));
    let body = json!({ "to": "standby", "by": "ada", "reason": "a guess", "digest": "0000000000000000" });
    let (status, answer) = world.post(MOVE, body.to_string()).await;
    assert_eq!((status, &answer["result"]), (200, &json!("plan-changed")), "{answer}");
    assert_eq!(world.history().await, [], "nothing was done");

    let moved = world.cli(&yes).await;
    assert_eq!(moved.code, Some(0), "{moved:?}");
    assert_eq!((world.flipped(), world.answer().await.as_str()), (1, STANDBY));
    let again = world.cli(&yes).await;
    assert!(again.code == Some(0) && again.out.contains("already"), "{again:?}");

    let failback = ["failback", "login", "--reason", "it is over", "--yes"];
    world.break_primary().await;
    world.until_verdict(0, "unhealthy").await;
    let refused = world.cli(&failback).await;
    assert!(refused.code == Some(3) && refused.err.contains("(target-down)"), "{refused:?}");
    world.fault(&world.primary, json!({ "login": "ok" })).await;
    world.until_verdict(0, "healthy").await;
    let back = world.cli(&failback).await;
    assert_eq!(back.code, Some(0), "{back:?}");
    assert_eq!((world.flipped(), world.answer().await.as_str()), (2, PRIMARY));
    assert_eq!(
        world.cloud_state(&world.standby).await["read_only"],
        true,
        "whoever has the old answer must not write"
    );
    assert_eq!(world.service().await["phase"], "watching");
}

/// What another start must not change.
fn constant(service: &Value) -> [&Value; 4] {
    [&service["phase"], &service["serving"], &service["last_plan"], &service["stuck"]]
}

fn token_of(epoch: u64) -> impl Fn(&Value) -> bool {
    move |service| service["token"].as_str().is_some_and(|token| token.contains(&format!(";e={epoch};")))
}

#[tokio::test]
async fn a_controller_that_comes_back_holds_on_under_the_next_epoch() {
    let mut world = World::healthy(Options::default()).await;
    world.break_primary().await;
    let held = world.until_held().await;
    let history = world.history().await;
    let first = held["epoch"].as_u64().unwrap();
    for restart in 1..=2 {
        if restart == 1 {
            world.kill(CONTROLLER).await;
        } else {
            let status = world.terminate(CONTROLLER).await;
            assert_eq!(status.code(), Some(0), "{}", world.tail(CONTROLLER));
        }
        world.start_controller().await;
        let now = world.until("the zone is fenced anew", token_of(first + restart)).await;
        assert_eq!((now["epoch"].as_u64(), constant(&now)), (Some(first + restart), constant(&held)));
        world.until_verdict(0, "unhealthy").await;
        world.until_verdict(1, "healthy").await;
        assert_eq!((world.flipped(), world.answer().await.as_str()), (1, STANDBY));
    }
    let later = world.history().await;
    assert_eq!(later[..history.len()], history[..], "the journal goes on where it was");
    assert!(!later[history.len()..].iter().any(|(kind, _)| kind.starts_with("plan") || kind.starts_with("step")));
}

#[tokio::test]
async fn a_second_controller_is_refused_on_the_same_store_and_overtakes_with_another() {
    let mut world = World::healthy(Options { second: true, ..Options::default() }).await;
    let text = std::fs::read_to_string(world.dir.path().join("second.toml")).unwrap();
    std::fs::write(world.dir.path().join("twin.toml"), text.replace("second.db", "quorate.db")).unwrap();
    let twin = world.run(&["controller", "--config", "twin.toml"], &[]).await;
    assert_eq!(twin.code, Some(3), "{twin:?}");
    assert!(twin.err.contains("quorate.db.lock"), "{twin:?}");
    world.until("the first is not disturbed", token_of(1)).await;

    world.start_second().await;
    let overtaken = world.until_at(world.second_port, "the second has fenced the zone", token_of(2)).await;
    assert_eq!(overtaken["epoch"], 2);
    world.until_healthy().await;
    let moved = world.cli(&["failover", "login", "--reason", "by the one that was overtaken", "--yes"]).await;
    assert!(matches!(moved.code, Some(1..=3)), "{moved:?}");
    let deposed = world.until("the first stands down", blocked_by("not-leading")).await;
    assert_eq!(deposed["epoch"], Value::Null, "{deposed:#}");
    let explained = world.cli(&["explain", "login"]).await;
    assert!(explained.out.contains("overtaken") && explained.out.contains("not-leading"), "{explained:?}");
    assert_eq!((world.flipped(), world.answer().await.as_str()), (0, PRIMARY));
    assert_eq!(world.cli(&["freeze", "login", "--reason", "too late"]).await.code, Some(3));

    // The one that leads does what the other could not.
    world.break_primary().await;
    let held = |service: &Value| service["phase"] == "holding";
    world.until_at(world.second_port, "the second fails over", held).await;
    assert_eq!((world.flipped(), world.answer().await.as_str()), (1, STANDBY));
}

#[tokio::test]
async fn a_flip_is_tried_until_route_53_is_back_and_applied_once() {
    let world = World::healthy(Options::default()).await;
    world.lab_faults(FaultChange { unavailable: Some(100_000), ..FaultChange::default() });
    world.break_primary().await;
    let failed = world.until_history("step-failed").await;
    assert!(failed.contains("flip-records"), "{failed}");
    assert_eq!((world.service().await["phase"].as_str(), world.answer().await.as_str()), (Some("acting"), PRIMARY));
    world.lab_faults(FaultChange { unavailable: Some(0), ..FaultChange::default() });
    world.until_held().await;
    assert_eq!((world.flipped(), world.answer().await.as_str()), (1, STANDBY));
}

#[tokio::test]
async fn a_flip_whose_answer_is_lost_is_read_back_and_not_repeated() {
    let world = World::healthy(Options::default()).await;
    world.lab_faults(FaultChange { lose_answer: Some(1), ..FaultChange::default() });
    world.break_primary().await;
    world.until_held().await;
    let flips: Vec<(u16, bool)> = world.flips().iter().map(|entry| (entry.status, entry.answered)).collect();
    assert_eq!((flips, world.answer().await.as_str()), (vec![(200, false)], STANDBY));
    let history = world.history().await;
    assert!(history.iter().any(|(_, text)| text.contains("reading back shows it applied")), "{history:#?}");
}

#[tokio::test]
async fn records_that_are_not_ours_are_never_written() {
    for (zone, reason) in [(Zone::Of("others"), "others"), (Zone::Empty, "no ownership record")] {
        let mut world = World::prepared(Options { zone, ..Options::default() }).await;
        world.start_controller().await;
        let why = |service: &Value| {
            let blockers = service["blockers"].as_array().unwrap();
            let found = blockers.iter().find(|blocker| blocker["code"] == "not-fenced");
            found.is_some_and(|blocker| blocker["text"].as_str().unwrap().contains(reason))
        };
        world.until(&format!("explain names {reason}"), why).await;
        let explained = world.cli(&["explain", "login"]).await;
        assert!(explained.out.contains("(not-fenced)") && explained.out.contains(reason), "{explained:?}");
        world.until_logged(CONTROLLER, reason).await;
        let refused = world.cli(&["failover", "login", "--reason", "try", "--force", "--yes"]).await;
        assert!(refused.code == Some(3) && refused.err.contains("(not-fenced)"), "{refused:?}");
        assert_eq!(world.lab.requests(), []);
    }
}

#[tokio::test]
async fn no_secret_is_ever_said_in_a_failover_that_fails() {
    let mut world = World::healthy(Options { token: true, log: "debug", deaf: true, ..Options::default() }).await;
    world.fault(&world.standby, json!({ "read_only": "lies" })).await;
    world.fault(&world.primary, json!({ "login": "error" })).await;
    world.until("the service is stuck", |service| service["phase"] == "stuck").await;
    world.until_noticed("sms", "+15550100101", "is stuck").await;
    let mut said = Vec::new();
    let errors = "SELECT last_error FROM outbox WHERE last_error IS NOT NULL";
    world.until_so("a webhook's failure is recorded", async || !world.rows(errors).is_empty()).await;
    world.fault(&world.standby, json!({ "down": true })).await;
    world.lab_faults(FaultChange { unavailable: Some(100), ..FaultChange::default() });
    let refused = world.cli(&["failover", "login", "--reason", "again", "--force", "--yes", "--no-wait"]).await;
    said.push(("failover".to_owned(), format!("{refused:?}")));
    for arguments in [vec!["status"], vec!["explain", "login"], vec!["history", "login"], vec!["events"]] {
        for json in [None, Some("--json")] {
            let arguments: Vec<&str> = arguments.iter().copied().chain(json).collect();
            said.push((format!("{arguments:?}"), format!("{:?}", world.cli(&arguments).await)));
        }
    }
    for path in ["/healthz", "/v1/status", "/v1/events", "/v1/services/login", "/v1/services/nothing", "/nothing"] {
        said.push((path.to_owned(), world.get(path).await.1));
    }
    let wrong = world.run(&["status", "--api", &world.url("")], &[("QUORATE_TOKEN", "wrong")]).await;
    said.push(("wrong token".to_owned(), format!("{wrong:?}")));
    said.extend(world.notices().into_iter().map(|(kind, to, text)| (format!("a notice ({kind}) to {to}"), text)));
    assert_eq!(world.terminate(CONTROLLER).await.code(), Some(0));
    let config = quorate::config::load(&world.config()).unwrap().config;
    said.push(("the configuration's Debug".to_owned(), format!("{config:?}")));
    for entry in std::fs::read_dir(world.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".log") || name.contains(".db") {
            said.push((name, String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()));
        }
    }
    assert!(said.iter().any(|(name, text)| name == "controller.log" && text.contains("stuck")));
    // The path of a webhook is what makes it one.
    let values = SECRETS.map(|(_, value)| value);
    let mut found = Vec::new();
    for (place, text) in &said {
        let lines = text.lines().filter(|line| values.iter().any(|value| line.contains(value)));
        found.extend(lines.map(|line| format!("{place}: {line}")));
    }
    assert!(found.is_empty(), "said aloud: {found:#?}");
}
