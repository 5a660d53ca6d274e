//! What a file may not say: I/O words on the pure floors, unfinished work anywhere; and that it begins with its docs and
//! stays short.

use super::source::{Source, Token, Violation};

/// The longest that a file under `src` may be, in lines.
const LINES_MAX: usize = 500;

/// Words that the engine and the domain do without, each group with the way out.
const IMPURE: [(&[&str], &str); 6] = [
    (&["tokio", "async", "await", "futures"], "nothing is awaited here; return a command, and `runtime` does it"),
    (&["rand"], "randomness comes in as a value"),
    (&["Instant", "SystemTime", "UNIX_EPOCH"], "time comes in as `Moment` or `WallTime`"),
    (
        &["println", "eprintln", "print", "eprint", "dbg", "tracing", "stdout", "stderr"],
        "say it in a note or an error; the floors above print and log",
    ),
    (&["HashMap", "HashSet"], "its order differs from run to run; use BTreeMap or BTreeSet"),
    (
        &["Mutex", "RwLock", "Condvar", "OnceLock", "LazyLock", "OnceCell", "RefCell", "atomic", "mpsc", "thread"],
        "state is owned, and changed through `&mut self`",
    ),
];

/// The floors that are pure.
const PURE: [&str; 2] = ["domain", "engine"];

/// Lawful uses: file, words, reason.
const LAWFUL: [(&str, &[&str], &str); 1] = [(
    "src/domain/time.rs",
    &["SystemTime", "UNIX_EPOCH"],
    "writes a WallTime as RFC 3339, and never asks what time it is",
)];

/// Files of the check runner that may pin to the stack: file, reason.
const LENDERS: [(&str, &str); 1] =
    [("src/adapters/script/runner.rs", "what it pins is in a task of the worker's, not below a script")];

/// Impure words on a pure floor.
pub(crate) fn impure(source: &Source) -> Vec<Violation> {
    let module = source.module();
    let Some(room) = module.first().filter(|room| PURE.contains(&room.as_str())) else { return Vec::new() };
    let lawful = |word: &str| LAWFUL.iter().any(|(file, words, _)| *file == source.path && words.contains(&word));
    let mut found = Vec::new();
    for token in &source.tokens {
        let Some(word) = token.word().filter(|word| !lawful(word)) else { continue };
        if let Some((_, way_out)) = IMPURE.iter().find(|(words, _)| words.contains(&word)) {
            found.push(Violation::new(source, token.line, format!("`{word}` in the {room}: {way_out}")));
        }
    }
    found
}

/// Work that somebody left for later.
pub(crate) fn unfinished(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for two in source.tokens.windows(2) {
        if let [word, bang] = two
            && let Some(name @ ("todo" | "unimplemented")) = word.word()
            && bang.is('!')
        {
            found.push(Violation::new(
                source,
                word.line,
                format!("`{name}!`: finish it, or return an error that says so"),
            ));
        }
    }
    for attribute in source.attributes() {
        let ignores = attribute.first().is_some_and(|first| first.is_word("ignore") || first.is_word("cfg_attr"));
        if let Some(word) = attribute.iter().find(|token| ignores && token.is_word("ignore")) {
            found.push(Violation::new(
                source,
                word.line,
                "an ignored test tests nothing: make it pass, or remove it",
            ));
        }
    }
    for (first, comment) in &source.comments {
        for (line, text) in comment.lines().enumerate() {
            let mut words = text.split(|char: char| !char.is_alphanumeric());
            if let Some(mark) = words.find(|word| ["FIXME", "XXX"].contains(word)) {
                let what = format!("`{mark}`: do it now, or file an issue and name it");
                found.push(Violation::new(source, first + line, what));
            }
        }
    }
    found
}

/// A host function of the check language that lends the script's stack to others: while the script waits, another one may have the stack
/// (`src/adapters/script/coroutine.rs`).
pub(crate) fn lending(source: &Source) -> Vec<Violation> {
    let lawful = LENDERS.iter().any(|(file, _)| *file == source.path);
    if lawful || !source.path.starts_with("src/adapters/script/") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for three in source.tokens.windows(3) {
        let [one, two, three] = three else { continue };
        let pins = one.is_word("pin") && two.is('!');
        let scopes = one.is_word("thread") && two.is_path() && three.is_word("scope");
        if pins || scopes {
            let what = "below a script nothing is pinned to the stack or lent to a thread: use `Box::pin`";
            found.push(Violation::new(source, one.line, what));
        }
    }
    found
}

