//! WebSockets, as far as an echo check goes: texts to and fro, pings answered, a clean goodbye.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Sink, SinkExt, Stream};
use http::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{Request, StatusCode};
use rhai::{Dynamic, ImmutableString, Map, NativeCallContext};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

use super::options::Options;
use super::secure::{self, Link};
use super::{Outcome, Result, Shelf, dial};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::text::{MAX_EXCERPT_CHARS, plain_url};
use crate::adapters::script::tls::Offer;
use crate::domain::{FailureKind, Protocol};

/// The largest message that is taken, fragments joined.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// What is read at once; a probe that waits should hold little memory.
const BUFFER_BYTES: usize = 8 * 1024;

/// An open WebSocket, as a script holds it.
#[derive(Debug, Clone)]
struct Socket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    said: String,
    url: String,
    subprotocol: Option<String>,
    /// Taken out while it is waited for, and gone once it is closed.
    stream: Mutex<Option<WebSocketStream<Link>>>,
}

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("websockets");
    shelf.module.set_custom_type::<Socket>("WebSocket");
    shelf.add(
        "websocket(url: string) -> WebSocket",
        "Opens a WebSocket; a path from the root is the target's, by wss where that is https.",
        |context: NativeCallContext<'_>, url: &str| open(&context, url, Map::new()),
    );
    shelf.add(
        "websocket(url: string, options: map) -> WebSocket",
        "The same with options: `headers`, `subprotocol` (must be chosen by the server), `ca`.",
        |context: NativeCallContext<'_>, url: &str, options: Map| open(&context, url, options),
    );
    shelf.add(
        "websocket.send(text: string)",
        "Sends a text message.",
        |context: NativeCallContext<'_>, socket: &mut Socket, text: ImmutableString| -> Result<()> {
            let (flow, inner) = (flow::of(&context)?, &socket.0);
            Ok(flow.asks(Protocol::WebSocket, "send", &inner.url, || {
                send(&flow, inner, &text)?;
                Ok(((), format!("{} bytes", text.len())))
            })?)
        },
    );
    shelf.add(
        "websocket.receive() -> string",
        "Waits for the next message. Pings are answered meanwhile; fails when the server closes instead.",
        |context: NativeCallContext<'_>, socket: &mut Socket| -> Result<String> {
            let (flow, inner) = (flow::of(&context)?, &socket.0);
            Ok(flow.asks(Protocol::WebSocket, "receive", &inner.url, || {
                let text = receive(&flow, inner)?;
                let bytes = text.len();
                Ok((text, format!("{bytes} bytes")))
            })?)
        },
    );
    shelf.add(
        "websocket.close()",
        "Says goodbye and waits for the server's; what it still says is dropped.",
        |context: NativeCallContext<'_>, socket: &mut Socket| -> Result<()> {
            let (flow, inner) = (flow::of(&context)?, &socket.0);
            Ok(flow.asks(Protocol::WebSocket, "close", &inner.url, || {
                close(&flow, inner)?;
                Ok(((), "closed".to_owned()))
            })?)
        },
    );
    shelf.getter(
        "websocket.subprotocol -> string | ()",
        "The subprotocol that the server chose.",
        |socket: &mut Socket| socket.0.subprotocol.clone().map_or(Dynamic::UNIT, Dynamic::from),
    );
}

