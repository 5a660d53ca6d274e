//! A controller's API, as an agent uses it: observations go out, a receipt comes back. It never takes orders.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use url::Url;

use super::outbound;
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
    /// The base URL cannot have a path, or the TLS library cannot be set up.
    pub fn new(base: &Url, token: Option<Secret>) -> Result<Self, PortError> {
        let endpoint = base
            .join("/v1/observations")
            .map_err(|error| PortError::broken(format!("controller address '{base}': {error}")))?;
        let client = outbound::client_for(base, TIMEOUT)?;
        Ok(Self { name: format!("controller {base}"), endpoint, token, client })
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
        let answer = outbound::send(&self.name, request).await?;
        let name = &self.name;
        match serde_json::from_slice::<Receipt>(&answer.body) {
            Ok(receipt) if answer.status.is_success() => Ok(receipt.taken_up_to),
            _ => {
                let said = serde_json::from_slice::<ErrorAnswer>(&answer.body);
                let said =
                    said.map_or_else(|_| outbound::quote(&String::from_utf8_lossy(&answer.body)), |said| said.error);
                Err(outbound::unexpected(answer.status, format!("{name} answered {}: {said}", answer.status)))
            }
        }
    }
}
