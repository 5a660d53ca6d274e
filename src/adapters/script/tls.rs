//! What probes trust: the machine's own certificate authorities, loaded once. Certificates are always verified; there is
//! no switch that turns it off.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// One TLS configuration for all probes, and why it is of no use, if it is.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    config: ClientConfig,
    problem: Option<Arc<str>>,
}

impl Trust {
    /// Loads the machine's certificate authorities. Without any it still serves for plain HTTP, and knows the reason
    /// why nothing can be said of an HTTPS site from here.
    pub(super) fn of_this_machine() -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let (mut config, problem) = match Verifier::new(provider) {
            Ok(verifier) => {
                let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
                (builder.with_no_client_auth(), None)
            }
            Err(error) => {
                let builder = builder.with_root_certificates(RootCertStore::empty());
                (builder.with_no_client_auth(), Some(Arc::from(error.to_string())))
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A probe must see what a new user sees, so no probe resumes another's session.
        config.resumption = Resumption::disabled();
        Ok(Self { config, problem })
    }

    /// The configuration; cloning it copies a few reference counts.
    pub(super) fn config(&self) -> ClientConfig {
        self.config.clone()
    }

    /// Why no certificate can be judged from here.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}
