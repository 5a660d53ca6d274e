//! The browser of one probe: its own connections and its own cookie jar, so that a probe sees what a new user sees.
//! Redirects are followed by hand, because scripts choose per request, and because the reason of a failure names the
//! chain. Bodies are read up to a cap, after decompression, so that a bomb is cut off as well.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::cookie::{CookieStore, Jar};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION, ORIGIN, REFERER};
use reqwest::{Client, Method, StatusCode, redirect, retry};
use url::Url;

use super::ending::Ending;
use super::resolve;
use super::text::plain_url;
use super::tls::Trust;
use super::trouble;
use crate::domain::FailureKind;
use crate::ports::Resolution;

/// The most of a body that is read, after decompression: login pages have tens of kilobytes.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The most redirects that one request follows; browsers stop at 20, and a login needs three or four.
pub(super) const MAX_REDIRECTS: usize = 10;
/// What a probe calls itself, so that its requests can be told apart in an access log.
const USER_AGENT: &str = concat!("quorate/", env!("CARGO_PKG_VERSION"), " (health check)");

/// A request body with its media type.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
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
}

/// What came back, after any redirects.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

/// What the browser is waiting for, in words; read when the deadline strikes.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<String>);

impl Progress {
    pub(super) fn set(&self, words: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    /// The words.
    pub(super) fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The browser of one probe.
#[derive(Debug)]
pub(super) struct Browser {
    client: Client,
    jar: Arc<Jar>,
    blind: Option<String>,
}

impl Browser {
    /// A browser that nobody has used. It takes the shared TLS configuration, but no connection and no cookie.
    pub(super) fn new(trust: &Trust, resolution: &Resolution) -> Result<Self, Ending> {
        let broken = |error: &dyn std::error::Error| {
            Ending::Inconclusive(format!("the prober cannot set up its HTTP client: {error}"))
        };
        let jar = Arc::new(Jar::default());
        let client = Client::builder()
            .tls_backend_preconfigured(trust.config())
            .dns_resolver(resolve::resolver(resolution).map_err(|error| broken(&error))?)
            .cookie_provider(Arc::clone(&jar))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .user_agent(USER_AGENT)
            .no_proxy()
            .build()
            .map_err(|error| broken(&error))?;
        Ok(Self { client, jar, blind: trust.problem().map(str::to_owned) })
    }

    /// The cookie with that name, as the browser would send it to that URL.
    pub(super) fn cookie(&self, url: &Url, name: &str) -> Option<String> {
        let header = self.jar.cookies(url)?;
        let pairs = header.to_str().ok()?.split("; ");
        pairs.filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value.to_owned())
    }

    /// Sends the request, follows redirects if asked to, and reads the body up to the cap. The caller bounds the time.
    pub(super) async fn send(&self, mut ask: Ask, progress: &Progress) -> Result<Answer, Ending> {
        let mut chain = vec![format!("{} {}", ask.method, plain_url(&ask.url))];
        loop {
            let said = format!("{} {}", ask.method, plain_url(&ask.url));
            progress.set(format!("no answer to {said}"));
            let response = self.once(&ask).await.map_err(|error| self.explain(&said, &error))?;
            let Some(next) = next_hop(&ask, response.status(), response.headers())? else {
                return self.read(ask, response, &said, progress).await;
            };
            if chain.len() > MAX_REDIRECTS {
                let reason = format!("more than {MAX_REDIRECTS} redirects: {}", chain.join(" → "));
                return Err(Ending::Fail(FailureKind::Assertion, reason));
            }
            chain.push(plain_url(&next.url).to_string());
            ask = next;
        }
    }

    async fn once(&self, ask: &Ask) -> Result<reqwest::Response, reqwest::Error> {
        let mut request = self.client.request(ask.method.clone(), ask.url.clone());
        if let Some(payload) = &ask.payload {
            request = request.header(CONTENT_TYPE, payload.content_type).body(payload.bytes.clone());
        }
        request.headers(provenance(ask)).headers(ask.headers.clone()).send().await
    }

    async fn read(
        &self,
        ask: Ask,
        mut response: reqwest::Response,
        said: &str,
        progress: &Progress,
    ) -> Result<Answer, Ending> {
        let mut body: Vec<u8> = Vec::new();
        progress.set(format!("the body of {said} did not come"));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.explain(said, &error))? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                let reason = format!("the body of {said} is larger than {} KiB", MAX_BODY_BYTES / 1024);
                return Err(Ending::Fail(FailureKind::Assertion, reason));
            }
            body.extend_from_slice(&chunk);
            progress.set(format!("the body of {said} did not end ({} bytes came)", body.len()));
        }
        Ok(Answer {
            method: ask.method,
            url: plain_url(&ask.url),
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            text: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    fn explain(&self, said: &str, error: &reqwest::Error) -> Ending {
        if error.is_builder() {
            return Ending::Inconclusive(format!("{said} cannot be sent: {}", trouble::of(error).1));
        }
        match (trouble::of(error), &self.blind) {
            ((FailureKind::Tls, _), Some(problem)) => {
                Ending::Inconclusive(format!("{said}: this machine cannot judge certificates: {problem}"))
            }
            ((kind, words), _) => Ending::Fail(kind, format!("{said}: {words}")),
        }
    }
}

/// What a browser says of where a request comes from: CSRF checks want the Referer (Django, over HTTPS) or the Origin.
fn provenance(ask: &Ask) -> HeaderMap {
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
fn next_hop(ask: &Ask, status: StatusCode, headers: &HeaderMap) -> Result<Option<Ask>, Ending> {
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
        next.headers.remove(AUTHORIZATION);
        next.headers.remove(COOKIE);
    }
    Ok(Some(next))
}
