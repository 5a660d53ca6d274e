//! How forms and token requests get on the wire: the one place where these rooms meet the browser.

use std::rc::Rc;

use http::{HeaderMap, HeaderValue, Method};
use rhai::Map;
use url::Url;

use super::options::{complete, plain};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::Flow;
use crate::adapters::script::http::Payload;
use crate::adapters::script::page::Page;

pub(super) const URLENCODED: &str = "application/x-www-form-urlencoded";

/// A request of a form or for a token.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    /// The body with its media type.
    pub(super) body: Option<(String, Vec<u8>)>,
    pub(super) headers: HeaderMap,
    /// The page that it comes from.
    pub(super) from: Option<Url>,
}

/// Sends it with what a script's map of options says, and waits for the answer.
pub(super) fn send(flow: &Rc<Flow>, request: Outgoing, options: Map) -> Result<Page, Ending> {
    let Outgoing { method, url, body, headers, from } = request;
    let payload = body.map(|(content_type, bytes)| Payload { content_type, bytes: bytes.into() });
    let mut ask = plain(method, url, payload, from);
    ask.headers = headers;
    complete(flow, &mut ask, options)?;
    flow.send(ask)
}

/// The value of a header, if it can be one.
pub(super) fn value(name: &str, text: &str) -> Result<HeaderValue, Ending> {
    HeaderValue::from_str(text).map_err(|_| unsendable(name))
}

fn unsendable(name: &str) -> Ending {
    Ending::Inconclusive(format!("the header '{name}' cannot be sent"))
}
