//! Servers over TLS and HTTP/2, by hyper's own server side, and the certificates for them. One thread each.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

static AUTHORITIES: AtomicUsize = AtomicUsize::new(0);

/// A certificate authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(super) struct Leaf {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Two of one name would be taken for each other.
        let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("authority {number} of these tests"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names.
    pub(super) fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_with(names, |_| {})
    }

    /// The same, with something about it changed.
    pub(super) fn leaf_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Leaf { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }
}

impl Leaf {
    /// A certificate that vouches for itself.
    pub(super) fn self_signed(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        Self { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A server's configuration with it; clients need a certificate of `clients`, if given.
    pub(super) fn config(&self, protocols: &[&str], clients: Option<&Authority>) -> ServerConfig {
        self.config_for(protocols, clients, true)
    }

    /// The same for a server that asks for a client's certificate and does without.
    pub(super) fn asking(&self, clients: &Authority) -> ServerConfig {
        self.config_for(&[], Some(clients), false)
    }

    fn config_for(&self, protocols: &[&str], clients: Option<&Authority>, needed: bool) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.root()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if needed { verifier } else { verifier.allow_unauthenticated() }.build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()];
        let mut config =
            builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

/// What a server does beside answering.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Habits {
    /// Without TLS it speaks HTTP/2.
    pub(super) clear_http2: bool,
    /// How long it thinks before each answer.
    pub(super) delay: Duration,
}

/// Starts a server, over TLS if there is a configuration. It answers with what it saw, separated by `|`: the version, the method, the
/// place, the host, the cookies, the number of the connection, and how many certificates the client gave. From `/in` it redirects to where
/// the header `x-to` says.
pub(super) fn serve(tls: Option<ServerConfig>, habits: Habits) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let mut connections = JoinSet::new();
            for number in 1.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                connections.spawn(connection(stream, acceptor.clone(), habits, number));
            }
        });
    });
    address
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, habits: Habits, number: usize) {
    match acceptor {
        None => talk(stream, habits.clear_http2, habits.delay, number, 0).await,
        Some(acceptor) => {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let connection = stream.get_ref().1;
            let http2 = connection.alpn_protocol() == Some(b"h2");
            let given = connection.peer_certificates().map_or(0, <[_]>::len);
            talk(stream, http2, habits.delay, number, given).await;
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    http2: bool,
    delay: Duration,
    number: usize,
    given: usize,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let header = |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let host = request.uri().authority().map_or_else(|| header("host"), ToString::to_string);
        let (version, method, path) = (request.version(), request.method(), request.uri().path());
        let seen = format!("{version:?}|{method}|{path}|{host}|{}|{number}|{given}", header("cookie"));
        let to = Some(header("x-to")).filter(|to| path == "/in" && !to.is_empty());
        async move {
            tokio::time::sleep(delay).await;
            let mut answer = Response::builder().header("set-cookie", "locked=1; Secure; Path=/");
            if let Some(to) = to {
                answer = answer.status(302).header("location", to);
            }
            Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(seen))).unwrap())
        }
    });
    let stream = TokioIo::new(stream);
    if http2 {
        let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await;
    } else {
        let _ = http1::Builder::new().serve_connection(stream, service).await;
    }
}
