//! `GET /metrics`, read by parsers that nobody here wrote.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::python::interpreter_with;
use super::world::{Options, SECRETS, VANTAGES, World};

/// Prometheus's own library for Python; it parses what is scraped by the letter of OpenMetrics, and by that of the older text format.
const PARSER: &str = "prometheus_client==0.22.1";
/// Prints every sample as `[family's type, name, labels, value]`, a line each.
const PARSE: &str = r#"
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict
from prometheus_client.parser import text_string_to_metric_families as older
text = sys.stdin.read()
list(older(text))
for family in strict(text):
    assert family.documentation, family.name
    for sample in family.samples:
        print(json.dumps([family.type, sample.name, sample.labels, sample.value]))
"#;

/// Every sample of the text, which must be lawful.
async fn parsed(text: String) -> Vec<(String, String, Value, f64)> {
    let work = move || {
        let mut child = Command::new(interpreter_with(PARSER))
            .args(["-c", PARSE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let lines = tokio::task::spawn_blocking(work).await.unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn what_prometheus_scrapes_says_how_the_services_stand_and_what_their_checks_measured() {
    let world = World::healthy(Options::default()).await;
    // A measure under a name that tries to break out of its label.
    let name = "lag\" } 1\n# \\";
    let observation = json!({ "seq": 1, "age_ms": 2_000, "service": "login", "check": "login", "role": "standby",
        "outcome": "pass", "duration_ms": 5, "metrics": [{ "name": name, "value": 0.25, "unit": "s" }] });
    let batch = json!({ "v": 1, "vantage": VANTAGES[0], "boot": "by-hand", "observations": [observation] });
    let (status, answer) = world.post("/v1/observations", batch.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let (status, text) = world.get("/metrics").await;
    assert_eq!(status, 200, "{text}");
    for (name, secret) in SECRETS {
        assert!(!text.contains(secret), "{name} in {text}");
    }
    let samples = parsed(text).await;
    let value = |name: &str, labels: Value| {
        let of = |sample: &&(String, String, Value, f64)| {
            let own = sample.2.as_object().unwrap();
            sample.1 == name && labels.as_object().unwrap().iter().all(|(label, value)| own.get(label) == Some(value))
        };
        let found: Vec<f64> = samples.iter().filter(of).map(|sample| sample.3).collect();
        assert!(!found.is_empty(), "no {name} of {labels}: {samples:?}");
        found
    };
    let login = |more: Value| {
        let mut labels = json!({ "service": "login" });
        labels.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        labels
    };
    assert_eq!(value("quorate_leader", json!({})), [1.0]);
    assert!(value("quorate_epoch", json!({}))[0] >= 1.0);
    assert_eq!(value("quorate_service_serving", login(json!({ "site": "primary" }))), [1.0]);
    assert_eq!(value("quorate_service_serving", login(json!({ "site": "standby" }))), [0.0]);
    assert_eq!(value("quorate_service_phase", login(json!({ "phase": "watching" }))), [1.0]);
    assert_eq!(value("quorate_service_plan_open", login(json!({}))), [0.0, 0.0]);
    assert_eq!(value("quorate_service_alert", login(json!({ "alert": "drift" }))), [0.0]);
    assert_eq!(value("quorate_site_verdict", login(json!({ "verdict": "healthy" }))), [1.0, 1.0]);
    assert_eq!(value("quorate_site_verdict", login(json!({ "site": "primary", "verdict": "unhealthy" }))), [0.0]);
    let up = value("quorate_vantage_view", login(json!({ "site": "primary", "view": "up" })));
    assert!(up.len() == VANTAGES.len() && up.iter().sum::<f64>() >= 2.0, "{up:?}");
    assert!(value("quorate_rule_votes_needed", login(json!({ "rule": "down" })))[0] >= 2.0);
    let measure = json!({ "site": "standby", "vantage": VANTAGES[0], "check": "login", "metric": name, "unit": "s" });
    assert_eq!(value("quorate_check_metric", login(measure.clone())), [0.25]);
    assert!(value("quorate_check_metric_age_seconds", login(measure))[0] >= 2.0);
    let passes = login(json!({ "site": "primary", "vantage": VANTAGES[1], "check": "login", "outcome": "pass" }));
    assert!(value("quorate_observations_total", passes)[0] >= 1.0);
    let counters = samples.iter().filter(|sample| sample.0 == "counter");
    assert!(counters.count() >= 4);
}
