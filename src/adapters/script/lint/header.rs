//! What a script's comments say: the secrets that the one at the top lists, and which rules a line silences.

use std::collections::BTreeMap;

use crate::config::Place;

/// The comment at the top of a script.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether it has a list of secrets at all.
    pub(super) lists_secrets: bool,
    /// The secrets that it lists, as in `// Secrets: probe-user, probe-password: an account for probes`.
    pub(super) secrets: BTreeMap<String, Place>,
}

impl Header {
    /// Reads it.
    pub(super) fn of(source: &str) -> Self {
        let mut header = Self::default();
        let mut goes_on = false;
        for (index, line) in source.lines().enumerate() {
            let Some(comment) = line.trim_start().strip_prefix("//") else {
                if line.trim().is_empty() { continue } else { break }
            };
            let listed = comment.trim_start().strip_prefix("Secrets:");
            let list = match listed {
                Some(list) => list,
                None if goes_on => comment,
                None => continue,
            };
            header.lists_secrets = true;
            let offset = line.len() - list.len();
            // What comes after a colon, a full stop or a bracket explains.
            let end = list.find([':', '.', '(', ';']).unwrap_or(list.len());
            let names = list.get(..end).unwrap_or_default();
            goes_on = end == list.len() && names.trim_end().ends_with(',');
            header.add(names, Place { line: index + 1, column: offset + 1 }, line);
        }
        header
    }

    fn add(&mut self, names: &str, at: Place, line: &str) {
        let mut from = at.column - 1;
        for piece in names.split(',') {
            let name = piece.trim();
            if is_name(name) {
                let lead = piece.len() - piece.trim_start().len();
                let column = line.get(..from + lead).map_or(0, |before| before.chars().count()) + 1;
                self.secrets.insert(name.to_owned(), Place { line: at.line, column });
            }
            from += piece.len() + 1;
        }
    }
}

/// Whether this line, or the one above it, silences the rule.
pub(super) fn allows(source: &str, line: usize, rule: &str) -> bool {
    let says = |text: &str| {
        let said = text.split_once("// lint: allow ").map(|(_, rules)| rules);
        said.is_some_and(|rules| rules.split([',', ' ']).any(|allowed| allowed == rule))
    };
    source.lines().skip(line.saturating_sub(2)).take(if line < 2 { 1 } else { 2 }).any(says)
}

/// A secret's name, and not "none" or a sentence.
fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text != "none" && text.chars().all(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_at_the_top_lists_secrets_with_their_places() {
        let header =
            Header::of("// A check.\n//\n// Secrets: user, pass-word: an account\n\nlet x = 1;\n// Secrets: z\n");
        let places: Vec<_> = header.secrets.iter().map(|(name, at)| (name.as_str(), at.line, at.column)).collect();
        assert_eq!(places, [("pass-word", 3, 19), ("user", 3, 13)]);
        assert!(header.lists_secrets);
        let more = Header::of("// Secrets: a,\n//   b (for both)\n");
        assert_eq!(more.secrets.keys().collect::<Vec<_>>(), ["a", "b"]);
        let none = Header::of("// Secrets: none\nget(\"/\");\n");
        assert!(none.lists_secrets && none.secrets.is_empty());
        assert_eq!(Header::of("get(\"/\");"), Header::default());
    }

    #[test]
    fn a_line_is_silenced_by_itself_and_by_the_line_above_it() {
        let source = "a\nb // lint: allow one, two\nc\nd\n";
        let allowed: Vec<usize> = (1..=4).filter(|line| allows(source, *line, "two")).collect();
        assert_eq!(allowed, [2, 3]);
        assert!(!allows(source, 2, "three"));
    }
}
