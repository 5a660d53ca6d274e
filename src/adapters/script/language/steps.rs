//! Steps and expectations.

use rhai::{Dynamic, FnPtr, FuncRegistration, ImmutableString, Module, NativeCallContext};

use super::{Result, reading};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::page::{Element, Page};
use crate::domain::{FailureKind, Outcome};

pub(super) fn register(module: &mut Module) {
    FuncRegistration::new("step").set_into_module(module, step);
    FuncRegistration::new("expect").set_into_module(module, expect);
    FuncRegistration::new("expect_status").set_into_module(module, expect_status);
    FuncRegistration::new("expect_contains").set_into_module(module, expect_contains);
    FuncRegistration::new("expect_element").set_into_module(module, expect_element);
    FuncRegistration::new("fail").set_into_module(module, fail);
    FuncRegistration::new("inconclusive").set_into_module(module, inconclusive);
}

/// Runs the closure as a named step and gives back its value.
fn step(context: NativeCallContext<'_>, name: ImmutableString, body: FnPtr) -> Result<Dynamic> {
    let flow = flow::of(&context)?;
    let index = flow.open_step(&name)?;
    let result = body.call_within_context::<Dynamic>(&context, ());
    let outcome = match &result {
        Ok(_) => Outcome::Pass,
        Err(error) => Ending::of(error, "").outcome(),
    };
    flow.close_step(index, outcome);
    result
}

fn expect(context: NativeCallContext<'_>, holds: bool, message: ImmutableString) -> Result<()> {
    if holds {
        return Ok(());
    }
    let flow = flow::of(&context)?;
    Err(match flow.page() {
        Some(page) => {
            let got = page.summary(&flow.kit.secrets);
            Ending::Fail(kind_of(&page), format!("{message}; the last answer was {got}"))
        }
        None => Ending::Fail(FailureKind::Assertion, message.to_string()),
    }
    .into())
}

fn expect_status(context: NativeCallContext<'_>, page: Page, code: i64) -> Result<Page> {
    let status = page.answer().status.as_u16();
    if i64::from(status) == code {
        return Ok(page);
    }
    let flow = flow::of(&context)?;
    let kind = match status {
        401 | 403 | 429 => FailureKind::Denied,
        _ => kind_of(&page),
    };
    Err(wanted(&flow, &page, kind, &format!("status {code}")).into())
}

fn expect_contains(context: NativeCallContext<'_>, page: Page, text: ImmutableString) -> Result<Page> {
    if page.text().contains(text.as_str()) {
        return Ok(page);
    }
    let flow = flow::of(&context)?;
    Err(wanted(&flow, &page, kind_of(&page), &format!("the text '{text}'")).into())
}

fn expect_element(context: NativeCallContext<'_>, page: Page, css: ImmutableString) -> Result<Element> {
    let selector = reading::selector(&css)?;
    if let Some(element) = page.document().select(&selector, 1).pop() {
        return Ok(element);
    }
    let flow = flow::of(&context)?;
    Err(wanted(&flow, &page, kind_of(&page), &format!("an element '{css}'")).into())
}

fn fail(context: NativeCallContext<'_>, message: ImmutableString) -> Result<()> {
    let kind = flow::of(&context)?.page().map_or(FailureKind::Assertion, |page| kind_of(&page));
    Err(Ending::Fail(kind, message.to_string()).into())
}

fn inconclusive(message: ImmutableString) -> Result<()> {
    Err(Ending::Inconclusive(message.to_string()).into())
}

fn wanted(flow: &Flow, page: &Page, kind: FailureKind, what: &str) -> Ending {
    Ending::Fail(kind, format!("wanted {what}, got {}", page.summary(&flow.kit.secrets)))
}

/// An expectation that a 5xx answer does not meet is the server's error, whatever was expected of it.
fn kind_of(page: &Page) -> FailureKind {
    if page.answer().status.is_server_error() { FailureKind::ServerError } else { FailureKind::Assertion }
}
