//! Messages: one written for a delivery check, and one that came, as a script reads it.

use std::fmt::Write as _;

use data_encoding::BASE64;
use mail_parser::{DateTime, Message, MessageParser};
use rhai::Map;
use rustls::crypto::aws_lc_rs;
use scraper::Selector;

use super::{Outcome, now_s, options};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::page::Document;

/// The most links of one message; newsletters have fifty.
const MAX_LINKS: usize = 200;
/// The longest line that goes over the wire as it is (RFC 5322).
const MAX_LINE_BYTES: usize = 998;
/// What goes into one encoded word of a header: 45 bytes are 60 characters, and a word may have 75.
const MAX_WORD_BYTES: usize = 45;
/// Characters of a base64 line.
const BASE64_COLUMNS: usize = 76;
/// The signs that end a sentence and not the link before them.
const AFTER_LINKS: [char; 12] = ['.', ',', ';', ':', '!', '?', ')', ']', '}', '>', '\'', '"'];

/// A message to send.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: String,
}

/// The text as an address that a command can hold: a bare `name@host`.
pub(super) fn address(text: String) -> Outcome<String> {
    let fits = |c: char| c.is_ascii_graphic() && !"<>\"(),;:\\[]".contains(c);
    let (name, host) = text.rsplit_once('@').unwrap_or_default();
    if name.is_empty() || host.is_empty() || text.len() > 254 || !text.chars().all(fits) {
        return Err(Ending::Inconclusive(format!("'{text}' is no mail address of the kind name@host")));
    }
    Ok(text)
}

/// The text as a header's value: one line.
pub(super) fn line(text: String) -> Outcome<String> {
    if text.len() > MAX_LINE_BYTES || text.chars().any(char::is_control) {
        let reason = format!("the subject must be one line of at most {MAX_LINE_BYTES} bytes");
        return Err(Ending::Inconclusive(reason));
    }
    Ok(text)
}

impl Letter {
    /// Its id, and its bytes as they follow DATA, with the dot at the end.
    pub(super) fn written(&self) -> Outcome<(String, Vec<u8>)> {
        let mut nonce = [0; 12];
        let random = aws_lc_rs::default_provider().secure_random;
        random.fill(&mut nonce).map_err(|_| Ending::Inconclusive("this vantage has no randomness".to_owned()))?;
        let host = self.from.rsplit_once('@').map(|(_, host)| host).unwrap_or_default();
        let id = format!("{}@{host}", hex::encode(nonce));
        let date = DateTime::from_timestamp(now_s()).to_rfc822();
        let (encoding, body) = encoded(&self.text);
        let (from, to, subject) = (&self.from, &self.to, words(&self.subject));
        let text = format!(
            "From: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{id}>\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n{body}"
        );
        let mut bytes = Vec::with_capacity(text.len() + 16);
        for line in text.trim_end_matches("\r\n").split("\r\n") {
            // A line that begins with a dot gets a second one, so that none is taken for the end.
            if line.starts_with('.') {
                bytes.push(b'.');
            }
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b".\r\n");
        Ok((id, bytes))
    }
}

/// The body and how it is encoded: as it is where every server takes it so, and otherwise in base64.
fn encoded(text: &str) -> (&'static str, String) {
    let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let plain = |line: &&str| line.len() <= MAX_LINE_BYTES && line.is_ascii() && !line.contains(['\r', '\0']);
    if lines.iter().all(plain) {
        return ("7bit", lines.join("\r\n"));
    }
    let whole = BASE64.encode(lines.join("\r\n").as_bytes());
    let mut body = String::with_capacity(whole.len() + whole.len() / 30);
    for (at, c) in whole.chars().enumerate() {
        if at > 0 && at % BASE64_COLUMNS == 0 {
            body.push_str("\r\n");
        }
        body.push(c);
    }
    ("base64", body)
}

/// A header's text, in encoded words where it is not plain (RFC 2047).
fn words(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut word = String::new();
    let mut flush = |word: &mut String| {
        let blank = if out.is_empty() { "" } else { "\r\n " };
        // Writing to a string cannot fail.
        let _ = write!(out, "{blank}=?utf-8?B?{}?=", BASE64.encode(word.as_bytes()));
        word.clear();
    };
    for c in text.chars() {
        if word.len() + c.len_utf8() > MAX_WORD_BYTES {
            flush(&mut word);
        }
        word.push(c);
    }
    flush(&mut word);
    out
}

/// A message that came, parsed.
pub(super) struct Received<'a>(Message<'a>);

