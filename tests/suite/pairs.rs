//! Failovers between two sites that nobody had to fake: Django and its admin on each side, on a pair of PostgreSQL servers.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::databases::mariadb::{self, Mariadb};
use super::databases::postgres::{Postgres, QUORATE, value};
use super::databases::redis::{self, Redis};
use super::django_pair::{KEY, PASSWORD, Project, Site, USER};
use super::world::{Options, PRIMARY, STANDBY, VANTAGES, World, free_port};

/// Two databases, two applications and four processes of ours: one pair at a time.
static ONE: Semaphore = Semaphore::const_new(1);

const DATABASE: &str = "shop";
const ADD: &str = "/admin/shop/note/add/";

/// Two sites, their databases, and a controller with its agents.
struct Pair {
    world: World,
    primary_database: Postgres,
    standby_database: Postgres,
    project: Project,
    primary: Site,
    standby: Option<Site>,
    port: u16,
    _turn: SemaphorePermit<'static>,
}

impl Pair {
    async fn healthy(options: Options) -> Self {
        let turn = ONE.acquire().await.unwrap();
        let mut world = World::prepared(options).await;
        let primary_database = Postgres::primary(&[]).await;
        let project = Project::new(&primary_database).await;
        let standby_database = primary_database.follower(&[]).await;
        let port = free_port();
        let primary = project.site("primary", &primary_database, PRIMARY, port);
        let standby = Some(project.site("standby", &standby_database, STANDBY, port));
        let ports = [primary_database.server.port, standby_database.server.port];
        configure(&mut world, port, ports);
        world.start_controller().await;
        for vantage in VANTAGES {
            world.start_agent(vantage);
        }
        world.until_healthy().await;
        Self { world, primary_database, standby_database, project, primary, standby, port, _turn: turn }
    }

    fn url(&self, address: &str, path: &str) -> String {
        format!("http://{address}:{}{path}", self.port)
    }

    /// Notes that are in a database.
    async fn notes(&self, database: &Postgres) -> Vec<String> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(database.server.port).user("app").password(super::databases::postgres::APP);
        let (client, connection) = config.dbname(DATABASE).connect(tokio_postgres::NoTls).await.unwrap();
        let texts =
            async { value(&client, "SELECT coalesce(string_agg(text, ',' ORDER BY id), '') FROM shop_note").await };
        tokio::select! {
            biased;
            texts = texts => texts.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect(),
            ended = connection => panic!("{ended:?}"),
        }
    }
}

/// The demo's clouds are not asked any more: their places are Django's, and the standby has two controls.
fn configure(world: &mut World, port: u16, [primary, standby]: [u16; 2]) {
    let clouds = world.primary.addr().port();
    let database = |role: &str, port: u16, more: &str| {
        format!(
            "[[service.{role}.control]]\nkind = \"postgres\"\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"quorate\"\npassword = \
             \"database\"\nprobe_table = \"quorate_probe\"\n{more}\n"
        )
    };
    let http = |role: &str, address: &str| {
        format!(
            "[[service.{role}.control]]\nkind = \"http\"\nurl = \"http://{address}:{port}/quorate/read-only\"\nwrite_probe = \
             \"http://{address}:{port}/quorate/write-probe\"\nkey = \"django-key\"\n\n"
        )
    };
    let params = "login_path = \"/admin/login/?next=/admin/\"\ncsrf_field = \"csrfmiddlewaretoken\"\naccount = \"#user-tools\"\n";
    let login = format!(
        "{params}error = \".errornote\"\nlogout_path = \"/admin/logout/\"\nafter_logout = \"a[href='/admin/']\"\n"
    );
    let write = format!(
        "{login}\n[check.write-probe]\nscript = \"write-probe.rhai\"\nsecrets = [\"probe-user\", \"probe-password\"]\n\n\
         [check.write-probe.params]\n{params}write_path = \"{ADD}\"\n"
    );
    let old = short_form(clouds);
    let new = [http("standby", STANDBY), database("standby", standby, ""), database("primary", primary, "")].concat();
    let probed = |address: &str| {
        (format!("answer = \"{address}\"\n"), format!("answer = \"{address}\"\nwrite_probe = \"write-probe\"\n"))
    };
    world.swaps = vec![
        ("login_path = \"/login\"\n".to_owned(), write),
        (old, new),
        (format!(":{clouds}/"), format!(":{port}/")),
        probed(PRIMARY),
        probed(STANDBY),
    ];
    world.more_secrets = vec![
        ("database", QUORATE.to_owned()),
        ("django-key", KEY.to_owned()),
        ("probe-user", USER.to_owned()),
        ("probe-password", PASSWORD.to_owned()),
    ];
    // A real application on a machine that is busy with other things takes longer than the demo's.
    world.policy = world.policy.replace("\"800ms\"", "\"3s\"").replace("fresh_for = \"5s\"", "fresh_for = \"20s\"");
    world.write_files();
}

