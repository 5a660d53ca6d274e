//! Emulators of AWS that nobody here wrote, from PyPI: one process of each for all tests of a run, on loopback; each test has a
//! zone of its own in it.
//!
//! ministack matches a DELETE exactly, as the real service does. moto compares with every change that it ever took, so it
//! cannot show what fences a stale writer off; it is asked for everything else.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::OnceCell;
use url::Url;

use super::python;

/// How an emulator is started, and seen to be ready. The versions are those that the battery was measured against.
struct Kind {
    name: &'static str,
    requirement: &'static str,
    /// Python that runs it on the port of `EMULATOR_PORT`, on loopback only.
    run: &'static str,
    health: &'static str,
}

const MINISTACK: Kind = Kind {
    name: "ministack",
    requirement: "ministack==1.5.33",
    // It listens on all interfaces unless told otherwise.
    run: "\
os.environ.update(BIND_HOST='127.0.0.1', GATEWAY_PORT=os.environ['EMULATOR_PORT'], SERVICES='route53,sts,iam,s3,ec2')
sys.argv = ['ministack']
runpy.run_module('ministack', run_name='__main__')
",
    health: "_ministack/health",
};

const MOTO: Kind = Kind {
    name: "moto",
    requirement: "moto[s3,server]==5.2.5",
    run: "\
from moto.server import main
main(['-H', '127.0.0.1', '-p', os.environ['EMULATOR_PORT']])
",
    health: "moto-api/data.json",
};

/// Ends the process with its standard input. The pipe is held by the test process, so the emulator ends with it, however
/// that ends.
const WHILE_HELD: &str = "\
import os, runpy, sys, threading
def watch():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
";

/// How long it may take to start, on a machine that is busy compiling.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Somebody else may take the port between our looking and its binding.
const STARTS: usize = 3;

/// A running emulator.
pub(crate) struct Emulator {
    child: Child,
    url: Url,
}

impl Emulator {
    /// The ministack of this test run.
    pub(crate) async fn ministack() -> &'static Self {
        static SHARED: OnceCell<Emulator> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(&MINISTACK)).await
    }

    /// The moto of this test run.
    pub(crate) async fn moto() -> &'static Self {
        static SHARED: OnceCell<Emulator> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(&MOTO)).await
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    async fn start(kind: &'static Kind) -> Self {
        let python = tokio::task::spawn_blocking(|| python::interpreter_with(kind.requirement)).await.unwrap();
        for _ in 0..STARTS {
            if let Some(running) = Self::try_start(kind, &python).await {
                return running;
            }
        }
        panic!("{0} does not start; see {0}.log in {1}", kind.name, env!("CARGO_TARGET_TMPDIR"));
    }

    async fn try_start(kind: &Kind, python: &Path) -> Option<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let log = File::create(directory.join(format!("{}.log", kind.name))).unwrap();
        let child = Command::new(python)
            .args(["-c", &format!("{WHILE_HELD}{}", kind.run)])
            .env("EMULATOR_PORT", port.to_string())
            .env("TMPDIR", directory)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let mut running = Self { child, url };
        let ready = tokio::time::timeout(START_LIMIT, running.ready(kind.health)).await;
        matches!(ready, Ok(true)).then_some(running)
    }

    /// Whether it answers; false when it has ended.
    async fn ready(&mut self, health: &str) -> bool {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let health = self.url.join(health).unwrap();
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

impl Drop for Emulator {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
