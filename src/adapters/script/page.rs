//! An answer as a script sees it: status, headers, text, JSON and CSS selectors.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ego_tree::NodeId;
use rhai::ImmutableString;
use scraper::{ElementRef, Html, Selector};

use super::ending::Ending;
use super::glance::{self, Glimpse};
use super::http::Answer;
use super::text::{MAX_EXCERPT_CHARS, tidy};
use super::{flow, tree};
use crate::domain::Redaction;

/// How much of a text is looked at to quote its beginning.
const EXCERPT_SOURCE_CHARS: usize = 16 * 1024;

/// The same of a page, whose first screens are often scripts and styles.
const EXCERPT_SOURCE_BYTES: usize = 64 * 1024;

/// An answer; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Page(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    answer: Answer,
    text: ImmutableString,
    document: OnceLock<Result<Document, Ending>>,
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
    pub(super) fn document(&self) -> Result<Document, Ending> {
        let parsed = || {
            Document::parse(&self.0.text).map_err(|ending| match ending {
                Ending::Fail(kind, what) => {
                    let (method, url) = (&self.0.answer.method, &self.0.answer.url);
                    Ending::Fail(kind, format!("{method} {url}: {what}"))
                }
                other => other,
            })
        };
        self.0.document.get_or_init(parsed).clone()
    }

    /// The first element that matches. A glance at the text is tried before a tree is made of it.
    pub(super) fn first(&self, css: &str, selector: &Selector) -> Result<Option<Element>, Ending> {
        if self.0.document.get().is_none()
            && let Some(glimpse) = glance::first(&self.0.text, css)
        {
            let (page, css, glimpse) = (self.clone(), Arc::from(css), Arc::new(glimpse));
            return Ok(Some(Element::Glimpsed { page, css, glimpse }));
        }
        Ok(self.document()?.select(selector, 1).pop())
    }

    /// Which request got what answer, and how its body begins; redacted, in one line.
    pub(super) fn summary(&self, struck: &Redaction) -> String {
        let answer = self.answer();
        let beginning = tidy(&self.beginning(struck), struck, MAX_EXCERPT_CHARS);
        let body = if beginning.is_empty() { "and an empty body".to_owned() } else { format!("\"{beginning}\"") };
        format!("{} from {} {}: {body}", answer.status, answer.method, answer.url)
    }

    /// The text is redacted before it is parsed: a parser takes a secret with a `<` in it apart, and half of it would be
    /// quoted.
    fn beginning(&self, struck: &Redaction) -> String {
        let text = struck.redact(&self.0.text);
        let is_html = self.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
        if is_html {
            let start = text.get(..text.floor_char_boundary(EXCERPT_SOURCE_BYTES)).unwrap_or_default();
            // A page that cannot be parsed is quoted as it is.
            let words = Document::parse(start).map(|document| document.readable()).unwrap_or_default();
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
    /// Parses as a browser does, within the bounds of a [tree].
    pub(super) fn parse(text: &str) -> Result<Self, Ending> {
        Ok(Self(Arc::new(Mutex::new(tree::parse(text)?))))
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
        Element::InTree { document: self.clone(), id: found.id() }
    }

    /// Reads the tree itself.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Html) -> T) -> T {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One element of a document; cheap to clone.
#[derive(Debug, Clone)]
pub(super) enum Element {
    /// Found in the tree.
    InTree { document: Document, id: NodeId },
    /// Found in the text: the first that matches the selector.
    Glimpsed { page: Page, css: Arc<str>, glimpse: Arc<Glimpse> },
}

impl Element {
    /// The attribute's value.
    pub(super) fn attr(&self, name: &str) -> Option<String> {
        match self {
            Self::Glimpsed { glimpse, .. } => glimpse.attr(name).map(str::to_owned),
            Self::InTree { .. } => self.with(|element| element.value().attr(name).map(str::to_owned)).flatten(),
        }
    }

    /// The text inside, its blanks joined.
    pub(super) fn text(&self) -> String {
        let text = self.with(|element| element.text().collect::<Vec<_>>().join(" ")).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The element's name, such as `form`.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Glimpsed { glimpse, .. } => glimpse.name.clone(),
            Self::InTree { .. } => self.with(|element| element.value().name().to_owned()).unwrap_or_default(),
        }
    }

    /// The elements inside that match, at most `max`.
    pub(super) fn select(&self, selector: &Selector, max: usize) -> Vec<Element> {
        let Some((document, _)) = self.in_tree() else { return Vec::new() };
        let found =
            self.with(|element| element.select(selector).take(max).map(|found| document.element(found)).collect());
        found.unwrap_or_default()
    }

    fn with<T>(&self, read: impl FnOnce(ElementRef<'_>) -> T) -> Option<T> {
        let (document, id) = self.in_tree()?;
        document.with(|html| html.tree.get(id).and_then(ElementRef::wrap).map(read))
    }

    /// Its place in the tree, which is made now if it was not needed before.
    fn in_tree(&self) -> Option<(Document, NodeId)> {
        match self {
            Self::InTree { document, id } => Some((document.clone(), *id)),
            Self::Glimpsed { page, css, .. } => {
                let selector = Selector::parse(css).ok()?;
                let document = page.document().map_err(|ending| {
                    // A property cannot fail; the script ends at its next operation.
                    flow::current().inspect(|flow| flow.guard.has_ended(&ending));
                });
                document.ok()?.select(&selector, 1).pop()?.in_tree()
            }
        }
    }
}
