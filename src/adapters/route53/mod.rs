//! Route 53 as a [`DnsProvider`]: reads through ListResourceRecordSets, and writes one all-or-nothing change batch at a
//! time.
//!
//! What holds here:
//! - **S5**: a batch is DELETE and CREATE only, so Route 53's exact match on the ownership record is the compare-and-swap.
//!   UPSERT is never sent. A batch whose token was not made under the fence's epoch is not sent either.
//! - **A write is sent once.** The SDK repeats requests by itself; a compare-and-swap that was applied and then repeated
//!   reads as lost, so that is switched off for ChangeResourceRecordSets (Jepsen found just this in jetcd 0.8.2). Reads
//!   are repeated.
//! - **An unknown answer is not called a refusal.** Throttling, time-outs, broken connections and answers that cannot be
//!   read are [`Class::Retry`](crate::ports::Class): the caller reads back.
//! - **S16 / adoption**: a record whose routing is not modelled (weighted, latency, alias …) never looks like one that is
//!   (see `records`), so that nothing of it is deleted and created again without its routing.
//!
//! What it refuses: to retry a write, to create or delete zones, and to guess a record that it cannot express.

mod errors;
mod protections;
mod rate;
mod records;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::meta::region::RegionProviderChain;
use aws_sdk_route53::config::retry::RetryConfig;
use aws_sdk_route53::config::timeout::TimeoutConfig;
use aws_sdk_route53::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_route53::operation::get_hosted_zone::GetHostedZoneError;
use aws_sdk_route53::types as sdk;
use aws_sdk_route53::{Client, Config};
use url::Url;

use crate::domain::{ChangeBatch, Fence, OwnedRecords, RecordSet, Secret};
use crate::ports::{ChangeState, DnsProvider, PortError};
use rate::{Rate, Urgency};

/// Route 53 is one global service; its endpoint and its signatures name this region.
const HOME_REGION: &str = "us-east-1";

/// A TCP and TLS handshake that takes longer than three round trips to the far side of the world has been lost.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// One request of a read; the control plane answers within a second in ordinary times.
const READ_ATTEMPT_LIMIT: Duration = Duration::from_secs(4);

/// A read with its repetitions: a confirmed incident has about 20 s left for the flip (L1: 45 s less the 25 s of
/// confirmation), and the read is half of it at most.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// A write: after it the caller reads back, which tells more than waiting longer for an answer that may have been lost.
const WRITE_LIMIT: Duration = Duration::from_secs(8);

/// How often a read is sent.
const READ_ATTEMPTS: u32 = 3;

/// Records asked for at once: a name's pair and its mark are three, and what may sort between them is rarely more. Route 53 gives
/// at most 300.
const PAGE: i32 = 100;

/// A bound on the pages of one name, so that a provider that never ends its list cannot hold the caller.
const MAX_PAGES: usize = 20;

/// Route 53.
#[derive(Debug, Clone)]
pub struct Route53 {
    client: Client,
    /// None at an endpoint that was named: an emulator has no account to share.
    rate: Option<Arc<Rate>>,
}

impl Route53 {
    /// With the usual AWS settings: environment, profile, web identity, container or instance role; `AWS_ENDPOINT_URL` and
    /// `AWS_ENDPOINT_URL_ROUTE_53` point it elsewhere. Nothing is sent to Route 53 yet.
    pub async fn from_settings() -> Self {
        let region = RegionProviderChain::default_provider().or_else(HOME_REGION);
        let shared = aws_config::defaults(BehaviorVersion::latest()).region(region).load().await;
        Self { rate: Some(Arc::default()), ..Self::with(Builder::from(&shared)) }
    }

