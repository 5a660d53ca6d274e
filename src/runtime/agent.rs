//! An agent: probes every assigned check against both sites on a jittered schedule, and delivers what it saw to every controller.
//!
//! It decides nothing and takes no orders: that a controller wishes it to probe more often for a while it follows within limits of its
//! own (see `tempo`). It tells with each failure whether its own network works (see `canaries`). While a controller is away it keeps
//! what it saw (see `spool`) and delivers on return, each observation with its age, so that late ones are seen to be late.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::beat::Beat;
use super::canaries::CanaryWatch;
use super::chance::{Backoff, nonce, scatter};
use super::lookout::{self, Lookout};
use super::spool::Spool;
use super::tempo::{LAPSE, Tempo, at};
use super::upkeep::keep_up;
use crate::domain::{
    Burst, Canaries, CheckName, Observation, ObservationId, Outcome, Role, ServiceName, VantageName,
};
use crate::ports::{CanaryRunner, Class, Clock, ObservationSink, ProbeRequest, ProbeRunner, Resolution};

/// How many observations go in one delivery: some hundred kilobytes at most.
const BATCH: usize = 200;
/// How long a probe may overrun its deadline before the agent stops waiting for it.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// How many probes one assignment may have under way: a slow one does not delay the next, a hung one does not pile up (safety.md I9).
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
    /// How often at rest.
    pub interval: Duration,
    /// The limit of one probe.
    pub timeout: Duration,
    /// How often while this agent's own probes of the service fail, by itself and whatever controllers say; none is as often as at rest.
    pub burst: Option<Burst>,
}

/// What an agent is to do, and with what.
pub struct Agent {
    /// Where it stands.
    pub vantage: VantageName,
    /// What it probes.
    pub assignments: Vec<Assignment>,
    /// How it probes.
    pub probes: Arc<dyn ProbeRunner>,
    /// How it tells its own network's trouble from a site's.
    pub canaries: Arc<dyn CanaryRunner>,
    /// Whom it tells.
    pub controllers: Vec<Arc<dyn ObservationSink>>,
    /// How many observations it keeps.
    pub spool: usize,
    /// What it looks out for beside; none where nobody's resolvers are known.
    pub lookout: Option<Lookout>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
}

struct Shared {
    vantage: VantageName,
    boot: String,
    next_seq: Mutex<u64>,
    spool: Mutex<Spool>,
    news: Notify,
    tempo: Arc<Tempo>,
    canaries: CanaryWatch,
    clock: Arc<dyn Clock>,
    probes: Arc<dyn ProbeRunner>,
}

impl Agent {
    /// Runs until the token is cancelled.
    pub async fn run(self, closing: CancellationToken) {
        let shared = Arc::new(Shared {
            vantage: self.vantage,
            boot: format!("{:016x}", nonce()),
            next_seq: Mutex::new(1),
            spool: Mutex::new(Spool::new(self.spool, self.controllers.len())),
            news: Notify::new(),
            tempo: Arc::new(Tempo::new(self.controllers.len())),
            canaries: CanaryWatch::new(self.canaries),
            clock: self.clock,
            probes: self.probes,
        });
        let tasks = TaskTracker::new();
        let watch = Arc::clone(&shared);
        keep_up(&tasks, &closing, "the watch over the canaries".to_owned(), move || {
            let shared = Arc::clone(&watch);
            async move { shared.canaries.patrol().await }
        });
        for assignment in self.assignments {
            let Assignment { service, check, role, .. } = &assignment;
            let what = format!("the schedule of {service}'s check {check} of the {role}");
            let shared = Arc::clone(&shared);
            keep_up(&tasks, &closing, what, move || schedule(Arc::clone(&shared), assignment.clone()));
        }
        for (index, controller) in self.controllers.into_iter().enumerate() {
            let name = controller.name().to_owned();
            let (delivering, listening) =
                ((Arc::clone(&shared), Arc::clone(&controller)), (Arc::clone(&shared), controller));
            keep_up(&tasks, &closing, format!("the delivery to {name}"), move || {
                let (shared, controller) = delivering.clone();
                async move { deliver(&shared, index, controller.as_ref()).await }
            });
            keep_up(&tasks, &closing, format!("the listening to {name}"), move || {
                let (shared, controller) = listening.clone();
                async move { shared.tempo.listen(index, controller.as_ref(), LAPSE).await }
            });
        }
        if let Some(lookout) = self.lookout {
            look_out(&shared, lookout, &tasks, &closing);
        }
        tasks.close();
        tasks.wait().await;
    }
}