/// What the world's configuration has for its standby.
fn short_form(clouds: u16) -> String {
    format!(
        "[service.standby.read_only]\nurl = \"http://127.0.0.12:{clouds}/admin/read-only\"\nwrite_probe = \
         \"http://127.0.0.12:{clouds}/admin/write-probe\"\nlag = \"http://127.0.0.12:{clouds}/admin/lag\"\nkey = \"standby-admin\"\n"
    )
}

/// A browser that is logged in.
async fn logged_in(base: &str) -> reqwest::Client {
    let browser =
        reqwest::Client::builder().no_proxy().cookie_store(true).redirect(reqwest::redirect::Policy::none());
    let browser = browser.timeout(Duration::from_secs(30)).build().unwrap();
    let login = format!("{base}/admin/login/");
    let token = token(&browser, &login).await;
    let form =
        [("csrfmiddlewaretoken", token.as_str()), ("username", USER), ("password", PASSWORD), ("next", "/admin/")];
    let answer = browser.post(&login).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND, "the login is taken");
    browser
}

async fn token(browser: &reqwest::Client, url: &str) -> String {
    let page = browser.get(url).send().await.unwrap().text().await.unwrap();
    let (_, rest) =
        page.split_once("name=\"csrfmiddlewaretoken\" value=\"").unwrap_or_else(|| panic!("no form: {page}"));
    rest.split_once('"').unwrap().0.to_owned()
}

/// Writes a note as a person does.
async fn write(browser: &reqwest::Client, url: &str, text: &str) -> (StatusCode, String) {
    let token = token(browser, url).await;
    let form = [("csrfmiddlewaretoken", token.as_str()), ("text", text)];
    let answer = browser.post(url).form(&form).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_real_application_moves_to_its_read_only_standby_and_no_acknowledged_write_is_lost() {
    let mut pair = Pair::healthy(Options::default()).await;
    let browser = logged_in(&pair.url(PRIMARY, "")).await;
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        let text = format!("note-{number}");
        let (status, body) = write(&browser, &pair.url(PRIMARY, ADD), &text).await;
        assert_eq!(status, StatusCode::FOUND, "{body}");
        acknowledged.push(text);
    }
    pair.primary.kill();
    let held = pair.world.until_held().await;
    assert_eq!(held["serving"], "standby", "{held:#}");
    assert_eq!((pair.world.flipped(), pair.world.answer().await.as_str()), (1, STANDBY));
    let history = pair.world.history().await;
    let verified = history.iter().find(|(_, text)| text.contains("SQLSTATE 25006"));
    assert!(verified.is_some_and(|(_, text)| text.contains("503") && text.contains("write-probe")), "{history:#?}");

    // The login works, and nothing else writes: not through the application, and not around it.
    let browser = logged_in(&pair.url(STANDBY, "")).await;
    let (status, body) = write(&browser, &pair.url(STANDBY, ADD), "too late").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "error": "read-only" }));
    let session = pair.standby_database.app().await;
    let error = session.batch_execute("INSERT INTO orders (what) VALUES ('around')").await.unwrap_err();
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("25006"));

    pair.primary_database.until_level(&pair.standby_database).await;
    assert_eq!(pair.notes(&pair.standby_database).await, acknowledged);
    assert!(!pair.project.log("standby").contains("Traceback"), "{}", pair.project.log("standby"));

    // The primary's database was fenced. On the way back it takes writes again, and what it writes arrives.
    let session = pair.primary_database.app().await;
    let error = session.batch_execute("INSERT INTO orders (what) VALUES ('behind its back')").await.unwrap_err();
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("25006"));
    pair.primary = pair.project.site("primary", &pair.primary_database, PRIMARY, pair.port);
    pair.world.until_verdict(0, "healthy").await;
    let failback = ["failback", "login", "--reason", "the primary is repaired", "--yes"];
    pair.world.until_so("the way back is open", async || pair.world.cli(&failback).await.code == Some(0)).await;
    assert_eq!((pair.world.flipped(), pair.world.answer().await.as_str()), (2, PRIMARY));
    let browser = logged_in(&pair.url(PRIMARY, "")).await;
    let (status, body) = write(&browser, &pair.url(PRIMARY, ADD), "after").await;
    assert_eq!(status, StatusCode::FOUND, "{body}");
    let browser = logged_in(&pair.url(STANDBY, "")).await;
    let (status, _) = write(&browser, &pair.url(STANDBY, ADD), "there").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "whoever has the old answer must not write");
    pair.primary_database.until_level(&pair.standby_database).await;
    let notes = pair.notes(&pair.standby_database).await;
    assert_eq!(notes.last().map(String::as_str), Some("after"));
    assert!(acknowledged.iter().all(|note| notes.contains(note)), "{notes:?}");
}

