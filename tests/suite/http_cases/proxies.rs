//! Proxies, credentials, and bodies in parts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use quorate::domain::FailureKind;

use super::tls_servers::{Authority, Habits, serve};
use super::{Check, Raw, check, fails, inconclusive, passes};
use crate::suite::servers::{Server, respond};

/// A proxy that notes the head of each request, and for CONNECT leads to this port of this machine, whatever name was said.
fn proxy(port: u16) -> (Raw, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    let raw = Raw::start(move |stream, _| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read_exact(&mut byte).is_err() {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        kept.lock().unwrap().push(head.clone());
        if !head.starts_with("CONNECT ") {
            return respond(stream, 200, &[], "through the proxy");
        }
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n");
        let mut site = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from, mut to) = (stream.try_clone().unwrap(), site.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut site, stream);
    });
    (raw, heads)
}

/// A check that may ask these proxies.
fn through(source: &str) -> Check {
    check(source).reaching(&["127.0.0.1", "proxy.invalid"])
}

#[tokio::test]
async fn a_proxy_for_plain_http_is_told_the_whole_address() {
    let (proxy, heads) = proxy(0);
    let source = r#"same(get("/a?b=1#c", #{ proxy: param("proxy") }).text, "through the proxy")"#;
    passes(&through(source).param("proxy", proxy.url()).at("http://login.example.test:8080/").await);
    let head = heads.lock().unwrap()[0].to_lowercase();
    assert!(head.starts_with("get http://login.example.test:8080/a?b=1 http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: login.example.test:8080\r\n"), "{head}");
}

