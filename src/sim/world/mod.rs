//! A world in virtual time that runs the real controller and the real store against agents, networks, clocks, a strict provider, two sites
//! and people, all simulated, on one thread, from one seed that reproduces a run.
//!
//! ```text
//!  script (seed) ──acts──▶ net · provider · sites · store's troubles · hosts · people
//!                                     │ doors, with a point before and after each call
//!  agents ──▶ real intake ──▶ real controller, engine, executor, zone, outbox ──▶ real SQLite code, in memory
//!                                     │ every event
//!                                   judge ──▶ findings, at-risk counters, trace
//! ```
//!
//! Time is tokio's, paused: it jumps to the next timer when nothing is left to do. Nothing here reads a real clock or draws from a
//! generator without a seed, and the runtime's own `select!`s are biased, so the same seed takes the same way.

mod agent;
mod chance;
mod crash;
mod flaw;
mod judge;
mod kind;
mod net;
mod people;
mod ports;
mod process;
mod provider;
mod run;
mod script;
mod search;
mod site;
mod state;
mod store;
mod trace;
mod values;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use crash::{CrashReport, crashes};
pub use flaw::Flaw;
pub use judge::{Finding, Invariant};
pub use kind::{Kind, PAIRS};
pub use run::{Course, Report, Spec, run};
pub use script::Scenario;
pub use search::{Search, Summary, search};

use crate::domain::Moment;
use crate::ports::Clock;
use flaw::Flaw as AnyFlaw;
use ports::SimClock;
use state::State;
use values::Values;

/// A world that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the simulator cannot make its world: {0}")]
pub struct SimError(String);

impl SimError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// See the module.
struct World {
    values: Values,
    origin: Instant,
    real_log: bool,
    flaw: Option<AnyFlaw>,
    tasks: TaskTracker,
    state: Mutex<State>,
}

impl World {
    /// The state, with the world's time in milliseconds; afterwards the judge looks at the world as it then is.
    fn with<R>(&self, act: impl FnOnce(&mut State, u64) -> R) -> R {
        let now_ms = self.now_ms();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut state, now_ms);
        state.look(now_ms);
        state.capture();
        result
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment at which the world's time is that.
    fn instant(&self, ms: u64) -> Instant {
        self.origin + Duration::from_millis(ms)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    fn flaw(&self) -> Option<AnyFlaw> {
        self.flaw
    }

    fn in_flight(&self, more: usize) {
        self.with(|state, _| state.in_flight += more);
    }

    fn in_flight_less(&self) {
        self.with(|state, _| state.in_flight = state.in_flight.saturating_sub(1));
    }

    /// A controller's clocks.
    fn clock(&self, process: usize) -> Arc<SimClock> {
        self.with(|state, _| Arc::new(self.clock_of(state, process)))
    }

    fn clock_of(&self, state: &State, process: usize) -> SimClock {
        let process = state.processes.get(process);
        SimClock {
            boot: process.map_or(self.origin, |process| process.boot),
            origin: self.origin,
            drift_ppm: process.and_then(|process| state.hosts.get(process.host)).map_or(0, |host| host.drift_ppm),
            wall_off_ms: Arc::clone(&state.wall_off_ms),
        }
    }

    /// What a controller's own clock says.
    fn moment(&self, state: &State, process: usize) -> Moment {
        self.clock_of(state, process).now()
    }
}
