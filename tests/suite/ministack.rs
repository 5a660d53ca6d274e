//! ministack, an AWS emulator whose Route 53 matches a DELETE exactly, as the real one does. One process for all tests of a
//! run, on loopback; each test has a zone of its own in it.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::OnceCell;
use url::Url;

use super::python;

/// The version that the battery was measured against.
const REQUIREMENT: &str = "ministack==1.5.33";

/// Runs ministack until standard input ends. The pipe is held by the test process, so the emulator ends with it, however that ends.
const RUN_WHILE_HELD: &str = "\
import os, runpy, sys, threading
def watch():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
sys.argv = ['ministack']
runpy.run_module('ministack', run_name='__main__')
";

/// How long it may take to start, on a machine that is busy compiling.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Somebody else may take the port between our looking and its binding.
const STARTS: usize = 3;

/// A running emulator.
pub(crate) struct Ministack {
    child: Child,
    url: Url,
}

impl Ministack {
    /// The one of this test run.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<Ministack> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    async fn start() -> Self {
        let python = tokio::task::spawn_blocking(|| python::interpreter_with(REQUIREMENT)).await.unwrap();
        for _ in 0..STARTS {
            if let Some(running) = Self::try_start(&python).await {
                return running;
            }
        }
        panic!("ministack does not start; see ministack.log in {}", env!("CARGO_TARGET_TMPDIR"));
    }

    async fn try_start(python: &Path) -> Option<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let log = File::create(directory.join("ministack.log")).unwrap();
        let child = Command::new(python)
            .args(["-c", RUN_WHILE_HELD])
            // It listens on all interfaces unless told otherwise.
            .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string()), ("SERVICES", "route53")])
            .env("TMPDIR", directory)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let mut running = Self { child, url };
        let ready = tokio::time::timeout(START_LIMIT, running.ready()).await;
        matches!(ready, Ok(true)).then_some(running)
    }

    /// Whether it answers; false when it has ended.
    async fn ready(&mut self) -> bool {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let health = self.url.join("_ministack/health").unwrap();
        loop {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if client.get(health.clone()).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
