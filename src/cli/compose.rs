//! From a configuration to adapters.

use std::path::Path;
use std::sync::Arc;

use super::exit::Failure;
use crate::adapters::script::{CheckScript, Limits, ModuleScript, Reach, RhaiRunner, ScriptError};
use crate::config::{Check, Config, Loaded, Loader, Outline, Problem, SharedScript};
use crate::domain::VantageName;

/// Loads the configuration, and refuses with every problem in it.
pub(super) fn config(path: &Path) -> Result<Config, Failure> {
    loaded(path, crate::config::load(path))
}

/// The same with the secrets of the files alone: those in the environment are for something else.
pub(super) fn config_of_files(path: &Path) -> Result<Config, Failure> {
    loaded(path, Loader::new(path).environment(|_| None).load())
}

/// What an agent of that vantage uses of it, with no secret but its own.
pub(super) fn for_agent(path: &Path, vantage: &VantageName) -> Result<Outline, Failure> {
    loaded(path, Loader::new(path).load_for_agent(vantage))
}

/// What there is to look at in it, without any secret.
pub(super) fn for_tool(path: &Path) -> Result<Outline, Failure> {
    loaded(path, Loader::new(path).load_for_tool())
}

fn loaded<T>(path: &Path, loaded: Result<Loaded<T>, Vec<Problem>>) -> Result<T, Failure> {
    match loaded {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                tracing::warn!("{warning}");
            }
            Ok(loaded.config)
        }
        Err(problems) => {
            let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Err(Failure::usage(format!(
                "{} cannot be used (`quorate validate --config {}` shows the lines):\n{}",
                path.display(),
                path.display(),
                list.join("\n")
            )))
        }
    }
}

/// Compiles the checks and what they share.
pub(super) fn runner(checks: Vec<Check>, library: Vec<SharedScript>) -> Result<Arc<RhaiRunner>, Failure> {
    let scripts = checks.into_iter().map(script);
    RhaiRunner::with_library(scripts.collect(), library.into_iter().map(module).collect())
        .map(Arc::new)
        .map_err(|errors| Failure::usage(lines(&errors)))
}

/// One check, or a hook, for a runner.
pub(super) fn script(check: Check) -> CheckScript {
    CheckScript {
        limits: limits(&check),
        name: check.name,
        path: check.path,
        source: check.source,
        params: check.params,
        secrets: check.secrets,
        reach: Reach::new(check.reach),
    }
}

/// A line for each error.
pub(super) fn lines(errors: &[ScriptError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The limits of a check: the usual ones, but for those that the configuration sets.
fn limits(check: &Check) -> Limits {
    let usual = Limits::default();
    let size = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
    Limits {
        operations: check.max_operations.map_or(usual.operations, u64::from),
        requests: size(check.max_requests).unwrap_or(usual.requests),
        body_bytes: size(check.max_body_kib).map_or(usual.body_bytes, |kib| kib * 1024),
        clean_up: usual.clean_up,
    }
}

/// A shared file for the runner.
pub(super) fn module(shared: SharedScript) -> ModuleScript {
    ModuleScript { name: shared.name, path: shared.path, source: shared.source }
}
