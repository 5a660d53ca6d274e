//! The store of a world: the real code on a database in memory, with what can be wrong with a store around it. Two controllers share it, and
//! the lease is simulated, so that both can believe that they lead.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::flaw::Flaw;
use super::judge::Invariant;
use super::ports::Door;
use crate::adapters::sqlite::SqliteStore;
use crate::domain::{
    Authority, Class, Epoch, Fence, JournalEntry, JournalRecord, Moment, Observation, ServiceName, WallTime,
};
use crate::ports::{
    Clock, Delivery, JournalStore, LeaseStore, LogPlace, LoggedObservation, ObservationLog, Outbox, PortError,
    QueuedDelivery, SeenUpTo,
};

/// A store as one controller sees it.
#[derive(Clone)]
pub(super) struct SimStore {
    pub(super) door: Door,
    pub(super) real_log: bool,
}

impl SimStore {
    /// The database as it is now, after what the way to it costs.
    async fn enter(&self, what: &'static str) -> Result<SqliteStore, PortError> {
        self.door.point(what).await;
        let wait = self.door.world.with(|state, _| match state.store.slow_ms_max {
            0 => 0,
            most => state.chance.between(0, most),
        });
        if wait > 0 {
            sleep(Duration::from_millis(wait)).await;
        }
        let found = self.door.world.with(|state, _| (!state.store.down).then(|| state.store.database.clone()));
        if let Some(database) = found {
            return Ok(database);
        }
        sleep(Duration::from_millis(700)).await;
        self.door.world.with(|state, _| {
            if state.primary_down() {
                state.judge.risk(Invariant::S9);
            }
        });
        Err(PortError::retry("the store does not answer"))
    }

    fn flaw(&self) -> Option<Flaw> {
        self.door.world.flaw()
    }

    async fn append_there(
        &self,
        fence: &Fence,
        after: Option<u64>,
        at: WallTime,
        service: &ServiceName,
        entries: &[JournalEntry],
        deliveries: &[Delivery],
    ) -> Result<Vec<JournalRecord>, PortError> {
        let database = self.enter("before append").await?;
        let flip = |entry: &JournalEntry| matches!(entry, JournalEntry::StepStarted { intent: Some(_), .. });
        if self.flaw() == Some(Flaw::StoreLosesIntent) && entries.iter().any(flip) {
            let record = |entry: &JournalEntry| JournalRecord {
                id: after.unwrap_or(0),
                at,
                epoch: fence.epoch(),
                service: service.clone(),
                entry: entry.clone(),
            };
            return Ok(entries.iter().map(record).collect());
        }
        let stored = database.acquire().await?;
        let mut after = after;
        if matches!(self.flaw(), Some(Flaw::StoreComparesNothing | Flaw::StoreReadsEmpty)) {
            after = database.recent(service, 1).await?.last().map(|record| record.id);
        }
        let mut result = database.append(fence, after, at, service, entries, deliveries).await;
        let forged = Authority::new(stored, None).fence(Moment::default());
        if self.flaw() == Some(Flaw::StoreTakesOldEpoch)
            && result.as_ref().is_err_and(|error| error.class == Class::Fenced)
            && let Some(forged) = forged
        {
            let after = database.recent(service, 1).await?.last().map(|record| record.id);
            result = database.append(&forged, after, at, service, entries, deliveries).await;
        }
        let all: Vec<&JournalEntry> = entries.iter().collect();
        self.door.world.with(|state, now_ms| {
            let process = self.door.process;
            match &result {
                Ok(_) => {
                    for entry in &all {
                        state.trace.note(now_ms, format_args!("controller {process} journals {}", short(entry)));
                    }
                    let down = state.primary_down();
                    state.judge.at(now_ms).appended(at, fence.epoch(), stored, &all, down);
                }
                Err(error) => state.trace.note(now_ms, format_args!("controller {process} cannot append: {error}")),
            }
        });
        result
    }
}

