//! Whether the answers of a flip are good by their signatures (DNSSEC): part of asking every authoritative server.
//!
//! What could not be found out fails nothing, unless the configuration requires signatures; it is said.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::executor::Executor;
use crate::domain::{DnssecMode, RecordType, SignedAnswer, Trust};
use crate::ports::PortError;

/// Between two rounds: a server may sign its records a moment after they were changed.
const POLL: Duration = Duration::from_secs(1);

/// A server that has answered a name rightly.
pub(super) struct Answered {
    pub(super) host: String,
    pub(super) addr: SocketAddr,
    pub(super) name: String,
    pub(super) kind: RecordType,
    /// Any of these is right.
    pub(super) wanted: Vec<String>,
}

impl Answered {
    pub(super) fn is_wanted(&self, answers: &[String]) -> bool {
        let right = |answer: &String| self.wanted.contains(&answer.trim_end_matches('.').to_ascii_lowercase());
        !answers.is_empty() && answers.iter().all(right)
    }
}

/// What is wrong at one server, and whether asking again may mend it.
struct Trouble {
    what: String,
    may_pass: bool,
}

impl Executor {
    /// Asks them all again, with signatures, and says what those are worth; nothing where nobody is to look.
    ///
    /// # Errors
    /// `Retry`: an answer is bogus, or not what is required, at which server and why.
    pub(super) async fn validate(&self, answered: &[Answered], until: Instant) -> Result<Option<String>, PortError> {
        let rules = &self.managed.service.dns.dnssec;
        if rules.mode == DnssecMode::Off || answered.is_empty() {
            return Ok(None);
        }
        let questions: Vec<(SocketAddr, String, RecordType)> =
            answered.iter().map(|one| (one.addr, one.name.clone(), one.kind)).collect();
        loop {
            let found = self.ports.resolver.ask_signed(rules, &questions).await;
            let troubles: Vec<Trouble> =
                answered.iter().zip(&found).filter_map(|(one, found)| trouble(rules.mode, one, found)).collect();
            let Some(first) = troubles.first() else {
                return Ok(Some(in_words(found.iter().flatten().map(|answer| &answer.trust))));
            };
            if Instant::now() >= until || !troubles.iter().any(|trouble| trouble.may_pass) {
                let more = match troubles.len() {
                    1 => String::new(),
                    count => format!(" (and {} more)", count - 1),
                };
                return Err(PortError::retry(format!("{}{more}", first.what)));
            }
            sleep(POLL).await;
        }
    }
}

fn trouble(mode: DnssecMode, one: &Answered, found: &Result<SignedAnswer, PortError>) -> Option<Trouble> {
    let Answered { host, addr, name, kind, .. } = one;
    let trouble = |may_pass, what: String| Some(Trouble { what: format!("{host} ({addr}) {what}"), may_pass });
    let answer = match found {
        Ok(answer) => answer,
        Err(error) => return trouble(true, format!("gives no signed answer: {error}")),
    };
    let required = mode == DnssecMode::Require;
    match &answer.trust {
        Trust::Bogus(why) => trouble(true, format!("answers {name} {kind} with what DNSSEC refuses (bogus): {why}")),
        Trust::Insecure(why) if required => trouble(
            false,
            format!(
                "answers {name} {kind} unsigned, and dnssec = \"require\": {why}; sign the zone, or write dnssec = \"auto\""
            ),
        ),
        Trust::Unknown(why) if required => trouble(
            true,
            format!(
                "answers {name} {kind}, and dnssec = \"require\": whether its signatures hold could not be told: {why}"
            ),
        ),
        _ if !one.is_wanted(&answer.values) => {
            let values = if answer.values.is_empty() { "nothing".to_owned() } else { answer.values.join(", ") };
            trouble(
                true,
                format!(
                    "answers {values} for {name} when asked with signatures, instead of {}",
                    one.wanted.join(" or ")
                ),
            )
        }
        Trust::Secure | Trust::Insecure(_) | Trust::Unknown(_) => None,
    }
}

/// Each finding once.
fn in_words<'a>(found: impl Iterator<Item = &'a Trust>) -> String {
    let mut words: Vec<String> = Vec::new();
    for trust in found {
        let text = match trust {
            Trust::Secure => "signatures validated (DNSSEC)".to_owned(),
            Trust::Insecure(why) => format!("not signed ({why})"),
            Trust::Bogus(why) => format!("bogus ({why})"),
            Trust::Unknown(why) => format!("could not tell whether the zone is signed ({why})"),
        };
        if !words.contains(&text) {
            words.push(text);
        }
    }
    words.join("; ")
}
