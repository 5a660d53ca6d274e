//! A TCP relay between a client of Route 53 or of an object store and its endpoint, for one request a connection: it counts writes, keeps their bytes,
//! and on request loses the answer, loses the request, or answers by itself.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use url::Url;

/// What to do to a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Deliver it, and answer: no fault.
    Pass,
    /// Deliver it twice, and answer what the second delivery was answered.
    DeliverTwice,
    /// Deliver this write of the past first.
    After(usize),
    /// Deliver it, and close the connection instead of answering.
    LoseAnswer,
    /// Deliver it, and answer with what nobody can read.
    GarbleAnswer,
    /// Keep it, undelivered, and close the connection.
    LoseRequest,
    /// Answer with this status and body; it is not delivered.
    Answer(u16, String),
}

impl Fault {
    /// An error as Route 53 writes it.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error>\
             <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        );
        Self::Answer(status, body)
    }
}

/// A ChangeResourceRecordSets or PutObject request that came by.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    bytes: Vec<u8>,
    /// The endpoint's answer; absent when the request was not delivered.
    pub(crate) status: Option<u16>,
}

#[derive(Debug, Default)]
struct State {
    on_writes: VecDeque<Fault>,
    on_reads: VecDeque<Fault>,
    writes: Vec<Write>,
    reads: usize,
}

/// The relay. It ends when dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    url: Url,
    upstream: SocketAddr,
    state: Arc<Mutex<State>>,
    _closing: DropGuard,
}

impl Wire {
    /// Starts relaying to the endpoint.
    pub(crate) async fn to(upstream: &Url) -> Self {
        let upstream = *upstream.socket_addrs(|| None).unwrap().first().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let closing = CancellationToken::new();
        let tasks = TaskTracker::new();
        let serve = {
            let (state, tasks) = (Arc::clone(&state), tasks.clone());
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let state = Arc::clone(&state);
                    // What the client does not wait for is not waited for here.
                    tasks.spawn(async move { relay(client, upstream, &state).await.ok() });
                }
            }
        };
        tasks.spawn(closing.clone().run_until_cancelled_owned(serve));
        Self { url, upstream, state, _closing: closing.drop_guard() }
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// What happens to the next write that nothing was planned for yet.
    pub(crate) fn on_write(&self, fault: Fault) {
        self.state.lock().unwrap().on_writes.push_back(fault);
    }

    /// What happens to the next read that nothing was planned for yet.
    pub(crate) fn on_read(&self, fault: Fault) {
        self.state.lock().unwrap().on_reads.push_back(fault);
    }

    /// The statuses of the writes so far, in order.
    pub(crate) fn writes(&self) -> Vec<Option<u16>> {
        self.state.lock().unwrap().writes.iter().map(|write| write.status).collect()
    }

    /// How many reads came by.
    pub(crate) fn reads(&self) -> usize {
        self.state.lock().unwrap().reads
    }

    /// Delivers a write of the past (again), and returns the answer's status.
    pub(crate) async fn deliver(&self, write: usize) -> u16 {
        let bytes = self.state.lock().unwrap().writes.get(write).unwrap().bytes.clone();
        exchange(self.upstream, &bytes).await.unwrap().0
    }
}

async fn relay(mut client: TcpStream, upstream: SocketAddr, state: &Mutex<State>) -> std::io::Result<()> {
    let request = read_request(&mut client).await?;
    // Route 53's change of records, and an object store's put.
    let is_change = request.starts_with(b"POST ") && request.windows(6).any(|bytes| bytes == b"/rrset");
    let is_write = is_change || request.starts_with(b"PUT ");
    let (fault, place) = {
        let mut state = state.lock().unwrap();
        if is_write {
            state.writes.push(Write { bytes: request.clone(), status: None });
            (state.on_writes.pop_front(), state.writes.len() - 1)
        } else {
            state.reads += 1;
            (state.on_reads.pop_front(), 0)
        }
    };
    let own = |status: u16, body: &str| {
        format!("HTTP/1.1 {status} Own\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    let answer = match fault {
        Some(Fault::LoseRequest) => return Ok(()),
        Some(Fault::Answer(status, body)) => own(status, &body),
        delivered => {
            if let Some(Fault::After(write)) = delivered {
                let earlier = state.lock().unwrap().writes[write].bytes.clone();
                exchange(upstream, &earlier).await?;
            }
            if let Some(Fault::DeliverTwice) = delivered {
                exchange(upstream, &request).await?;
            }
            let (status, answer) = exchange(upstream, &request).await?;
            if is_write && let Some(write) = state.lock().unwrap().writes.get_mut(place) {
                write.status = Some(status);
            }
            match delivered {
                None | Some(Fault::Pass | Fault::DeliverTwice | Fault::After(_)) => answer,
                Some(Fault::GarbleAnswer) => own(200, "<ChangeResourceRecordSetsResp"),
                Some(_) => return Ok(()),
            }
        }
    };
    client.write_all(&answer).await?;
    client.shutdown().await
}

/// One request, complete.
async fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    loop {
        if client.read_buf(&mut request).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        if request.len() >= end + 4 + length {
            return Ok(request);
        }
    }
}

/// Sends a request on a connection of its own, and returns the answer's status and bytes.
async fn exchange(upstream: SocketAddr, request: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&with_close(request)).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|status| status.parse().ok());
    status.map(|status| (status, with_close(&answer))).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

/// The same message, saying that the connection ends after it.
fn with_close(message: &[u8]) -> Vec<u8> {
    let end = message.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&message[..end]);
    let kept = head.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: Vec<&str> = kept.chain(["connection: close"]).collect();
    [head.join("\r\n").as_bytes(), &message[end..]].concat()
}
