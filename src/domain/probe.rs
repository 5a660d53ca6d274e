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

/// What a probe speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Protocol {
    /// HTTP, of any version.
    #[default]
    Http,
    /// A question to a name server.
    Dns,
    /// A connection that a script speaks over itself.
    Tcp,
    /// A TLS handshake, for its certificate.
    Tls,
    /// A WebSocket.
    WebSocket,
    /// A call of gRPC's health service.
    Grpc,
    /// A mail that is handed in.
    Smtp,
    /// A mailbox.
    Imap,
}

impl Protocol {
    /// The word used in data and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "websocket",
            Self::Grpc => "grpc",
            Self::Smtp => "smtp",
            Self::Imap => "imap",
        }
    }
}

/// One thing that a probe asked over the network; of HTTP one request, redirects each on their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestRecord {
    /// The place of the step in which it was sent, among the report's steps.
    pub step: Option<usize>,
    /// What was spoken.
    pub protocol: Protocol,
    /// The method; of other protocols than HTTP what was done: the type of a DNS question, `connect`, `send`.
    pub method: String,
    /// The URL, without user and password, redacted. Other protocols have one, too: `dns://192.0.2.53:53/example.com`.
    pub url: String,
    /// When it began, in milliseconds after the probe began.
    pub start_ms: u64,
    /// How long it took in all, in microseconds.
    pub duration_us: u64,
    /// The answer of HTTP; none if it did not come.
    pub answer: Option<AnswerRecord>,
    /// How it ended with another protocol than HTTP, in a word or two: `NOERROR`, `SERVING`, or the kind of failure. None if no answer came.
    pub said: Option<String>,
}

/// How a request was answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerRecord {
    /// The status code.
    pub status: u16,
    /// The protocol, `HTTP/1.1` say.
    pub version: String,
    /// The address that answered; none in a recording.
    pub remote: Option<std::net::SocketAddr>,
    /// Whether the connection was there already.
    pub reused: bool,
    /// The length of the body, in bytes, after decompression.
    pub bytes: usize,
    /// From the name to addresses, in microseconds.
    pub dns_us: u64,
    /// Until the connection stood, in microseconds.
    pub connect_us: u64,
    /// The TLS handshake, in microseconds.
    pub tls_us: u64,
    /// From sending the request to the answer's head, in microseconds.
    pub first_byte_us: u64,
    /// From there to the body's end, in microseconds.
    pub body_us: u64,
    /// Headers and bodies; only where they were asked for.
    pub detail: Option<Box<ExchangeDetail>>,
}

/// What went over the line, redacted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExchangeDetail {
    /// The request's headers.
    pub sent: Vec<(String, String)>,
    /// The beginning of the request's body.
    pub sent_body: String,
    /// The answer's headers.
    pub received: Vec<(String, String)>,
    /// The beginning of the answer's body.
    pub received_body: String,
}

/// Something that a check measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// What.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what, `ms` say; may be empty.
    pub unit: String,
}

/// The value is never NaN: the check language refuses it.
impl Eq for Metric {}

impl Metric {
    /// The most of one run.
    pub const MOST: usize = 50;
    /// The longest name or unit, in characters. What is struck out of one may make it longer, by a sign for what was cut.
    pub const MAX_CHARS: usize = 60;

    /// Whether it has a name, is a number, and is no longer than it may be.
    pub fn is_lawful(&self) -> bool {
        let fits = |text: &str| text.chars().count() <= Self::MAX_CHARS + 1;
        !self.name.is_empty() && fits(&self.name) && fits(&self.unit) && self.value.is_finite()
    }
}

/// A place in a check's script, or in a file that it shares with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptPlace {
    /// The file's path, as it was loaded.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for ScriptPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
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
    /// The place in the script at which it ended, if it did not pass and ended at one.
    pub place: Option<ScriptPlace>,
    /// The step in which it ended, if it ended in one and did not pass.
    pub failed_step: Option<String>,
    /// The steps, in the order in which they began.
    pub steps: Vec<StepRecord>,
    /// The requests, in the order in which they began.
    pub requests: Vec<RequestRecord>,
    /// What it measured.
    pub metrics: Vec<Metric>,
    /// How long the probe took, in milliseconds.
    pub duration_ms: u64,
}
