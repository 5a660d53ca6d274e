//! Keeping a standby read-only, and asking how far it is behind, through endpoints that its site offers.
//!
//! | request | body | answers |
//! |---|---|---|
//! | `POST` enter URL | `{"service":…,"read_only":true or false,"epoch":N,"plan":…}` | 200 `{"read_only":…}`; 409 `{"error":"stale-epoch","seen":N}` |
//! | `POST` write-probe URL | `{"service":…,"plan":…}` | 503 `{"error":"read-only"}`; any 2xx means that it took the write |
//! | `POST` lag URL, where there is one | `{"service":…}` | 200 `{"lag_ms":N}`, and if it likes `"position":"…"` |
//!
//! Every request is signed with a key that both sides hold: see [`signature`].
//!
//! A write counts as refused only by the exact answer above (S15): an outage, a proxy's 503 and a login page refuse writes too,
//! and none of them proves that the standby will. A lag likewise is known
//! only by the exact answer. It follows no redirects, and neither key nor URL reaches an error. A
//! site that has seen a newer epoch ends this controller's authority (S5).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, StatusCode};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::outbound::{self, Answer};
use crate::domain::{Fence, PlanId, PortError, Position, Positions, Secret, Secrets, ServiceName, SiteName};
use crate::ports::{Clock, SiteControl, WriteProbe};

/// How long the site may take. Switching a flag takes milliseconds; a site that needs longer under load will not carry the users
/// of the primary either, and the step is tried again.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The header with the time of signing, in seconds since 1970. A site refuses what is too old, so that a recorded request is
/// worthless.
pub const TIMESTAMP_HEADER: &str = "x-quorate-timestamp";

/// The header with the signature, `v1=` and 64 hexadecimal digits.
pub const SIGNATURE_HEADER: &str = "x-quorate-signature";

/// The value of the signature header: `v1=` and, in lower-case hexadecimal, the HMAC-SHA256 under `key` of the method, the path
/// with its query, the timestamp and the body, with a line feed between each.
///
/// The body is signed as its bytes are sent: a site checks before it parses, with a comparison in constant time.
///
/// ```
/// use quorate::adapters::standby_http::signature;
/// use quorate::domain::Secret;
///
/// let key = Secret::new("correct horse battery staple");
/// let body = br#"{"service":"shop","read_only":true,"epoch":7,"plan":"shop-3"}"#;
/// assert_eq!(
///     signature(&key, "POST", "/admin/read-only?site=b", 1_700_000_000, body),
///     "v1=36f6499e006636cca96654c0128dd024933a687c6538177ecd0d991754adc4d0"
/// );
/// ```
pub fn signature(key: &Secret, method: &str, path_and_query: &str, timestamp: u64, body: &[u8]) -> String {
    // HMAC's own rule for keys longer than a block; written out because the crate's way to it returns an error that cannot happen.
    let mut block = [0_u8; 64];
    let key = key.expose().as_bytes();
    let digest = Sha256::digest(key);
    let short = if key.len() > block.len() { digest.as_slice() } else { key };
    block.iter_mut().zip(short).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(format!("{method}\n{path_and_query}\n{timestamp}\n").as_bytes());
    mac.update(body);
    format!("v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// One standby site's control endpoints.
#[derive(Clone)]
pub struct StandbyHttp {
    who: String,
    enter_url: Url,
    write_probe_url: Url,
    lag_url: Option<Url>,
    key: Secret,
    clock: Arc<dyn Clock>,
    client: Client,
}

impl std::fmt::Debug for StandbyHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandbyHttp").field("who", &self.who).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Enter<'a> {
    service: &'a str,
    read_only: bool,
    epoch: u64,
    plan: &'a str,
}

#[derive(Serialize)]
struct TryWrite<'a> {
    service: &'a str,
    plan: &'a str,
}

#[derive(Serialize)]
struct AskLag<'a> {
    service: &'a str,
}

impl StandbyHttp {
    /// Control of the site `name` through its two endpoints, signed with `key` at the time of `clock`.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(
        name: &SiteName,
        enter_url: Url,
        write_probe_url: Url,
        key: Secret,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PortError> {
        let client = outbound::client_for(&enter_url, TIMEOUT)?;
        let who = format!("the standby '{name}'");
        Ok(Self { who, enter_url, write_probe_url, lag_url: None, key, clock, client })
    }

    /// The same, with the endpoint that says how far its data is behind, if it has one.
    #[must_use]
    pub fn with_lag(self, lag_url: Option<Url>) -> Self {
        Self { lag_url, ..self }
    }

