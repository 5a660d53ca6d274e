//! A small IMAP client (RFC 3501): log in, open a mailbox read-only, find messages, read one. It marks nothing as read, changes
//! nothing, and sends nothing that a script could have broken a line into.

use mail_parser::DateTime;

use super::Outcome;
use super::post::{Server, Talk, Tls};
use super::response::{self, Value};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::Flow;
use crate::adapters::script::text::MAX_EXCERPT_CHARS;
use crate::domain::FailureKind;

/// The largest message that is read.
pub(super) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// The most that is kept of the answers to one command.
const MAX_ANSWER_BYTES: usize = 2 * MAX_MESSAGE_BYTES;
/// The most values in the answers to one command, which is what a search of so many messages gives.
const MAX_VALUES: usize = 50_000;
/// What of a message is read before it is chosen.
const HEADERS: &str = "BODY.PEEK[HEADER.FIELDS (FROM TO CC SUBJECT DELIVERED-TO X-ORIGINAL-TO ENVELOPE-TO)]";

/// A message as the mailbox lists it.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) uid: u32,
    /// When the server took it in, in seconds since 1970, by the server's clock.
    pub(super) arrived_s: i64,
    pub(super) bytes: usize,
    pub(super) headers: Vec<u8>,
}

/// Which login is used.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// A session under way.
pub(super) struct Session<'a> {
    flow: &'a Flow,
    server: &'a Server,
    talk: Talk,
    tag: u32,
}

/// What one command was answered: the untagged answers, then OK, NO or BAD and its words.
struct Answers {
    untagged: Vec<Vec<Value>>,
    status: String,
    words: String,
    /// How much came.
    bytes: usize,
    /// How many values may still come.
    left: usize,
}

impl<'a> Session<'a> {
    /// Reads the greeting, encrypts where that comes after it, and logs in.
    pub(super) async fn begin(flow: &'a Flow, server: &'a Server, mut talk: Talk, login: &Login) -> Outcome<Self> {
        let greeting = talk.lines()?.line().await?;
        let text = String::from_utf8_lossy(&greeting).into_owned();
        let mut session = Self { flow, server, talk, tag: 0 };
        let upper = text.to_ascii_uppercase();
        if upper.starts_with("* BYE") {
            return Err(
                session.fail(FailureKind::ServerError, &format!("it turns the probe away: {}", session.tidy(&text)))
            );
        }
        if !upper.starts_with("* OK") && !upper.starts_with("* PREAUTH") {
            return Err(session
                .fail(FailureKind::Assertion, &format!("what it says is no IMAP: \"{}\"", session.tidy(&text))));
        }
        if server.tls == Tls::Upgrade {
            let answers = session.command(Command::new("STARTTLS"), "STARTTLS").await?;
            if answers.status != "OK" {
                return Err(session.fail(FailureKind::Tls, "it does not offer STARTTLS"));
            }
            server.start_tls(flow, &mut session.talk, MAX_ANSWER_BYTES).await?;
        }
        if !upper.starts_with("* PREAUTH") {
            session.log_in(login).await?;
        }
        Ok(session)
    }

    async fn log_in(&mut self, login: &Login) -> Outcome<()> {
        self.server.may_log_in(&self.talk)?;
        let command = Command::new("LOGIN").text("user", &login.user)?.text("password", &login.password)?;
        let answers = self.command(command, "the login").await?;
        match answers.status.as_str() {
            "OK" => Ok(()),
            "NO" => {
                Err(self.fail(FailureKind::Denied, &format!("the login was refused: {}", self.tidy(&answers.words))))
            }
            _ => Err(self.refused("the login", &answers)),
        }
    }

