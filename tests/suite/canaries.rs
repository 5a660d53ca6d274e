//! Canaries: what counts as an answer, how often they are asked, and what agents make of it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use quorate::adapters::canary::NetworkCanaries;
use quorate::domain::{Canaries, Outcome};
use quorate::lab::{Lab, LabOptions};
use quorate::ports::CanaryRunner;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::probing::{Site, agent, assignment, name, runner};
use super::servers::{Server, respond, silent};

const CERTIFICATE: &str = include_str!("../fixtures/tls/self-signed.pem");
const KEY: &str = include_str!("../fixtures/tls/self-signed.key");
/// What anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn canary(status: u16, headers: &'static [&'static str]) -> Server {
    Server::start(move |_, stream| respond(stream, status, headers, ""))
}

/// Where nobody listens.
fn refused() -> Url {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap()
}

fn tcp(url: &Url) -> Url {
    Url::parse(&format!("tcp://127.0.0.1:{}", url.port().unwrap())).unwrap()
}

async fn ask(targets: &[Url], needed: usize) -> Canaries {
    NetworkCanaries::new(targets, needed).unwrap().ask().await
}

#[tokio::test]
async fn as_many_must_answer_as_are_needed_and_the_rest_is_not_waited_for() {
    let (one, two, three) = (canary(204, &[]), canary(204, &[]), canary(204, &[]));
    assert_eq!(ask(&[one.url(), two.url(), three.url()], 2).await, Canaries::Answered);
    assert_eq!(ask(&[refused(), silent(), refused()], 2).await, Canaries::Silent);
    assert_eq!(ask(&[refused(), silent(), three.url()], 2).await, Canaries::Silent);
    assert_eq!(ask(&[refused(), silent(), three.url()], 1).await, Canaries::Answered);
    let begun = Instant::now();
    assert_eq!(ask(&[one.url(), silent(), three.url()], 2).await, Canaries::Answered);
    assert_eq!(ask(&[refused(), silent(), refused()], 2).await, Canaries::Silent);
    assert!(begun.elapsed() < Duration::from_millis(1_500), "one that hangs has 2 s: {:?}", begun.elapsed());
    assert_eq!(ask(&[], 2).await, Canaries::Unasked);
}

#[tokio::test]
async fn an_error_and_a_redirect_are_answers_and_redirects_are_not_followed() {
    let elsewhere = canary(200, &[]);
    let away = format!("location: {}", elsewhere.url());
    let redirect = Server::start(move |_, stream| respond(stream, 302, &[&away], ""));
    let broken = canary(500, &[]);
    assert_eq!(ask(&[redirect.url(), broken.url()], 2).await, Canaries::Answered);
    assert_eq!((redirect.seen().len(), broken.seen().len(), elsewhere.seen().len()), (1, 1, 0));
}

#[tokio::test]
async fn a_connection_is_an_answer_where_only_that_is_asked_for() {
    let listener = silent();
    assert_eq!(ask(&[tcp(&listener)], 1).await, Canaries::Answered);
    assert_eq!(ask(&[tcp(&refused())], 1).await, Canaries::Silent);
}

