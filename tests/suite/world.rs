//! A world of its own for each test: a folder, a lab and two demo clouds in this process, and the real binary as controller and agents.
//!
//! Children end with the world, and what they said is in every failure's message.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use quorate::adapters::clock::SystemClock;
use quorate::adapters::resolver::Hickory;
use quorate::domain::{ClusterName, RecordType, Secret, WallTime};
use quorate::lab::cloud::{Cloud, CloudOptions};
use quorate::lab::{FaultChange, Lab, LabOptions, RequestEntry};
use quorate::ports::{Clock, Resolver};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

pub(crate) mod flags;

/// The binary under test.
pub(crate) const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// The name that moves.
pub(crate) const NAME: &str = "login.e2e.test";
/// What it answers while the primary serves.
pub(crate) const PRIMARY: &str = "127.0.0.11";
/// What it answers while the standby serves.
pub(crate) const STANDBY: &str = "127.0.0.12";
/// The controller's process.
pub(crate) const CONTROLLER: &str = "controller";
/// The vantages, each in a cloud of its own.
pub(crate) const VANTAGES: [&str; 3] = ["aws-1", "azure-1", "gcp-1"];
/// Every secret of the configuration, by name. A webhook's URL is completed with the lab's address.
pub(crate) const SECRETS: [(&str, &str); 9] = [
    ("probe-user", "e2e-probe-user-9f2c"),
    ("probe-password", "e2e-probe-password-51bd"),
    ("standby-admin", "e2e-standby-key-77aa"),
    ("slack-webhook", "/slack/e2e-quiet-hook-1d0e"),
    ("slack-webhook-loud", "/slack/e2e-loud-hook-c3b4"),
    ("sms-token", "e2e-sms-token-08f6"),
    ("api-token", "e2e-api-token-e655"),
    ("flag-phrase", flags::PHRASE),
    ("flag-key", "ZTJlLWZsYWctc2lnbmluZy1rZXktMDEyMzQ1Njc4OWE="),
];

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// How much of a log a failure shows.
const LOG_TAIL: usize = 40;
/// How many worlds may be up at once: more would starve each other of two cores.
const WORLDS: usize = 6;
/// Ports are taken from here up to where the system hands out its own.
const PORTS: std::ops::Range<u16> = 30_000..32_700;

/// Where nobody listens.
const DEAF_PORT: u16 = 1;

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(WORLDS)));

/// A place among the worlds that are up; dropping it lets the next one in.
pub(crate) async fn turn(places: u32) -> OwnedSemaphorePermit {
    Arc::clone(&TURNS).acquire_many_owned(places).await.unwrap()
}

/// A port that nobody listens on, and that no other world of this process was given.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let size = PORTS.end - PORTS.start;
    // Two test processes at once begin at different places.
    let start = u16::try_from(std::process::id() * 37 % u32::from(size)).unwrap();
    loop {
        let port = PORTS.start + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % size;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// What the service's zone is like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Zone {
    /// With the service's records, and this cluster's mark.
    Of(&'static str),
    /// Without any of them.
    Empty,
    /// The configuration names one that is not there.
    Nowhere,
}

/// What differs between worlds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// How many observations an agent keeps.
    pub(crate) spool: usize,
    /// Whether the API asks for its token.
    pub(crate) token: bool,
    /// What the zone is like.
    pub(crate) zone: Zone,
    /// What the processes log.
    pub(crate) log: &'static str,
    /// Whether agents also tell the second controller.
    pub(crate) second: bool,
    /// Whether nobody listens behind the quiet channel's webhook.
    pub(crate) deaf: bool,
    /// More lines of the policy.
    pub(crate) policy: &'static str,
    /// Whether the service is in a maintenance window, an hour before its end.
    pub(crate) maintenance: bool,
    /// By what the name is moved.
    pub(crate) lane: &'static str,
    /// More lines about its names.
    pub(crate) dns: &'static str,
    /// More arguments of the controller.
    pub(crate) controller: &'static [&'static str],
}

