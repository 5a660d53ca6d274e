//! The script's line at which a check ended, with a caret below the place.

use std::io::{self, Write};
use std::path::Path;

use anstyle::Style;

use crate::domain::{ScriptPlace, Secrets};

/// The widest column in which a caret is still drawn; minified scripts are nobody's to read.
const MAX_COLUMN: usize = 1_000;

/// A line of a script and a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The line's number, from 1.
    line: usize,
    /// The column, from 1.
    column: usize,
    text: String,
}

/// The line of that place, if it is in the script or in a module of the `lib` folder beside it.
pub(super) fn of(place: &ScriptPlace, script: &Path, source: &str, secrets: &Secrets) -> Option<Excerpt> {
    let path = Path::new(&place.file);
    if path == script {
        return at(place, source, secrets);
    }
    let module = script.parent()?.join("lib").join(path.file_name()?);
    let known = path.parent().is_some_and(|parent| parent.ends_with("lib")) && module.is_file();
    let source = if known { std::fs::read_to_string(module).ok()? } else { return None };
    at(place, &source, secrets)
}

fn at(place: &ScriptPlace, source: &str, secrets: &Secrets) -> Option<Excerpt> {
    let (line, column) = (place.line, place.column);
    let text = source.lines().nth(line.checked_sub(1)?)?;
    // A line with a secret in it is not shown, and neither is one that the place is not on.
    let plain = secrets.redact(text) == text && !text.trim().is_empty();
    let on_it = (1..=MAX_COLUMN.min(text.chars().count() + 1)).contains(&column);
    (plain && on_it).then(|| Excerpt { line, column, text: text.to_owned() })
}

impl Excerpt {
    /// Writes the line and its caret, the whole of it no wider than `columns`: of a long line, the part around the place.
    pub(super) fn write(&self, out: &mut impl Write, indent: usize, columns: usize, style: Style) -> io::Result<()> {
        let quiet = Style::new().dimmed();
        let number = self.line.to_string();
        let room = columns.saturating_sub(indent + number.len() + 3).max(1);
        let letters: Vec<char> = self.text.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
        let blanks = letters.iter().take_while(|c| **c == ' ').count().min(self.column - 1);
        // What a block indents tells nothing here.
        let mut from = blanks.saturating_sub(4);
        if self.column - from > room {
            from = self.column - room / 2;
        }
        let shown: String = letters.iter().skip(from).take(room).collect();
        let caret = " ".repeat(self.column - 1 - from);
        let margin = " ".repeat(number.len());
        writeln!(out, "{:indent$}{quiet}{number} |{quiet:#} {}", "", shown.trim_end())?;
        writeln!(out, "{:indent$}{quiet}{margin} |{quiet:#} {caret}{style}^{style:#}", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

    fn written(excerpt: &Excerpt, columns: usize) -> String {
        let mut out = Vec::new();
        excerpt.write(&mut out, 4, columns, Style::new()).expect("writes");
        anstream::adapter::strip_str(std::str::from_utf8(&out).expect("is text")).to_string()
    }

    fn place(file: &str, line: usize, column: usize) -> ScriptPlace {
        ScriptPlace { file: file.to_owned(), line, column }
    }

    #[test]
    fn the_caret_stands_below_the_place() {
        let source = "get(\"/\");\n        let x = nothing.at(1);\n";
        let script = Path::new("checks/a.rhai");
        let of = |place| of(&place, script, source, &Secrets::default());
        let excerpt = of(place("checks/a.rhai", 2, 25)).expect("one");
        assert_eq!(written(&excerpt, 80), "    2 |     let x = nothing.at(1);\n      |                     ^\n");
        for other in [place("checks/b.rhai", 1, 1), place("checks/a.rhai", 9, 1), place("checks/a.rhai", 1, 99)] {
            assert_eq!(of(other.clone()), None, "{other}");
        }
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let source = format!("{}here{}", "x".repeat(200), "y".repeat(200));
        let excerpt = of(&place("a.rhai", 1, 201), Path::new("a.rhai"), &source, &Secrets::default()).expect("one");
        let text = written(&excerpt, 60);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 60), "{text}");
        let caret = lines[1].find('^').expect("a caret");
        assert!(lines[0][caret..].starts_with("here"), "{text}");
    }

    #[test]
    fn a_line_with_a_secret_in_it_is_not_shown() {
        let secrets: Secrets = [("p".to_owned(), Secret::new("hunter22"))].into_iter().collect();
        assert_eq!(of(&place("a.rhai", 1, 1), Path::new("a.rhai"), "login(\"hunter22\")", &secrets), None);
    }
}
