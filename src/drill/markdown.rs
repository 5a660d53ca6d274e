//! The report as text that a wiki or a ticket shows.

use std::fmt::Write;

use super::html::summary;
use super::report::{Report, seconds};

/// A cell, a heading or a line: what was said by others must not become a table, a link or a tag.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' => {
                out.push('\\');
                out.push(letter);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

/// The text.
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let word = report.result.word();
    let _ = write!(out, "# Drill {} of {}: {}, {word}\n\n", report.number, plain(&report.service), report.kind);
    let _ = write!(out, "{}\n\n", plain(&summary(report)));
    let by = if report.scheduled { "the schedule" } else { &report.by };
    let ended = report.ended_after_ms.map_or_else(|| "not yet".to_owned(), seconds);
    let _ = write!(
        out,
        "- Began: {}, ended after {ended}\n- By: {}: {}\n- Name: {} (TTL {} s), {} → {}\n",
        report.began,
        plain(by),
        plain(&report.reason),
        plain(&report.dns_name),
        report.ttl_s,
        plain(&report.primary),
        plain(&report.standby)
    );
    if let Some(fault) = &report.fault {
        let _ = writeln!(out, "- Broken on purpose: {fault}");
    }
    if !report.looks.is_empty() {
        out.push_str("\n## What was looked at\n\n| For | Found | |\n|---|---|---|\n");
        for look in &report.looks {
            let _ = writeln!(out, "| {} | {} | {} |", plain(&look.at), look.finding, plain(&look.text));
        }
    }
    out.push_str("\n## Times\n\n| What | Time | Objective | |\n|---|--:|--:|---|\n");
    for time in &report.times {
        let met = match time.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let shown = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), seconds);
        let note = time.why_not.as_deref().map(plain).unwrap_or_default();
        let (title, took, objective) = (time.measure.title(), shown(time.ms), shown(time.objective_ms));
        let _ = writeln!(out, "| {title} | {took} | {objective} | {met}{note} |");
    }
    if !report.steps.is_empty() {
        out.push_str("\n## Steps\n\n| Plan | Step | At | Took | Tries | What it says |\n|---|---|--:|--:|--:|---|\n");
        for row in &report.steps {
            let took = row.took_ms.map_or_else(|| "no end".to_owned(), seconds);
            let _ = writeln!(
                out,
                "| {} | {} | {} | {took} | {} | {} |",
                plain(&row.plan),
                row.sentence,
                seconds(row.started_ms),
                row.attempts,
                plain(&row.text)
            );
        }
    }
    out.push_str("\n## Surprises\n\n");
    if report.surprises.is_empty() {
        out.push_str("None.\n");
    }
    for line in &report.surprises {
        let _ = writeln!(out, "- {}: {}", seconds(line.at_ms), plain(&line.text));
    }
    if !report.evidence.is_empty() {
        out.push_str("\n## Evidence\n\n");
        for one in &report.evidence {
            let _ = writeln!(out, "- {}: {}", seconds(one.at_ms), plain(&one.text));
        }
    }
    out.push_str("\n## Sign-off\n\n| | Name | Date | Signature |\n|---|---|---|---|\n| Drill lead | | | |\n| Service owner | | | |\n| Reviewed by | | | |\n");
    out
}
