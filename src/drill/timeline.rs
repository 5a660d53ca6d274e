//! The picture of a drill: a strip of the whole, and each of the two moves at a scale of its own, since a flip is over in seconds and a hold may
//! last a day.

use std::fmt::Write;

use super::html::escaped;
use super::report::{Report, StepRow, seconds};

/// The picture's width, in its own units.
const WIDTH: u32 = 960;
/// Where bars begin: sentences stand before it.
const LEFT: u32 = 330;
/// Where bars end: times stand after it.
const RIGHT: u32 = 860;
/// The height of a row.
const ROW: u32 = 26;

/// An inline picture; empty where nothing was moved.
pub(super) fn svg(report: &Report) -> String {
    let legs: Vec<(&str, Vec<&StepRow>)> = ["failover", "failback"]
        .into_iter()
        .map(|direction| (direction, report.steps.iter().filter(|row| row.direction == direction).collect()))
        .filter(|(_, rows): &(&str, Vec<&StepRow>)| !rows.is_empty())
        .collect();
    if legs.is_empty() {
        return String::new();
    }
    let mut body = String::new();
    let mut y = strip(report, &legs, &mut body);
    for (direction, rows) in &legs {
        y = leg(direction, rows, y, &mut body);
    }
    let title = format!("Timeline of drill {}", report.number);
    format!(
        "<svg class=\"timeline\" viewBox=\"0 0 {WIDTH} {y}\" role=\"img\" aria-label=\"{title}\" \
         xmlns=\"http://www.w3.org/2000/svg\"><title>{title}</title>{body}</svg>"
    )
}

fn text(out: &mut String, x: u32, y: u32, class: &str, text: &str) {
    let _ = write!(out, "<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{}</text>", escaped(text));
}

fn bar(out: &mut String, (from, to): (u32, u32), y: u32, height: u32, class: &str, tip: &str) {
    let width = to.saturating_sub(from).max(3);
    let _ = write!(
        out,
        "<rect x=\"{from}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"3\" class=\"{class}\"><title>{}</title></rect>",
        escaped(tip)
    );
}

/// A time's place between two ends.
fn place(ms: u64, (from, to): (u64, u64), (left, right): (u32, u32)) -> u32 {
    let span = to.saturating_sub(from).max(1);
    let part = u64::from(right - left) * ms.saturating_sub(from).min(span) / span;
    left + u32::try_from(part).unwrap_or(0)
}

/// The end of the last thing in these rows.
fn end_of(rows: &[&StepRow]) -> u64 {
    rows.iter().map(|row| row.ended_ms.unwrap_or(row.started_ms)).max().unwrap_or(0)
}

fn start_of(rows: &[&StepRow]) -> u64 {
    rows.iter().map(|row| row.started_ms).min().unwrap_or(0)
}

/// The whole drill in one strip.
fn strip(report: &Report, legs: &[(&str, Vec<&StepRow>)], out: &mut String) -> u32 {
    let last = legs.iter().map(|(_, rows)| end_of(rows)).max().unwrap_or(0);
    let all = (0, report.ended_after_ms.unwrap_or(last).max(last).max(1));
    let ends = (10, WIDTH - 10);
    text(out, 10, 18, "head", "The whole drill");
    bar(out, ends, 28, 22, "track", "from the beginning to the end");
    let mut labelled = Vec::new();
    for (direction, rows) in legs {
        let (from, to) = (start_of(rows), end_of(rows));
        let class = if *direction == "failover" { "out" } else { "back" };
        let span = (place(from, all, ends), place(to, all, ends));
        bar(out, span, 28, 22, class, &format!("{direction}: {}", seconds(to - from)));
        labelled.push((span.0, to));
    }
    if let [(_, away), (back, from)] = labelled.as_slice() {
        let _ = from;
        let span = (place(*away, all, ends), *back);
        bar(out, span, 28, 22, "hold", "the standby serves");
        if span.1.saturating_sub(span.0) > 140 {
            text(out, span.0 + (span.1 - span.0) / 2, 43, "inside", "the standby serves");
        }
    }
    for line in report.surprises.iter().filter(|line| line.kind == "surprise") {
        let x = place(line.at_ms, all, ends);
        let _ = write!(
            out,
            "<path d=\"M{x} 24 l5 -8 h-10 z\" class=\"mark\"><title>{}</title></path>",
            escaped(&line.text)
        );
    }
    text(out, 10, 66, "axis", "0 s");
    text(out, WIDTH - 10, 66, "axis end", &seconds(all.1));
    84
}

/// One move at its own scale.
fn leg(direction: &str, rows: &[&StepRow], top: u32, out: &mut String) -> u32 {
    let (from, to) = (start_of(rows), end_of(rows));
    let head = if direction == "failover" { "The way out" } else { "The way back" };
    text(out, 10, top + 18, "head", &format!("{head}: {}", seconds(to - from)));
    let mut y = top + 30;
    for row in rows {
        let end = row.ended_ms.unwrap_or(to);
        let scale = (from, to.max(from + 1));
        let span = (place(row.started_ms, scale, (LEFT, RIGHT)), place(end, scale, (LEFT, RIGHT)));
        let class = match (row.ended_ms.is_some(), row.attempts > 1) {
            (false, _) => "bad",
            (true, true) => "again",
            (true, false) if direction == "failover" => "out",
            (true, false) => "back",
        };
        let _ = write!(out, "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{0}\" y2=\"{0}\" class=\"grid\"/>", y + 12);
        text(out, LEFT - 12, y + 16, "label", &row.sentence);
        bar(out, span, y + 4, ROW - 10, class, &row.text);
        let took = row.took_ms.map_or_else(|| "did not end".to_owned(), seconds);
        text(out, WIDTH - 10, y + 16, "took", &took);
        y += ROW;
    }
    y + 18
}