fn open(context: &NativeCallContext<'_>, text: &str, map: Map) -> Result<Socket> {
    let flow = flow::of(context)?;
    let mut options = Options::new("websocket", map, &["headers", "subprotocol", "ca"])?;
    let url = url_of(&flow, text)?;
    let said = format!("the WebSocket {}", plain_url(&url));
    let wanted = options.text("subprotocol")?;
    let request = request(&url, options.headers()?, wanted.as_deref())?;
    let host = host_of(&url);
    let (secure, ca) = (url.scheme() == "wss", options.text("ca")?);
    let config = if secure { Some(secure::config(&flow, ca, Offer::Http1)?) } else { None };
    let opened = flow.asks(Protocol::WebSocket, "open", plain_url(&url).as_str(), || {
        let stream = dial::dial(&flow, &host, url.port_or_known_default().unwrap_or(80))?;
        let opened = flow.wait(async {
            let link: Link = match config {
                Some(config) => Box::new(secure::upgrade(&flow, stream, &host, config, &said).await?),
                None => Box::new(stream),
            };
            flow.progress().set(format!("{said} was not opened"));
            let limits = WebSocketConfig::default()
                .read_buffer_size(BUFFER_BYTES)
                .write_buffer_size(0)
                .max_message_size(Some(MAX_MESSAGE_BYTES))
                .max_frame_size(Some(MAX_MESSAGE_BYTES));
            let opened = client_async_with_config(request, link, Some(limits)).await;
            let (stream, response) = opened.map_err(|error| explain(&flow, &said, error))?;
            let chosen = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
            let chosen = chosen.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            Ok::<_, Ending>((stream, chosen))
        })??;
        Ok((opened, "open".to_owned()))
    });
    let (stream, subprotocol) = opened?;
    let url = plain_url(&url).to_string();
    Ok(Socket(Arc::new(Inner { said, url, subprotocol, stream: Mutex::new(Some(stream)) })))
}

/// The URL that a script means: `ws` or `wss`, or a path of the target.
fn url_of(flow: &Flow, text: &str) -> Outcome<Url> {
    let wrong = |why: String| Ending::Inconclusive(format!("'{text}' is no ws or wss URL{why}"));
    let mut url = match Url::parse(text) {
        Ok(url) => url,
        Err(_) if text.starts_with('/') => {
            flow.request.target.join(text).map_err(|error| wrong(format!(": {error}")))?
        }
        Err(error) => return Err(wrong(format!(": {error}"))),
    };
    let scheme = match url.scheme() {
        "ws" | "wss" => None,
        "http" if text.starts_with('/') => Some("ws"),
        "https" if text.starts_with('/') => Some("wss"),
        _ => return Err(wrong(String::new())),
    };
    if let Some(scheme) = scheme {
        url.set_scheme(scheme).map_err(|()| wrong(String::new()))?;
    }
    url.set_fragment(None);
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong(": it has no host".to_owned()));
    }
    Ok(url)
}

