//! A site that answers as no site should, each connection in a way of its own. One thread.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use url::Url;

/// How long a connection is served at most.
const PATIENCE: Duration = Duration::from_millis(400);

/// The site.
pub(super) struct Site {
    pub(super) address: SocketAddr,
    /// The same site, which greets nobody: a request that a busy machine holds back for a moment is no silence.
    patient: SocketAddr,
}

impl Site {
    /// Starts it.
    pub(super) fn start(seed: u64) -> Self {
        Self { address: listen(seed, true), patient: listen(seed, false) }
    }

    pub(super) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).unwrap()
    }

    /// For those that mean well.
    pub(super) fn patient_url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.patient)).unwrap()
    }
}

fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, &vec![b'<'; 4 * 1024 * 1024]).unwrap();
    encoder.finish().unwrap()
}

/// Serves for as long as the process lives. Its address.
fn listen(seed: u64, greets: bool) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let bomb = bomb();
            let mut connections = JoinSet::new();
            for number in 0.. {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let mut chance = StdRng::seed_from_u64(seed.wrapping_add(number));
                let bomb = bomb.clone();
                let talk = async move {
                    if greets {
                        greet(&mut stream, &mut chance).await;
                    }
                    talk(stream, chance, address.port(), bomb).await;
                };
                connections.spawn(tokio::time::timeout(PATIENCE, talk));
                while connections.try_join_next().is_some() {}
            }
        });
    });
    address
}

/// Some protocols begin with the server's words: who says nothing at first is greeted.
async fn greet(stream: &mut TcpStream, chance: &mut StdRng) {
    let first = tokio::time::timeout(Duration::from_millis(20), stream.peek(&mut [0])).await;
    if first.is_err() {
        let greeting =
            [&b"220 hello\r\n"[..], b"* OK ready\r\n", b"SSH-2.0-x\r\n", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"];
        let _ = stream.write_all(greeting[chance.random_range(0..greeting.len())]).await;
    }
}

/// Answers the requests of one connection, until one answer ends it.
async fn talk(mut stream: TcpStream, mut chance: StdRng, port: u16, bomb: Vec<u8>) {
    let mut head = [0; 8 * 1024];
    loop {
        let Ok(length @ 1..) = stream.read(&mut head).await else { return };
        let asked = String::from_utf8_lossy(&head[..length]).into_owned();
        let well = asked.split(' ').nth(1).is_some_and(|path| path.starts_with("/well"));
        let way = if well { 0 } else { chance.random_range(0..32) };
        if !answer(&mut stream, &mut chance, way, port, &bomb).await {
            return;
        }
    }
}

/// Gives an answer, and says whether the connection stays.
async fn answer(stream: &mut TcpStream, chance: &mut StdRng, way: u8, port: u16, bomb: &[u8]) -> bool {
    let page = page(chance);
    let whole = |status: &str, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let words = |text: &str| (text.as_bytes().to_vec(), false);
    let (bytes, stays) = match way {
        0..=7 => (whole("200 OK", "set-cookie: a=b; Path=/\r\n", &page), true),
        8 => (whole(&format!("{} Odd", chance.random_range(100..1_000)), "", &page), true),
        9 => (
            whole("302 Found", &format!("location: http://127.0.0.1:{port}/{}\r\n", chance.random_range(0..9)), ""),
            true,
        ),
        10 => (whole("302 Found", "location: http://localhost/\r\n", ""), true),
        11 => (whole("303 See Other", &format!("location: {}\r\n", noise(chance, 40)), ""), true),
        12 => (whole("200 OK", "content-encoding: gzip\r\n", &page), true),
        13 => (
            [
                format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len())
                    .into_bytes(),
                bomb.to_vec(),
            ]
            .concat(),
            true,
        ),
        14 => (whole("200 OK", "content-encoding: zstd, br, gzip\r\n", &noise(chance, 200)), true),
        15 => (whole("401 Unauthorized", "www-authenticate: Basic\r\n", ""), true),
        16 => words("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\nshort"),
        17 => words("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nmuch longer than it said HTTP/1.1 200 OK\r\n\r\n"),
        18 => words("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx"),
        19 => words("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 None\r\n\r\n"),
        20 => (noise(chance, 400).into_bytes(), false),
        21 => (Vec::new(), false),
        22 => ((0..5_000).map(|_| chance.random::<u8>()).collect(), false),
        23 => (
            whole("200 OK", &(0..90).map(|n| format!("x-{n}: {}\r\n", "y".repeat(900))).collect::<String>(), ""),
            true,
        ),
        24 => (
            whole(
                "200 OK",
                &(0..60).map(|n| format!("set-cookie: c{n}={}\r\n", noise(chance, 60))).collect::<String>(),
                &page,
            ),
            true,
        ),
        25 => (whole("200 OK", &format!("x-noise: {}\r\n{}\r\n", noise(chance, 60), noise(chance, 60)), &page), true),
        26 => (b"\x16\x03\x03\x00\x05hello".to_vec(), false),
        27 => (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00".to_vec(), false),
        28 => (vec![b'x'; 300_000], false),
        _ => {
            drip(stream, chance, &whole("200 OK", "", &page)).await;
            return false;
        }
    };
    stream.write_all(&bytes).await.is_ok() && stays
}

/// A byte or some at a time, or none at all.
async fn drip(stream: &mut TcpStream, chance: &mut StdRng, bytes: &[u8]) {
    if chance.random_ratio(1, 3) {
        return tokio::time::sleep(PATIENCE).await;
    }
    for piece in bytes.chunks(chance.random_range(1..40)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if stream.write_all(piece).await.is_err() {
            return;
        }
    }
}

/// A page, good or bad, or something else.
fn page(chance: &mut StdRng) -> String {
    let many = chance.random_range(1..3_000);
    match chance.random_range(0..14) {
        0..=2 => r#"<form id=login action="/in" method=post><input name=csrf_token type=hidden value="t"><input name=username>
            <input name=password type=password><button name=go value=1>in</button></form><p id=user>ada</p>"#
            .to_owned(),
        3 => r#"{"status": "ok", "items": [1, 2.5, null, {"a": "b"}], "access_token": "x", "token_type": "Bearer"}"#.to_owned(),
        4 => "[".repeat(many) + "]".repeat(many).as_str(),
        5 => "<div>".repeat(many),
        6 => (0..60).map(|n| format!("<b a{n}>")).collect::<String>() + "<p>".repeat(many).as_str(),
        7 => "<table><tr><td>".repeat(many / 4),
        8 => format!("<form>{}</form>", "<input name=a value=b>".repeat(many)),
        9 => "a".repeat(many * 50) + "!",
        10 => noise(chance, many),
        11 => "<a href='&#x0;&amp;&lt;&bogus;'>".repeat(many / 8),
        12 => format!("{{\"a\": {}}}", "9".repeat(many)),
        _ => "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".to_owned(),
    }
}

/// Signs that mean something somewhere.
fn noise(chance: &mut StdRng, length: usize) -> String {
    const SIGNS: [&str; 24] = [
        "<", ">", "\"", "'", "&", ";", "=", "\u{0}", "\u{202e}", "é", "😀", "\t", "%", "{", "}", "[", "]", "\\", "/",
        ":", "a", "0", " ", "-",
    ];
    (0..length).map(|_| SIGNS[chance.random_range(0..SIGNS.len())]).collect()
}
