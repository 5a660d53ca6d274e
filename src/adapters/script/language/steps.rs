//! Steps and expectations.

use std::time::Duration;

use rhai::{Dynamic, FnPtr, ImmutableString, Map, NativeCallContext};

use super::{Result, Shelf, reading};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::page::{Element, Page};
use crate::domain::{FailureKind, Outcome};

/// The most tries of a step beside the first: more would hide that a site fails half of the time.
const MAX_RETRIES: i64 = 10;

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("steps");
    shelf.add(
        "step(name: string, body: closure) -> any",
        "Runs the closure as a step, which has a line in the timeline, and gives back its value. Steps may nest.",
        step,
    );
    shelf.add(
        "step(name: string, options: map, body: closure) -> any",
        "The same with `#{retries: n, pause: \"1s\"}`: a step that fails is tried again so often. One that could not tell is not.",
        step_with,
    );
    shelf.add(
        "defer(body: closure)",
        "Runs the closure when the script has ended, however it has; what was deferred last comes first. It changes no outcome.",
        defer,
    );
    shelf.add(
        "expect(holds: bool, message: string)",
        "Fails with the message, and with what the last answer was, unless the condition holds.",
        expect,
    );
    shelf.add(
        "expect_status(page: Page, code: int) -> Page",
        "Fails unless the answer has this status.",
        expect_status,
    );
    shelf.add(
        "expect_contains(page: Page, text: string) -> Page",
        "Fails unless the body contains the text.",
        expect_contains,
    );
    shelf.add(
        "expect_element(page: Page, css: string) -> Element",
        "Fails unless an element matches the CSS selector, and gives back the first that does.",
        expect_element,
    );
    shelf.add("fail(message: string)", "Ends the probe: the site misbehaved.", fail);
    shelf.add("inconclusive(message: string)", "Ends the probe: nothing can be said of the site.", inconclusive);
}

/// Runs the closure as a named step and gives back its value.
fn step(context: NativeCallContext<'_>, name: ImmutableString, body: FnPtr) -> Result<Dynamic> {
    run_step(&context, &name, &body)
}

fn run_step(context: &NativeCallContext<'_>, name: &str, body: &FnPtr) -> Result<Dynamic> {
    let flow = flow::of(context)?;
    let index = flow.open_step(name)?;
    let result = body.call_within_context::<Dynamic>(context, ());
    let outcome = match &result {
        Ok(_) => Outcome::Pass,
        Err(error) => Ending::outcome_of(error),
    };
    flow.close_step(index, outcome);
    result
}

/// Runs the closure as a step, and again if it failed.
fn step_with(context: NativeCallContext<'_>, name: ImmutableString, options: Map, body: FnPtr) -> Result<Dynamic> {
    let flow = flow::of(&context)?;
    let (mut retries, mut pause) = (0, Duration::ZERO);
    for (option, value) in options {
        let bad = |wanted: &str| Ending::Inconclusive(format!("the option '{option}' of a step must be {wanted}"));
        match option.as_str() {
            "retries" => {
                let count = value.as_int().ok().filter(|count| (0..=MAX_RETRIES).contains(count));
                retries = count.ok_or_else(|| bad(&format!("a whole number from 0 to {MAX_RETRIES}")))?;
            }
            "pause" => {
                let text = value.into_string().map_err(|_| bad("a time such as \"1s\""))?;
                pause = humantime::parse_duration(&text).map_err(|_| bad("a time such as \"1s\""))?;
            }
            _ => {
                return Err(Ending::Inconclusive(format!(
                    "unknown option '{option}' of a step: there are retries and pause"
                ))
                .into());
            }
        }
    }
    loop {
        let result = run_step(&context, &name, &body);
        let failed = result.as_ref().err().is_some_and(|error| Ending::outcome_of(error) == Outcome::Fail);
        // Without time for another try, this one stands.
        if !failed || retries == 0 || flow.watch.remaining() <= pause {
            return result;
        }
        retries -= 1;
        flow.guard.take_ending();
        flow.progress().set(format!("the pause before the next try of '{name}' did not end"));
        flow.wait(tokio::time::sleep(pause))?;
    }
}

fn defer(context: NativeCallContext<'_>, body: FnPtr) -> Result<()> {
    Ok(flow::of(&context)?.defer(body)?)
}

fn expect(context: NativeCallContext<'_>, holds: bool, message: ImmutableString) -> Result<()> {
    if holds {
        return Ok(());
    }
    let flow = flow::of(&context)?;
    Err(match flow.page() {
        Some(page) => {
            let got = page.summary(&flow.struck());
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
    if let Some(element) = page.first(&css, &selector)? {
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
    Ending::Fail(kind, format!("wanted {what}, got {}", page.summary(&flow.struck())))
}

/// An expectation that a 5xx answer does not meet is the server's error, whatever was expected of it.
pub(super) fn kind_of(page: &Page) -> FailureKind {
    if page.answer().status.is_server_error() { FailureKind::ServerError } else { FailureKind::Assertion }
}
