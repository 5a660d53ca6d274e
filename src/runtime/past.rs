//! The engine at a moment that has passed: the journal as it was then, and the observations of the time before, through the same
//! code that decides now. By the policy of today: what another one had said, `quorate replay` tells.
//!
//! It carries nothing out: what the engine asks for is dropped.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{
    Authority, ClusterName, Epoch, JournalRecord, Limits, Moment, OwnedFlag, OwnedRecords, Register, Role, Service,
    ServiceName, Token, WallTime,
};
use crate::engine::{Engine, Explanation, Input, Ledger};
use crate::ports::{JournalStore, LogPlace, LoggedObservation, ObservationLog, PortError};

/// How far back observations are looked at: longer than any policy's second lane and settling time are by default.
pub const LOOK_BACK: Duration = Duration::from_secs(30 * 60);
/// Observations a page.
const PAGE: usize = 5_000;

/// See the module.
#[derive(Clone)]
pub struct Past {
    cluster: ClusterName,
    limits: Limits,
    journal: Arc<dyn JournalStore>,
    log: Arc<dyn ObservationLog>,
}

impl Past {
    /// What a cluster has recorded.
    pub fn new(
        cluster: ClusterName,
        limits: Limits,
        journal: Arc<dyn JournalStore>,
        log: Arc<dyn ObservationLog>,
    ) -> Self {
        Self { cluster, limits, journal, log }
    }

    /// What was known of a service then, what would have been done, and what kept it from it.
    ///
    /// # Errors
    /// The store cannot be read, or observations of that time are no longer kept.
    pub async fn explain(&self, service: &Service, at: WallTime) -> Result<Explanation, PortError> {
        let oldest = self.log.oldest().await?;
        if oldest.is_none_or(|oldest| oldest > at) {
            let since = oldest.map_or_else(|| "none are kept".to_owned(), |oldest| format!("they begin at {oldest}"));
            return Err(PortError::refused(format!("there are no observations of {at}: {since}")));
        }
        let journal: Vec<JournalRecord> = self.journal.until(at).await?;
        let from = WallTime::from_ms(at.as_ms().saturating_sub(ms(LOOK_BACK)));
        let mut engine = self.engine(service, journal, from)?;
        let mut after = None;
        loop {
            let page = self.page(&service.name, from, at, after).await?;
            for seen in &page {
                wake(&mut engine, seen.at);
                let _ = engine.handle(moment(seen.at), Input::Observed(seen.observation.clone()));
            }
            after = page.last().map(|seen| seen.place);
            if page.len() < PAGE {
                break;
            }
        }
        wake(&mut engine, at);
        engine.explain(moment(at), &service.name).ok_or_else(|| PortError::broken("the engine lost its only service"))
    }

    /// Observations of a service, a page of them; the last page is not full.
    pub async fn page(
        &self,
        service: &ServiceName,
        from: WallTime,
        to: WallTime,
        after: Option<LogPlace>,
    ) -> Result<Vec<LoggedObservation>, PortError> {
        self.log.between(Some(service), from, to, after, PAGE).await
    }

    /// An engine that leads, with the zone as the journal says that it was.
    fn engine(&self, service: &Service, journal: Vec<JournalRecord>, from: WallTime) -> Result<Engine, PortError> {
        let epoch = journal.last().map_or(Epoch::new(1), |record| record.epoch);
        let mut ledger = Ledger::default();
        for record in journal.iter().filter(|record| record.service == service.name) {
            // One that does not add up is the engine's to say.
            if ledger.apply(&record.entry, record.at).is_err() {
                break;
            }
        }
        let mut engine = Engine::new(self.cluster.clone(), self.limits, vec![service.clone()]);
        let start = moment(from);
        let _ = engine.handle(start, Input::Recovered { journal, wall: from });
        let _ = engine.handle(start, Input::Led(Authority::new(epoch, None)));
        let register = register_of(&self.cluster, service, epoch, ledger.serving())?;
        let _ = engine.handle(start, Input::Fenced { service: service.name.clone(), register, behind: Vec::new() });
        Ok(engine)
    }
}

/// The register of a service that points there, under a token of this epoch.
fn register_of(cluster: &ClusterName, service: &Service, epoch: Epoch, serving: Role) -> Result<Register, PortError> {
    let token = Token { epoch, serving, ..Token::unmoved(cluster.clone()) };
    if service.dns.lane.has_flag() {
        return Ok(OwnedFlag::new(token).into());
    }
    let mut zone = OwnedRecords::wanted(service, serving);
    zone.push(OwnedRecords::mark_of(service, &token));
    let records =
        OwnedRecords::find(cluster, service, &zone).map_err(|error| PortError::broken(error.to_string()))?;
    Ok(records.into())
}

/// Lets time pass for the engine.
fn wake(engine: &mut Engine, until: WallTime) {
    let _ = engine.handle(moment(until), Input::Tick);
}

/// What is recorded is placed on one clock that begins in 1970.
fn moment(at: WallTime) -> Moment {
    Moment::from_ms(at.as_ms())
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