#[tokio::test]
async fn a_proxy_for_https_is_asked_for_a_way_through_and_sees_nothing_else() {
    let authority = Authority::new();
    let site = serve(Some(authority.leaf(&["login.example.test"]).config(&["h2"], None)), Habits::default());
    let (proxy, heads) = proxy(site.port());
    let source = r#"
        defaults(#{ proxy: param("proxy"), ca: param("ca") });
        let seen = get("/secret-path", #{ bearer: "t0ken" }).text.split("|");
        same([seen[0], seen[2], seen[3]], ["HTTP/2.0", "/secret-path", "login.example.test"]);
        get("/again");
    "#;
    let case = through(source).param("ca", authority.pem());
    passes(&case.param("proxy", proxy.url().replace("//", "//ada:p%40ss@")).at("https://login.example.test/").await);
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 1);
    assert!(
        heads[0].starts_with("CONNECT login.example.test:443 HTTP/1.1\r\nHost: login.example.test:443\r\n"),
        "{heads:?}"
    );
    assert!(heads[0].contains("\r\nProxy-Authorization: Basic YWRhOnBAc3M=\r\n"), "{heads:?}");
    assert!(!heads[0].contains("secret-path") && !heads[0].contains("t0ken"), "{heads:?}");
}

#[tokio::test]
async fn what_a_proxy_does_says_nothing_of_the_site() {
    let source =
        |scheme: &str| (format!("{scheme}://login.example.test/"), r#"get("/", #{ proxy: param("proxy") })"#);
    let ((https, script), (http, _)) = (source("https"), source("http"));
    for answer in
        ["HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "garbage", ""]
    {
        let proxy = Raw::saying(answer);
        let report = through(script).param("proxy", proxy.url()).at(&https).await;
        inconclusive(&report, "the proxy gives no way to login.example.test");
    }
    let proxy = Raw::saying("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    inconclusive(
        &through(script).param("proxy", proxy.url()).at(&http).await,
        "the proxy wants to know who asks (407)",
    );
    for target in [&http, &https] {
        let report = through(script).param("proxy", "http://127.0.0.1:1/").at(target).await;
        inconclusive(&report, "the proxy 127.0.0.1: connection refused");
        let report = through(script).param("proxy", "http://proxy.invalid:3128/").at(target).await;
        inconclusive(&report, "cannot resolve 'proxy.invalid'");
    }
    let deaf = Raw::start(|_, _| thread::sleep(super::LONG));
    let report = through(script).param("proxy", deaf.url()).within(Duration::from_millis(300)).at(&https).await;
    inconclusive(
        &report,
        "no way through the proxy '127.0.0.1', for GET https://login.example.test/, within the deadline",
    );
    let script = r#"get("/", #{ proxy: param("proxy"), connect_to: "127.0.0.1" })"#;
    let report = through(script).param("proxy", deaf.url()).at(&https).await;
    inconclusive(&report, "'proxy' and 'connect_to' do not go together");
}

#[tokio::test]
async fn a_site_behind_a_proxy_is_judged_as_any_other() {
    let authority = Authority::new();
    let site = serve(Some(authority.leaf(&["other.example.test"]).config(&[], None)), Habits::default());
    let (proxy, _) = proxy(site.port());
    let source = r#"get("/", #{ proxy: param("proxy"), ca: param("ca") })"#;
    let case = through(source).param("ca", authority.pem()).param("proxy", proxy.url());
    fails(
        &case.at("https://login.example.test/").await,
        FailureKind::Tls,
        "not valid for name \"login.example.test\"",
    );
}

/// A server that answers with the credentials that it was given.
fn credentials() -> Server {
    Server::start(|request, stream| respond(stream, 200, &[], request.header("authorization")))
}

#[tokio::test]
async fn credentials_are_sent_as_the_standards_write_them() {
    let server = credentials();
    let source = r#"
        same(get("/", #{ basic: #{ user: "Aladdin", password: "open sesame" } }).text, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        same(get("/", #{ basic: #{ user: "ü", password: "p:w" } }).text, "Basic w7w6cDp3");
        same(get("/", #{ bearer: "mF_9.B5f-4.1JqM" }).text, "Bearer mF_9.B5f-4.1JqM");
        same(get(target.replaced("http://", "http://ada:p%40ss@")).text, "Basic YWRhOnBAc3M=");
        same(get("/").text, "");
        defaults(#{ bearer: "t0ken" });
        same(get("/").text, "Bearer t0ken");
        same(get("/", #{ headers: #{ Authorization: "Own x" } }).text, "Own x");
    "#;
    // `replace` changes a text in place; the words of these cases have no other.
    let source = format!("fn replaced(what, by) {{ let text = this; text.replace(what, by); text }} {source}");
    passes(&check(&source).at(server.url()).await);
    let report = check(r#"get("/", #{ basic: #{ user: "ada" } })"#).at(server.url()).await;
    inconclusive(&report, "the option 'basic' must be a map #{user: …, password: …}");
    let report = check(r#"get("/", #{ bearer: "a\nb" })"#).at(server.url()).await;
    inconclusive(&report, "the option 'bearer' must be a text that a header can hold");
}

#[tokio::test]
async fn parts_are_sent_as_rfc_7578_has_them() {
    let server = Server::start(|_, stream| respond(stream, 200, &[], ""));
    let source = r#"
        post_multipart("/", #{
            a_text: "häll\r\no", b_number: 7, c_list: ["x", true],
            d_file: #{ file: "a \"b\".txt", content: "line\n", content_type: "text/plain" },
            e_file: #{ file: "raw", content: "" },
        });
    "#;
    passes(&check(source).at(server.url()).await);
    let request = &server.seen()[0];
    let kind = request.header("content-type");
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let part =
        |head: &str, body: &str| format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let expected = [
        part("name=\"a_text\"", "häll\r\no"),
        part("name=\"b_number\"", "7"),
        part("name=\"c_list\"", "x"),
        part("name=\"c_list\"", "true"),
        part("name=\"d_file\"; filename=\"a %22b%22.txt\"\r\nContent-Type: text/plain", "line\n"),
        part("name=\"e_file\"; filename=\"raw\"\r\nContent-Type: application/octet-stream", ""),
        format!("--{boundary}--\r\n"),
    ];
    assert_eq!(request.body, expected.concat());
}

#[tokio::test]
async fn parts_are_read_by_a_parser_that_nobody_here_wrote() {
    let server = Server::start(|_, stream| respond(stream, 200, &[], ""));
    let source = r#"post_multipart("/", #{ name: "Ada", photo: #{ file: "a.png", content: "bytes\r\n", content_type: "image/png" } })"#;
    passes(&check(source).at(server.url()).await);
    let request = server.seen()[0].clone();
    let script = "import sys, email, json\n\
        message = email.message_from_bytes(sys.stdin.buffer.read())\n\
        parts = message.get_payload()\n\
        print(json.dumps([[p.get_param('name', header='content-disposition'), p.get_filename(), p.get_content_type(), \
        p.get_payload(decode=True).decode()] for p in parts]))";
    let mut python = std::process::Command::new("python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let message =
        format!("Content-Type: {}\r\nMIME-Version: 1.0\r\n\r\n{}", request.header("content-type"), request.body);
    python.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    let said = String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(said.trim(), r#"[["name", null, "text/plain", "Ada"], ["photo", "a.png", "image/png", "bytes\r\n"]]"#);
}

#[tokio::test]
async fn parts_that_cannot_be_sent_are_the_scripts_fault() {
    let server = credentials();
    for (fields, saying) in [
        ("#{ a: () }", "the field 'a' has no value"),
        (r#"#{ a: #{ file: "x" } }"#, "the part 'a' must be a text or #{file, content, content_type}"),
        (r#"#{ a: #{ file: "x", content: "y", content_type: "a\r\nb: c" } }"#, "the part 'a' must be"),
        (r#"#{ a: #{ file: "x", content: "y", more: 1 } }"#, "the part 'a' must be"),
        (r#"#{ a: "--quorate-5d1b7c0e9f3a4286" }"#, "contains the boundary"),
    ] {
        inconclusive(&check(&format!(r#"post_multipart("/", {fields})"#)).at(server.url()).await, saying);
    }
}
