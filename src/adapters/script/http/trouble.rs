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

    /// Of an error of the TLS handshake. Whoever hangs up there hangs up on it, whether what it had not read makes that a reset or not.
    pub(in crate::adapters::script) fn of_handshake(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::Site(FailureKind::Tls, "the server hung up during the TLS handshake".to_owned())
            }
            _ => Self::of(error),
        }
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
    let closed = || {
        let hyper = error.downcast_ref::<hyper::Error>()?;
        let words = "the connection was closed before the request was sent";
        (hyper.is_canceled() || hyper.is_closed()).then(|| Trouble::Site(FailureKind::Network, words.to_owned()))
    };
    let io = error.downcast_ref::<io::Error>();
    let wrapped = io.and_then(io::Error::get_ref).and_then(|inner| deepest_known(inner as &(dyn Error + 'static)));
    wrapped.or_else(|| error.source().and_then(deepest_known)).or_else(|| io.map(io_words)).or_else(closed)
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
        // A firewall or a sandbox of this machine; a site has no way to cause it.
        io::ErrorKind::PermissionDenied => {
            return Trouble::Vantage(format!("this machine may not open a connection there: {error}"));
        }
        // Too many open files, no memory: this machine's.
        _ if matches!(error.raw_os_error(), Some(23 | 24 | 12 | 105)) => {
            return Trouble::Vantage(format!("this machine cannot open a connection: {error}"));
        }
        _ => error.to_string(),
    };
    Trouble::Site(FailureKind::Network, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_vantage_can_cause_is_never_said_of_the_site() {
        // EPERM, ENOMEM, EACCES, ENFILE, EMFILE, EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, ENOBUFS of Linux.
        for number in [1, 12, 13, 23, 24, 99, 100, 101, 105] {
            let trouble = Trouble::of_io(&io::Error::from_raw_os_error(number));
            assert!(matches!(trouble, Trouble::Vantage(_)), "{number}: {trouble:?}");
        }
        // EPIPE, ECONNABORTED, ECONNRESET, ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH.
        for number in [32, 103, 104, 110, 111, 113] {
            let trouble = Trouble::of_io(&io::Error::from_raw_os_error(number));
            assert!(matches!(trouble, Trouble::Site(FailureKind::Network, _)), "{number}: {trouble:?}");
        }
    }
}
