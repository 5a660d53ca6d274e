//! What can be wrong with a script before it runs.

use std::path::PathBuf;

use rhai::ParseError;

use super::text::lower_first;
use crate::domain::CheckName;

/// Why a check cannot be loaded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScriptError {
    /// The script does not compile.
    #[error("{}:{line}:{column}: {message}\n{excerpt}", path.display())]
    Syntax {
        /// The script's file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// The line itself, with a caret under the place.
        excerpt: String,
    },
    /// The script is longer than a check has reason to be.
    #[error("{}: the script has {bytes} bytes, and at most {max} are read", path.display())]
    TooLong {
        /// The script's file.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Two checks have one name.
    #[error("{}: the name '{name}' is taken by {}", path.display(), first.display())]
    Duplicate {
        /// The name.
        name: CheckName,
        /// The second script's file.
        path: PathBuf,
        /// The first script's file.
        first: PathBuf,
    },
    /// A file that checks share cannot be loaded.
    #[error("{0}")]
    Library(String),
    /// The system gives no threads to run scripts on.
    #[error("cannot start the threads that run checks: {0}")]
    Threads(String),
    /// The TLS library refused its own defaults.
    #[error("cannot set up TLS for probes")]
    Tls(#[source] rustls::Error),
}

impl ScriptError {
    /// The parser's error with its place in the source.
    pub(super) fn syntax(path: PathBuf, source: &str, error: &ParseError) -> Self {
        let position = error.1;
        // "Script is incomplete" has no position: it is after the last line.
        let line = position.line().unwrap_or_else(|| source.lines().count().max(1));
        let text = source.lines().nth(line - 1).unwrap_or_default();
        let column = position.position().unwrap_or_else(|| text.chars().count() + 1).max(1);
        let shown: String = text.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
        let excerpt = format!("{line:5} | {shown}\n      | {}^", " ".repeat(column - 1));
        Self::Syntax { path, line, column, message: lower_first(&error.0.to_string()), excerpt }
    }
}
