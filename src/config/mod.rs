//! Files into domain values: `quorate.toml`, the policies, scripts and secrets that it names.
//!
//! It reports every problem of every file in one run, each with its place and the way out, and refuses to yield a
//! configuration while one error is left: unknown keys, names that nothing answers to, numbers that are impossible
//! together, vantages placed so that one cloud alone could bring a service down (the placement rule). What is legal
//! but unwise comes back as warnings.
//!
//! ```text
//! file --reader--> draft (values with their places) --resolve--> Config (domain values)
//!                                                    --lint----> warnings
//! ```
//!
//! It refuses to touch the network: whether a zone exists or a site answers is not asked here. It reads the
//! environment for secrets only, and prints neither a secret nor a line that may hold one.

mod advice;
mod canaries;
mod dns;
mod draft;
mod drills;
mod judges;
mod library;
mod lint;
mod maintenance;
mod model;
mod names;
mod notices;
mod placement;
mod policies;
mod problem;
mod reader;
mod resolve;
mod rules;
mod sites;
mod values;
mod vault;

use std::path::{Path, PathBuf};

pub use dns::{Flag, Provider, SecondZone, StoreUrl, TsigAlgorithm, TsigKey};
pub use library::load_library;
pub use model::{
    Agents, Check, Config, Controller, Notify, Outline, Outlined, Rehearsal, ServiceConfig, SharedScript, Sms, Store,
};
pub use problem::{Excerpt, Place, Problem, Severity};
pub use sites::{CommandControl, ControlConfig, ControlKind, DatabaseControl, Engine, HttpControl, SiteControls};
pub use values::nearest;

use problem::{Report, Source, tidy};
use reader::Document;
use resolve::Resolver;
use vault::Vault;

use crate::domain::{Policy, Secrets, VantageName};

/// Looks up an environment variable.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Judges a check's script and yields what is wrong with it. The config floor cannot run scripts itself: `cli` hands
/// in the engine that can.
pub type ScriptJudge<'a> = dyn Fn(&Path, &str) -> Vec<Problem> + 'a;

/// Who reads a configuration, and so which of the secrets that it names must be there. Others are not looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose<'a> {
    /// Whoever decides and moves: all of them.
    Controller,
    /// The agent of one vantage: the controllers' token, and what the checks of its services list.
    Agent(&'a VantageName),
    /// Who only looks at what is configured: none.
    Tool,
}

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded<T = Config> {
    /// The configuration.
    pub config: T,
    /// What is legal but unwise, by place.
    pub warnings: Vec<Problem>,
}

/// Loads a configuration and everything that it names. On failure, every problem of every file by place, warnings
/// among them; at least one is an error.
pub fn load(path: &Path) -> Result<Loaded, Vec<Problem>> {
    Loader::new(path).load()
}

/// Loads a file of secrets alone, with the environment's overrides. On failure, every problem of it; none quotes a line.
pub fn load_secrets(path: &Path) -> Result<Secrets, Vec<Problem>> {
    let report = Report::default();
    let environment: Box<Environment<'_>> = Box::new(variable);
    let secrets = Vault::open(path, &environment, Purpose::Controller, &report).alone(&report);
    if report.has_errors() { Err(report.sorted(&tidy(path))) } else { Ok(secrets) }
}

/// A policy that can be used, on its own.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    /// The policy; its name is the file's without the ending.
    pub policy: Policy,
    /// What the file says of it, for people who choose one.
    pub description: Option<String>,
    /// What is legal but unwise in it, by place.
    pub warnings: Vec<Problem>,
}

