//! The demo's world: a folder of its own, and processes that end with this one, however it ends.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::cli::exit::Failure;
use crate::config::Config;
use crate::domain::{Role, Service};

/// The demo runs on the very files that are shipped as examples.
const CONFIG: &str = include_str!("../../../examples/demo/quorate.toml");
const SECRETS: &str = include_str!("../../../examples/demo/secrets.toml");
const POLICY: &str = include_str!("../../../examples/demo/policies/demo.toml");
const CHECK: &str = include_str!("../../../checks/login.rhai");
/// The first port in those files, and the name of the zone whose id the lab makes up.
const EXAMPLE_BASE: u16 = 7100;
const EXAMPLE_ZONE: &str = "ZDEMO";

/// The ports after the base: the controller, the lab's API, its name server, both sites.
const PORTS: u16 = 4;
/// Where free bases are looked for: below the ports that systems hand out by themselves (Linux: from 32768 on).
const BASE_MIN: u16 = 20_000;
const BASE_STEP: u16 = 10;
const BASES: u16 = 1_000;
/// What begins the name of a variable that overrides a secret of the files.
const SECRET_PREFIX: &str = "QUORATE_SECRET_";
/// Settings of this machine that lead elsewhere. The proxies go too: `NO_PROXY=*` does not keep every client from them.
const FOREIGN_SETTINGS: [&str; 11] = [
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "QUORATE_TOKEN",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "no_proxy",
];
/// How long a process may take until it is ready: a cold, busy machine.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long processes may take to end by themselves.
const END_WITHIN: Duration = Duration::from_secs(4);
/// How much of a log is shown when its process fails.
const LOG_TAIL: usize = 15;

/// A process of the demo.
struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// See the module.
pub(super) struct World {
    /// Before the folder, so that dropping a world ends those who write there first.
    processes: Vec<Process>,
    dir: TempDir,
    base: u16,
    config: Config,
    lab_api: Url,
}

impl World {
    /// Starts everything. Interrupted, it ends what it has started before it returns.
    pub(super) async fn start(wanted: Option<u16>, interrupted: impl Future<Output = ()>) -> Result<Self, Failure> {
        let base = match wanted {
            Some(base) => {
                free(base)?;
                base
            }
            None => free_base()?,
        };
        let dir = tempfile::Builder::new()
            .prefix("quorate-demo-")
            .tempdir()
            .map_err(|error| Failure::unknown(format!("no folder for the demo: {error}")))?;
        write_files(dir.path(), base, EXAMPLE_ZONE)?;
        let config = read(dir.path())?;
        let lab_api = Url::parse(&format!("http://127.0.0.1:{}", base + 1)).map_err(Failure::unknown)?;
        let mut world = Self { dir, base, processes: Vec::new(), config, lab_api };
        let started = tokio::select! {
            started = world.start_processes() => started,
            () = interrupted => Err(Failure::unknown("interrupted: everything was stopped and removed")),
        };
        match started {
            Ok(()) => Ok(world),
            Err(failure) => {
                world.stop().await;
                Err(failure)
            }
        }
    }

    async fn start_processes(&mut self) -> Result<(), Failure> {
        let (api, dns) = (self.lab_api.authority().to_owned(), format!("127.0.0.1:{}", self.base + 2));
        let lab = self.spawn("lab", &["lab", "serve", "--api", &api, "--dns", &dns], true)?;
        let ready = self.first_line(lab).await?;
        for role in Role::BOTH {
            let args = ["lab", "cloud", "--role", role.as_str()];
            let cloud = self.spawn(&format!("cloud-{role}"), &args, true)?;
            self.first_line(cloud).await?;
        }
        let service = self.service().name.to_string();
        let zone = ready.pointer(&format!("/zones/{service}")).and_then(Value::as_str);
        let zone = zone.ok_or_else(|| Failure::unknown("the lab did not name its zone"))?;
        write_files(self.dir.path(), self.base, zone)?;
        self.config = read(self.dir.path())?;
        self.spawn("controller", &["controller"], false)?;
        let vantages: Vec<String> = self.config.vantages.iter().map(|v| v.name.to_string()).collect();
        for vantage in vantages {
            self.spawn(&format!("agent-{vantage}"), &["agent", "--vantage", &vantage], false)?;
        }
        Ok(())
    }

