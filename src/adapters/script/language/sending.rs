//! How forms and token requests get on the wire: the one place where these rooms meet the browser.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use rhai::{Array, Dynamic, Map};
use url::Url;

use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::Flow;
use crate::adapters::script::http::{Ask, Payload};
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
pub(super) fn send(flow: &Flow, request: Outgoing, options: Map) -> Result<Page, Ending> {
    let Outgoing { method, url, body, headers, from } = request;
    let mut ask = Ask { method, url, headers, payload: None, follow: true, from };
    if let Some((kind, bytes)) = body {
        // Written as a header, which goes before the payload's own: a boundary is no static text.
        ask.headers.insert(CONTENT_TYPE, value("content-type", &kind)?);
        ask.payload = Some(Payload { content_type: URLENCODED, bytes });
    }
    for (name, wanted) in options {
        let of_type = |what: &str| Ending::Inconclusive(format!("the option '{name}' must be {what}"));
        match name.as_str() {
            "follow" => ask.follow = wanted.as_bool().map_err(|_| of_type("true or false"))?,
            "query" => {
                for (name, value) in wanted.try_cast::<Map>().ok_or_else(|| of_type("a map"))? {
                    for text in texts(&name, value)? {
                        ask.url.query_pairs_mut().append_pair(&name, &text);
                    }
                }
            }
            "headers" => {
                for (name, wanted) in wanted.try_cast::<Map>().ok_or_else(|| of_type("a map"))? {
                    let header = HeaderName::try_from(name.as_str()).map_err(|_| unsendable(&name))?;
                    for text in texts(&name, wanted)? {
                        ask.headers.append(header.clone(), value(&name, &text)?);
                    }
                }
            }
            _ => {
                let reason = format!("unknown option '{name}': there are headers, query and follow");
                return Err(Ending::Inconclusive(reason));
            }
        }
    }
    flow.send(ask)
}

/// The value of a header, if it can be one.
pub(super) fn value(name: &str, text: &str) -> Result<HeaderValue, Ending> {
    HeaderValue::from_str(text).map_err(|_| unsendable(name))
}

fn unsendable(name: &str) -> Ending {
    Ending::Inconclusive(format!("the header '{name}' cannot be sent"))
}

/// The texts of one field: one, or those of an array. `()` is refused: it is what a selector gives that found nothing.
pub(super) fn texts(name: &str, value: Dynamic) -> Result<Vec<String>, Ending> {
    if let Some(items) = value.clone().try_cast::<Array>() {
        return items.into_iter().map(|item| text(name, &item)).collect();
    }
    Ok(vec![text(name, &value)?])
}

fn text(name: &str, value: &Dynamic) -> Result<String, Ending> {
    if value.is_string() || value.is_int() || value.is_float() || value.is_bool() || value.is_char() {
        return Ok(value.to_string());
    }
    let what = if value.is_unit() { "no value, ()".to_owned() } else { format!("a {}", value.type_name()) };
    Err(Ending::Inconclusive(format!("the field '{name}' has {what}, and not a text, a number or a boolean")))
}
