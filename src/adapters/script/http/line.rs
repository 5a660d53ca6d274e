//! One connection of one probe, and one request over it.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::timing::Timings;
use super::trouble::Trouble;
use super::{Route, Waiting, Wire, dial};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::resolve;
use crate::adapters::script::tls::{Offer, Trust};
use crate::adapters::script::watch::now;
use crate::domain::FailureKind;
use crate::ports::Resolution;

/// The longest head of a proxy's answer.
const MAX_PROXY_HEAD: usize = 8 * 1024;

/// How long a name behind a proxy is looked up at most: where there is a proxy, there is often no name server that knows the world.
const NAME_BEHIND_A_PROXY: Duration = Duration::from_millis(500);

/// Where a connection leads, and how: what two requests must share to share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) secure: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) route: Route,
}

impl Way {
    /// Whether requests name the whole URL, as a proxy for plain HTTP wants it.
    pub(super) fn is_through_a_plain_proxy(&self) -> bool {
        self.route.proxy.is_some() && !self.secure
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) way: Rc<Way>,
    pub(super) remote: SocketAddr,
    sender: Sender,
    driver: JoinHandle<()>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Line {
    /// Opens a connection; how long its parts took is written down as it goes.
    pub(super) async fn open(
        way: Rc<Way>,
        trust: &Trust,
        resolution: &Resolution,
        timings: &mut Timings,
        wire: &dyn Wire,
        said: &Rc<str>,
    ) -> Result<Self, Trouble> {
        // What the proxy does or fails to do says nothing of the site behind it.
        let by_way = |trouble: Trouble| match (&way.route.proxy, trouble) {
            (Some(proxy), Trouble::Site(_, words)) => {
                Trouble::Vantage(format!("the proxy {}: {words}", proxy.host_str().unwrap_or_default()))
            }
            (_, trouble) => trouble,
        };
        let (host, port) = match &way.route.proxy {
            Some(proxy) => {
                (proxy.host_str().unwrap_or_default().to_owned(), proxy.port_or_known_default().unwrap_or(80))
            }
            None => (way.host.clone(), way.port),
        };
        if let Some(proxy) = &way.route.proxy {
            let proxy = proxy.host_str().unwrap_or_default();
            wire.waits_for_ours(format!("no way through the proxy '{proxy}', for {said},"));
            may_be_behind_a_proxy(&way.host, resolution).await?;
        }
        let began = now();
        let addresses = match way.route.connect_to {
            Some((ip, own)) if way.route.proxy.is_none() => vec![SocketAddr::new(ip, own.unwrap_or(port))],
            _ => {
                wire.waits_for_ours(format!("no answer about the name '{host}' from the resolver, for {said},"));
                let found = resolve::addresses(&host, resolution).await.map_err(by_way)?;
                found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
            }
        };
        match &way.route.proxy {
            Some(_) => wire.waits_for_ours(format!("no way through the proxy '{host}', for {said},")),
            None => wire.waits_for(Waiting::Answer(Rc::clone(said))),
        }
        timings.dns = now().duration_since(began);
        let (mut stream, took) = dial::connect(&addresses).await.map_err(by_way)?;
        timings.connect = took;
        let remote = stream.peer_addr().map_err(|error| Trouble::of_io(&error))?;
        if way.route.proxy.is_some() && way.secure {
            tunnel(&mut stream, &way).await?;
        }
        wire.waits_for(Waiting::Answer(Rc::clone(said)));
        let (sender, driver) = if way.secure {
            let offer = way.route.offer;
            let config = trust.config(&way.route.papers, offer).map_err(|ending| match ending {
                Ending::Fail(kind, words) => Trouble::Site(kind, words),
                Ending::Inconclusive(words) => Trouble::Vantage(words),
            })?;
            let name = way.route.server_name.clone().unwrap_or_else(|| way.host.clone());
            let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
                .map_err(|_| Trouble::Vantage(format!("'{name}' is no name that a certificate can have")))?;
            let began = now();
            let stream = TlsConnector::from(Arc::clone(&config)).connect(name, stream).await;
            let stream = stream.map_err(|error| match (Trouble::of_handshake(&error), trust.problem()) {
                (Trouble::Site(FailureKind::Tls, _), Some(problem)) => {
                    Trouble::Vantage(format!("this machine cannot judge certificates: {problem}"))
                }
                (trouble, _) => trouble,
            })?;
            timings.tls = now().duration_since(began);
            let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            match (agreed.as_deref(), offer) {
                (Some(b"h2"), _) => http2(stream).await?,
                (_, Offer::Http2) => {
                    return Err(Trouble::Site(FailureKind::Assertion, "the server does not speak HTTP/2".to_owned()));
                }
                _ => http1(stream).await?,
            }
        } else if way.route.offer == Offer::Http2 {
            http2(stream).await?
        } else {
            http1(stream).await?
        };
        Ok(Self { way, remote, sender, driver })
    }

    /// Whether it may take another request; it may still turn out to have been closed.
    pub(super) fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => !sender.is_closed(),
            Sender::Http2(sender) => !sender.is_closed(),
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Sends a request and waits for the answer's head.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

/// Whether the server closed the connection before it said anything about the request.
pub(super) fn hung_up(error: &hyper::Error) -> bool {
    let kind = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let closed = matches!(kind, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe));
    error.is_canceled() || error.is_incomplete_message() || closed
}

async fn http1<S>(stream: S) -> Result<(Sender, JoinHandle<()>), Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(|error| Trouble::of(&error))?;
    // Whoever sends over it is told what went wrong with it.
    let driver = tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok((Sender::Http1(sender), driver))
}

