//! Every example of the reference's section on other protocols, run as it stands there, with only its hosts replaced.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use quorate::adapters::script::entries;
use quorate::domain::Outcome;

use super::mail::Post;
use super::names::DNSLIB;
use super::world::{Authority, Program, USER, assert_passes, listener, reason, run_with};
use super::{grpc, websockets};
use crate::suite::servers::{Server, respond};

const REFERENCE: &str = include_str!("../../../docs/checks.md");
/// The topics of the language that the section is about.
const TOPICS: [&str; 6] = ["names", "connections", "certificates", "websockets", "gRPC", "mail"];

/// The examples of the section, each under its heading.
fn examples() -> Vec<(String, String)> {
    let section = REFERENCE.split_once("\n## Other protocols\n").expect("the section").1;
    let section = section.split_once("\n## ").expect("the next section").0;
    let mut examples = Vec::new();
    for entry in section.split("\n### ").skip(1) {
        let heading = entry.lines().next().expect("a heading").trim_start_matches('`');
        let name = heading.split('(').next().expect("a name").to_owned();
        let code = entry.split_once("```rhai norun\n").and_then(|(_, rest)| rest.split_once("\n```"));
        examples.push((name.clone(), code.unwrap_or_else(|| panic!("{name} has no example")).0.to_owned()));
    }
    examples
}

fn example(name: &str) -> String {
    let found = examples().into_iter().find(|(of, _)| of == name);
    found.unwrap_or_else(|| panic!("there is no example of {name}")).1
}

/// The example with each of these texts replaced; all of them must be in it.
fn example_at(name: &str, places: &[(&str, &str)]) -> String {
    places.iter().fold(example(name), |code, (theirs, ours)| {
        assert!(code.contains(theirs), "the example of {name} does not say {theirs}");
        code.replace(theirs, ours)
    })
}

fn site() -> Server {
    Server::start(|_, stream| respond(stream, 200, &["set-cookie: sessionid=s1; Path=/"], "hello"))
}

#[test]
fn every_function_of_these_protocols_has_an_entry_with_an_example_that_is_run_here() {
    let documented: BTreeSet<String> = examples().into_iter().map(|(name, _)| name).collect();
    let functions = entries().into_iter().filter(|entry| TOPICS.contains(&entry.topic));
    let functions: BTreeSet<String> = functions
        .filter(|entry| !entry.signature.starts_with("websocket."))
        .map(|entry| entry.name().to_owned())
        .collect();
    assert_eq!(documented, functions);
    let source = include_str!("examples.rs");
    for name in documented {
        assert!(source.contains(&format!("example_at(\"{name}\"")), "the example of {name} is not run");
    }
}

#[tokio::test]
async fn the_examples_of_dns_run() {
    let program = Program::start("dns_server.py", DNSLIB, &[]);
    let server = format!("127.0.0.1:{}", program.port(0));
    let places = [("192.0.2.53", server.as_str()), ("example.com", "example.test")];
    for source in [example_at("dns", &places), example_at("dns_answer", &places)] {
        assert_passes(&run_with(&site(), &source, &[]).await);
    }
}

