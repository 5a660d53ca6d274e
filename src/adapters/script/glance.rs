//! The first element that matches a plain selector, found while a page is read, without a tree of it: a tenth of the work. Most of what
//! checks ask of a page is "the hidden field of that name" or "the element with that id".
//!
//! It finds, and never says "there is none": whoever finds nothing here must ask the tree. It gives up before anything that makes a tree
//! other than its text: templates, foreign content, tables.

use std::convert::Infallible;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use super::skim::{Skim, Strange, Tag};

/// Elements whose content a tree holds elsewhere, otherwise, or not at all; and those that it has only within such ones, or under another name.
const GIVE_UP_AT: [&[u8]; 22] = [
    b"template",
    b"svg",
    b"math",
    b"select",
    b"frameset",
    b"noscript",
    b"table",
    b"iframe",
    b"noembed",
    b"noframes",
    b"caption",
    b"col",
    b"colgroup",
    b"tbody",
    b"td",
    b"tfoot",
    b"th",
    b"thead",
    b"tr",
    b"frame",
    b"image",
    b"plaintext",
];
/// Elements that there are once, before all others but those of the head; where they come again, their attributes go to the first.
const ONCE: [&[u8]; 3] = [b"html", b"head", b"body"];
/// What a head may hold.
const OF_THE_HEAD: [&[u8]; 6] = [b"title", b"meta", b"link", b"script", b"style", b"base"];

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
    // The end of a paragraph or a break that was not begun makes one.
    let wanted = Plain::parse(css.trim()).filter(|wanted| *wanted != Plain::of("p") && *wanted != Plain::of("br"))?;
    skimmed(page, &wanted).unwrap_or_else(|Strange| tokenized(page, &wanted))
}

/// What a page's start tags say so far of the tree that it makes.
#[derive(Debug, Default)]
struct Order {
    once: usize,
    in_body: bool,
    forms: usize,
}

impl Order {
    /// Whether the tree has the element of this start tag where the text has it.
    fn bears(&mut self, name: &[u8]) -> bool {
        if let Some(place) = ONCE.iter().position(|own| *own == name) {
            // In this order, and not after what is in a body.
            if self.in_body || place < self.once {
                return false;
            }
            self.once = place + 1;
        } else {
            self.in_body |= !OF_THE_HEAD.contains(&name);
        }
        self.forms += usize::from(name == b"form");
        // A form within a form is none.
        !GIVE_UP_AT.contains(&name) && self.forms <= 1
    }
}

/// The same for plain markup, which needs no decoding.
fn skimmed(page: &str, wanted: &Plain<'_>) -> Result<Option<Glimpse>, Strange> {
    let (mut skim, mut tag, mut order) = (Skim::new(page), Tag::default(), Order::default());
    while let Some(name) = skim.name()? {
        if !order.bears(name.as_bytes()) {
            return Ok(None);
        }
        let may_match = wanted.is_of(name);
        tag.name = name;
        skim.attributes(&mut tag, may_match)?;
        if may_match && wanted.matches(name, |name| tag.attr(name)) {
            let attributes = tag.attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            return Ok(Some(Glimpse { name: name.to_owned(), attributes: attributes.collect() }));
        }
    }
    Ok(None)
}

