//! The browser of one probe: its own connections and its own cookie jar, so that a probe sees what a new user sees.
//!
//! ```text
//! Ask ─▶ Browser::send ─ redirects ─▶ exchange ─▶ Line (dns, connect, TLS, HTTP/1.1 or 2) ─▶ decode ─▶ Answer
//!                                        └▶ Exchange: what was sent, what came, how long each part took
//! ```
//!
//! Redirects are followed by hand, because scripts choose per request, and because the reason of a failure names the
//! chain. Bodies are read up to a cap, before and after decompression, so that a bomb is cut off as well.

mod decode;
mod dial;
mod line;
mod redirect;
mod timing;
mod trouble;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cookie_store::CookieStore;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderValue, PROXY_AUTHORIZATION, SET_COOKIE,
    USER_AGENT,
};
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Body as _;
use url::{Position, Url};

pub(super) use dial::{connect, refusal};
pub(super) use timing::Timings;
pub(super) use trouble::Trouble;

use line::{Line, Way};

use super::ending::Ending;
use super::text::plain_url;
use super::tls::{Offer, Papers, Trust};
use super::watch::now;
use crate::domain::FailureKind;
use crate::ports::Resolution;

/// The most of a body that is read, before and after decompression: login pages have tens of kilobytes.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The most redirects that one request follows; browsers stop at 20, and a login needs three or four.
pub(super) const MAX_REDIRECTS: usize = 10;
/// What a probe calls itself, so that its requests can be told apart in an access log.
const USER_AGENT_WORDS: &str = concat!("quorate/", env!("CARGO_PKG_VERSION"), " (health check)");
/// The port of a URL that names none, and whose scheme has none.
const HTTP_PORT: u16 = 80;

/// A request body with its media type.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

/// How a request gets to its server, where a script wants it otherwise than usual.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Route {
    /// The certificates of the script's own.
    pub(super) papers: Papers,
    /// The versions of HTTP.
    pub(super) offer: Offer,
    /// The name in the TLS handshake and on the certificate, if not the host's.
    pub(super) server_name: Option<String>,
    /// The address to connect to under the host's name, and the port, if not the URL's.
    pub(super) connect_to: Option<(IpAddr, Option<u16>)>,
    /// The HTTP proxy.
    pub(super) proxy: Option<Url>,
}

/// One request that a script makes.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) payload: Option<Payload>,
    pub(super) follow: bool,
    /// The page that the request comes from.
    pub(super) from: Option<Url>,
    pub(super) route: Route,
    /// The request's own limit.
    pub(super) timeout: Option<Duration>,
}

/// What came back, after any redirects.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    /// Where the redirects led, the first URL first; empty without any.
    pub(super) chain: Vec<Url>,
    /// Of the last request.
    pub(super) timings: Timings,
}

/// One request and its answer, as they went over the line.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) method: Method,
    pub(super) url: Url,
    /// The request's headers; none, unless they are [wanted](Wire::wants_sent).
    pub(super) sent: HeaderMap,
    pub(super) payload: Option<Bytes>,
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    /// Decoded.
    pub(super) body: Bytes,
    pub(super) remote: Option<SocketAddr>,
    pub(super) reused: bool,
    pub(super) timings: Timings,
    /// When it began.
    pub(super) began: std::time::Instant,
}

/// What is waited for: words that are only put together when they are read, which is when the deadline strikes.
#[derive(Debug, Clone)]
pub(super) enum Waiting {
    /// Anything.
    For(String),
    /// The answer to a request.
    Answer(Rc<str>),
    /// The rest of its body, of which so many bytes have come.
    Body(Rc<str>, usize),
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::For(words) => f.write_str(words),
            Self::Answer(said) => write!(f, "no answer to {said}"),
            Self::Body(said, 0) => write!(f, "the body of {said} did not come"),
            Self::Body(said, came) => write!(f, "the body of {said} did not end ({came} bytes came)"),
        }
    }
}

/// What the browser is waiting for; read when the deadline strikes.
#[derive(Debug, Default)]
pub(super) struct Progress {
    waiting: RefCell<Option<Waiting>>,
    is_ours: Cell<bool>,
}

