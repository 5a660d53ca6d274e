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
