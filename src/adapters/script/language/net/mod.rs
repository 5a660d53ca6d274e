//! Protocols besides HTTP: names, connections, certificates, WebSockets, gRPC's health, mail.
//!
//! What holds for all of them:
//! - every connection and every datagram's way begins in [`dial`], so that what a probe may reach is decided in one place;
//! - everything waits through [`Flow::wait`](crate::adapters::script::flow::Flow::wait), so that it ends by the deadline;
//! - what is read has a cap, and the message says which;
//! - certificates are verified. The one function that looks at one that does not verify breaks off before anything is sent.

mod certificate;
mod dial;
mod dns;
mod facts;
mod grpc;
mod imap;
mod letter;
mod lines;
mod mail;
mod options;
mod post;
mod response;
mod secure;
mod signed;
mod smtp;
mod tcp;
mod websocket;

use rustls::pki_types::UnixTime;

use super::{Result, Shelf};
use crate::adapters::script::ending::Ending;

/// What the parts of a host function return before Rhai sees it.
type Outcome<T> = std::result::Result<T, Ending>;

/// Seconds since 1970 by this machine's wall clock, as certificates are judged by it. It dates a mail that is sent, and is held against
/// a mail server's clock where a script asks for that; no decision of the controller comes from it.
fn now_s() -> i64 {
    i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}

/// Registers all of them.
pub(super) fn register(shelf: &mut Shelf) {
    dns::register(shelf);
    tcp::register(shelf);
    certificate::register(shelf);
    websocket::register(shelf);
    grpc::register(shelf);
    mail::register(shelf);
    smtp::register(shelf);
}
