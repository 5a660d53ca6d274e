//! What a script says of a request, made into one.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use data_encoding::BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rhai::{Array, Dynamic, Map};
use url::Url;

use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::Flow;
use crate::adapters::script::http::{Ask, Payload, Route};
use crate::adapters::script::tls::Offer;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// Separates the parts of a multipart body; a part that contains it is refused.
const BOUNDARY: &str = "quorate-5d1b7c0e9f3a4286";
/// All that may be said of a request.
const OPTIONS: &str = "headers, query, follow, timeout, basic, bearer, content_type, form, json, multipart, body, http, ca, \
                       client_certificate, server_name, connect_to and proxy";

type Result<T> = std::result::Result<T, Ending>;

/// The body that a function was given.
#[derive(Debug, Clone)]
pub(super) enum Sending {
    Nothing,
    Form(Dynamic),
    Json(Dynamic),
    Multipart(Dynamic),
    Text(Dynamic),
}

/// The request that a script means.
pub(super) fn ask(flow: &Flow, method: Method, path: &str, sending: Sending, options: Map) -> Result<Ask> {
    let url = flow.resolve(path)?;
    // A page that a person opens by its address has no page before it; a form was on one.
    let from = if method == Method::GET { None } else { flow.page().map(|page| page.answer().url.clone()) };
    let payload = payload(sending)?;
    let mut ask = plain(method, url, payload, from);
    complete(flow, &mut ask, options)?;
    Ok(ask)
}

/// A request without anything special.
pub(super) fn plain(method: Method, url: Url, payload: Option<Payload>, from: Option<Url>) -> Ask {
    let (headers, route) = (HeaderMap::new(), Route::default());
    Ask { method, url, headers, payload, follow: true, from, route, timeout: None }
}

/// Applies what the script says of the request, and of all requests.
pub(super) fn complete(flow: &Flow, ask: &mut Ask, options: Map) -> Result<()> {
    for (name, value) in flow.defaults().into_iter().filter(|(name, _)| !options.contains_key(name)) {
        option(flow, ask, &name, value)?;
    }
    let content_type = options.get("content_type").cloned();
    for (name, value) in options.into_iter().filter(|(name, _)| name != "content_type") {
        option(flow, ask, &name, value)?;
    }
    if let Some(value) = content_type {
        option(flow, ask, "content_type", value)?;
    }
    if ask.route.proxy.is_some() && ask.route.connect_to.is_some() {
        // A proxy chooses the address itself: the probe would be of another site than the script says.
        let what = "the options 'proxy' and 'connect_to' do not go together: a proxy chooses the address itself";
        return Err(Ending::Inconclusive(what.to_owned()));
    }
    Ok(())
}

/// Whether the options could stand for a request.
pub(super) fn check(flow: &Flow, options: &Map) -> Result<()> {
    ask(flow, Method::GET, "/", Sending::Nothing, options.clone()).map(drop)
}

