//! A standby whose control cannot be asked, or does not do what it is asked: each stops a failover before its flip, says where, and moves
//! nothing. With the real processes.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::world::{CONTROLLER, Options, PRIMARY, VANTAGES, World};

const FAILOVER: [&str; 6] = ["failover", "login", "--reason", "a rehearsal", "--yes", "--no-wait"];
/// So often a step has failed when a good part of its minute is over: the waits in between double up to ten seconds.
const FAILURES: usize = 6;

/// A world with this in place of something in its configuration.
async fn with(swaps: impl FnOnce(&World) -> Vec<(String, String)>) -> World {
    let mut world = World::prepared(Options::default()).await;
    world.more_secrets = vec![("other-key", "e2e-another-key-12ab".to_owned())];
    world.swaps = swaps(&world);
    world.write_files();
    world.start_controller().await;
    for vantage in VANTAGES {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
    world
}

/// A failover gets stuck at its first step with these words, and nothing has moved. Whatever may pass is tried for a minute.
async fn gets_stuck(world: &World, passes: bool, words: &[&str]) {
    let begun = world.cli(&FAILOVER).await;
    assert_eq!(begun.code, Some(0), "{begun:?}");
    if passes {
        let failures = async || world.history().await.iter().filter(|(kind, _)| kind == "step-failed").count();
        world.until_so("it is tried again and again", async || failures().await >= FAILURES).await;
        assert_eq!(world.service().await["phase"], "acting");
    }
    let stuck = world.until("the service is stuck", |service| service["phase"] == "stuck").await;
    let failed = world.until_history("step-failed").await;
    let said = [("status", stuck["stuck"].as_str().unwrap()), ("history", &failed)];
    for (place, said) in said {
        assert!(words.iter().all(|word| said.contains(word)), "{place}: wanted {words:?}: {said}");
    }
    assert!(failed.contains("enter-read-only"), "{failed}");
    world.until_noticed("slack", "e2e-loud-hook-c3b4", words[0]).await;
    world.until_noticed("sms", "+15550100101", "is stuck and needs a person").await;
    let status = world.cli(&["status"]).await;
    assert!(status.code == Some(1) && status.out.contains(words[0]), "{status:?}");

    assert_eq!((world.flips(), world.answer().await.as_str()), (vec![], PRIMARY));
    let started: Vec<String> =
        world.history().await.into_iter().filter(|(kind, _)| kind == "step-started").map(|(_, text)| text).collect();
    assert!(started.iter().all(|text| text.contains("enter-read-only")), "no other step was begun: {started:?}");
    assert_eq!(world.cloud_state(&world.primary).await["read_only"], Value::Bool(false));
    assert_eq!(world.cloud_state(&world.standby).await["enter_requests"], 0, "{}", world.tail(CONTROLLER));
}

#[tokio::test]
async fn a_wrong_key_stops_a_failover_at_once() {
    let world = with(|_| vec![("key = \"standby-admin\"".to_owned(), "key = \"other-key\"".to_owned())]).await;
    let words = ["the standby 'azure' (/admin/read-only)", "check that the key is the same on both sides"];
    gets_stuck(&world, false, &words).await;
    let logs = [world.log(CONTROLLER), format!("{:?}", world.history().await)];
    assert!(logs.iter().all(|log| !log.contains("e2e-another-key")), "the key is not said");
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_stops_a_failover_after_a_minute_of_trying() {
    let swaps = |world: &World| {
        let sites = world.standby.addr().port();
        let url = |port: u16| format!("url = \"http://127.0.0.12:{port}/admin/read-only\"");
        vec![(url(sites), url(1))]
    };
    let world = with(swaps).await;
    let words = ["the standby 'azure' (/admin/read-only)", "no answer", "onnection refused"];
    gets_stuck(&world, true, &words).await;
}

#[tokio::test]
async fn a_hook_that_hangs_is_killed_and_stops_a_failover_after_a_minute_of_trying() {
    let swaps = |world: &World| {
        let (program, sites) = (world.dir.path().join("hang"), world.standby.addr().port());
        std::fs::write(&program, "#!/bin/sh\ntest $1 = enter && exec sleep 600\nexit 0\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = program.display();
        let control = format!(
            "[[service.standby.control]]\nkind = \"command\"\nprogram = \"{path}\"\ntimeout = \"1s\"\n\n[[service.standby.control]]\nkind \
             = \"http\"\nurl = \"http://127.0.0.12:{sites}/admin/read-only\""
        );
        let old = format!("[service.standby.read_only]\nurl = \"http://127.0.0.12:{sites}/admin/read-only\"");
        let cluster = "cluster = \"e2e\"\n";
        vec![(old, control), (cluster.to_owned(), format!("{cluster}commands = [\"{path}\"]\n"))]
    };
    let world = with(swaps).await;
    let program = world.dir.path().join("hang");
    let words = ["the standby 'azure'", program.to_str().unwrap(), "not over within 1 s, and killed"];
    gets_stuck(&world, true, &words).await;
}
