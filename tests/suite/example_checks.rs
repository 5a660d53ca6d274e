//! The examples in `checks/`, each run as an agent runs it against a real server: it passes with the right credentials, and
//! fails with the right kind, at the right step, with wrong ones.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate::adapters::script::{CheckScript, RhaiRunner};
use quorate::domain::{CheckName, FailureKind, Outcome, ProbeReport, Role, Secret, Secrets};
use quorate::ports::{ProbeRequest, ProbeRunner, Resolution};
use url::Url;

use super::django::Django;
use super::oidc::{self, Provider};

const DEADLINE: Duration = Duration::from_secs(30);

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("checks")
}

async fn run(example: &str, target: Url, secrets: Pairs<'_>, params: Pairs<'_>) -> ProbeReport {
    let path = folder().join(format!("{example}.rhai"));
    let name = CheckName::new(example).expect("a name");
    let script = CheckScript {
        name: name.clone(),
        source: std::fs::read_to_string(&path).expect("the example"),
        path,
        params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        secrets: secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect::<Secrets>(),
    };
    let runner = RhaiRunner::new(vec![script]).expect("compiles");
    let request = ProbeRequest {
        check: name,
        target,
        role: Role::Primary,
        vantage: None,
        deadline: DEADLINE,
        resolution: Resolution::System,
    };
    runner.run(&request).await
}

#[track_caller]
fn assert_passes(report: &ProbeReport, steps: &[&str]) {
    assert_eq!((report.outcome, report.reason.as_deref()), (Outcome::Pass, None), "{report:?}");
    assert_eq!(report.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), steps);
}

#[track_caller]
fn assert_fails(report: &ProbeReport, kind: FailureKind, step: &str, saying: &str) {
    assert_eq!((report.outcome, report.kind), (Outcome::Fail, Some(kind)), "{report:?}");
    assert_eq!(report.failed_step.as_deref(), Some(step), "{report:?}");
    assert!(report.reason.as_deref().is_some_and(|reason| reason.contains(saying)), "{report:?}");
}

#[test]
fn an_example_is_what_its_template_writes() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/check/templates");
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    for (template, example) in [("api-token", "api-token"), ("health", "health")] {
        let (template, example) = (templates.join(template), folder().join(example));
        assert_eq!(read(template.with_extension("rhai")), read(example.with_extension("rhai")), "{example:?}");
    }
}

// ---- health ----

#[tokio::test]
async fn health_passes_where_the_page_says_what_it_should() {
    let django = Django::start();
    let params = [("path", "/admin/login/"), ("text", "Django administration")];
    assert_passes(&run("health", django.url(), &[], &params).await, &["ask how it is"]);
}

#[tokio::test]
async fn health_fails_where_another_page_answers_or_a_redirect_leads_to_a_login() {
    let django = Django::start();
    let params = [("path", "/admin/login/"), ("text", "all is well")];
    let report = run("health", django.url(), &[], &params).await;
    assert_fails(&report, FailureKind::Assertion, "ask how it is", "wanted the text 'all is well', got 200 OK");
    let params = [("path", "/admin/"), ("text", "Django")];
    let report = run("health", django.url(), &[], &params).await;
    assert_fails(&report, FailureKind::Assertion, "ask how it is", "wanted status 200, got 302 Found");
}

// ---- API token ----

const API: Pairs<'_> = &[("token_path", "/token"), ("api_path", "/api/me"), ("api_text", oidc::CLIENT)];

#[tokio::test]
async fn api_token_passes_with_the_clients_own_secret() {
    let provider = Provider::start();
    let secrets = [("client-id", oidc::CLIENT), ("client-secret", oidc::CLIENT_SECRET)];
    let report = run("api-token", provider.url(), &secrets, API).await;
    assert_passes(&report, &["get a token", "call the API", "be refused without the token"]);
}

#[tokio::test]
async fn api_token_is_denied_with_another_secret() {
    let provider = Provider::start();
    let secrets = [("client-id", oidc::CLIENT), ("client-secret", "another-secret")];
    let report = run("api-token", provider.url(), &secrets, API).await;
    assert_fails(&report, FailureKind::Denied, "get a token", "invalid_client");
    assert!(!format!("{report:?}").contains("another-secret"), "{report:?}");
}

#[tokio::test]
async fn api_token_fails_where_the_api_lets_everybody_in() {
    let provider = Provider::start();
    let secrets = [("client-id", oidc::CLIENT), ("client-secret", oidc::CLIENT_SECRET)];
    let open = [("token_path", "/token"), ("api_path", "/jwks")];
    let report = run("api-token", provider.url(), &secrets, &open).await;
    assert_fails(&report, FailureKind::Assertion, "be refused without the token", "the API lets everybody in");
}