/// An HTTPS server with a certificate that nobody vouches for; counts the requests that it could read.
fn impostor() -> (Url, Arc<AtomicUsize>) {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = Url::parse(&format!("https://{}/", listener.local_addr().unwrap())).unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream);
            if tls.read(&mut [0; 4_096]).is_ok_and(|read| read > 0) {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = tls.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    (url, served)
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_no_answer() {
    let (url, served) = impostor();
    assert_eq!(ask(std::slice::from_ref(&url), 1).await, Canaries::Silent);
    assert_eq!(served.load(Ordering::SeqCst), 0);
    // It is the certificate alone: whoever trusts it is answered.
    let trusted = reqwest::Certificate::from_pem(CERTIFICATE.as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
    assert_eq!(client.get(url).send().await.unwrap().status().as_u16(), 204);
    assert_eq!(served.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn whoever_asks_at_the_same_time_shares_one_round_and_later_ones_get_another() {
    let (one, two, three) = (canary(204, &[]), canary(204, &[]), canary(204, &[]));
    let targets = [one.url(), two.url(), three.url()];
    let canaries = Arc::new(NetworkCanaries::new(&targets, 3).unwrap());
    let asked = Instant::now();
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let canaries = Arc::clone(&canaries);
        askers.spawn(async move { canaries.ask().await });
    }
    let said = askers.join_all().await;
    let took = asked.elapsed();
    assert_eq!((said.len(), said.iter().all(|said| *said == Canaries::Answered)), (50, true));
    let counts = || [one.seen().len(), two.seen().len(), three.seen().len()];
    if took < Duration::from_secs(1) {
        assert_eq!(counts(), [1, 1, 1]);
    }
    // A second later the old answer is no answer any more.
    let again = async {
        while counts()[0] < 2 {
            canaries.ask().await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
    assert!(asked.elapsed() >= Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[test]
fn canaries_that_cannot_be_asked_are_refused_with_the_way_out() {
    let url = |text: &str| Url::parse(text).unwrap();
    for target in ["ftp://example.com/", "tcp://example.com", "tcp://example.com:53/path", "mailto:a@example.com"] {
        let error = NetworkCanaries::new(&[url(target)], 1).unwrap_err().to_string();
        assert!(error.contains(target) && error.contains("use https://host/"), "{error}");
    }
    for needed in [0, 3] {
        let two = [url("https://one.example/"), url("tcp://[::1]:53")];
        let error = NetworkCanaries::new(&two, needed).unwrap_err().to_string();
        assert_eq!(error, format!("{needed} of 2 canaries are to answer: use 1 to 2"));
    }
}

#[tokio::test]
async fn the_labs_canaries_answer() {
    let lab = Lab::start(LabOptions::default()).await.unwrap();
    let urls = lab.canary_urls().map(|url| Url::parse(&url).unwrap());
    assert_eq!(ask(&urls, 3).await, Canaries::Answered);
    lab.shutdown().await;
    assert_eq!(ask(&urls, 1).await, Canaries::Silent);
}

#[tokio::test]
async fn a_failure_is_stamped_with_what_the_canaries_said_and_a_pass_is_not() {
    let (one, two) = (canary(204, &[]), canary(301, &["location: /"]));
    let (failing, fine) = (Site::start(500), Site::start(200));
    for (targets, said) in [
        (vec![], Canaries::Unasked),
        (vec![refused(), refused(), refused()], Canaries::Silent),
        (vec![one.url(), refused(), refused()], Canaries::Silent),
        (vec![one.url(), refused(), two.url()], Canaries::Answered),
    ] {
        let canaries = Arc::new(NetworkCanaries::new(&targets, 2).unwrap());
        let both = vec![assignment("bad", &failing.url(), 200, None), assignment("good", &fine.url(), 200, None)];
        let (runner, running) = (runner(), agent(both, canaries));
        let seen = running
            .until(|seen| [Outcome::Fail, Outcome::Pass].iter().all(|o| seen.iter().any(|seen| seen.outcome == *o)))
            .await;
        for seen in seen {
            let (wanted, service) =
                if seen.outcome == Outcome::Fail { (said, "bad") } else { (Canaries::Unasked, "good") };
            assert_eq!((seen.canaries, seen.service.as_str()), (wanted, service), "{targets:?}");
            assert_eq!(seen.generation, quorate::ports::ProbeRunner::generation(&runner, &name()));
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn failures_in_a_bunch_ask_the_canaries_once() {
    let (canary, failing) = (canary(204, &[]), Site::start(500));
    let canaries = Arc::new(NetworkCanaries::new(&[canary.url()], 1).unwrap());
    let many = (0..10).map(|n| assignment(&format!("service-{n}"), &failing.url(), 200, None)).collect();
    let begun = Instant::now();
    let running = agent(many, canaries);
    let seen = running.until(|seen| seen.len() >= 60).await;
    let rounds = canary.seen().len();
    // One at the start, and then at most one a second.
    let most = 2 + usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!((1..=most).contains(&rounds), "{rounds} rounds for {} failures, {most} at most", seen.len());
    assert!(seen.iter().all(|seen| seen.canaries == Canaries::Answered));
    running.stop().await;
}