/// Loads a policy's file alone. On failure, every problem of it, at least one of them an error.
pub fn load_policy(path: &Path) -> Result<LoadedPolicy, Vec<Problem>> {
    let report = Report::default();
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let rules = match Source::read(path, false) {
        Ok(source) => Document::parse(&source, &report).and_then(|document| rules::read(&name, &document, &report)),
        Err(error) => {
            let message = if error.kind() == std::io::ErrorKind::NotFound {
                "there is no such policy: name a file such as policies/default.toml".to_owned()
            } else {
                format!("the policy cannot be read: {error}")
            };
            report.push(Problem::in_file(Severity::Error, &tidy(path), message));
            None
        }
    };
    if let Some(rules) = &rules {
        rules.advise(&report);
    }
    let failed = report.has_errors();
    let problems = report.sorted(&tidy(path));
    match rules {
        Some(rules) if !failed => {
            Ok(LoadedPolicy { policy: rules.policy, description: rules.description, warnings: problems })
        }
        _ => Err(problems),
    }
}

/// Loads a configuration with other means than the machine's own.
pub struct Loader<'a> {
    path: PathBuf,
    environment: Box<Environment<'a>>,
    scripts: Box<ScriptJudge<'a>>,
}

impl<'a> Loader<'a> {
    /// Loads that file, with secrets from the process's environment, and scripts that only have to be there.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), environment: Box::new(variable), scripts: Box::new(|_, _| Vec::new()) }
    }

    /// Looks for overriding secrets there instead of in the process's environment.
    #[must_use]
    pub fn environment(mut self, environment: impl Fn(&str) -> Option<String> + 'a) -> Self {
        self.environment = Box::new(environment);
        self
    }

    /// Has every script judged, and its problems listed among the others.
    #[must_use]
    pub fn scripts(mut self, judge: impl Fn(&Path, &str) -> Vec<Problem> + 'a) -> Self {
        self.scripts = Box::new(judge);
        self
    }

    /// As [`load`].
    pub fn load(&self) -> Result<Loaded, Vec<Problem>> {
        self.load_by(Purpose::Controller, |resolver| resolver.resolve())
    }

    /// Loads what an agent of that vantage uses. The secrets that only controllers use need not be there, and are not read.
    pub fn load_for_agent(&self, vantage: &VantageName) -> Result<Loaded<Outline>, Vec<Problem>> {
        self.load_by(Purpose::Agent(vantage), |resolver| resolver.outline())
    }

    /// Loads what there is to look at, without any check or secret.
    pub fn load_for_tool(&self) -> Result<Loaded<Outline>, Vec<Problem>> {
        self.load_by(Purpose::Tool, |resolver| resolver.outline())
    }

    fn load_by<T>(
        &self,
        purpose: Purpose<'_>,
        resolve: impl FnOnce(Resolver<'_>) -> Option<T>,
    ) -> Result<Loaded<T>, Vec<Problem>> {
        let report = Report::default();
        let config = self.read(&report, purpose, resolve);
        let failed = report.has_errors();
        let problems = report.sorted(&tidy(&self.path));
        match config {
            Some(config) if !failed => Ok(Loaded { config, warnings: problems }),
            _ => Err(problems),
        }
    }

    fn read<T>(
        &self,
        report: &Report,
        purpose: Purpose<'_>,
        resolve: impl FnOnce(Resolver<'_>) -> Option<T>,
    ) -> Option<T> {
        let source = match Source::read(&self.path, false) {
            Ok(source) => source,
            Err(error) => {
                report.push(unreadable(&self.path, &error));
                return None;
            }
        };
        let document = Document::parse(&source, report)?;
        if document.is_empty() {
            report.error(
                &document.start(),
                "the file is empty: a configuration needs at least a cluster, vantages, a check and a service; \
                 examples/demo/quorate.toml has all of them, with comments",
            );
            return None;
        }
        let draft = draft::Draft::read(&document, report);
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        resolve(Resolver::new(&draft, folder, &self.environment, purpose, &self.scripts, report))
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let message = if error.kind() == std::io::ErrorKind::NotFound {
        "there is no such file: name the configuration with --config FILE".to_owned()
    } else {
        format!("the configuration cannot be read: {error}")
    };
    Problem::in_file(Severity::Error, &tidy(path), message)
}

#[expect(clippy::disallowed_methods, reason = "the lawful use: secrets may come from the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
