//! Rust source as the rules see it: tokens with their lines, comments apart, and for each token the module that it stands
//! in and whether only tests are compiled with it. No parser: what the rules ask can be read off the tokens.

use std::fs;
use std::path::{Path, PathBuf};

/// One thing in a source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word: an identifier or a keyword. `r#` is taken off.
    Word(String),
    /// A sign; `::` is one.
    Sign(&'static str),
    /// Any other sign.
    Char(char),
    /// The text of a string literal, escapes as they are written.
    Text(String),
    /// A number, a character or a lifetime: nothing that a rule asks about.
    Other,
}

/// A token and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Inline modules around it, outermost first, the file's own module not among them.
    pub(crate) inline: Vec<String>,
    /// Inside an item that only tests are compiled with.
    pub(crate) test: bool,
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is(&self, sign: char) -> bool {
        self.kind == Kind::Char(sign)
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub(crate) fn is_path(&self) -> bool {
        self.kind == Kind::Sign("::")
    }
}

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the package's folder, with `/`: `src/engine/mod.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
    /// Each comment with its first line.
    pub(crate) comments: Vec<(usize, String)>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (mut tokens, comments) = Scanner::new(text).scan();
        place(&mut tokens);
        Self { path: path.to_owned(), text: text.to_owned(), tokens, comments }
    }

    /// The module that the file is: `["engine", "window"]`; empty for the roots of the library and of the binary.
    pub(crate) fn module(&self) -> Vec<String> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inner = inner.strip_suffix(".rs").unwrap_or(inner);
        let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            module.pop();
        }
        module
    }

    /// The attributes: for each `#[…]` and `#![…]` the range of its tokens, the brackets not among them.
    pub(crate) fn attributes(&self) -> Vec<&[Token]> {
        let mut found = Vec::new();
        for at in 0..self.tokens.len() {
            if let Some((inside, _)) = attribute(&self.tokens, at) {
                found.push(&self.tokens[inside]);
            }
        }
        found
    }
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) file: String,
    pub(crate) line: usize,
    /// What is wrong, and the way out.
    pub(crate) what: String,
}

impl Violation {
    pub(crate) fn new(source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self { file: source.path.clone(), line, what: what.into() }
    }
}

/// Panics with every violation on a line of its own, if there is one.
#[track_caller]
pub(crate) fn assert_none(violations: &[Violation]) {
    let lines: Vec<String> =
        violations.iter().map(|found| format!("  {}:{}: {}", found.file, found.line, found.what)).collect();
    assert!(violations.is_empty(), "{} violations:\n{}", lines.len(), lines.join("\n"));
}

/// All Rust files below these folders of the package, in order.
pub(crate) fn package(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        walk(&root.join(folder), &mut paths);
    }
    paths.sort();
    assert!(!paths.is_empty(), "no Rust file below {folders:?}");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let inner = path.strip_prefix(root).expect("below the package");
        let parts: Vec<_> = inner.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        Source::new(&parts.join("/"), &text)
    };
    let mut sources: Vec<Source> = paths.into_iter().map(read).collect();
    mark_test_files(&mut sources);
    sources
}

/// A text file of the package.
pub(crate) fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            walk(&path, paths);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            paths.push(path);
        }
    }
}

/// `#[cfg(test)] mod tests;` makes a whole file, and what is below it, a test.
pub(crate) fn mark_test_files(sources: &mut [Source]) {
    let mut modules = Vec::new();
    for source in sources.iter() {
        for three in source.tokens.windows(3) {
            if let [word, name, end] = three
                && word.test
                && word.is_word("mod")
                && end.is(';')
                && let Some(name) = name.word()
            {
                modules.push([source.module(), word.inline.clone(), vec![name.to_owned()]].concat());
            }
        }
    }
    for source in sources {
        let module = source.module();
        if modules.iter().any(|test| module.starts_with(test)) {
            source.tokens.iter_mut().for_each(|token| token.test = true);
        }
    }
}

/// If an attribute begins at this token: the range between its brackets, and the index behind it.
fn attribute(tokens: &[Token], at: usize) -> Option<(std::ops::Range<usize>, usize)> {
    let open = match tokens.get(at..)? {
        [hash, open, ..] if hash.is('#') && open.is('[') => at + 1,
        [hash, bang, open, ..] if hash.is('#') && bang.is('!') && open.is('[') => at + 2,
        _ => return None,
    };
    let close = closing(tokens, open)?;
    Some((open + 1..close, close + 1))
}

