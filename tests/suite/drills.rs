//! Drills with the real processes: there and back, aborted, killed in the middle, refused, scheduled, on a name of their own; and their reports.

use std::time::Duration;

use quorate::adapters::resolver::Hickory;
use quorate::domain::{ClusterName, RecordType};
use quorate::ports::Resolver;
use serde_json::{Value, json};

use super::world::{CONTROLLER, Options, PRIMARY, STANDBY, World, signal};

const POLICY: &str = "rto = \"1m\"\nrpo = \"30s\"\n";

fn options() -> Options {
    Options { policy: POLICY, ..Options::default() }
}

async fn records(world: &World) -> Vec<Value> {
    let (status, text) = world.get("/v1/services/login/drills").await;
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    answer["records"].as_array().unwrap().clone()
}

async fn until_drill_ended(world: &World, number: u64) -> Value {
    let mut found = Value::Null;
    world
        .until_so(&format!("drill {number} has ended"), async || {
            let all = records(world).await;
            let ended = all
                .iter()
                .find(|record| record["entry"]["type"] == "drill-ended" && record["entry"]["number"] == number);
            ended.is_some_and(|record| {
                found = record["entry"]["end"].clone();
                true
            })
        })
        .await;
    found
}

async fn until_away(world: &World) {
    world
        .until("the standby serves in a drill", |service| {
            service["serving"] == "standby" && service["plan"].is_null() && service["drill"].is_object()
        })
        .await;
}

/// Keeps the last drill's page for whoever wants to look at it.
pub(crate) async fn keep(world: &World, name: &str) {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("drill-{name}.html"));
    let file = file.to_str().unwrap();
    let kept = world.cli(&["drill", "report", "login", "--format", "html", "--out", file]).await;
    assert_eq!(kept.code, Some(0), "{kept:?}");
}

#[tokio::test]
async fn a_live_drill_goes_there_and_back_and_its_report_says_what_the_journal_says() {
    let world = World::healthy(options()).await;
    let plan = world.cli(&["drill", "plan", "login", "--kind", "live", "--hold", "2s"]).await;
    assert!(plan.code == Some(0) && plan.out.contains("nothing is against it"), "{plan:?}");
    assert_eq!(world.flips(), []);
    let run = ["drill", "run", "login", "--kind", "live", "--hold", "2s", "--reason", "game <day> & co", "--yes"];
    let ran = world.cli(&run).await;
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", world.tail(CONTROLLER));
    assert_eq!((world.flipped(), world.answer().await.as_str()), (2, PRIMARY));
    let report = world.cli(&["drill", "report", "login", "--json"]).await.json();
    assert_eq!((report["result"].as_str(), report["number"].as_u64()), (Some("passed"), Some(1)));

    // Each number anew, from the journal as the store has it.
    let rows = world.rows("SELECT at_ms, entry FROM journal WHERE service = 'login' ORDER BY id");
    let entries: Vec<(u64, Value)> =
        rows.iter().map(|row| (row[0].parse().unwrap(), serde_json::from_str(&row[1]).unwrap())).collect();
    let at = |kind: &str, nth: usize| entries.iter().filter(|(_, entry)| entry["type"] == kind).nth(nth).unwrap().0;
    let steps = |nth: usize| {
        let plan = entries.iter().filter(|(_, entry)| entry["type"] == "plan-opened").nth(nth).unwrap();
        let words = plan.1["plan"]["steps"].as_array().unwrap().clone();
        (plan.1["plan"]["id"].clone(), words)
    };
    let done = |nth: usize, step: &str| {
        let (id, words) = steps(nth);
        let place = words.iter().position(|word| word == step).unwrap();
        let found = entries
            .iter()
            .find(|(_, entry)| entry["type"] == "step-succeeded" && entry["plan"] == id && entry["step"] == place);
        found.unwrap().0
    };
    let began = at("drill-started", 0);
    let expected = [
        ("decide", at("plan-opened", 0) - began),
        ("fence", done(0, "verify-read-only") - at("plan-opened", 0)),
        ("flip", done(0, "flip-records") - at("plan-opened", 0)),
        ("answer", done(0, "verify-answers") - done(0, "flip-records")),
        ("serve", done(0, "verify-public-login") - began),
        ("away", done(1, "flip-records") - done(0, "flip-records")),
        ("back", done(1, "verify-public-login") - at("plan-opened", 1)),
    ];
    for (measure, ms) in expected {
        let time = report["times"].as_array().unwrap().iter().find(|time| time["measure"] == measure).unwrap();
        assert_eq!(time["ms"], ms, "{measure}: {report:#}");
    }
    assert_eq!(report["ended_after_ms"], at("drill-ended", 0) - began);
    let serve = report["times"].as_array().unwrap().iter().find(|time| time["measure"] == "serve").unwrap();
    assert_eq!((&serve["met"], &serve["objective_ms"]), (&json!(true), &json!(60_000)));
    assert!(report["times"][7]["ms"].as_u64().unwrap() >= 2_000, "it held");

    let file = world.dir.path().join("drill.html");
    let file = file.to_str().unwrap();
    let html = world.cli(&["drill", "report", "login", "1", "--format", "html", "--out", file]).await;
    assert_eq!(html.code, Some(0), "{html:?}");
    let page = std::fs::read_to_string(file).unwrap();
    assert!(page.contains("game &lt;day&gt; &amp; co") && !page.contains("<day>"), "it is escaped");
    assert!(page.contains("<svg") && !page.contains("src=") && !page.contains("href="), "nothing from elsewhere");
    keep(&world, "live").await;
    let markdown = world.cli(&["drill", "report", "login", "--format", "md"]).await;
    assert!(markdown.out.contains("# Drill 1 of login: live, passed"), "{markdown:?}");
    let list = world.cli(&["drill", "list", "login"]).await;
    assert!(list.code == Some(0) && list.out.contains("passed"), "{list:?}");
    let trend = world.cli(&["drill", "trend", "login", "--json"]).await.json();
    assert_eq!((&trend["passed"], &trend["drills"][0]["serve_ms"]), (&json!(1), &serve["ms"]));
    let none = world.cli(&["drill", "report", "login", "9"]).await;
    assert!(none.code == Some(1) && none.err.contains("has no drill 9; there is 1"), "{none:?}");
}

