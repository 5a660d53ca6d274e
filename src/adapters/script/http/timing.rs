//! How long each part of a request took.

use std::time::Duration;

/// The parts of one request; what did not happen took no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::adapters::script) struct Timings {
    /// From the name to addresses.
    pub(in crate::adapters::script) dns: Duration,
    /// Until the connection stood.
    pub(in crate::adapters::script) connect: Duration,
    /// The TLS handshake.
    pub(in crate::adapters::script) tls: Duration,
    /// From sending the request to the answer's head.
    pub(in crate::adapters::script) first_byte: Duration,
    /// Until the body's end.
    pub(in crate::adapters::script) body: Duration,
}