#[tokio::test]
async fn a_standby_that_is_too_far_behind_is_not_moved_to_until_it_has_caught_up() {
    let mut pair = Pair::healthy(Options { policy: "max_lag = \"6s\"\n", ..Options::default() }).await;
    let lag = |service: &Value| service["sides"]["lag"]["behind_ms"].as_u64();
    pair.world.until("the lag is known", |service| lag(service) == Some(0)).await;
    let browser = logged_in(&pair.url(PRIMARY, "")).await;
    pair.standby_database.value("SELECT pg_wal_replay_pause()").await;
    let mut number = 0;
    pair.world
        .until_so("it is further behind than it may be", async || {
            number += 1;
            let (status, body) = write(&browser, &pair.url(PRIMARY, ADD), &format!("note-{number}")).await;
            assert_eq!(status, StatusCode::FOUND, "{body}");
            lag(&pair.world.service().await) > Some(6_000)
        })
        .await;
    pair.primary.kill();
    let blocked = pair.world.until_history("blocked").await;
    assert!(blocked.contains("behind"), "{blocked}");
    assert_eq!(pair.world.flips(), []);
    // What had not arrived would have been lost.
    pair.standby_database.value("SELECT pg_wal_replay_resume()").await;
    pair.world.until_held().await;
    let notes = pair.notes(&pair.standby_database).await;
    assert_eq!(notes.last().map(String::as_str), Some(format!("note-{number}").as_str()));
}

