//! TLS to databases: certificates are always verified, by the machine's own authorities or by those of a file. There is no
//! switch that turns only that off; a connection without TLS is another thing, and has to be said.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{future, io};

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{Connect, TlsConnector, client::TlsStream};

use crate::domain::PortError;

/// How connections to a database are secured.
#[derive(Debug, Clone)]
pub enum Tls {
    /// Not at all: on loopback, or where the configuration says so.
    Off,
    /// With TLS, and a certificate that verifies.
    On {
        /// The authorities that are trusted in place of the machine's own, as PEM.
        ca: Option<Vec<u8>>,
    },
}

/// A client's configuration that trusts these authorities, or the machine's.
pub(super) fn client_config(ca: Option<&[u8]>) -> Result<ClientConfig, PortError> {
    let broken = |why: &dyn std::fmt::Display| PortError::broken(format!("TLS cannot be set up: {why}"));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| broken(&error))?;
    let Some(pem) = ca else {
        let verifier = Verifier::new(provider).map_err(|error| broken(&error))?;
        let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        return Ok(config.with_no_client_auth());
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| broken(&format!("the file 'ca' is no PEM: {error:?}")))?;
        roots.add(certificate).map_err(|error| broken(&format!("the file 'ca': {error}")))?;
    }
    if roots.is_empty() {
        return Err(broken(&"the file 'ca' holds no certificate"));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Makes TLS connections for tokio-postgres. The crate that does this brings eleven others, for channel binding; what verifies here is the
/// certificate.
#[derive(Clone)]
pub(super) struct Rustls {
    config: Arc<ClientConfig>,
}

impl Rustls {
    pub(super) fn new(ca: Option<&[u8]>) -> Result<Self, PortError> {
        let mut config = client_config(ca)?;
        // What a server of PostgreSQL 17 asks for in a direct handshake, and none minds (its protocol, "SSL Session Encryption").
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Self { config: Arc::new(config) })
    }
}

impl tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket> for Rustls {
    type Stream = Secured;
    type TlsConnect = Handshake;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Self::Error> {
        let name = ServerName::try_from(domain)?.to_owned();
        Ok(Handshake { connector: TlsConnector::from(Arc::clone(&self.config)), name })
    }
}

/// A handshake to come.
pub(super) struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl tokio_postgres::tls::TlsConnect<tokio_postgres::Socket> for Handshake {
    type Stream = Secured;
    type Error = io::Error;
    type Future = Shaking;

    fn connect(self, stream: tokio_postgres::Socket) -> Shaking {
        Shaking(self.connector.connect(self.name, stream))
    }
}

/// A handshake under way.
pub(super) struct Shaking(Connect<tokio_postgres::Socket>);

impl future::Future for Shaking {
    type Output = io::Result<Secured>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_ok(Secured)
    }
}

/// A connection over TLS.
pub(super) struct Secured(TlsStream<tokio_postgres::Socket>);

impl tokio_postgres::tls::TlsStream for Secured {
    fn channel_binding(&self) -> tokio_postgres::tls::ChannelBinding {
        tokio_postgres::tls::ChannelBinding::none()
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
