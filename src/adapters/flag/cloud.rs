//! S3, Google Cloud Storage and Azure Blob Storage as stores of flags, through `object_store`.
//!
//! What holds here:
//! - **S5**: a write names the version that was read (`If-Match`, `x-goog-if-generation-match`) or asks that there be none (`If-None-Match: *`), and the cloud
//!   compares and swaps. There is no other write.
//! - **A write is sent once.** `object_store` repeats requests by itself; that is switched off (as for Route 53: a swap that was applied and then repeated
//!   reads as lost).
//! - **Absent is the store's own word.** Only an answer that names the *object* as missing counts; a missing bucket, a refused request or a lost answer does not.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Extensions, GetOptions, ObjectStore, PutMode, PutOptions, RetryConfig, UpdateVersion,
};

use super::access::{Access, Chain};
use super::errors;
use super::place::{Bucket, Kind, PlaceError};
use super::shelf::{Body, Shelf};
use super::wire::{Connector, Note};
use crate::domain::FLAG_BYTES_MAX;
use crate::ports::{FlagVersion, PortError};

/// A read, with whatever credentials have to be fetched for it.
const READ_LIMIT: Duration = Duration::from_secs(4);

/// A write: after it the caller reads back, which tells more than waiting longer for an answer that may have been lost.
const WRITE_LIMIT: Duration = Duration::from_secs(8);

/// One flag in a bucket.
pub(super) struct CloudShelf {
    shown: String,
    kind: Kind,
    store: Box<dyn ObjectStore>,
    path: Path,
}

impl CloudShelf {
    /// The flag of that name in that bucket. Nothing is sent yet.
    pub(super) async fn open(
        shown: String,
        bucket: &Bucket,
        object: &str,
        access: Access,
    ) -> Result<Self, PlaceError> {
        let failed = |error: object_store::Error| PlaceError::Client(shown.clone(), errors::line(&error));
        let store: Box<dyn ObjectStore> = match bucket.kind {
            Kind::S3 => Box::new(s3(bucket, access).await.build().map_err(failed)?),
            Kind::Gcs => Box::new(gcs(bucket, access).build().map_err(failed)?),
            Kind::Azure => Box::new(azure(bucket, access).build().map_err(failed)?),
        };
        let path = Path::parse(format!("{}{object}", bucket.folder)).map_err(|error| failed(error.into()))?;
        Ok(Self { shown, kind: bucket.kind, store, path })
    }

    async fn load(&self, extensions: Extensions) -> object_store::Result<Result<Body, u64>> {
        let answer = self.store.get_opts(&self.path, GetOptions { extensions, ..GetOptions::default() }).await?;
        let size = answer.meta.size;
        if size > FLAG_BYTES_MAX as u64 {
            return Ok(Err(size));
        }
        let version = FlagVersion { tag: answer.meta.e_tag.clone(), generation: answer.meta.version.clone() };
        Ok(Ok(Body { bytes: answer.bytes().await?.to_vec(), version }))
    }

    /// Whether the version is one that this kind of store can compare.
    fn comparable(&self, version: &FlagVersion) -> bool {
        match self.kind {
            Kind::S3 | Kind::Azure => version.tag.is_some(),
            Kind::Gcs => version.generation.is_some(),
        }
    }
}

#[async_trait]
impl Shelf for CloudShelf {
    fn shown(&self) -> &str {
        &self.shown
    }

    async fn get(&self) -> Result<Option<Body>, PortError> {
        let note = Note::default();
        match tokio::time::timeout(READ_LIMIT, self.load(noted(&note))).await {
            Err(_) => Err(PortError::retry(format!("{}: no answer within {} s", self.shown, READ_LIMIT.as_secs()))),
            Ok(Ok(Ok(body))) if self.comparable(&body.version) => Ok(Some(body)),
            Ok(Ok(Ok(_))) => Err(PortError::broken(format!(
                "{}: the store gives its objects no version, so that nothing can be compared and swapped there",
                self.shown
            ))),
            Ok(Ok(Err(size))) => {
                Err(PortError::broken(format!("{}: the object has {size} bytes: it is no flag", self.shown)))
            }
            Ok(Err(error)) => errors::read(&self.shown, self.kind, &error, note.refusal()),
        }
    }

