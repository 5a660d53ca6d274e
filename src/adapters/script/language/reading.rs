//! Reading answers: pages, documents, elements.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rhai::{Array, Dynamic, Map, NativeCallContext};
use scraper::Selector;
use serde::de::DeserializeOwned;

use super::steps::kind_of;
use super::{Result, Shelf, or_unit};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::engine::MAX_ARRAY_ITEMS;
use crate::adapters::script::flow::{self, Flow};
use crate::adapters::script::page::{Document, Element, Page};

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("reading answers");
    shelf.module.set_custom_type::<Page>("Page");
    shelf.module.set_custom_type::<Document>("Document");
    shelf.module.set_custom_type::<Element>("Element");

    shelf
        .getter("page.status -> int", "The status code.", |page: &mut Page| i64::from(page.answer().status.as_u16()));
    shelf.getter("page.url -> string", "Where the page is from, after redirects.", |page: &mut Page| {
        page.answer().url.to_string()
    });
    shelf.getter("page.text -> string", "The body.", |page: &mut Page| page.text());
    shelf.add(
        "page.header(name: string) -> string | ()",
        "The first header with that name.",
        |page: &mut Page, name: &str| or_unit(page.header(name)),
    );
    shelf.add("page.html() -> Document", "The body as an HTML document.", |page: &mut Page| -> Result<Document> {
        Ok(page.document()?)
    });
    shelf.add("page.json() -> any", "The body as JSON; fails if it is none.", json);

    shelf.getter(
        "page.http -> string",
        "The protocol of the answer: `HTTP/1.1` or `HTTP/2.0`.",
        |page: &mut Page| format!("{:?}", page.answer().version),
    );
    shelf.getter(
        "page.redirects -> array",
        "The URLs that redirects led through, the first and the last among them; empty without any.",
        |page: &mut Page| page.answer().chain.iter().map(|url| Dynamic::from(url.to_string())).collect::<Array>(),
    );
    shelf.getter(
        "page.timings -> map",
        "How long the last request took, in milliseconds: `dns`, `connect`, `tls`, `first_byte`, `body`, `total`.",
        timings,
    );

    shelf.getter("element.name -> string", "The element's name, `form` say.", |element: &mut Element| element.name());
    shelf.getter("element.text -> string", "The text inside, its blanks joined.", |element: &mut Element| {
        element.text()
    });
    shelf.add(
        "element.attr(name: string) -> string | ()",
        "The attribute's value.",
        |element: &mut Element, name: &str| or_unit(element.attr(name)),
    );

    shelf.add(
        "page.select(css: string) -> Element | ()",
        "The first element that matches the CSS selector.",
        |page: &mut Page, css: &str| -> Result<Dynamic> {
            Ok(or_unit(page.first(css, &*selector(css)?)?.map(Dynamic::from)))
        },
    );
    shelf.add(
        "document.select(css: string) -> Element | ()",
        "The same on a document.",
        |document: &mut Document, css: &str| -> Result<Dynamic> { Ok(first(document.select(&*selector(css)?, 1))) },
    );
    shelf.add(
        "element.select(css: string) -> Element | ()",
        "The same within an element.",
        |element: &mut Element, css: &str| -> Result<Dynamic> { Ok(first(element.select(&*selector(css)?, 1))) },
    );
    shelf.add(
        "page.select_all(css: string) -> array",
        "All elements that match the CSS selector.",
        |page: &mut Page, css: &str| -> Result<Array> {
            Ok(all(page.document()?.select(&*selector(css)?, MAX_ARRAY_ITEMS)))
        },
    );
    shelf.add(
        "document.select_all(css: string) -> array",
        "The same on a document.",
        |document: &mut Document, css: &str| -> Result<Array> {
            Ok(all(document.select(&*selector(css)?, MAX_ARRAY_ITEMS)))
        },
    );
    shelf.add(
        "element.select_all(css: string) -> array",
        "The same within an element.",
        |element: &mut Element, css: &str| -> Result<Array> {
            Ok(all(element.select(&*selector(css)?, MAX_ARRAY_ITEMS)))
        },
    );
}

fn timings(page: &mut Page) -> Map {
    let timings = page.answer().timings;
    let ms = |time: std::time::Duration| Dynamic::from(time.as_secs_f64() * 1_000.0);
    let parts = [
        ("dns", timings.dns),
        ("connect", timings.connect),
        ("tls", timings.tls),
        ("first_byte", timings.first_byte),
        ("body", timings.body),
    ];
    let total = parts.iter().map(|(_, time)| *time).sum();
    parts.into_iter().chain([("total", total)]).map(|(name, time)| (name.into(), ms(time))).collect()
}

/// How many compiled selectors a worker keeps; a set of checks has fewer.
const MAX_KEPT: usize = 256;
/// The longest selector that is kept, in bytes.
const MAX_KEPT_BYTES: usize = 1_000;

thread_local! {
    /// Compiled selectors: compiling one takes longer than to skim most pages for it.
    static KEPT: RefCell<BTreeMap<String, Rc<Selector>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The compiled selector.
pub(super) fn selector(css: &str) -> std::result::Result<Rc<Selector>, Ending> {
    if let Some(selector) = KEPT.with(|kept| kept.borrow().get(css).cloned()) {
        return Ok(selector);
    }
    let compiled =
        Selector::parse(css).map_err(|error| Ending::Inconclusive(format!("'{css}' is no CSS selector: {error}")))?;
    let compiled = Rc::new(compiled);
    if css.len() <= MAX_KEPT_BYTES {
        KEPT.with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
            kept.insert(css.to_owned(), Rc::clone(&compiled));
        });
    }
    Ok(compiled)
}

fn first(mut found: Vec<Element>) -> Dynamic {
    found.pop().map_or(Dynamic::UNIT, Dynamic::from)
}

fn all(found: Vec<Element>) -> Array {
    found.into_iter().map(Dynamic::from).collect()
}

fn json(context: NativeCallContext<'_>, page: &mut Page) -> Result<Dynamic> {
    Ok(parsed(&*flow::of(&context)?, page)?)
}

/// The body as JSON. An answer that is none is the site's fault: the check asked for JSON.
pub(super) fn parsed<T: DeserializeOwned>(flow: &Flow, page: &Page) -> std::result::Result<T, Ending> {
    serde_json::from_str(&page.text()).map_err(|error| {
        Ending::Fail(kind_of(page), format!("wanted JSON ({error}), got {}", page.summary(&flow.struck())))
    })
}
