//! A page's text as a tree, piece by piece: what a browser would bear, some pages make a parser take minutes for, or gigabytes. One of
//! 128 KiB that only opens elements costs seconds; elements that are opened again in each paragraph (HTML, section 13.2.4.3) multiply.

use html5ever::driver::{self, ParseOpts};
use html5ever::tendril::{StrTendril, TendrilSink};
use scraper::{Html, HtmlTreeSink};

use super::ending::Ending;
use super::{coroutine, flow};
use crate::domain::FailureKind;

/// How much is parsed between two looks at the tree and the clock, in bytes. In a page that means harm, 256 bytes can make
/// 34,000 elements.
const PIECE_BYTES: usize = 256;
/// After how many pieces the other probes of this thread get their turn.
const TURN_PIECES: usize = 4;
/// The most nodes; a page has one for some thirty bytes.
const MAX_NODES: usize = 200_000;
/// The deepest nesting; where it is deeper, browsers make siblings of it.
const MAX_DEPTH: usize = 512;
/// How many of the newest nodes are looked at for their depth.
const NEWEST: usize = 8;

/// Parses as a browser does; what ends it is the size of the tree, or the deadline.
pub(super) fn parse(text: &str) -> Result<Html, Ending> {
    let mut parser = driver::parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
    let (mut rest, mut pieces) = (text, 0);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES).max(first_len(rest)));
        parser.process(StrTendril::from(piece));
        rest = after;
        bounded(&parser.tokenizer.sink.sink.0.borrow())?;
        if let Some(flow) = flow::current().filter(|_| !rest.is_empty()) {
            if flow.watch.remaining().is_zero() {
                return Err(flow.out_of_time(None));
            }
            pieces += 1;
            if pieces % TURN_PIECES == 0 {
                coroutine::pause();
            }
        }
    }
    Ok(parser.finish())
}

fn first_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

fn bounded(html: &Html) -> Result<(), Ending> {
    let beyond = |what: String| Err(Ending::Fail(FailureKind::Assertion, format!("the page has more than {what}")));
    if html.tree.nodes().len() > MAX_NODES {
        return beyond(format!("{MAX_NODES} elements and texts"));
    }
    let deepest = html.tree.nodes().rev().take(NEWEST).map(|node| node.ancestors().count()).max();
    if deepest.is_some_and(|depth| depth > MAX_DEPTH) {
        return beyond(format!("{MAX_DEPTH} elements inside each other"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_parsed_as_in_one_piece() {
        let page = "<!doctype html><title>ä</title><p class=é>ö<b>ü</p>€<table><td>😀</table>".repeat(60);
        assert_eq!(parse(&page).unwrap().html(), Html::parse_document(&page).html());
        assert_eq!(parse("").unwrap().html(), Html::parse_document("").html());
    }

    #[test]
    fn a_page_that_nests_or_multiplies_without_end_is_refused_at_once() {
        let formats: String = (0..400).map(|number| format!("<b a{number}>")).collect();
        for (page, what) in [
            ("<div>".repeat(200_000), "512 elements inside each other"),
            ("<div></html><!--x-->".repeat(2_000) + "<div>".repeat(60).as_str(), "512 elements inside each other"),
            ("<p>x".repeat(250_000), "200000 elements"),
            (formats + "<p>".repeat(300_000).as_str(), "200000 elements"),
        ] {
            let Err(Ending::Fail(FailureKind::Assertion, words)) = parse(&page) else {
                panic!("{what}: it was parsed")
            };
            assert!(words.contains(what), "{words}");
        }
    }
}
