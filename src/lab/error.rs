//! Why the lab could not start, or refused what its owner asked of it.

use std::io;
use std::net::SocketAddr;

/// Why the lab could not start, or refused what its owner asked of it.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Something else listens there.
    #[error(
        "the address {address} for {what} is in use: stop what listens there, or give another address \
         (port 0 takes any free port)"
    )]
    AddressInUse {
        /// What was to listen.
        what: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for {what}")]
    Bind {
        /// What was to listen.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A socket that was bound does not say where.
    #[error("cannot read the address of {what}")]
    Socket {
        /// What listens.
        what: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The TLS of the health checks cannot be set up.
    #[error("cannot set up the TLS of the health checks")]
    HealthTls(#[source] rustls::Error),
    /// The Route 53 side refused a zone or a record, in its own words.
    #[error("the lab refused {what}: {code}: {message}")]
    Refused {
        /// What was asked.
        what: String,
        /// Route 53's error code.
        code: String,
        /// Route 53's message.
        message: String,
    },
}

impl LabError {
    pub(super) fn bind(what: &'static str, address: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::AddressInUse { what, address }
        } else {
            Self::Bind { what, address, source }
        }
    }
}