/// The method of that name.
pub(super) fn method(name: &str) -> Result<Method> {
    let known =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let found = known.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(name));
    let none =
        || Ending::Inconclusive(format!("there is no method '{name}': GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    found.ok_or_else(none)
}

fn of_type(name: &str, wanted: &str) -> Ending {
    Ending::Inconclusive(format!("the option '{name}' must be {wanted}"))
}

fn option(flow: &Flow, ask: &mut Ask, name: &str, value: Dynamic) -> Result<()> {
    let string = |value: Dynamic, wanted: &str| value.into_string().map_err(|_| of_type(name, wanted));
    match name {
        "follow" => ask.follow = value.as_bool().map_err(|_| of_type(name, "true or false"))?,
        "query" => add_query(&mut ask.url, value.try_cast::<Map>().ok_or_else(|| of_type(name, "a map"))?)?,
        "headers" => add_headers(ask, value.try_cast::<Map>().ok_or_else(|| of_type(name, "a map"))?)?,
        "timeout" => {
            let wanted = "a time such as \"2s\" or \"500ms\"";
            let time = humantime::parse_duration(&string(value, wanted)?).map_err(|_| of_type(name, wanted))?;
            ask.timeout = Some(time).filter(|time| *time > Duration::ZERO);
        }
        "basic" => {
            let wanted = "a map #{user: …, password: …}";
            let map = value.try_cast::<Map>().ok_or_else(|| of_type(name, wanted))?;
            let [user, password] = pair(map, ["user", "password"]).ok_or_else(|| of_type(name, wanted))?;
            let coded = BASE64.encode(format!("{user}:{password}").as_bytes());
            flow.conceal(&coded, &[user.as_bytes(), password.as_bytes()])?;
            authorize(ask, name, &format!("Basic {coded}"))?;
        }
        "bearer" => authorize(ask, name, &format!("Bearer {}", string(value, "a text")?))?,
        "content_type" => {
            let kind = string(value, "a text")?;
            match &mut ask.payload {
                Some(payload) => payload.content_type = kind,
                None => return Err(of_type(name, "beside a body")),
            }
        }
        "form" => ask.payload = payload(Sending::Form(value))?,
        "json" => ask.payload = payload(Sending::Json(value))?,
        "multipart" => ask.payload = payload(Sending::Multipart(value))?,
        "body" => ask.payload = payload(Sending::Text(value))?,
        "http" => {
            ask.route.offer = match string(value, "\"1.1\" or \"2\"")?.as_str() {
                "1.1" => Offer::Http1,
                "2" => Offer::Http2,
                _ => return Err(of_type(name, "\"1.1\" or \"2\"")),
            }
        }
        "ca" => ask.route.papers.ca = Some(string(value, "certificates in PEM")?),
        "client_certificate" => {
            let wanted = "a map #{certificate: …, key: …}, both in PEM";
            let map = value.try_cast::<Map>().ok_or_else(|| of_type(name, wanted))?;
            let [certificate, key] = pair(map, ["certificate", "key"]).ok_or_else(|| of_type(name, wanted))?;
            ask.route.papers.identity = Some((certificate, key));
        }
        "server_name" => ask.route.server_name = Some(string(value, "a host's name")?),
        "connect_to" => {
            let wanted = "an address such as \"192.0.2.1\", \"192.0.2.1:8443\" or \"[2001:db8::1]:443\"";
            let text = string(value, wanted)?;
            let whole = text.parse::<SocketAddr>().map(|address| (address.ip(), Some(address.port())));
            let alone = || text.trim_matches(['[', ']']).parse::<IpAddr>().map(|ip| (ip, None));
            ask.route.connect_to = Some(whole.or_else(|_| alone()).map_err(|_| of_type(name, wanted))?);
        }
        "proxy" => {
            let wanted = "a URL such as \"http://proxy.example.com:3128\"";
            let url = Url::parse(&string(value, wanted)?).map_err(|_| of_type(name, wanted))?;
            if url.scheme() != "http" || url.host_str().is_none() {
                return Err(of_type(name, wanted));
            }
            ask.route.proxy = Some(url);
        }
        _ => return Err(Ending::Inconclusive(format!("unknown option '{name}': there are {OPTIONS}"))),
    }
    Ok(())
}

fn pair(mut map: Map, names: [&str; 2]) -> Option<[String; 2]> {
    if map.len() != names.len() {
        return None;
    }
    let [first, second] = names.map(|name| map.remove(name).and_then(|value| value.into_string().ok()));
    Some([first?, second?])
}

fn authorize(ask: &mut Ask, name: &str, text: &str) -> Result<()> {
    let mut value = HeaderValue::from_str(text).map_err(|_| of_type(name, "a text that a header can hold"))?;
    value.set_sensitive(true);
    ask.headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn add_headers(ask: &mut Ask, headers: Map) -> Result<()> {
    for (name, value) in headers {
        let bad = || Ending::Inconclusive(format!("the header '{name}' cannot be sent"));
        let header = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
        for text in texts(&name, value)? {
            ask.headers.append(header.clone(), HeaderValue::from_str(&text).map_err(|_| bad())?);
        }
    }
    Ok(())
}

fn add_query(url: &mut Url, fields: Map) -> Result<()> {
    for (name, value) in fields {
        for text in texts(&name, value)? {
            url.query_pairs_mut().append_pair(&name, &text);
        }
    }
    Ok(())
}

fn payload(sending: Sending) -> Result<Option<Payload>> {
    let map = |value: Dynamic| {
        value.try_cast::<Map>().ok_or_else(|| Ending::Inconclusive("the fields must be a map".to_owned()))
    };
    let of = |kind: &str, bytes: Vec<u8>| Some(Payload { content_type: kind.to_owned(), bytes: bytes.into() });
    Ok(match sending {
        Sending::Nothing => None,
        Sending::Form(value) => of(FORM, form(map(value)?)?),
        Sending::Json(value) => of(JSON, json(&value)?),
        Sending::Multipart(value) => {
            of(&format!("multipart/form-data; boundary={BOUNDARY}"), multipart(map(value)?)?)
        }
        Sending::Text(value) => {
            let text = value.into_string().map_err(|_| Ending::Inconclusive("the body must be a text".to_owned()))?;
            of(TEXT, text.into_bytes())
        }
    })
}

fn form(fields: Map) -> Result<Vec<u8>> {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        for text in texts(&name, value)? {
            encoded.append_pair(&name, &text);
        }
    }
    Ok(encoded.finish().into_bytes())
}

fn json(value: &Dynamic) -> Result<Vec<u8>> {
    let unsendable = |error| Ending::Inconclusive(format!("this value cannot be sent as JSON: {error}"));
    serde_json::to_vec(value).map_err(unsendable)
}

/// A body in parts (RFC 7578).
fn multipart(fields: Map) -> Result<Vec<u8>> {
    let mut body = String::new();
    for (name, value) in fields {
        let quoted = quote(&name);
        let parts: Vec<(String, String)> = match value.clone().try_cast::<Map>() {
            None => texts(&name, value)?.into_iter().map(|text| (String::new(), text)).collect(),
            Some(mut file) => {
                let wanted = || {
                    Ending::Inconclusive(format!(
                        "the part '{name}' must be a text or #{{file, content, content_type}}"
                    ))
                };
                let mut take = |key: &str| file.remove(key).and_then(|value| value.into_string().ok());
                let (filename, content) = (take("file").ok_or_else(wanted)?, take("content").ok_or_else(wanted)?);
                let kind = take("content_type").unwrap_or_else(|| "application/octet-stream".to_owned());
                if kind.contains(['\r', '\n']) || !file.is_empty() {
                    return Err(wanted());
                }
                vec![(format!("; filename=\"{}\"\r\nContent-Type: {kind}", quote(&filename)), content)]
            }
        };
        for (more, text) in parts {
            if text.contains(BOUNDARY) {
                return Err(Ending::Inconclusive(format!("the part '{name}' contains the boundary of the parts")));
            }
            body.push_str(&format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{quoted}\"{more}\r\n\r\n{text}\r\n"
            ));
        }
    }
    body.push_str(&format!("--{BOUNDARY}--\r\n"));
    Ok(body.into_bytes())
}

/// A name within quotes, as browsers write it (HTML, section 4.10.22.8).
pub(super) fn quote(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// The texts of one field: one, or those of an array. `()` is refused rather than sent as nothing: it is what a selector
/// gives that found nothing.
pub(super) fn texts(name: &str, value: Dynamic) -> Result<Vec<String>> {
    if value.is_array() {
        let items = value.cast::<Array>();
        return items.into_iter().map(|item| text(name, item)).collect();
    }
    Ok(vec![text(name, value)?])
}

fn text(name: &str, value: Dynamic) -> Result<String> {
    let sendable = value.is_string() || value.is_int() || value.is_float() || value.is_bool() || value.is_char();
    if sendable {
        return Ok(value.to_string());
    }
    let what = if value.is_unit() { "no value, ()".to_owned() } else { format!("a {}", value.type_name()) };
    Err(Ending::Inconclusive(format!("the field '{name}' has {what}, and not a text, a number or a boolean")))
}
