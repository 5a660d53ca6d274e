//! What went wrong with a request, told from the chain of causes that the HTTP client gives.

use std::error::Error;
use std::io;

use super::resolve::Unresolved;
use crate::domain::FailureKind;

/// The kind of failure and its words.
pub(super) fn of(error: &reqwest::Error) -> (FailureKind, String) {
    if let Some(found) = deepest_known(error) {
        return found;
    }
    // The client's own text holds the URL, with any password in it; the deepest cause does not.
    let words = if error.source().is_none() { "the exchange broke off".to_owned() } else { last_words(error) };
    if error.is_decode() {
        return (FailureKind::Assertion, format!("the body cannot be decoded: {words}"));
    }
    (FailureKind::Network, words)
}

/// Looks through the chain for a cause that has a name of its own. An `io::Error` hides the error that it wraps from
/// `source`, so that it must be opened by hand.
pub(super) fn deepest_known(error: &(dyn Error + 'static)) -> Option<(FailureKind, String)> {
    if let Some(unresolved) = error.downcast_ref::<Unresolved>() {
        return Some((FailureKind::Network, unresolved.to_string()));
    }
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some((FailureKind::Tls, tls_words(tls)));
    }
    let io = error.downcast_ref::<io::Error>();
    let wrapped = io.and_then(io::Error::get_ref).and_then(|inner| deepest_known(inner as &(dyn Error + 'static)));
    wrapped.or_else(|| error.source().and_then(deepest_known)).or_else(|| io.map(io_words))
}

/// The words of the deepest cause.
pub(super) fn last_words(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

fn tls_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS here".to_owned(),
        rustls::Error::AlertReceived(alert) => format!("the server ended the TLS handshake: {alert:?}"),
        other => other.to_string(),
    }
}

fn io_words(error: &io::Error) -> (FailureKind, String) {
    let words = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset".to_owned(),
        io::ErrorKind::HostUnreachable => "host unreachable".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable from this vantage".to_owned(),
        // What tokio-rustls says when the peer hangs up before the handshake is done.
        io::ErrorKind::UnexpectedEof if error.to_string() == "tls handshake eof" => {
            return (FailureKind::Tls, "the server hung up during the TLS handshake".to_owned());
        }
        io::ErrorKind::UnexpectedEof => "the connection ended in the middle of the answer".to_owned(),
        _ => error.to_string(),
    };
    (FailureKind::Network, words)
}
