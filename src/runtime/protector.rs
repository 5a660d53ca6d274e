//! Keeps each zone's protections as the journal's freeze wants them. It is a reconciler: every pass reads the journal's word and the provider's, and
//! makes the second like the first. So a crash in between, an answer that was lost and a provider that was away are mended by the same
//! code as an ordinary freeze, and nothing about protections is in the journal.
//!
//! The journal comes first when a service is frozen, and second when it is not any more: until the protection is gone a flip would be
//! refused, and a plan that is refused needs a person. Where the provider does not answer, the person's word goes first all the same, and a
//! switch waits ([`Protector::in_the_way`]) until the next pass has cleared the way.
//!
//! Upheld here: **S10** at the provider; **S9**: without authority nothing is written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, MutexGuard, Notify};
use tokio::time::{sleep, timeout};

use super::chance::scatter;
use super::controller::Handle;
use crate::domain::protection::{self, Agreement};
use crate::domain::{ClusterName, Fence, PortError, ProtectionState, RecordName, Service, ServiceName};
use crate::engine::{Ask, Reply};
use crate::ports::RecordProtection;

/// Between two looks while a freeze is in force: somebody may have taken a protection away.
const LOOK_FROZEN: Duration = Duration::from_secs(60);
/// Between two looks otherwise: somebody else's protection would refuse a move, and that is better known before.
const LOOK_FREE: Duration = Duration::from_secs(600);
/// Between two tries while the provider does not agree with the journal.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a person waits for the provider.
const PATIENCE: Duration = Duration::from_secs(6);

/// A zone whose provider is to protect a service's records.
#[derive(Clone)]
pub struct ProtectedZone {
    /// The provider and its zone, as people know them.
    pub label: String,
    /// The zone's id.
    pub zone: String,
    /// Whoever protects; none where the provider cannot.
    pub provider: Option<Arc<dyn RecordProtection>>,
}

/// One service's protections.
pub(super) struct Protector {
    cluster: ClusterName,
    service: ServiceName,
    names: Vec<RecordName>,
    zones: Vec<ProtectedZone>,
    states: Mutex<Vec<ProtectionState>>,
    /// One pass at a time.
    turn: Turn<()>,
    news: Notify,
}

/// All services' that have some.
pub(super) type Protectors = Arc<BTreeMap<ServiceName, Arc<Protector>>>;

impl Protector {
    pub(super) fn new(cluster: ClusterName, service: &Service, zones: Vec<ProtectedZone>) -> Self {
        let mut names: Vec<RecordName> =
            service.moved().map(|moved| RecordName { name: moved.name, kind: moved.kind }).collect();
        names.sort_unstable();
        names.dedup();
        let unseen = |zone: &ProtectedZone| match zone.provider {
            Some(_) => ProtectionState::Unknown("it has not been asked yet".to_owned()),
            None => ProtectionState::Unsupported,
        };
        let states = Mutex::new(zones.iter().map(unseen).collect());
        Self {
            cluster,
            service: service.name.clone(),
            names,
            zones,
            states,
            turn: Turn::default(),
            news: Notify::new(),
        }
    }

    fn states(&self) -> Vec<ProtectionState> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How each zone stands.
    fn known(&self) -> Vec<(String, ProtectionState)> {
        self.zones.iter().map(|zone| zone.label.clone()).zip(self.states()).collect()
    }

    /// Why nothing can be moved yet: a protection of ours that is known to be there. What is not known stops nobody, and neither does what is
    /// somebody else's: the provider itself has the say.
    pub(super) fn in_the_way(&self) -> Result<(), PortError> {
        let Some((label, _)) = self.known().into_iter().find(|(_, state)| state.is_ours()) else { return Ok(()) };
        self.news.notify_one();
        Err(PortError::retry(format!("{label}: the freeze's protection is still there, and is being taken away")))
    }

    /// Makes every zone as it should be, and says whether they all are.
    async fn pass(&self, _turn: &MutexGuard<'_, ()>, fence: Option<&Fence>, frozen: bool) -> bool {
        let mut states = Vec::new();
        for zone in &self.zones {
            let state = match &zone.provider {
                None => ProtectionState::Unsupported,
                Some(provider) => self
                    .agree(provider.as_ref(), &zone.zone, fence, frozen)
                    .await
                    .unwrap_or_else(|error| ProtectionState::Unknown(error.to_string())),
            };
            states.push(state);
        }
        let settled = states.iter().all(|state| state.is_settled(frozen));
        let before =
            std::mem::replace(&mut *self.states.lock().unwrap_or_else(PoisonError::into_inner), states.clone());
        for (zone, state) in
            self.zones.iter().zip(&states).zip(&before).filter_map(|(now, was)| (now.1 != was).then_some(now))
        {
            let (service, words) = (&self.service, state.words());
            match state.is_settled(frozen) {
                true => tracing::info!(%service, "{}: {words}", zone.label),
                false => tracing::warn!(%service, frozen, "{}: {words}", zone.label),
            }
        }
        settled
    }

