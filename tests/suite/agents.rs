//! Agents and the controller that they tell: what is kept, what is dropped, and that everything counts once.

use serde_json::{Value, json};

use super::world::{CONTROLLER, Options, VANTAGES, World};

const OBSERVATIONS: &str = "/v1/observations";
/// Each run of an agent: vantage, how many observations, how many numbers, the first and the last.
const RUNS: &str = "SELECT vantage, count(*), count(DISTINCT seq), min(seq), max(seq) FROM observations \
                    GROUP BY vantage, boot ORDER BY vantage";

/// The runs in the store: vantage, count, distinct, first, last.
fn runs(world: &World) -> Vec<(String, [u64; 4])> {
    let number = |text: &String| text.parse().unwrap();
    let runs = world.rows(RUNS);
    runs.iter().map(|r| (r[0].clone(), [number(&r[1]), number(&r[2]), number(&r[3]), number(&r[4])])).collect()
}

async fn logins(world: &World) -> u64 {
    world.cloud_state(&world.standby).await["logins"].as_u64().unwrap()
}

/// Lets the agents see so much, with nobody to tell.
async fn until_probed(world: &World, more: u64) {
    let before = logins(world).await;
    world.until_so("the agents go on probing", async || logins(world).await >= before + more).await;
}

#[tokio::test]
async fn an_agent_keeps_what_it_sees_while_the_controller_is_away_and_each_counts_once() {
    let mut world = World::healthy(Options::default()).await;
    world.kill(CONTROLLER).await;
    let before = runs(&world);
    for vantage in VANTAGES {
        world.until_logged(vantage, "observations are kept").await;
    }
    until_probed(&world, 12).await;
    world.start_controller().await;
    for vantage in VANTAGES {
        world.until_logged(vantage, "delivering again").await;
    }
    world.until_healthy().await;
    let after = runs(&world);
    assert_eq!(after.iter().map(|(vantage, _)| vantage.as_str()).collect::<Vec<_>>(), VANTAGES);
    for ((vantage, [count, distinct, first, last]), (_, before)) in after.iter().zip(&before) {
        assert_eq!((count, distinct, *first), (last, last, 1), "{vantage}: every number once");
        assert!(*last >= before[3] + 4, "{vantage}: what was seen meanwhile is there ({} → {last})", before[3]);
    }
    for vantage in VANTAGES {
        assert_eq!(world.log(vantage).matches("observations are kept").count(), 1, "told once, not at every try");
    }
}

#[tokio::test]
async fn a_spool_that_is_full_drops_the_oldest_and_says_so() {
    let mut world = World::healthy(Options { spool: 3, ..Options::default() }).await;
    world.kill(CONTROLLER).await;
    let before = runs(&world);
    for vantage in VANTAGES {
        world.until_logged(vantage, "the spool is full: the oldest observations were dropped").await;
    }
    world.start_controller().await;
    for vantage in VANTAGES {
        world.until_logged(vantage, "delivering again").await;
    }
    world.until_logged(CONTROLLER, "this agent has lost observations").await;
    world.until_healthy().await;
    for ((vantage, [count, distinct, first, last]), (_, before)) in runs(&world).iter().zip(&before) {
        assert_eq!((count, *first), (distinct, 1), "{vantage}");
        assert!(count < last && *last > before[3], "{vantage}: the newest came, and some before it did not");
    }
}

fn item(seq: u64, outcome: &str) -> Value {
    json!({
        "seq": seq, "age_ms": 10, "service": "login", "check": "login", "role": "primary", "outcome": outcome,
        "kind": if outcome == "fail" { json!("assertion") } else { Value::Null },
        "reason": if outcome == "fail" { json!("no account page") } else { Value::Null }, "duration_ms": 5,
    })
}

fn delivery(boot: &str, items: &[Value]) -> Value {
    json!({ "v": 1, "vantage": "aws-1", "boot": boot, "dropped": 0, "observations": items })
}

/// How many failures in a row the controller counts of that vantage.
async fn failures(world: &World) -> u64 {
    let service = world.service().await;
    let vote = &service["sites"][0]["votes"][0];
    assert_eq!(vote["vantage"], "aws-1");
    vote["failures"].as_u64().unwrap()
}