/// An entry in a line.
fn short(entry: &JournalEntry) -> String {
    match entry {
        JournalEntry::PlanOpened { plan } => format!("plan {} opened to the {}", plan.id(), plan.to()),
        JournalEntry::StepStarted { plan, step, .. } => format!("step {step} of {plan} started"),
        JournalEntry::StepSucceeded { plan, step, detail } => format!("step {step} of {plan} done: {}", detail.text),
        JournalEntry::StepFailed { plan, step, why } => format!("step {step} of {plan} failed: {why}"),
        JournalEntry::StepVoided { plan, step, why } => format!("step {step} of {plan} voided: {why}"),
        JournalEntry::PlanClosed { plan, end } => format!("plan {plan} closed: {end:?}"),
        JournalEntry::IncidentOpened { number, evidence } => format!("incident {number}: {evidence}"),
        JournalEntry::IncidentEscalated { number, .. } => format!("incident {number} escalated"),
        JournalEntry::IncidentClosed { number, end } => format!("incident {number} closed: {end:?}"),
        JournalEntry::AttemptBlocked { blockers } => format!("blocked: {}", blockers.join("; ")),
        JournalEntry::Frozen { .. } => "a freeze".to_owned(),
        JournalEntry::Unfrozen { .. } => "the end of a freeze".to_owned(),
        JournalEntry::Pinned { to, .. } => format!("a pin to the {to}"),
        JournalEntry::Unpinned { .. } => "the end of a pin".to_owned(),
        JournalEntry::AlertRaised { alert, .. } => format!("alert raised: {alert}"),
        JournalEntry::AlertCleared { alert } => format!("alert cleared: {alert}"),
        JournalEntry::Acknowledged { .. } => "an acknowledgement".to_owned(),
        JournalEntry::StuckReminded { number } => format!("reminder {number} that it is stuck"),
        JournalEntry::AdoptionAsked { digest, .. } => format!("adoption {digest} asked"),
        JournalEntry::RepairAsked { digest, .. } => format!("repair {digest} asked"),
        JournalEntry::Reconciled { digest, .. } => format!("reconciliation {digest} acknowledged"),
        JournalEntry::Drained { plan, .. } => format!("{plan} drained"),
        JournalEntry::PlanApproved { plan, .. } => format!("approval of {plan}"),
    }
}

#[async_trait]
impl LeaseStore for SimStore {
    async fn acquire(&self) -> Result<Epoch, PortError> {
        let database = self.enter("before acquire").await?;
        let process = self.door.process;
        let had = self.door.world.with(|state, now_ms| {
            let other = state.store.holder.filter(|holder| *holder != process && !state.is_dead(*holder));
            let slipped = std::mem::take(&mut state.store.slipped);
            if (other.is_some() && !slipped) || state.store.sticks_until_ms > now_ms {
                return false;
            }
            if other.is_some() {
                state.judge.risk(Invariant::S6);
            }
            state.store.holder = Some(process);
            true
        });
        if !had {
            return Err(PortError::refused("another controller holds the lease"));
        }
        let stored = database.acquire().await?;
        self.door.world.with(|state, _| {
            if state.judge.zone_epoch(&state.provider.records) > stored {
                state.judge.risk(Invariant::S6);
            }
        });
        self.door.point("after acquire").await;
        Ok(stored)
    }

    async fn claim(&self, epoch: Epoch) -> Result<Authority, PortError> {
        let database = self.enter("before claim").await?;
        let claimed = database.claim(epoch).await;
        self.door.world.with(|state, now_ms| {
            let process = self.door.process;
            let how = claimed.as_ref().map(Authority::epoch).map_err(ToString::to_string);
            state.trace.note(now_ms, format_args!("controller {process} claims epoch {epoch}: {how:?}"));
            if claimed.is_ok() {
                state.judge.claimed(epoch);
            }
        });
        self.door.point("after claim").await;
        claimed
    }
}