#[tokio::test]
async fn a_live_drill_is_aborted_by_its_own_alarm_and_says_why() {
    let world = World::healthy(options()).await;
    let run = ["drill", "run", "login", "--kind", "live", "--hold", "10m", "--yes", "--no-wait"];
    assert_eq!(world.cli(&run).await.code, Some(0));
    until_away(&world).await;
    assert_eq!(world.answer().await, STANDBY);
    let second = world.cli(&run).await;
    assert!(second.code == Some(3) && second.err.contains("(drill-open)"), "{second:?}");
    world.fault(&world.standby, json!({ "login": "error" })).await;
    let end = until_drill_ended(&world, 1).await;
    assert_eq!(end["type"], "aborted", "{end}");
    let why = end["why"].as_str().unwrap();
    assert!(why.contains("the standby") || why.contains("the check login fails"), "{why}");
    assert_eq!((world.flipped(), world.answer().await.as_str()), (2, PRIMARY));
    world.until_noticed("sms", "+15550100101", "is rolled back").await;
    keep(&world, "aborted").await;
}

#[tokio::test]
async fn ctrl_c_comes_back_and_neither_a_killed_terminal_nor_a_killed_controller_leaves_it_half_way() {
    let mut world = World::healthy(options()).await;
    let arguments = ["drill", "run", "login", "--kind", "live", "--hold", "10m", "--yes"];
    let mut terminal = world.begin(&arguments);
    until_away(&world).await;
    signal(terminal.id().unwrap(), "INT");
    let status = tokio::time::timeout(Duration::from_secs(60), terminal.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(1));
    let end = until_drill_ended(&world, 1).await;
    assert!(end["type"] == "aborted" && end["why"].as_str().unwrap().contains("Ctrl-C"), "{end}");
    assert_eq!((world.flipped(), world.answer().await.as_str()), (2, PRIMARY));

    let mut terminal = world.begin(&arguments);
    until_away(&world).await;
    terminal.kill().await.unwrap();
    world.kill(CONTROLLER).await;
    assert_eq!(world.answer().await, STANDBY);
    world.start_controller().await;
    world.until_healthy().await;
    until_away(&world).await;
    let aborted = world.cli(&["drill", "abort", "login", "--reason", "enough"]).await;
    assert_eq!(aborted.code, Some(0), "{aborted:?}");
    let end = until_drill_ended(&world, 2).await;
    assert!(end["why"].as_str().unwrap().contains("enough"), "{end}");
    assert_eq!((world.flipped(), world.answer().await.as_str()), (4, PRIMARY));
    let report = world.cli(&["drill", "report", "login", "2", "--json"]).await.json();
    let surprises = report["surprises"].to_string();
    assert!(surprises.contains("a restarted one, went on with it"), "{surprises}");
}

