//! The lab from outside: the official Route 53 client, DNS over UDP and TCP, and a browser's view of the demo clouds.

mod checkers;
mod cloud;
mod dns;
mod health;
mod notices;
mod owners;
mod route53;
mod routing;

use std::time::Duration;

use aws_sdk_route53::Client;
use aws_sdk_route53::config::retry::RetryConfig;
use aws_sdk_route53::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_route53::operation::change_resource_record_sets::{
    ChangeResourceRecordSetsError, ChangeResourceRecordSetsOutput,
};
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
use quorate::lab::{FaultChange, Lab, LabOptions};

/// Long enough that nothing propagates while a test runs.
const NEVER: Duration = Duration::from_secs(3_600);

/// A lab with the zone `example.com`, and a client that never retries.
struct Bench {
    lab: Lab,
    zone: String,
    client: Client,
}

impl Bench {
    async fn new() -> Self {
        Self::with(LabOptions { propagation: Duration::ZERO, ..LabOptions::default() }).await
    }

    async fn with(options: LabOptions) -> Self {
        let lab = Lab::start(options).await.unwrap();
        let zone = lab.create_zone("example.com").unwrap();
        let client = client(&lab.api_url());
        Self { lab, zone, client }
    }

    async fn change(
        &self,
        changes: Vec<Change>,
    ) -> Result<ChangeResourceRecordSetsOutput, SdkError<ChangeResourceRecordSetsError>> {
        let batch = ChangeBatch::builder().set_changes(Some(changes)).comment("decision d-1").build().unwrap();
        self.client.change_resource_record_sets().hosted_zone_id(&self.zone).change_batch(batch).send().await
    }

    /// The code and message of a refusal.
    async fn refusal(&self, changes: Vec<Change>) -> (String, String) {
        let error = self.change(changes).await.expect_err("the batch is refused").into_service_error();
        (error.code().unwrap().to_owned(), error.message().unwrap_or_default().to_owned())
    }

    /// `name type value` of each record set but the apex's own.
    async fn listed(&self) -> Vec<String> {
        let page = self.client.list_resource_record_sets().hosted_zone_id(&self.zone).send().await.unwrap();
        page.resource_record_sets()
            .iter()
            .filter(|set| !matches!(set.r#type(), RrType::Ns | RrType::Soa))
            .map(|set| format!("{} {} {}", set.name(), set.r#type(), values(set).join(" ")))
            .collect()
    }

    fn faults(&self, change: FaultChange) {
        self.lab.set_faults(change);
    }
}

fn client(url: &str) -> Client {
    let config = aws_sdk_route53::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "thing", None, None, "tests"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .build();
    Client::from_conf(config)
}

fn values(set: &ResourceRecordSet) -> Vec<&str> {
    set.resource_records().iter().map(ResourceRecord::value).collect()
}

fn record_set(name: &str, kind: RrType, ttl: i64, value: &str) -> ResourceRecordSet {
    ResourceRecordSet::builder()
        .name(name)
        .r#type(kind)
        .ttl(ttl)
        .resource_records(ResourceRecord::builder().value(value).build().unwrap())
        .build()
        .unwrap()
}

fn change(action: ChangeAction, set: ResourceRecordSet) -> Change {
    Change::builder().action(action).resource_record_set(set).build().unwrap()
}

fn a(action: ChangeAction, name: &str, ttl: i64, ip: &str) -> Change {
    change(action, record_set(name, RrType::A, ttl, ip))
}

fn txt(action: ChangeAction, name: &str, text: &str) -> Change {
    change(action, record_set(name, RrType::Txt, 60, &format!("\"{text}\"")))
}
