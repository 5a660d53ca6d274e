//! From a configuration to adapters.

use std::path::Path;
use std::sync::Arc;

use super::exit::Failure;
use crate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner};
use crate::config::{Check, Config, Loaded, Loader, Problem};

/// Loads the configuration, and refuses with every problem in it.
pub(super) fn config(path: &Path) -> Result<Config, Failure> {
    loaded(path, crate::config::load(path))
}

/// The same with the secrets of the files alone: those in the environment are for something else.
pub(super) fn config_of_files(path: &Path) -> Result<Config, Failure> {
    loaded(path, Loader::new(path).environment(|_| None).load())
}

fn loaded(path: &Path, loaded: Result<Loaded, Vec<Problem>>) -> Result<Config, Failure> {
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

/// Compiles the checks.
pub(super) fn runner(checks: Vec<Check>) -> Result<Arc<RhaiRunner>, Failure> {
    let scripts = checks.into_iter().map(|check| CheckScript {
        name: check.name,
        path: check.path,
        source: check.source,
        params: check.params,
        secrets: check.secrets,
        reach: Reach::default(),
        limits: Limits::default(),
    });
    RhaiRunner::new(scripts.collect())
        .map(Arc::new)
        .map_err(|errors| Failure::usage(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}
