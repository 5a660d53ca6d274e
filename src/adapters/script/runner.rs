//! The runner: scripts compiled once, run many times, several at the same time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rhai::{AST, Engine};

use super::coroutine::Script;
use super::ending::Ending;
use super::engine::engine;
use super::error::ScriptError;
use super::flow::{Flow, Kit};
use super::http::Browser;
use super::language;
use super::limits::Limits;
use super::modules;
use super::places::{Places, parse};
use super::reach::Reach;
use super::tape::{Mode, Reel, Tape};
use super::text::{MAX_REASON_CHARS, tidy};
use super::tls::Trust;
use super::watch::Watch;
use super::worker::{Tell, Workers};
use crate::domain::{CheckName, Generation, Outcome, ProbeReport, Secrets};
use crate::ports::{ProbeRequest, ProbeRunner};

/// The longest script, in bytes: a check is a page or two.
pub(super) const MAX_SCRIPT_BYTES: usize = 256 * 1024;
/// How long past its deadline a script may take to notice it. It notices between any two operations and while it waits
/// for the site; only a single long operation, such as parsing a huge page, takes longer.
const GRACE: Duration = Duration::from_millis(50);

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
    /// The hosts that it may ask beside its target's.
    pub reach: Reach,
    /// How much it may do.
    pub limits: Limits,
}

/// A file that checks share: `import "lib/NAME" as name;`.
#[derive(Debug, Clone)]
pub struct ModuleScript {
    /// Its name in `import`: `lib/NAME`.
    pub name: String,
    /// Where the source is from, for messages.
    pub path: PathBuf,
    /// The functions.
    pub source: String,
}

/// Runs checks that are Rhai scripts.
///
/// It compiles every script once. Each probe has its own cookie jar and connections, and shares nothing with another but the
/// compiled script and the TLS configuration. While it waits for its site it holds no thread.
pub struct RhaiRunner {
    engine: Arc<Engine>,
    trust: Arc<Trust>,
    workers: Workers,
    checks: BTreeMap<CheckName, Check>,
}

struct Check {
    ast: Arc<AST>,
    kit: Arc<Kit>,
    generation: Generation,
}

/// A run and what was recorded of it.
#[derive(Debug, Clone)]
pub struct Run {
    /// How it ended.
    pub report: ProbeReport,
    /// The recording, if one was wanted.
    pub tape: Option<Tape>,
}