/// A file without a word on what it is.
pub(crate) fn undocumented(source: &Source) -> Vec<Violation> {
    let first = source.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//!").is_some_and(|text| !text.trim().is_empty());
    if says {
        Vec::new()
    } else {
        vec![Violation::new(source, 1, "begin with `//!`: what it does, and what it refuses to do")]
    }
}

/// A file that is too long to be read at one go.
pub(crate) fn long(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().count();
    let what = format!("{lines} lines, {LINES_MAX} are the most: split it along what it does");
    if lines > LINES_MAX { vec![Violation::new(source, lines, what)] } else { Vec::new() }
}

/// An attribute's tokens as one string, for messages and comparisons.
pub(crate) fn joined(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        match &token.kind {
            super::source::Kind::Word(word) => text.push_str(word),
            super::source::Kind::Sign(sign) => text.push_str(sign),
            super::source::Kind::Char(char) => text.push(*char),
            super::source::Kind::Text(_) | super::source::Kind::Other => text.push('…'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: fn(&Source) -> Vec<Violation>, path: &str, text: &str) -> Vec<usize> {
        rule(&Source::new(path, text)).iter().map(|found| found.line).collect()
    }

    #[test]
    fn io_words_are_found_on_pure_floors_and_only_there() {
        let text =
            "use std::{\n  collections::HashMap,\n  time::Instant as Clock,\n};\nasync fn x() {\n println!(\"\") }";
        assert_eq!(lines(impure, "src/engine/x.rs", text), [2, 3, 5, 6]);
        assert_eq!(
            lines(impure, "src/domain/x.rs", "fn x() { std::sync::Mutex::new(tokio::x(rand::rng())) }"),
            [1, 1, 1]
        );
        assert_eq!(
            lines(impure, "src/domain/x.rs", "tracing::info!(\"x\"); x.await; static L: RwLock<u8>;"),
            [1, 1, 1]
        );
        assert!(lines(impure, "src/runtime/x.rs", text).is_empty());
        assert!(
            lines(impure, "src/engine/x.rs", "// HashMap, async\n/// SystemTime\nconst X: &str = \"tokio\";")
                .is_empty()
        );
    }

    #[test]
    fn wall_time_is_written_in_one_file_and_nowhere_else() {
        let text = "SystemTime::UNIX_EPOCH";
        assert!(lines(impure, "src/domain/time.rs", text).is_empty());
        assert_eq!(lines(impure, "src/domain/plan.rs", text), [1, 1]);
        assert_eq!(lines(impure, "src/domain/time.rs", "Instant"), [1]);
    }

    #[test]
    fn work_left_for_later_is_found_in_code_and_in_comments() {
        let text = "fn a() { todo!() }\nfn b() { unimplemented!(\"c\") }\n#[ignore = \"slow\"]\n#[cfg_attr(unix, ignore)]\n\
                    // FIXME: d\n/* e\n XXX(f) */ fn todo() {}";
        assert_eq!(lines(unfinished, "src/x.rs", text), [1, 2, 3, 4, 5, 7]);
        let fine =
            "const A: &str = \"todo!() FIXME XXX #[ignore]\"; // todo, ignore, XXXX, fixme\nfn ignore(todo: bool) {}";
        assert!(lines(unfinished, "src/x.rs", fine).is_empty());
    }

    #[test]
    fn what_lends_the_stack_of_a_script_is_found_below_scripts_and_only_there() {
        let text =
            "fn a() { let x = std::pin::pin!(x);\n tokio::pin!(y);\n std::thread::scope(|s| {});\n Box::pin(z) }";
        assert_eq!(lines(lending, "src/adapters/script/language/net/x.rs", text), [1, 2, 3]);
        assert!(lines(lending, "src/adapters/script/runner.rs", text).is_empty());
        assert!(lines(lending, "src/runtime/x.rs", text).is_empty());
    }

    #[test]
    fn a_file_begins_with_words_on_itself() {
        assert!(lines(undocumented, "src/x.rs", "//! X.\n\nfn x() {}").is_empty());
        for text in ["fn x() {}", "", "//!\n//! X.", "/// X.\nfn x() {}", "\n//! X."] {
            assert_eq!(lines(undocumented, "src/x.rs", text), [1], "{text:?}");
        }
    }

    #[test]
    fn a_file_of_500_lines_is_short_and_one_of_501_is_long() {
        assert!(lines(long, "src/x.rs", &"\n".repeat(500)).is_empty());
        assert_eq!(lines(long, "src/x.rs", &"\n".repeat(501)), [501]);
    }
}
