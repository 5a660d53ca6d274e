//! The examples of `docs/examples` are the other side of the contract: the same battery over each, by the adapter that asks in earnest.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use quorate::adapters::clock::SystemClock;
use quorate::adapters::site::http::SiteHttp;
use quorate::adapters::site::{Act, Control};
use quorate::domain::{Authority, Class, Epoch, Moment, Secret, WallTime};
use quorate::ports::{Clock, WriteProbe};
use reqwest::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use super::databases::postgres::Postgres;
use super::django_pair::{self, Project};
use super::node;
use super::sites::act::{plan, service};
use super::spawned::Spawned;
use super::world::{free_port, turn};

#[expect(
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "the example is a site of its own, with a clock of its own"
)]
#[path = "../../docs/examples/axum/read_only.rs"]
mod axum_example;

use axum_example::{Mode, Tried};

const KEY: &str = "example-key-1f00";
const EXPRESS: &str = "express@5.1.0";

const EXPRESS_SITE: &str = r#"
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const express = createRequire(process.cwd() + "/")("express");
const { readOnly } = require(process.env.EXAMPLE);
const app = express();
let written = 0;
app.use(readOnly({
  key: process.env.KEY, state: process.env.STATE, starts: true, allow: ["/login"], probe: async () => { written += 1; },
}));
app.use(express.json());
app.post("/login", (request, response) => response.json({ hello: true }));
app.post("/notes", (request, response) => response.status(201).json({ written: true }));
app.get("/notes", (request, response) => response.json([]));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
"#;

/// A clock that is off by so many seconds.
struct Off(i64);

impl Clock for Off {
    fn now(&self) -> Moment {
        Moment::default()
    }

    fn wall(&self) -> WallTime {
        WallTime::from_ms(SystemClock::new().wall().as_ms().saturating_add_signed(self.0 * 1_000))
    }
}

fn control(base: &Url, key: &str, seconds_off: i64) -> SiteHttp {
    let url = |path: &str| base.join(path).unwrap();
    let probe = Some(url("/quorate/write-probe?site=b"));
    SiteHttp::new(
        "the standby 'b'".into(),
        url("/quorate/read-only?site=b"),
        probe,
        Secret::new(key),
        Arc::new(Off(seconds_off)),
    )
    .unwrap()
}

async fn under(control: &SiteHttp, epoch: u64, read_only: bool) -> Result<(), quorate::domain::PortError> {
    let fence = Authority::new(Epoch::new(epoch), None).fence(Moment::default()).unwrap();
    let (service, plan) = (service(), plan());
    let act = Act { fence: &fence, service: &service, plan: &plan };
    if read_only { control.enter(act).await } else { control.leave(act).await }
}

async fn tried(control: &SiteHttp) -> WriteProbe {
    super::sites::act::probe(control).await.unwrap().unwrap()
}

/// What every example must do. `write` and `login` are paths that a user posts to.
async fn battery(base: &Url, key: &str, write: &str, login: &str) {
    let honest = control(base, key, 0);
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let post =
        async |path: &str| http.post(base.join(path).unwrap()).json(&serde_json::json!({})).send().await.unwrap();

    // It starts read-only, and users see it.
    assert!(matches!(tried(&honest).await, WriteProbe::Refused { .. }));
    let answer = post(write).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap(), serde_json::json!({ "error": "read-only" }));
    let login_status = post(login).await.status();
    assert_ne!(login_status, StatusCode::SERVICE_UNAVAILABLE, "a login is no write");
    assert!(http.get(base.join(write).unwrap()).send().await.unwrap().status() != StatusCode::SERVICE_UNAVAILABLE);

    under(&honest, 3, false).await.unwrap();
    under(&honest, 3, false).await.unwrap();
    assert!(matches!(tried(&honest).await, WriteProbe::Accepted { .. }));
    assert_ne!(post(write).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    under(&honest, 5, true).await.unwrap();
    assert!(matches!(tried(&honest).await, WriteProbe::Refused { .. }));

    let error = under(&honest, 4, false).await.unwrap_err();
    assert!(error.class == Class::Fenced && error.what.contains("it has seen 5"), "{error}");
    let error = under(&control(base, "another-key", 0), 9, false).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("the key is the same on both sides"), "{error}");
    for seconds in [-600, 600] {
        let error = under(&control(base, key, seconds), 9, false).await.unwrap_err();
        assert!(error.class == Class::Broken && error.what.contains("check this machine's clock"), "{error}");
    }
    under(&control(base, key, 240), 5, true).await.unwrap();
    for header in ["x-quorate-timestamp", "x-quorate-signature"] {
        let answer =
            http.post(base.join("/quorate/read-only").unwrap()).header(header, "1").body("{}").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert!(matches!(tried(&honest).await, WriteProbe::Refused { .. }), "none of them changed anything");
}

#[tokio::test]
async fn the_example_for_axum_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let mode = Mode {
        key: KEY.to_owned(),
        state: folder.path().join("mode.json"),
        starts: true,
        allow: &["/login"],
        probe: Box::new(|| Box::pin(async { Tried::Written })),
        switching: Mutex::default(),
    };
    let app = Router::new()
        .route("/login", post(|| async { "hello" }))
        .route("/notes", post(|| async { StatusCode::CREATED }).get(|| async { "[]" }))
        .layer(from_fn_with_state(Arc::new(mode), axum_example::read_only));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });
    battery(&base, KEY, "/notes", "/login").await;
}

#[tokio::test]
async fn the_example_for_axum_says_what_its_database_says() {
    let folder = tempfile::tempdir().unwrap();
    for (tried, status) in [((|| Tried::ReadOnly) as fn() -> Tried, true), (|| Tried::Failed, false)] {
        let mode = Mode {
            key: KEY.to_owned(),
            state: folder.path().join("mode.json"),
            starts: false,
            allow: &[],
            probe: Box::new(move || Box::pin(async move { tried() })),
            switching: Mutex::default(),
        };
        let app = Router::new().layer(from_fn_with_state(Arc::new(mode), axum_example::read_only));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let said = super::sites::act::probe(&control(&base, KEY, 0)).await;
        assert_eq!(matches!(said, Ok(Some(WriteProbe::Refused { .. }))), status, "{said:?}");
    }
}

#[tokio::test]
async fn the_example_for_express_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/express/quorate-read-only.js");
    let mut command = node::module(EXPRESS_SITE, EXPRESS);
    command.env("KEY", KEY).env("EXAMPLE", example).env("STATE", folder.path().join("mode.json"));
    let server = Spawned::start(&mut command);
    battery(&server.url(), KEY, "/notes", "/login").await;
}

#[tokio::test]
async fn the_example_for_django_keeps_the_contract() {
    let _turn = turn(1).await;
    let database = Postgres::primary(&[]).await;
    let project = Project::new(&database).await;
    let port = free_port();
    let _site = project.site("standby", &database, "127.0.0.1", port);
    let base = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    battery(&base, django_pair::KEY, "/admin/shop/note/add/", "/admin/login/").await;
}
