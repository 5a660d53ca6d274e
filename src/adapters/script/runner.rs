//! The runner: scripts compiled once, run many times, several at the same time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use rhai::{AST, Dynamic, Shared};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::ending::Ending;
use super::engine::Library;
use super::error::ScriptError;
use super::flow::{Flow, Kit, Tag};
use super::http::Browser;
use super::language;
use super::text::{MAX_REASON_CHARS, tidy};
use super::tls::Trust;
use super::watch::Watch;
use crate::domain::{CheckName, Generation, Outcome, ProbeReport, Secrets};
use crate::ports::{ProbeRequest, ProbeRunner};

/// The longest script, in bytes: a check is a page or two.
const MAX_SCRIPT_BYTES: usize = 256 * 1024;
/// How long past its deadline a script may take to notice it. It notices between any two operations and while it waits
/// for the site; only a single long operation, such as parsing a huge page, takes longer, and is then left behind.
const GRACE: Duration = Duration::from_millis(50);
/// The stack of a script's thread; only what is used of it takes memory. A hostile script nests values or closures as deep
/// as its limits allow, and comparing, printing and dropping them recurses: the runtime's own 2 MiB are too few for that.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// How many operations pass between two looks at the clock.
const OPERATIONS_PER_LOOK: u64 = 64;

/// One check to load.
#[derive(Debug, Clone)]
pub struct CheckScript {
    /// Its name, which a probe request says.
    pub name: CheckName,
    /// Where the source is from, for messages.
    pub path: PathBuf,
    /// The script.
    pub source: String,
    /// What differs between services: `param(name)`.
    pub params: BTreeMap<String, String>,
    /// The secrets that this check may see, and no others.
    pub secrets: Secrets,
}

/// Runs checks that are Rhai scripts.
///
/// It compiles every script once. Each probe has its own interpreter, cookie jar and connections, and shares nothing with
/// another but the compiled script and the TLS configuration. A script runs on a thread of its own, since Rhai cannot
/// suspend; what it asks of the network runs on the caller's runtime.
pub struct RhaiRunner {
    library: Library,
    trust: Trust,
    checks: BTreeMap<CheckName, Check>,
}

struct Check {
    ast: Arc<AST>,
    kit: Arc<Kit>,
    generation: Generation,
}

impl std::fmt::Debug for RhaiRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RhaiRunner").field("checks", &self.checks.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl RhaiRunner {
    /// Compiles the scripts, and says everything that is wrong with any of them.
    pub fn new(scripts: Vec<CheckScript>) -> Result<Self, Vec<ScriptError>> {
        let library = Library::new();
        let trust = Trust::of_this_machine().map_err(|error| vec![ScriptError::Tls(error)])?;
        let mut checks: BTreeMap<CheckName, Check> = BTreeMap::new();
        let mut errors = Vec::new();
        for script in scripts {
            if let Some(first) = checks.get(&script.name) {
                let first = first.kit.path.clone();
                errors.push(ScriptError::Duplicate { name: script.name, path: script.path, first });
                continue;
            }
            match compile(&library, &script) {
                Ok(ast) => {
                    let generation = generation(&script);
                    let kit = Kit { path: script.path, params: script.params, secrets: script.secrets };
                    checks.insert(script.name, Check { ast: Arc::new(ast), kit: Arc::new(kit), generation });
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self { library, trust, checks }) } else { Err(errors) }
    }

    /// The names of the checks, in order.
    pub fn checks(&self) -> impl Iterator<Item = &CheckName> {
        self.checks.keys()
    }
}

