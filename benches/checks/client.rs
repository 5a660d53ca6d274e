//! The clients: the check as agents run it, and the least that Rust can do for the same flow.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use quorate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner};
use quorate::domain::{CheckName, Outcome, Role, Secrets};
use quorate::ports::{ProbeRequest, ProbeRunner as _, Resolution};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

/// Runs the flows and prints the processor time in microseconds and the memory in bytes that they took.
pub(crate) fn run(kind: &str, base: &str, flows: usize, width: usize, ca: Option<&str>) {
    let (before, most, done) = (memory(), Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let watcher = {
        let (most, done) = (Arc::clone(&most), Arc::clone(&done));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(memory(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
            }
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match kind {
        "check" => check(&runtime, base, flows, width, ca),
        "bare" => bare(&runtime, base, flows, width, ca),
        other => panic!("no client '{other}'"),
    }
    most.fetch_max(memory(), Ordering::Relaxed);
    done.store(true, Ordering::Relaxed);
    watcher.join().unwrap();
    println!("{} {}", processor_us(), most.load(Ordering::Relaxed) - before);
}

fn check(runtime: &tokio::runtime::Runtime, base: &str, flows: usize, width: usize, ca: Option<&str>) {
    // The authority of the test is found through the environment, where this machine's own are found, too.
    let _ = ca;
    let name = CheckName::new("login").unwrap();
    let script = CheckScript {
        name: name.clone(),
        path: PathBuf::from("login.rhai"),
        source: include_str!("login.rhai").to_owned(),
        params: BTreeMap::new(),
        secrets: Secrets::default(),
        reach: Reach::default(),
        limits: Limits::default(),
    };
    let runner = Arc::new(RhaiRunner::new(vec![script]).unwrap());
    let request = Arc::new(ProbeRequest {
        check: name,
        target: Url::parse(base).unwrap(),
        role: Role::Primary,
        vantage: None,
        deadline: Duration::from_secs(120),
        resolution: Resolution::System,
    });
    all(runtime, flows, width, move || {
        let (runner, request) = (Arc::clone(&runner), Arc::clone(&request));
        async move {
            let report = runner.run(&request).await;
            assert!(report.outcome == Outcome::Pass, "{report:?}");
        }
    });
}

fn bare(runtime: &tokio::runtime::Runtime, base: &str, flows: usize, width: usize, ca: Option<&str>) {
    let url = Url::parse(base).unwrap();
    let port = url.port().unwrap();
    let tls = ca.map(|ca| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        TlsConnector::from(Arc::new(config))
    });
    all(runtime, flows, width, move || {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.set_nodelay(true).unwrap();
            match tls {
                None => bare_flow(stream).await,
                Some(tls) => {
                    bare_flow(tls.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()).await
                }
            }
        }
    });
}

#[expect(clippy::disallowed_methods, reason = "nothing outlives a bench")]
async fn bare_flow<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let form = Request::get("/login").header("host", "localhost").body(Full::new(Bytes::new())).unwrap();
    let answer = sender.send_request(form).await.unwrap();
    let cookie = first_pair(&answer);
    let page = answer.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&page).unwrap();
    let token = text.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let body = format!("csrf_token={token}&username=probe&password=correct+horse");
    let login = Request::post("/login")
        .header("host", "localhost")
        .header("cookie", &cookie)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let answer = sender.send_request(login).await.unwrap();
    let session = first_pair(&answer);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    answer.into_body().collect().await.unwrap();
    sender.ready().await.unwrap();
    let home = Request::get(location)
        .header("host", "localhost")
        .header("cookie", format!("{cookie}; {session}"))
        .body(Full::new(Bytes::new()))
        .unwrap();
    let page = sender.send_request(home).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&page).unwrap().contains("id=\"user\""));
    drop(sender);
    let _ = driver.await;
}

fn first_pair<B>(answer: &http::Response<B>) -> String {
    answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

/// So many flows, so many at a time.
#[expect(clippy::disallowed_methods, reason = "nothing outlives a bench")]
fn all<F, W>(runtime: &tokio::runtime::Runtime, flows: usize, width: usize, flow: F)
where
    F: Fn() -> W + Send + Sync + Clone + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let started = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let mut lanes = Vec::new();
        for _ in 0..width {
            let (flow, started) = (flow.clone(), Arc::clone(&started));
            lanes.push(tokio::spawn(async move {
                while started.fetch_add(1, Ordering::Relaxed) < flows {
                    flow().await;
                }
            }));
        }
        for lane in lanes {
            lane.await.unwrap();
        }
    });
}

/// The memory that this process has, in bytes.
fn memory() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap() * 4096
}

/// The processor time of this process, in microseconds, to a hundredth of a second.
fn processor_us() -> i64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<i64>().unwrap() + fields[12].parse::<i64>().unwrap()) * 10_000
}
