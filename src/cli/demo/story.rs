//! How the demo tells what happens: one line a thing, with the seconds since the fault.

use std::io::Write;

use anstyle::Style;

use crate::cli::show::{BAD, GOOD, QUIET, STRONG, WARN, cut};

/// How much of a text fits on a line.
const CHARS: usize = 96;

/// Tells, or keeps quiet.
pub(super) struct Story {
    quiet: bool,
    fault_at_ms: Option<u64>,
}

impl Story {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, fault_at_ms: None }
    }

    /// From now on, lines carry the time since then.
    pub(super) fn starts_at(&mut self, wall_ms: u64) {
        self.fault_at_ms = Some(wall_ms);
    }

    /// A line as it is.
    pub(super) fn plain(&self, text: &str) {
        if !self.quiet {
            // Nobody is there to read it, or nobody to tell that it could not be written.
            let _ = writeln!(anstream::stdout(), "{text}");
        }
    }

    /// A heading.
    pub(super) fn heading(&self, text: &str) {
        self.plain(&format!("\n{STRONG}{text}{STRONG:#}"));
    }

    /// A name and what it is.
    pub(super) fn fact(&self, name: &str, text: &str) {
        self.plain(&format!("  {QUIET}{name:<12}{QUIET:#} {text}"));
    }

    fn line(&self, at_ms: u64, mark: &str, style: Style, text: &str) {
        let since = self.fault_at_ms.map_or_else(String::new, |fault| {
            let ms = at_ms.saturating_sub(fault);
            format!("{:>6.1} s", std::time::Duration::from_millis(ms).as_secs_f64())
        });
        self.plain(&format!("{QUIET}{since:>8}{QUIET:#}  {style}{mark}{style:#} {text}"));
    }

    /// A vantage's probe or vote.
    pub(super) fn vantage(&self, at_ms: u64, view: &str, vantage: &str, text: &str) {
        let (mark, style) = match view {
            "up" => ("●", GOOD),
            "down" => ("●", BAD),
            "failing" => ("◐", WARN),
            _ => ("○", QUIET),
        };
        self.line(at_ms, mark, style, &format!("{vantage:<20} {}", cut(text, CHARS)));
    }

    /// Something that changes the picture.
    pub(super) fn turn(&self, at_ms: u64, mark: &str, style: Style, text: &str) {
        self.line(at_ms, mark, style, &format!("{style}{text}{style:#}"));
    }

    /// A step of the plan.
    pub(super) fn step(&self, at_ms: u64, mark: &str, style: Style, sentence: &str, text: &str) {
        self.line(at_ms, mark, style, &format!("{sentence:<46} {QUIET}{}{QUIET:#}", cut(text, CHARS)));
    }

    /// A notice that arrived.
    pub(super) fn notice(&self, at_ms: u64, to: &str, text: &str) {
        self.line(at_ms, "✉", WARN, &format!("{to:<20} {QUIET}{}{QUIET:#}", cut(text, CHARS)));
    }
}