    /// Opens the mailbox read-only, and gives the number that its next message will have at the least.
    pub(super) async fn examine(&mut self, mailbox: &str) -> Outcome<u32> {
        let answers = self.command(Command::new("EXAMINE").text("mailbox", mailbox)?, "EXAMINE").await?;
        if answers.status == "NO" {
            let words = format!("there is no mailbox '{mailbox}' for this user: {}", self.tidy(&answers.words));
            return Err(self.fail(FailureKind::Assertion, &words));
        }
        self.ok("EXAMINE", &answers)?;
        // `* OK [UIDNEXT 12] …`
        let next = answers.untagged.iter().flatten().find_map(|value| {
            let code = value.atom()?.strip_prefix('[')?.strip_suffix(']')?;
            let (name, number) = code.split_once(' ')?;
            number.parse::<u32>().ok().filter(|_| name.eq_ignore_ascii_case("UIDNEXT"))
        });
        next.ok_or_else(|| self.fail(FailureKind::Assertion, "it does not say UIDNEXT of the mailbox"))
    }

    /// The messages that a search by these criteria finds, by their UIDs.
    pub(super) async fn search(&mut self, criteria: &str) -> Outcome<Vec<u32>> {
        // Some servers tell of new messages only when they are asked for news.
        let news = self.command(Command::new("NOOP"), "NOOP").await?;
        self.ok("NOOP", &news)?;
        let answers = self.command(Command::new(&format!("UID SEARCH {criteria}")), "the search").await?;
        self.ok("the search", &answers)?;
        let found = answers.untagged.iter().filter(|values| values.first().is_some_and(|value| value.is("SEARCH")));
        Ok(found.flatten().filter_map(|value| value.atom()?.parse().ok()).collect())
    }

    /// What the mailbox lists of these messages.
    pub(super) async fn list(&mut self, uids: &[u32]) -> Outcome<Vec<Listed>> {
        let set = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let command = format!("UID FETCH {set} (UID INTERNALDATE RFC822.SIZE {HEADERS})");
        let answers = self.command(Command::new(&command), "FETCH").await?;
        self.ok("FETCH", &answers)?;
        let mut listed = Vec::new();
        for values in answers.untagged.iter().filter_map(|values| fetched(values)) {
            let uid = field(values, "UID").and_then(Value::atom).and_then(|uid| uid.parse().ok());
            let date = field(values, "INTERNALDATE").and_then(Value::bytes).and_then(seconds);
            let bytes = field(values, "RFC822.SIZE").and_then(Value::atom).and_then(|size| size.parse().ok());
            let headers = field(values, "BODY[").and_then(Value::bytes);
            // A server may send flags of other messages in between; those have no such fields.
            let (Some(uid), Some(arrived_s), Some(bytes), Some(headers)) = (uid, date, bytes, headers) else {
                continue;
            };
            if uids.contains(&uid) {
                listed.push(Listed { uid, arrived_s, bytes, headers: headers.to_vec() });
            }
        }
        Ok(listed)
    }

    /// The whole message.
    pub(super) async fn message(&mut self, uid: u32) -> Outcome<Vec<u8>> {
        let answers =
            self.command(Command::new(&format!("UID FETCH {uid} (UID BODY.PEEK[])")), "the message").await?;
        self.ok("the message", &answers)?;
        let wanted = uid.to_string();
        let mut found = answers.untagged.iter().filter_map(|values| fetched(values));
        let message = found.find_map(|values| {
            let ours = field(values, "UID").and_then(Value::atom) == Some(&wanted);
            field(values, "BODY[").and_then(Value::bytes).filter(|_| ours).map(<[u8]>::to_vec)
        });
        message.ok_or_else(|| self.fail(FailureKind::Assertion, "it lists a message and does not give it"))
    }

    /// Says goodbye, without waiting for one.
    pub(super) async fn log_out(&mut self) {
        if let Ok(lines) = self.talk.lines() {
            let _ = lines.send(b"zz LOGOUT\r\n").await;
        }
    }