impl Default for Options {
    fn default() -> Self {
        let zone = Zone::Of("e2e");
        Self {
            spool: 10_000,
            token: false,
            zone,
            log: "info",
            second: false,
            deaf: false,
            policy: "",
            maintenance: false,
            lane: "records",
            dns: "",
            controller: &[],
        }
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

struct Process {
    name: String,
    child: Child,
}

/// See the module.
pub(crate) struct World {
    processes: Vec<Process>,
    pub(crate) lab: Lab,
    pub(crate) primary: Cloud,
    pub(crate) standby: Cloud,
    pub(crate) zone: String,
    pub(crate) port: u16,
    pub(crate) second_port: u16,
    pub(crate) http: reqwest::Client,
    pub(crate) options: Options,
    pub(crate) dir: TempDir,
    /// Where the agents serve the flags of two folders, in the lanes that have a flag.
    pub(crate) flag_ports: [u16; 2],
    /// The health check that looks for them.
    pub(crate) health_check: Option<String>,
    /// What stands in the configuration in place of something else.
    pub(crate) swaps: Vec<(String, String)>,
    /// The policy.
    pub(crate) policy: String,
    /// More secrets, or others.
    pub(crate) more_secrets: Vec<(&'static str, String)>,
    _turn: OwnedSemaphorePermit,
}

impl World {
    /// A world in which nothing runs yet but the lab and the clouds.
    pub(crate) async fn prepared(options: Options) -> Self {
        let turn = turn(1).await;
        let dir = tempfile::Builder::new().prefix("quorate-e2e-").tempdir().unwrap();
        let health_check_interval = Some(Duration::from_millis(500));
        let propagation = Duration::from_millis(200);
        let lab_options = LabOptions { propagation, health_check_interval, ..LabOptions::default() };
        let lab = Lab::start(lab_options).await.unwrap();
        let (primary, standby) = clouds().await;
        // No connection is used twice: one that a restart or a refusal has closed would look like a failure.
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).pool_max_idle_per_host(0).build().unwrap();
        let mut world = Self {
            processes: Vec::new(),
            lab,
            primary,
            standby,
            zone: "ZNOWHERE".to_owned(),
            port: free_port(),
            second_port: free_port(),
            http,
            options,
            dir,
            flag_ports: [free_port(), free_port()],
            health_check: None,
            swaps: Vec::new(),
            policy: [POLICY, options.policy].concat(),
            more_secrets: Vec::new(),
            _turn: turn,
        };
        if options.lane != "records" {
            world.health_check = Some(flags::watch(&world.lab.api_url(), world.flag_ports).await);
        }
        world.write_files();
        let service = quorate::config::load(&world.config()).unwrap().config.services.remove(0).service;
        match options.zone {
            Zone::Of(mark) => {
                world.zone = world.lab.seed_service(&ClusterName::new(mark).unwrap(), &service).unwrap();
            }
            Zone::Empty => world.zone = world.lab.create_zone("e2e.test").unwrap(),
            Zone::Nowhere => {}
        }
        world.write_files();
        world
    }

    /// A world in which both sites are seen healthy and the zone is fenced.
    pub(crate) async fn healthy(options: Options) -> Self {
        let mut world = Self::prepared(options).await;
        world.start_controller().await;
        for vantage in VANTAGES {
            world.start_agent(vantage);
        }
        world.until_healthy().await;
        world
    }

    /// Writes the configuration anew.
    pub(crate) fn write_files(&self) {
        let dir = self.dir.path();
        fs::create_dir_all(dir.join("policies")).unwrap();
        fs::create_dir_all(dir.join("checks")).unwrap();
        fs::write(dir.join("policies/brisk.toml"), &self.policy).unwrap();
        fs::write(dir.join("checks/login.rhai"), include_str!("../../checks/login.rhai")).unwrap();
        fs::write(dir.join("checks/write-probe.rhai"), include_str!("../../checks/write-probe.rhai")).unwrap();
        let secrets: Vec<String> = self
            .secrets()
            .iter()
            .map(|(name, value)| format!("{name} = {}\n", Value::from(value.as_str())))
            .collect();
        fs::write(dir.join("secrets.toml"), secrets.concat()).unwrap();
        fs::write(dir.join("quorate.toml"), self.text(self.port, "quorate.db")).unwrap();
        fs::write(dir.join("second.toml"), self.text(self.second_port, "second.db")).unwrap();
    }

    /// The secrets as the processes have them.
    pub(crate) fn secrets(&self) -> Vec<(&'static str, String)> {
        SECRETS
            .iter()
            .map(|(name, value)| match value.strip_prefix('/') {
                Some(path) if self.options.deaf && *name == "slack-webhook" => {
                    (*name, format!("http://127.0.0.1:{DEAF_PORT}/{path}"))
                }
                Some(path) => (*name, format!("{}/{path}", self.lab.api_url())),
                None => (*name, (*value).to_owned()),
            })
            .filter(|(name, _)| !self.more_secrets.iter().any(|(own, _)| own == name))
            .chain(self.more_secrets.iter().cloned())
            .collect()
    }

    fn text(&self, port: u16, data: &str) -> String {
        let sites = self.primary.addr().port();
        let first = format!("\"http://127.0.0.1:{}\"", self.port);
        let second = format!(", \"http://127.0.0.1:{}\"", self.second_port);
        let text = CONFIG
            .replace("LISTEN", &format!("127.0.0.1:{port}"))
            .replace("DATA", data)
            .replace("CONTROLLERS", &format!("{first}{}", if self.options.second { &second } else { "" }))
            .replace("TOKEN", if self.options.token { "token = \"api-token\"" } else { "" })
            .replace("SPOOL", &self.options.spool.to_string())
            .replace("ZONE", &self.zone)
            .replace("SITES", &sites.to_string())
            .replace("SERVER", &self.lab.dns_addr().to_string())
            .replace("NOTICES", &self.lab.api_url())
            .replace("LANE", self.options.lane)
            .replace("MORE-OF-DNS", self.options.dns)
            .replace(
                "CHECKED",
                &self.health_check.as_ref().map_or(String::new(), |id| format!("health_check = \"{id}\"")),
            )
            .replace("FLAG", &self.health_check.as_ref().map_or(String::new(), |_| flags::section(self.dir.path())))
            .replace("MAINTENANCE", &if self.options.maintenance { maintenance() } else { String::new() });
        self.swaps.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "nothing to replace: {from}");
            text.replace(from, to)
        })
    }

    /// The configuration's file.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("quorate.toml")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(QUORATE);
        command
            .current_dir(self.dir.path())
            .env("AWS_ENDPOINT_URL_ROUTE_53", self.lab.api_url())
            .env("AWS_ACCESS_KEY_ID", "e2e")
            .env("AWS_SECRET_ACCESS_KEY", "e2e")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_CONFIG_FILE", self.dir.path().join("no-aws-config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.dir.path().join("no-aws-credentials"))
            .env("QUORATE_LOG", self.options.log)
            .env("NO_PROXY", "127.0.0.0/8")
            .env("no_proxy", "127.0.0.0/8")
            .kill_on_drop(true);
        for variable in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "QUORATE_TOKEN", "QUORATE_API"] {
            command.env_remove(variable);
        }
        command
    }

    /// Starts a process that stays; its log is added to what it logged before.
    pub(crate) fn spawn(&mut self, name: &str, arguments: &[&str]) {
        let log = File::options().create(true).append(true).open(self.log_path(name)).unwrap();
        let child = self
            .command()
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.processes.push(Process { name: name.to_owned(), child });
    }

    /// Starts the controller and waits until it answers. A port that somebody else took meanwhile is replaced while nobody knows it.
    pub(crate) async fn start_controller(&mut self) {
        let known = !self.processes.is_empty();
        loop {
            self.spawn(CONTROLLER, &[&["controller", "--config", "quorate.toml"], self.options.controller].concat());
            if self.answers(CONTROLLER, self.port).await {
                return;
            }
            assert!(!known && self.log(CONTROLLER).contains("cannot listen"), "it ended:\n{}", self.tail(CONTROLLER));
            self.forget(CONTROLLER);
            self.port = free_port();
            self.write_files();
        }
    }

    /// Starts the second controller, which has a store of its own.
    pub(crate) async fn start_second(&mut self) {
        self.spawn("second", &["controller", "--config", "second.toml"]);
        assert!(self.answers("second", self.second_port).await, "it ended:\n{}", self.tail("second"));
    }

    /// Starts an agent.
    pub(crate) fn start_agent(&mut self, vantage: &str) {
        let listens = self.flag_ports.map(|port| format!("127.0.0.1:{port}"));
        let mut arguments = vec!["agent", "--config", "quorate.toml", "--vantage", vantage];
        // Two of them serve a flag each, where the service has flags.
        let place = VANTAGES.iter().skip(1).position(|serving| *serving == vantage);
        if let (Some(place), Some(_)) = (place, &self.health_check) {
            let folder = flags::FOLDERS[place];
            arguments.extend(["--flags-listen", listens[place].as_str(), "--flags-folder", folder]);
        }
        self.spawn(vantage, &arguments);
    }

    /// Waits until a controller's API answers; false when its process ends instead.
    async fn answers(&mut self, name: &str, port: u16) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.process(name).child.try_wait().unwrap().is_some() {
                return false;
            }
            let url = format!("http://127.0.0.1:{port}/healthz");
            if self.http.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            sleep(LOOK).await;
        }
        panic!("{name} does not answer:\n{}", self.tail(name));
    }

    fn process(&mut self, name: &str) -> &mut Process {
        self.processes.iter_mut().find(|process| process.name == name).expect("it was started")
    }

    fn forget(&mut self, name: &str) {
        self.processes.retain(|process| process.name != name);
    }

    /// Ends a process without a word.
    pub(crate) async fn kill(&mut self, name: &str) {
        self.process(name).child.kill().await.unwrap();
        self.forget(name);
    }

    /// Asks a process to end, and waits until it has.
    pub(crate) async fn terminate(&mut self, name: &str) -> ExitStatus {
        let pid = self.process(name).child.id().unwrap();
        signal(pid, "TERM");
        self.wait(name).await
    }

    /// Waits until a process has ended.
    pub(crate) async fn wait(&mut self, name: &str) -> ExitStatus {
        let ended = timeout(PATIENCE, self.process(name).child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("{name} does not end\n{}", self.tail(name))).unwrap();
        self.forget(name);
        status
    }

    /// Runs a command of the binary, without a terminal.
    pub(crate) async fn run(&self, arguments: &[&str], env: &[(&str, &str)]) -> Ran {
        let mut command = self.command();
        command.args(arguments).envs(env.iter().copied()).stdin(Stdio::null());
        let output = timeout(PATIENCE, command.output()).await;
        let output =
            output.unwrap_or_else(|_| panic!("{arguments:?} does not end\n{}", self.tail(CONTROLLER))).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a command that speaks to the controller.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Ran {
        self.run(arguments, &[("QUORATE_API", &self.url("")), ("QUORATE_TOKEN", self.token())]).await
    }

    /// Begins one, for whoever has something to do meanwhile.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.command();
        command.args(arguments).env("QUORATE_API", self.url("")).env("QUORATE_TOKEN", self.token());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn token(&self) -> &'static str {
        if self.options.token { "e2e-api-token-e655" } else { "" }
    }

    /// An address of the controller's API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What the API answers: its status and its body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(self.url(path)).bearer_auth(self.token()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The same, of a body sent there.
    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self.http.post(self.url(path)).bearer_auth(self.token());
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The service, as the controller at that port explains it.
    pub(crate) async fn service_at(&self, port: u16) -> Option<Value> {
        let url = format!("http://127.0.0.1:{port}/v1/status");
        let answer = self.http.get(url).bearer_auth(self.token()).send().await.ok()?;
        let status: Value = answer.json().await.ok()?;
        let mut service = status["services"][0].clone();
        service["epoch"] = status["epoch"].clone();
        Some(service)
    }

    /// The service, as the controller explains it.
    pub(crate) async fn service(&self) -> Value {
        self.service_at(self.port).await.expect("the controller answers")
    }

    /// Waits until the service is as it should be.
    pub(crate) async fn until(&self, what: &str, done: impl FnMut(&Value) -> bool) -> Value {
        self.until_at(self.port, what, done).await
    }

    /// The same, as the controller at that port sees it.
    pub(crate) async fn until_at(&self, port: u16, what: &str, mut done: impl FnMut(&Value) -> bool) -> Value {
        let (deadline, mut last) = (Instant::now() + PATIENCE, Value::Null);
        while Instant::now() < deadline {
            if let Some(service) = self.service_at(port).await {
                if done(&service) {
                    return service;
                }
                last = service;
            }
            sleep(LOOK).await;
        }
        panic!("{what}: not so within {PATIENCE:?}; it is {last:#}\n{}", self.tail(CONTROLLER));
    }

    /// Waits until something holds.
    pub(crate) async fn until_so(&self, what: &str, mut done: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done().await {
            assert!(Instant::now() < deadline, "{what}: not so within {PATIENCE:?}\n{}", self.tail(CONTROLLER));
            sleep(LOOK).await;
        }
    }

    /// Waits until a quorum sees both sites up and the zone is fenced.
    pub(crate) async fn until_healthy(&self) -> Value {
        let healthy = |service: &Value| {
            let sites = service["sites"].as_array().unwrap();
            sites.iter().all(|site| site["verdict"] == "healthy") && service["token"].is_string()
        };
        self.until("both sites are healthy and the zone is fenced", healthy).await
    }

    /// Waits until the failover is done.
    pub(crate) async fn until_held(&self) -> Value {
        let held = |service: &Value| service["phase"] == "holding" && service["last_plan"]["end"] == "done";
        self.until("the standby serves", held).await
    }

    /// Waits for a verdict on a site.
    pub(crate) async fn until_verdict(&self, role: usize, verdict: &str) {
        let what = format!("site {role} is {verdict}");
        self.until(&what, |service| service["sites"][role]["verdict"] == verdict).await;
    }

    /// Waits for an entry of that kind, and returns its text.
    pub(crate) async fn until_history(&self, kind: &str) -> String {
        let mut found = String::new();
        self.until_so(&format!("'{kind}' is in the history"), async || {
            let entry = self.history().await.into_iter().rev().find(|(k, _)| k == kind);
            entry.is_some_and(|(_, text)| {
                found = text;
                true
            })
        })
        .await;
        found
    }

    /// The journal: kinds and texts.
    pub(crate) async fn history(&self) -> Vec<(String, String)> {
        let (_, text) = self.get("/v1/services/login/history?limit=1000").await;
        let history: Value = serde_json::from_str(&text).unwrap();
        let entries = history["entries"].as_array().unwrap_or_else(|| panic!("{text}"));
        let word = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        entries.iter().map(|entry| (word(entry, "kind"), word(entry, "text"))).collect()
    }

    /// Waits until a process has logged something.
    pub(crate) async fn until_logged(&self, name: &str, what: &str) {
        self.until_so(&format!("{name} logs '{what}'"), async || self.log(name).contains(what)).await;
    }

    /// Throws a switch of a cloud.
    pub(crate) async fn fault(&self, cloud: &Cloud, change: Value) {
        let answer = self.http.post(format!("{}/lab/faults", cloud.url())).json(&change).send().await.unwrap();
        assert!(answer.status().is_success(), "{change}: {}", answer.status());
    }

    /// What a cloud says of itself.
    pub(crate) async fn cloud_state(&self, cloud: &Cloud) -> Value {
        self.http.get(format!("{}/admin/state", cloud.url())).send().await.unwrap().json().await.unwrap()
    }

    /// Breaks the login of the primary.
    pub(crate) async fn break_primary(&self) {
        self.fault(&self.primary, json!({ "login": "error" })).await;
    }

    /// The lab's name server.
    pub(crate) fn name_server(&self) -> SocketAddr {
        self.lab.dns_addr()
    }

    /// Throws switches of the lab.
    pub(crate) fn lab_faults(&self, change: FaultChange) {
        self.lab.set_faults(change);
    }

    /// The batches that moved the name, or tried to.
    pub(crate) fn flips(&self) -> Vec<RequestEntry> {
        let moves = |entry: &RequestEntry| entry.changes.iter().any(|change| change.contains(&format!(" A {NAME}")));
        self.lab.requests().into_iter().filter(moves).collect()
    }

    /// How many of them took effect.
    pub(crate) fn flipped(&self) -> usize {
        self.flips().iter().filter(|entry| entry.status < 300).count()
    }

    /// What the name answers.
    pub(crate) async fn answer(&self) -> String {
        Hickory::new().ask(self.lab.dns_addr(), NAME, RecordType::A).await.unwrap().join(",")
    }

    /// The notices that arrived: kind, to, text.
    pub(crate) fn notices(&self) -> Vec<(String, String, String)> {
        let kind = |notice: &quorate::lab::Notice| serde_json::to_value(notice.kind).unwrap();
        let notices = self.lab.notices();
        notices.into_iter().map(|n| (kind(&n).as_str().unwrap().to_owned(), n.to, n.text)).collect()
    }

    /// Waits until a notice with these words has arrived that way.
    pub(crate) async fn until_noticed(&self, kind: &str, to: &str, words: &str) {
        self.until_so(&format!("a notice ({kind}) to {to} with '{words}'"), async || {
            self.notices().iter().any(|(k, t, text)| k == kind && t == to && text.contains(words))
        })
        .await;
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.log"))
    }

    /// What a process has logged.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.log_path(name)).unwrap_or_default()
    }

    /// The end of it.
    pub(crate) fn tail(&self, name: &str) -> String {
        let log = self.log(name);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].iter().map(|line| format!("  | {line}\n")).collect()
    }

    /// A look into the controller's store.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        rows(&self.dir.path().join("quorate.db"), sql)
    }
}

