//! A controller's API, as an agent uses it: observations go out, a receipt comes back. It never takes orders.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, StatusCode};
use url::Url;

use crate::domain::{Moment, Observation, Secret};
use crate::ports::{ObservationSink, PortError};
use crate::wire::VERSION;
use crate::wire::api::ErrorAnswer;
use crate::wire::observations::{Batch, Item, Receipt};

/// The limit of one delivery. It also bounds how much an observation's age can be understated: the time on the way.
const TIMEOUT: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub struct ControllerHttp {
    name: String,
    endpoint: Url,
    token: Option<Secret>,
    client: Client,
}

impl ControllerHttp {
    /// The controller at `base`, which may ask for a token.
    ///
    /// # Errors
    /// When the base URL cannot have a path, or the TLS settings of this machine cannot be loaded.
    pub fn new(base: &Url, token: Option<Secret>) -> Result<Self, PortError> {
        let endpoint = base
            .join("/v1/observations")
            .map_err(|error| PortError::broken(format!("controller address '{base}': {error}")))?;
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| PortError::broken(format!("controller {base}: {error}")))?;
        Ok(Self { name: base.to_string(), endpoint, token, client })
    }

    fn failed(&self, error: &reqwest::Error) -> PortError {
        let what = if error.is_timeout() {
            format!("no answer within {} s", TIMEOUT.as_secs())
        } else if error.is_connect() {
            "no connection".to_owned()
        } else {
            let mut text = String::new();
            let mut cause: Option<&dyn std::error::Error> = Some(error);
            while let Some(error) = cause {
                text = error.to_string();
                cause = error.source();
            }
            text
        };
        PortError::retry(format!("controller {}: {what}", self.name))
    }
}

#[async_trait]
impl ObservationSink for ControllerHttp {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, now: Moment, dropped: u64, observations: &[Observation]) -> Result<u64, PortError> {
        let Some(first) = observations.first() else {
            return Err(PortError::broken("nothing to deliver"));
        };
        let batch = Batch {
            v: VERSION,
            vantage: first.id.vantage.to_string(),
            boot: first.id.boot.clone(),
            dropped,
            observations: observations.iter().map(|seen| Item::new(seen, now.since(seen.at))).collect(),
        };
        let mut request = self.client.post(self.endpoint.clone()).json(&batch);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let answer = request.send().await.map_err(|error| self.failed(&error))?;
        let status = answer.status();
        if status.is_success() {
            let receipt: Receipt = answer.json().await.map_err(|error| self.failed(&error))?;
            return Ok(receipt.taken_up_to);
        }
        let said = answer.json::<ErrorAnswer>().await.map(|answer| answer.error).unwrap_or_default();
        let what = format!("controller {} answered {status}: {said}", self.name);
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
                PortError::broken(what)
            }
            _ => PortError::retry(what),
        })
    }
}
