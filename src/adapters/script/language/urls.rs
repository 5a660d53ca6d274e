//! Parts of URLs, and a page's repeated headers.

use percent_encoding::{percent_decode_str, utf8_percent_encode};
use rhai::{Array, Dynamic};
use url::Url;

use super::{Result, Shelf, or_unit};
use crate::adapters::script::ending::Ending;
use crate::adapters::script::page::Page;
use crate::domain::URI_COMPONENT;

pub(super) fn register(shelf: &mut Shelf) {
    shelf.topic("URLs and headers");
    shelf.add(
        "url_encode(text: string) -> string",
        "The text as a part of a URL, as JavaScript's `encodeURIComponent` writes it.",
        |text: &str| utf8_percent_encode(text, URI_COMPONENT).to_string(),
    );
    shelf.add(
        "url_decode(text: string) -> string",
        "The text with its `%41` decoded; `+` stays, and bytes that are no UTF-8 become `\u{fffd}`.",
        |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned(),
    );
    shelf.add(
        "url_param(url: string, name: string) -> string | ()",
        "The first parameter with that name in the URL's query, or else in its fragment; decoded. The URL may be relative.",
        |url: &str, name: &str| or_unit(param(url, name)),
    );
    shelf.add(
        "url_join(base: string, link: string) -> string",
        "Where a link on the page with that URL leads.",
        |base: &str, link: &str| -> Result<String> {
            let no_url = |text: &str, error| Ending::Inconclusive(format!("'{text}' is no URL: {error}"));
            let base_url = Url::parse(base).map_err(|error| no_url(base, error))?;
            Ok(base_url.join(link).map_err(|error| no_url(link, error))?.into())
        },
    );
    shelf.add(
        "page.headers(name: string) -> array",
        "All headers with that name, in their order: a text each.",
        |page: &mut Page, name: &str| -> Array {
            let values = page.answer().headers.get_all(name).iter();
            values.map(|value| Dynamic::from(String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
        },
    );
}

fn param(url: &str, name: &str) -> Option<String> {
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    [query, fragment].into_iter().find_map(|part| {
        let mut pairs = url::form_urlencoded::parse(part.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    })
}
