//! What one run of a check yields.

use std::fmt;

/// How a probe ended. "Health" is never a boolean: what could not be measured is not "down".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The site did all that the check asked of it.
    Pass,
    /// The site misbehaved.
    Fail,
    /// Nothing can be said of the site: a script error, a missing secret, a limit that the script hit. Never a vote.
    Inconclusive,
}

impl Outcome {
    /// The word used in data and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The outcome that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pass, Self::Fail, Self::Inconclusive].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What kind of misbehaviour made a probe fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// No connection, a reset, or a name that does not resolve.
    Network,
    /// The certificate or the handshake was refused.
    Tls,
    /// No answer within the deadline.
    Timeout,
    /// A 5xx answer.
    ServerError,
    /// 401, 403 or 429: the site says no to this account or this address.
    Denied,
    /// An answer came, and it was not what the check expects.
    Assertion,
}

impl FailureKind {
    const ALL: [Self; 6] =
        [Self::Network, Self::Tls, Self::Timeout, Self::ServerError, Self::Denied, Self::Assertion];

    /// The word used in data and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::ServerError => "server-error",
            Self::Denied => "denied",
            Self::Assertion => "assertion",
        }
    }

    /// The kind that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One named step of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// The name that the script gave it.
    pub name: String,
    /// When it began, in milliseconds after the probe began.
    pub start_ms: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// The record of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// How it ended.
    pub outcome: Outcome,
    /// What kind of failure; present exactly when the outcome is `Fail`.
    pub kind: Option<FailureKind>,
    /// Why it did not pass, redacted, in one line; absent when it passed.
    pub reason: Option<String>,
    /// The step in which it ended, if it ended in one and did not pass.
    pub failed_step: Option<String>,
    /// The steps, in the order in which they began.
    pub steps: Vec<StepRecord>,
    /// How long the probe took, in milliseconds.
    pub duration_ms: u64,
}
