//! Regular expressions over texts and bodies, in time linear to the text.
//!
//! Linear alone is not enough: a pattern of a thousand states over a megabyte is linear, and takes minutes. So a lazy DFA
//! searches, which takes a few nanoseconds a byte or gives up; the simulation of all states, which finds groups, and does
//! what the DFA gave up, is only used where states times bytes are few.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use regex_automata::hybrid::{dfa, regex as lazy};
use regex_automata::nfa::thompson::{self, pikevm};
use regex_automata::util::iter::Searcher;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, Match, MatchError};
use rhai::{Array, Dynamic, NativeCallContext};

use super::{Result, Shelf, or_unit};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::engine::MAX_ARRAY_ITEMS;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::page::Page;

/// The longest pattern, in bytes: people write fifty.
const MAX_PATTERN_BYTES: usize = 1_000;
/// How large a compiled pattern may be.
const MAX_COMPILED_BYTES: usize = 512 * 1024;
/// What the lazy DFA may keep of what it found out; it gives up if this is full of little use.
const MAX_DFA_BYTES: usize = 1024 * 1024;
/// Groups inside each other, which the compiler follows by recursion.
const MAX_NESTING: u32 = 20;
/// States of the pattern times bytes of the text that are simulated: a quarter of a second at the worst.
const MAX_SIMULATED: usize = 4_000_000;
/// How many compiled patterns are kept; a set of checks has fewer.
const MAX_KEPT: usize = 64;

/// Compiled patterns, which all probes share: compiling one takes longer than most searches.
#[derive(Debug, Clone, Default)]
struct Patterns(Arc<Mutex<BTreeMap<String, Arc<Pattern>>>>);

impl Patterns {
    fn get(&self, pattern: &str) -> std::result::Result<Arc<Pattern>, Ending> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pattern) = kept().get(pattern) {
            return Ok(Arc::clone(pattern));
        }
        let compiled = Arc::new(Pattern::compile(pattern)?);
        let mut kept = kept();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }
}

pub(super) fn register(shelf: &mut Shelf) {
    let patterns = Patterns::default();
    shelf.topic("regular expressions");
    let kept = patterns.clone();
    shelf.add(
        "text.matches(pattern: string) -> bool",
        "Whether the regular expression matches anywhere in the text.",
        move |context: NativeCallContext<'_>, text: &str, pattern: &str| -> Result<bool> {
            Ok(Search::new(&*flow::of(&context)?, &*kept.get(pattern)?, text).matches()?)
        },
    );
    let kept = patterns.clone();
    shelf.add(
        "text.capture(pattern: string) -> string | ()",
        "What the first group matched, or the whole expression if it has none; `()` if it does not match.",
        move |context: NativeCallContext<'_>, text: &str, pattern: &str| -> Result<Dynamic> {
            Ok(or_unit(Search::new(&*flow::of(&context)?, &*kept.get(pattern)?, text).first()?))
        },
    );
    let kept = patterns.clone();
    shelf.add(
        "text.capture_all(pattern: string) -> array",
        "The same for every match.",
        move |context: NativeCallContext<'_>, text: &str, pattern: &str| -> Result<Array> {
            Ok(Search::new(&*flow::of(&context)?, &*kept.get(pattern)?, text).all()?)
        },
    );
    let kept = patterns.clone();
    shelf.add(
        "page.matches(pattern: string) -> bool",
        "Whether the regular expression matches anywhere in the body.",
        move |context: NativeCallContext<'_>, page: &mut Page, pattern: &str| -> Result<bool> {
            Ok(Search::new(&*flow::of(&context)?, &*kept.get(pattern)?, &page.text()).matches()?)
        },
    );
    let kept = patterns.clone();
    shelf.add(
        "page.capture(pattern: string) -> string | ()",
        "What the first group matched in the body.",
        move |context: NativeCallContext<'_>, page: &mut Page, pattern: &str| -> Result<Dynamic> {
            Ok(or_unit(Search::new(&*flow::of(&context)?, &*kept.get(pattern)?, &page.text()).first()?))
        },
    );
    shelf.add(
        "page.capture_all(pattern: string) -> array",
        "The same for every match in the body.",
        move |context: NativeCallContext<'_>, page: &mut Page, pattern: &str| -> Result<Array> {
            Ok(Search::new(&*flow::of(&context)?, &*patterns.get(pattern)?, &page.text()).all()?)
        },
    );
}

/// A compiled pattern.
#[derive(Debug)]
struct Pattern {
    source: String,
    lazy: lazy::Regex,
    /// What the lazy DFA has found out, for whoever searches next.
    cache: Mutex<Option<lazy::Cache>>,
    simulation: pikevm::PikeVM,
}

