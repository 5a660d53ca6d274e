//! What went wrong with a request, told from the chain of causes that libraries give; and whose trouble it is.

use std::error::Error;
use std::io;

use crate::domain::FailureKind;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::adapters::script) enum Trouble {
    /// The site's.
    Site(FailureKind, String),
    /// This vantage's, or the script's: nothing can be said of the site.
    Vantage(String),
}

impl Trouble {
    /// Of a library's error.
    pub(in crate::adapters::script) fn of(error: &(dyn Error + 'static)) -> Self {
        if let Some(found) = deepest_known(error) {
            return found;
        }
        let mut last = error;
        while let Some(cause) = last.source() {
            last = cause;
        }
        Self::Site(FailureKind::Network, last.to_string())
    }

    /// Of the system's error.
    pub(in crate::adapters::script) fn of_io(error: &io::Error) -> Self {
        Self::of(error)
    }
}

/// Looks through the chain for a cause that has a name of its own. An `io::Error` hides the error that it wraps from
/// `source`, so that it must be opened by hand.
fn deepest_known(error: &(dyn Error + 'static)) -> Option<Trouble> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(Trouble::Site(FailureKind::Tls, tls_words(tls)));
    }
    if let Some(hyper) = error.downcast_ref::<hyper::Error>()
        && hyper.is_incomplete_message()
    {
        return Some(Trouble::Site(
            FailureKind::Network,
            "the connection ended in the middle of the answer".to_owned(),
        ));
    }
    let io = error.downcast_ref::<io::Error>();
    let wrapped = io.and_then(io::Error::get_ref).and_then(|inner| deepest_known(inner as &(dyn Error + 'static)));
    wrapped.or_else(|| error.source().and_then(deepest_known)).or_else(|| io.map(io_words))
}

fn tls_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS here".to_owned(),
        rustls::Error::AlertReceived(alert) => format!("the server ended the TLS handshake: {alert:?}"),
        other => other.to_string(),
    }
}

fn io_words(error: &io::Error) -> Trouble {
    let words = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset".to_owned(),
        io::ErrorKind::HostUnreachable => "host unreachable".to_owned(),
        // The machine has no way at all: that is no news of the site.
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown | io::ErrorKind::AddrNotAvailable => {
            return Trouble::Vantage(format!("network unreachable from this vantage: {error}"));
        }
        // What tokio-rustls says when the peer hangs up before the handshake is done.
        io::ErrorKind::UnexpectedEof if error.to_string() == "tls handshake eof" => {
            return Trouble::Site(FailureKind::Tls, "the server hung up during the TLS handshake".to_owned());
        }
        io::ErrorKind::UnexpectedEof => "the connection ended in the middle of the answer".to_owned(),
        // Too many open files, no memory: this machine's.
        _ if matches!(error.raw_os_error(), Some(23 | 24 | 12 | 105)) => {
            return Trouble::Vantage(format!("this machine cannot open a connection: {error}"));
        }
        _ => error.to_string(),
    };
    Trouble::Site(FailureKind::Network, words)
}
