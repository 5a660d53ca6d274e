//! Requests. They wait for the whole answer; a request that gets none ends the probe.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};
use url::Url;

use super::{Result, Shelf, or_unit};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow;
use crate::adapters::script::http::{Ask, Payload};
use crate::adapters::script::page::Page;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("requests");
    shelf.add(
        "get(path: string) -> Page",
        "Opens a page, with the probe's cookies. A path from the root is the target's, any other relative one the last page's.",
        |context: NativeCallContext<'_>, path: ImmutableString| send(&context, Method::GET, &path, None, Map::new()),
    );
    shelf.add(
        "get(path: string, options: map) -> Page",
        "The same with options.",
        |context: NativeCallContext<'_>, path: ImmutableString, options: Map| {
            send(&context, Method::GET, &path, None, options)
        },
    );
    shelf.add(
        "post_form(path: string, fields: map) -> Page",
        "Sends the fields as a form.",
        |context: NativeCallContext<'_>, path: ImmutableString, fields: Map| {
            send(&context, Method::POST, &path, Some(form(fields)?), Map::new())
        },
    );
    shelf.add(
        "post_form(path: string, fields: map, options: map) -> Page",
        "The same with options.",
        |context: NativeCallContext<'_>, path: ImmutableString, fields: Map, options: Map| {
            send(&context, Method::POST, &path, Some(form(fields)?), options)
        },
    );
    shelf.add(
        "post_json(path: string, value: any) -> Page",
        "Sends the value as JSON.",
        |context: NativeCallContext<'_>, path: ImmutableString, value: Dynamic| {
            send(&context, Method::POST, &path, Some(json(&value)?), Map::new())
        },
    );
    shelf.add(
        "post_json(path: string, value: any, options: map) -> Page",
        "The same with options.",
        |context: NativeCallContext<'_>, path: ImmutableString, value: Dynamic, options: Map| {
            send(&context, Method::POST, &path, Some(json(&value)?), options)
        },
    );
    shelf.add(
        "cookie(name: string) -> string | ()",
        "The cookie that the next request to the last page would carry.",
        |context: NativeCallContext<'_>, name: ImmutableString| -> Result<Dynamic> {
            Ok(or_unit(flow::of(&context)?.cookie(&name)))
        },
    );
}

fn send(
    context: &NativeCallContext<'_>,
    method: Method,
    path: &str,
    payload: Option<Payload>,
    options: Map,
) -> Result<Page> {
    let flow = flow::of(context)?;
    let url = flow.resolve(path)?;
    // A page that a person opens by its address has no page before it; a form was on one.
    let from = if method == Method::GET { None } else { flow.page().map(|page| page.answer().url.clone()) };
    let mut ask = Ask { method, url, headers: HeaderMap::new(), payload, follow: true, from };
    for (name, value) in options {
        option(&mut ask, &name, value)?;
    }
    Ok(flow.send(ask)?)
}

fn option(ask: &mut Ask, name: &str, value: Dynamic) -> std::result::Result<(), Ending> {
    let of_type = |wanted: &str| Ending::Inconclusive(format!("the option '{name}' must be {wanted}"));
    match name {
        "follow" => ask.follow = value.as_bool().map_err(|_| of_type("true or false"))?,
        "query" => add_query(&mut ask.url, value.try_cast::<Map>().ok_or_else(|| of_type("a map"))?)?,
        "headers" => {
            for (name, value) in value.try_cast::<Map>().ok_or_else(|| of_type("a map"))? {
                let bad = || Ending::Inconclusive(format!("the header '{name}' cannot be sent"));
                let header = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
                for text in texts(&name, value)? {
                    ask.headers.append(header.clone(), HeaderValue::from_str(&text).map_err(|_| bad())?);
                }
            }
        }
        _ => {
            let reason = format!("unknown option '{name}': there are headers, query and follow");
            return Err(Ending::Inconclusive(reason));
        }
    }
    Ok(())
}

fn add_query(url: &mut Url, fields: Map) -> std::result::Result<(), Ending> {
    for (name, value) in fields {
        for text in texts(&name, value)? {
            url.query_pairs_mut().append_pair(&name, &text);
        }
    }
    Ok(())
}

fn form(fields: Map) -> std::result::Result<Payload, Ending> {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        for text in texts(&name, value)? {
            encoded.append_pair(&name, &text);
        }
    }
    Ok(Payload { content_type: FORM, bytes: encoded.finish().into_bytes() })
}

fn json(value: &Dynamic) -> std::result::Result<Payload, Ending> {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| Ending::Inconclusive(format!("this value cannot be sent as JSON: {error}")))?;
    Ok(Payload { content_type: JSON, bytes })
}

/// The texts of one field: one, or those of an array. `()` is refused rather than sent as nothing: it is what a selector
/// gives that found nothing.
fn texts(name: &str, value: Dynamic) -> std::result::Result<Vec<String>, Ending> {
    if value.is_array() {
        let items = value.cast::<Array>();
        return items.into_iter().map(|item| text(name, item)).collect();
    }
    Ok(vec![text(name, value)?])
}

fn text(name: &str, value: Dynamic) -> std::result::Result<String, Ending> {
    let sendable = value.is_string() || value.is_int() || value.is_float() || value.is_bool() || value.is_char();
    if sendable {
        return Ok(value.to_string());
    }
    let what = if value.is_unit() { "no value, ()".to_owned() } else { format!("a {}", value.type_name()) };
    Err(Ending::Inconclusive(format!("the field '{name}' has {what}, and not a text, a number or a boolean")))
}
