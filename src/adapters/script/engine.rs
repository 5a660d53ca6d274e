//! The sandbox: which parts of Rhai a check has, and all of its limits. They are the same in debug and in release.
//!
//! Left out on purpose: files, processes, the environment, `eval`, `sleep` and `exit` (Rhai's language core package is not loaded; its
//! `sleep` would hold a thread past the deadline). `import` gives what was loaded from `checks/lib` beforehand, and reads no file.

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, OptimizationLevel, Shared};

use super::ending::Ending;
use super::limits::Limits;
use super::text::MAX_REASON_CHARS;
use super::{bounded, coroutine, flow, language};

/// How many operations pass between two looks at the clock.
const OPERATIONS_PER_LOOK: u64 = 64;
/// How many pass before other scripts of the thread have their turn: about a tenth of a millisecond.
const OPERATIONS_PER_TURN: u64 = 1_024;

/// Functions and closures inside each other: checks are flat.
pub(super) const MAX_CALL_DEPTH: usize = 16;
/// Nesting of expressions and blocks at the top of a script; the parser recurses, too.
const MAX_EXPR_DEPTH: usize = 64;
/// The same within a function or closure, where most of a check is.
const MAX_FUNCTION_EXPR_DEPTH: usize = 64;
/// Bytes in a string, for each byte of the largest body that a check may read: a body of stray bytes grows threefold when each becomes
/// a replacement character.
const STRING_BYTES_FOR_EACH_OF_A_BODY: usize = 3;
/// What a string may have beside.
const STRING_BYTES_BESIDE: usize = 1024;
/// How much the process may grow while a script runs, in bytes. What a login holds is a hundredth of it.
const MAX_GROWTH_BYTES: u64 = 512 * 1024 * 1024;
/// Elements in an array, nested ones included: `select_all` on a long table. Nested in each other they are as many levels
/// of recursion, which the thread's stack must bear.
pub(super) const MAX_ARRAY_ITEMS: usize = 5_000;
/// Properties in a map, nested ones included: a large JSON answer.
const MAX_MAP_ITEMS: usize = 5_000;
/// Variables alive at once, which bounds memory together with the sizes above.
pub(super) const MAX_VARIABLES: usize = 128;
/// Functions that a script defines, closures included.
const MAX_FUNCTIONS: usize = 256;
/// Files that a check shares with others.
const MAX_MODULES: usize = 16;
/// Words that are not part of the language.
const DISABLED_SYMBOLS: [&str; 4] = ["eval", "export", "curry", "sleep"];

/// The one engine for all checks and probes, which may read bodies of this many bytes: what differs between probes, host functions find
/// in the [flow] that runs.
pub(super) fn engine(largest_body: usize) -> Engine {
    let mut engine = Engine::new_raw();
    let modules = [
        ArithmeticPackage::new().as_shared_module(),
        LogicPackage::new().as_shared_module(),
        BasicStringPackage::new().as_shared_module(),
        MoreStringPackage::new().as_shared_module(),
        BasicIteratorPackage::new().as_shared_module(),
        BasicArrayPackage::new().as_shared_module(),
        BasicMapPackage::new().as_shared_module(),
        BasicMathPackage::new().as_shared_module(),
        BasicFnPackage::new().as_shared_module(),
        // After Rhai's own, some of which it stands instead of.
        Shared::new(bounded::module()),
        Shared::new(language::module()),
    ];
    for module in modules {
        engine.register_global_module(module);
    }
    limits(&mut engine, largest_body);
    watched(&mut engine);
    engine
}

/// Looks after the running script: ends it by its limits, and lets others have their turn.
fn watched(engine: &mut Engine) {
    engine.on_progress(|loading| {
        let Some(operations) = coroutine::tick() else {
            // No script: a shared file is being loaded, which only defines functions.
            let most = Limits::default().operations;
            let words = || format!("the file ran more than {most} operations while it was loaded");
            return (loading > most).then(|| Dynamic::from(Ending::Inconclusive(words())));
        };
        if !operations.is_multiple_of(OPERATIONS_PER_LOOK) {
            return None;
        }
        let flow = flow::current()?;
        if let Some(ending) = flow.guard.ending() {
            return Some(Dynamic::from(ending));
        }
        let most = flow.kit.limits.operations;
        if operations > flow.guard.operations(most) {
            return Some(Dynamic::from(Ending::Inconclusive(format!("the script ran more than {most} operations"))));
        }
        if flow.watch.remaining().is_zero() {
            return Some(Dynamic::from(flow.out_of_time(None)));
        }
        if flow.guard.growth().is_some_and(|growth| growth > MAX_GROWTH_BYTES) {
            let most = MAX_GROWTH_BYTES / (1024 * 1024);
            let words = format!("the prober's memory grew by more than {most} MiB while the script ran");
            return Some(Dynamic::from(Ending::Inconclusive(words)));
        }
        if operations.is_multiple_of(OPERATIONS_PER_TURN) {
            coroutine::pause();
        }
        None
    });
    engine.on_print(|text| {
        if let Some(flow) = flow::current() {
            tracing::debug!(check = %flow.request.check, "{}", flow.tidy(text, MAX_REASON_CHARS));
        }
    });
    language::watch_names(engine);
}

/// Every limit there is.
fn limits(engine: &mut Engine, largest_body: usize) {
    engine
        .set_max_call_levels(MAX_CALL_DEPTH)
        .set_max_expr_depths(MAX_EXPR_DEPTH, MAX_FUNCTION_EXPR_DEPTH)
        .set_max_string_size(STRING_BYTES_FOR_EACH_OF_A_BODY * largest_body + STRING_BYTES_BESIDE)
        .set_max_array_size(MAX_ARRAY_ITEMS)
        .set_max_map_size(MAX_MAP_ITEMS)
        .set_max_variables(MAX_VARIABLES)
        .set_max_functions(MAX_FUNCTIONS)
        .set_max_modules(MAX_MODULES)
        // An unknown variable is found when the script is compiled, not at night when its branch is first taken.
        .set_strict_variables(true)
        // The optimiser would fold `target` and its siblings into the script at compile time.
        .set_optimization_level(OptimizationLevel::None);
    for symbol in DISABLED_SYMBOLS {
        engine.disable_symbol(symbol);
    }
}