impl Progress {
    /// The site is waited for.
    pub(super) fn set(&self, words: String) {
        self.set_to(Waiting::For(words));
    }

    /// The same, put together later.
    pub(super) fn set_to(&self, waiting: Waiting) {
        self.waiting.replace(Some(waiting));
        self.is_ours.set(false);
    }

    /// Something of this vantage is waited for, its resolver say: if that takes too long, it says nothing of the site.
    pub(super) fn set_ours(&self, words: String) {
        self.waiting.replace(Some(Waiting::For(words)));
        self.is_ours.set(true);
    }

    /// The words.
    pub(super) fn get(&self) -> String {
        self.waiting.borrow().as_ref().map(Waiting::to_string).unwrap_or_default()
    }

    /// Whether something of this vantage is waited for.
    pub(super) fn is_ours(&self) -> bool {
        self.is_ours.get()
    }
}

/// Whom the browser tells of its requests, and whom it asks before the network.
pub(super) trait Wire {
    /// A request is about to be made, unless it may not be.
    fn begins(&self, ask: &Ask) -> Result<(), Ending>;

    /// The recorded answer to this request; nothing where the network is asked.
    fn recorded(&self, ask: &Ask) -> Option<Result<Exchange, Ending>>;

    /// Whether the headers that were sent are wanted afterwards.
    fn wants_sent(&self) -> bool;

    /// The answer has come whole.
    fn took_place(&self, exchange: &Exchange);

    /// What is waited for.
    fn waits_for(&self, waiting: Waiting);

    /// The same in words, where it is something of this vantage.
    fn waits_for_ours(&self, words: String);
}

/// The browser of one probe.
#[derive(Debug)]
pub(super) struct Browser {
    trust: Arc<Trust>,
    resolution: Resolution,
    jar: RefCell<CookieStore>,
    lines: RefCell<Vec<Line>>,
    max_body: usize,
}

impl Browser {
    /// A browser that nobody has used. It takes the shared TLS configuration, but no connection and no cookie.
    pub(super) fn new(trust: Arc<Trust>, resolution: Resolution, max_body: usize) -> Self {
        Self { trust, resolution, jar: RefCell::default(), lines: RefCell::default(), max_body }
    }

