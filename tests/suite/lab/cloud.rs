//! A demo cloud, as a browser and as the controller see it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use quorate::domain::Secret;
use quorate::lab::LabError;
use quorate::lab::cloud::{Cloud, CloudOptions};
use reqwest::{Client, Response, redirect};
use serde_json::{Value, json};
use sha2::Sha256;

const KEY: &str = "shared admin key";

/// A cloud, a browser on it, and the admin's hand.
struct Visit {
    cloud: Cloud,
    browser: Client,
}

impl Visit {
    async fn new() -> Self {
        let users = BTreeMap::from([("ana".to_owned(), Secret::new("correct horse"))]);
        let options = CloudOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            name: "blue cloud".to_owned(),
            users,
            admin_key: Secret::new(KEY),
        };
        let browser = Client::builder().cookie_store(true).redirect(redirect::Policy::none()).build().unwrap();
        Self { cloud: Cloud::start(options).await.unwrap(), browser }
    }

    async fn get(&self, path: &str) -> Response {
        self.browser.get(format!("{}{path}", self.cloud.url())).send().await.unwrap()
    }

    /// Posts a form with the CSRF token of the page it is on.
    async fn submit(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        let html = self.get(page).await.text().await.unwrap();
        let token = html.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf_token", token)]).collect();
        self.browser.post(format!("{}{path}", self.cloud.url())).form(&fields).send().await.unwrap()
    }

    async fn log_in(&self, password: &str) -> Response {
        self.submit("/login", "/login", &[("username", "ana"), ("password", password)]).await
    }

    async fn faults(&self, change: Value) {
        let answer =
            self.browser.post(format!("{}/lab/faults", self.cloud.url())).json(&change).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    async fn state(&self) -> Value {
        self.get("/admin/state").await.json().await.unwrap()
    }

    /// A correctly signed admin request.
    async fn admin(&self, path: &str, body: Value) -> (u16, Value) {
        let body = body.to_string();
        let at = now_s().to_string();
        self.admin_raw(path, &body, &at, &sign(KEY, path, &at, &body)).await
    }

    async fn admin_raw(&self, path: &str, body: &str, at: &str, signature: &str) -> (u16, Value) {
        let request = self.browser.post(format!("{}{path}", self.cloud.url())).body(body.to_owned());
        let request = request.header("x-quorate-timestamp", at).header("x-quorate-signature", signature);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn read_only(&self, read_only: bool, epoch: u64) -> (u16, Value) {
        let body = json!({"service": "login", "read_only": read_only, "epoch": epoch, "plan": "login-1"});
        self.admin("/admin/read-only", body).await
    }

    async fn write_probe(&self) -> (u16, Value) {
        self.admin("/admin/write-probe", json!({"service": "login", "plan": "login-1"})).await
    }
}

#[expect(clippy::disallowed_methods, reason = "a signature is stamped with wall time")]
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn sign(key: &str, path: &str, at: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("POST\n{path}\n{at}\n{body}").as_bytes());
    format!("v1={}", hex::encode(mac.finalize().into_bytes()))
}

fn location(response: &Response) -> &str {
    response.headers()["location"].to_str().unwrap()
}

#[tokio::test]
async fn a_user_signs_in_writes_a_note_and_signs_out() {
    let visit = Visit::new().await;
    let stranger = visit.get("/account").await;
    assert_eq!((stranger.status().as_u16(), location(&stranger)), (303, "/login"));

    let signed_in = visit.log_in("correct horse").await;
    assert_eq!((signed_in.status().as_u16(), location(&signed_in)), (303, "/account"));
    let account = visit.get("/account").await.text().await.unwrap();
    assert!(account.contains("Signed in as <b id=\"user\">ana</b>"), "{account}");
    assert!(account.contains("<span id=\"served-by\">blue cloud</span>"), "{account}");

    let noted = visit.submit("/account", "/notes", &[("note", "buy <milk>")]).await;
    assert_eq!((noted.status().as_u16(), location(&noted)), (303, "/account"));
    assert!(visit.get("/account").await.text().await.unwrap().contains("buy &lt;milk&gt;"));
    assert_eq!(visit.state().await["writes"], 1);

    let signed_out = visit.submit("/account", "/logout", &[]).await;
    assert_eq!((signed_out.status().as_u16(), location(&signed_out)), (303, "/login"));
    assert_eq!(visit.get("/account").await.status(), 303);
}

