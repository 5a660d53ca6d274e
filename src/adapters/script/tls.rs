//! What probes trust: the machine's own certificate authorities, loaded once, and for one request those that the script names. Certificates
//! are always verified; there is no switch that turns it off.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::ending::Ending;

/// How many configurations of scripts' own certificates are kept: a handful of checks has them, each its own.
const KEPT: usize = 32;

/// Which versions of HTTP are offered in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Offer {
    /// Whichever the server prefers.
    #[default]
    Any,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
    /// None: what is spoken over it is not HTTP.
    Nothing,
}

impl Offer {
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Any => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::Http2 => vec![b"h2".to_vec()],
            Self::Nothing => Vec::new(),
        }
    }
}

/// The certificates of a script's own, as PEM.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Papers {
    /// Authorities that are trusted beside the machine's.
    pub(super) ca: Option<String>,
    /// The client's certificate chain and its key.
    pub(super) identity: Option<(String, String)>,
}

/// A configuration for papers of a script's own.
type Kept = ((Papers, Offer), Arc<ClientConfig>);

/// The TLS configurations of all probes, and why they are of no use, if they are.
#[derive(Debug)]
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    verifier: Option<Arc<Verifier>>,
    plain: [(Offer, Arc<ClientConfig>); 4],
    problem: Option<Arc<str>>,
    kept: Mutex<Vec<Kept>>,
}

impl Trust {
    /// Loads the machine's certificate authorities. Without any it still serves for plain HTTP, and knows the reason
    /// why nothing can be said of an HTTPS site from here.
    pub(super) fn of_this_machine() -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let (config, verifier, problem) = match Verifier::new(Arc::clone(&provider)).map(Arc::new) {
            Ok(verifier) => {
                let own = Arc::<Verifier>::clone(&verifier);
                let builder = builder.dangerous().with_custom_certificate_verifier(own);
                (builder.with_no_client_auth(), Some(verifier), None)
            }
            Err(error) => {
                let builder = builder.with_root_certificates(RootCertStore::empty());
                (builder.with_no_client_auth(), None, Some(Arc::from(error.to_string())))
            }
        };
        let plain = [Offer::Any, Offer::Http1, Offer::Http2, Offer::Nothing]
            .map(|offer| (offer, Arc::new(finished(config.clone(), offer))));
        Ok(Self { provider, verifier, plain, problem, kept: Mutex::default() })
    }

    /// The configuration for these papers and this offer.
    pub(super) fn config(&self, papers: &Papers, offer: Offer) -> Result<Arc<ClientConfig>, Ending> {
        if *papers == Papers::default() {
            let plain = self.plain.iter().find(|(own, _)| *own == offer).map(|(_, config)| Arc::clone(config));
            return plain.ok_or_else(|| Ending::Inconclusive("there is no TLS configuration".to_owned()));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = kept.iter().find(|((own, of), _)| own == papers && *of == offer) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(finished(self.own(papers)?, offer));
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(((papers.clone(), offer), Arc::clone(&config)));
        Ok(config)
    }

    /// What judges certificates, for those who only look at one.
    pub(super) fn verifier(&self, ca: Option<&str>) -> Result<Arc<dyn ServerCertVerifier>, Ending> {
        match (ca, &self.verifier) {
            (Some(_), _) => Ok(Arc::new(self.own_verifier(ca)?)),
            (None, Some(verifier)) => Ok(Arc::<Verifier>::clone(verifier)),
            (None, None) => {
                let why = self.problem().unwrap_or_default();
                Err(Ending::Inconclusive(format!("this machine cannot judge certificates: {why}")))
            }
        }
    }

    /// The configuration for a handshake that only looks: with a verifier of its own, and no protocol to offer.
    pub(super) fn looking(&self, verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, Ending> {
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&self.provider)).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| Ending::Inconclusive(format!("TLS cannot be used: {error}")))?;
        let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Ok(finished(config, Offer::Nothing))
    }

    fn own_verifier(&self, ca: Option<&str>) -> Result<Verifier, Ending> {
        let bad =
            |why: &dyn std::fmt::Display| Ending::Inconclusive(format!("the option 'ca' cannot be used: {why}"));
        let roots = ca.map_or_else(|| Ok(Vec::new()), certificates).map_err(|why| bad(&why))?;
        Verifier::new_with_extra_roots(roots, Arc::clone(&self.provider)).map_err(|error| bad(&error))
    }

    fn own(&self, papers: &Papers) -> Result<ClientConfig, Ending> {
        let bad =
            |what: &str, why: &dyn std::fmt::Display| Ending::Inconclusive(format!("{what} cannot be used: {why}"));
        let verifier = self.own_verifier(papers.ca.as_deref())?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| bad("TLS", &error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let Some((chain, key)) = &papers.identity else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(chain).map_err(|why| bad("the client's certificate", &why))?;
        // The parser's own words could quote the key.
        let key =
            PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| bad("the client's key", &"it is no PEM"))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| bad("the client's certificate", &error))
    }

    /// Why no certificate can be judged from here.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

fn finished(mut config: ClientConfig, offer: Offer) -> ClientConfig {
    config.alpn_protocols = offer.protocols();
    // A probe must see what a new user sees, so no probe resumes another's session.
    config.resumption = Resumption::disabled();
    config
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err("it holds no certificate in PEM".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}
