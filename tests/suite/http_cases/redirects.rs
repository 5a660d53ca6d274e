//! Redirects: what becomes of the method, the body, the headers and the address.

use std::net::SocketAddr;

use quorate::domain::{FailureKind, ProbeReport};

use super::{Raw, check, fails, passes};
use crate::suite::servers::{Server, respond};

/// A server that redirects `/to/STATUS` to what `x-to` says, and answers everything else, and paths that say `stay`, with what it was asked.
fn server() -> Server {
    Server::start(|request, stream| {
        let way = request.path.strip_prefix("/to/").filter(|way| !way.contains("stay"));
        let status = way.and_then(|text| text.split(['?', '/']).next()?.parse().ok());
        match status {
            Some(status) => {
                let to = request.header("x-to");
                let location = if to == "none" { String::new() } else { format!("location: {to}") };
                let lines: Vec<&str> = [location.as_str(), "set-cookie: hop=1; Path=/"]
                    .into_iter()
                    .filter(|line| !line.is_empty())
                    .collect();
                respond(stream, status, &lines, "moved");
            }
            None => {
                let header = |name: &str| request.header(name).to_owned();
                let fields = [header("content-type"), header("authorization"), header("cookie"), header("host")];
                respond(
                    stream,
                    200,
                    &[],
                    &format!("{}|{}|{}|{}", request.method, request.path, request.body, fields.join("|")),
                );
            }
        }
    })
}