#[tokio::test]
async fn a_tabletop_changes_nothing_and_a_frozen_service_is_not_drilled() {
    let world = World::healthy(options()).await;
    let before = world.lab.requests().len();
    let ran = world.cli(&["drill", "run", "login"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", world.tail(CONTROLLER));
    assert!(ran.out.contains("nothing is against a failover now"), "{ran:?}");
    let writes = world.lab.requests().into_iter().skip(before).filter(|entry| !entry.changes.is_empty());
    assert_eq!(writes.count(), 0, "nothing was written");
    assert_eq!(world.cloud_state(&world.standby).await["enter_requests"], 0);
    keep(&world, "tabletop").await;
    assert_eq!(world.cli(&["freeze", "login", "--reason", "a release"]).await.code, Some(0));
    let refused = world.cli(&["drill", "run", "login", "--kind", "live", "--yes"]).await;
    assert!(refused.code == Some(3) && refused.err.contains("(frozen)"), "{refused:?}");
    let refused = world.cli(&["drill", "run", "login", "--kind", "rehearse", "--yes"]).await;
    assert!(refused.code == Some(3) && refused.err.contains("(no-rehearsal)"), "{refused:?}");
    let found = world.cli(&["drill", "run", "login", "--kind", "tabletop"]).await;
    assert!(found.code == Some(1) && found.out.contains("frozen by"), "{found:?}");
    let (status, answer) = world.post("/v1/services/login/drill", r#"{"kind":"wild","by":"a","reason":"b"}"#).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("'kind' is tabletop, rehearse or live")));
}

/// Adds to the service's configuration, before its sites.
fn configure(world: &World, more: &str) {
    let path = world.config();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[notify]\n", &format!("{more}\n[notify]\n"))).unwrap();
}

#[tokio::test]
async fn a_schedule_begins_a_drill_and_skips_blocked_dates() {
    let mut world = World::prepared(options()).await;
    let every = "[[service.drill]]\nkind = \"tabletop\"\ncron = \"*/2 * * * * *\"\n";
    configure(
        &world,
        &format!(
            "{every}[[service.drill]]\nkind = \"live\"\ncron = \"* * * * * *\"\nblocked = [\"2020-01-01..2099-12-31\"]\nskips = 1\n"
        ),
    );
    world.spawn(CONTROLLER, &["controller", "--config", "quorate.toml"]);
    for vantage in super::world::VANTAGES {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
    world.until_history("drill-started").await;
    let skipped = world.until_history("drill-skipped").await;
    assert_eq!(skipped, "live: no drill on 2020-01-01..2099-12-31");
    world.until_noticed("sms", "+15550100101", "was skipped, 2 in a row").await;
    let list = world.cli(&["drill", "list", "login"]).await;
    assert!(list.out.contains("schedule") && list.out.contains("skipped by the schedule"), "{list:?}");
    assert_eq!(world.flips(), []);
}

/// A world in which a rehearsal can begin, with more lines of its configuration.
pub(crate) async fn rehearsing(more: &str) -> World {
    let mut world = World::prepared(options()).await;
    let dns = format!(
        "[service.rehearsal]\n{more}[service.rehearsal.dns]\nprovider = \"route53\"\nzone = \"{}\"\nname = \"login.spare.test\"\ntype = \"A\"\nttl = \"30s\"\nauthoritative = [\"{}\"]\n",
        world.zone,
        world.name_server()
    );
    let dns = dns.replace("LAB", &world.lab.api_url());
    configure(&world, &dns);
    let shadow = quorate::config::load(&world.config()).unwrap().config.services.remove(0).rehearsal.unwrap().service;
    assert_eq!(shadow.name.as_str(), "login-rehearsal");
    let zone = world.lab.seed_service(&ClusterName::new("e2e").unwrap(), &shadow).unwrap();
    let text = std::fs::read_to_string(world.config()).unwrap();
    let at = text.rfind(&world.zone).unwrap();
    std::fs::write(world.config(), format!("{}{zone}{}", &text[..at], &text[at + world.zone.len()..])).unwrap();
    world.spawn(CONTROLLER, &["controller", "--config", "quorate.toml"]);
    for vantage in super::world::VANTAGES {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
    world
        .until_so("the rehearsal can begin", async || {
            world.cli(&["drill", "plan", "login", "--kind", "rehearse"]).await.code == Some(0)
        })
        .await;
    world
}

/// What the name of the rehearsal answers.
pub(crate) async fn rehearsed_answer(world: &World) -> String {
    Hickory::new().ask(world.name_server(), "login.spare.test", RecordType::A).await.unwrap().join(",")
}

#[tokio::test]
async fn a_rehearsal_moves_its_own_name_and_no_other() {
    let world = rehearsing("").await;
    let answer = || rehearsed_answer(&world);
    assert_eq!(answer().await, PRIMARY);
    let ran = world.cli(&["drill", "run", "login", "--kind", "rehearse", "--hold", "1s", "--yes"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", world.tail(CONTROLLER));
    assert_eq!(answer().await, PRIMARY);
    assert_eq!((world.flips(), world.answer().await.as_str()), (vec![], PRIMARY), "the real name stays");
    let moved = world.lab.requests().into_iter().filter(|entry| {
        entry.status < 300 && entry.changes.iter().any(|change| change.contains(" A login.spare.test"))
    });
    assert_eq!(moved.count(), 2);
    assert_eq!(world.cloud_state(&world.standby).await["enter_requests"], 0, "not rehearsed");
    let status = world.cli(&["status", "--json"]).await.json();
    assert_eq!(
        status["services"].as_array().unwrap().len(),
        1,
        "a rehearsal that rests is nobody's concern: {status}"
    );
    let explained = world.cli(&["explain", "login-rehearsal"]).await;
    assert!(explained.code == Some(0) && explained.out.contains("login-rehearsal"), "{explained:?}");
    let report = world.cli(&["drill", "report", "login", "--format", "md"]).await;
    assert!(report.out.contains("not rehearsed"), "{report:?}");
    keep(&world, "rehearse").await;
}

/// The same sites under a second name in the same zone, as a service of its own.
async fn with_a_second_service() -> World {
    let mut world = World::prepared(options()).await;
    let text = std::fs::read_to_string(world.config()).unwrap();
    let (from, to) = (text.find("[[service]]").unwrap(), text.find("[notify]").unwrap());
    let second =
        text[from..to].replace("login.e2e.test", "shop.e2e.test").replace("name = \"login\"", "name = \"shop\"");
    configure(&world, &second);
    let shop = quorate::config::load(&world.config()).unwrap().config.services.remove(1).service;
    world.lab.seed_records(&world.zone, &ClusterName::new("e2e").unwrap(), &shop).unwrap();
    world.spawn(CONTROLLER, &["controller", "--config", "quorate.toml"]);
    for vantage in super::world::VANTAGES {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
    for service in ["login", "shop"] {
        let planned = async || world.cli(&["drill", "plan", service, "--kind", "live"]).await.code == Some(0);
        world.until_so("its drill can begin", planned).await;
    }
    world
}

#[tokio::test]
async fn of_two_drills_at_once_on_two_services_one_is_refused() {
    let world = with_a_second_service().await;
    let run = |service: &'static str, hold: &'static str| {
        ["drill", "run", service, "--kind", "live", "--hold", hold, "--yes", "--no-wait"]
    };
    let (login, shop) = (run("login", "10m"), run("shop", "10m"));
    let both = tokio::join!(world.cli(&login), world.cli(&shop));
    let (one, other, refused) = match (both.0.code, both.1.code) {
        (Some(0), Some(3)) => ("login", "shop", both.1),
        (Some(3), Some(0)) => ("shop", "login", both.0),
        _ => panic!("one of them: {both:?}\n{}", world.tail(CONTROLLER)),
    };
    assert!(refused.err.contains("(drill-open)") && refused.err.contains(one), "{refused:?}");
    let moved = async |service: &str| {
        let name = format!("{service}.e2e.test");
        Hickory::new().ask(world.name_server(), &name, RecordType::A).await.unwrap().join(",")
    };
    world.until_so("one of them is away", async || moved(one).await == STANDBY).await;
    // And again, now that the other one's name has moved: no kind of drill.
    for kind in ["tabletop", "live"] {
        let again = world.cli(&["drill", "run", other, "--kind", kind, "--yes"]).await;
        assert!(again.code == Some(3) && again.err.contains("(drill-open)") && again.err.contains(one), "{again:?}");
    }
    assert_eq!(moved(other).await, PRIMARY);
    let history = world.cli(&["history", other]).await;
    assert!(history.code == Some(0) && !history.out.contains("drill"), "nothing half-done: {history:?}");
    assert_eq!(world.cli(&["drill", "abort", one, "--reason", "enough"]).await.code, Some(0));
    world.until_so("it is back", async || moved(one).await == PRIMARY).await;

    let next = ["drill", "run", other, "--kind", "live", "--hold", "1s", "--yes"];
    world.until_so("the other one's turn", async || world.cli(&next).await.code == Some(0)).await;
    assert_eq!((moved(one).await, moved(other).await), (PRIMARY.to_owned(), PRIMARY.to_owned()));
}
