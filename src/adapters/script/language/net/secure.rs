//! TLS below the other protocols: the same authorities and the same strictness as for HTTPS.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Outcome, dial};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::Flow;
use crate::adapters::script::tls::{Offer, Papers};
use crate::domain::FailureKind;

/// A connection, plain or encrypted.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Io for T {}

/// A connection, whatever it is made of.
pub(super) type Link = Box<dyn Io>;

/// The probe's configuration, with these authorities beside this machine's.
pub(super) fn config(flow: &Flow, ca: Option<String>, offer: Offer) -> Outcome<Arc<ClientConfig>> {
    flow.trust().config(&Papers { ca, identity: None }, offer)
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
    config: Arc<ClientConfig>,
    said: &str,
) -> Outcome<TlsStream<S>> {
    flow.progress().set(format!("no TLS handshake with {said}"));
    let name = server_name(host)?;
    let shaken = TlsConnector::from(config).connect(name, stream).await;
    shaken.map_err(|error| match (in_handshake(dial::broken(&error)), flow.trust().problem()) {
        (Ending::Fail(..), Some(problem)) => {
            Ending::Inconclusive(format!("{said}: this machine cannot judge certificates: {problem}"))
        }
        (ending, _) => dial::prefixed(said, ending),
    })
}

/// What breaks off a handshake is told as TLS: the connection itself was there.
fn in_handshake(ending: Ending) -> Ending {
    match ending {
        Ending::Fail(FailureKind::Network, words) => {
            Ending::Fail(FailureKind::Tls, format!("the TLS handshake broke off: {words}"))
        }
        other => other,
    }
}