/// A look into a store: every value as text.
pub(crate) fn rows(path: &Path, sql: &str) -> Vec<Vec<String>> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns)
            .map(|column| {
                Ok(match row.get_ref(column)? {
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    _ => String::new(),
                })
            })
            .collect()
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// The two sites: one port on two addresses, since a public name has one port.
async fn clouds() -> (Cloud, Cloud) {
    let cloud = async |name: &str, address: &str, port: u16| {
        let options = CloudOptions {
            listen: SocketAddr::new(address.parse().unwrap(), port),
            name: name.to_owned(),
            users: [(SECRETS[0].1.to_owned(), Secret::new(SECRETS[1].1))].into(),
            admin_key: Secret::new(SECRETS[2].1),
        };
        Cloud::start(options).await
    };
    loop {
        let primary = cloud("aws", PRIMARY, 0).await.unwrap();
        if let Ok(standby) = cloud("azure", STANDBY, primary.addr().port()).await {
            return (primary, standby);
        }
    }
}

/// A window around this moment, once.
fn maintenance() -> String {
    let now = SystemClock::new().wall().as_ms();
    let [from, to] = [now - 60_000, now + 3_600_000].map(WallTime::from_ms);
    format!("[[service.maintenance]]\nreason = \"a database upgrade\"\nfrom = {from}\nto = {to}\n")
}

