//! Plain connections: whether one comes about, what a server says first, and what it answers.

use rhai::{Dynamic, ImmutableString, Map, NativeCallContext};

use super::lines::Lines;
use super::options::{self, Options};
use super::secure::{self, Link};
use super::{Outcome, Result, Shelf, dial};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::text::MAX_EXCERPT_CHARS;
use crate::adapters::script::tls::Offer;
use crate::domain::{FailureKind, Protocol};

/// What a banner or an answer may have unless the script says so: a line or two.
const DEFAULT_BYTES: usize = 64 * 1024;
/// The most that a script may ask for.
const MAX_BYTES: i64 = 1024 * 1024;

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("connections");
    shelf.add(
        "tcp(host: string, port: int) -> map",
        "Connects and hangs up: `#{address, connect_ms}`. Fails when nobody takes the connection.",
        |context: NativeCallContext<'_>, host: &str, port: i64| -> Result<Map> {
            let flow = flow::of(&context)?;
            let port = options::port(port)?;
            let url = format!("tcp://{}", dial::shown(host, port));
            let (address, took) = flow.asks(Protocol::Tcp, "connect", &url, || {
                let (stream, took) = dial::timed(&flow, host, port)?;
                let address = stream.peer_addr().map(|address| address.to_string()).unwrap_or_default();
                Ok(((address, took), "connected".to_owned()))
            })?;
            let took = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
            Ok(options::map([("address", address.into()), ("connect_ms", took.into())]))
        },
    );
    shelf.add(
        "tcp_banner(host: string, port: int) -> string",
        "Connects and reads the first line that the server says by itself.",
        |context: NativeCallContext<'_>, host: &str, port: i64| exchange(&context, host, port, "", Map::new()),
    );
    shelf.add(
        "tcp_banner(host: string, port: int, options: map) -> string",
        "The same with options, as `tcp_exchange` takes them.",
        |context: NativeCallContext<'_>, host: &str, port: i64, options: Map| {
            exchange(&context, host, port, "", options)
        },
    );
    shelf.add(
        "tcp_exchange(host: string, port: int, send: string) -> string",
        "Connects, sends the text, and reads the first line of the answer.",
        |context: NativeCallContext<'_>, host: &str, port: i64, send: ImmutableString| {
            exchange(&context, host, port, &send, Map::new())
        },
    );
    shelf.add(
        "tcp_exchange(host: string, port: int, send: string, options: map) -> string",
        "The same with options: `up_to` (where the answer ends; `\"\"` is where the server hangs up), `max` (bytes), `tls`, `server_name`, `ca`.",
        |context: NativeCallContext<'_>, host: &str, port: i64, send: ImmutableString, options: Map| {
            exchange(&context, host, port, &send, options)
        },
    );
}

fn exchange(context: &NativeCallContext<'_>, host: &str, port: i64, send: &str, map: Map) -> Result<Dynamic> {
    let flow = flow::of(context)?;
    let mut options = Options::new("tcp_exchange", map, &["up_to", "max", "tls", "server_name", "ca"])?;
    let up_to = options.text("up_to")?.unwrap_or_else(|| "\n".to_owned());
    let max = options.number("max", 1, MAX_BYTES)?.and_then(|max| usize::try_from(max).ok()).unwrap_or(DEFAULT_BYTES);
    let (tls, name, ca) = (options.flag("tls")?, options.text("server_name")?, options.text("ca")?);
    let port = options::port(port)?;
    let said = dial::shown(host, port);
    let config = if tls { Some(secure::config(&flow, ca, Offer::Nothing)?) } else { None };
    let method = if send.is_empty() { "read" } else { "exchange" };
    let text = flow.asks(Protocol::Tcp, method, &format!("tcp://{said}"), || {
        let stream = dial::dial(&flow, host, port)?;
        let text = flow.wait(async {
            let link: Link = match config {
                None => Box::new(stream),
                Some(config) => {
                    Box::new(secure::upgrade(&flow, stream, name.as_deref().unwrap_or(host), config, &said).await?)
                }
            };
            let mut lines = Lines::new(link, said.clone(), max);
            lines.send(send.as_bytes()).await?;
            read(&flow, &mut lines, &up_to, max, &said).await
        })??;
        let bytes = text.len();
        Ok((text, format!("{bytes} bytes")))
    })?;
    Ok(text.into())
}

/// Everything up to and with `up_to`, or to the end of the connection.
async fn read(flow: &Flow, lines: &mut Lines, up_to: &str, max: usize, said: &str) -> Outcome<String> {
    let wanted = if up_to.is_empty() { "the end of the answer".to_owned() } else { format!("{up_to:?}") };
    let mut searched = 0;
    loop {
        let came = lines.waiting().len();
        flow.progress().set(format!("{said} did not send {wanted} ({came} bytes came)"));
        if let Some(end) = find(lines.waiting(), searched, up_to.as_bytes()) {
            return Ok(String::from_utf8_lossy(&lines.take(end)).into_owned());
        }
        searched = came.saturating_sub(up_to.len());
        if came >= max {
            let reason = format!("{said} sent {max} bytes, the most that the check takes, without {wanted}");
            return Err(Ending::Fail(FailureKind::Assertion, reason));
        }
        if lines.more().await? == 0 {
            let text = String::from_utf8_lossy(&lines.take(came)).into_owned();
            if up_to.is_empty() {
                return Ok(text);
            }
            let said_so_far = flow.tidy(&text, MAX_EXCERPT_CHARS);
            let reason = match came {
                0 => format!("{said} hung up without a word"),
                _ => format!("{said} hung up before it sent {wanted}, after {came} bytes: \"{said_so_far}\""),
            };
            return Err(Ending::Fail(FailureKind::Network, reason));
        }
    }
}

/// Where the needle ends, looked for from some place on; there is no place for an empty one.
fn find(hay: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    let at = hay.get(from..)?.windows(needle.len()).position(|window| window == needle)?;
    Some(from + at + needle.len())
}
