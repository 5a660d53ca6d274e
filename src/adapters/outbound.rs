//! What the adapters that call other people's HTTP share: a careful client, a capped answer, and errors without URLs.
//!
//! It follows no redirect: a webhook or a control endpoint that points elsewhere is a mistake or an attack, and the request
//! holds a signature or a token. It never shows a URL, which may hold a secret.

use std::error::Error;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode};
use url::{Host, Url};

use crate::domain::{PortError, Secrets};

/// The most that is read of an answer. Those that are understood are a line; whatever is longer is some web page.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How much of an unexpected answer is quoted, in characters: enough for a cause, short enough for a line.
const LONGEST_QUOTE: usize = 160;

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its body.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The beginning of the body in one line, with the secrets struck out first: a cut one would not be found.
    pub(super) fn quote(&self, secrets: &Secrets) -> String {
        quote(&secrets.redact(&String::from_utf8_lossy(&self.body)))
    }
}

/// The beginning of the text in one line, without control characters.
pub(super) fn quote(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut quote: String = line.chars().filter(|c| !c.is_control()).take(LONGEST_QUOTE + 1).collect();
    if quote.chars().count() > LONGEST_QUOTE {
        quote.pop();
        quote.push('…');
    }
    quote
}

/// A client for one other side.
pub(super) fn client(limit: Duration) -> Result<Client, PortError> {
    built(builder(limit))
}

/// The same for one site. A proxy of the environment does not know the way to this machine's own addresses.
pub(super) fn client_for(site: &Url, limit: Duration) -> Result<Client, PortError> {
    let local = match site.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    built(if local { builder(limit).no_proxy() } else { builder(limit) })
}

/// A client that takes the same way as a probe: no proxy, and each request on a connection of its own.
pub(super) fn direct_client(limit: Duration) -> Result<Client, PortError> {
    built(builder(limit).no_proxy().pool_max_idle_per_host(0))
}

/// A client for an object store, whose errors are read elsewhere. `local`: the store is on this machine, and no proxy knows the way there.
pub(super) fn store_client(
    connect: Duration,
    limit: Duration,
    local: bool,
    https: bool,
) -> Result<Client, PortError> {
    let builder = builder(limit).connect_timeout(connect).https_only(https);
    built(if local { builder.no_proxy() } else { builder })
}

fn builder(limit: Duration) -> ClientBuilder {
    Client::builder()
        .redirect(Policy::none())
        .connect_timeout(limit)
        .timeout(limit)
        .user_agent(concat!("quorate/", env!("CARGO_PKG_VERSION")))
}

fn built(builder: ClientBuilder) -> Result<Client, PortError> {
    builder.build().map_err(|error| PortError::broken(format!("cannot set up an HTTP client: {}", causes(error))))
}

/// Sends the request and reads the whole answer. Whatever the network does may pass; `who` names the other side in errors.
pub(super) async fn send(who: &str, request: RequestBuilder) -> Result<Answer, PortError> {
    send_for(who, request, LONGEST_ANSWER).await
}

/// The same for an answer of at most so many bytes.
pub(super) async fn send_for(who: &str, request: RequestBuilder, longest: usize) -> Result<Answer, PortError> {
    let retry = |error: reqwest::Error| {
        if error.is_builder() {
            return PortError::broken(format!("{who}: the request cannot be made: {}", causes(error)));
        }
        let what = if error.is_timeout() { "no answer in time" } else { "no answer" };
        PortError::retry(format!("{who}: {what}: {}", causes(error)))
    };
    let mut response = request.send().await.map_err(retry)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(retry)? {
        if body.len() + chunk.len() > longest {
            let what = format!("{who}: answered {status} with more than {longest} bytes: is the address right?");
            return Err(unexpected(status, what));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

/// An error of the class that an unexpected status stands for: what the other side cannot do at the moment may pass, what it does
/// not understand will not.
pub(super) fn unexpected(status: StatusCode, what: String) -> PortError {
    let may_pass = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    if may_pass { PortError::retry(what) } else { PortError::broken(what) }
}

/// The error and its causes in one line, without the URL.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_one_short_line() {
        assert_eq!(quote("  no\n such\tthing \u{7} "), "no such thing ");
        assert_eq!(quote(&"é".repeat(500)).chars().count(), LONGEST_QUOTE + 1);
        assert_eq!(quote(&"é".repeat(LONGEST_QUOTE)).chars().count(), LONGEST_QUOTE);
    }
}
