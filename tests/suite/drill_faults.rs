//! Faults that a rehearsal asks for, with the real processes: a login that breaks, an agent that is not heard, a provider that is late, a controller
//! that ends in the middle. The real name never moves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, Uri};
use axum::{Json, Router};
use quorate::adapters::lab::LabSwitch;
use quorate::domain::DrillFault;
use quorate::lab::FaultChange;
use quorate::ports::LabFault;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::drills::{keep, rehearsed_answer, rehearsing};
use super::world::{CONTROLLER, PRIMARY, STANDBY, World};

const ALL: &str =
    "faults = [\"break-login\", \"drop-agent\", \"delay-provider\", \"kill-controller\"]\nendpoint = \"LAB\"\n";

fn arguments(fault: DrillFault) -> [&'static str; 10] {
    let fault = fault.as_str();
    ["drill", "run", "login", "--kind", "rehearse", "--hold", "1s", "--yes", "--fault", fault]
}

fn ms(report: &Value, measure: &str) -> Option<u64> {
    let times = report["times"].as_array().unwrap();
    times.iter().find(|time| time["measure"] == measure).unwrap()["ms"].as_u64()
}

async fn report(world: &World) -> Value {
    world.cli(&["drill", "report", "login", "--json"]).await.json()
}

/// The name of the rehearsal went there and came back, and the real one never moved.
async fn came_back(world: &World) {
    assert_eq!(rehearsed_answer(world).await, PRIMARY);
    assert_eq!((world.flips(), world.answer().await.as_str()), (vec![], PRIMARY), "the real name stays");
}

#[tokio::test]
async fn a_login_that_breaks_on_request_is_detected_rehearsed_and_mended_while_the_service_stays_where_it_is() {
    let world = rehearsing(ALL).await;
    let plan = world.cli(&["drill", "plan", "login", "--kind", "rehearse", "--fault", "break-login"]).await;
    assert!(plan.code == Some(0) && plan.out.contains("broken on purpose: break-login"), "{plan:?}");
    let ran = world.cli(&arguments(DrillFault::BreakLogin)).await;
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", world.tail(CONTROLLER));
    came_back(&world).await;
    let faults = world.http.get(format!("{}/lab/faults", world.primary.url())).send().await.unwrap();
    let faults: Value = faults.json().await.unwrap();
    assert_eq!(faults["login"], "ok", "it is mended");
    keep(&world, "fault").await;
    let report = report(&world).await;
    assert!(ms(&report, "detect").unwrap() > 0 && ms(&report, "detect") <= ms(&report, "decide"), "{report:#}");
    let history = world.history().await;
    let blocked = history.iter().find(|(kind, _)| kind == "attempt-blocked");
    assert!(blocked.is_none_or(|(_, text)| text.contains("on purpose")), "{history:?}");
    assert!(history.iter().all(|(kind, _)| kind != "plan-opened"), "{history:?}");
}

#[tokio::test]
async fn what_does_not_prove_to_be_a_lab_is_sent_nothing_else() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let site = Router::new().fallback(move |method: Method, uri: Uri| async move {
        seen.lock().unwrap().push(format!("{method} {uri}"));
        // As a page that answers everything does, and as somebody's own API might.
        Json(json!({ "quorate": "lab", "part": "something else" }))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/app?deep=1", listener.local_addr().unwrap()).parse().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(axum::serve(listener, site).into_future());
    for fault in [DrillFault::BreakLogin, DrillFault::DelayProvider] {
        let switch = LabSwitch::new(fault, &url).unwrap().unwrap();
        for on in [true, false] {
            let error = switch.switch(on).await.unwrap_err();
            assert!(error.what.contains("does not prove to be a lab, and was asked for nothing"), "{error}");
        }
    }
    assert_eq!(*asked.lock().unwrap(), vec!["GET /lab"; 4]);
    let nobody = "http://127.0.0.1:1/".parse().unwrap();
    let switch = LabSwitch::new(DrillFault::BreakLogin, &nobody).unwrap().unwrap();
    assert!(switch.switch(true).await.unwrap_err().what.contains("does not prove to be a lab"));
}

#[tokio::test]
async fn what_the_configuration_does_not_list_is_not_broken() {
    let world = rehearsing("faults = [\"drop-agent\"]\n").await;
    let refused = world.cli(&arguments(DrillFault::BreakLogin)).await;
    assert!(refused.code == Some(3) && refused.err.contains("(fault-not-allowed)"), "{refused:?}");
    let refused = world.cli(&["drill", "run", "login", "--kind", "live", "--yes", "--fault", "drop-agent"]).await;
    assert!(refused.code == Some(3) && refused.err.contains("(fault-not-allowed)"), "{refused:?}");
    let wrong = world.cli(&["drill", "run", "login", "--fault", "set-fire"]).await;
    assert!(wrong.code == Some(64) && wrong.err.contains("kill-controller"), "{wrong:?}");
    let body = r#"{"kind":"rehearse","by":"a","reason":"b","fault":"set-fire"}"#;
    let (status, answer) = world.post("/v1/services/login/drill", body).await;
    let known = "'fault' is one of break-login, drop-agent, delay-provider, kill-controller";
    assert_eq!((status, answer["error"].as_str()), (400, Some(known)));
}

#[tokio::test]
async fn an_agent_that_is_dropped_and_a_provider_that_is_late_do_not_keep_a_rehearsal_from_passing() {
    let world = rehearsing(ALL).await;
    let ran = world.cli(&arguments(DrillFault::DropAgent)).await;
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", world.tail(CONTROLLER));
    came_back(&world).await;
    let quick = ms(&report(&world).await, "flip").unwrap();
    let ran = world.cli(&arguments(DrillFault::DelayProvider)).await;
    assert_eq!(ran.code, Some(0), "{ran:?}\n{}", world.tail(CONTROLLER));
    came_back(&world).await;
    let late = ms(&report(&world).await, "flip").unwrap();
    assert!(late >= 3_000 && late > quick, "{late} and {quick} ms");
    world
        .until_so("the provider is as quick as ever", async || {
            world.lab.set_faults(FaultChange::default()).answer_after_ms == 0
        })
        .await;
}

#[tokio::test]
async fn a_controller_that_ends_in_the_middle_on_request_is_survived_by_the_rehearsal() {
    let mut world = rehearsing(ALL).await;
    let terminal = world.begin(&arguments(DrillFault::KillController));
    let status = world.wait(CONTROLLER).await;
    assert!(!status.success(), "{status}");
    world.until_so("it ended after the switch", async || rehearsed_answer(&world).await == STANDBY).await;
    world.start_controller().await;
    let ran = timeout(Duration::from_secs(120), terminal.wait_with_output()).await;
    let ran = ran.expect("the terminal sees the end").unwrap();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}\n{}", world.tail(CONTROLLER));
    came_back(&world).await;
    let surprises = report(&world).await["surprises"].to_string();
    assert!(surprises.contains("a restarted one, went on with it"), "{surprises}");
}
