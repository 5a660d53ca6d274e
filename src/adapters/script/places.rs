//! Where in which file something is. Rhai's positions are lines and columns without a file, and its errors do not say reliably in whose text
//! they count: a closure of the check that a shared file calls is on the check's lines. So every shared file is compiled some lines further
//! down than all texts before it, and a line number alone tells the file.

use std::path::{Path, PathBuf};

use rhai::{AST, Engine, Position};

use super::error::ScriptError;
use super::language;
use crate::domain::ScriptPlace;

/// The last line that Rhai can tell from others.
const MAX_LINES: usize = u16::MAX as usize - 1;

/// Which lines are whose.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// How many lines the longest check has: what is further down is of a shared file.
    own: usize,
    /// The shared files, each with the number of lines before it, in order.
    shared: Vec<(usize, PathBuf)>,
    used: usize,
}

impl Places {
    /// For checks of at most that many lines.
    pub(super) fn below(own: usize) -> Self {
        Self { own, shared: Vec::new(), used: own }
    }

    /// Parses a shared file below all that there are.
    pub(super) fn parse(&mut self, engine: &Engine, path: &Path, source: &str) -> Result<AST, ScriptError> {
        let (before, lines) = (self.used, source.lines().count() + 1);
        if before + lines > MAX_LINES {
            let what = format!(
                "{}: the checks and the files that they share have more than {MAX_LINES} lines",
                path.display()
            );
            return Err(ScriptError::Library(what));
        }
        // What is wrong with it is said of the text as it is.
        parse(engine, path, source)?;
        let ast = parse(engine, path, &format!("{}{source}", "\n".repeat(before)))?;
        self.shared.push((before, path.to_owned()));
        self.used += lines;
        Ok(ast)
    }

    /// The place that a position is: in the check, or in a file that it shares.
    pub(super) fn of(&self, check: &Path, position: Position) -> Option<ScriptPlace> {
        let line = position.line()?;
        let shared = self.shared.iter().rev().find(|(before, _)| line > *before && line > self.own);
        let (before, path) = shared.map_or((0, check), |(before, path)| (*before, path.as_path()));
        let column = position.position().unwrap_or(1);
        Some(ScriptPlace { file: path.display().to_string(), line: line - before, column })
    }
}

/// Parses a check.
pub(super) fn parse(engine: &Engine, path: &Path, source: &str) -> Result<AST, ScriptError> {
    engine
        .compile_with_scope(&language::names(), source)
        .map_err(|error| ScriptError::syntax(path.to_owned(), source, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_number_tells_the_file() {
        let engine = Engine::new();
        let mut places = Places::below(10);
        for (name, source) in [("a.rhai", "fn a() {\n 1\n}"), ("b.rhai", "fn b() { 2 }\n")] {
            places.parse(&engine, Path::new(name), source).unwrap();
        }
        let at = |line| places.of(Path::new("check.rhai"), Position::new(line, 3)).unwrap().to_string();
        assert_eq!([at(1), at(10)], ["check.rhai:1:3", "check.rhai:10:3"]);
        assert_eq!([at(11), at(13), at(15)], ["a.rhai:1:3", "a.rhai:3:3", "b.rhai:1:3"]);
        assert_eq!(places.of(Path::new("check.rhai"), Position::NONE), None);
    }

    #[test]
    fn what_is_wrong_with_a_shared_file_is_said_with_its_own_lines() {
        let mut places = Places::below(500);
        let error = places.parse(&Engine::new(), Path::new("lib/a.rhai"), "fn a() {\n  1 +\n}").unwrap_err();
        assert!(error.to_string().starts_with("lib/a.rhai:3:1: "), "{error}");
        let many = "\n".repeat(MAX_LINES);
        let error = places.parse(&Engine::new(), Path::new("lib/b.rhai"), &many).unwrap_err();
        assert!(error.to_string().contains("more than 65534 lines"), "{error}");
    }
}