/// The demo's clouds as applications, and two databases beside each.
#[tokio::test]
async fn mariadb_and_redis_move_with_the_application_and_come_back() {
    let mut world = World::prepared(Options::default()).await;
    let (maria, redis) = (Mariadb::primary(), Redis::primary());
    let (maria_copy, redis_copy) = (maria.follower(), redis.follower());
    let port = world.primary.addr().port();
    let site = |role: &str, address: &str, maria: &Mariadb, redis: &Redis| {
        format!(
            "[[service.{role}.control]]\nkind = \"http\"\nurl = \"http://{address}:{port}/admin/read-only\"\nwrite_probe = \
             \"http://{address}:{port}/admin/write-probe\"\nkey = \"standby-admin\"\n\n[[service.{role}.control]]\nkind = \"mysql\"\nhost \
             = \"127.0.0.1\"\nport = {}\nuser = \"quorate\"\npassword = \"maria\"\nprobe_table = \"shop.quorate_probe\"\nprobe_user = \
             \"app\"\nprobe_password = \"maria-app\"\n\n[[service.{role}.control]]\nkind = \"redis\"\nhost = \"127.0.0.1\"\nport = \
             {}\npassword = \"redis\"\n\n",
            maria.server.port, redis.server.port
        )
    };
    let both =
        [site("standby", STANDBY, &maria_copy, &redis_copy), site("primary", PRIMARY, &maria, &redis)].concat();
    world.swaps = vec![(short_form(port), both)];
    world.more_secrets = vec![
        ("maria", mariadb::QUORATE.to_owned()),
        ("maria-app", mariadb::APP.to_owned()),
        ("redis", redis::PASSWORD.to_owned()),
    ];
    world.write_files();
    world.start_controller().await;
    for vantage in VANTAGES {
        world.start_agent(vantage);
    }
    world.until_healthy().await;
    maria.try_sql("app", mariadb::APP, "INSERT INTO shop.orders (what) VALUES ('kept')").unwrap();
    redis.cli(&["set", "order", "kept"]);

    world.break_primary().await;
    let held = world.until_held().await;
    assert_eq!((world.flipped(), world.answer().await.as_str()), (1, STANDBY));
    let history = world.history().await;
    let seen = |word: &str| {
        history.iter().any(|(_, text)| ["read-only", "1290", word].iter().all(|word| text.contains(word)))
    };
    assert!(seen("READONLY") && seen("NOREPLICAS"), "{history:#?}");
    assert_eq!(held["sides"]["primary_fenced"], true, "{held:#}");
    for (server, what) in [(&maria, "the primary"), (&maria_copy, "the standby")] {
        let late = server.try_sql("app", mariadb::APP, "INSERT INTO shop.orders (what) VALUES ('late')").unwrap_err();
        assert!(late.contains("1290"), "{what}: {late}");
    }
    assert!(redis.cli(&["set", "order", "late"]).contains("NOREPLICAS"));
    assert!(redis_copy.cli(&["set", "order", "late"]).contains("READONLY"));
    maria.until_level(&maria_copy);
    assert_eq!(maria_copy.sql("SELECT what FROM shop.orders"), "kept");
    assert_eq!(redis_copy.cli(&["get", "order"]), "kept");

    world.fault(&world.primary, json!({ "login": "ok" })).await;
    world.until_verdict(0, "healthy").await;
    let failback = ["failback", "login", "--reason", "the primary is repaired", "--yes"];
    world.until_so("the way back is open", async || world.cli(&failback).await.code == Some(0)).await;
    assert_eq!((world.flipped(), world.answer().await.as_str()), (2, PRIMARY));
    maria.try_sql("app", mariadb::APP, "INSERT INTO shop.orders (what) VALUES ('after')").unwrap();
    assert_eq!(redis.cli(&["set", "order", "after"]), "OK");
    assert!(redis_copy.cli(&["set", "order", "there"]).contains("READONLY"));
}

#[tokio::test]
async fn a_standby_that_says_read_only_and_takes_a_users_write_stops_the_failover_before_the_flip() {
    let mut pair = Pair::healthy(Options::default()).await;
    // It says that it is read-only, and so does its database. Its forms go elsewhere: to the primary's, and past the mode.
    drop(pair.standby.take());
    let settings = pair.project.file("settings.py");
    let honest = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, honest.replace("\"/admin/logout/\"]", &format!("\"/admin/logout/\", \"{ADD}\"]")))
        .unwrap();
    pair.standby = Some(pair.project.site("standby", &pair.primary_database, STANDBY, pair.port));
    pair.primary.kill();
    let stuck = pair.world.until("the service is stuck", |service| service["phase"] == "stuck").await;
    let why = stuck["stuck"].as_str().unwrap();
    assert!(why.contains("still accepts writes") && why.contains("write-probe"), "{why}");
    assert_eq!((pair.world.flips(), pair.world.answer().await.as_str()), (vec![], PRIMARY));
    pair.world.until_noticed("sms", "+15550100101", "is stuck and needs a person").await;

    // Mended, a person moves it.
    drop(pair.standby.take());
    std::fs::write(&settings, honest).unwrap();
    pair.standby = Some(pair.project.site("standby", &pair.standby_database, STANDBY, pair.port));
    pair.world.until_verdict(1, "healthy").await;
    let moved = pair.world.cli(&["failover", "login", "--reason", "the standby is mended", "--yes"]).await;
    assert_eq!(moved.code, Some(0), "{moved:?}");
    assert_eq!((pair.world.flipped(), pair.world.answer().await.as_str()), (1, STANDBY));
}