/// The index of the bracket that closes the one at `open`.
pub(crate) fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Char('(' | '[' | '{') => depth += 1,
            Kind::Char(')' | ']' | '}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Gives each token its inline modules, and marks those that only tests are compiled with.
fn place(tokens: &mut [Token]) {
    let mut open: Vec<(String, usize)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        open.retain(|(_, end)| *end >= at);
        let inline: Vec<String> = open.iter().map(|(name, _)| name.clone()).collect();
        tokens[at].inline = inline;
        if tokens[at].is_word("mod")
            && let Some(name) = tokens.get(at + 1).and_then(Token::word)
            && tokens.get(at + 2).is_some_and(|token| token.is('{'))
            && let Some(end) = closing(tokens, at + 2)
        {
            open.push((name.to_owned(), end));
            tokens[at + 1].inline = tokens[at].inline.clone();
            at += 1;
        }
        at += 1;
    }
    for at in 0..tokens.len() {
        let Some((inside, behind)) = attribute(tokens, at) else { continue };
        if !means_test(&tokens[inside]) {
            continue;
        }
        // `#![cfg(test)]` stands for all that is around it.
        let end = if tokens[at + 1].is('!') { tokens.len() } else { item_end(tokens, behind) };
        tokens[at..end].iter_mut().for_each(|token| token.test = true);
    }
}

/// `test`, `tokio::test(…)`, `cfg(test)`, `cfg(all(test, …))`; not `cfg(not(test))`, nor `cfg(any(test, …))`.
fn means_test(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().filter_map(Token::word).collect();
    matches!(words.as_slice(), ["test"] | ["tokio", "test", ..] | ["cfg", "test"] | ["cfg", "all", "test", ..])
}

/// Where the item ends that begins here: behind its block or its semicolon. What is no item (a field, an arm) ends at once.
fn item_end(tokens: &[Token], begin: usize) -> usize {
    const ITEMS: [&str; 14] = [
        "async",
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "macro_rules",
        "mod",
        "static",
        "struct",
        "trait",
        "type",
        "unsafe",
        "use",
    ];
    let mut at = begin;
    while let Some((_, behind)) = attribute(tokens, at) {
        at = behind;
    }
    if tokens.get(at).is_some_and(|token| token.is_word("pub")) {
        at += 1;
        if tokens.get(at).is_some_and(|token| token.is('(')) {
            at = closing(tokens, at).map_or(at, |close| close + 1);
        }
    }
    if !tokens.get(at).and_then(Token::word).is_some_and(|word| ITEMS.contains(&word)) {
        return begin;
    }
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Char(';') => return at + 1,
            Kind::Char('{') => return closing(tokens, at).map_or(tokens.len(), |close| close + 1),
            Kind::Char('(' | '[') => at = closing(tokens, at).unwrap_or(tokens.len()),
            _ => {}
        }
        at += 1;
    }
    tokens.len()
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
    comments: Vec<(usize, String)>,
}