    /// At this endpoint with these keys, whatever the environment says.
    pub fn at(endpoint: &Url, access_key: &str, secret_key: &Secret) -> Self {
        let credentials = Credentials::new(access_key, secret_key.expose(), None, None, "quorate");
        Self::with(
            Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(HOME_REGION))
                .endpoint_url(endpoint.as_str())
                .credentials_provider(credentials),
        )
    }

    fn with(builder: Builder) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_LIMIT)
            .operation_attempt_timeout(READ_ATTEMPT_LIMIT)
            .operation_timeout(READ_LIMIT)
            .build();
        let retries = RetryConfig::standard().with_max_attempts(READ_ATTEMPTS);
        Self { client: Client::from_conf(builder.timeout_config(timeouts).retry_config(retries).build()), rate: None }
    }

    /// Waits for this request's share of the account.
    async fn turn(&self, urgency: Urgency) {
        if let Some(rate) = &self.rate {
            rate.turn(urgency).await;
        }
    }

    /// What a write does differently: it is sent once, and given its whole time.
    fn once() -> Builder {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_LIMIT)
            .operation_attempt_timeout(WRITE_LIMIT)
            .operation_timeout(WRITE_LIMIT)
            .build();
        Config::builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts)
    }

    /// The record sets from `name` on, in Route 53's order (labels reversed, so that a name's children come right after it).
    async fn page(&self, zone: &str, from: &Place) -> Result<Page, PortError> {
        self.turn(Urgency::Read).await;
        let answer = self
            .client
            .list_resource_record_sets()
            .hosted_zone_id(zone)
            .start_record_name(&from.name)
            .set_start_record_type(from.kind.clone())
            .set_start_record_identifier(from.identifier.clone())
            .max_items(PAGE)
            .send()
            .await
            .map_err(|error| errors::read(&error, zone, "ListResourceRecordSets"))?;
        let next = match (answer.is_truncated, answer.next_record_name) {
            (false, _) => None,
            (true, Some(name)) => {
                Some(Place { name, kind: answer.next_record_type, identifier: answer.next_record_identifier })
            }
            (true, None) => {
                return Err(PortError::retry(format!("zone {zone}: a list that goes on does not say where")));
            }
        };
        Ok(Page { sets: answer.resource_record_sets, next })
    }

    /// All record sets of exactly this name. They are neighbours, and the first of them is where the list begins.
    async fn of_name(&self, zone: &str, name: &str) -> Result<Vec<sdk::ResourceRecordSet>, PortError> {
        let mut found = Vec::new();
        let mut place = Place::start_of(name);
        for _ in 0..MAX_PAGES {
            let page = self.page(zone, &place).await?;
            let here = |set: &sdk::ResourceRecordSet| records::plain_name(&set.name) == name;
            let passed = page.sets.iter().any(|set| !here(set));
            found.extend(page.sets.into_iter().filter(here));
            match page.next {
                Some(next) if !passed => place = next,
                _ => return Ok(found),
            }
        }
        Err(PortError::broken(format!("zone {zone}: the records of {name} fill more than {MAX_PAGES} pages")))
    }
}

/// Sorts names as Route 53 lists them: label by label, from the last.
fn order(name: &str) -> Vec<&str> {
    name.rsplit('.').collect()
}

/// Where a list goes on.
struct Place {
    name: String,
    kind: Option<sdk::RrType>,
    identifier: Option<String>,
}

impl Place {
    fn start_of(name: &str) -> Self {
        Self { name: name.to_owned(), kind: None, identifier: None }
    }
}

/// One answer of a list.
struct Page {
    sets: Vec<sdk::ResourceRecordSet>,
    next: Option<Place>,
}

impl Page {
    /// Whether all records of `name` that exist at or after the page's beginning are on it: something else follows them, or
    /// nothing does.
    fn has_all_of(&self, name: &str) -> bool {
        let is_it = |set: &sdk::ResourceRecordSet| records::plain_name(&set.name) == name;
        let last = self.sets.iter().rposition(is_it);
        match (&self.next, last) {
            (None, _) => true,
            (Some(_), Some(last)) => last + 1 < self.sets.len(),
            (Some(_), None) => false,
        }
    }
}

#[async_trait]
impl DnsProvider for Route53 {
    /// One request in the ordinary case, which is one moment of the zone. Where other names lie in between (`*.` and labels that
    /// begin with a digit or a hyphen come before the mark) it takes several, and the mark is read before and after: it
    /// changes with every write, so the same mark twice means that nothing moved in between.
    async fn read(&self, zone: &str, names: &[&str]) -> Result<Vec<RecordSet>, PortError> {
        let Some(first) = names.first() else { return Ok(Vec::new()) };
        let mark_name = OwnedRecords::mark_name(first);
        let wanted: Vec<&str> = names.iter().copied().chain([mark_name.as_str()]).collect();
        let begin = wanted.iter().copied().min_by_key(|name| order(name)).unwrap_or(first);
        let page = self.page(zone, &Place::start_of(begin)).await?;
        let sets = if wanted.iter().all(|name| page.has_all_of(name)) {
            page.sets
        } else {
            let before = self.of_name(zone, &mark_name).await?;
            let mut sets = Vec::new();
            for name in names {
                sets.extend(self.of_name(zone, name).await?);
            }
            let after = self.of_name(zone, &mark_name).await?;
            if before != after {
                return Err(PortError::retry(format!("zone {zone}: {first} was written to while it was read")));
            }
            sets.extend(after);
            sets
        };
        Ok(sets.iter().filter_map(records::from_sdk).filter(|set| wanted.contains(&set.name.as_str())).collect())
    }

