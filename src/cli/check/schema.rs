//! `quorate check schema`: every function of the language, for people and editors.

use std::io::Write;

use anstyle::Style;
use serde_json::json;

use crate::adapters::script::{Entry, entries};
use crate::cli::exit::Failure;

/// The version of the `--json` object.
const JSON_VERSION: u8 = 1;
/// Where a sentence is broken into lines.
const COLUMNS: usize = 80;
/// The blanks before a sentence.
const INDENT: usize = 6;

const TOPIC: Style = Style::new().bold();

/// List every function and variable that a check can use, by topic.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those whose name, signature or topic holds this text.
    #[arg(value_name = "TEXT")]
    about: Option<String>,
    /// Print them as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let about = args.about.as_deref().unwrap_or_default();
    let wanted = |entry: &Entry| entry.signature.contains(about) || entry.topic.contains(about);
    let entries: Vec<Entry> = entries().into_iter().filter(wanted).collect();
    if entries.is_empty() {
        return Err(Failure::no_because(format!("nothing in the check language is called '{about}'")));
    }
    let mut out = anstream::stdout().lock();
    if args.json {
        let functions: Vec<_> = entries
            .iter()
            .map(|entry| {
                let Entry { topic, signature, doc } = entry;
                json!({ "topic": topic, "name": entry.name(), "signature": signature, "doc": doc })
            })
            .collect();
        writeln!(out, "{}", json!({ "v": JSON_VERSION, "functions": functions }))?;
        return Ok(());
    }
    // A topic may be entered in several goes; it is printed once, where it first came.
    let mut topics: Vec<&str> = Vec::new();
    for entry in &entries {
        if !topics.contains(&entry.topic) {
            topics.push(entry.topic);
        }
    }
    for (index, topic) in topics.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        writeln!(out, "{gap}{TOPIC}{topic}{TOPIC:#}")?;
        for entry in entries.iter().filter(|entry| entry.topic == *topic) {
            writeln!(out, "\n  {}", entry.signature)?;
            write_sentence(&mut out, entry.doc)?;
        }
    }
    Ok(())
}

fn write_sentence(out: &mut impl Write, text: &str) -> std::io::Result<()> {
    let mut width = 0;
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        if width > 0 && INDENT + width + 1 + letters > COLUMNS {
            writeln!(out)?;
            width = 0;
        }
        if width == 0 {
            write!(out, "{:INDENT$}{word}", "")?;
            width = letters;
        } else {
            write!(out, " {word}")?;
            width += 1 + letters;
        }
    }
    writeln!(out)
}
