//! The API from outside: its token, its refusals, and what the reading commands make of it.

use serde_json::{Value, json};

use super::world::{Options, VANTAGES, World, free_port};

#[tokio::test]
async fn an_api_with_a_token_tells_nothing_without_it() {
    let world = World::healthy(Options { token: true, ..Options::default() }).await;
    let paths = [
        ("GET", "/v1/status"),
        ("GET", "/v1/services/login"),
        ("GET", "/v1/services/login/history"),
        ("GET", "/v1/events"),
        ("POST", "/v1/observations"),
        ("GET", "/v1/pace"),
        ("POST", "/v1/services/login/move"),
        ("POST", "/v1/services/login/freeze"),
        ("POST", "/v1/services/login/unfreeze"),
    ];
    for (method, path) in paths {
        for sent in [None, Some("Bearer wrong"), Some("Bearer "), Some("Basic ZTJl"), Some("e2e-api-token-e655")] {
            let mut request = world.http.request(method.parse().unwrap(), world.url(path)).body("{}");
            request = request.header("content-type", "application/json");
            if let Some(sent) = sent {
                request = request.header("authorization", sent);
            }
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            assert_eq!(status, 401, "{method} {path} with {sent:?}: {text}");
            assert!(text.contains("QUORATE_TOKEN") && !text.contains("e655"), "{text}");
        }
    }
    let alive = world.http.get(world.url("/healthz")).send().await.unwrap();
    assert_eq!(alive.status().as_u16(), 200);
    let api = world.url("");
    for (token, code) in [("", 64), ("wrong", 64), ("e2e-api-token-e655", 0)] {
        let ran = world.run(&["status", "--api", &api], &[("QUORATE_TOKEN", token)]).await;
        assert_eq!(ran.code, Some(code), "{token}: {ran:?}");
        assert!(code == 0 || ran.err.contains("QUORATE_TOKEN"), "{ran:?}");
    }
}

/// Every refusal is one JSON document that says what is wrong.
fn refusal(answer: &Value, words: &str) {
    assert_eq!(answer["v"], 1, "{answer}");
    let error = answer["error"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(error.contains(words), "'{words}' in {answer}");
}

#[tokio::test]
async fn what_the_api_does_not_know_is_refused_with_the_way_out() {
    let mut world = World::prepared(Options::default()).await;
    world.start_controller().await;
    for (path, wanted, words) in [
        ("/", 404, "/v1/status"),
        ("/v2/status", 404, "/v1/status"),
        ("/v1/services/nothing", 404, "there is no service 'nothing'; there is login"),
        ("/v1/services/nothing/history", 404, "there is login"),
        ("/v1/services/login/history?limit=many", 400, "limit"),
        ("/v1/services/login/history?last=5", 400, "last"),
        ("/v1/events?after=-1", 400, "after"),
        ("/v1/pace?known=7", 400, "known"),
        ("/v1/pace?after=7", 400, "after"),
        ("/v1/services/login/move", 405, "GET"),
        ("/v1/observations", 405, "GET"),
    ] {
        let (status, text) = world.get(path).await;
        assert_eq!(status, wanted, "{path}: {text}");
        refusal(&serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}")), words);
    }
    let body = |changes: Value| {
        let mut body = json!({ "to": "standby", "by": "ada", "reason": "a try" });
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        body.to_string()
    };
    let (move_path, freeze) = ("/v1/services/login/move", "/v1/services/login/freeze");
    for (path, body, wanted, words) in [
        (move_path, body(json!({ "now": true })), 422, "now"),
        (move_path, body(json!({ "to": "moon" })), 400, "'to' is primary or standby"),
        (move_path, body(json!({ "reason": " " })), 400, "'reason' must be"),
        (move_path, body(json!({ "by": "two\nlines" })), 400, "'by' must be"),
        (move_path, body(json!({ "reason": "x".repeat(501) })), 400, "'reason' must be"),
        (move_path, body(json!({ "digest": "xyz" })), 400, "16 hexadecimal digits"),
        (move_path, "{}".to_owned(), 422, "missing field"),
        (move_path, "to=standby".to_owned(), 400, "JSON"),
        ("/v1/services/nothing/move", body(json!({})), 404, "there is login"),
        (freeze, json!({ "by": "ada", "reason": "x", "for": "1h" }).to_string(), 422, "for"),
        (freeze, json!({ "by": "ada", "reason": "" }).to_string(), 400, "'reason' must be"),
        ("/v1/status", "{}".to_owned(), 405, "POST"),
    ] {
        let (status, answer) = world.post(path, body.clone()).await;
        assert_eq!(status, wanted, "{path} {body}: {answer}");
        refusal(&answer, words);
    }
    assert_eq!(world.history().await, []);
}

#[tokio::test]
async fn reading_commands_give_versioned_json_and_every_command_its_exit_code() {
    let world = World::healthy(Options::default()).await;
    world.fault(&world.primary, json!({ "login": "error" })).await;
    world.until_held().await;
    for arguments in [
        vec!["status", "--json"],
        vec!["status", "login", "--json"],
        vec!["explain", "login", "--json"],
        vec!["history", "login", "--json"],
        vec!["failback", "login", "--reason", "look", "--json"],
        vec!["failover", "login", "--reason", "look", "--json"],
        vec!["freeze", "login", "--reason", "look", "--json"],
        vec!["unfreeze", "login", "--reason", "look", "--json"],
    ] {
        let ran = world.cli(&arguments).await;
        assert_eq!(ran.json()["v"], 1, "{arguments:?}: {ran:?}");
        assert_eq!(ran.out.lines().count(), 1, "{arguments:?}: {ran:?}");
        assert_eq!(ran.code, Some(if arguments[0] == "failback" { 3 } else { 0 }), "{arguments:?}: {ran:?}");
    }
    let events = world.cli(&["events", "--json"]).await;
    for line in events.out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["n"].is_u64() && event["code"].is_string(), "{event}");
    }
    assert!(events.code == Some(0) && events.out.lines().count() > 10, "{events:?}");
    let short = world.cli(&["history", "login", "--limit", "2", "--json"]).await;
    assert_eq!(short.json()["entries"].as_array().unwrap().len(), 2);

    let nobody = format!("http://127.0.0.1:{}", free_port());
    let reading = [vec!["status"], vec!["explain", "login"], vec!["history", "login"], vec!["events"]];
    let changing = [
        vec!["failover", "login", "--reason", "x", "--yes"],
        vec!["failback", "login", "--reason", "x", "--yes"],
        vec!["freeze", "login", "--reason", "x"],
        vec!["unfreeze", "login", "--reason", "x"],
    ];
    for arguments in reading.iter().chain(&changing) {
        let away = world.run(&[&arguments[..], &["--api", &nobody]].concat(), &[]).await;
        assert!(away.code == Some(2) && away.err.contains("cannot be reached"), "{arguments:?}: {away:?}");
        assert!(away.err.contains("QUORATE_API"), "{away:?}");
        for bad in ["nonsense", "mailto:ops@example.com", "ftp://127.0.0.1/"] {
            let ran = world.run(&[&arguments[..], &["--api", bad]].concat(), &[]).await;
            assert_eq!(ran.code, Some(64), "{arguments:?} --api {bad}: {ran:?}");
            let ran = world.run(arguments, &[("QUORATE_API", bad)]).await;
            assert_eq!(ran.code, Some(64), "QUORATE_API={bad} {arguments:?}: {ran:?}");
        }
        if arguments.len() > 1 {
            let other: Vec<&str> =
                arguments.iter().map(|word| if *word == "login" { "nothing" } else { word }).collect();
            let ran = world.cli(&other).await;
            assert_eq!(ran.code, Some(64), "{ran:?}");
            assert!(ran.err.contains("there is no service 'nothing'; there is login"), "{ran:?}");
        }
    }
    for arguments in [
        vec!["history", "login", "--limit", "0"],
        vec!["failover", "login"],
        vec!["stat"],
        vec!["status", "--watch", "--json"],
    ] {
        let ran = world.cli(&arguments).await;
        assert!(ran.code == Some(64) && !ran.err.is_empty(), "{arguments:?}: {ran:?}");
    }
}

