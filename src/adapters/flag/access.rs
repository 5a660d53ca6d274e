//! Who we are at a store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::domain::Secret;

/// How long credentials of the chain are used again. Whoever hands out temporary ones gives at least five minutes.
const KEPT: Duration = Duration::from_secs(120);

/// Credentials for a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The cloud's usual chain: environment, files, web identity, instance role.
    Usual,
    /// A key: S3's key id and secret, a Google service account's JSON, or Azure's account key (these two need no name).
    Key {
        /// S3's access key id.
        name: String,
        /// The secret.
        secret: Secret,
    },
    /// None: for emulators.
    Anonymous,
}

/// The AWS chain as `object_store` asks for it.
pub(super) struct Chain {
    chain: DefaultCredentialsChain,
    last: Mutex<Option<(Instant, Arc<AwsCredential>)>>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain")
    }
}

impl Chain {
    pub(super) async fn new() -> Self {
        Self { chain: DefaultCredentialsChain::builder().build().await, last: Mutex::default() }
    }
}

#[async_trait]
impl CredentialProvider for Chain {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().await;
        if let Some((since, known)) = &*last
            && since.elapsed() < KEPT
        {
            return Ok(Arc::clone(known));
        }
        match self.chain.provide_credentials().await {
            Ok(found) => {
                let credential = Arc::new(AwsCredential {
                    key_id: found.access_key_id().to_owned(),
                    secret_key: found.secret_access_key().to_owned(),
                    token: found.session_token().map(str::to_owned),
                });
                *last = Some((Instant::now(), Arc::clone(&credential)));
                Ok(credential)
            }
            Err(error) => match &*last {
                // Whoever hands them out may be down with the rest of the region. The store says when they are not good any more.
                Some((_, known)) => Ok(Arc::clone(known)),
                None if matches!(error, CredentialsError::CredentialsNotLoaded(_)) => Err(object_store::Error::Unauthenticated {
                    path: String::new(),
                    source: "there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role".into(),
                }),
                None => Err(object_store::Error::Generic { store: "S3", source: Box::new(error) }),
            },
        }
    }
}
