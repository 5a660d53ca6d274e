//! Where a redirect leads, and what a browser says of where it comes from.

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderValue, LOCATION, ORIGIN, REFERER};
use http::{Method, StatusCode};

use super::Ask;
use crate::adapters::script::ending::Ending;
use crate::adapters::script::text::plain_url;
use crate::domain::FailureKind;

/// What a browser says of where a request comes from: CSRF checks want the Referer (Django, over HTTPS) or the Origin.
pub(super) fn provenance(ask: &Ask) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(from) = ask.from.as_ref().map(plain_url) else { return headers };
    // Never from HTTPS to HTTP, and only the origin to another site: "strict-origin-when-cross-origin".
    if from.scheme() == "https" && ask.url.scheme() != "https" {
        return headers;
    }
    let origin = from.origin().ascii_serialization();
    let referer = if from.origin() == ask.url.origin() { from.to_string() } else { format!("{origin}/") };
    if let Ok(value) = HeaderValue::from_str(&referer) {
        headers.insert(REFERER, value);
    }
    if let (true, Ok(value)) = (ask.method != Method::GET, HeaderValue::from_str(&origin)) {
        headers.insert(ORIGIN, value);
    }
    headers
}

/// The request that a redirect asks for, or none when the answer is to be read.
pub(super) fn next_hop(ask: &Ask, status: StatusCode, headers: &HeaderMap) -> Result<Option<Ask>, Ending> {
    let moved = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = headers.get(LOCATION).filter(|_| moved && ask.follow);
    let Some(location) = location else { return Ok(None) };
    let said = format!("{} {}", ask.method, plain_url(&ask.url));
    let broken = |what: String| Ending::Fail(FailureKind::Assertion, format!("{said}: {what}"));
    let text = String::from_utf8_lossy(location.as_bytes());
    let url = ask.url.join(&text).map_err(|error| broken(format!("redirects to '{text}': {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(broken(format!("redirects to {}:, which is neither http nor https", url.scheme())));
    }
    let mut next = Ask { url, ..ask.clone() };
    // 307 and 308 repeat the request; 301 and 302 turn a POST into a GET, as all browsers do; 303 turns all.
    let becomes_get = match status.as_u16() {
        303 => ask.method != Method::HEAD,
        301 | 302 => ask.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        next.method = Method::GET;
        next.payload = None;
        next.headers.remove(CONTENT_TYPE);
    }
    if next.url.origin() != ask.url.origin() {
        // What a script gave one site is not passed on to another.
        for own in [AUTHORIZATION, COOKIE, HOST] {
            next.headers.remove(own);
        }
        next.route.papers.identity = None;
    }
    if next.url.host_str() != ask.url.host_str() {
        // Where to find one host says nothing of another: the identity provider that a standby's login leads to is not at the standby's address.
        next.route.connect_to = None;
        next.route.server_name = None;
    }
    Ok(Some(next))
}
