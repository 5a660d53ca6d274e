//! The check language: what a script can do besides computing. Each room registers its functions into one module, which
//! all engines share; what differs between probes comes from the [flow](super::flow) that the call belongs to.
//!
//! Every function is entered on the shelf with its signature and a sentence, which `quorate check schema` prints.

mod code_flow;
mod codes;
mod context;
mod controls;
mod data;
mod forms;
mod logins;
mod measures;
mod net;
mod options;
mod patterns;
mod reading;
mod requests;
mod sending;
mod shelf;
mod steps;
mod tokens;
mod urls;

use rhai::{Dynamic, EvalAltResult, Module};

/// What a host function returns.
type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// All host functions.
pub(super) fn module() -> Module {
    shelf().module
}

/// What there is to say of all of them.
pub fn entries() -> Vec<Entry> {
    shelf().entries
}

fn shelf() -> Shelf {
    let mut shelf = Shelf::default();
    steps::register(&mut shelf);
    requests::register(&mut shelf);
    reading::register(&mut shelf);
    data::register(&mut shelf);
    patterns::register(&mut shelf);
    urls::register(&mut shelf);
    forms::register(&mut shelf);
    codes::register(&mut shelf);
    logins::register(&mut shelf);
    code_flow::register(&mut shelf);
    tokens::register(&mut shelf);
    net::register(&mut shelf);
    context::register(&mut shelf);
    measures::register(&mut shelf);
    shelf
}

use shelf::Shelf;

pub(super) use context::{names, scope, values, watch_names};
pub use shelf::Entry;

/// A value that may be absent, as `()`.
fn or_unit<T: Into<Dynamic>>(value: Option<T>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Into::into)
}
