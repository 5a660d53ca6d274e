//! What a check does on the wire, case by case, against servers that answer as the case wants it. Most cases are scripts that compare what
//! the server saw; what a script cannot see is asserted here.

/// Bodies in every coding and size, whole and broken.
mod bodies;
/// Cookies as RFC 6265 has them.
mod cookies;
/// Many probes at a time, and those that are dropped.
mod crowd;
/// What a script may do, and how it ends when it does more.
mod limits;
/// Names, addresses, and whom a check may ask.
mod names;
/// The table "How a probe ends", row by row.
mod outcomes;
/// Proxies, credentials, and bodies in parts.
mod proxies;
/// Redirects.
mod redirects;
/// Steps, cleaning up, measures, and files that checks share.
mod steps;
/// Recordings.
mod tapes;
/// Certificates.
mod tls;
/// Support: servers over TLS and HTTP/2.
mod tls_servers;
/// HTTP/1.1 and HTTP/2, and connections that are used again.
mod versions;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use quorate::adapters::script::{CheckScript, Limits, Mode, ModuleScript, Reach, RhaiRunner, Run};
use quorate::domain::{CheckName, FailureKind, Outcome, ProbeReport, Role, Secret, Secrets};
use quorate::ports::{ProbeRequest, Resolution};
use url::Url;

use super::servers::{self, Request, Server};

/// A deadline that no case reaches.
pub(super) const LONG: Duration = Duration::from_secs(20);
/// How long after its deadline a probe may return on a machine that is busy with other tests.
pub(super) const SLACK: Duration = Duration::from_millis(700);
/// What every script of these cases can use.
const PRELUDE: &str = "fn same(got, wanted) { if got != wanted { fail(`wanted '${wanted}', got '${got}'`); } } ";

/// A check under construction.
pub(super) struct Check {
    script: CheckScript,
    library: Vec<ModuleScript>,
    deadline: Duration,
    resolution: Resolution,
    mode: Mode,
}

/// A check with this script.
pub(super) fn check(source: &str) -> Check {
    let script = CheckScript {
        name: CheckName::new("case").unwrap(),
        path: PathBuf::from("checks/case.rhai"),
        source: format!("{PRELUDE}{source}"),
        params: BTreeMap::new(),
        secrets: Secrets::default(),
        reach: Reach::default(),
        limits: Limits::default(),
    };
    Check { script, library: Vec::new(), deadline: LONG, resolution: Resolution::System, mode: Mode::default() }
}

impl Check {
    pub(super) fn param(mut self, name: &str, value: impl ToString) -> Self {
        self.script.params.insert(name.to_owned(), value.to_string());
        self
    }

    pub(super) fn secret(mut self, name: &str, value: &str) -> Self {
        self.script.secrets = [(name.to_owned(), Secret::new(value))].into_iter().collect();
        self
    }

    /// Further hosts that it may ask.
    pub(super) fn reaching(mut self, hosts: &[&str]) -> Self {
        self.script.reach = Reach::new(hosts.iter().map(|host| (*host).to_owned()));
        self
    }

    pub(super) fn limited(mut self, limits: Limits) -> Self {
        self.script.limits = limits;
        self
    }

    pub(super) fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// All names are resolved by this server.
    pub(super) fn asking(mut self, server: SocketAddr) -> Self {
        self.resolution = Resolution::Through(server);
        self
    }

    /// A file that checks share.
    pub(super) fn with_file(mut self, name: &str, source: &str) -> Self {
        let path = PathBuf::from(format!("checks/{name}.rhai"));
        self.library.push(ModuleScript { name: name.to_owned(), path, source: source.to_owned() });
        self
    }

    pub(super) fn in_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    pub(super) fn runner(&self) -> RhaiRunner {
        RhaiRunner::with_library(vec![self.script.clone()], self.library.clone()).expect("compiles")
    }

    pub(super) fn request(&self, target: &str) -> ProbeRequest {
        ProbeRequest {
            check: self.script.name.clone(),
            target: Url::parse(target).unwrap(),
            role: Role::Primary,
            vantage: None,
            deadline: self.deadline,
            resolution: self.resolution.clone(),
        }
    }

    /// Probes the target.
    pub(super) async fn at(self, target: impl AsRef<str>) -> ProbeReport {
        self.run_at(target.as_ref()).await.report
    }

    /// The same, with what was recorded.
    pub(super) async fn run_at(self, target: &str) -> Run {
        self.runner().run_as(&self.request(target), self.mode.clone()).await
    }
}

pub(super) fn reason(report: &ProbeReport) -> &str {
    report.reason.as_deref().unwrap_or_default()
}

#[track_caller]
pub(super) fn passes(report: &ProbeReport) {
    assert_eq!((report.outcome, reason(report)), (Outcome::Pass, ""), "{report:?}");
}

#[track_caller]
pub(super) fn fails(report: &ProbeReport, kind: FailureKind, saying: &str) {
    assert_eq!((report.outcome, report.kind), (Outcome::Fail, Some(kind)), "{report:?}");
    assert!(reason(report).contains(saying), "{:?} does not say {saying:?}", reason(report));
}

#[track_caller]
pub(super) fn inconclusive(report: &ProbeReport, saying: &str) {
    assert_eq!((report.outcome, report.kind), (Outcome::Inconclusive, None), "{report:?}");
    assert!(reason(report).contains(saying), "{:?} does not say {saying:?}", reason(report));
}

/// Whether this is a process of its own for the test of that name. If not, it starts one, in which only that test runs, and waits for it:
/// what a process holds, or how many threads it has, can only be told where no other test runs.
#[track_caller]
pub(super) fn alone(test: &str) -> bool {
    const MARK: &str = "QUORATE_TEST_ALONE";
    #[expect(clippy::disallowed_methods, reason = "how a test tells its own process what it is there for")]
    let is_alone = std::env::var(MARK).is_ok();
    if !is_alone {
        let mut own = Command::new(std::env::current_exe().unwrap());
        let output = own.args([test, "--exact", "--nocapture"]).env(MARK, "1").output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        println!("{said}");
    }
    is_alone
}

/// A number of `/proc/self/status`, such as `VmRSS` in KiB or `Threads`.
pub(super) fn own(what: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// A server that writes to each connection as the closure says, before or after it has read what it likes.
pub(super) struct Raw {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Raw {
    /// Starts it; the closure is told the number of the connection, from 1.
    pub(super) fn start(talk: impl Fn(&mut TcpStream, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, talk) = (Arc::clone(&connections), Arc::new(talk));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let talk = Arc::clone(&talk);
                thread::spawn(move || talk(&mut stream, number));
            }
        });
        Self { address, connections }
    }

    /// One that reads a request, writes these bytes, and hangs up.
    pub(super) fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |stream, _| {
            let _ = servers::read(stream);
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            // Hanging up with something unread would reset the connection.
            let _ = stream.read(&mut [0; 64]);
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many have connected.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A server that sets the cookies of the request's header `x-set` (separated by `|`), and answers with the cookies that it was sent.
pub(super) fn cookie_server() -> Server {
    Server::start(|request, stream| {
        let lines: Vec<String> = set_lines(request);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        servers::respond(stream, 200, &lines, request.header("cookie"));
    })
}

fn set_lines(request: &Request) -> Vec<String> {
    let wanted = request.header("x-set").split('|').filter(|text| !text.is_empty());
    wanted.map(|text| format!("set-cookie: {text}")).collect()
}
