//! The functions that a check can call: the language's own, and those of Rhai's packages that the sandbox loads.

use std::collections::{BTreeMap, BTreeSet};

use rhai::Engine;

use super::facts::Call;
use super::tree::Tree;
use crate::adapters::script::language::{Entry, entries};

/// What the interpreter itself answers, with the numbers of arguments.
const KEYWORDS: [(&str, &[usize]); 7] = [
    ("Fn", &[1]),
    ("debug", &[0, 1]),
    ("is_def_fn", &[2]),
    ("is_def_var", &[1]),
    ("is_shared", &[1]),
    ("print", &[0, 1]),
    ("type_of", &[1]),
];
/// What it answers with any number of them; nobody can write `curry`, it is how a closure captures variables.
const WITH_ANY: [&str; 2] = ["call", "curry"];
/// Functions that end a probe when the site is not as it should be, besides `expect…` and those whose sentence says that
/// they fail.
const EXPECTING: [&str; 3] = ["fail", "inconclusive", "submit"];

/// The functions by name.
pub(super) struct Known {
    arities: BTreeMap<String, BTreeSet<usize>>,
    entries: Vec<Entry>,
}

impl Known {
    /// Asks the engine.
    pub(super) fn of(engine: &Engine) -> Self {
        let natives = engine.collect_fn_metadata(
            None,
            |function| Some((function.metadata.name.to_string(), function.metadata.num_params)),
            true,
        );
        let mut arities: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let keywords = KEYWORDS.iter().flat_map(|(name, counts)| counts.iter().map(|n| ((*name).to_owned(), *n)));
        for (name, count) in natives.into_iter().chain(keywords) {
            arities.entry(name).or_default().insert(count);
        }
        Self { arities, entries: entries() }
    }

    /// Whether there is such a function with that many arguments.
    pub(super) fn has(&self, name: &str, args: usize) -> bool {
        WITH_ANY.contains(&name) || self.arities.get(name).is_some_and(|counts| counts.contains(&args))
    }

    /// Whether it can end the probe because of what the site did.
    pub(super) fn expects(&self, name: &str) -> bool {
        let says_so = |entry: &Entry| entry.name() == name && entry.doc.to_ascii_lowercase().contains("fails");
        name.starts_with("expect") || EXPECTING.contains(&name) || self.entries.iter().any(says_so)
    }

    /// Whether it asks the site for a page: it gives one, and is not given one.
    pub(super) fn requests(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| {
            let (call, gives) = entry.signature.split_once(" -> ").unwrap_or((entry.signature, ""));
            entry.name() == name && gives == "Page" && !call.contains("(page: Page") && !call.contains('.')
        })
    }

    /// What is wrong with a call that fits nothing, and what was meant.
    pub(super) fn advice(&self, call: &Call, own: &[usize], tree: &Tree) -> String {
        let name = &call.name;
        let known = self.arities.get(name);
        if known.is_none() && own.is_empty() {
            let names =
                self.arities.keys().map(String::as_str).filter(|name| !name.contains('$')).chain(tree.names());
            return match crate::config::nearest(name, names) {
                Some(near) => format!("there is no function '{name}'; did you mean {}?", self.signature(near)),
                None => format!("there is no function '{name}'; `quorate check schema` lists all of the language"),
            };
        }
        let receiver = usize::from(call.method);
        let natives = known.into_iter().flatten().map(|count| count.saturating_sub(receiver));
        let counts: BTreeSet<usize> = natives.chain(own.iter().copied()).collect();
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        let signatures: Vec<&str> =
            self.entries.iter().filter(|entry| entry.name() == name).map(|entry| entry.signature).collect();
        let ways = if signatures.is_empty() { String::new() } else { format!(": {}", signatures.join(", or ")) };
        let arguments = if counts == ["1"] { "argument" } else { "arguments" };
        format!("'{name}' takes {} {arguments}, and here it gets {}{ways}", counts.join(" or "), call.args)
    }

    fn signature(&self, name: &str) -> String {
        let entry = self.entries.iter().find(|entry| entry.name() == name);
        entry.map_or_else(|| format!("'{name}'"), |entry| entry.signature.to_owned())
    }
}
