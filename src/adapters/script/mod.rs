//! Checks as Rhai scripts: the [`ProbeRunner`](crate::ports::ProbeRunner) that agents and `quorate check run` use.
//!
//! ```text
//! RhaiRunner ── compiles each script once; one Engine (the sandbox), one TLS configuration, a few worker threads
//!   └ run: a Script on a stack of its own ── language ── Flow (stopwatch, steps, trace) ── Browser (cookies, connections)
//! ```
//!
//! What it holds to:
//! - **A probe ends by its deadline**, whatever the script or the site does.
//! - **`Fail` is said of the site only.** A script error, a missing secret, a limit that the script hit or a vantage that
//!   cannot do its work is `Inconclusive`; and no `try` in a script can turn either into a pass.
//! - **Nothing is shared between probes** that a new user would not share: no cookie, connection or TLS session.
//! - **No secret leaves it**, in a reason, a step's name or a log line.
//!
//! What it refuses: reading files or the environment from a script; sending without verifying certificates; deciding what
//! an outcome means for the service. The time of day and chance are a script's to send, and decide nothing here.

mod bounded;
mod coroutine;
mod ending;
mod engine;
mod error;
mod flow;
mod glance;
mod guard;
mod hook;
mod http;
mod language;
mod limits;
mod lint;
mod modules;
mod page;
mod places;
mod reach;
mod resolve;
mod runner;
mod skim;
mod tape;
mod text;
mod tls;
mod tree;
mod watch;
mod worker;

pub use error::ScriptError;
pub use hook::RhaiHook;
pub use language::{Entry, entries};
pub use limits::Limits;
pub use lint::Linter;
pub use reach::Reach;
pub use runner::{CheckScript, ModuleScript, RhaiRunner, Run};
pub use tape::{Mode, Tape};