    /// The demo's one service. The example has one.
    #[expect(clippy::expect_used, reason = "a shipped file, validated before this value is made")]
    pub(super) fn service(&self) -> &Service {
        &self.config.services.first().expect("the demo's configuration has a service").service
    }

    /// The configuration, as the processes read it.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Where that is.
    pub(super) fn config_path(&self) -> PathBuf {
        self.dir.path().join("quorate.toml")
    }

    /// The lab's API.
    pub(super) fn lab_api(&self) -> &Url {
        &self.lab_api
    }

    /// The lab's name server.
    pub(super) fn name_server(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base + 2))
    }

    /// The controller's API.
    pub(super) fn controller_api(&self) -> String {
        format!("http://{}", self.config.controller.listen)
    }

    fn spawn(&mut self, name: &str, args: &[&str], speaks: bool) -> Result<usize, Failure> {
        let failed = |error: io::Error| Failure::unknown(format!("{name} does not start: {error}"));
        let log = self.dir.path().join(format!("{name}.log"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command
            .args(args)
            .arg("--config")
            .arg(self.config_path())
            .arg("--with-parent")
            .stdin(Stdio::piped())
            .stdout(if speaks { Stdio::piped() } else { Stdio::null() })
            .stderr(File::create(&log).map_err(failed)?)
            .kill_on_drop(true)
            // Only the lab is to be spoken to, by its own keys, whatever this machine's settings are.
            .env("AWS_ENDPOINT_URL_ROUTE_53", self.lab_api.as_str())
            .env("AWS_ACCESS_KEY_ID", "demo")
            .env("AWS_SECRET_ACCESS_KEY", "demo")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_CONFIG_FILE", self.dir.path().join("no-aws-config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.dir.path().join("no-aws-credentials"))
            .env("NO_PROXY", "127.0.0.0/8");
        for variable in FOREIGN_SETTINGS {
            command.env_remove(variable);
        }
        // A real webhook in this machine's environment must not be told of a made-up outage.
        let secrets = std::env::vars_os().map(|(name, _)| name);
        for name in secrets.filter(|name| name.to_string_lossy().starts_with(SECRET_PREFIX)) {
            command.env_remove(name);
        }
        // Ctrl-C goes to the demo alone, which then ends the others in order.
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn().map_err(failed)?;
        self.processes.push(Process { name: name.to_owned(), child, log });
        Ok(self.processes.len() - 1)
    }

    /// The first line that a process prints: it is ready.
    async fn first_line(&mut self, index: usize) -> Result<Value, Failure> {
        let Some(process) = self.processes.get_mut(index) else {
            return Err(Failure::unknown("a process that was never started"));
        };
        let Some(stdout) = process.child.stdout.take() else {
            return Err(Failure::unknown(format!("{} has no standard output", process.name)));
        };
        let mut line = String::new();
        let read = timeout(READY_WITHIN, BufReader::new(stdout).read_line(&mut line)).await;
        match (read, serde_json::from_str(&line)) {
            (Ok(Ok(_)), Ok(value)) => Ok(value),
            _ => Err(process.failure("did not get ready")),
        }
    }

    /// A process that has ended although nobody told it to.
    pub(super) fn fallen(&mut self) -> Option<Failure> {
        let fallen = self.processes.iter_mut().find_map(|process| match process.child.try_wait() {
            Ok(Some(status)) => Some((process, status)),
            _ => None,
        });
        fallen.map(|(process, status)| process.failure(&format!("ended with {status}")))
    }

    /// What the controller's log says at its end, for a demo that did not come out.
    pub(super) fn log_tail(&self, name: &str) -> String {
        self.processes.iter().find(|process| process.name == name).map(Process::tail).unwrap_or_default()
    }

    /// Ends every process, the last started first, and removes the folder.
    pub(super) async fn stop(mut self) {
        // Standard input closes, which tells each of them; all end at the same time.
        for process in &mut self.processes {
            drop(process.child.stdin.take());
        }
        let until = Instant::now() + END_WITHIN;
        for process in self.processes.iter_mut().rev() {
            let left = until.saturating_duration_since(Instant::now());
            if timeout(left, process.child.wait()).await.is_err() {
                let _ = process.child.kill().await;
            }
        }
    }
}

