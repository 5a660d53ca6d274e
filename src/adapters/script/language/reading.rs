//! Reading answers: pages, documents, elements.

use rhai::{Array, Dynamic, FuncRegistration, Module, NativeCallContext};
use scraper::Selector;

use super::{Result, or_unit};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::engine::MAX_ARRAY_ITEMS;
use crate::adapters::script::flow;
use crate::adapters::script::page::{Document, Element, Page};
use crate::domain::FailureKind;

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Page>("Page");
    module.set_custom_type::<Document>("Document");
    module.set_custom_type::<Element>("Element");

    FuncRegistration::new_getter("status")
        .set_into_module(module, |page: &mut Page| i64::from(page.answer().status.as_u16()));
    FuncRegistration::new_getter("url").set_into_module(module, |page: &mut Page| page.answer().url.to_string());
    FuncRegistration::new_getter("text").set_into_module(module, |page: &mut Page| page.text());
    FuncRegistration::new("header").set_into_module(module, |page: &mut Page, name: &str| or_unit(page.header(name)));
    FuncRegistration::new("html").set_into_module(module, |page: &mut Page| page.document());
    FuncRegistration::new("json").set_into_module(module, json);

    FuncRegistration::new_getter("name").set_into_module(module, |element: &mut Element| element.name());
    FuncRegistration::new_getter("text").set_into_module(module, |element: &mut Element| element.text());
    FuncRegistration::new("attr")
        .set_into_module(module, |element: &mut Element, name: &str| or_unit(element.attr(name)));

    FuncRegistration::new("select").set_into_module(module, |page: &mut Page, css: &str| -> Result<Dynamic> {
        Ok(first(page.document().select(&selector(css)?, 1)))
    });
    FuncRegistration::new("select")
        .set_into_module(module, |document: &mut Document, css: &str| -> Result<Dynamic> {
            Ok(first(document.select(&selector(css)?, 1)))
        });
    FuncRegistration::new("select").set_into_module(module, |element: &mut Element, css: &str| -> Result<Dynamic> {
        Ok(first(element.select(&selector(css)?, 1)))
    });
    FuncRegistration::new("select_all").set_into_module(module, |page: &mut Page, css: &str| -> Result<Array> {
        Ok(all(page.document().select(&selector(css)?, MAX_ARRAY_ITEMS)))
    });
    FuncRegistration::new("select_all").set_into_module(
        module,
        |document: &mut Document, css: &str| -> Result<Array> {
            Ok(all(document.select(&selector(css)?, MAX_ARRAY_ITEMS)))
        },
    );
    FuncRegistration::new("select_all").set_into_module(
        module,
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

/// An answer that is no JSON is the site's fault: the check asked for JSON.
fn json(context: NativeCallContext<'_>, page: &mut Page) -> Result<Dynamic> {
    let flow = flow::of(&context)?;
    serde_json::from_str::<Dynamic>(&page.text()).map_err(|error| {
        let kind =
            if page.answer().status.is_server_error() { FailureKind::ServerError } else { FailureKind::Assertion };
        Ending::Fail(kind, format!("wanted JSON ({error}), got {}", page.summary(&flow.kit.secrets))).into()
    })
}
