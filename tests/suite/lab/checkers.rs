//! What sixteen checkers make of endpoints of every kind, and health checks that change.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_sdk_route53::types::{HealthCheckConfig, HealthCheckType, ResettableElementName};
use quorate::lab::{CheckState, LabOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::*;

/// Often enough that a test need not wait, seldom enough that sixteen checkers of several checks leave the machine alone.
const OFTEN: Duration = Duration::from_millis(100);
/// A check that has not come round by then will not.
const LIMIT: Duration = Duration::from_secs(30);

async fn quick() -> Bench {
    let health_check_interval = Some(OFTEN);
    Bench::with(LabOptions { propagation: Duration::ZERO, health_check_interval, ..LabOptions::default() }).await
}

/// A server that answers every request with these bytes, whatever it was.
struct Endpoint {
    address: SocketAddr,
    _closing: DropGuard,
}

async fn endpoint(answer: &str, tls: bool) -> Endpoint {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
    let answer: Arc<[u8]> = answer.as_bytes().into();
    let acceptor = tls.then(|| TlsAcceptor::from(Arc::new(untrusted())));
    let connections = tasks.clone();
    tasks.spawn(closing.clone().run_until_cancelled_owned(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (answer, acceptor) = (Arc::clone(&answer), acceptor.clone());
            connections.spawn(async move {
                match acceptor {
                    None => say(tcp, &answer).await,
                    Some(acceptor) => match acceptor.accept(tcp).await {
                        Ok(tls) => say(tls, &answer).await,
                        Err(_) => None,
                    },
                }
            });
        }
    }));
    Endpoint { address, _closing: closing.drop_guard() }
}