async fn http2<S>(stream: S) -> Result<(Sender, JoinHandle<()>), Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let handshake = http2::Builder::new(Here).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(|error| Trouble::of(&error))?;
    let driver = tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok((Sender::Http2(sender), driver))
}

/// Runs what HTTP/2 wants to run on this thread, where the probe is.
#[derive(Debug, Clone, Copy)]
struct Here;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Whether a proxy may be asked for the host: not for what no probe may ask, by its address or by a name that this vantage knows. A name that
/// it does not know is the proxy's to resolve, and in the check's reach.
async fn may_be_behind_a_proxy(host: &str, resolution: &Resolution) -> Result<(), Trouble> {
    let found = tokio::time::timeout(NAME_BEHIND_A_PROXY, resolve::addresses(host, resolution)).await;
    let refused = found.ok().and_then(Result::ok).into_iter().flatten().find_map(|ip| Some((ip, dial::refusal(ip)?)));
    match refused {
        Some((ip, why)) => {
            Err(Trouble::Vantage(format!("a probe may not connect to {ip}, not by a proxy either: {why}")))
        }
        None => Ok(()),
    }
}

/// Asks the proxy for a way through to the site (RFC 9110, section 9.3.6).
async fn tunnel(stream: &mut TcpStream, way: &Way) -> Result<(), Trouble> {
    let refused = |what: String| Trouble::Vantage(format!("the proxy gives no way to {}: {what}", way.host));
    let authority = format!("{}:{}", way.host, way.port);
    let permit = way
        .route
        .proxy
        .as_ref()
        .and_then(super::proxy_permit)
        .map(|permit| format!("Proxy-Authorization: {permit}\r\n"));
    let ask = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{}\r\n", permit.unwrap_or_default());
    stream.write_all(ask.as_bytes()).await.map_err(|error| refused(error.to_string()))?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head belongs to the site.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_PROXY_HEAD {
            return Err(refused("its answer has no end".to_owned()));
        }
        head.push(stream.read_u8().await.map_err(|error| refused(error.to_string()))?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status.starts_with('2') { Ok(()) } else { Err(refused(head.lines().next().unwrap_or_default().to_owned())) }
}
