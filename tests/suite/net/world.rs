//! Support: a probe of a script, certificates made at run time, servers from PyPI, and servers that misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use quorate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner};
use quorate::domain::{CheckName, FailureKind, ProbeReport, RequestRecord, Role, Secret, Secrets};
use quorate::ports::{ProbeRequest, ProbeRunner, Resolution};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

pub(crate) use crate::suite::language::{assert_fails, assert_inconclusive, assert_passes, reason};
use crate::suite::python::interpreter_with;
use crate::suite::servers::{Server, respond};

pub(crate) const LONG: Duration = Duration::from_secs(20);
/// How long after its deadline a probe may return on a machine that is busy with other tests.
const SLACK_MS: u128 = 700;
/// What the scripts may ask besides 127.0.0.1, where their target is.
const REACH: [&str; 4] = ["localhost", "*.example.test", "169.254.169.254", "0.0.0.0"];

/// How long a probe of a server that misbehaves may take: what is expected to end by its deadline ends soon, and anything else well before.
pub(crate) fn patience(kind: FailureKind) -> Duration {
    if kind == FailureKind::Timeout { Duration::from_secs(1) } else { Duration::from_secs(20) }
}

/// What the mail server's user logs in with; the signs would show a mistake in quoting.
pub(crate) const USER: &str = "ada";
pub(crate) const PASSWORD: &str = "zanz \"bar\\ h<rse=1";

/// A probe of this script.
pub(crate) async fn run(source: &str, params: &[(&str, &str)]) -> ProbeReport {
    run_for(source, params, LONG).await
}

pub(crate) async fn run_for(source: &str, params: &[(&str, &str)], deadline: Duration) -> ProbeReport {
    run_through(source, params, deadline, Resolution::System).await
}

pub(crate) async fn run_through(
    source: &str,
    params: &[(&str, &str)],
    deadline: Duration,
    resolution: Resolution,
) -> ProbeReport {
    let target = Server::start(|_, stream| respond(stream, 200, &[], "hello"));
    run_at(&target, source, params, deadline, resolution).await
}

/// The same against this target.
pub(crate) async fn run_with(target: &Server, source: &str, params: &[(&str, &str)]) -> ProbeReport {
    run_at(target, source, params, LONG, Resolution::System).await
}

async fn run_at(
    target: &Server,
    source: &str,
    params: &[(&str, &str)],
    deadline: Duration,
    resolution: Resolution,
) -> ProbeReport {
    let script = CheckScript {
        name: CheckName::new("test").expect("a name"),
        path: PathBuf::from("checks/test.rhai"),
        source: source.to_owned(),
        params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        secrets: [("password".to_owned(), Secret::new(PASSWORD))].into_iter().collect::<Secrets>(),
        reach: Reach::new(REACH.map(str::to_owned)),
        limits: Limits::default(),
    };
    let request = ProbeRequest {
        check: CheckName::new("test").expect("a name"),
        target: target.url(),
        role: Role::Standby,
        vantage: None,
        deadline,
        resolution,
    };
    let runner = RhaiRunner::new(vec![script]).unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
    runner.run(&request).await
}

#[track_caller]
pub(crate) fn assert_in_time(report: &ProbeReport, deadline: Duration) {
    assert!(u128::from(report.duration_ms) < deadline.as_millis() + SLACK_MS, "{report:?}");
}

/// What the timeline says of everything that was asked: how it ended, what was done, and of what, with `PORT` for any port.
pub(crate) fn rows(report: &ProbeReport) -> Vec<String> {
    let row = |record: &RequestRecord| {
        let said = record.said.as_deref().unwrap_or("no answer");
        let (scheme, rest) = record.url.split_once("://").unwrap_or_default();
        let (place, path) =
            rest.split_once('/').map_or((rest, String::new()), |(place, path)| (place, format!("/{path}")));
        let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
        format!("{said} | {} {} {scheme}://{host}:PORT{path}", record.protocol.as_str(), record.method)
    };
    report.requests.iter().map(row).collect()
}

/// An authority of this test's own, and the certificates that it gives out.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    folder: TempDir,
}

/// A certificate and its key as files.
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("The test's own CA")
    }

    /// One with this name, which must differ for one to be a stranger to the other.
    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem, folder: tempfile::tempdir().expect("a folder") }
    }

    /// Its certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these names, good until 1 January of that year.
    pub(crate) fn issue(&self, names: &[&str], until: i32) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("names");
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        let at = |what: &str| self.folder.path().join(format!("{}-{until}.{what}", names[0].replace('*', "any")));
        let pair = Pair { cert: at("crt"), key: at("key") };
        std::fs::write(&pair.cert, format!("{}{}", cert.pem(), self.pem)).expect("a file");
        std::fs::write(&pair.key, key.serialize_pem()).expect("a file");
        pair
    }
}

/// A server in Python, from this folder; it ends when dropped.
pub(crate) struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
    said: Vec<String>,
}

impl Program {
    /// Starts it, and waits for its first line.
    pub(crate) fn start(file: &str, requirement: &str, args: &[&Path]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/net").join(file);
        let python = if requirement.is_empty() { PathBuf::from("python3") } else { interpreter_with(requirement) };
        let log = std::fs::File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{file}.log")));
        let mut child = Command::new(python)
            .arg(script)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("Python starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut program = Self { child, out, said: Vec::new() };
        program.said = program.line().split_whitespace().map(str::to_owned).collect();
        assert!(!program.said.is_empty(), "{file} does not start; see {file}.log in {}", env!("CARGO_TARGET_TMPDIR"));
        program
    }

    /// The number of that place in its first line.
    pub(crate) fn port(&self, at: usize) -> String {
        self.said[at].clone()
    }

    /// The named number in its first line, which is JSON.
    pub(crate) fn named_port(&self, name: &str) -> String {
        let ports: BTreeMap<String, u16> = serde_json::from_str(&self.said.concat()).expect("ports");
        ports[name].to_string()
    }

    /// Its next line.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("it says something");
        line.trim().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The end of its standard input ends it, its children included.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A listener that does this with each connection.
pub(crate) fn listener(talk: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), talk) = (stream, talk.clone()) else { return };
            thread::spawn(move || talk(stream));
        }
    });
    address
}

/// How a server can be bad at its work, whatever its protocol.
pub(crate) struct Bad {
    pub(crate) refuses: String,
    pub(crate) hangs: String,
    pub(crate) hangs_up: String,
    pub(crate) drips: String,
    pub(crate) babbles: String,
    pub(crate) floods: String,
}

/// One of each, as ports.
pub(crate) fn bad() -> Bad {
    let port = |address: SocketAddr| address.port().to_string();
    let refused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("its address");
    let drip = |mut stream: TcpStream| {
        while stream.write_all(b"2").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    };
    let babble = |mut stream: TcpStream| {
        let _ = stream.write_all(b"%$! no protocol of yours\r\n%$! nor this\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    };
    let flood = |mut stream: TcpStream| while stream.write_all(&[b'2'; 16 * 1024]).is_ok() {};
    Bad {
        refuses: port(refused),
        hangs: port(listener(|mut stream| {
            let _ = stream.read_to_end(&mut Vec::new());
        })),
        hangs_up: port(listener(drop)),
        drips: port(listener(drip)),
        babbles: port(listener(babble)),
        floods: port(listener(flood)),
    }
}
