//! TLS below the other protocols: the same authorities and the same strictness as for HTTPS, or a script's own authority.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Outcome, dial};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::Flow;
use crate::domain::FailureKind;

/// The most certificates that `ca` may hold; the machine's own store has about 150.
const MAX_AUTHORITIES: usize = 200;

/// A connection, plain or encrypted.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Io for T {}

/// A connection, whatever it is made of.
pub(super) type Link = Box<dyn Io>;

/// What certificates are held against: the authorities in this PEM text only, or this machine's.
pub(super) fn verifier(ca: Option<&str>) -> Outcome<Arc<dyn ServerCertVerifier>> {
    match ca {
        Some(pem) => of_authorities(pem),
        None => of_this_machine(),
    }
}

/// This machine's authorities, read once for all probes.
fn of_this_machine() -> Outcome<Arc<dyn ServerCertVerifier>> {
    static VERIFIER: OnceLock<Result<Arc<Verifier>, rustls::Error>> = OnceLock::new();
    match VERIFIER.get_or_init(|| Verifier::new(provider()).map(Arc::new)) {
        Ok(verifier) => Ok(Arc::<Verifier>::clone(verifier)),
        Err(error) => Err(Ending::Inconclusive(format!("this machine cannot judge certificates: {error}"))),
    }
}

fn of_authorities(pem: &str) -> Outcome<Arc<dyn ServerCertVerifier>> {
    let wrong =
        |why: String| Ending::Inconclusive(format!("the option 'ca' is no PEM text with certificates: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        if roots.len() >= MAX_AUTHORITIES {
            return Err(wrong(format!("it has more than {MAX_AUTHORITIES}")));
        }
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    Ok(verifier.map_err(|error| wrong(error.to_string()))?)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The configuration for this verifier, offering these protocols. No session is resumed: a probe sees what a new user sees.
pub(super) fn config(verifier: Arc<dyn ServerCertVerifier>, protocols: &[&str]) -> Outcome<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Ending::Inconclusive(format!("the prober cannot set up TLS: {error}")))?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The name that a certificate must be for.
pub(super) fn server_name(host: &str) -> Outcome<ServerName<'static>> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned())
        .map_err(|_| Ending::Inconclusive(format!("'{host}' is no name that a certificate can have")))
}

/// Verified TLS on the connection.
pub(super) async fn upgrade<S: Io>(
    flow: &Flow,
    stream: S,
    host: &str,
    config: ClientConfig,
    said: &str,
) -> Outcome<TlsStream<S>> {
    flow.progress().set(format!("no TLS handshake with {said}"));
    let connector = TlsConnector::from(Arc::new(config));
    let name = server_name(host)?;
    connector.connect(name, stream).await.map_err(|error| dial::prefixed(said, in_handshake(dial::broken(&error))))
}

/// What breaks off a handshake is told as TLS: the connection itself was there.
pub(super) fn in_handshake(ending: Ending) -> Ending {
    match ending {
        Ending::Fail(FailureKind::Network, words) => {
            Ending::Fail(FailureKind::Tls, format!("the TLS handshake broke off: {words}"))
        }
        other => other,
    }
}
