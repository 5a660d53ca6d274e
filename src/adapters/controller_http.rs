//! A controller's API, as an agent uses it: observations go out, a receipt comes back; and how often the controller wishes to hear.
//! Everything is asked from here: nothing connects to an agent.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::outbound::{self, Answer};
use crate::domain::{Moment, Observation, Pace, PaceMark, Secret, Sighting, VantageName};
use crate::ports::{ObservationSink, PortError, SightingSink};
use crate::wire::VERSION;
use crate::wire::api::ErrorAnswer;
use crate::wire::observations::{Batch, Item, Receipt};
use crate::wire::pace::PaceAnswer;
use crate::wire::sightings::{Sightings, SightingsReceipt};

/// The limit of one delivery. It also bounds how much an observation's age can be understated: the time on the way.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The limit of one question for the pace: the 25 seconds that a controller may keep it waiting, and the same time on the way.
const PACE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest pace that is read, in bytes: some thirty for each service that bursts.
const LONGEST_PACE: usize = 4 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub struct ControllerHttp {
    name: String,
    observations: Url,
    pace: Url,
    sightings: Url,
    token: Option<Secret>,
    client: Client,
}

impl ControllerHttp {
    /// The controller at `base`, which may ask for a token.
    ///
    /// # Errors
    /// The base URL cannot have a path, or the TLS library cannot be set up.
    pub fn new(base: &Url, token: Option<Secret>) -> Result<Self, PortError> {
        let endpoint = |path: &str| {
            base.join(path).map_err(|error| PortError::broken(format!("controller address '{base}': {error}")))
        };
        let (observations, pace) = (endpoint("/v1/observations")?, endpoint("/v1/pace")?);
        let sightings = endpoint("/v1/sightings")?;
        let client = outbound::client_for(base, TIMEOUT)?;
        Ok(Self { name: format!("controller {base}"), observations, pace, sightings, token, client })
    }

    fn with_token(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    /// The error of an answer that is not what was asked for.
    fn refused(&self, answer: &Answer) -> PortError {
        let said = serde_json::from_slice::<ErrorAnswer>(&answer.body);
        let said = said.map_or_else(|_| outbound::quote(&String::from_utf8_lossy(&answer.body)), |said| said.error);
        outbound::unexpected(answer.status, format!("{} answered {}: {said}", self.name, answer.status))
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
        let request = self.with_token(self.client.post(self.observations.clone()).json(&batch));
        let answer = outbound::send(&self.name, request).await?;
        match serde_json::from_slice::<Receipt>(&answer.body) {
            Ok(receipt) if answer.status.is_success() => Ok(receipt.taken_up_to),
            _ => Err(self.refused(&answer)),
        }
    }

    async fn pace(&self, known: Option<PaceMark>) -> Result<Pace, PortError> {
        let mut request = self.client.get(self.pace.clone()).timeout(PACE_TIMEOUT);
        if let Some(known) = known {
            request = request.query(&[("known", known.to_string())]);
        }
        let answer = outbound::send_for(&self.name, self.with_token(request), LONGEST_PACE).await?;
        match serde_json::from_slice::<PaceAnswer>(&answer.body) {
            Ok(pace) if answer.status.is_success() => {
                pace.pace().map_err(|error| PortError::broken(format!("{}: {error}", self.name)))
            }
            _ => Err(self.refused(&answer)),
        }
    }
}

#[async_trait]
impl SightingSink for ControllerHttp {
    fn name(&self) -> &str {
        &self.name
    }

    async fn sighted(&self, now: Moment, vantage: &VantageName, seen: &[Sighting]) -> Result<(), PortError> {
        let document = Sightings::new(vantage, now, seen);
        let request = self.with_token(self.client.post(self.sightings.clone()).json(&document));
        let answer = outbound::send(&self.name, request).await?;
        match serde_json::from_slice::<SightingsReceipt>(&answer.body) {
            Ok(_) if answer.status.is_success() => Ok(()),
            _ => Err(self.refused(&answer)),
        }
    }
}
