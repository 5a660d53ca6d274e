//! The lanes that have a flag, with the real processes: two folders, two agents that serve them, and health checks that look.

use std::fs;

use quorate::lab::FaultChange;

use super::world::{CONTROLLER, Options, PRIMARY, STANDBY, World, flags};

/// More requests than any test makes: nothing of the control plane works.
const ALL: u32 = 1_000_000;

async fn world(lane: &'static str) -> World {
    let world = World::healthy(Options { lane, ..Options::default() }).await;
    // A check that has not looked yet is unhealthy when it is inverted.
    world.until_so("the primary is answered", async || world.answer().await == PRIMARY).await;
    world
}

fn raised(world: &World) -> [bool; 2] {
    ["flags-a", "flags-b"].map(|folder| {
        let text = fs::read_to_string(world.dir.path().join(folder).join("login.flag")).unwrap_or_default();
        text.contains(flags::PHRASE)
    })
}

/// The kinds of the journal's entries about steps, with the step: "succeeded raise-flag".
async fn steps_done(world: &World) -> Vec<String> {
    let history = world.history().await;
    history.into_iter().filter(|(kind, _)| kind == "step-succeeded").map(|(_, text)| text).collect()
}

#[tokio::test]
async fn with_the_control_plane_refusing_everything_the_flag_moves_the_name_and_the_records_follow_later() {
    let world = world("both").await;
    world.lab_faults(FaultChange { unavailable: Some(ALL), ..FaultChange::default() });
    world.break_primary().await;
    world.until_so("the standby is answered", async || world.answer().await == STANDBY).await;
    assert_eq!((raised(&world), world.flipped()), ([true; 2], 0), "by the flag alone");
    world
        .until("the records are waited for", |service| {
            service["open_plan"].to_string().contains("pin-records")
                || service["plan"].to_string().contains("pin-records")
        })
        .await;
    assert_eq!(world.answer().await, STANDBY);

    world.lab_faults(FaultChange { unavailable: Some(0), ..FaultChange::default() });
    world.until_held().await;
    assert_eq!((world.flipped(), world.answer().await.as_str()), (1, STANDBY), "pinned, once");
    let done = steps_done(&world).await;
    let place = |word: &str| done.iter().position(|text| text.contains(word)).unwrap_or_else(|| panic!("{done:#?}"));
    assert!(place("the flag is up") < place(&format!("→ {STANDBY}")), "{done:#?}");
    // Pinned: with the flag gone the name stays where it is.
    for folder in ["flags-a", "flags-b"] {
        fs::rename(world.dir.path().join(folder), world.dir.path().join(format!("{folder}-away"))).unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(world.answer().await, STANDBY);
}

#[tokio::test]
async fn the_way_back_moves_the_records_before_the_flag_comes_down() {
    let world = world("both").await;
    world.break_primary().await;
    world.until_held().await;
    world.fault(&world.primary, serde_json::json!({ "login": "ok" })).await;
    world.until_verdict(0, "healthy").await;
    let back = world.cli(&["failback", "login", "--reason", "it is repaired", "--yes"]).await;
    assert_eq!(back.code, Some(0), "{back:?}");
    world.until_so("the primary is answered", async || world.answer().await == PRIMARY).await;
    assert_eq!((raised(&world), world.flipped()), ([false; 2], 2));
    let done = steps_done(&world).await;
    let last = |word: &str| done.iter().rposition(|text| text.contains(word)).unwrap_or_else(|| panic!("{done:#?}"));
    assert!(last(&format!("→ {PRIMARY}")) < last("the flag is down"), "{done:#?}");
}

#[tokio::test]
async fn by_the_flag_alone_no_record_is_ever_changed() {
    let mut world = world("flag").await;
    let before = world.lab.requests().len();
    world.break_primary().await;
    world.until_held().await;
    assert_eq!((raised(&world), world.answer().await.as_str()), ([true; 2], STANDBY));
    // A new controller finds the flag, and leaves the name where it is.
    world.kill(CONTROLLER).await;
    world.start_controller().await;
    world
        .until("the flag is fenced anew", |service| {
            service["token"].as_str().is_some_and(|token| token.contains(";e=2;") && token.contains(";t=standby;"))
        })
        .await;
    assert_eq!(world.answer().await, STANDBY);
    world.fault(&world.primary, serde_json::json!({ "login": "ok" })).await;
    world.until_verdict(0, "healthy").await;
    let back = world.cli(&["failback", "login", "--reason", "it is repaired", "--yes"]).await;
    assert_eq!(back.code, Some(0), "{back:?}");
    assert_eq!((raised(&world), world.answer().await.as_str()), ([false; 2], PRIMARY));
    assert_eq!(world.lab.requests().len(), before, "the control plane was only read");
}

/// A world that looks at its stores often, and soon tells of what differs.
async fn watchful(lane: &'static str) -> World {
    let controller = &["--watch-every", "500ms", "--drift-after", "1s"];
    let world = World::healthy(Options { lane, controller, ..Options::default() }).await;
    world.until_so("the primary is answered", async || world.answer().await == PRIMARY).await;
    world
}

/// Takes the second store away, or brings it back.
fn second_store(world: &World, there: bool) {
    let (here, away) = (world.dir.path().join("flags-b"), world.dir.path().join("flags-b-away"));
    let (from, to) = if there { (away, here) } else { (here, away) };
    fs::rename(from, to).unwrap();
}

#[tokio::test]
async fn a_store_that_was_away_at_the_flip_catches_up_when_it_is_back() {
    let world = watchful("both").await;
    second_store(&world, false);
    world.break_primary().await;
    world.until_held().await;
    assert_eq!((raised(&world), world.answer().await.as_str()), ([true, false], STANDBY), "one is enough");
    second_store(&world, true);
    world.until_so("it catches up", async || raised(&world) == [true, true]).await;
    world.until("nothing differs", |service| service["drift"]["differences"] == serde_json::json!([])).await;
}

#[tokio::test]
async fn an_edited_flag_is_drift_that_names_the_store_and_what_is_wrong_with_it() {
    let world = watchful("flag").await;
    let path = world.dir.path().join("flags-a/login.flag");
    let good = fs::read_to_string(&path).unwrap();
    for (from, to, words) in [
        ("e=1;", "e=7;", "the flag was edited, or signed with another key"),
        ("c=e2e;", "c=e3e;", "the flag is the cluster 'e3e''s"),
        ("quorate-flag v1", "somebody's notes", "flags-a"),
    ] {
        assert!(good.contains(from), "{good}");
        let edited = good.replacen(from, to, 1);
        fs::write(&path, &edited).unwrap();
        let named = |service: &serde_json::Value| {
            let differences = service["drift"]["differences"].as_array().unwrap();
            differences.iter().any(|one| {
                let text = format!("{}: {}", one["at"], one["text"]);
                one["code"] == "flag-foreign"
                    && text.contains("flags-a")
                    && text.contains(words)
                    && text.contains("left alone")
            })
        };
        world.until(&format!("it is told that {words}"), named).await;
        assert_eq!(fs::read_to_string(&path).unwrap(), edited, "it is left alone");
    }
    world.until("everybody is told", |service| service["alerts"].to_string().contains("drift")).await;
    let drift = world.cli(&["drift", "login"]).await;
    assert!(drift.code == Some(1) && drift.out.contains("flags-a"), "{drift:?}");
    // It is one store of two: the other still moves the name.
    world.break_primary().await;
    world.until_held().await;
    assert_eq!((raised(&world), world.answer().await.as_str()), ([false, true], STANDBY));
    fs::write(&path, good).unwrap();
    world.until_so("what was put right catches up", async || raised(&world) == [true, true]).await;
}

#[tokio::test]
async fn a_store_that_is_away_at_a_takeover_stands_in_the_way_back_and_not_in_that_of_a_failover() {
    let mut world = watchful("flag").await;
    world.kill(CONTROLLER).await;
    second_store(&world, false);
    world.start_controller().await;
    world.until("the flag is fenced", |service| service["token"].as_str().is_some_and(|t| t.contains(";e=2;"))).await;
    world.break_primary().await;
    world.until_held().await;
    assert_eq!((raised(&world), world.answer().await.as_str()), ([true, false], STANDBY));

    world.fault(&world.primary, serde_json::json!({ "login": "ok" })).await;
    world.until_verdict(0, "healthy").await;
    let failback = ["failback", "login", "--reason", "it is repaired", "--yes"];
    for more in [&[][..], &["--force"]] {
        let refused = world.cli(&[&failback[..], more].concat()).await;
        assert_eq!(refused.code, Some(3), "{refused:?}");
        let said = format!("{}{}", refused.out, refused.err);
        assert!(said.contains("cannot be lowered everywhere") && said.contains("flags-b"), "{refused:?}");
    }
    assert_eq!(world.answer().await, STANDBY, "nothing was half done");

    second_store(&world, true);
    world.until_so("it catches up", async || raised(&world) == [true, true]).await;
    world.until("that is seen", |service| service["drift"]["differences"] == serde_json::json!([])).await;
    let back = world.cli(&failback).await;
    assert_eq!(back.code, Some(0), "{back:?}");
    assert_eq!((raised(&world), world.answer().await.as_str()), ([false, false], PRIMARY));
}