const WORDS: &str = r#"
    fn to(where) { #{ headers: #{ "x-to": where } } }
    fn parts(page) { page.text.split("|") }
"#;

async fn run(server: &Server, source: &str) -> ProbeReport {
    check(&format!("{WORDS}{source}")).at(server.url()).await
}

#[tokio::test]
async fn a_post_becomes_a_get_without_its_body_after_301_302_and_303() {
    let server = server();
    let source = r#"
        for status in [301, 302, 303] {
            let seen = parts(post_form(`/to/${status}`, #{ a: 1 }, to("/after")));
            same(seen.extract(0..4), ["GET", "/after", "", ""]);
        }
    "#;
    passes(&run(&server, source).await);
    let seen = server.seen();
    assert_eq!(seen.iter().filter(|request| request.body == "a=1").count(), 3);
    let after: Vec<_> = seen.iter().filter(|request| request.path == "/after").collect();
    assert!(after.iter().all(|request| !request.headers.contains_key("content-length")), "{after:?}");
}

#[tokio::test]
async fn method_and_body_are_repeated_after_307_and_308() {
    let source = r#"
        for status in [307, 308] {
            same(parts(post_form(`/to/${status}`, #{ a: 1 }, to("/after"))).extract(0..4),
                ["POST", "/after", "a=1", "application/x-www-form-urlencoded"]);
            same(parts(put_json(`/to/${status}`, [1], to("/after"))).extract(0..4), ["PUT", "/after", "[1]", "application/json"]);
        }
    "#;
    passes(&run(&server(), source).await);
}

#[tokio::test]
async fn other_methods_stay_what_they_are_after_301_and_302_and_become_get_after_303() {
    let source = r#"
        for status in [301, 302] {
            same(parts(put(`/to/${status}`, "text", to("/after"))).extract(0..3), ["PUT", "/after", "text"]);
            same(parts(delete(`/to/${status}`, to("/after")))[0], "DELETE");
        }
        same(parts(put("/to/303", "text", to("/after"))).extract(0..4), ["GET", "/after", "", ""]);
        same(parts(delete("/to/303", to("/after")))[0], "GET");
    "#;
    passes(&run(&server(), source).await);
}

#[tokio::test]
async fn a_head_stays_a_head() {
    let server = server();
    let source = r#"for status in [301, 302, 303, 307, 308] { same(head(`/to/${status}`, to("/after")).text, ""); }"#;
    passes(&run(&server, source).await);
    let seen = server.seen();
    assert_eq!(seen.len(), 10);
    assert!(seen.iter().all(|request| request.method == "HEAD"), "{seen:?}");
}

#[tokio::test]
async fn a_script_that_does_not_follow_sees_the_redirect_itself() {
    let source = r#"
        let page = post_form("/to/302", #{ a: 1 }, #{ follow: false, headers: #{ "x-to": "/after" } });
        same([page.status, page.header("location"), page.text], [302, "/after", "moved"]);
        same(page.redirects, []);
        same(cookie("hop"), "1");
    "#;
    passes(&run(&server(), source).await);
}

#[tokio::test]
async fn a_cookie_of_a_redirect_goes_with_the_next_request() {
    passes(&run(&server(), r#"same(parts(get("/to/302", to("/after")))[5], "hop=1");"#).await);
}

#[tokio::test]
async fn a_location_may_be_relative_in_every_way() {
    let server = server();
    let source = r#"
        let cases = #{
            "/after": "/after", "stay": "/to/302/stay", "../after": "/to/after", "../../after": "/after",
            "?stay": "/to/302/x?stay", "stay?b=%20": "/to/302/stay?b=%20",
            "/after#part": "/after",
        };
        for where in cases.keys() { same(parts(get("/to/302/x?a=1", to(where)))[1], cases[where]); }
        same(parts(get("/to/302", to("//" + param("authority") + "/after")))[1], "/after");
        same(parts(get("/to/302", to(target + "/after")))[1], "/after");
    "#;
    passes(&check(&format!("{WORDS}{source}")).param("authority", server.url().authority()).at(server.url()).await);
}

#[tokio::test]
async fn the_chain_has_every_url_and_none_without_a_redirect() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/a" => respond(stream, 302, &["location: /b?x=1"], ""),
        "/b?x=1" => respond(stream, 308, &["location: c#part"], ""),
        _ => respond(stream, 200, &[], "here"),
    });
    let source = r#"
        same(get("/a").redirects, [`${target}/a`, `${target}/b?x=1`, `${target}/c`]);
        same(get("/a").url, `${target}/c`);
        same(get("/c").redirects, []);
    "#;
    passes(&check(source).at(server.url()).await);
}

#[tokio::test]
async fn what_a_script_gave_one_site_is_not_passed_on_to_another() {
    let (server, other) = (
        server(),
        Server::start(|request, stream| {
            let seen = ["authorization", "cookie", "host"].map(|name| request.header(name).to_owned());
            respond(stream, 200, &[], &seen.join("|"));
        }),
    );
    let source = r#"
        let there = param("other");
        let own = #{ bearer: "t0ken", headers: #{ "x-to": "/after", Cookie: "mine=1", Host: "name.example.test" } };
        same(parts(get("/to/302", own)).extract(4..7), ["Bearer t0ken", "mine=1", "name.example.test"]);
        own.headers["x-to"] = there;
        // The jar's cookie goes along: both are at 127.0.0.1, and cookies know no ports.
        same(get("/to/302", own).text, "|hop=1|" + param("authority"));
        let basic = #{ basic: #{ user: "u", password: "p" }, headers: #{ "x-to": there } };
        same(get("/to/307", basic).text, "|hop=1|" + param("authority"));
    "#;
    let (there, authority) = (other.url(), other.url().authority().to_owned());
    let case = check(&format!("{WORDS}{source}")).param("other", there).param("authority", authority);
    passes(&case.at(server.url()).await);
}

#[tokio::test]
async fn an_answer_that_only_looks_like_a_redirect_is_the_answer() {
    let source = r#"
        for status in [300, 304, 305, 306, 201] { same(get(`/to/${status}`, to("/after")).status, status); }
        let page = get("/to/302", to("none"));
        same([page.status, page.text], [302, "moved"]);
    "#;
    passes(&run(&server(), source).await);
}

#[tokio::test]
async fn a_location_that_leads_nowhere_is_the_sites_fault() {
    let server = server();
    let report = run(&server, r#"get("/to/302", to("http://[::"))"#).await;
    fails(&report, FailureKind::Assertion, "redirects to 'http://[::'");
    let report = run(&server, r#"get("/to/302", to("mailto:a@example.test"))"#).await;
    fails(&report, FailureKind::Assertion, "redirects to mailto:, which is neither http nor https");
    let closed = Raw::start(|_, _| {}).address;
    let closed = SocketAddr::new(closed.ip(), 1);
    let report = run(&server, &format!(r#"get("/to/302", to("http://{closed}/"))"#)).await;
    fails(&report, FailureKind::Network, "GET http://127.0.0.1:1/: connection refused");
}

#[tokio::test]
async fn a_redirect_drops_no_option_of_the_request() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/a" => respond(stream, 307, &["location: /b"], ""),
        _ => respond(stream, 200, &[], request.header("x-own")),
    });
    passes(
        &check(r#"same(post("/a", "x", #{ headers: #{ "x-own": "kept" } }).text, "kept")"#).at(server.url()).await,
    );
}