impl Process {
    fn failure(&self, what: &str) -> Failure {
        Failure::unknown(format!("the demo's process '{}' {what}:\n{}", self.name, self.tail()))
    }

    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(LOG_TAIL)..).unwrap_or_default();
        tail.iter().map(|line| format!("  | {line}\n")).collect()
    }
}

/// Waits until `done` says so, as long as every process lives.
pub(super) async fn until<T>(
    world: &mut World,
    within: Duration,
    what: &str,
    mut done: impl AsyncFnMut(&World) -> Option<T>,
) -> Result<T, Failure> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = done(world).await {
            return Ok(value);
        }
        if let Some(failure) = world.fallen() {
            return Err(failure);
        }
        if Instant::now() >= deadline {
            let log = world.log_tail("controller");
            return Err(Failure::unknown(format!("{what} did not happen within {} s:\n{log}", within.as_secs())));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn write_files(dir: &Path, base: u16, zone: &str) -> Result<(), Failure> {
    let placed = |text: &str| {
        (0..PORTS).fold(text.replace(EXAMPLE_ZONE, zone), |text, offset| {
            text.replace(&format!(":{}", EXAMPLE_BASE + offset), &format!(":{}", base + offset))
        })
    };
    let config = placed(CONFIG).replace("../../checks", "checks");
    let files = [
        ("quorate.toml", config),
        ("secrets.toml", placed(SECRETS)),
        ("policies/demo.toml", POLICY.to_owned()),
        ("checks/login.rhai", CHECK.to_owned()),
    ];
    for (name, text) in files {
        let path = dir.join(name);
        let written =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
        written.map_err(|error| Failure::unknown(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

fn read(dir: &Path) -> Result<Config, Failure> {
    crate::cli::compose::config_of_files(&dir.join("quorate.toml"))
}

/// Whether all of the demo's ports are free from `base` on.
fn free(base: u16) -> Result<(), Failure> {
    if base.checked_add(PORTS).is_none() || base == 0 {
        return Err(Failure::usage(format!("--port-base {base}: choose one from 1 to {}", u16::MAX - PORTS)));
    }
    let taken = |port: u16, error: &io::Error, host: &str| {
        let hint = if error.kind() == io::ErrorKind::AddrNotAvailable {
            "this machine has only one loopback address; give it more (macOS: sudo ifconfig lo0 alias 127.0.0.11 up, and 127.0.0.12)"
        } else {
            "choose another --port-base, or leave it out and a free one is found"
        };
        Failure::usage(format!("the demo cannot use port {port} on {host}: {error}; {hint}"))
    };
    for (host, offset) in [("127.0.0.1", 0), ("127.0.0.1", 1), ("127.0.0.1", 2), ("127.0.0.11", 3), ("127.0.0.12", 3)]
    {
        let port = base + offset;
        TcpListener::bind((host, port)).map_err(|error| taken(port, &error, host))?;
    }
    UdpSocket::bind(("127.0.0.1", base + 2)).map_err(|error| taken(base + 2, &error, "127.0.0.1"))?;
    Ok(())
}

/// A free base. The search begins at a place that differs between processes, so that two demos at once do not race for one.
fn free_base() -> Result<u16, Failure> {
    let start = u16::try_from(std::process::id() % u32::from(BASES)).unwrap_or(0);
    let mut last = None;
    for offset in 0..BASES {
        let base = BASE_MIN + (start + offset) % BASES * BASE_STEP;
        match free(base) {
            Ok(()) => return Ok(base),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::unknown("no free ports")))
}
