//! Recorded answers: a probe that was run once can be run again without the network, in a pipeline say.
//!
//! A tape has the answers in the order in which they came, with secrets struck out. When it is played, each request must be the one that was
//! recorded: same method, same place. What a query or a body holds may differ, since tokens and codes are never the same twice.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use serde::{Deserialize, Serialize};
use url::{Position, Url};

use super::ending::Ending;
use super::http::{Ask, Exchange, Timings};
use super::text::plain_url;
use super::watch::now;
use crate::domain::Redaction;

/// The version of the file.
const VERSION: u8 = 1;
/// Stands for the target's scheme, host and port.
const TARGET: &str = "{target}";

/// A recording; see the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tape {
    v: u8,
    /// The URL that was probed.
    target: String,
    answers: Vec<Recorded>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    method: String,
    url: String,
    status: u16,
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl Tape {
    /// Reads a recording.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let tape: Self = serde_json::from_str(text).map_err(|error| format!("it is no recording: {error}"))?;
        if tape.v != VERSION {
            return Err(format!(
                "it is a recording of version {}, and {VERSION} is read here: record it again",
                tape.v
            ));
        }
        Url::parse(&tape.target).map_err(|error| format!("its target '{}' is no URL: {error}", tape.target))?;
        Ok(tape)
    }

    /// The recording as a file's text.
    pub fn to_json(&self) -> String {
        // Texts and numbers can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The URL that was probed.
    pub fn target(&self) -> &str {
        &self.target
    }

    fn of(target: &Url, exchanges: &[Exchange], struck: &Redaction) -> Self {
        let recorded = |exchange: &Exchange| {
            let lossy = String::from_utf8_lossy(&exchange.body);
            let plain = struck.redact(&lossy);
            // Bytes that are no text are kept as they are, unless there is a secret among them.
            let is_text = matches!(lossy, std::borrow::Cow::Borrowed(_)) || plain != lossy;
            let (text, base64) =
                if is_text { (Some(plain), None) } else { (None, Some(BASE64.encode(&exchange.body))) };
            Recorded {
                method: exchange.method.to_string(),
                url: struck.redact(&place(target, &exchange.url)),
                status: exchange.status.as_u16(),
                headers: pairs(&exchange.headers, struck),
                text,
                base64,
            }
        };
        Self { v: VERSION, target: plain_url(target).to_string(), answers: exchanges.iter().map(recorded).collect() }
    }
}

/// A header map as pairs, redacted: passwords in Base64 always, wherever they are from.
pub(super) fn pairs(headers: &HeaderMap, struck: &Redaction) -> Vec<(String, String)> {
    let text = |name: &HeaderName, value: &HeaderValue| {
        let is_login = *name == AUTHORIZATION || *name == PROXY_AUTHORIZATION;
        let is_basic = value.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "));
        if is_login && is_basic {
            return "Basic [secret]".to_owned();
        }
        struck.redact(&String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().map(|(name, value)| (name.to_string(), text(name, value))).collect()
}

/// The URL with the target's origin as a word, so that a recording of one site can be played for another.
fn place(target: &Url, url: &Url) -> String {
    let plain = plain_url(url);
    if plain.origin() == target.origin() {
        format!("{TARGET}{}", &plain[Position::BeforePath..Position::AfterPath])
    } else {
        plain[..Position::AfterPath].to_owned()
    }
}

/// What a run does with recordings.
#[derive(Debug, Clone, Default)]
pub struct Mode {
    /// Headers and bodies are wanted in the report.
    pub trace: bool,
    /// A recording is wanted.
    pub record: bool,
    /// Answers come from this recording, and nothing from the network.
    pub play: Option<Arc<Tape>>,
    /// Parameters of this run alone, beside those of the check.
    pub facts: BTreeMap<String, String>,
    /// The report is to have all of the cleaning up, even where the deadline is over before that is.
    pub whole: bool,
}

/// The recording of one run, made or played.
#[derive(Debug)]
pub(super) struct Reel {
    mode: Mode,
    next: Cell<usize>,
    made: RefCell<Vec<Exchange>>,
}

impl Reel {
    pub(super) fn new(mode: Mode) -> Self {
        Self { mode, next: Cell::new(0), made: RefCell::default() }
    }

    /// Whether headers and bodies are wanted in the report.
    pub(super) fn is_traced(&self) -> bool {
        self.mode.trace
    }

    /// Whether the report waits for the end of the cleaning up.
    pub(super) fn is_whole(&self) -> bool {
        self.mode.whole
    }

    /// Whether nothing may be asked of the network.
    pub(super) fn is_played(&self) -> bool {
        self.mode.play.is_some()
    }

    pub(super) fn take_in(&self, exchange: &Exchange) {
        if self.mode.record {
            self.made.borrow_mut().push(exchange.clone());
        }
    }

    /// What was recorded.
    pub(super) fn tape(&self, target: &Url, struck: &Redaction) -> Option<Tape> {
        self.mode.record.then(|| Tape::of(target, &self.made.borrow(), struck))
    }

    /// The recorded answer to the request.
    pub(super) fn answer(&self, target: &Url, ask: &Ask) -> Option<Result<Exchange, Ending>> {
        let tape = self.mode.play.as_ref()?;
        let number = self.next.replace(self.next.get() + 1);
        let said = format!("{} {}", ask.method, place(target, &ask.url));
        Some(match tape.answers.get(number) {
            None => Err(Ending::Inconclusive(format!(
                "the recording ends after {number} answers, and the script asks for {said}: record it again"
            ))),
            Some(recorded) if format!("{} {}", recorded.method, recorded.url) != said => {
                let (method, url) = (&recorded.method, &recorded.url);
                Err(Ending::Inconclusive(format!(
                    "the script asks for {said}, and answer {} of the recording is to {method} {url}: record it again",
                    number + 1
                )))
            }
            Some(recorded) => exchange(recorded, ask).map_err(|why| {
                Ending::Inconclusive(format!("answer {} of the recording cannot be played: {why}", number + 1))
            }),
        })
    }
}

fn exchange(recorded: &Recorded, ask: &Ask) -> Result<Exchange, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &recorded.headers {
        let name = HeaderName::try_from(name.as_str()).map_err(|error| format!("{name}: {error}"))?;
        headers.append(name, HeaderValue::from_str(value).map_err(|error| error.to_string())?);
    }
    let body: Bytes = match (&recorded.text, &recorded.base64) {
        (Some(text), _) => text.clone().into(),
        (None, Some(coded)) => BASE64.decode(coded.as_bytes()).map_err(|error| error.to_string())?.into(),
        (None, None) => Bytes::new(),
    };
    Ok(Exchange {
        method: ask.method.clone(),
        url: ask.url.clone(),
        sent: ask.headers.clone(),
        payload: ask.payload.as_ref().map(|payload| payload.bytes.clone()),
        status: StatusCode::from_u16(recorded.status).map_err(|error| error.to_string())?,
        version: Version::HTTP_11,
        headers,
        body,
        remote: None,
        reused: false,
        timings: Timings::default(),
        began: now(),
    })
}
