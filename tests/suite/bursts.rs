//! Bursts: from a controller's wish through its API to the agents' probes, by an agent's own failures, and back to rest.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use quorate::adapters::canary::NetworkCanaries;
use quorate::adapters::clock::SystemClock;
use quorate::adapters::controller_http::ControllerHttp;
use quorate::adapters::notify::Notifiers;
use quorate::adapters::resolver::Hickory;
use quorate::adapters::script::{CheckScript, RhaiRunner};
use quorate::adapters::sqlite::SqliteStore;
use quorate::config::Notify;
use quorate::domain::{
    Burst, CheckName, ClusterName, Generation, Limits, Moment, Observation, Outcome, Pace, PaceMark, PortError,
    ProbeReport, Secret, ServiceName, VantageName,
};
use quorate::ports::{Class, ObservationSink, ProbeRequest, ProbeRunner};
use quorate::runtime::Intake;
use quorate::runtime::controller::{self, Handle, Ports, Setup};
use quorate::runtime::past::Past;
use quorate::web::{self, Api};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify as Bell;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::probing::{Site, agent, agent_with, assignment, name, runner, script};

const TOKEN: &str = "the-agents-token";
const PATIENCE: Duration = Duration::from_secs(60);
/// How long probes are counted.
const COUNTED: Duration = Duration::from_secs(4);
/// An interval at which a test sees no probe.
const NEVER_MS: u64 = 3_600_000;
/// What the policy says of bursts.
const BURST: Burst =
    Burst { interval: Duration::from_millis(500), at_most: Duration::from_secs(600), then: Duration::from_secs(2) };

/// A controller of no service, with its API.
struct Controller {
    handle: Handle,
    url: Url,
    tasks: TaskTracker,
    closing: CancellationToken,
    _folder: TempDir,
}

