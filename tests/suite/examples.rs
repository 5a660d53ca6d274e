//! Every example of the page about checks, run as it stands there, and every function looked for on it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use quorate::adapters::script::entries;
use quorate::domain::{Outcome, ProbeReport};

use super::example_site;
use super::language::run_with;

const PAGE: &str = "docs/checks.md";

/// One fenced block with what it must do.
#[derive(Debug)]
struct Example {
    line: usize,
    /// None is run elsewhere.
    wanted: Option<Outcome>,
    source: String,
}

/// One `###` heading with the functions that it names and the examples below it.
#[derive(Debug)]
struct Entry {
    line: usize,
    functions: Vec<String>,
    examples: Vec<Example>,
}

/// The headings of the page that name functions, `` `page.header(name)` `` say.
fn page() -> Vec<Entry> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).expect("the page");
    let mut entries: Vec<Entry> = Vec::new();
    let mut open: Option<(&str, Example)> = None;
    for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
        match (&mut open, text.strip_prefix("```")) {
            (None, Some("rhai" | "rhai fails" | "rhai inconclusive")) => {
                let wanted = match text {
                    "```rhai" => Outcome::Pass,
                    "```rhai fails" => Outcome::Fail,
                    _ => Outcome::Inconclusive,
                };
                open = Some(("rhai", Example { line, wanted: Some(wanted), source: String::new() }));
            }
            // `suite::net` runs those of the other protocols, each against a server that speaks it.
            (None, Some("rhai norun")) => {
                open = Some(("rhai", Example { line, wanted: None, source: String::new() }))
            }
            (None, Some(other)) => {
                assert!(
                    !other.contains("rhai"),
                    "{PAGE}:{line}: '{other}' is neither rhai, rhai fails nor rhai inconclusive"
                );
                open = Some(("other", Example { line, wanted: None, source: String::new() }));
            }
            (Some(_), Some(_)) => {
                if let Some(("rhai", example)) = open.take() {
                    let entry = entries.last_mut();
                    entry
                        .unwrap_or_else(|| panic!("{PAGE}:{line}: an example without a heading"))
                        .examples
                        .push(example);
                }
            }
            (Some((_, example)), None) => {
                example.source.push_str(text);
                example.source.push('\n');
            }
            (None, None) => {
                if let Some(heading) = text.strip_prefix("### ") {
                    let spans: Vec<&str> = heading.split('`').skip(1).step_by(2).collect();
                    let functions = if spans.is_empty() {
                        vec![heading.to_owned()]
                    } else {
                        spans.into_iter().map(name).collect()
                    };
                    entries.push(Entry { line, functions, examples: Vec::new() });
                }
            }
        }
    }
    entries
}

/// `header` of `page.header(name)`.
fn name(signature: &str) -> String {
    let called = signature.split(['(', ' ']).next().unwrap_or_default();
    called.rsplit('.').next().unwrap_or_default().to_owned()
}

/// The words of a script, its strings and comments among them.
fn words(source: &str) -> BTreeSet<&str> {
    source.split(|char: char| !char.is_alphanumeric() && char != '_').collect()
}

fn known() -> BTreeSet<&'static str> {
    entries().iter().map(|entry| entry.name()).collect()
}

#[tokio::test]
async fn every_example_on_the_page_does_what_it_says() {
    let (mut wrong, mut run) = (Vec::new(), 0);
    for example in page().iter().flat_map(|entry| &entry.examples) {
        let Some(wanted) = example.wanted else { continue };
        let site = example_site::start();
        let address = site.url().socket_addrs(|| None).expect("an address")[0].to_string();
        let params = [("address", address.as_str())];
        let report: ProbeReport = run_with(&example.source, site.url(), &params, &example_site::SECRETS).await;
        // A misspelt example is inconclusive, too, but not as the page means it.
        let broken = report.reason.as_deref().is_some_and(|reason| reason.contains("no such function"));
        if report.outcome != wanted || broken {
            let line = example.line;
            wrong.push(format!("{PAGE}:{line}: wanted {wanted:?}, got {:?}: {:?}", report.outcome, report.reason));
        }
        run += 1;
    }
    assert!(wrong.is_empty(), "{} of {run} examples:\n{}", wrong.len(), wrong.join("\n"));
    assert!(run >= 40, "only {run} examples were found");
}

#[test]
fn every_function_of_the_language_has_an_entry_on_the_page() {
    let page = page();
    let written: BTreeSet<&str> = page.iter().flat_map(|entry| &entry.functions).map(String::as_str).collect();
    let missing: Vec<&str> = known().into_iter().filter(|name| !written.contains(name)).collect();
    assert!(missing.is_empty(), "{PAGE} has no '###' heading with {missing:?}");
    for entry in &page {
        for function in &entry.functions {
            assert!(known().contains(function.as_str()), "{PAGE}:{}: there is no function '{function}'", entry.line);
        }
    }
}

#[test]
fn every_entry_has_an_example_that_uses_each_function_it_names() {
    let mut wrong = Vec::new();
    for entry in page() {
        let source: String = entry.examples.iter().map(|example| example.source.as_str()).collect();
        let unused: Vec<&String> =
            entry.functions.iter().filter(|function| !words(&source).contains(function.as_str())).collect();
        if !unused.is_empty() {
            wrong.push(format!("{PAGE}:{}: no example uses {unused:?}", entry.line));
        }
        for example in &entry.examples {
            if !words(&example.source).iter().any(|word| known().contains(word)) {
                wrong.push(format!("{PAGE}:{}: the example uses no function of the language", example.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