/// The host as it is dialled and verified.
pub(super) fn host_of(url: &Url) -> String {
    match url.host() {
        Some(url::Host::Ipv6(address)) => address.to_string(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    }
}

fn request(url: &Url, headers: Vec<(String, String)>, subprotocol: Option<&str>) -> Outcome<Request<()>> {
    let wrong = |why: String| Ending::Inconclusive(format!("the WebSocket cannot be asked for: {why}"));
    let mut request = url.as_str().into_client_request().map_err(|error| wrong(error.to_string()))?;
    for (name, value) in headers {
        let bad = || wrong(format!("the header '{name}' cannot be sent"));
        let header = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
        request.headers_mut().append(header, HeaderValue::from_str(&value).map_err(|_| bad())?);
    }
    if let Some(name) = subprotocol {
        let value =
            HeaderValue::from_str(name).map_err(|_| wrong(format!("'{name}' is no name of a subprotocol")))?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    Ok(request)
}

fn send(flow: &Flow, inner: &Inner, text: &str) -> Outcome<()> {
    if text.len() > MAX_MESSAGE_BYTES {
        let most = MAX_MESSAGE_BYTES / 1024;
        return Err(Ending::Inconclusive(format!(
            "the message is larger than {most} KiB, the most that a check sends"
        )));
    }
    flow.progress().set(format!("{} did not take a message", inner.said));
    let mut stream = taken(inner)?;
    flow.wait(stream.send(Message::text(text)))?.map_err(|error| explain(flow, &inner.said, error))?;
    put_back(inner, stream);
    Ok(())
}

fn receive(flow: &Flow, inner: &Inner) -> Outcome<String> {
    flow.progress().set(format!("{} sent no message", inner.said));
    let mut stream = taken(inner)?;
    let text = flow.wait(async {
        loop {
            match next(&mut stream).await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => return text_of(&inner.said, &bytes),
                Some(Ok(Message::Close(frame))) => {
                    let why = frame.map(|frame| format!(" with {} {}", frame.code, frame.reason)).unwrap_or_default();
                    let why = flow.tidy(&why, MAX_EXCERPT_CHARS);
                    let reason = format!("{} was closed by the server {}", inner.said, why.trim());
                    return Err(Ending::Fail(FailureKind::Network, reason.trim_end().to_owned()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(explain(flow, &inner.said, error)),
                None => return Err(explain(flow, &inner.said, Error::ConnectionClosed)),
            }
        }
    })??;
    put_back(inner, stream);
    Ok(text)
}

fn close(flow: &Flow, inner: &Inner) -> Outcome<()> {
    flow.progress().set(format!("{} did not close", inner.said));
    let mut stream = taken(inner)?;
    flow.wait(async {
        let mut result = stream.close(None).await;
        while result.is_ok() {
            match next(&mut stream).await {
                Some(Ok(_)) => {}
                Some(Err(error)) => result = Err(error),
                None => break,
            }
        }
        match result {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => Ok(()),
            Err(error) => Err(explain(flow, &inner.said, error)),
        }
    })?
}

fn taken(inner: &Inner) -> Outcome<WebSocketStream<Link>> {
    let stream = inner.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
    stream.ok_or_else(|| Ending::Inconclusive(format!("the script uses {} after it closed it", inner.said)))
}

fn put_back(inner: &Inner, stream: WebSocketStream<Link>) {
    *inner.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
}

async fn next(stream: &mut WebSocketStream<Link>) -> Option<std::result::Result<Message, Error>> {
    // A pong that a ping has called for goes out with the next look at the connection, which may be long in coming.
    let result = std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await;
    if let Some(Ok(Message::Ping(_))) = &result {
        let flushed = std::future::poll_fn(|cx| Sink::<Message>::poll_flush(Pin::new(&mut *stream), cx)).await;
        if let Err(error) = flushed {
            return Some(Err(error));
        }
    }
    result
}

fn text_of(said: &str, bytes: &[u8]) -> Outcome<String> {
    let length = bytes.len();
    let wrong = |_| {
        let reason = format!("{said} sent a binary message of {length} bytes that is no text");
        Ending::Fail(FailureKind::Assertion, reason)
    };
    String::from_utf8(bytes.to_vec()).map_err(wrong)
}

fn explain(flow: &Flow, said: &str, error: Error) -> Ending {
    let fail = |kind, words: String| Ending::Fail(kind, format!("{said}: {words}"));
    match error {
        Error::Http(response) => {
            let status = response.status();
            let kind = match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
                    FailureKind::Denied
                }
                status if status.is_server_error() => FailureKind::ServerError,
                _ => FailureKind::Assertion,
            };
            fail(kind, format!("the server answers {status} instead of opening it"))
        }
        Error::Io(error) => dial::prefixed(said, dial::broken(&error)),
        Error::ConnectionClosed | Error::AlreadyClosed => {
            fail(FailureKind::Network, "it was closed by the server".to_owned())
        }
        Error::Capacity(_) => {
            let most = MAX_MESSAGE_BYTES / 1024;
            fail(FailureKind::Assertion, format!("a message is larger than {most} KiB"))
        }
        Error::Protocol(error) => {
            let words = error.to_string();
            let gone = words.contains("without closing handshake") || words.contains("Handshake not finished");
            let kind = if gone { FailureKind::Network } else { FailureKind::Assertion };
            fail(kind, format!("what it says is no WebSocket: {}", flow.tidy(&words, MAX_EXCERPT_CHARS)))
        }
        other => fail(FailureKind::Assertion, flow.tidy(&other.to_string(), MAX_EXCERPT_CHARS)),
    }
}