    async fn apply(&self, fence: &Fence, zone: &str, batch: &ChangeBatch) -> Result<String, PortError> {
        let new = batch.new_token();
        if new.epoch != fence.epoch() {
            return Err(PortError::fenced(format!(
                "zone {zone}: the batch was made under epoch {}, and the fence is of epoch {}",
                new.epoch,
                fence.epoch()
            )));
        }
        let changes = batch
            .changes()
            .iter()
            .map(records::to_sdk)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| PortError::broken(format!("zone {zone}: the batch cannot be written: {error}")))?;
        let batch = sdk::ChangeBatch::builder()
            .comment(batch.comment())
            .set_changes(Some(changes))
            .build()
            .map_err(|error| PortError::broken(format!("zone {zone}: the batch cannot be written: {error}")))?;
        self.turn(Urgency::Write).await;
        let answer = self
            .client
            .change_resource_record_sets()
            .hosted_zone_id(zone)
            .change_batch(batch)
            .customize()
            .config_override(Self::once())
            .send()
            .await
            .map_err(|error| errors::write(&error, zone))?;
        // The SDK fills an answer without an id with an empty text.
        match answer.change_info.map(|info| info.id) {
            Some(id) if !id.is_empty() => Ok(id),
            _ => Err(PortError::retry(format!("zone {zone}: the answer to the change names no change id"))),
        }
    }

    async fn change_state(&self, change: &str) -> Result<ChangeState, PortError> {
        self.turn(Urgency::Read).await;
        let answer = self
            .client
            .get_change()
            .id(change)
            .send()
            .await
            .map_err(|error| errors::read(&error, change, "GetChange"))?;
        match answer.change_info.map(|info| info.status) {
            Some(sdk::ChangeStatus::Pending) => Ok(ChangeState::Pending),
            Some(sdk::ChangeStatus::Insync) => Ok(ChangeState::InSync),
            other => Err(PortError::retry(format!("change {change}: unknown status {other:?}"))),
        }
    }

    async fn has_zone(&self, zone: &str) -> Result<bool, PortError> {
        self.turn(Urgency::Read).await;
        match self.client.get_hosted_zone().id(zone).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(GetHostedZoneError::is_no_such_hosted_zone) => {
                Ok(false)
            }
            Err(error) => Err(errors::read(&error, zone, "GetHostedZone")),
        }
    }

    async fn name_servers(&self, zone: &str) -> Result<Vec<String>, PortError> {
        self.turn(Urgency::Read).await;
        let answer = self
            .client
            .get_hosted_zone()
            .id(zone)
            .send()
            .await
            .map_err(|error| errors::read(&error, zone, "GetHostedZone"))?;
        let servers: Vec<String> = answer
            .delegation_set
            .map(|set| set.name_servers.iter().map(|name| records::plain_name(name)).collect())
            .unwrap_or_default();
        if servers.is_empty() {
            return Err(PortError::broken(format!(
                "zone {zone}: it has no delegation set, so it is a private zone, and its answers cannot be verified"
            )));
        }
        Ok(servers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Class;
    use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};

    /// A source of credentials that has none.
    #[derive(Debug)]
    struct Without(fn() -> CredentialsError);

    impl ProvideCredentials for Without {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err((self.0)()))
        }
    }

    fn nowhere() -> Builder {
        // Nothing listens at the discard port; without credentials nothing is sent there either.
        Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(HOME_REGION))
            .endpoint_url("http://127.0.0.1:9/")
    }

    #[tokio::test]
    async fn without_credentials_a_person_is_needed_and_a_source_that_fails_may_come_back() {
        let missing = Route53::with(nowhere().credentials_provider(Without(|| CredentialsError::not_loaded("none"))));
        let error = missing.read("Z1", &["www.example.test"]).await.unwrap_err();
        assert_eq!(error.class, Class::Broken);
        assert!(error.what.contains("no AWS credentials") && error.what.contains("AWS_ACCESS_KEY_ID"), "{error}");

        let failing =
            Route53::with(nowhere().credentials_provider(Without(|| CredentialsError::provider_error("503"))));
        assert_eq!(failing.read("Z1", &["www.example.test"]).await.unwrap_err().class, Class::Retry);
    }

    #[tokio::test]
    async fn an_endpoint_where_nobody_listens_is_unknown_and_named() {
        let endpoint = Url::parse("http://127.0.0.1:9/").unwrap();
        let error = Route53::at(&endpoint, "key", &Secret::new("k")).name_servers("Z1").await.unwrap_err();
        assert_eq!(error.class, Class::Retry);
        assert!(error.what.contains("GetHostedZone of Z1"), "{error}");
    }
}
