//! What can be said of a check without running it: what cannot work (errors) and what is unwise (warnings), each with its
//! place. `quorate check lint` prints it.
//!
//! It reads the syntax tree that the sandbox's own parser makes, so that it never disagrees with a run about what is a
//! call. It does not follow values: a function's name and number of arguments are known before a run, the types are not.
//! A line, or the one above it, with `// lint: allow RULE` silences a rule there.

mod facts;
mod header;
mod known;
mod literals;
mod shared;
mod tree;
mod unread;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rhai::Engine;

use super::engine::engine;
use super::error::ScriptError;
use super::limits::Limits;
use super::places::parse;
use super::runner::{MAX_SCRIPT_BYTES, ModuleScript};
use crate::config::{Excerpt, Place, Problem, Severity};
use crate::domain::Secrets;
use facts::{Facts, Step};
use header::Header;
use known::Known;
use shared::Shared;
use tree::Tree;

/// Judges checks, one after the other, and at the end what is said of all of them together.
pub struct Linter {
    engine: Engine,
    known: Known,
    shared: Option<Shared>,
    given: Option<BTreeSet<String>>,
    used: BTreeSet<String>,
    /// A script asks for a secret by a computed name: no secret can be called unused.
    computed: bool,
}

impl std::fmt::Debug for Linter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Linter").field("given", &self.given).finish_non_exhaustive()
    }
}

impl Linter {
    /// A linter that knows which secrets there are, if anybody told it.
    pub fn new(secrets: Option<&Secrets>) -> Self {
        let engine = engine(Limits::CEILING.body_bytes);
        let known = Known::of(&engine);
        let given = secrets.map(|secrets| secrets.names().map(str::to_owned).collect());
        Self { engine, known, shared: None, given, used: BTreeSet::new(), computed: false }
    }

    /// The scripts that follow share these files.
    pub fn shares(&mut self, library: &[ModuleScript]) {
        self.shared = Some(Shared::of(&self.engine, library));
    }

    /// What is to be said of one script, by place.
    pub fn script(&mut self, path: &Path, source: &str) -> Vec<Problem> {
        if source.len() > MAX_SCRIPT_BYTES {
            self.computed = true;
            let message = format!("the script has {} bytes, and at most {MAX_SCRIPT_BYTES} are read", source.len());
            return vec![Problem::in_file(Severity::Error, path, message)];
        }
        let ast = match parse(&self.engine, path, source) {
            Ok(ast) => ast,
            Err(error) => {
                // Nobody knows which secrets it would ask for.
                self.computed = true;
                return vec![match error {
                    ScriptError::Syntax { line, column, message, .. } => {
                        Problem::in_text(Severity::Error, path, source, Place { line, column }, message)
                    }
                    other => Problem::in_file(Severity::Error, path, other.to_string()),
                }];
            }
        };
        let tree = Tree::of(&ast);
        let facts = Facts::of(&tree);
        let mut page = Sheet { path, source, problems: Vec::new() };
        self.functions(&tree, &facts, &mut page);
        self.shared_functions(&facts, &mut page);
        self.secrets(&facts, &Header::of(source), &mut page);
        self.steps(&facts, &mut page);
        for (name, place) in unread::answers(&tree, &facts, &self.known) {
            let message = format!(
                "nobody looks at the answer of {name}(…), so a broken page passes: expect_status({name}(…), 200), say"
            );
            page.warn("unread-answer", place, &message);
        }
        for place in &facts.hosts {
            let message = "a host is written down, so the standby is never probed here: write a path from the root, \
                           use target, or take it from param(…)";
            page.warn("hard-coded-host", *place, message);
        }
        for (what, place) in &facts.passwords {
            let message = format!("{what} in the script's text: give it a name and ask for secret(\"name\")");
            page.hide("literal-secret", *place, &message);
        }
        page.problems.sort_by_key(|problem| (problem.place, problem.severity));
        page.problems
    }

    /// What is to be said of the secrets' file, after all scripts.
    pub fn unused(&self, file: &Path) -> Vec<Problem> {
        let given = self.given.iter().flatten().filter(|name| !self.computed && !self.used.contains(*name));
        given
            .map(|name| {
                let message = format!("no script here asks for the secret '{name}'");
                Problem::in_file(Severity::Warning, file, message)
            })
            .collect()
    }

    fn functions(&self, tree: &Tree, facts: &Facts, page: &mut Sheet<'_>) {
        for call in &facts.calls {
            let own = tree.arities(&call.name);
            let fits = self.known.has(&call.name, call.args + usize::from(call.method))
                || own.contains(&call.args)
                || facts.values.contains(&call.name);
            if !fits {
                page.error(call.place, &self.known.advice(call, &own, tree));
            }
        }
    }