#[tokio::test]
async fn a_controller_that_sees_nothing_yet_is_not_called_healthy() {
    let mut world = World::prepared(Options::default()).await;
    world.start_controller().await;
    let status = world.cli(&["status"]).await;
    assert!(status.code == Some(2) && status.err.contains("quorum"), "{status:?}");
}

#[tokio::test]
async fn what_checks_measure_is_told_with_its_age_as_it_was_last_and_an_older_agent_tells_none() {
    let mut world = World::prepared(Options::default()).await;
    world.start_controller().await;
    let seen = |seq: u64, age_ms: u64, more: Value| {
        let mut seen = json!({ "seq": seq, "age_ms": age_ms, "service": "login", "check": "login", "role": "primary",
            "outcome": "pass", "duration_ms": 5 });
        seen.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        seen
    };
    let deliver = async |boot: &str, observations: Vec<Value>| {
        let batch = json!({ "v": 1, "vantage": VANTAGES[0], "boot": boot, "observations": observations });
        world.post("/v1/observations", batch.to_string()).await
    };
    let lag = |value: f64| json!({ "metrics": [{ "name": "lag", "value": value, "unit": "s" }, { "name": "queue", "value": 7 }] });
    let observations = vec![seen(1, 9_000, lag(3.5)), seen(2, 4_000, lag(4.5)), seen(3, 1_000, json!({}))];
    let (status, answer) = deliver("boot-1", observations).await;
    assert_eq!((status, &answer["taken_up_to"]), (200, &json!(3)), "{answer}");
    let told = world.service().await["metrics"].clone();
    let known = |at: usize, field: &str| told[at][field].clone();
    assert_eq!(
        [known(0, "name"), known(0, "value"), known(0, "unit")],
        [json!("lag"), json!(4.5), json!("s")],
        "{told}"
    );
    assert_eq!(
        [known(1, "name"), known(1, "value"), known(1, "unit")],
        [json!("queue"), json!(7.0), json!("")],
        "{told}"
    );
    let from = [known(0, "check"), known(0, "role"), known(0, "vantage")];
    assert_eq!(from, [json!("login"), json!("primary"), json!(VANTAGES[0])]);
    assert!(known(0, "age_ms").as_u64().unwrap() >= 4_000, "{told}");
    let explained = world.cli(&["explain", "login"]).await;
    assert!(
        explained.out.contains("lag 4.5 s") && explained.out.contains("login of the primary from"),
        "{explained:?}"
    );
    let status = world.cli(&["status", "login", "--json"]).await;
    assert_eq!(status.json()["services"][0]["metrics"][0]["name"], "lag", "{status:?}");
    // What no check makes is refused, and nothing of it kept.
    let many: Vec<Value> = (0..51).map(|n| json!({ "name": format!("n{n}"), "value": n })).collect();
    let (status, answer) = deliver("boot-2", vec![seen(1, 0, json!({ "metrics": many }))]).await;
    assert_eq!(status, 400);
    refusal(&answer, "more measures than a check may make");
    assert_eq!(world.service().await["metrics"].as_array().unwrap().len(), 2);
}
