//! The files that checks share, as far as a check's calls into them go: which functions there are, and whether they can fail.

use std::collections::BTreeMap;

use rhai::{AST, Engine, FnAccess};

use super::facts::{Facts, Qualified};
use super::known::Known;
use super::tree::Tree;
use crate::adapters::script::places::parse;
use crate::adapters::script::runner::ModuleScript;

/// The shared files by the names by which they are imported.
#[derive(Default)]
pub(super) struct Shared(BTreeMap<String, File>);

struct File {
    /// The public functions, with the numbers of their arguments.
    functions: Vec<(String, usize)>,
    facts: Facts,
}

impl Shared {
    /// Reads them. One that does not parse is not judged here: it is a script of its own.
    pub(super) fn of(engine: &Engine, library: &[ModuleScript]) -> Self {
        let read = |module: &ModuleScript| {
            let ast = parse(engine, &module.path, &module.source).ok()?;
            let functions = public(&ast);
            Some((module.name.clone(), File { functions, facts: Facts::of(&Tree::of(&ast)) }))
        };
        Self(library.iter().filter_map(read).collect())
    }

    /// What is wrong with a call of a shared function, if anything is; `import` as the script has it.
    pub(super) fn advice(&self, call: &Qualified, imports: &BTreeMap<String, Option<String>>) -> Option<String> {
        // An import by a computed name cannot be judged, and neither can one that the parser knows and this does not.
        let module = imports.get(&call.module)?.as_ref()?;
        let file = self.0.get(module)?;
        let counts: Vec<usize> =
            file.functions.iter().filter(|(name, _)| *name == call.name).map(|(_, count)| *count).collect();
        if counts.contains(&call.args) {
            return None;
        }
        let (alias, name) = (&call.module, &call.name);
        if counts.is_empty() {
            let near = crate::config::nearest(name, file.functions.iter().map(|(name, _)| name.as_str()));
            let meant = near.map(|near| format!("; did you mean {alias}::{near}?")).unwrap_or_default();
            return Some(format!("'{module}' has no public function '{name}'{meant}"));
        }
        let arguments = if counts == [1] { "argument" } else { "arguments" };
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        Some(format!("'{alias}::{name}' takes {} {arguments}, and here it gets {}", counts.join(" or "), call.args))
    }

    /// Whether there is such a file, as far as can be told: without any, nobody has said where they are.
    pub(super) fn has(&self, module: &str) -> bool {
        self.0.contains_key(module)
    }

    /// Whether a shared function, `alias::name`, can end the probe because of what the site did. What cannot be told can.
    pub(super) fn expects(&self, called: &str, imports: &BTreeMap<String, Option<String>>, known: &Known) -> bool {
        let Some((alias, name)) = called.split_once("::") else { return false };
        let file = imports.get(alias).and_then(Option::as_ref).and_then(|module| self.0.get(module));
        // What it calls of another shared file is its own business.
        file.is_none_or(|file| file.facts.reaches(name, |name| known.expects(name) || name.contains("::")))
    }
}

/// In order: the parser keeps functions by hashes that differ from one build to the next.
fn public(ast: &AST) -> Vec<(String, usize)> {
    let public = ast.iter_functions().filter(|function| function.access == FnAccess::Public);
    let mut functions: Vec<_> = public.map(|function| (function.name.to_owned(), function.params.len())).collect();
    functions.sort_unstable();
    functions
}