    /// Sends a command and reads all that is answered. `said` is what messages call it, for the command may hold a password.
    async fn command(&mut self, command: Command, said: &str) -> Outcome<Answers> {
        self.tag += 1;
        let tag = format!("q{}", self.tag);
        self.flow.progress().set(format!("no answer from {} to {said}", self.server.said));
        self.talk.lines()?.send(format!("{tag} ").as_bytes()).await?;
        let mut answers =
            Answers { untagged: Vec::new(), status: String::new(), words: String::new(), bytes: 0, left: MAX_VALUES };
        let mut parts = command.parts.into_iter().peekable();
        while let Some(mut part) = parts.next() {
            if parts.peek().is_none() {
                part.extend_from_slice(b"\r\n");
            }
            self.talk.lines()?.send(&part).await?;
            // Before a literal the server must ask for it; after the last part comes the end.
            if self.read(&tag, &mut answers).await? {
                return Ok(answers);
            }
        }
        Err(self.fail(FailureKind::Assertion, &format!("it asks for more in the middle of {said}")))
    }

    /// Reads up to the tagged answer, which is the end, or to the server's word that it waits for more.
    async fn read(&mut self, tag: &str, answers: &mut Answers) -> Outcome<bool> {
        loop {
            let answer = self.answer(answers).await?;
            let (first, rest) = split(&answer);
            match first {
                b"+" => return Ok(false),
                b"*" => {
                    let (word, words) = split(rest);
                    let status = [&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"];
                    if word.eq_ignore_ascii_case(b"BYE") {
                        let words = self.tidy(&String::from_utf8_lossy(words));
                        return Err(self.fail(FailureKind::ServerError, &format!("it hangs up: {words}")));
                    }
                    if status.iter().any(|status| word.eq_ignore_ascii_case(status)) {
                        // People's words follow, in which brackets and quotes mean nothing; only the code in front is read.
                        if let Some(code) = code(words) {
                            answers.left = answers.left.checked_sub(1).ok_or_else(|| self.unread(&answer, 0))?;
                            answers.untagged.push(vec![Value::Atom(code)]);
                        }
                    } else {
                        let values = response::values(rest, &mut answers.left);
                        answers.untagged.push(values.ok_or_else(|| self.unread(&answer, answers.left))?);
                    }
                }
                first if first == tag.as_bytes() => {
                    let (status, words) = split(rest);
                    answers.status = String::from_utf8_lossy(status).to_ascii_uppercase();
                    answers.words = String::from_utf8_lossy(words).into_owned();
                    return Ok(true);
                }
                _ => return Err(self.no_imap(&answer)),
            }
        }
    }

    /// One answer, its literals included.
    async fn answer(&mut self, answers: &mut Answers) -> Outcome<Vec<u8>> {
        let mut whole = self.talk.lines()?.line().await?;
        loop {
            let count = response::announced(&whole);
            answers.bytes = answers.bytes.saturating_add(count.unwrap_or(0));
            if answers.bytes.saturating_add(whole.len()) > MAX_ANSWER_BYTES {
                let words = format!("the answer to one command is larger than {} KiB", MAX_ANSWER_BYTES / 1024);
                return Err(self.fail(FailureKind::Assertion, &words));
            }
            let Some(count) = count else { break };
            whole.push(b'\n');
            let lines = self.talk.lines()?;
            let literal = lines.exactly(count).await?;
            whole.extend_from_slice(&literal);
            // What goes on after a literal is looked at by itself: the literal may end as an announcement does.
            let line = lines.line().await?;
            whole.extend_from_slice(&line);
            if response::announced(&line).is_none() {
                break;
            }
        }
        answers.bytes += whole.len();
        Ok(whole)
    }

    fn ok(&self, what: &str, answers: &Answers) -> Outcome<()> {
        if answers.status == "OK" { Ok(()) } else { Err(self.refused(what, answers)) }
    }

    fn refused(&self, what: &str, answers: &Answers) -> Ending {
        let words = self.tidy(&format!("{} {}", answers.status, answers.words));
        self.fail(FailureKind::Assertion, &format!("it answers to {what}: {words}"))
    }

    fn unread(&self, answer: &[u8], left: usize) -> Ending {
        if left > 0 {
            return self.no_imap(answer);
        }
        self.fail(FailureKind::Assertion, &format!("the answers to one command have more than {MAX_VALUES} values"))
    }

    fn no_imap(&self, answer: &[u8]) -> Ending {
        let words = self.tidy(&String::from_utf8_lossy(answer));
        self.fail(FailureKind::Assertion, &format!("what it says is no IMAP: \"{words}\""))
    }

    fn fail(&self, kind: FailureKind, words: &str) -> Ending {
        Ending::Fail(kind, format!("{}: {words}", self.server.said))
    }

    fn tidy(&self, words: &str) -> String {
        self.flow.tidy(words, MAX_EXCERPT_CHARS)
    }
}

/// A command under construction: each part but the first begins with a literal, before which the server has to be waited for.
struct Command {
    parts: Vec<Vec<u8>>,
}

impl Command {
    fn new(words: &str) -> Self {
        Self { parts: vec![words.as_bytes().to_vec()] }
    }