    async fn agree(
        &self,
        provider: &dyn RecordProtection,
        zone: &str,
        fence: Option<&Fence>,
        frozen: bool,
    ) -> Result<ProtectionState, PortError> {
        let of = (&self.cluster, &self.service);
        let Agreement { create, delete, state } =
            protection::agree(of, &self.names, &provider.list(zone).await?, frozen);
        let done = match fence {
            // Nothing to be done, or nobody who may.
            _ if create.is_empty() && delete.is_empty() => return Ok(state),
            None => return Ok(state),
            Some(fence) if !create.is_empty() => {
                provider.create(fence, zone, &create, &protection::comment(of.0, of.1)).await
            }
            Some(fence) => provider.delete(fence, zone, &delete).await,
        };
        // Whatever it answered: what it lists is what counts, and a refusal that the list does not explain is told.
        let after = protection::agree(of, &self.names, &provider.list(zone).await?, frozen);
        match done {
            Err(error) if !(after.create.is_empty() && after.delete.is_empty()) => Err(error),
            _ => Ok(after.state),
        }
    }

    /// One pass by the journal's word; none when the controller is shutting down.
    async fn by_the_journal(&self, handle: &Handle) -> Option<(bool, bool)> {
        let turn = self.turn.lock().await;
        let (frozen, fence) = handle.freeze_and_fence(&self.service).await?;
        Some((frozen, self.pass(&turn, fence.as_ref(), frozen).await))
    }
}

/// Looks again and again, and at once when there is news.
pub(super) async fn keep(protector: Arc<Protector>, handle: Handle) -> std::convert::Infallible {
    loop {
        let wait = match protector.by_the_journal(&handle).await {
            Some((_, false)) | None => AGAIN,
            Some((true, true)) => LOOK_FROZEN,
            Some((false, true)) => LOOK_FREE,
        };
        // Scattered, so that a hundred services do not ask at once.
        tokio::select! {
            () = sleep(wait.mul_f64(0.75 + 0.25 * scatter())) => {}
            () = protector.news.notified() => {}
        }
    }
}

impl Handle {
    /// How the zones stand that are to be protected while a service is frozen; nothing for a service without any.
    pub fn protections(&self, service: &ServiceName) -> Vec<(String, ProtectionState)> {
        self.protectors.get(service).map(|protector| protector.known()).unwrap_or_default()
    }

    /// Freezes, durably; then has the provider protect the records, and waits for it a few seconds at most. What it has not done by then is tried
    /// again until it is.
    ///
    /// # Errors
    /// As [`ask`](Self::ask). What the provider says is in [`protections`](Self::protections).
    pub async fn freeze(&self, ask: Ask) -> Result<Reply, PortError> {
        let protector = self.protectors.get(ask.service()).cloned();
        let reply = self.ask(ask).await?;
        if let Some(protector) = protector
            && timeout(PATIENCE, protector.by_the_journal(self)).await.is_err()
        {
            protector.news.notify_one();
        }
        Ok(reply)
    }

    /// Has the provider no longer protect the records, and then ends the freeze, durably, whether the provider has answered or not.
    ///
    /// # Errors
    /// As [`freeze`](Self::freeze).
    pub async fn unfreeze(&self, ask: Ask) -> Result<Reply, PortError> {
        let Some(protector) = self.protectors.get(ask.service()).cloned() else { return self.ask(ask).await };
        // Held until the journal says so too, or the loop would put back what was taken away.
        let turn = timeout(PATIENCE, protector.turn.lock()).await.ok();
        if let (Some(turn), Some((true, fence))) = (&turn, self.freeze_and_fence(&protector.service).await) {
            let _ = timeout(PATIENCE, protector.pass(turn, fence.as_ref(), false)).await;
        }
        let reply = self.ask(ask).await;
        drop(turn);
        protector.news.notify_one();
        reply
    }
}
