//! An answer as a script sees it: status, headers, text, JSON and CSS selectors.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ego_tree::NodeId;
use rhai::ImmutableString;
use scraper::{ElementRef, Html, Selector};

use super::http::Answer;
use super::text::{MAX_EXCERPT_CHARS, tidy};
use crate::domain::Secrets;

/// How much of a text is looked at to quote its beginning.
const EXCERPT_SOURCE_CHARS: usize = 16 * 1024;

/// An answer; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Page(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    answer: Answer,
    text: ImmutableString,
    document: OnceLock<Document>,
}

impl Page {
    /// Wraps an answer.
    pub(super) fn new(mut answer: Answer) -> Self {
        let text = std::mem::take(&mut answer.text).into();
        Self(Arc::new(Inner { answer, text, document: OnceLock::new() }))
    }

    /// The answer without its text.
    pub(super) fn answer(&self) -> &Answer {
        &self.0.answer
    }

    /// The body as text.
    pub(super) fn text(&self) -> ImmutableString {
        self.0.text.clone()
    }

    /// The first header with that name.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.0.answer.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// The body as an HTML document, parsed once.
    pub(super) fn document(&self) -> Document {
        self.0.document.get_or_init(|| Document::parse(&self.0.text)).clone()
    }

    /// Which request got what answer, and how its body begins; redacted, in one line.
    pub(super) fn summary(&self, secrets: &Secrets) -> String {
        let answer = self.answer();
        let beginning = tidy(&self.beginning(secrets), secrets, MAX_EXCERPT_CHARS);
        let body = if beginning.is_empty() { "and an empty body".to_owned() } else { format!("\"{beginning}\"") };
        format!("{} from {} {}: {body}", answer.status, answer.method, answer.url)
    }

    /// The text is redacted before it is parsed: a parser takes a secret with a `<` in it apart, and half of it would be
    /// quoted.
    fn beginning(&self, secrets: &Secrets) -> String {
        let text = secrets.redact(&self.0.text);
        let is_html = self.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
        if is_html {
            let untouched = text == self.0.text.as_str();
            let document = if untouched { self.document() } else { Document::parse(&text) };
            let words = document.readable();
            if !words.trim().is_empty() {
                return words;
            }
        }
        text.chars().take(EXCERPT_SOURCE_CHARS).collect()
    }
}

/// A parsed HTML document; cheap to clone. The lock is there because a parsed document may move between threads but
/// not be read by two at once; a probe runs on one.
#[derive(Debug, Clone)]
pub(super) struct Document(Arc<Mutex<Html>>);

impl Document {
    /// Parses as a browser does: it never fails, whatever the text.
    pub(super) fn parse(text: &str) -> Self {
        Self(Arc::new(Mutex::new(Html::parse_document(text))))
    }

    /// The elements that match, in document order, at most `max`.
    pub(super) fn select(&self, selector: &Selector, max: usize) -> Vec<Element> {
        self.with(|html| html.select(selector).take(max).map(|found| self.element(found)).collect())
    }

    /// The text that a reader of the page sees, from the top.
    fn readable(&self) -> String {
        self.with(|html| {
            let mut words = String::new();
            for node in html.tree.root().descendants() {
                let Some(text) = node.value().as_text() else { continue };
                let parent = node.parent().and_then(ElementRef::wrap).map(|parent| parent.value().name().to_owned());
                if matches!(parent.as_deref(), Some("script" | "style" | "noscript" | "template")) {
                    continue;
                }
                words.push_str(text);
                words.push(' ');
                if words.len() > EXCERPT_SOURCE_CHARS {
                    break;
                }
            }
            words
        })
    }

    fn element(&self, found: ElementRef<'_>) -> Element {
        Element { document: self.clone(), id: found.id() }
    }

    /// Reads the tree itself.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Html) -> T) -> T {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One element of a document.
#[derive(Debug, Clone)]
pub(super) struct Element {
    document: Document,
    id: NodeId,
}

impl Element {
    /// The attribute's value.
    pub(super) fn attr(&self, name: &str) -> Option<String> {
        self.with(|element| element.value().attr(name).map(str::to_owned)).flatten()
    }

    /// The text inside, its blanks joined.
    pub(super) fn text(&self) -> String {
        let text = self.with(|element| element.text().collect::<Vec<_>>().join(" ")).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The element's name, such as `form`.
    pub(super) fn name(&self) -> String {
        self.with(|element| element.value().name().to_owned()).unwrap_or_default()
    }

    /// The elements inside that match, at most `max`.
    pub(super) fn select(&self, selector: &Selector, max: usize) -> Vec<Element> {
        let found = self
            .with(|element| element.select(selector).take(max).map(|found| self.document.element(found)).collect());
        found.unwrap_or_default()
    }

    fn with<T>(&self, read: impl FnOnce(ElementRef<'_>) -> T) -> Option<T> {
        self.document.with(|html| html.tree.get(self.id).and_then(ElementRef::wrap).map(read))
    }
}
