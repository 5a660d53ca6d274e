//! Reading answers: pages, documents, elements.

use rhai::{Array, Dynamic, NativeCallContext};
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
    shelf.add("page.html() -> Document", "The body as an HTML document.", |page: &mut Page| page.document());
    shelf.add("page.json() -> any", "The body as JSON; fails if it is none.", json);

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
        |page: &mut Page, css: &str| -> Result<Dynamic> { Ok(first(page.document().select(&selector(css)?, 1))) },
    );
    shelf.add(
        "document.select(css: string) -> Element | ()",
        "The same on a document.",
        |document: &mut Document, css: &str| -> Result<Dynamic> { Ok(first(document.select(&selector(css)?, 1))) },
    );
    shelf.add(
        "element.select(css: string) -> Element | ()",
        "The same within an element.",
        |element: &mut Element, css: &str| -> Result<Dynamic> { Ok(first(element.select(&selector(css)?, 1))) },
    );
    shelf.add(
        "page.select_all(css: string) -> array",
        "All elements that match the CSS selector.",
        |page: &mut Page, css: &str| -> Result<Array> {
            Ok(all(page.document().select(&selector(css)?, MAX_ARRAY_ITEMS)))
        },
    );
    shelf.add(
        "document.select_all(css: string) -> array",
        "The same on a document.",
        |document: &mut Document, css: &str| -> Result<Array> {
            Ok(all(document.select(&selector(css)?, MAX_ARRAY_ITEMS)))
        },
    );
    shelf.add(
        "element.select_all(css: string) -> array",
        "The same within an element.",
        |element: &mut Element, css: &str| -> Result<Array> {
            Ok(all(element.select(&selector(css)?, MAX_ARRAY_ITEMS)))
        },
    );
}

/// The compiled selector.
pub(super) fn selector(css: &str) -> std::result::Result<Selector, Ending> {
    Selector::parse(css).map_err(|error| Ending::Inconclusive(format!("'{css}' is no CSS selector: {error}")))
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
        Ending::Fail(kind_of(page), format!("wanted JSON ({error}), got {}", page.summary(&flow.kit.secrets)))
    })
}
