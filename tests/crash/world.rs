//! The outside of one case: a lab, two clouds and five agents of its own, and the controller as a process that may die.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate::adapters::canary::NetworkCanaries;
use quorate::adapters::clock::SystemClock;
use quorate::adapters::controller_http::ControllerHttp;
use quorate::adapters::sqlite::SqliteStore;
use quorate::domain::{CheckName, FailureKind, Generation, JournalRecord, Outcome, ProbeReport, Role, Secret};
use quorate::lab::cloud::{Cloud, CloudOptions};
use quorate::lab::{FaultChange, Lab, LabOptions};
use quorate::ports::{JournalStore, ProbeRequest, ProbeRunner};
use quorate::runtime::agent::{Agent, Assignment};
use quorate::wire::api::{MoveAnswer, ServiceStatus, Status};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::child;
use super::settings::{self, ADMIN_KEY, PASSWORD, PRIMARY, SERVICE, STANDBY, Settings, USER};

/// A change is seen pending at least once: the executor asks at once, and then each half second.
const PROPAGATION: Duration = Duration::from_millis(800);
/// How often the agents probe.
const PROBE_EVERY: Duration = Duration::from_millis(400);
/// Long, so that a busy machine fails no probe: a broken login answers at once.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const SIGKILL: i32 = 9;
/// Where the controllers listen. No outgoing connection has this address, so a port of it stays free between two starts.
const CONTROLLER: &str = "127.0.0.21:0";

/// See the module.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) lab: Lab,
    primary: Cloud,
    standby: Cloud,
    folder: TempDir,
    agents: TaskTracker,
    closing: CancellationToken,
    client: reqwest::Client,
    controller: Option<Child>,
}

