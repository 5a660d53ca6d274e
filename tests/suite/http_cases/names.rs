//! Names and addresses: whose fault it is that one is not found, which are refused, and whom a check may ask.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use quorate::domain::{FailureKind, Outcome};

use super::{Raw, SLACK, check, fails, inconclusive, passes};
use crate::suite::servers::{Server, name_server_with, respond};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn hello() -> Server {
    Server::start(|_, stream| respond(stream, 200, &[], "hello"))
}

#[tokio::test]
async fn a_name_that_is_not_there_is_the_sites_failure() {
    let server = name_server_with(vec![("empty.example.test", Vec::new())]);
    let report = check(r#"get("/")"#).asking(server).at("http://none.example.test/").await;
    fails(&report, FailureKind::Network, "cannot resolve 'none.example.test' through the name server 127.0.0.1");
    let report = check(r#"get("/")"#).asking(server).at("http://empty.example.test/").await;
    fails(&report, FailureKind::Network, "cannot resolve 'empty.example.test'");
}

#[tokio::test]
async fn a_resolver_that_is_down_says_nothing_of_the_site() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let gone = socket.local_addr().unwrap();
    drop(socket);
    let report =
        check(r#"get("/")"#).asking(gone).within(Duration::from_millis(700)).at("http://login.example.test/").await;
    inconclusive(&report, "login.example.test");
}

#[tokio::test]
async fn a_resolver_that_fails_says_nothing_of_the_site() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // The question as an answer: SERVFAIL.
            buffer[2] |= 0x80;
            buffer[3] = 2;
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
    let report = check(r#"get("/")"#).asking(server).at("http://login.example.test/").await;
    inconclusive(&report, "cannot resolve 'login.example.test'");
}

#[tokio::test]
async fn a_resolver_that_does_not_answer_says_nothing_of_the_site() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = silent.local_addr().unwrap();
    let deadline = Duration::from_millis(400);
    let report = check(r#"get("/")"#).asking(server).within(deadline).at("http://login.example.test/").await;
    inconclusive(&report, "no answer about the name 'login.example.test' from the resolver");
    assert!(Duration::from_millis(report.duration_ms) < deadline + SLACK, "{report:?}");
    let report = check(r#"get("/", #{ timeout: "100ms" })"#).asking(server).at("http://login.example.test/").await;
    inconclusive(&report, "within its own limit of 100ms");
}

#[tokio::test]
async fn a_name_is_asked_for_once_a_connection_and_not_cached() {
    let (server, site) = (name_server_with(vec![("login.example.test", vec![V4])]), hello());
    let url = format!("http://login.example.test:{}/", site.url().port().unwrap());
    let report = check(r#"get("/"); get("/");"#).asking(server).at(&url).await;
    passes(&report);
    assert!(report.requests.iter().all(|request| request.answer.as_ref().unwrap().dns_us > 0), "{report:?}");
}

#[tokio::test]
async fn the_next_address_of_a_name_is_tried_when_the_first_one_refuses() {
    let second = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let (server, site) = (name_server_with(vec![("login.example.test", vec![second, V4])]), hello());
    let url = format!("http://login.example.test:{}/", site.url().port().unwrap());
    passes(&check(r#"get("/")"#).asking(server).at(&url).await);
}

#[tokio::test]
async fn an_address_that_this_machine_cannot_reach_does_not_excuse_one_that_refuses() {
    // Whether there is a way to the IPv6 address or not, the site has refused.
    let nowhere: IpAddr = "2001:db8::1".parse().unwrap();
    let server = name_server_with(vec![("login.example.test", vec![V4, nowhere])]);
    let case = check(r#"get("/")"#).asking(server).within(Duration::from_secs(1));
    let report = case.at("http://login.example.test:1/").await;
    assert_eq!(report.outcome, Outcome::Fail, "{report:?}");
}

#[tokio::test]
async fn addresses_of_machines_about_themselves_are_refused_in_every_way_there() {
    let metadata: IpAddr = "169.254.169.254".parse().unwrap();
    let server = name_server_with(vec![("login.example.test", vec![V4, metadata])]);
    let named = check(r#"get("/")"#).asking(server).at("http://login.example.test/").await;
    inconclusive(
        &named,
        "a probe may not connect to 169.254.169.254: it is link-local, or where clouds answer machines",
    );
    // Not even where a configuration lists them.
    let listed = |source: &str| {
        let case = check(source).reaching(&["169.254.169.254", "localhost", "127.0.0.1", "inside.example.test"]);
        case.asking(name_server_with(vec![("localhost", vec![metadata]), ("inside.example.test", vec![metadata])]))
    };
    for source in [
        r#"get("/", #{ connect_to: "169.254.169.254" })"#,
        r#"get("/", #{ connect_to: "[::ffff:169.254.169.254]:80" })"#,
        r#"get("/", #{ proxy: "http://169.254.169.254:80" })"#,
        r#"get("/", #{ proxy: "http://inside.example.test:80" })"#,
        r#"get("http://169.254.169.254/", #{ proxy: "http://127.0.0.1:1" })"#,
        r#"get("http://inside.example.test/", #{ proxy: "http://127.0.0.1:1" })"#,
        r#"get("https://inside.example.test/", #{ proxy: "http://127.0.0.1:1" })"#,
    ] {
        let report = listed(source).at("http://login.example.test/").await;
        inconclusive(&report, "169.254.169.254");
        inconclusive(&report, "it is link-local, or where clouds answer machines");
    }
    for target in
        ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]", "[fe80::1]", "168.63.129.16"]
    {
        let report = check(r#"get("/latest/meta-data/")"#).at(format!("http://{target}/")).await;
        inconclusive(&report, "a probe may not connect to");
    }
    for target in ["0.0.0.0", "[::]", "255.255.255.255", "224.0.0.1"] {
        let report = check(r#"get("/")"#).at(format!("http://{target}/")).await;
        inconclusive(&report, "it is no address of one machine");
    }
}

#[tokio::test]
async fn a_host_out_of_reach_is_never_contacted() {
    let other = Raw::start(|_, _| {});
    let away = format!("location: http://localhost:{}/", other.address.port());
    let site = Server::start(move |_, stream| respond(stream, 302, &[&away], ""));
    let saying = "the check may not ask 'localhost': it is neither the target's host nor listed in its `reach`";
    let direct = format!(r#"get("http://localhost:{}/")"#, other.address.port());
    inconclusive(&check(&direct).at(site.url()).await, saying);
    // A redirect may be meant well; nobody can tell, and nobody is asked.
    inconclusive(&check(r#"get("/")"#).at(site.url()).await, saying);
    inconclusive(&check(r#"get("/")"#).reaching(&["*.localhost", "host"]).at(site.url()).await, saying);
    assert_eq!((other.connections(), site.seen().len()), (0, 2));
    let report = check(r#"get("/")"#).reaching(&["LocalHost"]).at(site.url()).await;
    fails(&report, FailureKind::Network, "GET http://localhost:");
    assert_eq!(other.connections(), 1);
}

#[tokio::test]
async fn an_address_or_a_proxy_out_of_reach_is_never_contacted() {
    let other = Raw::start(|_, _| {});
    let (port, target) = (other.address.port(), "http://login.example.test/");
    for (option, value) in
        [("connect_to", format!("127.0.0.1:{port}")), ("proxy", format!("http://127.0.0.1:{port}/"))]
    {
        let source = format!(r#"get("/", #{{ {option}: "{value}" }})"#);
        let saying =
            format!("the option '{option}': the check may not ask '127.0.0.1': it is neither the target's host");
        inconclusive(&check(&source).at(target).await, &saying);
        inconclusive(&check(&source).reaching(&["127.0.0.2", "*.1"]).at(target).await, &saying);
        assert_eq!(other.connections(), 0);
    }
    let source = format!(r#"get("/", #{{ connect_to: "[::ffff:127.0.0.1]:{port}" }})"#);
    fails(&check(&source).reaching(&["127.0.0.1"]).at(target).await, FailureKind::Network, "GET http://login");
    assert_eq!(other.connections(), 1);
}

#[tokio::test]
async fn another_port_of_the_target_is_in_reach() {
    let (site, other) = (hello(), hello());
    let source = format!(r#"same(get("{}").text, "hello")"#, other.url());
    passes(&check(&source).at(site.url()).await);
}

#[tokio::test]
async fn an_address_is_written_in_any_usual_way() {
    let site = hello();
    let SocketAddr::V4(address) = site.url().socket_addrs(|| None).unwrap()[0] else { panic!("an IPv4 address") };
    let source = format!(
        r#"
        same(get("/", #{{ connect_to: "127.0.0.1:{0}" }}).text, "hello");
        same(get("http://login.example.test:{0}/", #{{ connect_to: "127.0.0.1" }}).text, "hello");
        same(get("http://login.example.test:{0}/", #{{ connect_to: "[::ffff:127.0.0.1]" }}).text, "hello");
        same(get("http://login.example.test/", #{{ connect_to: "[::ffff:127.0.0.1]:{0}" }}).text, "hello");
        "#,
        address.port()
    );
    passes(&check(&source).reaching(&["127.0.0.1"]).at("http://login.example.test/").await);
    for wrong in ["localhost", "127.0.0.1:", "127.0.0.1:99999", "", "::1:80:x"] {
        let report = check(&format!(r#"get("/", #{{ connect_to: "{wrong}" }})"#)).at(site.url()).await;
        inconclusive(&report, "the option 'connect_to' must be an address such as");
    }
}