/// The same for any markup.
fn tokenized(page: &str, wanted: &Plain<'_>) -> Option<Glimpse> {
    let (mut seen, mut order) = (Glimpse::default(), Order::default());
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| -> Option<Option<Glimpse>> {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                if !order.bears(name) {
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
            CallbackEvent::CloseStartTag { .. } => {
                wanted.matches(&seen.name, |name| seen.attr(name)).then(|| Some(std::mem::take(&mut seen)))
            }
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
    fn of(tag: &'a str) -> Self {
        Self { tag: Some(tag), ..Self::default() }
    }

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

    /// Whether an element of that name and with those attributes matches.
    fn matches<'s>(&self, tag: &str, attr: impl Fn(&str) -> Option<&'s str>) -> bool {
        let has = |(name, value): &(&str, Option<&str>)| {
            attr(name).is_some_and(|own| value.is_none_or(|value| own == value))
        };
        let classes = || attr("class").unwrap_or_default();
        self.is_of(tag)
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
    fn an_ordinary_login_page_is_skimmed_and_a_strange_one_tokenized() {
        let page = "<!doctype html><html lang=\"en\"><head><title>Log in &amp; out</title><meta charset=utf-8>\
            <script>if (1 < 2) { s = '</div><p>' }</script></head><body class='x'><!-- <form> --><p>1 < 2 & 3</p>\
            <form method=post action=/login><input type=hidden name=csrf_token value=\"a/b==\"/><br></form>";
        let wanted = Plain::parse("input[name=csrf_token]").unwrap();
        let skimmed_glimpse = skimmed(page, &wanted).unwrap().unwrap();
        assert_eq!(skimmed_glimpse.attr("value"), Some("a/b=="));
        assert_eq!(Some(skimmed_glimpse), tokenized(page, &wanted));
        for strange in ["<INPUT name=a>", "<i name='a&amp;'>", "<i a\"=b name=a>", "<!x><i>", "<i name=a", "<?x?>"] {
            assert_eq!(skimmed(strange, &Plain::parse("[name]").unwrap()), Err(Strange), "{strange}");
        }
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

    #[test]
    fn what_it_finds_in_pages_by_chance_is_what_the_tree_has_first() {
        use rand::rngs::StdRng;
        use rand::{RngExt, SeedableRng};

        const PIECES: [&str; 60] = [
            "<p>",
            "</p>",
            "<b>",
            "</b>",
            "<i id=x>",
            "<i id=y class='a b'>",
            "</i>",
            "<form id=x>",
            "<form id=y>",
            "</form>",
            "<input name=n>",
            "<input id=x name='n'/>",
            "<input type=hidden NAME=N value=1>",
            "<body id=x>",
            "<html id=y>",
            "<head>",
            "</head>",
            "<title>",
            "</title>",
            "<textarea>",
            "</textarea>",
            "<script>",
            "</script>",
            "<style>",
            "</style>",
            "<!-- ",
            " -->",
            "<!-->",
            "<!x",
            ">",
            "<a id=x>",
            "</a>",
            "<a href='",
            "'",
            "\"",
            "<div id=x id=y>",
            "<div",
            " id=x",
            " name=n",
            "=",
            "/>",
            "<option id=x>",
            "<button id=y>",
            "<br id=x>",
            "</br>",
            "<plaintext>",
            "<xmp>",
            "</xmp>",
            "<frame id=x>",
            "<caption id=x>",
            "<td id=y>",
            "<tr name=n>",
            "<col id=x>",
            "<image id=x>",
            "<li id=y>",
            "<h1 id=x>",
            "&lt;",
            "text",
            "<![CDATA[",
            "]]>",
        ];
        let selectors = [
            "#x",
            "#y",
            "p",
            "b",
            "input[name=n]",
            "[name]",
            ".a",
            "form",
            "i#y.b",
            "body",
            "img",
            "br",
            "td",
            "a[href]",
        ];
        let compiled = selectors.map(|css| scraper::Selector::parse(css).unwrap());
        let (mut chance, mut wrong) = (StdRng::seed_from_u64(7), Vec::new());
        for _ in 0..5_000 {
            let page: String =
                (0..chance.random_range(1..9)).map(|_| PIECES[chance.random_range(0..PIECES.len())]).collect();
            let tree = scraper::Html::parse_document(&page);
            for (css, selector) in selectors.iter().zip(&compiled) {
                if let Some(wanted) = Plain::parse(css)
                    && let Ok(glimpse) = skimmed(&page, &wanted)
                {
                    assert_eq!(glimpse, tokenized(&page, &wanted), "{css} in {page}");
                }
                let Some(glimpse) = first(&page, css) else { continue };
                let same = |element: scraper::ElementRef<'_>| {
                    let mut attributes = element.value().attrs();
                    element.value().name() == glimpse.name
                        && attributes.all(|(name, value)| glimpse.attr(name) == Some(value))
                        && glimpse.attributes.iter().all(|(name, _)| element.value().attr(name).is_some())
                };
                // The attributes of a second body are the first one's, wherever it comes: nobody can tell before the end.
                let late = page.contains("<body") || page.contains("<html");
                let same = if late {
                    tree.select(selector).any(same)
                } else {
                    tree.select(selector).next().is_some_and(same)
                };
                if !same {
                    let html = tree.html();
                    wrong.push(format!("{css} in {page}: {glimpse:?}, and the tree is {html}"));
                }
            }
        }
        wrong.sort_by_key(|words: &String| (words.len(), words.clone()));
        wrong.dedup();
        assert!(wrong.is_empty(), "{} of them: {:#?}", wrong.len(), &wrong[..wrong.len().min(60)]);
    }
}
