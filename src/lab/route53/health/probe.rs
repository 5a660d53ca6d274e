//! One probe, within the documented limits: 4 s to connect, 2 s more to the status, 2 s more for the first 5,120 bytes of the
//! body; 10 s for a connection that is all there is to see. (Developer guide, "How Route 53 determines the status of
//! health checks that monitor an endpoint".)

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::config::{Endpoint, Protocol};
use crate::lab::{LabError, clock};

const CONNECT_LIMIT: Duration = Duration::from_secs(4);
const STATUS_LIMIT: Duration = Duration::from_secs(2);
const BODY_LIMIT: Duration = Duration::from_secs(2);
const TCP_LIMIT: Duration = Duration::from_secs(10);
/// How much of a body is searched.
const SEARCH_BYTES_MAX: usize = 5_120;
const USER_AGENT: &str = "Amazon-Route53-Health-Check-Service (quorate lab)";

/// Probes endpoints. Certificates are not looked at, as the real checkers do not.
#[derive(Clone)]
pub(super) struct Prober {
    with_sni: Arc<ClientConfig>,
    without_sni: Arc<ClientConfig>,
}

impl std::fmt::Debug for Prober {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prober").finish_non_exhaustive()
    }
}

impl Prober {
    pub(super) fn new() -> Result<Self, LabError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(LabError::HealthTls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        let mut without_sni = config.clone();
        without_sni.enable_sni = false;
        Ok(Self { with_sni: Arc::new(config), without_sni: Arc::new(without_sni) })
    }

    /// Probes once. Either way there are words on what was seen.
    pub(super) async fn probe(&self, endpoint: &Endpoint, address: SocketAddr) -> Result<String, String> {
        let failure = |what: String| format!("Failure: {what}");
        let (tls, search) = match endpoint.protocol {
            Protocol::Tcp => {
                connect(address, TCP_LIMIT).await.map_err(failure)?;
                return Ok("Success: TCP connection established".to_owned());
            }
            Protocol::Http { tls, search: false } => (tls, None),
            Protocol::Http { tls, search: true } => (tls, endpoint.search.as_deref()),
        };
        let tcp = connect(address, CONNECT_LIMIT).await.map_err(failure)?;
        let seen = if tls {
            // The handshake takes its part of the time to the status.
            let started = clock::now();
            let stream = timeout(STATUS_LIMIT, self.encrypted(endpoint, address, tcp)).await;
            let stream = stream.map_err(|_| failure(late("the TLS handshake", STATUS_LIMIT)))?.map_err(failure)?;
            let left = STATUS_LIMIT.saturating_sub(started.elapsed());
            exchange(stream, endpoint, address, left, search).await
        } else {
            exchange(tcp, endpoint, address, STATUS_LIMIT, search).await
        };
        seen.map(|seen| format!("Success: {seen}")).map_err(failure)
    }

    async fn encrypted(
        &self,
        endpoint: &Endpoint,
        address: SocketAddr,
        tcp: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
        let host = endpoint.host.clone().filter(|_| endpoint.sni).and_then(|host| ServerName::try_from(host).ok());
        let (config, name) = match host {
            Some(name) => (&self.with_sni, name),
            None => (&self.without_sni, ServerName::IpAddress(address.ip().into())),
        };
        let connecting = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
        connecting.await.map_err(|error| format!("the TLS handshake failed: {error}"))
    }
}

async fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream, String> {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(tcp)) => Ok(tcp),
        Ok(Err(error)) => Err(format!("Resolved IP: {}. No connection: {error}", address.ip())),
        Err(_) => Err(format!("Resolved IP: {}. {}", address.ip(), late("the connection", limit))),
    }
}

fn late(what: &str, limit: Duration) -> String {
    format!("{what} took more than {} seconds", limit.as_secs())
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    endpoint: &Endpoint,
    address: SocketAddr,
    to_status: Duration,
    search: Option<&str>,
) -> Result<String, String> {
    let path = endpoint.path.as_deref().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let request = Request::get(path)
        .header(header::HOST, endpoint.host_header(address))
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("the request cannot be made: {error}"))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| format!("no HTTP: {error}"))?;
    let asking = async {
        let response = timeout(to_status, sender.send_request(request)).await;
        let response = response.map_err(|_| late("the status", STATUS_LIMIT))?;
        look(response.map_err(|error| format!("no HTTP status: {error}"))?, search).await
    };
    // The connection only moves while it is polled; what it ends with shows in the exchange.
    let mut asking = std::pin::pin!(asking);
    tokio::select! {
        seen = &mut asking => seen,
        _ = connection => asking.await,
    }
}

async fn look(response: Response<Incoming>, search: Option<&str>) -> Result<String, String> {
    let status = response.status();
    let code = format!("HTTP Status Code {}, {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    if !status.is_success() && !status.is_redirection() {
        return Err(code);
    }
    let Some(search) = search else { return Ok(code) };
    let mut body = response.into_body();
    let mut seen = Vec::new();
    let found = |seen: &[u8]| {
        let looked_at = seen.get(..SEARCH_BYTES_MAX).unwrap_or(seen);
        looked_at.windows(search.len()).any(|window| window == search.as_bytes())
    };
    let reading = async {
        while !found(&seen) && seen.len() < SEARCH_BYTES_MAX {
            match body.frame().await {
                Some(Ok(frame)) => seen.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default()),
                Some(Err(error)) => return Err(format!("{code}. The body broke off: {error}")),
                None => break,
            }
        }
        Ok(())
    };
    timeout(BODY_LIMIT, reading).await.map_err(|_| format!("{code}. {}", late("the body", BODY_LIMIT)))??;
    if found(&seen) {
        Ok(format!("{code}. Search string found"))
    } else {
        Err(format!("{code}. Search string not found"))
    }
}

/// Takes any certificate: what is checked is whether somebody answers, not who.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
