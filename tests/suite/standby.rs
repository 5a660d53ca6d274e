//! The standby's control over HTTP: what counts as read-only, as a refused write, and as neither.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use quorate::adapters::standby_http::{StandbyHttp, signature};
use quorate::domain::{
    Authority, Class, Epoch, Fence, Moment, PlanId, PortError, Secret, ServiceName, SiteName, WallTime,
};
use quorate::lab::cloud::{Cloud, CloudOptions};
use quorate::ports::{Clock, SiteControl, WriteProbe};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const KEY: &str = "a key that nobody may see";

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Moment {
        Moment::default()
    }

    fn wall(&self) -> WallTime {
        WallTime::from_ms(1_700_000_000_999)
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Seen {
    path: String,
    timestamp: String,
    signature: String,
    body: String,
}

/// A site that answers everything alike, and records it.
struct Site {
    answer: Mutex<(u16, String)>,
    seen: Mutex<Vec<Seen>>,
}

async fn answer(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    site.seen.lock().unwrap().push(Seen {
        path: uri.to_string(),
        timestamp: header("x-quorate-timestamp"),
        signature: header("x-quorate-signature"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let (status, body) = site.answer.lock().unwrap().clone();
    let location = [("location", "/elsewhere")];
    (StatusCode::from_u16(status).unwrap(), location, body).into_response()
}

struct Setup {
    site: Arc<Site>,
    control: StandbyHttp,
    _server: JoinSet<()>,
}

fn control(address: SocketAddr) -> StandbyHttp {
    let url = |path: &str| format!("http://{address}{path}").parse().unwrap();
    let name = SiteName::new("azure").unwrap();
    let (enter, probe) = (url("/admin/read-only?site=b&pass=hidden-query"), url("/admin/write-probe"));
    let control = StandbyHttp::new(&name, enter, probe, Secret::new(KEY), Arc::new(Fixed)).unwrap();
    control.with_lag(Some(url("/admin/lag?of=hidden-lag")))
}

async fn setup() -> Setup {
    let site = Arc::new(Site { answer: Mutex::new((200, String::new())), seen: Mutex::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control = control(listener.local_addr().unwrap());
    let app = Router::new().fallback(answer).with_state(Arc::clone(&site));
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });
    Setup { site, control, _server: server }
}

impl Setup {
    fn says(&self, status: u16, body: &str) {
        *self.site.answer.lock().unwrap() = (status, body.to_owned());
    }

    async fn enter(&self) -> Result<(), PortError> {
        self.control.enter_read_only(&fence(), &service(), &plan()).await
    }

    async fn probe(&self) -> Result<WriteProbe, PortError> {
        self.control.probe_write(&fence(), &service(), &plan()).await
    }

    async fn lag(&self) -> Result<Duration, PortError> {
        self.control.lag(&service()).await
    }
}

fn fence() -> Fence {
    Authority::new(Epoch::new(7), None).fence(Moment::default()).unwrap()
}

fn service() -> ServiceName {
    ServiceName::new("shop").unwrap()
}

fn plan() -> PlanId {
    PlanId::new("shop-3").unwrap()
}

#[tokio::test]
async fn requests_are_as_the_contract_says_and_signed() {
    let setup = setup().await;
    setup.says(200, r#"{"read_only":true}"#);
    setup.enter().await.unwrap();
    setup.says(503, r#"{"error":"read-only"}"#);
    setup.probe().await.unwrap();
    setup.says(200, r#"{"lag_ms":1200,"position":"0/16B3748"}"#);
    assert_eq!(setup.lag().await.unwrap(), Duration::from_millis(1_200));
    let seen = setup.site.seen.lock().unwrap().clone();
    let wanted = [
        (
            "/admin/read-only?site=b&pass=hidden-query",
            r#"{"service":"shop","read_only":true,"epoch":7,"plan":"shop-3"}"#,
        ),
        ("/admin/write-probe", r#"{"service":"shop","plan":"shop-3"}"#),
        ("/admin/lag?of=hidden-lag", r#"{"service":"shop"}"#),
    ];
    assert_eq!(seen.len(), wanted.len());
    for (seen, (path, body)) in seen.iter().zip(wanted) {
        let signature = signature(&Secret::new(KEY), "POST", path, 1_700_000_000, body.as_bytes());
        let (path, body, timestamp) = (path.to_owned(), body.to_owned(), "1700000000".to_owned());
        assert_eq!(*seen, Seen { path, timestamp, signature, body });
    }
}

#[test]
fn signatures_are_those_of_another_implementation() {
    // From Python's hmac module.
    let body = br#"{"service":"shop","read_only":true,"epoch":7,"plan":"shop-3"}"#;
    let key = Secret::new("correct horse battery staple");
    assert_eq!(
        signature(&key, "POST", "/admin/read-only?site=b", 1_700_000_000, body),
        "v1=36f6499e006636cca96654c0128dd024933a687c6538177ecd0d991754adc4d0"
    );
    // A key longer than HMAC's block of 64 bytes.
    assert_eq!(
        signature(&Secret::new("k".repeat(100)), "POST", "/", 1, b""),
        "v1=907ef042b03a19b5c0cf407b9d8bafbd6b79e2155ba34fc84c1d66932e540165"
    );
}

#[tokio::test]
async fn only_the_exact_refusal_is_a_refusal() {
    let setup = setup().await;
    setup.says(503, r#"{"error":"read-only","detail":"since noon"}"#);
    assert!(matches!(setup.probe().await, Ok(WriteProbe::Refused { .. })));
    for status in [200, 201, 202, 204] {
        setup.says(status, "");
        assert!(matches!(setup.probe().await, Ok(WriteProbe::Accepted { .. })), "{status}");
    }
    for (status, body, class) in [
        (503, "", Class::Retry),
        (503, "read-only", Class::Retry),
        (503, r#"{"error":"overloaded"}"#, Class::Retry),
        (503, r#"{"error":["read-only"]}"#, Class::Retry),
        (500, r#"{"error":"read-only"}"#, Class::Retry),
        (502, "<html>", Class::Retry),
        (429, "", Class::Retry),
        (403, r#"{"error":"read-only"}"#, Class::Broken),
        (405, r#"{"error":"read-only"}"#, Class::Broken),
        (423, "", Class::Broken),
        (404, "", Class::Broken),
        (302, "", Class::Broken),
        (409, r#"{"error":"stale-epoch","seen":9}"#, Class::Broken),
    ] {
        setup.says(status, body);
        let error = setup.probe().await.unwrap_err();
        assert_eq!(error.class, class, "{status} {body}: {error}");
        assert!(error.what.contains("the standby 'azure'"), "{error}");
    }
}

#[tokio::test]
async fn read_only_is_what_the_site_confirms() {
    let setup = setup().await;
    for (status, body, class, words) in [
        (200, r#"{"read_only":false}"#, Class::Broken, "did not say that it is read-only"),
        (200, "welcome", Class::Broken, "it said 'welcome'"),
        (201, r#"{"read_only":true}"#, Class::Broken, "neither yes nor no"),
        (409, r#"{"error":"stale-epoch","seen":9}"#, Class::Fenced, "the epoch 7 is stale, it has seen 9"),
        (409, r#"{"error":"busy"}"#, Class::Broken, "409"),
        (401, r#"{"error":"signature"}"#, Class::Broken, "check that the key is the same on both sides"),
        (401, r#"{"error":"timestamp"}"#, Class::Broken, "check this machine's clock"),
        (401, "", Class::Broken, "check the key on both sides"),
        (404, "", Class::Broken, "check its URL"),
        (307, "", Class::Broken, "give the final URL"),
        (503, r#"{"error":"read-only"}"#, Class::Retry, "503"),
    ] {
        setup.says(status, body);
        let error = setup.enter().await.unwrap_err();
        assert_eq!(error.class, class, "{status} {body}: {error}");
        assert!(error.what.contains(words), "{error}");
    }
    // A redirect was not followed: the site saw each request once.
    assert_eq!(setup.site.seen.lock().unwrap().len(), 11);
}

#[tokio::test]
async fn a_lag_is_known_only_by_the_exact_answer() {
    let setup = setup().await;
    setup.says(200, r#"{"lag_ms":0}"#);
    assert_eq!(setup.lag().await.unwrap(), Duration::ZERO);
    for (status, body, class, words) in [
        (200, "", Class::Broken, "no whole number as 'lag_ms'"),
        (200, "welcome", Class::Broken, "it said 'welcome'"),
        (200, r#"{"lag_ms":null}"#, Class::Broken, "no whole number"),
        (200, r#"{"lag_ms":-1}"#, Class::Broken, "no whole number"),
        (200, r#"{"lag_ms":1.5}"#, Class::Broken, "no whole number"),
        (200, r#"{"lag_ms":"0"}"#, Class::Broken, "no whole number"),
        (204, "", Class::Broken, "neither yes nor no"),
        (206, r#"{"lag_ms":0}"#, Class::Broken, "neither yes nor no"),
        (307, r#"{"lag_ms":0}"#, Class::Broken, "give the final URL"),
        (401, r#"{"error":"signature"}"#, Class::Broken, "check that the key is the same on both sides"),
        (404, "", Class::Broken, "check its URL"),
        (500, r#"{"error":"lag-unknown"}"#, Class::Retry, "lag-unknown"),
        (503, r#"{"lag_ms":0}"#, Class::Retry, "503"),
    ] {
        setup.says(status, body);
        let error = setup.lag().await.unwrap_err();
        assert_eq!(error.class, class, "{status} {body}: {error}");
        assert!(error.what.contains(words), "{error}");
    }
    setup.says(400, "of=hidden-lag");
    let error = setup.lag().await.unwrap_err().what;
    assert!(error.contains("[secret]") && !error.contains("hidden"), "{error}");
    let error = setup.control.clone().with_lag(None).lag(&service()).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("read_only.lag"), "{error}");
}

#[tokio::test]
async fn an_endless_answer_ends_and_secrets_stay_secret() {
    let setup = setup().await;
    setup.says(500, &"x".repeat(70_000));
    let error = setup.enter().await.unwrap_err();
    assert!(error.class == Class::Retry && error.what.contains("more than 65536 bytes"), "{error}");
    setup.says(400, &format!("{} {KEY} site=b&pass=hidden-query", "x".repeat(140)));
    let error = setup.enter().await.unwrap_err().what;
    assert!(error.contains("[secret]") && !error.contains("a key") && !error.contains("hidden"), "{error}");
    assert!(!format!("{:?}", setup.control).contains("hidden"));
}

#[tokio::test]
async fn nobody_there_may_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control = control(listener.local_addr().unwrap());
    drop(listener);
    let error = control.enter_read_only(&fence(), &service(), &plan()).await.unwrap_err();
    assert!(error.class == Class::Retry && error.what.contains("no answer"), "{error}");
    assert!(!error.what.contains("hidden") && !error.what.contains("127.0.0.1:"), "{error}");
    let error = control.probe_write(&fence(), &service(), &plan()).await.unwrap_err();
    assert_eq!(error.class, Class::Retry);
}

#[tokio::test]
async fn the_demo_clouds_are_the_other_side_of_the_contract_with_a_query_too() {
    let cloud = Cloud::start(CloudOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        name: "azure".to_owned(),
        users: BTreeMap::new(),
        admin_key: Secret::new(KEY),
    })
    .await
    .unwrap();
    let url = |path: &str| format!("{}{path}", cloud.url()).parse().unwrap();
    let (enter, probe) = (url("/admin/read-only?site=b"), url("/admin/write-probe?site=b"));
    let clock = Arc::new(quorate::adapters::clock::SystemClock::new());
    let site = SiteName::new("azure").unwrap();
    let standby = StandbyHttp::new(&site, enter, probe, Secret::new(KEY), clock).unwrap();
    let standby = standby.with_lag(Some(url("/admin/lag?site=b")));
    let fence = Authority::new(Epoch::new(3), None).fence(Moment::default()).unwrap();
    let (service, plan) = (ServiceName::new("login").unwrap(), PlanId::new("login-1").unwrap());
    let tried = standby.probe_write(&fence, &service, &plan).await.unwrap();
    assert!(matches!(tried, WriteProbe::Accepted { .. }), "{tried:?}");
    standby.enter_read_only(&fence, &service, &plan).await.unwrap();
    let tried = standby.probe_write(&fence, &service, &plan).await.unwrap();
    assert!(matches!(tried, WriteProbe::Refused { .. }), "{tried:?}");

    let faults = async |change: &'static str| {
        let request =
            reqwest::Client::builder().no_proxy().build().unwrap().post(format!("{}/lab/faults", cloud.url()));
        let answer = request.header("content-type", "application/json").body(change).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    };
    assert_eq!(standby.lag(&service).await.unwrap(), Duration::ZERO);
    faults(r#"{"lag_ms":90000}"#).await;
    assert_eq!(standby.lag(&service).await.unwrap(), Duration::from_secs(90));
    faults(r#"{"lag":"unknown"}"#).await;
    let error = standby.lag(&service).await.unwrap_err();
    assert!(error.class == Class::Retry && error.what.contains("lag-unknown"), "{error}");
}
