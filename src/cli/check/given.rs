//! What the commands that run a check are given: the script, its parameters and secrets, whom it may ask.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner};
use crate::config::{Problem, load_library, load_secrets};
use crate::domain::{CheckName, Secrets};

use super::super::compose;

/// A check, ready to be run.
pub(super) struct Ready {
    pub(super) check: CheckName,
    pub(super) source: String,
    pub(super) secrets: Secrets,
    pub(super) runner: RhaiRunner,
}

/// Reads the script and the files that it shares with others, and compiles them.
pub(super) fn ready(
    path: &Path,
    params: BTreeMap<String, String>,
    secrets: Secrets,
    reach: Vec<String>,
) -> Result<Ready, String> {
    let source = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let check = name_of(path)?;
    let script = CheckScript {
        name: check.clone(),
        path: path.to_owned(),
        source: source.clone(),
        params,
        secrets: secrets.clone(),
        reach: Reach::new(reach),
        limits: Limits::default(),
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let library = load_library(folder).map_err(|problem| listed(&[problem]))?;
    let library = library.into_iter().map(compose::module).collect();
    let runner = RhaiRunner::with_library(vec![script], library)
        .map_err(|errors| errors.iter().map(|error| with_causes(error)).collect::<Vec<_>>().join("\n"))?;
    Ok(Ready { check, source, secrets, runner })
}

/// The secrets of a file; none without one.
pub(super) fn secrets(path: Option<&PathBuf>) -> Result<Secrets, String> {
    match path {
        Some(path) => load_secrets(path).map_err(|problems| listed(&problems)),
        None => Ok(Secrets::default()),
    }
}

/// The check is called after its file; what a name may not hold becomes a hyphen.
fn name_of(script: &Path) -> Result<CheckName, String> {
    let stem = script.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let hyphened: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    CheckName::new(hyphened.trim_matches('-')).map_err(|error| format!("{}: {error}", script.display()))
}

fn listed(problems: &[Problem]) -> String {
    let one = |problem: &Problem| {
        let place = problem.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
        format!("{}{place}: {}", problem.file.display(), problem.message)
    };
    problems.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
