//! Small servers on loopback that misbehave on purpose. They end with the test process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};
use url::Url;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    /// The header, or nothing as an empty text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// An HTTP server that answers each connection's one request as the closure says, and keeps what came.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts it.
    pub(crate) fn start(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), answer, kept) = (stream, Arc::clone(&answer), Arc::clone(&kept)) else { return };
                thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    kept.lock().expect("no panic").push(request.clone());
                    answer(&request, &mut stream);
                });
            }
        });
        Self { address, seen }
    }

    /// The base URL.
    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).expect("a URL")
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic").clone()
    }
}

/// Writes a whole answer; headers are lines such as `location: /x`.
pub(crate) fn respond(stream: &mut TcpStream, status: u16, headers: &[&str], body: &str) {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    // A client that has hung up is part of some tests.
    let _ = write!(
        stream,
        "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
}

/// A listener that accepts and never says a word.
pub(crate) fn silent() -> Url {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        let kept: Vec<_> = listener.incoming().collect();
        drop(kept);
    });
    Url::parse(&format!("http://{address}/")).expect("a URL")
}

/// A name server that knows one name, at 127.0.0.1.
pub(crate) fn name_server(known: &'static str) -> SocketAddr {
    name_server_with(vec![(known, vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])])
}

/// A name server that knows these names.
pub(crate) fn name_server_with(known: Vec<(&'static str, Vec<IpAddr>)>) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = socket.local_addr().expect("its address");
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(asked) = Message::from_vec(buffer.get(..length).unwrap_or_default()) else { continue };
            let Some(query) = asked.queries.first() else { continue };
            let query = query.clone();
            let mut answer = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
            answer.metadata.authoritative = true;
            answer.metadata.recursion_desired = asked.metadata.recursion_desired;
            let name = query.name().to_ascii().to_lowercase();
            match known.iter().find(|(known, _)| name == format!("{known}.")) {
                None => answer.metadata.response_code = ResponseCode::NXDomain,
                Some((_, addresses)) => {
                    let data = addresses.iter().filter_map(|ip| match (ip, query.query_type()) {
                        (IpAddr::V4(ip), RecordType::A) => Some(RData::A(A(*ip))),
                        (IpAddr::V6(ip), RecordType::AAAA) => Some(RData::AAAA(AAAA(*ip))),
                        _ => None,
                    });
                    for data in data {
                        answer.add_answer(Record::from_rdata(query.name().clone(), 0, data));
                    }
                }
            }
            answer.add_query(query);
            let bytes = answer.to_vec().expect("encodes");
            let _ = socket.send_to(&bytes, from);
        }
    });
    address
}

/// The next request of a connection, or nothing if there is none.
pub(crate) fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut first = line.split_whitespace();
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