async fn say(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> Option<()> {
    let mut request = [0; 1024];
    // The beginning of a request is enough.
    let _ = stream.read(&mut request).await.ok()?;
    stream.write_all(answer).await.ok()?;
    stream.shutdown().await.ok()
}

/// A certificate that nobody vouches for, of a name that nobody asks for.
fn untrusted() -> ServerConfig {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["nobody.invalid".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap()
}

fn of(kind: HealthCheckType, port: u16) -> aws_sdk_route53::types::builders::HealthCheckConfigBuilder {
    HealthCheckConfig::builder()
        .r#type(kind)
        .ip_address("127.0.0.1")
        .port(port.into())
        .request_interval(10)
        .failure_threshold(1)
}

async fn create(bench: &Bench, config: HealthCheckConfig) -> Result<String, String> {
    static REFERENCES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let reference = REFERENCES.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
    let request = bench.client.create_health_check().caller_reference(reference).health_check_config(config);
    match request.send().await {
        Ok(made) => Ok(made.health_check().unwrap().id().to_owned()),
        Err(error) => Err(error.into_service_error().meta().message().unwrap_or_default().to_owned()),
    }
}

fn state(bench: &Bench, id: &str) -> CheckState {
    bench.lab.health().into_iter().find(|check| check.id == id).unwrap()
}

/// Waits until so many checkers say healthy, and that makes the check this.
async fn settled(bench: &Bench, id: &str, checkers: usize, healthy: bool) {
    let reached = async {
        loop {
            let now = state(bench, id);
            if (now.checkers_healthy, now.healthy) == (Some(checkers), healthy) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let reached = tokio::time::timeout(LIMIT, reached).await;
    assert!(reached.is_ok(), "{:?} is not {checkers} of 16 and {healthy}", state(bench, id));
}

/// Waits until every checker has a result, and returns their words and regions.
async fn words(bench: &Bench, id: &str) -> Vec<(String, String)> {
    loop {
        let status = bench.client.get_health_check_status().health_check_id(id).send().await.unwrap();
        let seen = status.health_check_observations();
        if seen.len() == 16 {
            return seen
                .iter()
                .map(|one| {
                    let status = one.status_report().unwrap().status().unwrap().to_owned();
                    (one.region().unwrap().as_str().to_owned(), status)
                })
                .collect();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn each_kind_of_check_passes_and_fails_by_what_it_looks_at() {
    let bench = quick().await;
    let (ok, away) =
        (endpoint(OK, false).await, endpoint("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", false).await);
    let sick = endpoint("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nhello", false).await;
    let (tls, noise) = (endpoint(OK, true).await, endpoint("220 hello\r\n", false).await);
    let long = |before: usize| {
        let body = format!("{}needle", "x".repeat(before));
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let (within, beyond) = (endpoint(&long(5_114), false).await, endpoint(&long(5_115), false).await);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cases = [
        (of(HealthCheckType::Http, ok.address.port()), Ok("HTTP Status Code 200, OK")),
        (of(HealthCheckType::Http, away.address.port()), Ok("302, Found")),
        (of(HealthCheckType::Http, sick.address.port()), Err("503, Service Unavailable")),
        (of(HealthCheckType::Http, noise.address.port()), Err("no HTTP")),
        (of(HealthCheckType::Http, closed.port()), Err("Resolved IP: 127.0.0.1. No connection")),
        (of(HealthCheckType::Https, tls.address.port()), Ok("200, OK")),
        (of(HealthCheckType::Https, ok.address.port()), Err("TLS handshake")),
        (of(HealthCheckType::HttpsStrMatch, tls.address.port()).search_string("hello"), Ok("Search string found")),
        (of(HealthCheckType::HttpStrMatch, ok.address.port()).search_string("Hello"), Err("Search string not found")),
        (of(HealthCheckType::HttpStrMatch, sick.address.port()).search_string("hello"), Err("503")),
        (of(HealthCheckType::HttpStrMatch, within.address.port()).search_string("needle"), Ok("Search string found")),
        (of(HealthCheckType::HttpStrMatch, beyond.address.port()).search_string("needle"), Err("not found")),
        (of(HealthCheckType::Tcp, noise.address.port()), Ok("TCP connection established")),
        (of(HealthCheckType::Tcp, closed.port()), Err("No connection")),
        (of(HealthCheckType::Http, 80).ip_address("192.0.2.1"), Err("this machine only")),
        (
            HealthCheckConfig::builder().r#type(HealthCheckType::Http).fully_qualified_domain_name("nobody.invalid"),
            Err("DNS resolution failed"),
        ),
    ];
    for (config, wanted) in cases {
        let config = config.build().unwrap();
        let about = format!("{config:?}");
        let id = create(&bench, config).await.unwrap();
        let words = words(&bench, &id).await;
        let (passes, text) = match wanted {
            Ok(text) => ("Success", text),
            Err(text) => ("Failure", text),
        };
        assert!(words.iter().all(|(_, said)| said.starts_with(passes) && said.contains(text)), "{about}: {words:?}");
        bench.client.delete_health_check().health_check_id(&id).send().await.unwrap();
    }
}

#[tokio::test]
async fn sixteen_checkers_in_eight_regions_turn_one_by_one_and_the_check_with_them() {
    let bench = quick().await;
    let ok = endpoint(OK, false).await;
    let port = ok.address.port();
    let id = create(&bench, of(HealthCheckType::Http, port).failure_threshold(2).build().unwrap()).await.unwrap();
    let mut regions: Vec<String> = words(&bench, &id).await.into_iter().map(|(region, _)| region).collect();
    regions.sort();
    regions.dedup();
    assert_eq!((regions.len(), state(&bench, &id).healthy), (8, true));
    drop(ok);
    // On the way down the sum is right whatever it is: more than 18 % of sixteen are three.
    let down = async {
        loop {
            let now = state(&bench, &id);
            assert_eq!(now.healthy, now.checkers_healthy.unwrap() >= 3, "{now:?}");
            if now.checkers_healthy == Some(0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LIMIT, down).await.unwrap();
    let failed = bench.client.get_health_check_last_failure_reason().health_check_id(&id).send().await.unwrap();
    assert_eq!(failed.health_check_observations().len(), 16);
}

#[tokio::test]
async fn a_host_is_where_the_labs_own_zones_say() {
    let bench = quick().await;
    let ok = endpoint(OK, false).await;
    bench.lab.create_record(&bench.zone, "flags.example.com", "A", 60, &["127.0.0.1"]).unwrap();
    let by_name = HealthCheckConfig::builder()
        .r#type(HealthCheckType::HttpStrMatch)
        .fully_qualified_domain_name("flags.example.com")
        .port(ok.address.port().into())
        .search_string("hello")
        .inverted(true)
        .failure_threshold(1);
    let id = create(&bench, by_name.build().unwrap()).await.unwrap();
    // Inverted: taken for unhealthy until there is data, and with the string there, too.
    assert!(!state(&bench, &id).healthy);
    assert!(words(&bench, &id).await.iter().all(|(_, said)| said.contains("Search string found")));
    settled(&bench, &id, 16, false).await;
    drop(ok);
    settled(&bench, &id, 0, true).await;
}

#[tokio::test]
async fn a_calculated_check_counts_its_children_and_disabled_ones_are_healthy() {
    let bench = quick().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ok = endpoint(OK, false).await;
    let up = create(&bench, of(HealthCheckType::Http, ok.address.port()).build().unwrap()).await.unwrap();
    let down = create(&bench, of(HealthCheckType::Http, closed).build().unwrap()).await.unwrap();
    let off = create(&bench, of(HealthCheckType::Http, closed).disabled(true).build().unwrap()).await.unwrap();
    let off_inverted = of(HealthCheckType::Http, closed).disabled(true).inverted(true).build().unwrap();
    let off_inverted = create(&bench, off_inverted).await.unwrap();
    settled(&bench, &down, 0, false).await;
    assert_eq!((state(&bench, &off).healthy, state(&bench, &off_inverted).healthy), (true, false));
    let calculated = async |threshold: i32| {
        let children = vec![up.clone(), down.clone(), off.clone()];
        let config = HealthCheckConfig::builder()
            .r#type(HealthCheckType::Calculated)
            .set_child_health_checks(Some(children))
            .health_threshold(threshold);
        create(&bench, config.build().unwrap()).await.unwrap()
    };
    for (threshold, healthy) in [(0, true), (2, true), (3, false), (4, false)] {
        let id = calculated(threshold).await;
        assert_eq!(state(&bench, &id).healthy, healthy, "{threshold} of 3");
        let status = bench.client.get_health_check_status().health_check_id(&id).send().await;
        assert!(status.unwrap_err().into_service_error().is_invalid_input());
    }
    let nested = HealthCheckConfig::builder()
        .r#type(HealthCheckType::Calculated)
        .child_health_checks(calculated(1).await)
        .health_threshold(1);
    assert!(create(&bench, nested.build().unwrap()).await.unwrap_err().contains("itself CALCULATED"));
}

#[tokio::test]
async fn an_update_of_another_version_is_refused_and_one_of_this_version_counts() {
    let bench = quick().await;
    let (one, other) = (endpoint(OK, false).await, endpoint(OK, false).await);
    let id = create(&bench, of(HealthCheckType::Http, one.address.port()).build().unwrap()).await.unwrap();
    let update = || bench.client.update_health_check().health_check_id(&id);
    let made = update().health_check_version(1).inverted(true).resource_path("/x").send().await.unwrap();
    let made = made.health_check().unwrap().clone();
    let config = made.health_check_config().unwrap();
    assert_eq!((made.health_check_version(), config.inverted(), config.resource_path()), (2, Some(true), Some("/x")));
    assert!(!state(&bench, &id).healthy);

    let stale = update().health_check_version(1).inverted(false).send().await.unwrap_err();
    assert_eq!(stale.raw_response().map(|response| response.status().as_u16()), Some(409));
    assert!(stale.into_service_error().is_health_check_version_mismatch());
    assert_eq!(state(&bench, &id).version, 2);

    // Without a version it overwrites; the checkers turn to the new endpoint.
    drop(one);
    settled(&bench, &id, 0, true).await;
    let moved = update().port(other.address.port().into()).inverted(false);
    let reset = moved.reset_elements(ResettableElementName::ResourcePath).send().await.unwrap();
    assert_eq!(reset.health_check().unwrap().health_check_config().unwrap().resource_path(), None);
    settled(&bench, &id, 16, true).await;
    assert_eq!(state(&bench, &id).version, 3);

    let foreign = update().health_threshold(1).send().await.unwrap_err().into_service_error();
    assert!(foreign.is_invalid_input(), "{foreign:?}");
    let gone = bench.client.update_health_check().health_check_id("nobody").send().await.unwrap_err();
    assert!(gone.into_service_error().is_no_such_health_check());
}

#[tokio::test]
async fn settings_outside_the_documented_limits_are_refused_with_their_name() {
    let bench = quick().await;
    let http = || of(HealthCheckType::Http, 80);
    let cases = [
        (http().request_interval(20), "'RequestInterval'"),
        (http().failure_threshold(11), "'FailureThreshold'"),
        (http().search_string("x"), "'SearchString'"),
        (of(HealthCheckType::HttpStrMatch, 80), "'SearchString'"),
        (of(HealthCheckType::HttpStrMatch, 80).search_string("x".repeat(256)), "255 characters"),
        (http().regions("us-east-1".into()), "'Regions'"),
        (http().health_threshold(1), "'HealthThreshold'"),
        (http().ip_address("somewhere"), "'IPAddress'"),
        (HealthCheckConfig::builder().r#type(HealthCheckType::Http), "'IPAddress' or 'FullyQualifiedDomainName'"),
        (HealthCheckConfig::builder().r#type(HealthCheckType::Tcp).ip_address("127.0.0.1"), "'Port'"),
        (HealthCheckConfig::builder().r#type(HealthCheckType::Calculated), "'HealthThreshold'"),
        (HealthCheckConfig::builder().r#type(HealthCheckType::CloudwatchMetric), "no health checks of type"),
    ];
    for (config, named) in cases {
        let error = create(&bench, config.build().unwrap()).await.unwrap_err();
        assert!(error.contains(named), "{named}: {error}");
    }
    assert_eq!(bench.lab.health(), []);
}