    async fn post(&self, url: &Url, body: &impl Serialize) -> Result<Answer, PortError> {
        let Self { who, .. } = self;
        let body = serde_json::to_vec(body)
            .map_err(|error| PortError::broken(format!("{who}: the request cannot be written: {error}")))?;
        let path_and_query = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let timestamp = self.clock.wall().as_ms() / 1000;
        let request = self
            .client
            .post(url.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .header(TIMESTAMP_HEADER, timestamp)
            .header(SIGNATURE_HEADER, signature(&self.key, "POST", &path_and_query, timestamp, &body))
            .body(body);
        outbound::send(&format!("{who} ({})", url.path()), request).await
    }

    /// Switches read-only mode on or off.
    async fn switch(
        &self,
        read_only: bool,
        fence: &Fence,
        service: &ServiceName,
        plan: &PlanId,
    ) -> Result<(), PortError> {
        let epoch = fence.epoch().get();
        let body = Enter { service: service.as_str(), read_only, epoch, plan: plan.as_str() };
        let answer = self.post(&self.enter_url, &body).await?;
        let said = answer.json();
        if answer.status == StatusCode::OK {
            if said.get("read_only") == Some(&Value::Bool(read_only)) {
                return Ok(());
            }
            let (who, said) = (&self.who, answer.quote(&self.secrets()));
            let mode = if read_only { "that it is read-only" } else { "that it takes writes" };
            return Err(PortError::broken(format!(
                "{who}: answered 200, and did not say {mode}: check the URL to switch read-only mode; it said '{said}'"
            )));
        }
        if answer.status == StatusCode::CONFLICT && said.get("error").and_then(Value::as_str) == Some("stale-epoch") {
            let seen = said.get("seen").and_then(Value::as_u64);
            let seen = seen.map_or_else(|| "a newer one".to_owned(), |seen| seen.to_string());
            let who = &self.who;
            return Err(PortError::fenced(format!("{who}: the epoch {epoch} is stale, it has seen {seen}")));
        }
        Err(self.unexpected(&self.enter_url, &answer))
    }

    /// What a site may say to either request when it does not do it.
    fn unexpected(&self, url: &Url, answer: &Answer) -> PortError {
        let status = answer.status;
        let asked = format!("{} ({})", self.who, url.path());
        let said = answer.quote(&self.secrets());
        let what = match status {
            StatusCode::UNAUTHORIZED => {
                let cause = answer.json();
                let cause = cause.get("error").and_then(Value::as_str).unwrap_or_default();
                let way_out = if cause.contains("timestamp") {
                    "check this machine's clock and the site's"
                } else if cause.contains("signature") {
                    "check that the key is the same on both sides"
                } else {
                    "check the key on both sides, and the clocks"
                };
                format!("{asked}: the signature was not accepted: {way_out}; it said '{said}'")
            }
            StatusCode::NOT_FOUND => {
                format!("{asked}: there is no such endpoint (404): check its URL; it said '{said}'")
            }
            _ if status.is_redirection() => {
                format!("{asked}: answered {status}, and redirects are not followed: give the final URL")
            }
            _ => format!("{asked}: answered {status}, which says neither yes nor no; it said '{said}'"),
        };
        outbound::unexpected(status, what)
    }

    async fn ask_lag(&self, url: &Url, service: &ServiceName) -> Result<Answer, PortError> {
        let answer = self.post(url, &AskLag { service: service.as_str() }).await?;
        if answer.status == StatusCode::OK { Ok(answer) } else { Err(self.unexpected(url, &answer)) }
    }

    /// A site could send the key or its URL's query back.
    fn secrets(&self) -> Secrets {
        let mut secrets = vec![("key".to_owned(), self.key.clone())];
        for url in [&self.enter_url, &self.write_probe_url].into_iter().chain(&self.lag_url) {
            let parts = [url.query(), url.password()].into_iter().flatten();
            secrets.extend(parts.map(|part| (part.to_owned(), Secret::new(part))));
        }
        secrets.into_iter().collect()
    }
}

#[async_trait]
impl SiteControl for StandbyHttp {
    async fn enter_read_only(&self, fence: &Fence, service: &ServiceName, plan: &PlanId) -> Result<(), PortError> {
        self.switch(true, fence, service, plan).await
    }

    async fn leave_read_only(&self, fence: &Fence, service: &ServiceName, plan: &PlanId) -> Result<(), PortError> {
        self.switch(false, fence, service, plan).await
    }

    async fn probe_write(
        &self,
        // Trying a write that must be refused changes nothing, so the site is not asked to compare epochs.
        _fence: &Fence,
        service: &ServiceName,
        plan: &PlanId,
    ) -> Result<WriteProbe, PortError> {
        let body = TryWrite { service: service.as_str(), plan: plan.as_str() };
        let answer = self.post(&self.write_probe_url, &body).await?;
        if answer.status.is_success() {
            return Ok(WriteProbe::Accepted { how: format!("answered {}", answer.status) });
        }
        let read_only = answer.json().get("error").and_then(Value::as_str) == Some("read-only");
        if answer.status == StatusCode::SERVICE_UNAVAILABLE && read_only {
            return Ok(WriteProbe::Refused { how: format!("answered {} with the error 'read-only'", answer.status) });
        }
        Err(self.unexpected(&self.write_probe_url, &answer))
    }

    async fn lag(&self, service: &ServiceName) -> Result<Duration, PortError> {
        let who = &self.who;
        let Some(url) = &self.lag_url else {
            return Err(PortError::broken(format!("{who}: no URL is configured to ask for its lag: read_only.lag")));
        };
        let answer = self.ask_lag(url, service).await?;
        let lag = answer.json().get("lag_ms").and_then(Value::as_u64).map(Duration::from_millis);
        lag.ok_or_else(|| {
            let said = answer.quote(&self.secrets());
            PortError::broken(format!(
                "{who}: answered 200, and no whole number as 'lag_ms': check the URL that says its lag; it said '{said}'"
            ))
        })
    }

    async fn positions(&self, service: &ServiceName) -> Result<Positions, PortError> {
        let Some(url) = &self.lag_url else { return Ok(Positions::new()) };
        let answer = self.ask_lag(url, service).await?.json();
        let position = answer.get("position").and_then(Value::as_str).map(|text| Position::Opaque(text.to_owned()));
        Ok(position.into_iter().map(|position| ("application".to_owned(), position)).collect())
    }
}
