//! Files that checks share: `checks/lib/*.rhai`, loaded once, when the checks are.

use rhai::module_resolvers::StaticModuleResolver;
use rhai::{Engine, EvalAltResult, Module, Scope};

use super::ending::Ending;
use super::error::ScriptError;
use super::places::Places;
use super::runner::ModuleScript;

/// Loads the files, each after those that it imports, and says everything that is wrong with them.
pub(super) fn load(
    engine: &mut Engine,
    library: &[ModuleScript],
    places: &mut Places,
) -> Result<(), Vec<ScriptError>> {
    let (mut errors, mut waiting) = (Vec::new(), Vec::new());
    for module in library {
        match places.parse(engine, &module.path, &module.source) {
            Ok(ast) => waiting.push((module, ast)),
            Err(error) => errors.push(error),
        }
    }
    let mut loaded = StaticModuleResolver::new();
    loop {
        let before = waiting.len();
        let mut failed = Vec::new();
        for (module, ast) in std::mem::take(&mut waiting) {
            engine.set_module_resolver(loaded.clone());
            match Module::eval_ast_as_new(Scope::new(), &ast, engine) {
                Ok(made) => loaded.insert(module.name.clone(), made),
                Err(error) => failed.push((module, ast, error)),
            }
        }
        // What is missing may have been loaded since; what is wrong stays wrong.
        let missing = failed.iter().all(|(_, _, error)| is_missing(error));
        if failed.is_empty() || failed.len() == before || !missing {
            errors.extend(failed.iter().map(
                |(module, _, error)| match Ending::of(error, &module.path, places, None).0 {
                    Ending::Inconclusive(what) | Ending::Fail(_, what) => ScriptError::Library(what),
                },
            ));
            break;
        }
        waiting = failed.into_iter().map(|(module, ast, _)| (module, ast)).collect();
    }
    engine.set_module_resolver(loaded);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn is_missing(error: &EvalAltResult) -> bool {
    matches!(error, EvalAltResult::ErrorModuleNotFound(..))
}