#[tokio::test]
async fn a_wrong_password_shows_the_form_again_with_an_error() {
    let visit = Visit::new().await;
    let refused = visit.log_in("wrong").await;
    assert_eq!(refused.status(), 200);
    assert!(refused.text().await.unwrap().contains("class=\"error\""));
    assert_eq!(visit.get("/account").await.status(), 303);
    assert_eq!(visit.state().await["logins"], 0);
}

#[tokio::test]
async fn a_form_without_the_token_of_its_cookie_is_refused() {
    let visit = Visit::new().await;
    visit.get("/login").await;
    let fields = [("username", "ana"), ("password", "correct horse"), ("csrf_token", "made.up")];
    for fields in [&fields[..], &fields[..2]] {
        let answer = visit.browser.post(format!("{}/login", visit.cloud.url())).form(fields).send().await.unwrap();
        assert_eq!(answer.status(), 403);
    }
    // A token and a cookie that agree with each other, and were never ours.
    let planted = Client::new().post(format!("{}/login", visit.cloud.url())).header("cookie", "csrf=made.up");
    assert_eq!(planted.form(&fields).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_read_only_site_lets_users_in_and_refuses_every_write() {
    let visit = Visit::new().await;
    assert_eq!(visit.write_probe().await, (201, json!({"written": true})));
    assert_eq!(visit.read_only(true, 3).await, (200, json!({"read_only": true})));
    assert_eq!(visit.read_only(true, 3).await, (200, json!({"read_only": true})), "idempotent");

    assert_eq!(visit.log_in("correct horse").await.status(), 303);
    assert!(visit.get("/account").await.text().await.unwrap().contains("id=\"read-only\""));
    let refused = visit.submit("/account", "/notes", &[("note", "no")]).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "30"));
    assert_eq!(refused.json::<Value>().await.unwrap(), json!({"error": "read-only"}));
    assert_eq!(visit.write_probe().await, (503, json!({"error": "read-only"})));
    assert_eq!(
        visit.state().await,
        json!({"read_only": true, "epoch": 3, "writes": 1, "logins": 1, "enter_requests": 2, "write_probes": 2})
    );

    assert_eq!(visit.read_only(false, 4).await, (200, json!({"read_only": false})));
    assert_eq!(visit.write_probe().await.0, 201);
}

#[tokio::test]
async fn an_older_epoch_changes_nothing() {
    let visit = Visit::new().await;
    visit.read_only(true, 7).await;
    assert_eq!(visit.read_only(false, 6).await, (409, json!({"error": "stale-epoch", "seen": 7})));
    assert_eq!(visit.state().await["read_only"], true);
}

