//! The first element that matches a plain selector, found while a page is read, without a tree of it: a tenth of the work. Most of what
//! checks ask of a page is "the hidden field of that name" or "the element with that id".
//!
//! It finds, and never says "there is none": whoever finds nothing here must ask the tree. It gives up before anything that makes a tree
//! other than its text: templates, foreign content, tables.

use std::convert::Infallible;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

/// Elements whose content a tree holds elsewhere, otherwise, or not at all.
const GIVE_UP_AT: [&[u8]; 10] =
    [b"template", b"svg", b"math", b"select", b"frameset", b"noscript", b"table", b"iframe", b"noembed", b"noframes"];

/// A selector of one element by its own: `tag`, `#id`, `.class`, `[name]` and `[name='value']`, and any of them together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Plain<'a> {
    tag: Option<&'a str>,
    classes: Vec<&'a str>,
    attributes: Vec<(&'a str, Option<&'a str>)>,
}

/// An element as the page's text has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Glimpse {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Glimpse {
    pub(super) fn attr(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// The first element of the page that matches; nothing where only the tree can tell.
pub(super) fn first(page: &str, css: &str) -> Option<Glimpse> {
    let wanted = Plain::parse(css.trim())?;
    let mut seen = Glimpse::default();
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| -> Option<Option<Glimpse>> {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                if GIVE_UP_AT.contains(&name) {
                    return Some(None);
                }
                seen.name.clear();
                seen.name.push_str(std::str::from_utf8(name).unwrap_or_default());
                seen.attributes.clear();
                None
            }
            // Only what may match is copied.
            CallbackEvent::AttributeName { name } if wanted.is_of(&seen.name) => {
                let name = std::str::from_utf8(name).unwrap_or_default();
                seen.attributes.push((name.to_owned(), String::new()));
                None
            }
            CallbackEvent::AttributeValue { value } if wanted.is_of(&seen.name) => {
                if let Some((_, text)) = seen.attributes.last_mut() {
                    text.push_str(std::str::from_utf8(value).unwrap_or_default());
                }
                None
            }
            CallbackEvent::CloseStartTag { .. } => wanted.matches(&seen).then(|| Some(std::mem::take(&mut seen))),
            _ => None,
        }
    });
    emitter.naively_switch_states(true);
    let found = Tokenizer::new_with_emitter(page, emitter).next();
    found.map(|found: Result<_, Infallible>| match found {
        Ok(found) => found,
        Err(never) => match never {},
    })?
}

impl<'a> Plain<'a> {
    /// Nothing where it is anything more.
    fn parse(css: &'a str) -> Option<Self> {
        let mut plain = Self::default();
        let (tag, mut rest) = word(css);
        if !tag.is_empty() {
            // The names of elements are compared in lower case, which the page's are brought to.
            plain.tag = Some(tag).filter(|tag| !tag.contains(char::is_uppercase));
            plain.tag?;
        }
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('#') {
                let (id, left) = word(after);
                plain.attributes.push(("id", Some(id).filter(|id| !id.is_empty())));
                plain.attributes.last()?.1?;
                rest = left;
            } else if let Some(after) = rest.strip_prefix('.') {
                let (class, left) = word(after);
                plain.classes.push(Some(class).filter(|class| !class.is_empty())?);
                rest = left;
            } else {
                let (inside, left) = rest.strip_prefix('[')?.split_once(']')?;
                let (name, value) = match inside.split_once('=') {
                    None => (inside, None),
                    Some((name, value)) => (name, Some(quoted(value)?)),
                };
                let (whole, none) = word(name);
                if whole.is_empty() || !none.is_empty() || name.contains(char::is_uppercase) {
                    return None;
                }
                plain.attributes.push((name, value));
                rest = left;
            }
        }
        (plain != Self::default()).then_some(plain)
    }

    fn is_of(&self, tag: &str) -> bool {
        self.tag.is_none_or(|own| own == tag)
    }

    fn matches(&self, seen: &Glimpse) -> bool {
        let has = |(name, value): &(&str, Option<&str>)| {
            seen.attr(name).is_some_and(|own| value.is_none_or(|value| own == value))
        };
        let classes = || seen.attr("class").unwrap_or_default();
        self.is_of(&seen.name)
            && self.attributes.iter().all(has)
            && self.classes.iter().all(|class| classes().split_ascii_whitespace().any(|own| own == *class))
    }
}

/// The letters, digits, hyphens and underscores at the beginning, and the rest.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(text.len());
    text.split_at(end)
}

/// A value without its quotes; nothing where it is more than letters between them.
fn quoted(value: &str) -> Option<&str> {
    let inside = ['\'', '"'].into_iter().find_map(|mark| value.strip_prefix(mark)?.strip_suffix(mark));
    let plain = inside.or_else(|| Some(value).filter(|value| !value.is_empty() && word(value).1.is_empty()))?;
    (!plain.contains(['\\', '\'', '"', '[', ']'])).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<!doctype html><title>a <input name='no'></title><script>'<input name=\"no\">'</script>\
        <!-- <input name=no> --><form id=login class='box wide'><input NAME=token value='a&amp;b' value=second>\
        <input name=user disabled></form>";

    fn found(css: &str) -> Option<String> {
        first(PAGE, css).map(|glimpse| format!("{} {}", glimpse.name, glimpse.attr("value").unwrap_or("-")))
    }

    #[test]
    fn a_plain_selector_finds_what_the_tree_would() {
        for css in ["input[name='token']", "input[name=token]", "[name=\"token\"]", "input[name]", "input"] {
            assert_eq!(found(css).as_deref(), Some("input a&b"), "{css}");
        }
        for css in ["#login", "form#login.wide", ".box.wide", "form[id='login']"] {
            assert_eq!(found(css).as_deref(), Some("form -"), "{css}");
        }
        assert_eq!(found("input[disabled]").as_deref(), Some("input -"));
    }

    #[test]
    fn what_is_in_a_comment_a_title_or_a_script_is_no_element_and_nothing_is_said_of_what_is_not_found() {
        for css in ["input[name='no']", "#none", "FORM", "form input", "a:first-child", "input[name^='t']", "*", ""] {
            assert_eq!(found(css), None, "{css}");
        }
    }

    #[test]
    fn it_gives_up_before_what_makes_a_tree_other_than_its_text() {
        for page in ["<template><i id=a></i></template><b id=a>", "<table><tr><td id=a>", "<svg><a id=a></a></svg>"] {
            assert_eq!(first(page, "#a"), None, "{page}");
        }
        assert!(first("<b id=a></b><table>", "#a").is_some());
    }
}
