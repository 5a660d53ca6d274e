//! The examples in `checks/`, each run as an agent runs it against a real server: it passes with the right credentials, and
//! fails with the right kind, at the right step, with wrong ones.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner};
use quorate::domain::{CheckName, FailureKind, Outcome, ProbeReport, Role, Secret, Secrets};
use quorate::ports::{ProbeRequest, ProbeRunner, Resolution};
use url::Url;

use super::django::{self, Django};
use super::oidc::{self, Provider};
use super::totp_site::{self, TotpSite};

const DEADLINE: Duration = Duration::from_secs(30);

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("checks")
}

fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/check/templates")
}

async fn run(example: &str, target: Url, secrets: Pairs<'_>, params: Pairs<'_>) -> ProbeReport {
    run_in(&folder(), example, target, secrets, params).await
}

async fn run_in(folder: &Path, example: &str, target: Url, secrets: Pairs<'_>, params: Pairs<'_>) -> ProbeReport {
    let path = folder.join(format!("{example}.rhai"));
    let name = CheckName::new(example).expect("a name");
    let script = CheckScript {
        name: name.clone(),
        source: std::fs::read_to_string(&path).expect("the example"),
        path,
        params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        secrets: secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect::<Secrets>(),
        reach: Reach::default(),
        limits: Limits::default(),
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
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    for name in ["api-token.rhai", "health.rhai", "oidc-login.rhai", "totp-login.rhai"] {
        assert_eq!(read(templates().join(name)), read(folder().join(name)), "{name}");
    }
}

#[test]
fn every_example_is_run_here_or_in_checks() {
    let found = std::fs::read_dir(folder()).expect("the folder").map(|entry| entry.expect("a file").file_name());
    let mut found: Vec<_> = found.filter_map(|name| name.into_string().ok()).collect();
    found.retain(|name| name.ends_with(".rhai"));
    found.sort();
    let run =
        ["api-token.rhai", "health.rhai", "login.rhai", "oidc-login.rhai", "totp-login.rhai", "write-probe.rhai"];
    assert_eq!(found, run);
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

const API: Pairs<'_> =
    &[("token_path", "/token"), ("auth", "post"), ("api_path", "/api/me"), ("api_text", oidc::CLIENT)];

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
    let open = [("token_path", "/token"), ("auth", "post"), ("api_path", "/jwks")];
    let report = run("api-token", provider.url(), &secrets, &open).await;
    assert_fails(&report, FailureKind::Assertion, "be refused without the token", "the API lets everybody in");
}

// ---- form login: a template whose example is login.rhai ----

const DJANGO: Pairs<'_> = &[
    ("login_path", "/admin/login/?next=/admin/"),
    ("login_form", "#login-form"),
    ("account", "#user-tools"),
    ("error", ".errornote"),
    ("logout_form", "#logout-form"),
];

#[tokio::test]
async fn the_template_form_login_logs_in_to_django_and_out_again() {
    let django = Django::start();
    let secrets = [("probe-user", django::USER), ("probe-password", django::PASSWORD)];
    let report = run_in(&templates(), "form-login", django.url(), &secrets, DJANGO).await;
    assert_passes(&report, &["open the form", "log in", "log out"]);
}

#[tokio::test]
async fn the_template_form_login_fails_with_the_words_of_the_page() {
    let django = Django::start();
    let secrets = [("probe-user", django::USER), ("probe-password", "wrong-password")];
    let report = run_in(&templates(), "form-login", django.url(), &secrets, DJANGO).await;
    assert_fails(
        &report,
        FailureKind::Assertion,
        "log in",
        "the login was refused: Please enter the correct username",
    );
}

// ---- OpenID Connect ----

const OIDC: Pairs<'_> = &[("client_id", oidc::CLIENT), ("client_auth", "post"), ("scope", "openid email")];

#[tokio::test]
async fn oidc_login_passes_through_login_and_consent_to_a_verified_token() {
    let provider = Provider::start();
    let secrets =
        [("probe-user", oidc::USER), ("probe-password", oidc::PASSWORD), ("client-secret", oidc::CLIENT_SECRET)];
    let report = run("oidc-login", provider.url(), &secrets, OIDC).await;
    let steps = [
        "discover the provider",
        "open the login page",
        "log in",
        "consent and come back",
        "get the tokens",
        "verify the ID token",
        "ask who it is",
    ];
    assert_passes(&report, &steps);
}

#[tokio::test]
async fn oidc_login_fails_at_the_login_page_with_another_password() {
    let provider = Provider::start();
    let secrets =
        [("probe-user", oidc::USER), ("probe-password", "wrong-password"), ("client-secret", oidc::CLIENT_SECRET)];
    let report = run("oidc-login", provider.url(), &secrets, OIDC).await;
    assert_fails(
        &report,
        FailureKind::Assertion,
        "log in",
        "the login was refused: No such user, or another password.",
    );
}

#[tokio::test]
async fn oidc_login_is_denied_its_tokens_with_another_client_secret() {
    let provider = Provider::start();
    let secrets =
        [("probe-user", oidc::USER), ("probe-password", oidc::PASSWORD), ("client-secret", "another-secret")];
    let report = run("oidc-login", provider.url(), &secrets, OIDC).await;
    assert_fails(&report, FailureKind::Denied, "get the tokens", "invalid_client");
}

#[tokio::test]
async fn oidc_login_fails_where_the_provider_calls_itself_otherwise_or_does_not_know_the_client() {
    let provider = Provider::start();
    let params = [("client_id", oidc::CLIENT), ("issuer", "https://login.example.test")];
    let report = run("oidc-login", provider.url(), &[], &params).await;
    assert_fails(
        &report,
        FailureKind::Assertion,
        "discover the provider",
        "wanted \"https://login.example.test\" at '$.issuer'",
    );
    let report = run("oidc-login", provider.url(), &[], &[("client_id", "nobody")]).await;
    assert_fails(&report, FailureKind::Assertion, "open the login page", "wanted status 200, got 400 Bad Request");
}

// ---- TOTP ----

#[tokio::test]
async fn totp_login_passes_with_codes_that_pyotp_takes() {
    let site = TotpSite::start();
    let uri = format!("otpauth://totp/site:ada?secret={}&issuer=site", totp_site::SEED);
    for seed in [totp_site::SEED, &uri] {
        let secrets =
            [("probe-user", totp_site::USER), ("probe-password", totp_site::PASSWORD), ("probe-totp", seed)];
        let report = run("totp-login", site.url(), &secrets, &[]).await;
        assert_passes(&report, &["open the form", "send the password", "send the code", "log out"]);
    }
}

#[tokio::test]
async fn totp_login_fails_at_the_factor_that_is_wrong() {
    let site = TotpSite::start();
    let with = |password, seed| {
        let secrets = [("probe-user", totp_site::USER), ("probe-password", password), ("probe-totp", seed)];
        let url = site.url();
        async move { run("totp-login", url, &secrets, &[]).await }
    };
    let report = with("wrong-password", totp_site::SEED).await;
    assert_fails(&report, FailureKind::Assertion, "send the password", "refused: Wrong user or password.");
    let report = with(totp_site::PASSWORD, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").await;
    assert_fails(&report, FailureKind::Assertion, "send the code", "refused: This code is wrong or too old.");
    let report = with(totp_site::PASSWORD, "not Base32: 0189").await;
    assert_eq!((report.outcome, report.failed_step.as_deref()), (Outcome::Inconclusive, Some("send the code")));
}
