//! An agent: probes every assigned check against both sites on a jittered schedule, and delivers what it saw to every controller.
//!
//! It decides nothing and takes no orders. While a controller is away it keeps what it saw (see `spool`) and delivers on
//! return, each observation with its age, so that late ones are seen to be late.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::spool::Spool;
use crate::domain::{Canaries, CheckName, Generation, Observation, ObservationId, Role, ServiceName, VantageName};
use crate::ports::{Class, Clock, ObservationSink, ProbeRequest, ProbeRunner, Resolution};

/// How many observations go in one delivery: some hundred kilobytes at most.
const BATCH: usize = 200;
/// The first wait after a delivery failed; it doubles up to [`RETRY_MAX`].
const RETRY: Duration = Duration::from_millis(200);
/// The longest such wait: a controller that is back hears from everyone within seconds.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How much a probe's time is scattered around its schedule, so that agents do not fall into step.
const JITTER: f64 = 0.1;
/// How long a probe may overrun its deadline before the agent stops waiting for it.
const GRACE: Duration = Duration::from_secs(2);
/// How many probes one assignment may have under way: a slow one does not delay the next, a hung one does not pile up.
const IN_FLIGHT: usize = 6;

/// One check against one site.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The service.
    pub service: ServiceName,
    /// The check.
    pub check: CheckName,
    /// The site.
    pub role: Role,
    /// Where the site is.
    pub target: Url,
    /// How often.
    pub interval: Duration,
    /// The limit of one probe.
    pub timeout: Duration,
}

/// What an agent is to do, and with what.
pub struct Agent {
    /// Where it stands.
    pub vantage: VantageName,
    /// What it probes.
    pub assignments: Vec<Assignment>,
    /// How it probes.
    pub probes: Arc<dyn ProbeRunner>,
    /// Whom it tells.
    pub controllers: Vec<Arc<dyn ObservationSink>>,
    /// How many observations it keeps.
    pub spool: usize,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
}

struct Shared {
    vantage: VantageName,
    boot: String,
    next_seq: Mutex<u64>,
    spool: Mutex<Spool>,
    news: Notify,
    clock: Arc<dyn Clock>,
    probes: Arc<dyn ProbeRunner>,
}

impl Agent {
    /// Runs until the token is cancelled.
    pub async fn run(self, closing: CancellationToken) {
        let shared = Arc::new(Shared {
            vantage: self.vantage,
            boot: boot_id(),
            next_seq: Mutex::new(1),
            spool: Mutex::new(Spool::new(self.spool, self.controllers.len())),
            news: Notify::new(),
            clock: self.clock,
            probes: self.probes,
        });
        let tasks = TaskTracker::new();
        for assignment in self.assignments {
            let (shared, closing, probes) = (Arc::clone(&shared), closing.clone(), tasks.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = closing.cancelled() => {}
                    () = schedule(&shared, &assignment, &probes, &closing) => {}
                }
            });
        }
        for (index, controller) in self.controllers.into_iter().enumerate() {
            let (shared, closing) = (Arc::clone(&shared), closing.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = closing.cancelled() => {}
                    () = deliver(&shared, index, controller.as_ref()) => {}
                }
            });
        }
        tasks.close();
        tasks.wait().await;
    }
}

/// Tells one run of an agent from another: a restarted agent counts from 1 again.
fn boot_id() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "a nonce: it must differ between two runs, and nothing is decided by it"
    )]
    let number: u64 = rand::rng().random();
    format!("{number:016x}")
}

/// A number between 0 and 1, for jitter.
fn scatter() -> f64 {
    #[expect(clippy::disallowed_methods, reason = "jitter")]
    rand::rng().random()
}

async fn schedule(shared: &Arc<Shared>, assignment: &Assignment, probes: &TaskTracker, closing: &CancellationToken) {
    let slots = Arc::new(Semaphore::new(IN_FLIGHT));
    // A phase of its own for each agent and assignment staggers the vantages; the jitter around each beat keeps them apart.
    let mut beat = Instant::now() + assignment.interval.mul_f64(scatter());
    loop {
        sleep_until(beat + assignment.interval.mul_f64(JITTER * scatter())).await;
        // Beats that were missed, on a machine that stood still, are not made up for: probes in a bunch would be a load of their own.
        beat = (beat + assignment.interval).max(Instant::now());
        match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => {
                let (shared, assignment, closing) = (Arc::clone(shared), assignment.clone(), closing.clone());
                probes.spawn(async move {
                    tokio::select! {
                        () = closing.cancelled() => {}
                        () = probe(&shared, &assignment) => {}
                    }
                    drop(slot);
                });
            }
            Err(_) => {
                tracing::warn!(service = %assignment.service, check = %assignment.check, role = %assignment.role,
                    "{IN_FLIGHT} probes are under way: one is left out");
            }
        }
    }
}

async fn probe(shared: &Shared, assignment: &Assignment) {
    let request = ProbeRequest {
        check: assignment.check.clone(),
        target: assignment.target.clone(),
        role: assignment.role,
        vantage: Some(shared.vantage.clone()),
        deadline: assignment.timeout,
        resolution: Resolution::System,
    };
    let Ok(report) = timeout(assignment.timeout + GRACE, shared.probes.run(&request)).await else {
        tracing::error!(check = %assignment.check, role = %assignment.role, "a probe outlived its deadline, and says nothing");
        return;
    };
    let at = shared.clock.now();
    let dropped = {
        // Numbers and spool must grow together, or a delivery between the two would pass over an observation.
        let mut spool = shared.spool.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = shared.next_seq.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = *next;
        *next += 1;
        spool.push(Observation {
            id: ObservationId { vantage: shared.vantage.clone(), boot: shared.boot.clone(), seq },
            service: assignment.service.clone(),
            check: assignment.check.clone(),
            role: assignment.role,
            at,
            outcome: report.outcome,
            kind: report.kind,
            reason: report.reason,
            failed_step: report.failed_step,
            duration_ms: report.duration_ms,
            canaries: Canaries::Unasked,
            generation: Generation::default(),
        })
    };
    if dropped > 0 {
        tracing::warn!(dropped, "the spool is full: the oldest observations were dropped");
    }
    shared.news.notify_waiters();
}

async fn deliver(shared: &Shared, index: usize, controller: &dyn ObservationSink) {
    let mut wait = RETRY;
    let mut away = false;
    loop {
        let news = shared.news.notified();
        let (batch, dropped) = shared.spool.lock().unwrap_or_else(PoisonError::into_inner).batch(index, BATCH);
        if batch.is_empty() {
            news.await;
            continue;
        }
        match controller.deliver(shared.clock.now(), dropped, &batch).await {
            Ok(seq) => {
                shared.spool.lock().unwrap_or_else(PoisonError::into_inner).taken(index, seq);
                if std::mem::take(&mut away) {
                    tracing::info!(controller = controller.name(), "delivering again");
                }
                wait = RETRY;
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) || error.class == Class::Broken {
                    tracing::warn!("{error}; observations are kept and delivered on its return");
                }
                sleep(wait.mul_f64(0.5 + scatter())).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
        }
    }
}