impl Scanner {
    fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0, line: 1, tokens: Vec::new(), comments: Vec::new() }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn push(&mut self, kind: Kind, line: usize) {
        self.tokens.push(Token { kind, line, inline: Vec::new(), test: false });
    }

    fn scan(mut self) -> (Vec<Token>, Vec<(usize, String)>) {
        while let Some(char) = self.peek(0) {
            let line = self.line;
            match char {
                _ if char.is_whitespace() => {
                    self.next();
                }
                '/' if matches!(self.peek(1), Some('/' | '*')) => {
                    let comment = if self.peek(1) == Some('/') { self.line_comment() } else { self.block_comment() };
                    self.comments.push((line, comment));
                }
                '"' => {
                    let text = self.string();
                    self.push(Kind::Text(text), line);
                }
                '\'' => {
                    self.quote();
                    self.push(Kind::Other, line);
                }
                ':' if self.peek(1) == Some(':') => {
                    self.at += 2;
                    self.push(Kind::Sign("::"), line);
                }
                _ if char.is_ascii_digit() => {
                    self.take_word();
                    self.push(Kind::Other, line);
                }
                _ if char.is_alphabetic() || char == '_' => {
                    let kind = self.word_or_prefixed();
                    self.push(kind, line);
                }
                _ => {
                    self.next();
                    self.push(Kind::Char(char), line);
                }
            }
        }
        (self.tokens, self.comments)
    }

    fn line_comment(&mut self) -> String {
        let mut text = String::new();
        while self.peek(0).is_some_and(|char| char != '\n') {
            text.extend(self.next());
        }
        text
    }

    fn block_comment(&mut self) -> String {
        let mut text = String::new();
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (Some(_), _) => {
                    text.extend(self.next());
                    continue;
                }
                (None, _) => return text,
            }
            text.extend(self.next());
            text.extend(self.next());
            if depth == 0 {
                return text;
            }
        }
    }

    fn string(&mut self) -> String {
        let mut text = String::new();
        self.next();
        while let Some(char) = self.next() {
            match char {
                '"' => break,
                '\\' => {
                    text.push(char);
                    text.extend(self.next());
                }
                _ => text.push(char),
            }
        }
        text
    }

    /// From the signs behind `r`, `br` or `cr` to the end.
    fn raw_string(&mut self) -> String {
        let mut hashes = 0;
        while self.peek(0) == Some('#') {
            self.next();
            hashes += 1;
        }
        self.next();
        let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
        let mut text = String::new();
        while self.at < self.chars.len() && !self.chars[self.at..].starts_with(&end) {
            text.extend(self.next());
        }
        self.at = (self.at + end.len()).min(self.chars.len());
        text
    }

    /// A character, or a lifetime or label.
    fn quote(&mut self) {
        self.next();
        if self.peek(0) == Some('\\') {
            self.next();
            self.next();
            while self.next().is_some_and(|char| char != '\'') {}
        } else if self.peek(1) == Some('\'') {
            self.next();
            self.next();
        } else {
            self.take_word();
        }
    }

    fn take_word(&mut self) -> String {
        let mut word = String::new();
        while self.peek(0).is_some_and(|char| char.is_alphanumeric() || char == '_') {
            word.extend(self.next());
        }
        word
    }

    fn word_or_prefixed(&mut self) -> Kind {
        let word = self.take_word();
        let mut ahead = 0;
        while self.peek(ahead) == Some('#') {
            ahead += 1;
        }
        let quoted = self.peek(ahead) == Some('"');
        match word.as_str() {
            "r" | "br" | "cr" if quoted => Kind::Text(self.raw_string()),
            "b" | "c" if quoted && ahead == 0 => Kind::Text(self.string()),
            "b" if self.peek(0) == Some('\'') => {
                self.quote();
                Kind::Other
            }
            "r" if ahead == 1 => {
                self.next();
                Kind::Word(self.take_word())
            }
            _ => Kind::Word(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Source::new("src/x.rs", text).tokens.iter().filter_map(Token::word).map(str::to_owned).collect()
    }

    #[test]
    fn comments_strings_characters_and_lifetimes_hide_their_words() {
        let text = r####"a /* b /* c */ d */ "e \" f" r##"g "# h"## b"i" 'j' '\'' '\u{6B}' &'l m // n
            o b'\'' p r#type"####;
        assert_eq!(words(text), ["a", "m", "o", "p", "type"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let source = Source::new("src/x.rs", "\"a\nb\" /* c\n*/ d");
        assert_eq!(source.tokens[1].line, 3);
        assert_eq!(source.comments[0].0, 2);
    }

    #[test]
    fn an_item_for_tests_ends_with_its_block_or_semicolon() {
        let text =
            "#[cfg(test)] use a::{b, c}; fn d() {} #[cfg(test)] #[rustfmt::skip] pub(crate) fn e(f: [u8; 3]) { g } h
            struct I { #[cfg(test)] j: K, l: M } #[cfg(not(test))] fn n() {} #[tokio::test] async fn o() { p } q";
        let source = Source::new("src/x.rs", text);
        let test = |word: &str| source.tokens.iter().find(|token| token.is_word(word)).expect("there").test;
        for word in ["a", "c", "e", "g", "o", "p"] {
            assert!(test(word), "{word}");
        }
        for word in ["d", "h", "l", "n", "q"] {
            assert!(!test(word), "{word}");
        }
    }

    #[test]
    fn a_file_behind_a_module_for_tests_is_a_test() {
        let mut sources = [
            Source::new("src/a/mod.rs", "#[cfg(test)] mod tests; mod plain;"),
            Source::new("src/a/tests.rs", "fn x() {}"),
            Source::new("src/a/plain.rs", "fn x() {}"),
        ];
        mark_test_files(&mut sources);
        assert!(sources[1].tokens[0].test);
        assert!(!sources[2].tokens[0].test);
    }
}
