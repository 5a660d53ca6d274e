//! Regular expressions over texts and bodies. They run in time linear to the text: the `regex` crate does not backtrack.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use regex::{Captures, Regex, RegexBuilder};
use rhai::{Array, Dynamic};

use super::{Result, Shelf, or_unit};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::engine::MAX_ARRAY_ITEMS;
use crate::adapters::script::page::Page;

/// The longest pattern, in bytes: people write fifty.
const MAX_PATTERN_BYTES: usize = 1_000;
/// How large a compiled pattern may be, which bounds the time for each byte of text.
const MAX_COMPILED_BYTES: usize = 64 * 1024;
/// Groups inside each other, which the compiler follows by recursion.
const MAX_NESTING: u32 = 20;
/// How many compiled patterns are kept; a set of checks has fewer.
const MAX_KEPT: usize = 64;

/// Compiled patterns, which all probes share: compiling one takes longer than most searches.
#[derive(Debug, Clone, Default)]
struct Patterns(Arc<Mutex<BTreeMap<String, Regex>>>);

impl Patterns {
    fn get(&self, pattern: &str) -> std::result::Result<Regex, Ending> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = kept.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = compile(pattern)?;
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }
}

pub(super) fn register(shelf: &mut Shelf) {
    let patterns = Patterns::default();
    shelf.topic("regular expressions");
    let kept = patterns.clone();
    shelf.add(
        "text.matches(pattern: string) -> bool",
        "Whether the regular expression matches anywhere in the text.",
        move |text: &str, pattern: &str| -> Result<bool> { Ok(kept.get(pattern)?.is_match(text)) },
    );
    let kept = patterns.clone();
    shelf.add(
        "text.capture(pattern: string) -> string | ()",
        "What the first group matched, or the whole expression if it has none; `()` if it does not match.",
        move |text: &str, pattern: &str| -> Result<Dynamic> { Ok(capture(&kept.get(pattern)?, text)) },
    );
    let kept = patterns.clone();
    shelf.add(
        "text.capture_all(pattern: string) -> array",
        "The same for every match.",
        move |text: &str, pattern: &str| -> Result<Array> { Ok(capture_all(&kept.get(pattern)?, text)?) },
    );
    let kept = patterns.clone();
    shelf.add(
        "page.matches(pattern: string) -> bool",
        "Whether the regular expression matches anywhere in the body.",
        move |page: &mut Page, pattern: &str| -> Result<bool> { Ok(kept.get(pattern)?.is_match(&page.text())) },
    );
    let kept = patterns.clone();
    shelf.add(
        "page.capture(pattern: string) -> string | ()",
        "What the first group matched in the body.",
        move |page: &mut Page, pattern: &str| -> Result<Dynamic> { Ok(capture(&kept.get(pattern)?, &page.text())) },
    );
    shelf.add(
        "page.capture_all(pattern: string) -> array",
        "The same for every match in the body.",
        move |page: &mut Page, pattern: &str| -> Result<Array> {
            Ok(capture_all(&patterns.get(pattern)?, &page.text())?)
        },
    );
}

fn compile(pattern: &str) -> std::result::Result<Regex, Ending> {
    if pattern.len() > MAX_PATTERN_BYTES {
        let reason = format!("a regular expression of more than {MAX_PATTERN_BYTES} bytes is not compiled");
        return Err(Ending::Inconclusive(reason));
    }
    RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_COMPILED_BYTES * 4)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|error| {
            let why = match &error {
                // Several lines with the pattern and a caret; the last says what is wrong.
                regex::Error::Syntax(text) => {
                    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
                }
                regex::Error::CompiledTooBig(limit) => {
                    format!("it takes more than {} KiB; use shorter repetitions, or '[0-9]' for '\\d'", limit / 1024)
                }
                other => other.to_string(),
            };
            Ending::Inconclusive(format!("'{pattern}' is no regular expression that is compiled: {why}"))
        })
}

fn capture(regex: &Regex, text: &str) -> Dynamic {
    or_unit(regex.captures(text).and_then(|found| wanted(&found).map(str::to_owned)))
}

fn capture_all(regex: &Regex, text: &str) -> std::result::Result<Array, Ending> {
    let mut all = Array::new();
    for found in regex.captures_iter(text) {
        if all.len() >= MAX_ARRAY_ITEMS {
            let reason = format!("the regular expression '{regex}' matches more than {MAX_ARRAY_ITEMS} times");
            return Err(Ending::Inconclusive(reason));
        }
        all.extend(wanted(&found).map(|part| Dynamic::from(part.to_owned())));
    }
    Ok(all)
}

/// The first group, which may have had no part in the match; without groups the whole.
fn wanted<'t>(found: &Captures<'t>) -> Option<&'t str> {
    found.get(if found.len() > 1 { 1 } else { 0 }).map(|part| part.as_str())
}