impl World {
    /// Everything but the controller.
    pub(crate) async fn start() -> Self {
        let lab = Lab::start(LabOptions { propagation: PROPAGATION, ..LabOptions::default() }).await.unwrap();
        let (primary, standby) = clouds().await;
        let folder = tempfile::tempdir().unwrap();
        let listen = TcpListener::bind(CONTROLLER).unwrap().local_addr().unwrap();
        let port = primary.addr().port();
        let unzoned = settings::service("", port, lab.dns_addr());
        let settings = Settings {
            listen,
            store: folder.path().join("quorate.db"),
            trace: folder.path().join("trace"),
            kill_at: None,
            lab: Url::parse(&lab.api_url()).unwrap(),
            dns: lab.dns_addr(),
            zone: lab.seed_service(&settings::cluster(), &unzoned).unwrap(),
            port,
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap();
        let (agents, closing, controller) = (TaskTracker::new(), CancellationToken::new(), None);
        let world = Self { settings, lab, primary, standby, folder, agents, closing, client, controller };
        world.start_agents();
        world
    }

    fn start_agents(&self) {
        let service = self.settings.service();
        let base = Url::parse(&format!("http://{}", self.settings.listen)).unwrap();
        let probes = Arc::new(QuickLogin(self.client.clone()));
        for vantage in &service.vantages {
            let assignments = Role::BOTH.map(|role| Assignment {
                service: service.name.clone(),
                check: service.checks[0].clone(),
                role,
                target: service.site(role).url.clone(),
                interval: PROBE_EVERY,
                timeout: PROBE_LIMIT,
                burst: None,
            });
            let agent = Agent {
                vantage: vantage.name.clone(),
                assignments: assignments.to_vec(),
                probes: Arc::clone(&probes) as Arc<dyn ProbeRunner>,
                canaries: Arc::new(NetworkCanaries::new(&[], 0).unwrap()),
                controllers: vec![Arc::new(ControllerHttp::new(&base, None).unwrap())],
                spool: 1_000,
                lookout: None,
                clock: Arc::new(SystemClock::new()),
            };
            self.agents.spawn(agent.run(self.closing.clone()));
        }
    }

    /// Starts the controller, to die at that point.
    pub(crate) fn start_controller(&mut self, kill_at: Option<&str>) {
        let settings = Settings { kill_at: kill_at.map(str::to_owned), ..self.settings.clone() };
        let file = self.folder.path().join("settings.json");
        fs::write(&file, serde_json::to_string(&settings).unwrap()).unwrap();
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(child::MODE).arg(file).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        self.controller = Some(command.env("NO_PROXY", "*").spawn().unwrap());
    }

    /// Whether the controller has died, and that it was by SIGKILL.
    pub(crate) fn died(&mut self) -> Result<bool, String> {
        let controller = self.controller.as_mut().unwrap();
        match controller.try_wait().unwrap() {
            None => Ok(false),
            Some(status) if status.signal() == Some(SIGKILL) => Ok(true),
            Some(status) => Err(format!("the controller ended with {status}")),
        }
    }

    /// What the controller says, if it answers.
    pub(crate) async fn status(&self) -> Option<(u64, ServiceStatus)> {
        let url = format!("http://{}/v1/status", self.settings.listen);
        let status: Status = self.client.get(url).send().await.ok()?.json().await.ok()?;
        Some((status.epoch?, status.services.into_iter().next()?))
    }

    /// An operator's move: looks at the plan, and makes it. Whether it came to be, the status tells.
    pub(crate) async fn ask(&self, to: Role) {
        let url = format!("http://{}/v1/services/{SERVICE}/move", self.settings.listen);
        let mut body = json!({"to": to.as_str(), "by": "the test", "reason": "to be killed"});
        for _ in 0..2 {
            let Ok(answer) = self.client.post(&url).json(&body).send().await else { return };
            let Ok(answer) = answer.json::<MoveAnswer>().await else { return };
            let Some(plan) = answer.plan else { return };
            body["digest"] = json!(plan.digest);
        }
    }

    /// Breaks the primary's login, and nothing else.
    pub(crate) async fn break_login(&self) {
        let url = format!("{}/lab/faults", self.primary.url());
        let answer = self.client.post(url).json(&json!({"login": "error"})).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// The next answer to a change of records is lost.
    pub(crate) fn lose_answer(&self) {
        self.lab.set_faults(FaultChange { lose_answer: Some(1), ..FaultChange::default() });
    }

    /// What the standby says of itself.
    pub(crate) async fn standby_state(&self) -> Value {
        let url = format!("{}/admin/state", self.standby.url());
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// The journal as it is on disk.
    pub(crate) async fn journal(&self) -> Vec<JournalRecord> {
        if !self.settings.store.exists() {
            return Vec::new();
        }
        SqliteStore::open(&self.settings.store).unwrap().load().await.unwrap()
    }

    /// What was queued to be told: key, recipient, text, and whether it is recorded as sent.
    pub(crate) fn outbox(&self) -> Vec<(String, String, String, bool)> {
        if !self.settings.store.exists() {
            return Vec::new();
        }
        let connection = rusqlite::Connection::open(&self.settings.store).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        let sql = "SELECT key, recipient, text, sent_at_ms IS NOT NULL FROM outbox ORDER BY id";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Which points each process passed.
    pub(crate) fn traces(&self) -> Vec<Vec<String>> {
        let mut traces: Vec<Vec<String>> = Vec::new();
        for line in fs::read_to_string(&self.settings.trace).unwrap_or_default().lines() {
            match traces.last_mut() {
                Some(trace) if line != child::START => trace.push(line.to_owned()),
                _ => traces.push(Vec::new()),
            }
        }
        traces
    }

    /// The end of what the controllers logged.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("probe-failed")).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Ends the controller, as every case does in the end.
    pub(crate) async fn stop_controller(&mut self) {
        if let Some(mut controller) = self.controller.take() {
            let _ = controller.kill().await;
        }
    }

    /// Ends everything.
    pub(crate) async fn stop(mut self) {
        self.stop_controller().await;
        self.closing.cancel();
        self.agents.close();
        self.agents.wait().await;
        self.primary.shutdown().await;
        self.standby.shutdown().await;
        self.lab.shutdown().await;
    }
}

/// The agents' check: a login like the shipped one's, at a tenth of the price. The controller, whose death is the matter here, verifies
/// with the shipped one.
struct QuickLogin(reqwest::Client);

impl QuickLogin {
    async fn log_in(&self, target: &Url) -> Result<reqwest::StatusCode, reqwest::Error> {
        let url = target.join("/login").unwrap();
        let page = self.0.get(url.clone()).send().await?;
        let cookie = page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        page.bytes().await?;
        let csrf = cookie.split_once('=').unwrap().1.to_owned();
        let form = [("csrf_token", csrf.as_str()), ("username", USER), ("password", PASSWORD)];
        Ok(self.0.post(url).header("cookie", &cookie).form(&form).send().await?.status())
    }
}

#[async_trait]
impl ProbeRunner for QuickLogin {
    async fn run(&self, request: &ProbeRequest) -> ProbeReport {
        let (outcome, kind, reason) = match self.log_in(&request.target).await {
            Ok(reqwest::StatusCode::SEE_OTHER) => (Outcome::Pass, None, None),
            Ok(status) => {
                (Outcome::Fail, Some(FailureKind::ServerError), Some(format!("the login answered {status}")))
            }
            Err(error) => (Outcome::Inconclusive, None, Some(error.to_string())),
        };
        ProbeReport {
            outcome,
            kind,
            reason,
            place: None,
            failed_step: None,
            steps: Vec::new(),
            requests: Vec::new(),
            metrics: Vec::new(),
            duration_ms: 1,
        }
    }

    fn generation(&self, _: &CheckName) -> Generation {
        Generation::default()
    }
}

/// Two clouds on one port of two addresses, as one public URL reaches both.
async fn clouds() -> (Cloud, Cloud) {
    let options = |name: &str, host: &str, port: u16| CloudOptions {
        listen: SocketAddr::new(host.parse().unwrap(), port),
        name: name.to_owned(),
        users: BTreeMap::from([(USER.to_owned(), Secret::new(PASSWORD))]),
        admin_key: Secret::new(ADMIN_KEY),
    };
    for _ in 0..20 {
        let primary = Cloud::start(options("aws", PRIMARY, 0)).await.unwrap();
        if let Ok(standby) = Cloud::start(options("azure", STANDBY, primary.addr().port())).await {
            return (primary, standby);
        }
    }
    panic!("no port is free on both {PRIMARY} and {STANDBY}");
}
