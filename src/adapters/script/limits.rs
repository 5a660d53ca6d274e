//! How much one run of a check may do, and how far a configuration may raise that.

use std::time::Duration;

use super::http::MAX_BODY_BYTES;

/// Operations of the interpreter, which a configuration may raise to ten times as many. A login takes a few hundred; more than this is
/// a loop that will not end. They also bound how deep a script can nest closures, three operations a level, which its stack must bear.
const OPERATIONS: u64 = 250_000;
/// Requests and connections, redirects apart: a loop in a check must not become an attack on the site.
const REQUESTS: usize = 100;
/// What cleaning up has at least, past the deadline if need be: a logout or two. A probe that ran out of time has used the site most.
const CLEAN_UP: Duration = Duration::from_secs(2);
/// The most of it: what goes on in the background must not pile up behind probes that come every five seconds.
const MAX_CLEAN_UP: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Operations of the interpreter.
    pub operations: u64,
    /// Requests, and connections of other protocols.
    pub requests: usize,
    /// The longest body that is read, in bytes.
    pub body_bytes: usize,
    /// What cleaning up has at least when the script has ended, whatever is left of the deadline.
    pub clean_up: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { operations: OPERATIONS, requests: REQUESTS, body_bytes: MAX_BODY_BYTES, clean_up: CLEAN_UP }
    }
}

impl Limits {
    /// The most that a configuration may ask for.
    pub const CEILING: Self = Self {
        operations: 10 * OPERATIONS,
        requests: 5 * REQUESTS,
        body_bytes: 8 * MAX_BODY_BYTES,
        clean_up: MAX_CLEAN_UP,
    };

    /// No more than the ceiling.
    pub fn capped(self) -> Self {
        Self {
            operations: self.operations.min(Self::CEILING.operations),
            requests: self.requests.min(Self::CEILING.requests),
            body_bytes: self.body_bytes.min(Self::CEILING.body_bytes),
            clean_up: self.clean_up.min(Self::CEILING.clean_up),
        }
    }
}