#[async_trait]
impl ProbeRunner for RhaiRunner {
    async fn run(&self, request: &ProbeRequest) -> ProbeReport {
        let watch = Watch::start(request.deadline);
        let Some(check) = self.checks.get(&request.check) else {
            return without_flow(&watch, &Secrets::default(), &format!("there is no check '{}'", request.check));
        };
        let browser = match Browser::new(&self.trust, &request.resolution) {
            Ok(browser) => browser,
            Err(Ending::Inconclusive(reason) | Ending::Fail(_, reason)) => {
                return without_flow(&watch, &check.kit.secrets, &reason);
            }
        };
        let cancel = CancellationToken::new();
        // Whoever drops this future, a shutdown say, ends the script as well.
        let _ends_the_script = cancel.clone().drop_guard();
        let flow =
            Arc::new(Flow::new(Arc::clone(&check.kit), request.clone(), browser, watch, cancel, Handle::current()));
        let script = {
            let (library, ast, flow) = (self.library.clone(), Arc::clone(&check.ast), Arc::clone(&flow));
            let (tell, told) = oneshot::channel();
            let thread = thread::Builder::new().name("probe".to_owned()).stack_size(STACK_BYTES);
            // Nobody joins the thread: its result is awaited, and if it outlives the deadline it is left behind.
            let spawned = thread.spawn(move || {
                // If the receiver is gone, so is everyone who wanted to know.
                let _ = tell.send(interpret(&library, &ast, &flow));
            });
            spawned.map(|_| told)
        };
        let script = match script {
            Ok(told) => told,
            Err(error) => {
                let reason = format!("the prober cannot start a thread: {error}");
                return flow.report(Some(Ending::Inconclusive(reason)));
            }
        };
        let ending = match tokio::time::timeout(flow.watch.remaining() + GRACE, script).await {
            Ok(Ok(ending)) => ending,
            Ok(Err(_)) => Some(Ending::Inconclusive("the prober broke down while it ran the script".to_owned())),
            Err(_) => Some(flow.out_of_time(None)),
        };
        flow.report(ending)
    }

    fn generation(&self, check: &CheckName) -> Generation {
        self.checks.get(check).map(|check| check.generation).unwrap_or_default()
    }
}

/// The mark of all that decides what a check says: its text, its parameters, and which secrets it may see. Never their values: a mark is
/// no secret, and a new password is no new check.
fn generation(script: &CheckScript) -> Generation {
    // The count keeps parameters and secrets apart.
    let count = script.params.len().to_string();
    let params = script.params.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    Generation::of([script.source.as_str(), &count].into_iter().chain(params).chain(script.secrets.names()))
}

fn compile(library: &Library, script: &CheckScript) -> Result<AST, ScriptError> {
    let bytes = script.source.len();
    if bytes > MAX_SCRIPT_BYTES {
        return Err(ScriptError::TooLong { path: script.path.clone(), bytes, max: MAX_SCRIPT_BYTES });
    }
    library
        .engine()
        .compile_with_scope(&language::names(), &script.source)
        .map_err(|error| ScriptError::syntax(script.path.clone(), &script.source, &error))
}

/// Runs the script on this thread to its end; nothing means that it passed.
fn interpret(library: &Library, ast: &AST, flow: &Arc<Flow>) -> Option<Ending> {
    let mut engine = library.engine();
    engine.register_global_module(Shared::new(language::globals(flow)));
    engine.set_default_tag(Dynamic::from(Tag(Arc::clone(flow))));
    let watched = Arc::clone(flow);
    engine.on_progress(move |operations| {
        if !operations.is_multiple_of(OPERATIONS_PER_LOOK) {
            return None;
        }
        if watched.cancel.is_cancelled() {
            return Some(Dynamic::from(Ending::Inconclusive("the probe was called off".to_owned())));
        }
        watched.watch.remaining().is_zero().then(|| Dynamic::from(watched.out_of_time(None)))
    });
    let told = Arc::clone(flow);
    engine.on_print(move |text| {
        tracing::debug!(check = %told.request.check, "{}", told.tidy(text, MAX_REASON_CHARS));
    });
    let script = flow.kit.path.display().to_string();
    let mut scope = language::scope(flow);
    engine.run_ast_with_scope(&mut scope, ast).err().map(|error| Ending::of(&error, &script))
}

/// The report of a probe that could not begin.
fn without_flow(watch: &Watch, secrets: &Secrets, reason: &str) -> ProbeReport {
    ProbeReport {
        outcome: Outcome::Inconclusive,
        kind: None,
        reason: Some(tidy(reason, secrets, MAX_REASON_CHARS)),
        failed_step: None,
        steps: Vec::new(),
        duration_ms: watch.elapsed_ms(),
    }
}
