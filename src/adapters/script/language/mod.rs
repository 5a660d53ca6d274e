//! The check language: what a script can do besides computing. Each room registers its functions into one module, which
//! all engines share; what differs between probes comes from the [flow](super::flow) that the call belongs to.
//!
//! - *steps*: `step(name, || …)`, `expect(cond, message)`, `expect_status(page, code)`, `expect_contains(page, text)`,
//!   `expect_element(page, css)`, `fail(message)`, `inconclusive(message)`
//! - *requests*: `get(path)`, `post_form(path, #{…})`, `post_json(path, value)`, each with an options map
//!   `#{headers: #{…}, query: #{…}, follow: false}` as a last argument, and `cookie(name)`
//! - *reading*: `page.status .url .text .header(name) .json() .html()`, `select(css)` and `select_all(css)` on a page, a
//!   document or an element, `element.name .text .attr(name)`
//! - *context*: `target`, `site`, `vantage`, `param(name)`, `param(name, default)`, `secret(name)`

mod context;
mod reading;
mod requests;
mod steps;

use rhai::{Dynamic, EvalAltResult, Module};

/// What a host function returns.
type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// All host functions.
pub(super) fn module() -> Module {
    let mut module = Module::new();
    steps::register(&mut module);
    requests::register(&mut module);
    reading::register(&mut module);
    context::register(&mut module);
    module
}

pub(super) use context::{globals, names, scope};

/// A value that may be absent, as `()`.
fn or_unit<T: Into<Dynamic>>(value: Option<T>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Into::into)
}