/// The loops that look at public names, beside those that probe sites.
fn look_out(shared: &Shared, lookout: Lookout, tasks: &TaskTracker, closing: &CancellationToken) {
    let (probes, clock) = (Arc::clone(&shared.probes), Arc::clone(&shared.clock));
    let board = Arc::new(lookout::Board::new(shared.vantage.clone(), &lookout, probes, clock));
    for watched in lookout.watched {
        let service = watched.service.clone();
        let (looking, running) = ((Arc::clone(&board), watched.clone()), (Arc::clone(&board), watched));
        let (look, run) = (Arc::clone(&shared.tempo), Arc::clone(&shared.tempo));
        keep_up(tasks, closing, format!("the look at {service}'s names"), move || {
            lookout::look(Arc::clone(&looking.0), Arc::clone(&look), looking.1.clone())
        });
        keep_up(tasks, closing, format!("the runs through {service}'s public name"), move || {
            lookout::run_through(Arc::clone(&running.0), Arc::clone(&run), running.1.clone())
        });
    }
    for controller in lookout.controllers {
        let (board, name) = (Arc::clone(&board), controller.name().to_owned());
        keep_up(tasks, closing, format!("what is told of names to {name}"), move || {
            lookout::tell(Arc::clone(&board), Arc::clone(&controller))
        });
    }
}

async fn schedule(shared: Arc<Shared>, assignment: Assignment) -> Infallible {
    let slots = Arc::new(Semaphore::new(IN_FLIGHT));
    // They end with the schedule.
    let mut probes = JoinSet::new();
    let mut changes = shared.tempo.changes();
    let now = Instant::now();
    let (interval, mut until) = shared.tempo.interval(&assignment, now);
    let mut beat = Beat::new(now, interval, scatter());
    loop {
        tokio::select! {
            () = sleep_until(beat.at()) => {
                beat.struck(Instant::now(), scatter(), scatter());
                match Arc::clone(&slots).try_acquire_owned() {
                    Ok(slot) => {
                        probes.spawn(probe(Arc::clone(&shared), assignment.clone(), slot));
                    }
                    Err(_) => {
                        tracing::warn!(service = %assignment.service, check = %assignment.check, role = %assignment.role,
                            "{IN_FLIGHT} probes are under way: one is left out");
                    }
                }
            }
            // What has changed is looked at below; the sender lives as long as `shared`.
            _ = changes.changed() => {}
            () = at(until) => {}
            Some(ended) = probes.join_next() => {
                if let Err(error) = ended && error.is_panic() {
                    tracing::error!(service = %assignment.service, check = %assignment.check, role = %assignment.role,
                        "a probe broke down, and says nothing: {error}; please report this");
                }
            }
        }
        let now = Instant::now();
        let (interval, changes_at) = shared.tempo.interval(&assignment, now);
        beat.retime(now, interval, scatter());
        until = changes_at;
    }
}

async fn probe(shared: Arc<Shared>, assignment: Assignment, slot: OwnedSemaphorePermit) {
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
    let ended = shared.clock.now();
    // The site is done with; canaries that take their time take no probe's place.
    drop(slot);
    let canaries = if report.outcome == Outcome::Fail { shared.canaries.ask().await } else { Canaries::Unasked };
    // A vantage that cannot see has nothing to see more often.
    if report.outcome == Outcome::Fail && canaries != Canaries::Silent {
        shared.tempo.failed(&assignment.service, Instant::now());
    }
    let dropped = {
        // Numbers and spool must grow together, or a delivery between the two would pass over an observation.
        let mut spool = shared.spool.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = shared.next_seq.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = *next;
        *next += 1;
        spool.push(Observation {
            id: ObservationId { vantage: shared.vantage.clone(), boot: shared.boot.clone(), seq },
            service: assignment.service,
            generation: shared.probes.generation(&assignment.check),
            check: assignment.check,
            role: assignment.role,
            at: ended,
            outcome: report.outcome,
            kind: report.kind,
            reason: report.reason,
            failed_step: report.failed_step,
            duration_ms: report.duration_ms,
            canaries,
            metrics: report.metrics,
        })
    };
    if dropped > 0 {
        tracing::warn!(dropped, "the spool is full: the oldest observations were dropped");
    }
    shared.news.notify_waiters();
}

async fn deliver(shared: &Shared, index: usize, controller: &dyn ObservationSink) -> Infallible {
    let mut backoff = Backoff::new();
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
                backoff.reset();
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) || error.class == Class::Broken {
                    tracing::warn!("{error}; observations are kept and delivered on its return");
                }
                backoff.pause().await;
            }
        }
    }
}