/// Sends a signal to a process that this one started.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}

/// What stands in every verdict's way is a missed beat on a busy machine, so the beat is slower than it must be.
const POLICY: &str = r#"
description = "for tests: decides within seconds"
interval = "800ms"
timeout = "800ms"
quorum = 2
clouds = 2
detector = "consecutive"
down_after = 2
up_after = 2
fresh_for = "5s"
confirm = "300ms"
burst = false
burn = false
warm_up = 0
settle = "0s"
recovered_after = "0s"
cool_down = "0s"
failback_after = "0s"
budget = 1000
budget_window = "1m"
"#;

const CONFIG: &str = r#"
cluster = "e2e"

[controller]
listen = "LISTEN"
data = "DATA"
TOKEN

[agents]
controllers = [CONTROLLERS]
spool = SPOOL
system_resolvers = false

[[vantage]]
name = "aws-1"
cloud = "aws"
region = "one"

[[vantage]]
name = "azure-1"
cloud = "azure"
region = "one"

[[vantage]]
name = "gcp-1"
cloud = "gcp"
region = "one"

[check.login]
script = "login.rhai"
secrets = ["probe-user", "probe-password"]

[check.login.params]
login_path = "/login"

[[service]]
name = "login"
public_url = "http://login.e2e.test:SITES/"
policy = "brisk"
checks = ["login"]

[service.dns]
provider = "route53"
zone = "ZONE"
name = "login.e2e.test"
type = "A"
ttl = "30s"
authoritative = ["SERVER"]
dnssec = "off"
lane = "LANE"
MORE-OF-DNS

[service.primary]
name = "aws"
cloud = "aws"
url = "http://127.0.0.11:SITES/"
answer = "127.0.0.11"
CHECKED

[service.standby]
name = "azure"
cloud = "azure"
url = "http://127.0.0.12:SITES/"
answer = "127.0.0.12"

[service.standby.read_only]
url = "http://127.0.0.12:SITES/admin/read-only"
write_probe = "http://127.0.0.12:SITES/admin/write-probe"
lag = "http://127.0.0.12:SITES/admin/lag"
key = "standby-admin"

FLAG
MAINTENANCE
[notify]
slack = "slack-webhook"
slack_loud = "slack-webhook-loud"

[notify.sms]
base_url = "NOTICES"
account_sid = "ACe2e"
token = "sms-token"
from = "+15550100100"
to = ["+15550100101"]
"#;
