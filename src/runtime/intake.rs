//! Each observation counts once, however often it is delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::controller::Handle;
use super::measures::{Measured, Measures};
use super::tally::{Kind, Tally};
use crate::domain::{Observation, ServiceName, Sighting, VantageName, WallTime};
use crate::ports::{Clock, ObservationLog, PortError};

/// See the module.
pub struct Intake {
    vantages: BTreeSet<VantageName>,
    taken: Mutex<BTreeMap<(VantageName, String), u64>>,
    log: Arc<dyn ObservationLog>,
    clock: Arc<dyn Clock>,
    controller: Handle,
    measures: Arc<Measures>,
    tally: Tally,
}

impl Intake {
    /// Knows what was taken before this process began, from the log.
    pub async fn open(
        vantages: BTreeSet<VantageName>,
        log: Arc<dyn ObservationLog>,
        clock: Arc<dyn Clock>,
        controller: Handle,
    ) -> Result<Self, PortError> {
        let taken = log.seen().await?.into_iter().map(|seen| ((seen.vantage, seen.boot), seen.seq)).collect();
        let (taken, tally) = (Mutex::new(taken), Tally::default());
        Ok(Self { vantages, taken, log, clock, controller, measures: Arc::default(), tally })
    }

    /// What checks measured, for who watches it.
    pub fn measures(&self) -> Arc<Measures> {
        Arc::clone(&self.measures)
    }

    /// What the checks of a service measured, as last told.
    pub fn measured(&self, service: &ServiceName) -> Vec<Measured> {
        self.measures.of(service, self.clock.now())
    }

    /// How many observations were taken since this process began, by what they are of.
    pub fn tally(&self) -> Vec<(Kind, u64)> {
        self.tally.all()
    }

    /// Takes what a vantage saw of public names: nothing of it is a vote, or kept.
    pub async fn sighted(&self, vantage: &VantageName, seen: Vec<Sighting>) -> Result<(), PortError> {
        self.known(vantage)?;
        Ok(self.controller.sighted(seen).await?)
    }

    fn known(&self, vantage: &VantageName) -> Result<(), PortError> {
        if self.vantages.contains(vantage) {
            return Ok(());
        }
        Err(PortError::broken(format!("no vantage is called '{vantage}' in this controller's configuration")))
    }

    /// Takes a delivery of one agent's run, whose numbers grow; returns the number up to which all has been taken.
    ///
    /// A log that cannot be written keeps nobody from voting: the receipt is given, and the votes count, because what the log is for
    /// is looking back.
    pub async fn take(&self, vantage: &VantageName, observations: Vec<Observation>) -> Result<u64, PortError> {
        self.known(vantage)?;
        let Some(last) = observations.last() else {
            return Err(PortError::broken("an empty delivery"));
        };
        let (key, up_to) = ((vantage.clone(), last.id.boot.clone()), last.id.seq);
        // Held until the log has them: two deliveries of one agent at once must not both count.
        let mut taken = self.taken.lock().await;
        let before = taken.get(&key).copied().unwrap_or(0);
        let fresh: Vec<Observation> = observations.into_iter().filter(|seen| seen.id.seq > before).collect();
        if !fresh.is_empty() {
            let wall: WallTime = self.clock.wall();
            if let Err(error) = self.log.record(self.clock.now(), wall, &fresh).await {
                tracing::error!("the observation log: {error}");
            }
            self.measures.take(&fresh);
            self.tally.take(&fresh);
            self.controller.observed(fresh).await?;
            taken.insert(key, up_to);
        }
        Ok(up_to.max(before))
    }
}