    async fn put(&self, expected: Option<FlagVersion>, text: String) -> Result<(), PortError> {
        let mode = match expected {
            None => PutMode::Create,
            Some(version) => PutMode::Update(UpdateVersion { e_tag: version.tag, version: version.generation }),
        };
        let note = Note::default();
        // A checker, or a cache before it, must not see an old flag.
        let attributes = Attributes::from_iter([
            (Attribute::ContentType, "text/plain; charset=utf-8"),
            (Attribute::CacheControl, "no-store"),
        ]);
        let options = PutOptions { mode, attributes, extensions: noted(&note), ..PutOptions::default() };
        match tokio::time::timeout(WRITE_LIMIT, self.store.put_opts(&self.path, text.into(), options)).await {
            Err(_) => Err(PortError::retry(format!(
                "{}: no answer within {} s; it is unknown whether the flag was written",
                self.shown,
                WRITE_LIMIT.as_secs()
            ))),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(errors::write(&self.shown, &error, note.refusal())),
        }
    }
}

fn noted(note: &Note) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(note.clone());
    extensions
}

/// One attempt, in whatever the caller does.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn connector(bucket: &Bucket) -> Connector {
    let host = bucket.endpoint.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
    let local = host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    Connector { local }
}

/// The endpoint as `object_store` takes it: without a slash at its end.
fn endpoint(bucket: &Bucket) -> Option<String> {
    bucket.endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned())
}

async fn s3(bucket: &Bucket, access: Access) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&bucket.name)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(once())
        .with_http_connector(connector(bucket));
    if let Some(region) = &bucket.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint(bucket) {
        builder = builder.with_endpoint(endpoint);
    }
    if bucket.allow_http {
        builder = builder.with_allow_http(true);
    }
    if bucket.virtual_hosted {
        builder = builder.with_virtual_hosted_style_request(true);
    }
    match access {
        // The chain that Route 53 is written with knows profiles and single sign-on, which object_store's does not.
        Access::Usual => builder.with_credentials(Arc::new(Chain::new().await)),
        Access::Key { name, secret } => builder.with_access_key_id(name).with_secret_access_key(secret.expose()),
        Access::Anonymous => builder.with_skip_signature(true),
    }
}

fn gcs(bucket: &Bucket, access: Access) -> GoogleCloudStorageBuilder {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(&bucket.name)
        .with_retry(once())
        .with_http_connector(connector(bucket));
    if let Some(endpoint) = endpoint(bucket) {
        builder = builder.with_config(GoogleConfigKey::BaseUrl, endpoint);
    }
    if bucket.allow_http {
        builder = builder.with_client_options(object_store::ClientOptions::new().with_allow_http(true));
    }
    match access {
        Access::Usual => builder,
        Access::Key { secret, .. } => builder.with_service_account_key(secret.expose()),
        // Its own `skip_signature` asks for a token all the same before a write (0.14.2).
        Access::Anonymous => builder.with_bearer_token("none"),
    }
}

fn azure(bucket: &Bucket, access: Access) -> MicrosoftAzureBuilder {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(&bucket.name)
        .with_retry(once())
        .with_http_connector(connector(bucket));
    if let Some(account) = &bucket.account {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = endpoint(bucket) {
        builder = builder.with_endpoint(endpoint);
    }
    if bucket.allow_http {
        builder = builder.with_allow_http(true);
    }
    match access {
        Access::Usual => builder,
        Access::Key { secret, .. } => builder.with_access_key(secret.expose()),
        Access::Anonymous => builder.with_skip_signature(true),
    }
}