impl Controller {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("quorate.db")).unwrap());
        let clock = Arc::new(SystemClock::new());
        let ports = Ports {
            clock: clock.clone(),
            resolver: Arc::new(Hickory::new()),
            probes: Arc::new(RhaiRunner::new(Vec::new()).unwrap()),
            lease: store.clone(),
            journal: store.clone(),
            outbox: store.clone(),
            notifier: Arc::new(Notifiers::new(Notify::default()).unwrap()),
        };
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let cluster = ClusterName::new("test").unwrap();
        let setup =
            Setup { cluster, limits: Limits::default(), services: Vec::new(), halt_file: None, watch_every: None };
        let handle = controller::start(setup, ports, &tasks, &closing).await.unwrap();
        let vantages = [VantageName::new("aws-1").unwrap()].into();
        let past = Past::new(ClusterName::new("test").unwrap(), Limits::default(), store.clone(), store.clone());
        let intake = Intake::open(vantages, store, clock.clone(), handle.clone()).await.unwrap();
        let token = Some(Secret::new(TOKEN));
        let api = Api {
            cluster: "test".to_owned(),
            rehearsals: Vec::new(),
            services: Vec::new(),
            controller: handle.clone(),
            past,
            intake,
            clock,
            token,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let serving = async move { axum::serve(listener, web::router(api)).await };
        tasks.spawn(closing.clone().run_until_cancelled_owned(serving));
        Self { handle, url, tasks, closing, _folder: folder }
    }

    fn wish(&self, every_ms: Option<u64>) -> Instant {
        self.handle.paces().set(&ServiceName::new("login").unwrap(), every_ms.map(Duration::from_millis));
        Instant::now()
    }

    fn sink(&self) -> ControllerHttp {
        ControllerHttp::new(&self.url, Some(Secret::new(TOKEN))).unwrap()
    }

    async fn stop(self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A controller's API, and when which pace came through it.
struct Timed {
    inner: ControllerHttp,
    heard: Mutex<Vec<(Instant, Pace)>>,
    news: Bell,
}

impl Timed {
    fn new(inner: ControllerHttp) -> Arc<Self> {
        Arc::new(Self { inner, heard: Mutex::default(), news: Bell::new() })
    }

    /// When the word came that is the first, second, …
    async fn nth(&self, nth: usize) -> Instant {
        let waiting = async {
            loop {
                if let Some((at, _)) = self.heard.lock().unwrap().get(nth - 1) {
                    return *at;
                }
                self.news.notified().await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the agent is told")
    }
}

#[async_trait]
impl ObservationSink for Timed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn deliver(&self, now: Moment, dropped: u64, observations: &[Observation]) -> Result<u64, PortError> {
        self.inner.deliver(now, dropped, observations).await
    }

    async fn pace(&self, known: Option<PaceMark>) -> Result<Pace, PortError> {
        let pace = self.inner.pace(known).await?;
        self.heard.lock().unwrap().push((Instant::now(), pace.clone()));
        self.news.notify_one();
        Ok(pace)
    }
}

fn no_canaries() -> Arc<NetworkCanaries> {
    Arc::new(NetworkCanaries::new(&[], 0).unwrap())
}

/// How many probes come to the site in the time in which they are counted.
async fn counted(site: &Site) -> usize {
    let before = site.visits();
    sleep(COUNTED).await;
    site.visits() - before
}

async fn until_visited(site: &Site, more: usize) {
    let before = site.visits();
    let visited = async {
        while site.visits() < before + more {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, visited).await.expect("the site is probed");
}

#[tokio::test]
async fn a_burst_reaches_an_agent_within_300_ms_and_probes_come_at_its_interval_until_it_ends() {
    let (controller, site) = (Controller::start().await, Site::start(200));
    let told = Timed::new(controller.sink());
    let assignments = vec![assignment("login", &site.url(), NEVER_MS, None)];
    let running = agent_with(assignments, Arc::new(runner()), no_canaries(), vec![told.clone()]);
    told.nth(1).await;
    assert_eq!(counted(&site).await, 0, "at rest");

    let mut delays = Vec::new();
    for (nth, every) in [Some(2_000), None, Some(2_000), None, Some(500)].into_iter().enumerate() {
        let wished = controller.wish(every);
        delays.push(told.nth(nth + 2).await.saturating_duration_since(wished));
    }
    println!("from the wish to the agent: {delays:?}");
    delays.sort();
    assert!(delays[2] <= Duration::from_millis(300), "the middle one of {delays:?}");

    until_visited(&site, 1).await;
    let burst = counted(&site).await;
    assert!((5..=10).contains(&burst), "{burst} probes in 4 s, one every 500 ms");
    controller.wish(None);
    told.nth(7).await;
    let rest = counted(&site).await;
    println!("{burst} probes in the burst, {rest} after it");
    assert!(rest <= 2, "{rest} probes after the burst");
    running.stop().await;
    controller.stop().await;
}

#[tokio::test]
async fn the_pace_is_for_whoever_has_the_token_and_comes_when_it_is_news() {
    let controller = Controller::start().await;
    let rest = controller.sink().pace(None).await.unwrap();
    assert!(rest.every.is_empty());
    for token in [None, Some(Secret::new("wrong"))] {
        let error = ControllerHttp::new(&controller.url, token).unwrap().pace(None).await.unwrap_err();
        assert!(error.class == Class::Broken && error.what.contains("asks for its token"), "{error}");
    }
    // Longer than the limit of a delivery, which is not the limit of this.
    let unchanged = timeout(Duration::from_secs(6), controller.sink().pace(Some(rest.mark))).await;
    assert!(unchanged.is_err(), "news is waited for: {unchanged:?}");
    // A controller that was started anew is heard at once, although it has said less.
    controller.wish(Some(1_000));
    let burst = controller.sink().pace(Some(rest.mark)).await.unwrap();
    let restarted = Controller::start().await;
    let begun = Instant::now();
    let after = restarted.sink().pace(Some(burst.mark)).await.unwrap();
    assert!(after.every.is_empty() && begun.elapsed() < Duration::from_secs(20), "{after:?}");
    controller.stop().await;
    restarted.stop().await;
}

#[tokio::test]
async fn an_agent_bursts_by_itself_on_its_own_failures_while_no_controller_answers() {
    let (failing, fine, other) = (Site::start(500), Site::start(200), Site::start(200));
    let nobody = ControllerHttp::new(&"http://127.0.0.1:1/".parse().unwrap(), None).unwrap();
    let assignments = vec![
        assignment("login", &failing.url(), 3_000, Some(BURST)),
        assignment("login", &fine.url(), 3_000, Some(BURST)),
        assignment("another", &other.url(), 3_000, Some(BURST)),
    ];
    let running = agent_with(assignments, Arc::new(runner()), no_canaries(), vec![Arc::new(nobody)]);
    running.until(|seen| seen.iter().any(|seen| seen.outcome == Outcome::Fail)).await;
    let (bad, good, apart) = tokio::join!(counted(&failing), counted(&fine), counted(&other));
    println!("probes in 4 s: {bad} failing, {good} passing, {apart} of another service");
    assert!((5..=10).contains(&bad), "{bad} probes of the failing site in 4 s, one every 500 ms");
    assert!((5..=10).contains(&good), "{good} probes of the service's other site");
    assert!(apart <= 2, "{apart} probes of a service that does not fail");
    running.stop().await;
}

#[tokio::test]
async fn an_agent_that_cannot_see_does_not_burst_by_itself() {
    let failing = Site::start(500);
    let silent = NetworkCanaries::new(&["http://127.0.0.1:1/".parse().unwrap()], 1).unwrap();
    let running = agent(vec![assignment("login", &failing.url(), 2_000, Some(BURST))], Arc::new(silent));
    running.until(|seen| seen.iter().any(|seen| seen.outcome == Outcome::Fail)).await;
    let rest = counted(&failing).await;
    assert!((1..=3).contains(&rest), "{rest} probes in 4 s, one every 2 s");
    running.stop().await;
}

/// A prober that panics the first times.
struct Fragile {
    runner: RhaiRunner,
    left: AtomicUsize,
}

#[async_trait]
impl ProbeRunner for Fragile {
    async fn run(&self, request: &ProbeRequest) -> ProbeReport {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left.is_err(), "breaks down on purpose");
        self.runner.run(request).await
    }

    fn generation(&self, check: &CheckName) -> Generation {
        self.runner.generation(check)
    }
}

#[tokio::test]
async fn a_probe_that_breaks_down_takes_nothing_with_it() {
    let site = Site::start(200);
    let probes = Arc::new(Fragile { runner: runner(), left: AtomicUsize::new(8) });
    let running = agent_with(vec![assignment("login", &site.url(), 100, None)], probes, no_canaries(), Vec::new());
    let seen = running.until(|seen| seen.len() >= 3).await;
    let numbers: Vec<u64> = seen.iter().map(|seen| seen.id.seq).collect();
    assert_eq!(numbers[..3], [1, 2, 3]);
    running.stop().await;
}

#[test]
fn a_script_or_setting_that_changes_is_another_generation_and_a_new_password_is_not() {
    let secrets = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect::<quorate::domain::Secrets>()
    };
    let params = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let mark = |script: CheckScript| RhaiRunner::new(vec![script]).unwrap().generation(&name());
    let base = || CheckScript { params: params(&[("path", "/a")]), secrets: secrets(&[("user", "one")]), ..script() };
    let others = [
        CheckScript { source: format!("{} ", base().source), ..base() },
        CheckScript { params: params(&[("path", "/b")]), ..base() },
        CheckScript { params: params(&[("other", "/a")]), ..base() },
        CheckScript { params: params(&[]), ..base() },
        CheckScript { params: params(&[]), secrets: secrets(&[("path", ""), ("user", ""), ("/a", "")]), ..base() },
        CheckScript { secrets: secrets(&[("other", "one")]), ..base() },
        CheckScript { secrets: secrets(&[]), ..base() },
    ];
    let mut marks: Vec<Generation> = others.into_iter().map(mark).collect();
    marks.push(mark(base()));
    marks.push(Generation::default());
    let all = marks.len();
    marks.sort();
    marks.dedup();
    assert_eq!(marks.len(), all, "each is another: {marks:?}");
    assert_eq!(mark(base()), mark(base()));
    assert_eq!(mark(CheckScript { secrets: secrets(&[("user", "two")]), ..base() }), mark(base()));
    let nobody = CheckName::new("nobody").unwrap();
    assert_eq!(RhaiRunner::new(vec![base()]).unwrap().generation(&nobody), Generation::default());
}