#[tokio::test]
async fn a_request_wrongly_signed_or_out_of_time_is_refused() {
    let visit = Visit::new().await;
    let (path, body) = ("/admin/write-probe", r#"{"service":"login","plan":"login-1"}"#);
    let at = now_s();
    let signed = |at: u64, key: &str| (at.to_string(), sign(key, path, &at.to_string(), body));
    let upper = |(at, signature): (String, String)| (at, signature.to_uppercase().replace("V1=", "v1="));
    let other_path = (at.to_string(), sign(KEY, "/admin/read-only", &at.to_string(), body));
    let bare = (at.to_string(), sign(KEY, path, &at.to_string(), body).replace("v1=", ""));
    for ((at, signature), error) in [
        (signed(at - 301, KEY), "timestamp"),
        (signed(at + 330, KEY), "timestamp"),
        (("soon".to_owned(), "v1=00".to_owned()), "timestamp"),
        (signed(at, "another key"), "signature"),
        (upper(signed(at, KEY)), "signature"),
        (other_path, "signature"),
        (bare, "signature"),
    ] {
        assert_eq!(visit.admin_raw(path, body, &at, &signature).await, (401, json!({"error": error})), "{signature}");
    }
    let unsigned = visit.browser.post(format!("{}{path}", visit.cloud.url())).body(body).send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
    assert_eq!(visit.state().await["write_probes"], 0);
    assert_eq!(visit.admin(path, json!({"service": "login", "plan": "p", "more": 1})).await.0, 400);
}

#[tokio::test]
async fn a_lying_site_says_read_only_and_writes_on() {
    let visit = Visit::new().await;
    visit.faults(json!({"read_only": "lies"})).await;
    assert_eq!(visit.read_only(true, 1).await, (200, json!({"read_only": true})));
    assert_eq!(visit.write_probe().await, (201, json!({"written": true})));
    let state = visit.state().await;
    assert_eq!((&state["read_only"], &state["writes"]), (&true.into(), &1.into()));
}

#[tokio::test]
async fn login_faults_break_the_login_and_not_the_shallow_check() {
    let visit = Visit::new().await;
    visit.faults(json!({"login": "error"})).await;
    let broken = visit.log_in("correct horse").await;
    assert_eq!(broken.status(), 500);
    assert!(broken.text().await.unwrap().contains("Database error"));

    visit.faults(json!({"login": "reject"})).await;
    let rejected = visit.log_in("correct horse").await;
    assert_eq!(rejected.status(), 200);
    assert!(rejected.text().await.unwrap().contains("class=\"error\""));

    visit.faults(json!({"login": "hang"})).await;
    let hung = tokio::time::timeout(Duration::from_millis(150), visit.log_in("correct horse")).await;
    assert!(hung.is_err());
    let healthz = visit.get("/healthz").await;
    assert_eq!((healthz.status().as_u16(), healthz.text().await.unwrap()), (200, "ok".to_owned()));
    assert_eq!(visit.state().await["logins"], 0);

    visit.faults(json!({"login": "ok"})).await;
    assert_eq!(visit.log_in("correct horse").await.status(), 303);
}

#[tokio::test]
async fn a_cloud_that_is_down_answers_nothing_until_it_is_up_again() {
    let visit = Visit::new().await;
    visit.faults(json!({"down": true})).await;
    assert!(visit.browser.get(format!("{}/healthz", visit.cloud.url())).send().await.is_err());
    visit.faults(json!({"down": false})).await;
    assert_eq!(visit.get("/healthz").await.status(), 200);
    let unknown = visit.browser.post(format!("{}/lab/faults", visit.cloud.url())).json(&json!({"dwon": true}));
    assert_eq!(unknown.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn how_far_the_data_is_behind_is_what_the_switchboard_says_and_signed() {
    let visit = Visit::new().await;
    let ask = async || visit.admin("/admin/lag", json!({"service": "login"})).await;
    assert_eq!(ask().await, (200, json!({"lag_ms": 0})));
    visit.faults(json!({"lag_ms": 61_000})).await;
    assert_eq!(ask().await, (200, json!({"lag_ms": 61_000})));
    visit.faults(json!({"lag": "unknown"})).await;
    assert_eq!(ask().await, (500, json!({"error": "lag-unknown"})));
    let at = now_s().to_string();
    let unsigned = visit.admin_raw("/admin/lag", r#"{"service":"login"}"#, &at, "v1=").await;
    assert_eq!(unsigned, (401, json!({"error": "signature"})));
    let (status, _) = visit.admin("/admin/lag", json!({"service": "login", "plan": "login-1"})).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn shutting_down_ends_even_a_login_that_hangs() {
    let visit = Visit::new().await;
    visit.faults(json!({"login": "hang"})).await;
    let Visit { cloud, browser } = visit;
    let login = Visit { cloud, browser };
    tokio::select! {
        _ = login.log_in("correct horse") => panic!("a hanging login was answered"),
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
    tokio::time::timeout(Duration::from_secs(5), login.cloud.shutdown()).await.expect("it ends");
}

#[tokio::test]
async fn two_clouds_with_one_key_share_their_sessions_and_an_address_does_not() {
    let (blue, green) = (Visit::new().await, Visit::new().await);
    assert_eq!(blue.log_in("correct horse").await.status(), 303);
    // Cookies do not know ports, so the browser brings blue's session to green, as after a failover.
    let moved = blue.browser.get(format!("{}/account", green.cloud.url())).send().await.unwrap();
    assert_eq!(moved.status(), 200);

    let taken = CloudOptions {
        listen: green.cloud.addr(),
        name: "late".to_owned(),
        users: BTreeMap::new(),
        admin_key: Secret::new(KEY),
    };
    let error = Cloud::start(taken).await.unwrap_err();
    assert!(matches!(error, LabError::AddressInUse { address, .. } if address == green.cloud.addr()), "{error}");
}
