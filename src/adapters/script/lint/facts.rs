//! What a script says, gathered in one walk: calls, steps, secrets, texts.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::literals;
use super::tree::{Body, Tree, closure, function_of, place};
use crate::config::Place;

/// One call.
pub(super) struct Call {
    pub(super) name: String,
    pub(super) args: usize,
    /// Written `thing.name(…)`: the thing is one more argument.
    pub(super) method: bool,
    pub(super) place: Place,
}

/// One call of a shared function, `module::name(…)`.
pub(super) struct Qualified {
    /// What the file was imported as.
    pub(super) module: String,
    pub(super) name: String,
    pub(super) args: usize,
    pub(super) place: Place,
}

/// One `step(…)`.
pub(super) struct Step {
    /// The name, if it is a text.
    pub(super) name: Option<String>,
    pub(super) place: Place,
    body: Option<String>,
}

/// All that is said.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) calls: Vec<Call>,
    pub(super) qualified: Vec<Qualified>,
    /// The shared files by what they are imported as; no name if it is computed.
    pub(super) imports: BTreeMap<String, Option<String>>,
    /// Where each is imported.
    pub(super) imported: Vec<(String, Place)>,
    pub(super) steps: Vec<Step>,
    /// The secrets asked for; no name if it is computed.
    pub(super) secrets: Vec<(Option<String>, Place)>,
    pub(super) hosts: Vec<Place>,
    pub(super) passwords: Vec<(String, Place)>,
    /// The variables that are read.
    pub(super) mentioned: BTreeSet<String>,
    /// What may hold a function: variables, parameters, the properties of maps.
    pub(super) values: BTreeSet<String>,
    /// What each body calls or makes a closure of.
    reaches: BTreeMap<String, BTreeSet<String>>,
}

impl Facts {
    /// Walks the tree.
    pub(super) fn of(tree: &Tree) -> Self {
        let mut facts = Self::default();
        for body in &tree.bodies {
            facts.values.extend(body.params.iter().cloned());
            facts.gather(body);
        }
        facts.steps.sort_by_key(|step| step.place);
        facts
    }

    fn gather(&mut self, body: &Body) {
        let mut reached = BTreeSet::new();
        body.walk(&mut |path| match path.last() {
            Some(ASTNode::Stmt(statement)) => self.statement(statement, &mut reached),
            Some(ASTNode::Expr(expr)) => self.expression(expr, path, &mut reached),
            _ => {}
        });
        self.reaches.insert(body.name.clone().unwrap_or_default(), reached);
    }

    fn statement(&mut self, statement: &Stmt, reached: &mut BTreeSet<String>) {
        match statement {
            Stmt::FnCall(call, position) => self.call(call, *position, false, reached),
            Stmt::Var(var, ..) => {
                self.values.insert(var.0.name.to_string());
                self.named(&var.0.name, &var.1);
            }
            Stmt::Import(import, _) => {
                let (path, alias) = (text(&import.0), import.1.name.to_string());
                self.imported.extend(path.clone().map(|path| (path, place(import.0.position()))));
                // Of two with one name nobody knows which is meant.
                let other = self.imports.get(&alias).is_some_and(|known| *known != path);
                self.imports.insert(alias, path.filter(|_| !other));
            }
            Stmt::For(each, _) => {
                self.values.insert(each.0.name.to_string());
            }
            Stmt::Assignment(assignment) => {
                let (left, right) = (&assignment.1.lhs, &assignment.1.rhs);
                if let Some(name) = literals::last_name(left) {
                    self.named(&name, right);
                }
            }
            _ => {}
        }
    }

    fn expression(&mut self, expr: &Expr, path: &[ASTNode<'_>], reached: &mut BTreeSet<String>) {
        match expr {
            Expr::FnCall(call, position) => self.call(call, *position, false, reached),
            Expr::MethodCall(call, position) => self.call(call, *position, true, reached),
            Expr::Variable(variable, ..) => {
                self.mentioned.insert(variable.1.to_string());
            }
            Expr::Map(map, _) => {
                for (key, value) in &map.0 {
                    self.values.insert(key.name.to_string());
                    self.named(&key.name, value);
                }
            }
            Expr::DynamicConstant(value, _) => reached.extend(function_of(value)),
            Expr::StringConstant(text, position) => {
                if literals::is_host(text) && !is_argument_of(path, "param") {
                    self.hosts.push(place(*position));
                }
                if let Some(what) = literals::token(text) {
                    self.passwords.push((what.to_owned(), place(*position)));
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, method: bool, reached: &mut BTreeSet<String>) {
        if call.is_operator_call() || !call.name.starts_with(is_word_start) {
            return;
        }
        let at = place(position);
        if let [module, deeper @ ..] = call.namespace.path.as_slice() {
            let (module, name) = (module.name.to_string(), call.name.to_string());
            reached.insert(format!("{module}::{name}"));
            if deeper.is_empty() {
                self.qualified.push(Qualified { module, name, args: call.args.len(), place: at });
            }
            return;
        }
        reached.insert(call.name.to_string());
        match (call.name.as_str(), call.args.as_slice()) {
            ("step", [name, .., body]) => {
                self.steps.push(Step { name: text(name), place: place(name.position()), body: closure(body) });
            }
            ("secret", [name]) => self.secrets.push((text(name), place(name.position()))),
            ("param", [name, default]) => {
                if let Some(name) = text(name) {
                    self.named(&name, default);
                }
            }
            _ => {}
        }
        self.calls.push(Call { name: call.name.to_string(), args: call.args.len(), method, place: at });
    }

    /// Whether the body calls, by itself or through what it calls, such a function.
    pub(super) fn reaches(&self, body: &str, such: impl Fn(&str) -> bool) -> bool {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![body];
        while let Some(name) = open.pop() {
            if such(name) {
                return true;
            }
            if seen.insert(name) {
                open.extend(self.reaches.get(name).into_iter().flatten().map(String::as_str));
            }
        }
        false
    }

    /// A value gets a name.
    fn named(&mut self, name: &str, value: &Expr) {
        if let Expr::StringConstant(value, position) = value
            && literals::is_password(name, value)
        {
            self.passwords.push((format!("'{name}' stands"), place(*position)));
        }
    }
}

impl Step {
    /// Whether the step calls, by itself or through what it calls, such a function.
    pub(super) fn reaches(&self, facts: &Facts, such: impl Fn(&str) -> bool) -> bool {
        // A step that is given a function by a variable cannot be judged.
        let Some(body) = &self.body else { return true };
        facts.reaches(body, such)
    }
}

fn is_word_start(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_'
}

fn is_argument_of(path: &[ASTNode<'_>], function: &str) -> bool {
    let parent = path.len().checked_sub(2).and_then(|at| path.get(at));
    match parent {
        Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => call.name == function,
        _ => false,
    }
}

/// The text that an expression is.
fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::StringConstant(text, _) => Some(text.to_string()),
        _ => None,
    }
}
