//! What surrounds drills: schedules whose time has come, and measures that are beyond a drill's limits. It looks once a second, by the controller's
//! own clock, and decides nothing: the engine does.
//!
//! A time that passed while no controller ran is not made up for: nobody wants last night's drill at noon.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::controller::Handle;
use super::measures::Measures;
use crate::domain::{CheckName, Role, Schedule, Service, ServiceName, WallTime};
use crate::engine::{Ask, DrillRequest, Explanation, Reply};
use crate::ports::Clock;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// A measure that is older than this says nothing.
const MEASURE_COUNTS_FOR: Duration = Duration::from_secs(60);
/// In whose name a schedule asks.
const SCHEDULE: &str = "schedule";

/// Keeps a service's schedules and limits until `closing` is cancelled; rehearsals have neither of their own.
pub fn watch(
    services: Vec<Service>,
    handle: &Handle,
    measures: &Arc<Measures>,
    clock: &Arc<dyn Clock>,
    tasks: &TaskTracker,
    closing: &CancellationToken,
) {
    let watched = |service: &Service| !service.drills.schedules.is_empty() || !service.drills.limits.is_empty();
    for service in services.into_iter().filter(watched) {
        let watch = Watch {
            handle: handle.clone(),
            measures: Arc::clone(measures),
            clock: Arc::clone(clock),
            breach: None,
            service,
        };
        tasks.spawn(closing.clone().run_until_cancelled_owned(watch.run()));
    }
}

struct Watch {
    service: Service,
    handle: Handle,
    measures: Arc<Measures>,
    clock: Arc<dyn Clock>,
    breach: Option<String>,
}

impl Watch {
    async fn run(mut self) {
        let mut turns = interval(LOOK);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = self.clock.wall();
        loop {
            turns.tick().await;
            let now = self.clock.wall();
            for schedule in self.service.drills.schedules.clone() {
                if let Some(at) = schedule.next(looked).filter(|at| *at <= now) {
                    self.turn(&schedule, at).await;
                }
            }
            // A clock that is set back repeats nothing.
            looked = looked.max(now);
            self.limits().await;
        }
    }

    /// A schedule's time has come.
    async fn turn(&self, schedule: &Schedule, at: WallTime) {
        let service = &self.service.name;
        if let Some(why) = self.against(schedule, at).await {
            return self.skip(schedule, why).await;
        }
        let request = DrillRequest {
            service: service.clone(),
            kind: schedule.kind,
            hold: schedule.hold,
            by: SCHEDULE.to_owned(),
            reason: schedule.to_string(),
            scheduled: true,
            fault: None,
        };
        match self.handle.ask(Ask::Drill { request, digest: None }).await {
            Ok(Reply::Drilling(drill)) => tracing::info!(%service, "{drill}"),
            Ok(Reply::Blocked(blockers)) => {
                let texts: Vec<String> = blockers.iter().map(ToString::to_string).collect();
                self.skip(schedule, texts.join("; ")).await;
            }
            Ok(_) => self.skip(schedule, "the controller did not take it".to_owned()).await,
            Err(error) => tracing::error!(%service, "the scheduled drill ({}): {error}", schedule.kind),
        }
    }

    async fn against(&self, schedule: &Schedule, at: WallTime) -> Option<String> {
        if let Some(dates) = schedule.is_blocked(at) {
            return Some(format!("no drill on {dates}"));
        }
        if schedule.blocking.is_empty() {
            return None;
        }
        match self.handle.explain(Some(self.service.name.clone())).await {
            Ok(known) => known.first().and_then(|known| blocking(known, &schedule.blocking)),
            Err(error) => Some(format!("the blocking checks are unknown: {error}")),
        }
    }

    async fn skip(&self, schedule: &Schedule, why: String) {
        let (service, kind) = (self.service.name.clone(), schedule.kind);
        tracing::info!(%service, "the scheduled drill ({kind}) is skipped: {why}");
        if let Err(error) = self.handle.ask(Ask::SkipDrill { service, kind, why }).await {
            tracing::error!("the skipped drill could not be recorded: {error}");
        }
    }

    /// Says which limit a measure of the site in reserve's turn is beyond, when that is news.
    async fn limits(&mut self) {
        let service = &self.service.name;
        let measured = self.measures.of(service, self.clock.now());
        let beyond = self.service.drills.limits.iter().find_map(|limit| {
            let counts =
                measured.iter().filter(|one| one.metric.name == limit.metric && one.age <= MEASURE_COUNTS_FOR);
            let mut of_standby = counts.filter(|one| one.role == Role::Standby);
            let one = of_standby.find(|one| limit.is_beyond(one.metric.value))?;
            let (value, unit, vantage) = (one.metric.value, &one.metric.unit, &one.vantage);
            Some(format!("{limit}: {value}{unit} at the standby, seen from {vantage}"))
        });
        // The value changes with every look, and is told once.
        if beyond.is_some() == self.breach.is_some() {
            return;
        }
        self.breach.clone_from(&beyond);
        for service in self.family() {
            let _ = self.handle.breached(service, beyond.clone()).await;
        }
    }

    /// The service, and its rehearsal as it is called.
    fn family(&self) -> Vec<ServiceName> {
        let rehearsal = crate::domain::rehearsal_name(&self.service.name);
        std::iter::once(self.service.name.clone()).chain(rehearsal).collect()
    }
}

/// Why checks that must pass keep a drill from beginning.
fn blocking(known: &Explanation, checks: &[CheckName]) -> Option<String> {
    let failing: Vec<String> = known
        .checks
        .iter()
        .filter(|view| checks.contains(&view.check) && view.up < known.quorum)
        .map(|view| {
            format!(
                "{} passes at the {} from {} vantages, and {} are needed",
                view.check, view.role, view.up, known.quorum
            )
        })
        .collect();
    (!failing.is_empty()).then(|| format!("a blocking check does not pass: {}", failing.join("; ")))
}
