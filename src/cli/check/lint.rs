//! `quorate check lint`: what is wrong with a check, before anything is asked of a site.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use serde_json::json;

use crate::adapters::script::Linter;
use crate::cli::compose;
use crate::cli::exit::Failure;
use crate::cli::validate::{as_json, plural, print_problem};
use crate::config::{Problem, Severity, load_library, load_secrets};

/// The version of the `--json` object.
const JSON_VERSION: u8 = 1;
/// How deep folders are looked through: a link to a folder above must not make it endless.
const MAX_DEPTH: usize = 8;

/// Find what is wrong with checks without running them.
///
/// Errors cannot work when the check runs: syntax, functions that do not exist, secrets that are not there. Warnings are
/// unwise: a step that expects nothing, an answer that nobody looks at, a host or a password in the text. A line, or
/// the one above it, with `// lint: allow RULE` silences a warning.
///
/// Exit codes: 0 no error, 1 an error, or with --strict a warning, 64 bad usage or a file that cannot be read.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scripts, and folders with scripts.
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// A TOML file with the secrets that the checks will be given: says which of them are missing, and which unused.
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// Exit with 1 for a warning, too.
    #[arg(long)]
    strict: bool,
    /// Print the problems as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Judges all scripts and prints what is to be said.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let secrets = match &args.secrets {
        Some(path) => Some(load_secrets(path).map_err(|problems| unreadable(&problems))?),
        None => None,
    };
    let scripts = scripts(&args.paths)?;
    let mut linter = Linter::new(secrets.as_ref());
    let mut problems = Vec::new();
    let mut shared: Option<PathBuf> = None;
    for path in &scripts {
        let folder = checks_of(path);
        if shared.as_ref() != Some(&folder) {
            let library = load_library(&folder).map_err(|problem| unreadable(&[problem]))?;
            linter.shares(&library.into_iter().map(compose::module).collect::<Vec<_>>());
            shared = Some(folder);
        }
        let source = std::fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
        problems.extend(linter.script(path, &source));
    }
    if let Some(file) = &args.secrets {
        problems.extend(linter.unused(file));
    }
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let ok = errors == 0 && !(args.strict && warnings > 0);
    let out = &mut anstream::stdout().lock();
    if args.json {
        let problems: Vec<_> = problems.iter().map(as_json).collect();
        writeln!(out, "{}", json!({ "v": JSON_VERSION, "ok": ok, "problems": problems }))?;
    } else {
        print(out, &scripts, &problems, errors, warnings)?;
    }
    if ok { Ok(()) } else { Err(Failure::no()) }
}

/// The folder of checks that a script belongs to: its own, or the one above where it is itself one that others share.
fn checks_of(script: &Path) -> PathBuf {
    let folder = script.parent().unwrap_or(Path::new(""));
    let above = folder.parent().filter(|_| folder.file_name().is_some_and(|name| name == "lib"));
    above.unwrap_or(folder).to_owned()
}

fn print(
    out: &mut impl Write,
    scripts: &[PathBuf],
    problems: &[Problem],
    errors: usize,
    warnings: usize,
) -> io::Result<()> {
    for problem in problems {
        print_problem(out, problem)?;
    }
    let colour = match (errors, warnings) {
        (0, 0) => AnsiColor::BrightGreen,
        (0, _) => AnsiColor::BrightYellow,
        _ => AnsiColor::BrightRed,
    };
    let style: Style = colour.on_default().bold();
    let found = match (errors, warnings) {
        (0, 0) => "nothing to say".to_owned(),
        (0, warnings) => plural(warnings, "warning"),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => format!("{} and {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    writeln!(out, "{style}{found}{style:#} in {}", plural(scripts.len(), "script"))
}

/// The scripts that are meant: files as they are, and all `.rhai` files of folders, in order.
fn scripts(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut scripts = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = scripts.len();
            below(path, MAX_DEPTH, &mut scripts).map_err(|error| cannot_read(path, &error))?;
            if scripts.len() == before {
                return Err(Failure::usage(format!("{}: there is no .rhai file in this folder", path.display())));
            }
        } else {
            scripts.push(path.clone());
        }
    }
    Ok(scripts)
}

fn below(folder: &Path, depth: usize, scripts: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if depth > 0 {
                below(&path, depth - 1, scripts)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "rhai") {
            scripts.push(path);
        }
    }
    Ok(())
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}

fn unreadable(problems: &[Problem]) -> Failure {
    Failure::usage(problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))
}