#[tokio::test]
async fn a_delivery_that_is_repeated_counts_once_also_after_a_restart() {
    let mut world = World::prepared(Options::default()).await;
    world.start_controller().await;
    let first = delivery("by-hand", &[item(1, "pass"), item(2, "pass"), item(3, "fail")]).to_string();
    for _ in 0..3 {
        let (status, receipt) = world.post(OBSERVATIONS, first.clone()).await;
        assert_eq!((status, &receipt["taken_up_to"]), (200, &json!(3)), "{receipt}");
        assert_eq!(failures(&world).await, 1);
    }
    // What was taken is left out of a delivery that also brings news.
    let (_, receipt) =
        world.post(OBSERVATIONS, delivery("by-hand", &[item(3, "fail"), item(4, "pass")]).to_string()).await;
    assert_eq!(receipt["taken_up_to"], 4);
    assert_eq!(failures(&world).await, 0);
    // An older one that was long on its way says nothing new.
    let (status, receipt) = world.post(OBSERVATIONS, delivery("by-hand", &[item(2, "fail")]).to_string()).await;
    assert_eq!((status, &receipt["taken_up_to"], failures(&world).await), (200, &json!(4), 0));

    world.kill(CONTROLLER).await;
    world.start_controller().await;
    let (_, receipt) = world.post(OBSERVATIONS, first.clone()).await;
    assert_eq!((&receipt["taken_up_to"], failures(&world).await), (&json!(4), 0));
    // Another run of the agent counts from 1 again.
    world.post(OBSERVATIONS, delivery("another-run", &[item(1, "fail")]).to_string()).await;
    assert_eq!(failures(&world).await, 1);
    let rows = world.rows("SELECT boot, seq, outcome FROM observations ORDER BY boot, seq");
    let rows: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
    assert_eq!(rows, ["another-run 1 fail", "by-hand 1 pass", "by-hand 2 pass", "by-hand 3 fail", "by-hand 4 pass"]);
}

#[tokio::test]
async fn a_malformed_delivery_is_refused_with_the_reason_and_changes_nothing() {
    let mut world = World::prepared(Options::default()).await;
    world.start_controller().await;
    let good = delivery("run", &[item(1, "fail"), item(2, "fail")]);
    let with = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        changed.to_string()
    };
    let mut unknown_key = good.clone();
    unknown_key["sequence"] = json!(1);
    let refused = [
        (with("/vantage", json!("mars-1")), 400, "no vantage is called 'mars-1'"),
        (with("/vantage", json!("no name!")), 400, "no name!"),
        (with("/v", json!(2)), 400, "version 2"),
        (with("/observations/1/seq", json!(1)), 400, "observation 1 comes after 1: numbers must grow"),
        (with("/observations/0/seq", json!(0)), 400, "numbers must grow"),
        (with("/observations/0/outcome", json!("dead")), 400, "'dead' is no outcome"),
        (with("/observations/0/role", json!("third")), 400, "'third' is no role"),
        (with("/observations/0/kind", json!("mood")), 400, "'mood' is no kind of failure"),
        (with("/observations", json!([])), 400, "an empty delivery"),
        (with("/observations/0/seq", json!(-1)), 422, "seq"),
        (unknown_key.to_string(), 422, "sequence"),
        ("{\"v\":1".to_owned(), 400, "EOF"),
        ("not JSON".to_owned(), 400, "JSON"),
        (String::new(), 400, "EOF"),
    ];
    for (body, wanted, words) in refused {
        let shown = &body[..body.len().min(200)];
        let (status, answer) = world.post(OBSERVATIONS, body.clone()).await;
        assert_eq!(status, wanted, "{shown}: {answer}");
        assert_eq!(answer["v"], 1, "{shown}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(words), "{shown}: {answer}");
    }
    // Too long to be read to its end: whoever goes on sending may find the connection closed before it has read the answer.
    let long = world.http.post(world.url(OBSERVATIONS)).header("content-type", "application/json");
    if let Ok(answer) = long.body(with("/boot", json!("x".repeat(10_000_000)))).send().await {
        assert_eq!(answer.status().as_u16(), 413);
    }
    let typeless = world.http.post(world.url(OBSERVATIONS)).body(good.to_string()).send().await.unwrap();
    assert_eq!(typeless.status().as_u16(), 415);
    assert_eq!(failures(&world).await, 0);
    assert_eq!(world.rows("SELECT * FROM observations"), Vec::<Vec<String>>::new());
    // And the same agent is heard when it speaks properly.
    let (status, receipt) = world.post(OBSERVATIONS, good.to_string()).await;
    assert_eq!((status, &receipt["taken_up_to"]), (200, &json!(2)));
    assert_eq!(failures(&world).await, 2);
}

#[tokio::test]
async fn a_service_that_the_controller_does_not_know_is_no_reason_to_lose_the_rest() {
    let mut world = World::prepared(Options::default()).await;
    world.start_controller().await;
    let mut stranger = item(1, "fail");
    stranger["service"] = json!("another");
    let (status, receipt) = world.post(OBSERVATIONS, delivery("run", &[stranger, item(2, "fail")]).to_string()).await;
    assert_eq!((status, &receipt["taken_up_to"]), (200, &json!(2)));
    assert_eq!(failures(&world).await, 1);
}