#[async_trait]
impl JournalStore for SimStore {
    async fn load(&self) -> Result<Vec<JournalRecord>, PortError> {
        let mut records = self.enter("before load").await?.load().await?;
        match self.flaw() {
            Some(Flaw::StoreReadsEmpty) => records.clear(),
            Some(Flaw::StoreRepeatsRecords) => {
                records = records.into_iter().flat_map(|record| [record.clone(), record]).collect();
            }
            Some(Flaw::StoreForgetsFreeze) => {
                records.retain(|record| !matches!(record.entry, JournalEntry::Frozen { .. }));
            }
            _ => {}
        }
        self.door.world.with(|state, now_ms| state.judge.at(now_ms).read(&records));
        self.door.point("after load").await;
        Ok(records)
    }

    async fn append(
        &self,
        fence: &Fence,
        after: Option<u64>,
        at: WallTime,
        service: &ServiceName,
        entries: &[JournalEntry],
        deliveries: &[Delivery],
    ) -> Result<Vec<JournalRecord>, PortError> {
        let now = self.door.world.clock(self.door.process).now();
        let all: Vec<&JournalEntry> = entries.iter().collect();
        self.door.world.with(|state, now_ms| {
            state.judge.at(now_ms).busy(self.door.process);
            state.judge.deciding(self.door.process, now, &all);
        });
        let result = self.append_there(fence, after, at, service, entries, deliveries).await;
        self.door.point("after append").await;
        self.door.world.with(|state, now_ms| state.judge.at(now_ms).idle(self.door.process));
        result
    }

    async fn until(&self, at: WallTime) -> Result<Vec<JournalRecord>, PortError> {
        self.enter("before until").await?.until(at).await
    }

    async fn recent(&self, service: &ServiceName, limit: usize) -> Result<Vec<JournalRecord>, PortError> {
        self.enter("before recent").await?.recent(service, limit).await
    }
}

#[async_trait]
impl Outbox for SimStore {
    async fn pending(&self, each: usize) -> Result<Vec<QueuedDelivery>, PortError> {
        self.enter("before pending").await?.pending(each).await
    }

    async fn sent(&self, id: u64, at: WallTime) -> Result<(), PortError> {
        let result = self.enter("before sent").await?.sent(id, at).await;
        self.door.point("after sent").await;
        result
    }

    async fn failed(&self, id: u64, why: &str) -> Result<(), PortError> {
        self.enter("before failed").await?.failed(id, why).await
    }
}

#[async_trait]
impl ObservationLog for SimStore {
    async fn record(&self, now: Moment, at: WallTime, observations: &[Observation]) -> Result<(), PortError> {
        if self.real_log {
            return self.enter("before record").await?.record(now, at, observations).await;
        }
        self.door.world.with(|state, _| {
            for one in observations {
                state.store.marks.insert((one.id.vantage.clone(), one.id.boot.clone()), one.id.seq);
            }
        });
        Ok(())
    }

    async fn between(
        &self,
        service: Option<&ServiceName>,
        from: WallTime,
        to: WallTime,
        after: Option<LogPlace>,
        limit: usize,
    ) -> Result<Vec<LoggedObservation>, PortError> {
        self.enter("before between").await?.between(service, from, to, after, limit).await
    }

    async fn oldest(&self) -> Result<Option<WallTime>, PortError> {
        self.enter("before oldest").await?.oldest().await
    }

    async fn seen(&self) -> Result<Vec<SeenUpTo>, PortError> {
        if self.real_log {
            return self.enter("before seen").await?.seen().await;
        }
        let seen = |((vantage, boot), seq): (&(crate::domain::VantageName, String), &u64)| SeenUpTo {
            vantage: vantage.clone(),
            boot: boot.clone(),
            seq: *seq,
        };
        Ok(self.door.world.with(|state, _| state.store.marks.iter().map(seen).collect()))
    }
}
