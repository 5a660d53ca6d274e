//! The secrets file: TOML with one `name = "value"` a line. It reads the file and nothing else; who may read it is for
//! the file's owner to settle (mode 0600, or a mount that only the service sees).
//!
//! No error of this module quotes a line of the file: it could hold a secret.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::domain::{Secret, Secrets};

/// What is wrong with a secrets file: every problem at once.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read.
    #[error("{}: cannot read the secrets", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{}", Lines(path, problems))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1, and what is wrong there.
        problems: Vec<(usize, String)>,
    },
}

/// One problem a line, as `file:line: problem`.
struct Lines<'a>(&'a Path, &'a [(usize, String)]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (line, problem)) in self.1.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{line}: {problem}", self.0.display())?;
        }
        Ok(())
    }
}

/// Reads the file.
pub fn load_secrets(path: &Path) -> Result<Secrets, SecretsError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| SecretsError::Unreadable { path: path.to_owned(), source })?;
    parse_secrets(path, &text)
}

/// Reads the file's text; the path is for messages.
pub fn parse_secrets(path: &Path, text: &str) -> Result<Secrets, SecretsError> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<(usize, String)> = errors
        .iter()
        .map(|error| (line_of(text, error.span().map_or(0, |span| span.start)), error.message().to_owned()))
        .collect();
    let mut found = Vec::new();
    // After a syntax error the values are guesses, and what they are of no matter.
    if problems.is_empty() {
        for (name, value) in table.get_ref() {
            let line = line_of(text, name.span().start);
            let name = name.get_ref();
            match value.get_ref() {
                DeValue::String(value) if value.is_empty() => {
                    problems.push((line, format!("the secret '{name}' is empty")));
                }
                DeValue::String(value) => found.push((name.to_string(), Secret::new(value.as_ref()))),
                other => {
                    let kind = other.type_str();
                    problems.push((line, format!("the secret '{name}' must be a string, and is of type {kind}")));
                }
            }
        }
    }
    if problems.is_empty() {
        return Ok(found.into_iter().collect());
    }
    problems.sort();
    Err(SecretsError::Malformed { path: path.to_owned(), problems })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        parse_secrets(Path::new("secrets.toml"), text).expect_err("must be refused").to_string()
    }

    #[test]
    fn names_and_values_are_read() {
        let secrets = parse_secrets(Path::new("s"), "probe-user = \"ada\"\n# a comment\nprobe-password = 'x y'\n");
        let secrets = secrets.expect("reads");
        assert_eq!(secrets.names().collect::<Vec<_>>(), ["probe-password", "probe-user"]);
        assert_eq!(secrets.get("probe-password").expect("is there").expose(), "x y");
    }

    #[test]
    fn every_problem_is_named_with_its_line_and_none_with_a_value() {
        let text = "user = \"ada\"\npin = 123456\npassword = \"\"\n[admin]\npassword = \"hunter22\"\n";
        assert_eq!(
            problems(text),
            "secrets.toml:2: the secret 'pin' must be a string, and is of type integer\n\
             secrets.toml:3: the secret 'password' is empty\n\
             secrets.toml:4: the secret 'admin' must be a string, and is of type table"
        );
    }

    #[test]
    fn a_syntax_error_names_its_line_and_does_not_quote_it() {
        let said = problems("user = \"ada\"\npassword = hunter22\n");
        assert!(said.starts_with("secrets.toml:2: "), "{said}");
        assert!(!said.contains("hunter22"), "{said}");
    }
}