    /// What it trusts.
    pub(super) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The cookie with that name, as the browser would send it to that URL.
    pub(super) fn cookie(&self, url: &Url, name: &str) -> Option<String> {
        self.matching(url).into_iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Puts a cookie into the jar, as if that URL had set it.
    pub(super) fn set_cookie(&self, url: &Url, text: &str) -> Result<(), String> {
        self.jar.borrow_mut().parse(text, url).map(drop).map_err(|error| error.to_string())
    }

    /// Sends the request, follows redirects if asked to, and reads the body up to the cap. The caller bounds the time.
    pub(super) async fn send(&self, mut ask: Box<Ask>, wire: &dyn Wire) -> Result<Answer, Ending> {
        let mut chain: Vec<Url> = Vec::new();
        loop {
            wire.begins(&ask)?;
            let exchange = match wire.recorded(&ask) {
                Some(recorded) => recorded?,
                None => self.exchange(&ask, wire).await?,
            };
            self.keep_cookies(&ask.url, &exchange.headers);
            wire.took_place(&exchange);
            let Some(next) = redirect::next_hop(&ask, exchange.status, &exchange.headers)? else {
                if !chain.is_empty() {
                    chain.push(plain_url(&ask.url));
                }
                return Ok(Answer {
                    method: ask.method,
                    url: plain_url(&ask.url),
                    status: exchange.status,
                    version: exchange.version,
                    headers: exchange.headers,
                    text: text(&exchange.body),
                    chain,
                    timings: exchange.timings,
                });
            };
            chain.push(plain_url(&ask.url));
            if chain.len() > MAX_REDIRECTS {
                let hops: Vec<String> = chain.iter().map(Url::to_string).collect();
                let reason = format!("more than {MAX_REDIRECTS} redirects: {} {}", ask.method, hops.join(" → "));
                return Err(Ending::Fail(FailureKind::Assertion, reason));
            }
            *ask = next;
        }
    }

    fn keep_cookies(&self, url: &Url, headers: &HeaderMap) {
        let mut jar = self.jar.borrow_mut();
        for cookie in headers.get_all(SET_COOKIE) {
            // One that the jar refuses, a browser would refuse, too.
            let _ = jar.parse(&String::from_utf8_lossy(cookie.as_bytes()), url);
        }
    }

    /// One request and its answer, read to its end.
    async fn exchange(&self, ask: &Ask, wire: &dyn Wire) -> Result<Exchange, Ending> {
        let said: Rc<str> = format!("{} {}", ask.method, plain_url(&ask.url)).into();
        let explain = |trouble: Trouble| match trouble {
            Trouble::Site(kind, words) => Ending::Fail(kind, format!("{said}: {words}")),
            Trouble::Vantage(words) => Ending::Inconclusive(format!("{said}: {words}")),
        };
        let began = now();
        let mut timings = Timings::default();
        let way = way(ask).map_err(explain)?;
        // Boxed, for a connection is large, and would be in this future more than once.
        let mut kept = self.take(&way).map(Box::new);
        let (line, reused, sent, response) = loop {
            let reused = kept.is_some();
            let mut line = match kept.take() {
                Some(line) => line,
                None => {
                    let opening =
                        Line::open(Rc::clone(&way), &self.trust, &self.resolution, &mut timings, wire, &said);
                    // What it takes to open a connection is large, and goes before the answer is waited for.
                    Box::new(Box::pin(opening).await.map_err(explain)?)
                }
            };
            wire.waits_for(Waiting::Answer(Rc::clone(&said)));
            let request = self.request(ask, &line).map_err(explain)?;
            let sent = if wire.wants_sent() { request.headers().clone() } else { HeaderMap::new() };
            let asked = now();
            match line.send(request).await {
                Ok(response) => {
                    timings.first_byte = now().duration_since(asked);
                    break (line, reused, sent, response);
                }
                // The server has closed what it had kept open, which it may do at any time: a browser asks again, whatever the method.
                Err(error) if reused && (line::hung_up(&error) || is_safe(&ask.method)) => {}
                Err(error) => return Err(explain(Trouble::of(&error))),
            }
        };
        let remote = line.remote;
        let (head, mut incoming) = response.into_parts();
        if head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED && way.route.proxy.is_some() {
            return Err(explain(Trouble::Vantage("the proxy wants to know who asks (407)".to_owned())));
        }
        wire.waits_for(Waiting::Body(Rc::clone(&said), 0));
        let reading = now();
        let too_large = || {
            let reason = format!("the body of {said} is larger than {} KiB", self.max_body / 1024);
            Ending::Fail(FailureKind::Assertion, reason)
        };
        let (mut whole, mut body) = (Bytes::new(), BytesMut::new());
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| explain(Trouble::of(&error)))?;
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + body.len() + data.len() > self.max_body {
                return Err(too_large());
            }
            // Most bodies come in one piece, which need not be copied.
            if whole.is_empty() && body.is_empty() {
                whole = data;
            } else {
                body.extend_from_slice(&std::mem::take(&mut whole));
                body.extend_from_slice(&data);
            }
            if !incoming.is_end_stream() {
                wire.waits_for(Waiting::Body(Rc::clone(&said), whole.len() + body.len()));
            }
        }
        let body = if body.is_empty() { whole } else { body.freeze() };
        timings.body = now().duration_since(reading);
        if line.is_open() {
            self.lines.borrow_mut().push(*line);
        }
        let body = decode::decode(&head.headers, body, self.max_body).map_err(|error| match error {
            decode::Undecodable::TooLarge => too_large(),
            decode::Undecodable::Broken(why) => {
                Ending::Fail(FailureKind::Assertion, format!("{said}: the body cannot be decoded: {why}"))
            }
        })?;
        Ok(Exchange {
            method: ask.method.clone(),
            url: ask.url.clone(),
            sent,
            payload: ask.payload.as_ref().map(|payload| payload.bytes.clone()),
            status: head.status,
            version: head.version,
            headers: head.headers,
            body,
            remote: Some(remote),
            reused,
            timings,
            began,
        })
    }

    /// A connection that is open and leads there.
    fn take(&self, way: &Way) -> Option<Line> {
        let mut lines = self.lines.borrow_mut();
        lines.retain(Line::is_open);
        let index = lines.iter().position(|line| *line.way == *way)?;
        Some(lines.swap_remove(index))
    }

    fn request(&self, ask: &Ask, line: &Line) -> Result<Request<Full<Bytes>>, Trouble> {
        let unsendable = |what: String| Trouble::Vantage(format!("the request cannot be sent: {what}"));
        let whole = line.is_http2() || line.way.is_through_a_plain_proxy();
        let target = if whole {
            &ask.url[..Position::AfterQuery]
        } else {
            &ask.url[Position::BeforePath..Position::AfterQuery]
        };
        let mut target = target.to_owned();
        if whole {
            target = plain_url(&ask.url)[..Position::AfterQuery].to_owned();
        }
        let uri: Uri = target.parse().map_err(|error| unsendable(format!("{error}")))?;
        let bytes = ask.payload.as_ref().map(|payload| payload.bytes.clone()).unwrap_or_default();
        let mut request = Request::new(Full::new(bytes));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        if !line.is_http2() {
            let host = &ask.url[Position::BeforeHost..Position::AfterPort];
            headers.insert(HOST, HeaderValue::from_str(host).map_err(|error| unsendable(error.to_string()))?);
        }
        headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_WORDS));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(decode::ACCEPTED));
        if let Some(payload) = &ask.payload {
            let kind = HeaderValue::from_str(&payload.content_type).map_err(|error| unsendable(error.to_string()))?;
            headers.insert(CONTENT_TYPE, kind);
        }
        if let Some(permit) = basic_of(&ask.url) {
            headers.insert(AUTHORIZATION, permit);
        }
        if line.way.is_through_a_plain_proxy()
            && let Some(permit) = line.way.route.proxy.as_ref().and_then(proxy_permit)
        {
            headers.insert(
                PROXY_AUTHORIZATION,
                HeaderValue::from_str(&permit).map_err(|error| unsendable(error.to_string()))?,
            );
        }
        for (name, value) in &redirect::provenance(ask) {
            headers.insert(name, value.clone());
        }
        let mut own = None;
        for (name, value) in &ask.headers {
            // What the script says of a header stands instead of ours, as often as it says it.
            if own.replace(name) != Some(name) {
                headers.insert(name, value.clone());
            } else {
                headers.append(name, value.clone());
            }
        }
        if !headers.contains_key(COOKIE)
            && let Some(cookies) = self.cookies(&ask.url)
        {
            headers.insert(COOKIE, cookies);
        }
        Ok(request)
    }

    /// The cookies for the URL, those of the longest path first, and the oldest of those (RFC 6265, section 5.4).
    fn matching(&self, url: &Url) -> Vec<(String, String)> {
        let jar = self.jar.borrow();
        let mut matching = jar.matches(url);
        matching.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        matching.iter().map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned())).collect()
    }

    fn cookies(&self, url: &Url) -> Option<HeaderValue> {
        let pairs: Vec<String> =
            self.matching(url).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { None } else { HeaderValue::from_str(&pairs.join("; ")).ok() }
    }
}

fn way(ask: &Ask) -> Result<Rc<Way>, Trouble> {
    let none = || Trouble::Vantage("the URL names no host".to_owned());
    let host = ask.url.host_str().ok_or_else(none)?.to_owned();
    let port = ask.url.port_or_known_default().unwrap_or(HTTP_PORT);
    Ok(Rc::new(Way { secure: ask.url.scheme() == "https", host, port, route: ask.route.clone() }))
}

/// The body as text.
fn text(body: &[u8]) -> String {
    // Much faster than the search for what is no UTF-8.
    std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What a user and a password in a URL amount to.
fn basic_of(url: &Url) -> Option<HeaderValue> {
    HeaderValue::from_str(&proxy_permit(url)?).ok()
}

/// The permit that a URL's user and password amount to (RFC 7617).
fn proxy_permit(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = format!("{}:{}", plain(url.username()), plain(url.password().unwrap_or_default()));
    Some(format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
}
