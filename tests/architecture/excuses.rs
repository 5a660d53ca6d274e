//! The bans of `clippy.toml`, and who is excused from one. Every excuse is on a list here, so that a new one is a decision
//! which a reviewer sees, and not a line in passing.

use std::collections::BTreeMap;

use super::source::{Kind, Source, Violation};
use super::words::joined;

/// What is banned at the least. `clippy.toml` gives the reasons, and may ban more.
pub(crate) const BANNED: [&str; 6] = [
    "std::time::SystemTime::now",
    "std::time::Instant::now",
    "std::env::var",
    "std::process::exit",
    "tokio::spawn",
    "rand::rng",
];

/// Lints that an excuse may not switch off whole: a ban among much else.
const GROUPS: [&str; 4] = ["clippy::all", "clippy::style", "warnings", "clippy::disallowed_types"];

/// Every attribute that switches a ban off, by file: how many there are, and how to excuse a thing properly.
pub(crate) fn excuses(source: &Source) -> (Vec<usize>, Vec<Violation>) {
    let mut lines = Vec::new();
    let mut found = Vec::new();
    for attribute in source.attributes() {
        let Some(line) = attribute.first().map(|first| first.line) else { continue };
        let text = joined(attribute);
        if !["allow(", "expect(", "warn("].iter().any(|level| text.contains(level)) {
            continue;
        }
        if let Some(group) = GROUPS.iter().find(|group| text.contains(*group)) {
            found.push(Violation::new(
                source,
                line,
                format!("`{group}` is too much to switch off; name the one lint"),
            ));
        }
        if !text.contains("clippy::disallowed_") {
            continue;
        }
        lines.push(line);
        let reason = attribute.windows(3).any(|three| match three {
            [word, equals, text] => {
                let given = matches!(&text.kind, Kind::Text(text) if !text.trim().is_empty());
                word.is_word("reason") && equals.is('=') && given
            }
            _ => false,
        });
        let expects = text.starts_with("expect(");
        if !expects || !reason {
            let what =
                "a ban is excused by `#[expect(clippy::disallowed_methods, reason = \"…\")]` and in no other way";
            found.push(Violation::new(source, line, what));
        }
    }
    (lines, found)
}

/// What differs between the excuses in these sources and the list.
pub(crate) fn unlisted(sources: &[Source], list: &[(&str, usize, &str)]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut listed: BTreeMap<&str, usize> = list.iter().map(|(file, count, _)| (*file, *count)).collect();
    for source in sources {
        let (lines, wrong) = excuses(source);
        found.extend(wrong);
        let wanted = listed.remove(source.path.as_str()).unwrap_or(0);
        if lines.len() != wanted {
            let what = format!(
                "{} excuses from clippy.toml's bans here (lines {lines:?}), {wanted} on the list: take the value from \
                 above, or correct the list in tests/architecture.rs and say why there",
                lines.len()
            );
            found.push(Violation::new(source, lines.last().copied().unwrap_or(1), what));
        }
    }
    for file in listed.into_keys() {
        let what = "is on the list of excuses in tests/architecture.rs, and is not there: take it off".to_owned();
        found.push(Violation { file: file.to_owned(), line: 1, what });
    }
    found
}

/// Bans that are missing in `clippy.toml`, or say no reason.
pub(crate) fn bans(clippy: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut wrong = |line: usize, what: String| found.push(Violation { file: "clippy.toml".to_owned(), line, what });
    for ban in BANNED {
        if !clippy.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(&format!("\"{ban}\""))) {
            wrong(1, format!("`{ban}` is not banned any more: put it back"));
        }
    }
    for (at, line) in clippy.lines().enumerate() {
        let reason = line.split_once("reason = \"").is_some_and(|(_, reason)| !reason.starts_with('"'));
        if line.contains("path = \"") && !reason {
            wrong(at + 1, "a ban without a reason teaches nobody: add `reason = \"…\"`".to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> (usize, usize) {
        let (lines, violations) = excuses(&Source::new("src/x.rs", text));
        (lines.len(), violations.len())
    }

    #[test]
    fn an_excuse_expects_and_says_why() {
        assert_eq!(wrong("#[expect(clippy::disallowed_methods, reason = \"jitter\")] fn x() {}"), (1, 0));
        assert_eq!(wrong("#[expect(\n clippy::disallowed_methods,\n reason = \"jitter\",\n)] fn x() {}"), (1, 0));
        assert_eq!(wrong("#[expect(clippy::disallowed_methods)] fn x() {}"), (1, 1));
        assert_eq!(wrong("#[expect(clippy::disallowed_methods, reason = \" \")] fn x() {}"), (1, 1));
        assert_eq!(wrong("#[allow(clippy::disallowed_methods, reason = \"jitter\")] fn x() {}"), (1, 1));
        assert_eq!(wrong("#![allow(dead_code, clippy::disallowed_methods, reason = \"x\")]"), (1, 1));
        assert_eq!(wrong("#[cfg_attr(unix, expect(clippy::disallowed_methods, reason = \"x\"))] fn x() {}"), (1, 1));
        assert_eq!(wrong("#![allow(clippy::style)] #![allow(warnings)]"), (0, 2));
        assert_eq!(
            wrong("#[allow(clippy::unwrap_used, reason = \"x\")] fn x() {} // clippy::disallowed_methods"),
            (0, 0)
        );
    }

    #[test]
    fn an_excuse_that_is_not_on_the_list_is_found_and_so_is_a_listed_one_that_is_gone() {
        let excused = "#[expect(clippy::disallowed_methods, reason = \"x\")]\nfn x() {}";
        let sources = [Source::new("src/a.rs", excused), Source::new("src/b.rs", "fn x() {}")];
        assert!(unlisted(&sources, &[("src/a.rs", 1, "")]).is_empty());
        assert_eq!(unlisted(&sources, &[]).len(), 1);
        assert_eq!(unlisted(&sources, &[("src/a.rs", 2, "")]).len(), 1);
        assert_eq!(unlisted(&sources, &[("src/a.rs", 1, ""), ("src/b.rs", 1, "")]).len(), 1);
        assert_eq!(unlisted(&sources, &[("src/a.rs", 1, ""), ("src/gone.rs", 1, "")]).len(), 1);
    }

    #[test]
    fn a_ban_that_is_gone_or_gives_no_reason_is_found() {
        let all: Vec<String> = BANNED.iter().map(|ban| format!("{{ path = \"{ban}\", reason = \"x\" }},")).collect();
        assert!(bans(&all.join("\n")).is_empty());
        assert_eq!(bans(&all[1..].join("\n")).len(), 1);
        assert_eq!(bans(&format!("# {}", all.join("\n"))).len(), 1);
        assert_eq!(bans(&all.join("\n").replacen(", reason = \"x\"", "", 1)).len(), 1);
        assert_eq!(bans(&all.join("\n").replacen("reason = \"x\"", "reason = \"\"", 1)).len(), 1);
    }
}