impl std::fmt::Debug for RhaiRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RhaiRunner").field("checks", &self.checks.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl RhaiRunner {
    /// Compiles the scripts, and says everything that is wrong with any of them.
    pub fn new(scripts: Vec<CheckScript>) -> Result<Self, Vec<ScriptError>> {
        Self::with_library(scripts, Vec::new())
    }

    /// The same with files that the scripts share.
    pub fn with_library(scripts: Vec<CheckScript>, library: Vec<ModuleScript>) -> Result<Self, Vec<ScriptError>> {
        let bodies = scripts.iter().map(|script| script.limits.capped().body_bytes);
        let mut engine = engine(bodies.max().unwrap_or(Limits::default().body_bytes));
        let shared = Generation::of(library.iter().flat_map(|module| [module.name.as_str(), module.source.as_str()]));
        let lines = scripts.iter().map(|script| script.source.lines().count() + 1);
        let mut places = Places::below(lines.max().unwrap_or_default());
        modules::load(&mut engine, &library, &mut places)?;
        let places = Arc::new(places);
        let trust = Trust::of_this_machine().map_err(|error| vec![ScriptError::Tls(error)])?;
        let workers = Workers::start().map_err(|error| vec![ScriptError::Threads(error.to_string())])?;
        let mut checks: BTreeMap<CheckName, Check> = BTreeMap::new();
        let mut errors = Vec::new();
        for script in scripts {
            if let Some(first) = checks.get(&script.name) {
                let first = first.kit.path.clone();
                errors.push(ScriptError::Duplicate { name: script.name, path: script.path, first });
                continue;
            }
            match compile(&engine, &script) {
                Ok(ast) => {
                    let (name, generation) = (script.name.clone(), generation(&script, shared));
                    let CheckScript { path, params, secrets, reach, limits, .. } = script;
                    let (limits, places) = (limits.capped(), Arc::clone(&places));
                    let kit = Kit { path, params, secrets, reach, limits, places };
                    checks.insert(name, Check { ast: Arc::new(ast), kit: Arc::new(kit), generation });
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { engine: Arc::new(engine), trust: Arc::new(trust), workers, checks })
    }

    /// The names of the checks, in order.
    pub fn checks(&self) -> impl Iterator<Item = &CheckName> {
        self.checks.keys()
    }
}

impl RhaiRunner {
    /// Runs one probe, and records it or plays a recording, as the mode says.
    pub async fn run_as(&self, request: &ProbeRequest, mode: Mode) -> Run {
        let watch = Watch::start(request.deadline);
        let broken =
            |secrets: &Secrets, reason: &str| Run { report: without_flow(&watch, secrets, reason), tape: None };
        let Some(check) = self.checks.get(&request.check) else {
            return broken(&Secrets::default(), &format!("there is no check '{}'", request.check));
        };
        let (engine, ast, mut kit) = (Arc::clone(&self.engine), Arc::clone(&check.ast), Arc::clone(&check.kit));
        if !mode.facts.is_empty() {
            Arc::make_mut(&mut kit).params.extend(mode.facts.clone());
        }
        let (trust, request, own) = (Arc::clone(&self.trust), request.clone(), watch.beside());
        let patience = if mode.whole { kit.limits.clean_up } else { Duration::ZERO };
        let late = watch.remaining() + patience + GRACE;
        let work = self.workers.run(move |tell| async move {
            let browser = Browser::new(trust, request.resolution.clone(), kit.limits.body_bytes);
            let flow = Rc::new(Flow::new(kit, request, browser, own, Reel::new(mode)));
            told(interpreted(engine, ast, &flow), &flow, &tell).await;
        });
        match tokio::time::timeout(late, work).await {
            Ok(Some(run)) => run,
            Ok(None) => broken(&check.kit.secrets, "the prober broke down while it ran the script"),
            // Its thread is busy with something that cannot be interrupted, be it this script or another: nobody can tell.
            Err(_) => broken(&check.kit.secrets, "the prober did not come back to the script in time"),
        }
    }
}

#[async_trait]
impl ProbeRunner for RhaiRunner {
    async fn run(&self, request: &ProbeRequest) -> ProbeReport {
        self.run_as(request, Mode::default()).await.report
    }

    fn generation(&self, check: &CheckName) -> Generation {
        self.checks.get(check).map(|check| check.generation).unwrap_or_default()
    }
}

/// The mark of all that decides what a check says: its text and the files it shares, its parameters and limits, whom it may ask, and
/// which secrets it may see. Never their values: a mark is no secret, and a new password is no new check.
fn generation(script: &CheckScript, library: Generation) -> Generation {
    // How long cleaning up may take says nothing of the site.
    let Limits { operations, requests, body_bytes, clean_up: _ } = script.limits;
    let hosts = script.reach.hosts();
    // A check that shares nothing is the same whatever others share.
    let library = if script.source.contains("import") { library.to_string() } else { String::new() };
    // The counts keep parameters, hosts and secrets apart.
    let rest = format!("{} {} {operations} {requests} {body_bytes} {library}", script.params.len(), hosts.len());
    let mut parts: Vec<&str> = vec![&script.source, &rest];
    parts.extend(script.params.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
    parts.extend(hosts.iter().map(String::as_str));
    parts.extend(script.secrets.names());
    Generation::of(parts)
}

fn compile(engine: &Engine, script: &CheckScript) -> Result<AST, ScriptError> {
    let bytes = script.source.len();
    if bytes > MAX_SCRIPT_BYTES {
        return Err(ScriptError::TooLong { path: script.path.clone(), bytes, max: MAX_SCRIPT_BYTES });
    }
    parse(engine, &script.path, &script.source)
}

/// Runs the script and tells the report: at its end, or when the deadline is over and there is still something to clean up. A report that
/// waited for that would be late by it just when a site has gone down.
async fn told(script: impl Future<Output = Option<Ending>>, flow: &Flow, tell: &Tell<Run>) {
    let run = |ending| Run { report: flow.report(ending), tape: flow.tape() };
    let overdue = async {
        flow.cleaning().await;
        tokio::time::sleep(flow.watch.until_deadline()).await;
    };
    let mut script = std::pin::pin!(script);
    tokio::select! {
        biased;
        ending = &mut script => return tell.say(run(ending)),
        () = overdue, if !flow.is_whole() => tell.say(run(flow.ended())),
    }
    // A logout, say, that takes a moment more.
    script.await;
}

/// Runs the script to its end, on a stack of its own; nothing means that it passed.
async fn interpreted(engine: Arc<Engine>, ast: Arc<AST>, flow: &Rc<Flow>) -> Option<Ending> {
    let own = Rc::clone(flow);
    let script = Script::new(Rc::clone(flow) as Rc<dyn std::any::Any>, move || {
        let mut scope = language::scope(&own);
        let said = engine.run_ast_with_scope(&mut scope, &ast).err();
        let call = own.guard.place();
        let (path, places) = (&own.kit.path, &own.kit.places);
        let said = said.map(|error| Ending::of(&error, path, places, call));
        // What a script has hidden from itself counts; the error that travelled all the way knows its place.
        let hidden = own.guard.take_ending().map(|ending| (ending, call.and_then(|call| places.of(path, call))));
        let ended = match (said, hidden) {
            (Some((Ending::Inconclusive(_), _)) | None, Some(hidden @ (Ending::Fail(..), _))) => Some(hidden),
            (said, hidden) => said.or(hidden),
        };
        let (ending, place) = ended.map_or((None, None), |(ending, place)| (Some(ending), place));
        own.script_ended(ending.as_ref(), place);
        own.guard.cleans_up();
        // How cleaning up ends is on the timeline, and says nothing of the site: what was asked of it has been answered.
        while let Some(deferred) = own.next_deferred() {
            // No step is left, or no time: what cleans up may defer, too, and would go on for ever.
            let Ok(step) = own.open_step("clean up") else { break };
            // How cleaning up before this one ended is not its concern.
            own.guard.take_ending();
            let outcome = match deferred.call::<rhai::Dynamic>(&engine, &ast, ()) {
                Ok(_) => Outcome::Pass,
                Err(error) => Ending::outcome_of(&error),
            };
            own.close_step(step, outcome);
            if own.watch.remaining().is_zero() {
                break;
            }
        }
        ending
    });
    match script {
        Ok(script) => script.await.unwrap_or_else(|_| {
            Some(Ending::Inconclusive("the prober broke down while it ran the script".to_owned()))
        }),
        Err(error) => Some(Ending::Inconclusive(format!("the prober has no memory for a script: {error}"))),
    }
}

/// The report of a probe that could not begin.
fn without_flow(watch: &Watch, secrets: &Secrets, reason: &str) -> ProbeReport {
    ProbeReport {
        outcome: Outcome::Inconclusive,
        kind: None,
        reason: Some(tidy(reason, secrets.redaction(), MAX_REASON_CHARS)),
        place: None,
        failed_step: None,
        steps: Vec::new(),
        requests: Vec::new(),
        metrics: Vec::new(),
        duration_ms: watch.elapsed_ms(),
    }
}
