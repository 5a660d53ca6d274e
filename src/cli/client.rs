//! The controller's API, as the command line uses it.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::{Host, Url};

use super::exit::Failure;
use super::moment::Moment;
use crate::domain::Secret;
use crate::wire::api::{ErrorAnswer, Events, History, MoveAnswer, MoveBody, Status, WordAnswer};
use crate::wire::drill::{DrillAnswer, DrillBody, DrillRecords};
use crate::wire::zone::{DriftAnswer, MendAnswer, MendBody};

/// How long an answer may take: the API answers from memory, and waits at most for one append to the journal.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take for which the controller asks providers, stores and name servers, and writes to some.
const LOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// A controller.
#[derive(Debug, Clone)]
pub(super) struct Controller {
    base: Url,
    token: Option<Secret>,
    client: Client,
}

/// Where the controller is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Where {
    /// The controller's address; `QUORATE_API` in the environment serves as well. A controller that asks for a token gets `QUORATE_TOKEN`.
    #[arg(long, value_name = "URL", global = true)]
    api: Option<Url>,
}

impl Where {
    pub(super) fn controller(&self) -> Result<Controller, Failure> {
        let base = match (&self.api, env("QUORATE_API")) {
            (Some(url), _) => url.clone(),
            (None, Some(text)) => {
                text.parse().map_err(|error| Failure::usage(format!("QUORATE_API is no URL ({error}): '{text}'")))?
            }
            (None, None) => Url::parse("http://127.0.0.1:7070").map_err(Failure::unknown)?,
        };
        Controller::new(base, env("QUORATE_TOKEN").map(Secret::new))
    }
}

fn env(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is where the command line reads the environment")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn on_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl Controller {
    pub(super) fn new(base: Url, token: Option<Secret>) -> Result<Self, Failure> {
        if !matches!(base.scheme(), "http" | "https") {
            return Err(Failure::usage(format!(
                "'{base}' is no address of a controller; it looks like http://HOST:PORT"
            )));
        }
        let mut client = Client::builder().connect_timeout(TIMEOUT);
        if on_this_machine(&base) {
            // No proxy of the environment knows the way to it.
            client = client.no_proxy();
        }
        let client = client.build().map_err(Failure::unknown)?;
        Ok(Self { base, token, client })
    }

    pub(super) async fn status(&self, service: Option<&str>) -> Result<Status, Failure> {
        match service {
            Some(service) => self.get(&["v1", "services", service], &[]).await,
            None => self.get(&["v1", "status"], &[]).await,
        }
    }

    /// One service as it was, at a time or so many milliseconds ago.
    pub(super) async fn status_at(&self, service: &str, at: Moment) -> Result<Status, Failure> {
        let query = match at {
            Moment::At(at) => ("at_ms", at.as_ms().to_string()),
            Moment::Ago(ago) => ("ago_ms", ago.as_millis().to_string()),
        };
        self.get(&["v1", "services", service], &[query]).await
    }

    pub(super) async fn history(&self, service: &str, limit: usize) -> Result<History, Failure> {
        self.get(&["v1", "services", service, "history"], &[("limit", limit.to_string())]).await
    }

    pub(super) async fn events(&self, after: u64, wait: Duration) -> Result<Events, Failure> {
        let query = [("after", after.to_string()), ("wait_ms", wait.as_millis().to_string())];
        self.get(&["v1", "events"], &query).await
    }

    pub(super) async fn move_service(&self, service: &str, body: &MoveBody) -> Result<MoveAnswer, Failure> {
        self.call(Method::POST, &["v1", "services", service, "move"], &[], Some(body)).await
    }

    pub(super) async fn word(&self, service: &str, word: &str, body: &impl Serialize) -> Result<WordAnswer, Failure> {
        let path: Vec<&str> = ["v1", "services", service].into_iter().chain(word.split('/')).collect();
        self.call(Method::POST, &path, &[], Some(body)).await
    }

    /// Shows a drill, or begins it.
    pub(super) async fn drill(&self, service: &str, body: &DrillBody) -> Result<DrillAnswer, Failure> {
        self.call(Method::POST, &["v1", "services", service, "drill"], &[], Some(body)).await
    }

    /// What drills have left in the last so many entries of the journal.
    pub(super) async fn drills(&self, service: &str, limit: usize) -> Result<DrillRecords, Failure> {
        self.get(&["v1", "services", service, "drills"], &[("limit", limit.to_string())]).await
    }

    pub(super) async fn drift(&self, service: &str) -> Result<DriftAnswer, Failure> {
        self.call_within(LOOK_TIMEOUT, Method::GET, &["v1", "services", service, "drift"], &[], None::<&()>).await
    }

    /// `what` is "adopt" or "repair".
    pub(super) async fn mend(&self, service: &str, what: &str, body: &MendBody) -> Result<MendAnswer, Failure> {
        self.call_within(LOOK_TIMEOUT, Method::POST, &["v1", "services", service, what], &[], Some(body)).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, String)]) -> Result<T, Failure> {
        self.call(Method::GET, path, query, None::<&()>).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let waits = query.iter().find(|(key, _)| *key == "wait_ms").and_then(|(_, ms)| ms.parse().ok());
        let limit = TIMEOUT + Duration::from_millis(waits.unwrap_or(0));
        self.call_within(limit, method, path, query, body).await
    }

    async fn call_within<T: DeserializeOwned>(
        &self,
        limit: Duration,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self.client.request(method, url).query(query).timeout(limit);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.map_err(|error| {
                Failure::unknown(format!("{} answers what this release does not understand: {error}", self.base))
            });
        }
        let said = answer.json::<ErrorAnswer>().await.map(|answer| answer.error);
        let said = said.unwrap_or_else(|_| format!("{} answered {status}", self.base));
        Err(match status {
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => Failure::usage(said),
            StatusCode::CONFLICT => Failure::refused(said),
            _ => Failure::unknown(said),
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() { "does not answer" } else { "cannot be reached" };
        Failure::unknown(format!(
            "the controller at {} {why}; is `quorate controller` running, and is --api or QUORATE_API its address?",
            self.base
        ))
    }
}