    /// Adds a text: quoted where that can hold it, and otherwise as a literal.
    fn text(mut self, what: &str, text: &str) -> Outcome<Self> {
        if text.chars().any(char::is_control) {
            return Err(Ending::Inconclusive(format!("the option '{what}' must be one line")));
        }
        if let Some(part) = self.parts.last_mut() {
            if text.is_ascii() {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                part.extend_from_slice(format!(" \"{escaped}\"").as_bytes());
                return Ok(self);
            }
            part.extend_from_slice(format!(" {{{}}}\r\n", text.len()).as_bytes());
        }
        self.parts.push(text.as_bytes().to_vec());
        Ok(self)
    }
}

/// The first word, and what follows the blank after it.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len());
    (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default())
}

/// The code in brackets at the beginning of a status's words, brackets included.
fn code(words: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(words);
    let end = text.find(']').filter(|_| text.starts_with('['))?;
    text.get(..=end).map(str::to_owned)
}

/// The fields of `12 FETCH (…)`.
fn fetched(values: &[Value]) -> Option<&[Value]> {
    match values {
        [_, word, Value::List(fields)] if word.is("FETCH") => Some(fields),
        _ => None,
    }
}

/// The value after the name that begins so.
fn field<'v>(fields: &'v [Value], name: &str) -> Option<&'v Value> {
    fields.chunks_exact(2).find_map(|pair| match pair {
        [key, value] => {
            let key = key.atom()?.to_ascii_uppercase();
            (key == name || (name.ends_with('[') && key.starts_with(name))).then_some(value)
        }
        _ => None,
    })
}

/// `17-Jul-1996 02:44:25 -0700` in seconds since 1970.
fn seconds(date: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(date).ok()?.trim();
    let (day, time) = text.split_once(' ')?;
    let date = DateTime::parse_rfc822(&format!("{} {time}", day.replace('-', " ")))?;
    date.is_valid().then(|| date.to_timestamp())
}

/// A day as a search takes it, `17-Jul-1996`, in UTC.
pub(super) fn day(seconds: i64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = DateTime::from_timestamp(seconds);
    let month = MONTHS.get(usize::from(date.month).saturating_sub(1)).unwrap_or(&"Jan");
    format!("{}-{month}-{}", date.day, date.year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_arrival_counts_its_own_zone() {
        assert_eq!(seconds(b"17-Jul-1996 02:44:25 -0700"), Some(837_596_665));
        assert_eq!(seconds(b" 1-Jan-1970 00:00:09 +0000"), Some(9));
        assert_eq!(seconds(b"yesterday"), None);
        assert_eq!(day(837_596_665), "17-Jul-1996");
    }

    #[test]
    fn no_text_breaks_out_of_its_place_in_a_command() {
        let command = Command::new("LOGIN").text("user", "a\"b\\c").unwrap().text("password", "gr\u{fc}n").unwrap();
        let parts: Vec<&[u8]> = command.parts.iter().map(Vec::as_slice).collect();
        assert_eq!(parts, [&b"LOGIN \"a\\\"b\\\\c\" {5}\r\n"[..], "gr\u{fc}n".as_bytes()]);
        assert!(Command::new("LOGIN").text("user", "a\r\nq2 DELETE x").is_err());
    }
}
