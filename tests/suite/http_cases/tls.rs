//! Certificates: the machine's authorities and a script's own, and what is wrong with the others, in words.

use std::io::Read;
use std::net::SocketAddr;

use quorate::domain::{FailureKind, ProbeReport};

use super::tls_servers::{Authority, Habits, Leaf, serve};
use super::{Check, Raw, check, cookie_server, fails, inconclusive, passes};

const WORDS: &str = r#"
    defaults(#{ ca: param("ca") });
    fn parts(page) { page.text.split("|") }
"#;

fn trusting(authority: &Authority, source: &str) -> Check {
    check(&format!("{WORDS}{source}")).param("ca", authority.pem())
}

fn https(address: SocketAddr) -> String {
    format!("https://localhost:{}/", address.port())
}

/// Probes a server with this certificate, as `localhost`.
async fn probing(authority: &Authority, leaf: &Leaf) -> ProbeReport {
    let address = serve(Some(leaf.config(&[], None)), Habits::default());
    trusting(authority, r#"get("/")"#).at(https(address)).await
}

#[tokio::test]
async fn a_certificate_of_an_own_authority_is_trusted_where_the_script_names_it() {
    let authority = Authority::new();
    let address = serve(Some(authority.leaf(&["localhost"]).config(&[], None)), Habits::default());
    let report = trusting(&authority, r#"same(parts(get("/a"))[2], "/a")"#).at(https(address)).await;
    passes(&report);
    let answer = report.requests[0].answer.as_ref().unwrap();
    assert!(answer.tls_us > 0 && answer.remote == Some(address), "{answer:?}");
    // Nobody else trusts it, and naming it for one request is for that request.
    let report = check(r#"get("/")"#).at(https(address)).await;
    fails(&report, FailureKind::Tls, "UnknownIssuer");
    let source = r#"get("/", #{ ca: param("ca") }); get("/");"#;
    fails(&check(source).param("ca", authority.pem()).at(https(address)).await, FailureKind::Tls, "UnknownIssuer");
    fails(&trusting(&Authority::new(), r#"get("/")"#).at(https(address)).await, FailureKind::Tls, "UnknownIssuer");
}

#[tokio::test]
async fn an_expired_certificate_and_one_that_is_not_valid_yet_say_so() {
    let authority = Authority::new();
    let old = authority.leaf_with(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    fails(&probing(&authority, &old).await, FailureKind::Tls, "expired");
    let new = authority.leaf_with(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2199, 1, 1);
        params.not_after = rcgen::date_time_ymd(2200, 1, 1);
    });
    fails(&probing(&authority, &new).await, FailureKind::Tls, "not valid yet");
}

#[tokio::test]
async fn a_certificate_for_another_name_says_which_names_it_has() {
    let authority = Authority::new();
    let report = probing(&authority, &authority.leaf(&["other.example.test", "*.localhost"])).await;
    fails(&report, FailureKind::Tls, "not valid for name \"localhost\"");
    fails(&report, FailureKind::Tls, "other.example.test");
}

#[tokio::test]
async fn a_certificate_that_vouches_for_itself_is_refused_unless_it_is_named() {
    let leaf = Leaf::self_signed(&["localhost"]);
    fails(&probing(&Authority::new(), &leaf).await, FailureKind::Tls, "invalid peer certificate: UnknownIssuer");
    let address = serve(Some(leaf.config(&[], None)), Habits::default());
    passes(&check(r#"get("/", #{ ca: param("ca") })"#).param("ca", &leaf.certificate).at(https(address)).await);
}

#[tokio::test]
async fn a_certificate_that_is_for_clients_only_is_refused() {
    let authority = Authority::new();
    let leaf = authority.leaf_with(&["localhost"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    fails(&probing(&authority, &leaf).await, FailureKind::Tls, "invalid peer certificate");
}

#[tokio::test]
async fn a_clients_certificate_is_given_where_the_script_has_one() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let (leaf, own) = (authority.leaf(&["localhost"]), clients.leaf(&["probe"]));
    let address = serve(Some(leaf.config(&["http/1.1"], Some(&clients))), Habits::default());
    let source = r#"
        let papers = #{ certificate: param("certificate"), key: secret("key") };
        same(parts(get("/", #{ client_certificate: papers }))[6], "1");
    "#;
    let given = trusting(&authority, source).param("certificate", &own.certificate).secret("key", &own.key);
    passes(&given.at(https(address)).await);

    let report = trusting(&authority, r#"get("/")"#).at(https(address)).await;
    fails(&report, FailureKind::Tls, "CertificateRequired");

    let stranger = authority.leaf(&["probe"]);
    let report =
        trusting(&authority, source).param("certificate", &stranger.certificate).secret("key", &stranger.key);
    fails(&report.at(https(address)).await, FailureKind::Tls, "the server ended the TLS handshake");
}

#[tokio::test]
async fn papers_that_cannot_be_used_are_the_scripts_fault() {
    let (authority, own) = (Authority::new(), Authority::new().leaf(&["probe"]));
    let other = Authority::new().leaf(&["probe"]);
    let address = serve(Some(authority.leaf(&["localhost"]).config(&[], None)), Habits::default());
    let report = check(r#"get("/", #{ ca: "no PEM" })"#).at(https(address)).await;
    inconclusive(&report, "the option 'ca' cannot be used: it holds no certificate in PEM");
    let with = |certificate: &str, key: &str| {
        let source =
            r#"get("/", #{ client_certificate: #{ certificate: param("certificate"), key: secret("key") } })"#;
        trusting(&authority, source).param("certificate", certificate).secret("key", key).at(https(address))
    };
    inconclusive(&with(&own.certificate, "no key").await, "the client's key cannot be used: it is no PEM");
    inconclusive(&with("nothing", &own.key).await, "the client's certificate cannot be used");
    inconclusive(&with(&own.certificate, &other.key).await, "the client's certificate cannot be used");
}

#[tokio::test]
async fn an_address_is_probed_under_the_name_that_it_will_serve() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["login.example.test"]);
    let address = serve(Some(leaf.config(&["h2", "http/1.1"], None)), Habits::default());
    // Under the public name at the standby's address: the name is in the handshake, on the certificate and in the request.
    let source = r#"
        let seen = parts(get("/in", #{ connect_to: param("address") }));
        same([seen[2], seen[3]], ["/in", "login.example.test"]);
    "#;
    let report = trusting(&authority, source)
        .param("address", address)
        .reaching(&["127.0.0.1"])
        .at("https://login.example.test/")
        .await;
    passes(&report);
    assert_eq!(report.requests[0].answer.as_ref().unwrap().remote, Some(address));
    // At the address itself, with the name in the handshake only.
    let source = r#"get("/", #{ server_name: "login.example.test" }); get("/");"#;
    let report = trusting(&authority, source).at(https(address)).await;
    fails(&report, FailureKind::Tls, "not valid for name \"localhost\"");
    let source = r#"get("/", #{ server_name: "not a name" })"#;
    inconclusive(
        &trusting(&authority, source).at(https(address)).await,
        "'not a name' is no name that a certificate can have",
    );
}

#[tokio::test]
async fn http_and_https_at_the_wrong_port_are_told_apart() {
    let authority = Authority::new();
    let secure = serve(Some(authority.leaf(&["localhost"]).config(&[], None)), Habits::default());
    let report = check(r#"get("/")"#).at(format!("http://localhost:{}/", secure.port())).await;
    fails(&report, FailureKind::Network, "GET http://localhost:");
    let plain = serve(None, Habits::default());
    fails(&check(r#"get("/")"#).at(https(plain)).await, FailureKind::Tls, "the server does not speak TLS here");
    let deaf = Raw::start(|stream, _| {
        // The whole greeting: hanging up with something unread would be a reset.
        let _ = stream.read(&mut [0; 16 * 1024]);
    });
    let deaf = deaf.address;
    fails(&check(r#"get("/")"#).at(https(deaf)).await, FailureKind::Tls, "during the TLS handshake");
}

#[tokio::test]
async fn a_secure_cookie_stays_on_https() {
    let authority = Authority::new();
    let secure = serve(Some(authority.leaf(&["login.example.test"]).config(&[], None)), Habits::default());
    let plain = cookie_server();
    let source = r#"
        get("/", #{ connect_to: param("secure") });
        same(parts(get("/", #{ connect_to: param("secure") }))[4], "locked=1");
        same(get("http://login.example.test/", #{ connect_to: param("plain") }).text, "");
        same(cookie("locked"), ());
    "#;
    let case = trusting(&authority, source).param("secure", secure).param("plain", plain.url().authority());
    passes(&case.reaching(&["127.0.0.1"]).at("https://login.example.test/").await);
}

#[tokio::test]
async fn a_redirect_to_another_host_takes_no_address_no_name_and_no_certificate_along() {
    let authority = Authority::new();
    let client = authority.leaf(&["probe"]);
    let site = serve(Some(authority.leaf(&["login.example.test"]).config(&[], Some(&authority))), Habits::default());
    let other = serve(Some(authority.leaf(&["localhost"]).asking(&authority)), Habits::default());
    let run = async |to: &str, landed: [&str; 2]| {
        let source = format!(
            r#"
            let seen = parts(get("/in", #{{
                headers: #{{ "x-to": "{to}" }},
                connect_to: param("site"), server_name: "login.example.test",
                client_certificate: #{{ certificate: param("certificate"), key: secret("key") }},
            }}));
            same([seen[2], seen[6]], {landed:?});
            "#
        );
        let case = trusting(&authority, &source).param("site", site).param("certificate", &client.certificate);
        let case = case.secret("key", &client.key).reaching(&["127.0.0.1", "localhost"]);
        let report = case.at("https://login.example.test/").await;
        passes(&report);
        report.requests.iter().filter_map(|request| request.answer.as_ref().unwrap().remote).collect::<Vec<_>>()
    };
    let away = format!("https://localhost:{}/landed", other.port());
    assert_eq!(run(&away, ["/landed", "0"]).await, [site, other]);
    // Within the host all three stay.
    assert_eq!(run("/stays", ["/stays", "1"]).await, [site, site]);
}
