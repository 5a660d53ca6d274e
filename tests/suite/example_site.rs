//! The small site that the examples of the page about checks are run against.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::{Value, json};

use super::servers::{Request, Server, respond};

/// What the examples know.
pub(crate) const SECRETS: [(&str, &str); 4] = [
    ("probe-password", "correct horse"),
    ("signing-key", "00112233445566778899aabbccddeeff"),
    ("totp-seed", "JBSW Y3DP EHPK 3PXP"),
    ("client-secret", "battery staple"),
];

const LOGIN: &str = r#"<!doctype html><title>Sign in</title><body data-build="2041"><h1>Sign in</h1>
<form method=post action=/login><input type=hidden name=csrf_token value=0123456789abcdef>
<input name=username><input name=password type=password></form><a class=forgotten href="/forgotten?from=login">Forgotten your
password?</a>"#;
const ACCOUNT: &str = r#"<b id=user>Ada</b><form method=post action=/logout><input type=hidden name=csrf_token value=0123456789abcdef></form>"#;
const SETTINGS: &str = r#"<form id=settings method=post action=/echo><select name=language><option value=en selected>English<option value=fr>French</select>
<input type=checkbox name=newsletter checked><button name=save value=1>Save</button></form>"#;

/// What the site remembers.
struct Memory {
    waiting: Mutex<u32>,
    challenge: Mutex<String>,
    keys: EcdsaKeyPair,
}

/// Starts it.
pub(crate) fn start() -> Server {
    let keys = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let memory = Memory { waiting: Mutex::new(3), challenge: Mutex::default(), keys };
    Server::start(move |request, stream| {
        let path = request.path.split('?').next().unwrap_or_default();
        let page = |stream: &mut TcpStream, body: &str| respond(stream, 200, &[], body);
        match (request.method.as_str(), path) {
            ("GET" | "HEAD", "/login") => {
                let body = if request.method == "HEAD" { "" } else { LOGIN };
                respond(stream, 200, &["set-cookie: csrf=c1; Path=/", "set-cookie: seen=1; Path=/"], body);
            }
            ("POST", "/login") if may_log_in(request) => {
                respond(stream, 303, &["set-cookie: session=s1; Path=/; HttpOnly", "location: /account"], "");
            }
            ("GET", "/account") if request.header("cookie").contains("session=s1") => page(stream, ACCOUNT),
            (_, "/logout") => {
                respond(stream, 303, &["set-cookie: session=; Path=/; Max-Age=0", "location: /login"], "")
            }
            ("GET", "/forgotten") => page(stream, "a link was sent"),
            ("GET", "/settings") => page(stream, SETTINGS),
            ("GET", "/account-data") => {
                page(stream, r#"<script id=state type="application/json">{"plan":"basic"}</script>"#)
            }
            ("GET", "/maintenance") => respond(stream, 503, &[], "Back soon!"),
            ("GET", "/old") => respond(stream, 302, &["location: /new"], ""),
            ("GET", "/new") => page(stream, "moved here"),
            (_, "/echo") => page(stream, &echo(request)),
            ("OPTIONS", "/api/orders") | ("DELETE", "/api/orders/17") => page(stream, "{}"),
            ("GET", "/second-factor") => page(stream, "<form method=post><input name=code></form>"),
            ("POST", "/second-factor") if request.body.len() == "code=123456".len() => page(stream, "Welcome, Ada"),
            ("POST", "/signed") => respond(stream, if is_signed(request) { 200 } else { 403 }, &[], ""),
            _ => respond_as_service(&memory, request, path, stream),
        }
    })
}

fn respond_as_service(memory: &Memory, request: &Request, path: &str, stream: &mut TcpStream) {
    let json = |stream: &mut TcpStream, value: Value| respond(stream, 200, &[], &value.to_string());
    match (request.method.as_str(), path) {
        ("GET", "/api/session") => json(stream, session()),
        ("GET", "/api/queue") => {
            let mut waiting = memory.waiting.lock().expect("no panic");
            *waiting = waiting.saturating_sub(1);
            json(stream, json!({ "waiting": *waiting }));
        }
        ("GET", "/authorize") => {
            let query = fields(request.path.split_once('?').unwrap_or_default().1);
            let of = |name: &str| query.get(name).cloned().unwrap_or_default();
            *memory.challenge.lock().expect("no panic") = of("code_challenge");
            let location = format!("location: {}?code=c%2F1&state={}", of("redirect_uri"), of("state"));
            respond(stream, 302, &[&location], "");
        }
        ("POST", "/token") => {
            let fields = fields(&request.body);
            let of = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
            let challenge = BASE64URL_NOPAD.encode(digest(&SHA256, of("code_verifier").as_bytes()).as_ref());
            let redeems = of("code") == "c/1" && challenge == *memory.challenge.lock().expect("no panic");
            let knows =
                request.header("authorization") == format!("Basic {}", BASE64.encode(b"probe:battery+staple"));
            if redeems || (of("grant_type") == "client_credentials" && knows) {
                json(stream, json!({ "access_token": "t1", "token_type": "Bearer", "expires_in": 60 }));
            } else {
                respond(stream, 401, &[], r#"{"error":"invalid_client"}"#);
            }
        }
        ("GET", "/id-token") => json(stream, json!({ "id_token": id_token(&memory.keys) })),
        ("GET", "/.well-known/jwks.json") => {
            let (x, y) = memory.keys.public_key().as_ref()[1..].split_at(32);
            let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
            let key = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": "k1", "x": x, "y": y });
            json(stream, json!({ "keys": [key] }));
        }
        _ => respond(stream, 404, &[], "nothing here"),
    }
}

fn fields(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn may_log_in(request: &Request) -> bool {
    let fields = fields(&request.body);
    let is = |name: &str, value: &str| fields.get(name).is_some_and(|given| given == value);
    let known = is("username", "probe") && is("password", "correct horse");
    known && is("csrf_token", "0123456789abcdef") && request.header("cookie").contains("csrf=c1")
}

fn is_signed(request: &Request) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &HEXLOWER.decode(SECRETS[1].1.as_bytes()).expect("hex"));
    let body = request.body.as_bytes();
    let signature = HEXLOWER.encode(hmac::sign(&key, body).as_ref());
    let digest = BASE64.encode(digest(&SHA256, body).as_ref());
    request.header("x-signature") == signature && request.header("x-digest") == digest
}

fn echo(request: &Request) -> String {
    json!({ "method": request.method, "path": request.path, "headers": request.headers, "body": request.body })
        .to_string()
}

fn seconds() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_secs()
}

fn session() -> Value {
    json!({
        "user": { "id": 7, "name": "Ada", "active": false, "roles": ["reader", "admin"] },
        "orders": [{ "id": 17, "total": 12.5 }, { "id": 18, "total": 30 }, { "id": 19, "total": 1 }],
        "issued": seconds(),
    })
}

fn id_token(keys: &EcdsaKeyPair) -> String {
    let header = json!({ "alg": "ES256", "kid": "k1" });
    let claims = json!({ "iss": "https://id.example.test", "aud": ["app"], "sub": "ada", "exp": seconds() + 3600 });
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = keys.sign(&aws_lc_rs::rand::SystemRandom::new(), signed.as_bytes()).expect("signs");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
}