impl Pattern {
    fn compile(source: &str) -> std::result::Result<Self, Ending> {
        if source.len() > MAX_PATTERN_BYTES {
            let reason = format!("a regular expression of more than {MAX_PATTERN_BYTES} bytes is not compiled");
            return Err(Ending::Inconclusive(reason));
        }
        let refused =
            |why: &str| Ending::Inconclusive(format!("'{source}' is no regular expression that is compiled: {why}"));
        let too_large = || {
            let limit = MAX_COMPILED_BYTES / 1024;
            refused(&format!("it takes more than {limit} KiB; use shorter repetitions, or '[0-9]' for '\\d'"))
        };
        let (words, size) = (
            syntax::Config::new().nest_limit(MAX_NESTING),
            thompson::Config::new().nfa_size_limit(Some(MAX_COMPILED_BYTES)),
        );
        let simulation = pikevm::PikeVM::builder().syntax(words).thompson(size.clone()).build(source);
        let simulation = simulation.map_err(|error| match (error.size_limit(), error.source()) {
            (None, Some(cause)) => {
                let text = cause.to_string();
                // Several lines with the pattern and a caret; the last says what is wrong.
                refused(text.lines().last().unwrap_or_default().trim_start_matches("error: "))
            }
            _ => too_large(),
        })?;
        let limits = dfa::Config::new()
            .cache_capacity(MAX_DFA_BYTES)
            .minimum_cache_clear_count(Some(3))
            .minimum_bytes_per_state(Some(10))
            .unicode_word_boundary(true);
        let lazy = lazy::Regex::builder().syntax(words).thompson(size).dfa(limits).build(source);
        let lazy = lazy.map_err(|_| too_large())?;
        Ok(Self { source: source.to_owned(), lazy, cache: Mutex::new(None), simulation })
    }

    fn has_groups(&self) -> bool {
        self.simulation.get_nfa().group_info().all_group_len() > 1
    }
}

/// A pattern at work on a text.
struct Search<'s> {
    flow: &'s Flow,
    pattern: &'s Pattern,
    text: &'s str,
    cache: Option<lazy::Cache>,
    /// What is left of [`MAX_SIMULATED`].
    budget: usize,
}

impl<'s> Search<'s> {
    fn new(flow: &'s Flow, pattern: &'s Pattern, text: &'s str) -> Self {
        let cache = pattern.cache.lock().unwrap_or_else(PoisonError::into_inner).take();
        Self { flow, pattern, text, cache, budget: MAX_SIMULATED }
    }

    fn matches(mut self) -> std::result::Result<bool, Ending> {
        let input = Input::new(self.text).earliest(true);
        self.find(&input).map(|found| found.is_some())
    }

    fn first(mut self) -> std::result::Result<Option<String>, Ending> {
        let found = self.find(&Input::new(self.text))?;
        Ok(found.map(|found| self.wanted(&found)).transpose()?.flatten())
    }

    fn all(mut self) -> std::result::Result<Array, Ending> {
        let mut all = Array::new();
        let mut searcher = Searcher::new(Input::new(self.text));
        loop {
            let mut ended = None;
            let found = searcher.try_advance(|input| {
                // The ending is carried around the searcher, whose errors are of its own kind.
                self.find(input).map_err(|ending| {
                    ended = Some(ending);
                    MatchError::gave_up(input.start())
                })
            });
            let found = match (found, ended) {
                (_, Some(ending)) => return Err(ending),
                (found, None) => found.ok().flatten(),
            };
            let Some(found) = found else { return Ok(all) };
            if all.len() >= MAX_ARRAY_ITEMS {
                let source = &self.pattern.source;
                let reason = format!("the regular expression '{source}' matches more than {MAX_ARRAY_ITEMS} times");
                return Err(Ending::Inconclusive(reason));
            }
            all.extend(self.wanted(&found)?.map(Dynamic::from));
        }
    }

    /// Where the next match is.
    fn find(&mut self, input: &Input<'_>) -> std::result::Result<Option<Match>, Ending> {
        // A search cannot be interrupted, and many may follow each other in one operation of the script.
        if self.flow.watch.remaining().is_zero() {
            return Err(self.flow.out_of_time(None));
        }
        let lazy = &self.pattern.lazy;
        if let Ok(found) = lazy.try_search(self.cache.get_or_insert_with(|| lazy.create_cache()), input) {
            return Ok(found);
        }
        self.spend(input.end().saturating_sub(input.start()))?;
        let simulation = &self.pattern.simulation;
        Ok(simulation.find(&mut simulation.create_cache(), input.clone()))
    }

    /// The first group of a match, if it had a part in it; without groups the whole.
    fn wanted(&mut self, found: &Match) -> std::result::Result<Option<String>, Ending> {
        let range = if self.pattern.has_groups() {
            self.spend(found.len())?;
            let simulation = &self.pattern.simulation;
            let mut groups = simulation.create_captures();
            let input = Input::new(self.text).range(found.range()).anchored(Anchored::Yes);
            simulation.captures(&mut simulation.create_cache(), input, &mut groups);
            groups.get_group(1).map(|group| group.range())
        } else {
            Some(found.range())
        };
        Ok(range.and_then(|range| self.text.get(range)).map(str::to_owned))
    }

    fn spend(&mut self, bytes: usize) -> std::result::Result<(), Ending> {
        let states = self.pattern.simulation.get_nfa().states().len();
        let left = self.budget.checked_sub(states.saturating_mul(bytes.max(1)));
        self.budget = left.ok_or_else(|| {
            let (source, length) = (&self.pattern.source, self.text.len());
            let reason = format!(
                "the regular expression '{source}' takes too long on this text of {length} bytes; use shorter repetitions, \
                 '[0-9]' for '\\d' and '(?-u:\\b)' for '\\b', or match less"
            );
            Ending::Inconclusive(reason)
        })?;
        Ok(())
    }
}

impl Drop for Search<'_> {
    /// Gives back what the DFA has found out.
    fn drop(&mut self) {
        *self.pattern.cache.lock().unwrap_or_else(PoisonError::into_inner) = self.cache.take();
    }
}
