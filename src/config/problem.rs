//! Problems with their places: what is wrong, in which file, on which line, and the line itself.
//!
//! It refuses to show the lines of a file of secrets, and lines on which a value stands where the name of a secret
//! belongs: somebody may have pasted the secret itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// Legal but unwise.
    Warning,
}

impl Severity {
    /// The word used in data and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// The line that a problem is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The line's text, without its end.
    pub text: String,
    /// How many characters from the problem's column on are meant; at least 1.
    pub width: usize,
}

/// One thing that is wrong or unwise. `Display` gives `file:line:column: error: text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as a person would type it.
    pub file: PathBuf,
    /// Where in the file; absent when the file as a whole is meant.
    pub place: Option<Place>,
    /// What is wrong and the way out.
    pub message: String,
    /// The line; absent when there is none, or when it may hold a secret.
    pub excerpt: Option<Excerpt>,
}

impl Problem {
    /// A problem with a file as a whole.
    pub fn in_file(severity: Severity, file: &Path, message: impl Into<String>) -> Self {
        Self { severity, file: file.to_owned(), place: None, message: message.into(), excerpt: None }
    }

    /// A problem at a line and column (from 1) of a text that somebody else has parsed, such as a script.
    pub fn in_text(severity: Severity, file: &Path, text: &str, place: Place, message: impl Into<String>) -> Self {
        let line = text.lines().nth(place.line.saturating_sub(1)).filter(|line| !line.trim().is_empty());
        let excerpt = line.map(|line| Excerpt { text: line.to_owned(), width: 1 });
        Self { severity, file: file.to_owned(), place: Some(place), message: message.into(), excerpt }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}: {}", self.severity, self.message)
    }
}

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Source {
    /// The path as a person would type it.
    pub(super) shown: PathBuf,
    /// The whole text.
    pub(super) text: String,
    /// Its lines are never shown.
    pub(super) private: bool,
}

impl Source {
    /// Reads a file; a failure is the operating system's own.
    pub(super) fn read(path: &Path, private: bool) -> std::io::Result<Rc<Self>> {
        let text = std::fs::read_to_string(path)?;
        Ok(Rc::new(Self { shown: tidy(path), text, private }))
    }
}

/// A stretch of a file.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    source: Rc<Source>,
    span: Range<usize>,
    private: bool,
}

impl Spot {
    /// These bytes of the file.
    pub(super) fn new(source: &Rc<Source>, span: Range<usize>) -> Self {
        Self { source: source.clone(), span, private: source.private }
    }

    /// The same stretch, whose line is not to be shown.
    pub(super) fn hidden(&self) -> Self {
        Self { private: true, ..self.clone() }
    }

    /// Line and column, from 1.
    pub(super) fn place(&self) -> Place {
        let before = self.before();
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |text| text.chars().count()) + 1,
        }
    }

    fn before(&self) -> &str {
        self.source.text.get(..self.span.start).unwrap_or(&self.source.text)
    }

    fn excerpt(&self) -> Option<Excerpt> {
        if self.private {
            return None;
        }
        let before = self.before();
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let text = self.source.text.get(line_start..)?.lines().next().filter(|line| !line.trim().is_empty())?;
        let meant = self.source.text.get(self.span.clone()).unwrap_or_default();
        let width = meant.lines().next().map_or(0, |line| line.chars().count()).max(1);
        Some(Excerpt { text: text.to_owned(), width })
    }

    fn problem(&self, severity: Severity, message: String) -> Problem {
        Problem {
            severity,
            file: self.source.shown.clone(),
            place: Some(self.place()),
            message,
            excerpt: self.excerpt(),
        }
    }
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    /// The value.
    pub(super) value: T,
    /// Where it was written.
    pub(super) spot: Spot,
}

/// Collects every problem of a run. Shared by reference: reading goes on after a problem.
#[derive(Debug, Default)]
pub(super) struct Report(RefCell<Vec<Problem>>);

impl Report {
    /// Something that makes the configuration unusable.
    pub(super) fn error(&self, spot: &Spot, message: impl Into<String>) {
        self.push(spot.problem(Severity::Error, message.into()));
    }

    /// Something legal but unwise.
    pub(super) fn warn(&self, spot: &Spot, message: impl Into<String>) {
        self.push(spot.problem(Severity::Warning, message.into()));
    }

    /// A problem that was put together elsewhere.
    pub(super) fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// Whether anything so far makes the configuration unusable.
    pub(super) fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Reports everything that goes by a name that is taken.
    pub(super) fn unique<'d, T: fmt::Display + Ord + 'd>(&self, what: &str, items: impl Iterator<Item = &'d At<T>>) {
        let mut first: BTreeMap<&T, &Spot> = BTreeMap::new();
        for item in items {
            match first.get(&item.value) {
                Some(before) => {
                    let line = before.place().line;
                    let message = format!("a second {what} '{}': the first is on line {line}", item.value);
                    self.error(&item.spot, message);
                }
                None => {
                    first.insert(&item.value, &item.spot);
                }
            }
        }
    }

    /// Everything by place: the main file first, then the others by path.
    pub(super) fn sorted(self, main: &Path) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort_by(|a, b| {
            let key = |p: &Problem| (p.file != main, p.file.clone(), p.place, p.severity);
            key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
        });
        problems.dedup();
        problems
    }
}

/// A path without the `.` and `..` that joining leaves behind, for people to read. Files are opened by the path as
/// joined, which stays right when a folder is a symbolic link.
pub(super) fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(tidy.components().next_back(), Some(Component::Normal(_))) => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}