#[tokio::test]
async fn the_examples_of_plain_connections_run() {
    let ssh = listener(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-test\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let cache = listener(|mut stream| {
        let mut asked = [0; 6];
        if stream.read_exact(&mut asked).is_ok() && &asked == b"PING\r\n" {
            let _ = stream.write_all(b"+PONG\r\n");
        }
    });
    let (ssh, cache) = (format!("\"127.0.0.1\", {}", ssh.port()), format!("\"127.0.0.1\", {}", cache.port()));
    let examples = [
        example_at("tcp", &[("\"db.example.com\", 5432", &cache)]),
        example_at("tcp_banner", &[("\"bastion.example.com\", 22", &ssh)]),
        example_at("tcp_exchange", &[("\"cache.example.com\", 6379", &cache)]),
    ];
    for source in examples {
        assert_passes(&run_with(&site(), &source, &[]).await);
    }
}

#[tokio::test]
async fn the_examples_of_certificates_run() {
    let authority = Authority::new();
    let version = std::path::Path::new("TLSv1_3");
    let serve = |until| {
        let pair = authority.issue(&["shop.example.com", "127.0.0.1"], until);
        Program::start("tls_server.py", "", &[&pair.cert, &pair.key, version])
    };
    let (good, expired) = (serve(2099), serve(2021));
    // The machine does not know the test's authority, so the example is told of it.
    let place = format!("\"127.0.0.1\", {}, #{{ ca: param(\"ca\") }}", good.port(0));
    let source = example_at("certificate", &[("\"shop.example.com\", 443", &place)]);
    assert_passes(&run_with(&site(), &source, &[("ca", authority.pem())]).await);

    let place = format!("\"127.0.0.1\", {}, #{{ ca: param(\"ca\") }}", expired.port(0));
    let source = example_at("certificate_facts", &[("\"old.example.com\", 443", &place)]);
    let report = run_with(&site(), &source, &[("ca", authority.pem())]).await;
    assert_eq!(report.outcome, Outcome::Inconclusive);
    assert!(
        reason(&report).contains("CN=shop.example.com, -") && reason(&report).contains("certificate expired"),
        "{report:?}"
    );
}

#[tokio::test]
async fn the_example_of_websockets_runs() {
    let (server, authority) = websockets::serve();
    let url = format!("wss://localhost:{}/echo\", #{{ ca: param(\"ca\"),", server.port(1));
    let source = example_at("websocket", &[("wss://chat.example.com/echo\", #{", &url)]);
    assert_passes(&run_with(&site(), &source, &[("ca", authority.pem())]).await);
}

#[tokio::test]
async fn the_example_of_grpc_runs() {
    let (server, authority) = grpc::serve();
    let url = format!("https://localhost:{}", server.port(1));
    let ca = "\"shop.Cart\", #{ ca: param(\"ca\") }";
    let source = example_at("grpc_health", &[("https://api.example.com:8443", &url), ("\"shop.Cart\"", ca)]);
    assert_passes(&run_with(&site(), &source, &[("ca", authority.pem())]).await);
}

#[tokio::test]
async fn the_examples_of_mail_run() {
    let post = Post::start();
    let params = post.params();
    let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let port = |name: &str| post.params().into_iter().find(|(of, _)| of == name).expect("a port").1;
    let imaps = format!("host: \"localhost\", ca: param(\"ca\"), port: {}, tls: \"implicit\"", port("imaps"));
    let smtp = format!("host: \"localhost\", ca: param(\"ca\"), port: {}", port("smtp"));
    let login = format!("user: \"{USER}\", password: secret(\"password\")");
    let imap_place = ("host: \"imap.example.com\", port: 993", imaps.as_str());
    let login_place = ("user: \"probe\", password: secret(\"mailbox\")", login.as_str());

    assert_passes(&run_with(&site(), &example_at("mail_mark", &[imap_place, login_place]), &params).await);

    let smtp_place = ("host: \"smtp.example.com\", port: 587", smtp.as_str());
    let source = example_at("smtp_send", &[imap_place, smtp_place, login_place]);
    assert_passes(&run_with(&site(), &source, &params).await);

    let check = format!("\"localhost\", {}, #{{ ca: param(\"ca\") }}", port("smtp"));
    assert_passes(
        &run_with(&site(), &example_at("smtp_check", &[("\"mx.example.com\", 25", &check)]), &params).await,
    );

    // A site that sends the mail when it is asked to, with a link to itself.
    let submit: u16 = port("smtp_plain").parse().expect("a port");
    let shop = Server::start(move |request, stream| {
        if request.path == "/password/forgotten" {
            let link = format!("http://{}/reset?t=1", request.header("host"));
            deliver(submit, "probe@example.com", &link);
        }
        respond(stream, 200, &[], "hello");
    });
    let source = example_at("mail_wait", &[imap_place, login_place]);
    assert_passes(&run_with(&shop, &source, &params).await);
    assert!(shop.seen().iter().any(|request| request.path == "/reset?t=1"), "the link was followed");
}

/// Hands a mail in, in so many words.
fn deliver(port: u16, to: &str, link: &str) {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("a mail server");
    let message = format!(
        "HELO shop.example.com\r\nMAIL FROM:<shop@example.com>\r\nRCPT TO:<{to}>\r\nDATA\r\nTo: {to}\r\n\
         Subject: Reset your password\r\nContent-Type: text/html\r\n\r\n<p>Hello, <a href=\"{link}\">reset</a> it.\r\n.\r\nQUIT\r\n"
    );
    stream.write_all(message.as_bytes()).expect("it takes the mail");
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    assert!(said.contains("queued"), "{said}");
}
