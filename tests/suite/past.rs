//! What was, with the real processes: `explain --at` shows a moment again, `replay` puts the record through another policy.

use serde_json::Value;

use super::world::{Options, World};

async fn explained(world: &World, at: &str) -> Value {
    let said = world.cli(&["explain", "login", "--at", at, "--json"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[tokio::test]
async fn a_moment_can_be_looked_at_again_and_another_policy_be_tried_on_the_record() {
    let world = World::healthy(Options::default()).await;
    world.break_primary().await;
    world.until_held().await;
    let said = world.cli(&["history", "login", "--json"]).await;
    let history: Value = serde_json::from_str(&said.out).unwrap();
    let entry = |kind: &str| {
        let entries = history["entries"].as_array().unwrap();
        entries.iter().find(|entry| entry["kind"] == kind).unwrap()["at_ms"].as_u64().unwrap()
    };
    let (incident, opened) = (entry("incident-opened"), entry("plan-opened"));
    let time = |ms: u64| quorate::domain::WallTime::from_ms(ms).to_string();

    // Between the first failing verdict and the plan: down, and to be confirmed.
    let then = explained(&world, &time((incident + opened) / 2)).await;
    let login = &then["services"][0];
    assert_eq!(then["as_of_ms"], (incident + opened) / 2);
    assert_eq!(
        (&login["serving"], &login["phase"]),
        (&Value::from("primary"), &Value::from("suspecting")),
        "{login}"
    );
    let codes: Vec<&str> =
        login["blockers"].as_array().unwrap().iter().map(|b| b["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["confirming"], "{login}");
    assert!(login["rules"][0]["met"] == true && login["rules"][0]["text"].as_str().unwrap().contains("say down"));
    // After all that the standby serves.
    let words = world.cli(&["explain", "login", "--at", "0s"]).await;
    assert!(words.out.contains("as it was at") && words.out.contains("holding"), "{words:?}");

    let refused = world.cli(&["explain", "login", "--at", "2h"]).await;
    assert!(refused.code == Some(64) && refused.err.contains("they begin at"), "{refused:?}");
    let refused = world.cli(&["explain", "login", "--at", "2999-01-01T00:00:00Z"]).await;
    assert!(refused.err.contains("is yet to come"), "{refused:?}");
    let refused = world.cli(&["explain", "login", "--at", "yesterday"]).await;
    assert!(refused.code == Some(64) && refused.err.contains("10m"), "{refused:?}");

    let policy = |name: &str, text: &str| {
        let path = world.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let hasty = policy("hasty.toml", "confirm = \"0s\"\nwarm_up = 0\nquorum = 2\n");
    let patient = policy("patient.toml", "confirm = \"1h\"\nwarm_up = 0\nquorum = 2\nburn = false\n");
    let config = world.config().to_str().unwrap().to_owned();
    for (policy, moves) in [(hasty, 1), (patient, 0)] {
        let arguments = ["replay", "--config", &config, "--policy", &policy, "--since", "10m", "--json"];
        let said = world.run(&arguments, &[]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let replayed: Value = serde_json::from_str(&said.out).unwrap();
        let service = &replayed["services"][0];
        let count =
            |deeds: &Value| deeds.as_array().unwrap().iter().filter(|deed| deed["code"] == "failover").count();
        assert_eq!((count(&service["would"]), count(&service["done"])), (moves, 1), "{service}");
        let words = world.run(&arguments[..arguments.len() - 1], &[]).await;
        assert!(words.out.contains("failovers: 1 under") && words.out.contains(&format!("{moves} by '")));
    }
    let said = world.run(&["replay", "--config", &config, "--policy", "nowhere.toml", "--since", "10m"], &[]).await;
    assert!(said.code == Some(64) && said.err.contains("there is no such policy"), "{said:?}");
}