    fn shared_functions(&self, facts: &Facts, page: &mut Sheet<'_>) {
        let Some(shared) = &self.shared else { return };
        for (module, place) in facts.imported.iter().filter(|(module, _)| !shared.has(module)) {
            let message = format!(
                "there is no shared file '{module}': \"lib/NAME\" is NAME.rhai in the folder lib beside the check"
            );
            page.error(*place, &message);
        }
        for call in &facts.qualified {
            if let Some(advice) = shared.advice(call, &facts.imports) {
                page.error(call.place, &advice);
            }
        }
    }

    fn secrets(&mut self, facts: &Facts, header: &Header, page: &mut Sheet<'_>) {
        let mut asked = BTreeSet::new();
        let mut computed = false;
        for (name, place) in &facts.secrets {
            let Some(name) = name else {
                computed = true;
                continue;
            };
            let first = asked.insert(name.clone());
            if let Some(given) = &self.given
                && !given.contains(name)
            {
                let near = crate::config::nearest(name, given.iter().map(String::as_str));
                let meant = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
                page.error(*place, &format!("the file of secrets has no '{name}'{meant}"));
            } else if first && header.lists_secrets && !header.secrets.contains_key(name) {
                let message = format!("the comment at the top lists the secrets, and not '{name}': add it there");
                page.warn("secret-not-listed", *place, &message);
            }
        }
        for (name, place) in &header.secrets {
            if !computed && !asked.contains(name) {
                let message = format!("the comment lists the secret '{name}', and nothing asks for it: remove it");
                page.warn("listed-secret-unused", *place, &message);
            }
        }
        self.used.append(&mut asked);
        self.computed |= computed;
    }

    fn steps(&self, facts: &Facts, page: &mut Sheet<'_>) {
        let mut first: BTreeMap<&str, &Step> = BTreeMap::new();
        for step in &facts.steps {
            let expects = |name: &str| {
                let shared = |shared: &Shared| shared.expects(name, &facts.imports, &self.known);
                self.known.expects(name) || (name.contains("::") && self.shared.as_ref().is_none_or(shared))
            };
            if !step.reaches(facts, expects) {
                let message = "the step expects nothing, so it passes whatever the site answers: \
                               expect_status(page, 200), expect_element(page, css), expect(condition, message), …";
                page.warn("step-without-expectation", step.place, message);
            }
            let Some(name) = &step.name else { continue };
            match first.get(name.as_str()) {
                Some(before) => {
                    let line = before.place.line;
                    let message =
                        format!("a second step '{name}', which reports cannot tell from the one on line {line}");
                    page.warn("step-name-twice", step.place, &message);
                }
                None => {
                    first.insert(name, step);
                }
            }
        }
    }
}

/// The problems of one script under way.
struct Sheet<'a> {
    path: &'a Path,
    source: &'a str,
    problems: Vec<Problem>,
}

impl Sheet<'_> {
    fn error(&mut self, place: Place, message: &str) {
        self.push(Severity::Error, place, message, true);
    }

    fn warn(&mut self, rule: &str, place: Place, message: &str) {
        if !header::allows(self.source, place.line, rule) {
            self.push(Severity::Warning, place, &format!("{message} [{rule}]"), true);
        }
    }

    /// A warning whose line is not shown.
    fn hide(&mut self, rule: &str, place: Place, message: &str) {
        if !header::allows(self.source, place.line, rule) {
            self.push(Severity::Warning, place, &format!("{message} [{rule}]"), false);
        }
    }

    fn push(&mut self, severity: Severity, place: Place, message: &str, show: bool) {
        let line = self.source.lines().nth(place.line.saturating_sub(1)).filter(|_| show);
        let excerpt = line.map(|line| Excerpt { text: line.to_owned(), width: width(line, place.column) });
        let (file, message) = (self.path.to_owned(), message.to_owned());
        self.problems.push(Problem { severity, file, place: Some(place), message, excerpt });
    }
}

/// How many characters are meant: a word, or a text between its quotes.
fn width(line: &str, column: usize) -> usize {
    let rest: Vec<char> = line.chars().skip(column.saturating_sub(1)).collect();
    let count = match rest.first() {
        Some(quote @ ('"' | '`')) => rest.iter().skip(1).position(|c| c == quote).map_or(1, |end| end + 2),
        _ => rest.iter().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).count(),
    };
    count.max(1)
}