impl<'a> Received<'a> {
    /// Parses it, or a part of it that begins with its headers.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        MessageParser::default().parse(bytes).map(Self)
    }

    /// Whether one of those it was sent to is this address, in any case of its letters.
    pub(super) fn is_to(&self, wanted: &str) -> bool {
        let listed = self.addresses(&["To", "Cc"]).iter().any(|address| address.eq_ignore_ascii_case(wanted));
        // Where a server notes whom it delivered to, a blind copy is found as well.
        let noted = ["Delivered-To", "X-Original-To", "Envelope-To"].iter().any(|name| {
            self.0.header_raw(*name).is_some_and(|value| {
                value.split([',', ' ', '\t', '<', '>']).any(|part| part.trim().eq_ignore_ascii_case(wanted))
            })
        });
        listed || noted
    }

    /// Whether the subject holds this text, in any case of its letters.
    pub(super) fn is_about(&self, wanted: &str) -> bool {
        self.0.subject().unwrap_or_default().to_lowercase().contains(&wanted.to_lowercase())
    }

    /// As a script reads it.
    pub(super) fn told(&self) -> Outcome<Map> {
        let text = self.0.body_text(0).unwrap_or_default().into_owned();
        let is_html = self.0.html_bodies().any(|part| part.is_text_html());
        let html = if is_html { self.0.body_html(0).unwrap_or_default().into_owned() } else { String::new() };
        let links = if is_html { links_in_html(&html)? } else { links_in_text(&text) };
        Ok(options::map([
            ("from", self.addresses(&["From"]).join(", ").into()),
            ("to", self.addresses(&["To"]).join(", ").into()),
            ("subject", self.0.subject().unwrap_or_default().to_owned().into()),
            ("date", self.0.date().map(DateTime::to_rfc3339).unwrap_or_default().into()),
            ("text", text.into()),
            ("html", html.into()),
            ("links", options::texts(links)),
        ]))
    }

    fn addresses(&self, headers: &[&str]) -> Vec<String> {
        let of = |name: &&str| match *name {
            "From" => self.0.from(),
            "To" => self.0.to(),
            _ => self.0.cc(),
        };
        let all = headers.iter().filter_map(of).flat_map(|list| list.iter());
        all.filter_map(|one| one.address.as_deref()).map(str::to_owned).collect()
    }
}

/// The web addresses that a reader could click on, in their order.
fn links_in_html(html: &str) -> Outcome<Vec<String>> {
    let Ok(anchors) = Selector::parse("a[href]") else { return Ok(Vec::new()) };
    let found = Document::parse(html)?.select(&anchors, MAX_LINKS);
    let links = found.iter().filter_map(|anchor| anchor.attr("href")).map(|href| href.trim().to_owned());
    Ok(links.filter(|href| is_web(href)).collect())
}

/// The web addresses in a text, in their order, without the signs of the sentence around them.
fn links_in_text(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || "<>\"".contains(c)) {
        let at = ["https://", "http://"].iter().filter_map(|scheme| word.find(scheme)).min();
        if let Some(link) = at.and_then(|at| word.get(at..)).filter(|_| links.len() < MAX_LINKS) {
            links.push(link.trim_end_matches(AFTER_LINKS).to_owned());
        }
    }
    links
}

fn is_web(link: &str) -> bool {
    let lower = link.to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(subject: &str, text: &str) -> Letter {
        let (from, to) = ("probe@example.test".to_owned(), "ada@example.test".to_owned());
        Letter { from, to, subject: subject.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn what_is_written_is_read_back_whatever_is_in_it() {
        let cases = [
            ("Reset", "one\n.two\n..\n\nthree"),
            ("Größe: ", "Grüße\nund ein . am Ende\n."),
            ("Ünï".repeat(60).as_str(), "x".repeat(3_000).as_str()),
            ("", ""),
        ]
        .map(|(subject, text)| (subject.to_owned(), text.to_owned()));
        for (subject, text) in cases {
            let (id, bytes) = letter(&subject, &text).written().unwrap();
            let wire = String::from_utf8(bytes).unwrap();
            assert!(wire.ends_with("\r\n.\r\n") && wire.lines().all(|line| line.len() <= MAX_LINE_BYTES), "{wire}");
            let unstuffed: Vec<&str> = wire
                .strip_suffix(".\r\n")
                .unwrap()
                .split("\r\n")
                .map(|line| line.strip_prefix('.').unwrap_or(line))
                .collect();
            let mail = unstuffed.join("\r\n");
            let message = Received::parse(mail.as_bytes()).unwrap();
            assert_eq!(message.0.subject().unwrap_or_default().trim(), subject.trim());
            assert_eq!(message.0.body_text(0).unwrap_or_default().replace("\r\n", "\n").trim_end_matches('\n'), text);
            assert_eq!(message.0.message_id(), Some(id.as_str()));
        }
    }

    #[test]
    fn nothing_gets_into_a_command_or_a_header_by_an_address_or_a_subject() {
        for bad in ["", "ada", "@x", "ada@", "a@b>\r\nRCPT TO:<c@d", "a b@c", "a@b\0", "<a@b>", "ä@b"] {
            assert!(address(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(address("ada.l+probe@mail.example.test".to_owned()).is_ok());
        assert!(line("a\r\nBcc: b@c".to_owned()).is_err());
    }

    #[test]
    fn links_are_found_in_their_order_and_without_the_sentence_around_them() {
        let text = "Reset it (https://a.test/r?t=1), or <http://b.test/x>. Not ftp://c.test. \"https://d.test/\"!";
        assert_eq!(links_in_text(text), ["https://a.test/r?t=1", "http://b.test/x", "https://d.test/"]);
        let html = "<a href='mailto:a@b'>m</a><p><a href=' https://a.test/?x=1&amp;y=2 '>r</a><a name=n>n</a><a href=HTTP://b.test/>b</a>";
        assert_eq!(links_in_html(html).unwrap(), ["https://a.test/?x=1&y=2", "HTTP://b.test/"]);
    }
}
