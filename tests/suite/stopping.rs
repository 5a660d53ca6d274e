//! Everything that stops a move, by what surrounds the controller or by a person's word, and what lets it go on: with the real processes.

use std::fs;

use serde_json::{Value, json};

use super::world::{CONTROLLER, Options, PRIMARY, Ran, STANDBY, World};

const FAILOVER: [&str; 5] = ["failover", "login", "--reason", "a rehearsal", "--yes"];

/// The blockers' codes.
fn codes(service: &Value) -> Vec<&str> {
    service["blockers"].as_array().unwrap().iter().map(|blocker| blocker["code"].as_str().unwrap()).collect()
}

/// Blocked by these, and by nothing else.
fn only<'a>(wanted: &'a [&'a str]) -> impl Fn(&Value) -> bool + 'a {
    move |service| codes(service) == wanted
}

fn refused(ran: &Ran, words: &str) {
    assert!(ran.code == Some(3) && ran.err.contains(words), "wanted a refusal with '{words}': {ran:?}");
}

fn done(ran: &Ran, words: &str) {
    assert!(ran.code == Some(0) && ran.out.contains(words), "wanted '{words}': {ran:?}");
}

/// What `--json` says of it.
fn result(ran: &Ran) -> (Option<i32>, String) {
    let answer = ran.json();
    assert_eq!(answer["v"], 1, "{ran:?}");
    (ran.code, answer["result"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn data_too_far_behind_and_a_file_on_this_machine_each_stop_a_failover_until_they_are_gone() {
    let mut world = World::prepared(Options { policy: "max_lag = \"10s\"\n", ..Options::default() }).await;
    world.fault(&world.standby, json!({ "lag_ms": 60_000 })).await;
    world.start_controller().await;
    for vantage in super::world::VANTAGES {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
    world.until("the lag is measured", |service| service["lag_ms"] == 60_000).await;

    world.break_primary().await;
    let blocked = world.until_history("blocked").await;
    assert!(blocked.contains("lag"), "{blocked}");
    world.until("only the lag is in the way", only(&["lag"])).await;
    let explained = world.cli(&["explain", "login"]).await;
    done(&explained, "the standby's data is 1m behind, and 10s is the most (lag)");
    let explained = world.cli(&["explain", "login", "--json"]).await.json();
    assert_eq!(codes(&explained["services"][0]), ["lag"]);
    refused(&world.cli(&FAILOVER).await, "(lag)");

    world.fault(&world.standby, json!({ "lag": "unknown" })).await;
    world.until("the lag is unknown", |service| service["lag_ms"].is_null()).await;
    assert_eq!(codes(&world.service().await), ["lag"]);
    done(&world.cli(&["explain", "login"]).await, "nobody knows how far the standby's data is behind");
    world.until_logged(CONTROLLER, "the standby's lag is unknown").await;

    // The file comes, and then the lag goes: what is left is the file.
    let file = world.dir.path().join("quorate.db.freeze");
    fs::write(&file, "stop\n").unwrap();
    world.until("the file stops it too", only(&["halted", "lag"])).await;
    world.fault(&world.standby, json!({ "lag": "known", "lag_ms": 1_000 })).await;
    let halted = world.until("the lag is small", only(&["halted"])).await;
    let text = halted["blockers"][0]["text"].as_str().unwrap();
    assert!(text.contains("quorate.db.freeze is there (remove it to go on)"), "{text}");
    refused(&world.cli(&[&FAILOVER[..], &["--force"]].concat()).await, "(halted)");
    done(&world.cli(&["history", "login"]).await, "halted: everything is stopped");
    assert_eq!((world.flips(), world.answer().await.as_str()), (vec![], PRIMARY));

    // A controller that comes back looks for the file before it does anything.
    world.kill(CONTROLLER).await;
    world.start_controller().await;
    let first = world.service().await;
    assert!(codes(&first).contains(&"halted"), "{first:#}");
    fs::remove_file(&file).unwrap();
    let held = world.until_held().await;
    assert_eq!((&held["lag_ms"], world.flipped(), world.answer().await.as_str()), (&json!(1_000), 1, STANDBY));
}

#[tokio::test]
async fn maintenance_stops_the_policy_and_a_pin_stops_everybody() {
    let world = World::healthy(Options { maintenance: true, ..Options::default() }).await;
    world.break_primary().await;
    let blocked = world.until_history("blocked").await;
    assert!(blocked.contains("maintenance") && blocked.contains("(a database upgrade)"), "{blocked}");
    world.until("only the window is in the way", only(&["maintenance"])).await;
    done(&world.cli(&["history", "login"]).await, "nothing moves by itself during maintenance: from ");

    let pin = ["pin", "login", "--to", "primary", "--for", "10m", "--reason", "we look first", "--by", "ada"];
    done(&world.cli(&pin).await, "login: pinned to the primary for 10m");
    let refusal = world.cli(&FAILOVER).await;
    refused(&refusal, "pinned to the primary by ada for another ");
    assert!(refusal.err.contains("we look first (quorate unpin) (pinned)"), "{refusal:?}");
    assert!(!refusal.err.contains("maintenance"), "a window is no matter to a person: {refusal:?}");
    refused(&world.cli(&[&FAILOVER[..], &["--force"]].concat()).await, "(pinned)");
    assert_eq!(world.service().await["pinned"]["by"], "ada");
    assert_eq!(result(&world.cli(&[&pin[..], &["--json"]].concat()).await), (Some(0), "done".to_owned()));

    let unpin = ["unpin", "login", "--reason", "seen"];
    done(&world.cli(&unpin).await, "login: no longer pinned");
    let again = world.cli(&[&unpin[..], &["--json"]].concat()).await;
    assert_eq!(result(&again), (Some(0), "already-so".to_owned()));
    done(&world.cli(&unpin).await, "it was so already");
    assert_eq!(world.flips(), []);
    done(&world.cli(&FAILOVER).await, "digest");
    assert_eq!((world.flipped(), world.answer().await.as_str()), (1, STANDBY));
    let kinds: Vec<String> = world.history().await.into_iter().map(|(kind, _)| kind).collect();
    let words: Vec<&str> = kinds.iter().map(String::as_str).filter(|kind| kind.contains("pinned")).collect();
    assert_eq!(words, ["pinned", "pinned", "unpinned"], "{kinds:?}");

    // What cannot be meant is bad usage, and says what can.
    for (arguments, way_out) in [
        (
            vec!["pin", "login", "--to", "elsewhere", "--for", "10m", "--reason", "x"],
            "[possible values: primary, standby]",
        ),
        (vec!["pin", "login", "--to", "primary", "--for", "soon", "--reason", "x"], "--for"),
        (vec!["pin", "login", "--to", "primary", "--for", "10s", "--reason", "x"], "from 60 (a minute)"),
        (vec!["pin", "login", "--to", "primary", "--for", "31days", "--reason", "x"], "(30 days)"),
        (vec!["pin", "login", "--to", "primary", "--for", "10m"], "--reason"),
        (vec!["unpin", "login"], "--reason"),
        (vec!["unpin", "logon", "--reason", "x"], "logon"),
        (vec!["acknowledge", "login"], "--reason"),
        (vec!["approve", "login", "login-1"], "--digest"),
        (vec!["approve", "login", "login-1", "--digest", "abc"], "16 hexadecimal digits"),
        (vec!["approve", "login", "no plan", "--digest", "0123456789abcdef"], "'plan'"),
    ] {
        let ran = world.cli(&arguments).await;
        assert!(ran.code == Some(64) && ran.err.contains(way_out) && ran.out.is_empty(), "{arguments:?}: {ran:?}");
    }
}

#[tokio::test]
async fn a_plan_waits_for_its_approval_and_one_that_is_stuck_for_a_persons_acknowledgement() {
    let world = World::healthy(Options { policy: "approval = true\n", ..Options::default() }).await;
    let acknowledge = ["acknowledge", "login", "--reason", "the standby lies"];
    refused(&world.cli(&acknowledge).await, "nothing is stuck");
    world.fault(&world.standby, json!({ "read_only": "lies" })).await;
    world.break_primary().await;
    let waiting =
        |service: &Value| service["plan"]["needs_approval"] == true && service["plan"]["approved"].is_null();
    let service = world.until("the plan waits", waiting).await;
    let [plan, digest] = ["id", "digest"].map(|key| service["plan"][key].as_str().unwrap().to_owned());
    let status = world.cli(&["status"]).await;
    assert!(status.out.contains(&format!("quorate approve login {plan} --digest {digest}")), "{status:?}");
    assert_eq!(world.cloud_state(&world.standby).await["enter_requests"], 0, "nothing is done for it yet");

    let wrong = ["approve", "login", &plan, "--digest", "0000000000000000"];
    refused(&world.cli(&wrong).await, "not the one that this digest is of");
    let said = world.cli(&[&wrong[..], &["--json"]].concat()).await;
    assert_eq!(result(&said), (Some(3), "plan-changed".to_owned()));
    refused(&world.cli(&["approve", "login", "login-99", "--digest", &digest]).await, "no open plan of that name");
    assert_eq!(world.service().await["plan"]["approved"], Value::Null);
    let approved = world.cli(&["approve", "login", &plan, "--digest", &digest, "--json"]).await;
    assert_eq!(result(&approved), (Some(0), "done".to_owned()));

    world.until("the approved plan goes on, and is stuck", |service| service["phase"] == "stuck").await;
    world.fault(&world.standby, json!({ "read_only": "honest" })).await;
    assert_eq!(world.flips(), []);
    let said = world.cli(&[&acknowledge[..], &["--json"]].concat()).await;
    assert_eq!(result(&said), (Some(0), "done".to_owned()));
    refused(&world.cli(&acknowledge).await, "nothing is stuck");

    // The policy may act again, and asks again.
    let service = world.until("another plan waits", waiting).await;
    assert_eq!(service["stuck"], Value::Null);
    let [next, digest] = ["id", "digest"].map(|key| service["plan"][key].as_str().unwrap().to_owned());
    assert_ne!(plan, next);
    let approve = ["approve", "login", &next, "--digest", &digest, "--by", "ada"];
    done(&world.cli(&approve).await, &format!("login: {next} is approved and goes on"));
    world.until_held().await;
    assert_eq!((world.flipped(), world.answer().await.as_str()), (1, STANDBY));
    let history = world.history().await;
    assert!(history.contains(&("plan-approved".to_owned(), format!("{next} by ada"))), "{history:#?}");
    assert!(
        history.iter().any(|(kind, text)| kind == "acknowledged" && text.contains("the standby lies")),
        "{history:#?}"
    );
}
