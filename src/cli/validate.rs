//! `quorate validate`: every problem of the configuration at once, each with its line.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::json;

use crate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner, ScriptError};
use crate::config::{Config, Loader, Place, Problem, Severity};
use crate::domain::{CheckName, Secrets};

/// Configuration that cannot be used (`EX_USAGE` of sysexits, which this project uses for bad configuration as well).
const UNUSABLE: u8 = 64;
/// The version of the data that `--json` prints.
const JSON_VERSION: u32 = 1;

const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
const WARNING: Style = AnsiColor::BrightYellow.on_default().bold();
const GOOD: Style = AnsiColor::BrightGreen.on_default().bold();
const PLACE: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();

/// Read the configuration and everything it names, and list every problem at once.
///
/// Exits with 0 if it can be used (warnings or not), and with 64 if it cannot.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "quorate.toml")]
    config: PathBuf,
    /// Print the problems as JSON.
    #[arg(long)]
    json: bool,
}

/// Validates and prints; standard output gets all of it, since the list of problems is what was asked for.
pub fn run(args: &Args) -> ExitCode {
    let (config, problems) = match Loader::new(&args.config).scripts(compile).load() {
        Ok(loaded) => (Some(loaded.config), loaded.warnings),
        Err(problems) => (None, problems),
    };
    let out = &mut anstream::stdout().lock();
    let printed = if args.json {
        print_json(out, config.is_some(), &problems)
    } else {
        print_text(out, args, config.as_ref(), &problems)
    };
    // a reader that has gone away (`| head`) is no reason for another answer
    drop(printed);
    if config.is_some() { ExitCode::SUCCESS } else { ExitCode::from(UNUSABLE) }
}

/// Compiles one script and says what is wrong with it.
fn compile(path: &Path, source: &str) -> Vec<Problem> {
    // any name will do: one script is compiled at a time
    let Ok(name) = CheckName::new("check") else { return Vec::new() };
    let script = CheckScript {
        name,
        path: path.to_owned(),
        source: source.to_owned(),
        params: std::collections::BTreeMap::new(),
        secrets: Secrets::default(),
        reach: Reach::default(),
        limits: Limits::default(),
    };
    let errors = RhaiRunner::new(vec![script]).err().unwrap_or_default();
    errors
        .into_iter()
        .map(|error| match error {
            ScriptError::Syntax { line, column, message, .. } => {
                Problem::in_text(Severity::Error, path, source, Place { line, column }, message)
            }
            ScriptError::TooLong { bytes, max, .. } => {
                let message = format!("the script has {bytes} bytes, and at most {max} are read");
                Problem::in_file(Severity::Error, path, message)
            }
            other => Problem::in_file(Severity::Error, path, other.to_string()),
        })
        .collect()
}

fn print_json(out: &mut impl Write, ok: bool, problems: &[Problem]) -> io::Result<()> {
    let problems: Vec<serde_json::Value> = problems.iter().map(as_json).collect();
    writeln!(out, "{}", json!({ "v": JSON_VERSION, "ok": ok, "problems": problems }))
}

/// A problem as data.
pub(super) fn as_json(problem: &Problem) -> serde_json::Value {
    json!({
        "severity": problem.severity.as_str(),
        "file": problem.file.display().to_string(),
        "line": problem.place.map(|place| place.line),
        "column": problem.place.map(|place| place.column),
        "message": problem.message,
    })
}

fn print_text(out: &mut impl Write, args: &Args, config: Option<&Config>, problems: &[Problem]) -> io::Result<()> {
    for problem in problems {
        print_problem(out, problem)?;
    }
    let file = args.config.display();
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match config {
        None => {
            let and_warnings =
                if warnings > 0 { format!(" and {}", plural(warnings, "warning")) } else { String::new() };
            writeln!(out, "{ERROR}{file} cannot be used{ERROR:#}: {}{and_warnings}", plural(errors, "error"))
        }
        Some(config) => {
            let but = if warnings > 0 { format!(", with {}", plural(warnings, "warning")) } else { String::new() };
            writeln!(out, "{GOOD}{file} is good{GOOD:#}{but}: {}", found(config))
        }
    }
}

/// A problem for a person: place, severity, message, and the line with carets below what is meant.
pub(super) fn print_problem(out: &mut impl Write, problem: &Problem) -> io::Result<()> {
    let style = match problem.severity {
        Severity::Error => ERROR,
        Severity::Warning => WARNING,
    };
    write!(out, "{PLACE}{}", problem.file.display())?;
    if let Some(place) = problem.place {
        write!(out, ":{}:{}", place.line, place.column)?;
    }
    writeln!(out, ":{PLACE:#} {style}{}:{style:#} {}", problem.severity, problem.message)?;
    if let (Some(place), Some(excerpt)) = (problem.place, &problem.excerpt) {
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        // tabs stay tabs, so that the caret stands under its character however wide they are shown
        let before: String =
            excerpt.text.chars().take(place.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let left = excerpt.text.chars().count().saturating_sub(place.column - 1);
        let carets = "^".repeat(excerpt.width.min(left).max(1));
        writeln!(out, "  {QUIET}{number} |{QUIET:#} {}", excerpt.text)?;
        writeln!(out, "  {QUIET}{margin} |{QUIET:#} {before}{style}{carets}{style:#}")?;
    }
    writeln!(out)
}

/// One line on what the configuration holds.
fn found(config: &Config) -> String {
    let clouds: std::collections::BTreeSet<&str> = config.vantages.iter().map(|v| v.cloud.as_str()).collect();
    let policies: std::collections::BTreeSet<&str> =
        config.services.iter().map(|s| s.service.policy.name()).collect();
    let services: Vec<&str> = config.services.iter().map(|s| s.service.name.as_str()).collect();
    let checks: Vec<&str> = config.checks.iter().map(|check| check.name.as_str()).collect();
    let policies: Vec<&str> = policies.into_iter().collect();
    format!(
        "{} ({}) watched from {} in {}, by {} ({}) under {} ({})",
        plural(services.len(), "service"),
        services.join(", "),
        plural(config.vantages.len(), "vantage"),
        plural(clouds.len(), "cloud"),
        plural(checks.len(), "check"),
        checks.join(", "),
        plural_y(policies.len(), "polic"),
        policies.join(", "),
    )
}

/// The number with the word, "1 error" or "2 errors".
pub(super) fn plural(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn plural_y(number: usize, stem: &str) -> String {
    format!("{number} {stem}{}", if number == 1 { "y" } else { "ies" })
}
