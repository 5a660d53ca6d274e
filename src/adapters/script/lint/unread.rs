//! Requests whose answer nobody looks at.

use std::cell::RefCell;
use std::collections::BTreeSet;

use rhai::{Expr, FnCallExpr, Position, Stmt};

use super::facts::Facts;
use super::known::Known;
use super::tree::{Tree, closure, place};
use crate::config::Place;

/// The requests, by place.
pub(super) fn answers(tree: &Tree, facts: &Facts, known: &Known) -> Vec<(String, Place)> {
    // A request may be made for its cookie.
    let cookies: Vec<Place> =
        facts.calls.iter().filter(|call| call.name.starts_with("cookie")).map(|call| call.place).collect();
    let search = Search { tree, facts, known, seen: RefCell::default(), found: RefCell::default() };
    for body in tree.bodies.iter().filter(|body| body.name.as_ref().is_none_or(|name| !name.contains('$'))) {
        // The value of a whole script is nobody's; a function's is its caller's.
        search.block(&body.statements, body.name.is_some());
    }
    for body in &tree.bodies {
        if let Some(name) = body.name.as_ref().filter(|name| name.contains('$')) {
            search.closure(name, true);
        }
    }
    let mut found = search.found.into_inner();
    found.retain(|(_, at)| !cookies.iter().any(|cookie| cookie > at));
    found.sort_by_key(|(_, at)| *at);
    found
}

struct Search<'a> {
    tree: &'a Tree,
    facts: &'a Facts,
    known: &'a Known,
    seen: RefCell<BTreeSet<String>>,
    found: RefCell<Vec<(String, Place)>>,
}

impl Search<'_> {
    /// The value of a block is its last statement's, with or without a semicolon.
    fn block(&self, statements: &[Stmt], used: bool) {
        let last = statements.len().saturating_sub(1);
        for (index, statement) in statements.iter().enumerate() {
            self.statement(statement, used && index == last);
        }
    }

    fn statement(&self, statement: &Stmt, used: bool) {
        match statement {
            Stmt::FnCall(call, position) => self.call(call, *position, used),
            Stmt::Expr(expr) => self.expression(expr, used),
            Stmt::Var(var, ..) => self.expression(&var.1, self.facts.mentioned.contains(var.0.name.as_str())),
            Stmt::Block(block) => self.block(block.statements(), used),
            Stmt::If(parts, _) => {
                self.expression(&parts.expr, true);
                self.block(parts.body.statements(), used);
                self.block(parts.branch.statements(), used);
            }
            Stmt::TryCatch(parts, _) => {
                self.block(parts.body.statements(), used);
                self.block(parts.branch.statements(), used);
            }
            Stmt::While(parts, _) | Stmt::Do(parts, ..) => {
                self.expression(&parts.expr, true);
                self.block(parts.body.statements(), false);
            }
            Stmt::For(parts, _) => {
                self.expression(&parts.2.expr, true);
                self.block(parts.2.body.statements(), false);
            }
            Stmt::Switch(parts, _) => {
                self.expression(&parts.0, true);
                for case in &parts.1.expressions {
                    self.expression(&case.lhs, true);
                    self.expression(&case.rhs, used);
                }
            }
            Stmt::Assignment(parts) => self.expression(&parts.1.rhs, true),
            Stmt::Return(Some(value), ..) | Stmt::BreakLoop(Some(value), ..) => self.expression(value, true),
            _ => {}
        }
    }

    fn expression(&self, expr: &Expr, used: bool) {
        match expr {
            Expr::FnCall(call, position) => self.call(call, *position, used),
            Expr::Stmt(block) => self.block(block.statements(), used),
            Expr::MethodCall(call, _) => call.args.iter().for_each(|arg| self.expression(arg, true)),
            Expr::Dot(pair, ..) | Expr::Index(pair, ..) => {
                self.expression(&pair.lhs, true);
                self.expression(&pair.rhs, true);
            }
            Expr::And(all, _) | Expr::Or(all, _) | Expr::Coalesce(all, _) => {
                all.iter().for_each(|each| self.expression(each, true));
            }
            Expr::Array(all, _) | Expr::InterpolatedString(all, _) => {
                all.iter().for_each(|each| self.expression(each, true));
            }
            Expr::Map(map, _) => map.0.iter().for_each(|(_, value)| self.expression(value, true)),
            _ => {}
        }
    }

    fn call(&self, call: &FnCallExpr, position: Position, used: bool) {
        if !used && self.known.requests(&call.name) {
            self.found.borrow_mut().push((call.name.to_string(), place(position)));
        }
        if let ("step", [_, .., body]) = (call.name.as_str(), call.args.as_slice())
            && let Some(name) = closure(body)
        {
            return self.closure(&name, used);
        }
        call.args.iter().for_each(|arg| self.expression(arg, true));
    }

    /// A step gives back its closure's value; whoever else is given a closure may look at it.
    fn closure(&self, name: &str, used: bool) {
        if self.seen.borrow_mut().insert(name.to_owned())
            && let Some(body) = self.tree.body(name)
        {
            self.block(&body.statements, used);
        }
    }
}
