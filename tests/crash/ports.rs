//! Doors that are watched: each outside effect and each append has a point just before it, and one just after it whose result nobody has
//! heard yet.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use quorate::domain::{
    Authority, ChangeBatch, CheckName, Epoch, Fence, Generation, IncidentEnd, JournalEntry, JournalRecord, Level,
    Plan, PlanEnd, PlanId, Positions, ProbeReport, RecordSet, RecordType, Role, ServiceName, Terms, WallTime,
};
use quorate::ports::{
    ChangeState, Delivery, DnsProvider, JournalStore, LeaseStore, Notifier, Outbox, PortError, ProbeRequest,
    ProbeRunner, QueuedDelivery, Resolver, SiteControl, WriteProbe,
};

use super::child::Gun;

/// A port with points around what it does.
pub(crate) struct Watched<T> {
    inner: T,
    gun: Arc<Gun>,
    /// The write that was last sent, until it is read back.
    written: Mutex<Option<String>>,
}

impl<T> Watched<T> {
    pub(crate) fn new(inner: T, gun: &Arc<Gun>) -> Self {
        Self { inner, gun: Arc::clone(gun), written: Mutex::new(None) }
    }

    /// One effect between its two points.
    async fn around<R>(&self, what: &str, effect: impl Future<Output = R>) -> R {
        self.gun.pass(&format!("before {what}"));
        let result = effect.await;
        self.gun.pass(&format!("after {what}"));
        result
    }

    /// The name of something that is done for the plan under way.
    fn of_plan(&self, what: &str) -> String {
        format!("{what} ({})", self.gun.plan())
    }
}

/// The first plan of every world goes to the standby, the second one back.
pub(crate) fn step_name(plan: &PlanId, index: usize) -> &'static str {
    let first = if plan.as_str().ends_with("-1") { 0 } else { 2 };
    Plan::steps_to(Role::Standby, Terms::default())[first + index].as_str()
}

/// An entry in a word or two.
pub(crate) fn entry_name(entry: &JournalEntry) -> String {
    let step = |plan, step: &usize, what| format!("{what} {} ({plan})", step_name(plan, *step));
    match entry {
        JournalEntry::IncidentOpened { number, .. } => format!("incident-opened {number}"),
        JournalEntry::IncidentEscalated { number, .. } => format!("incident-escalated {number}"),
        JournalEntry::IncidentClosed { number, end: IncidentEnd::Recovered } => {
            format!("incident-recovered {number}")
        }
        JournalEntry::IncidentClosed { number, end: IncidentEnd::Moved { plan } } => {
            format!("incident-moved {number} ({plan})")
        }
        JournalEntry::AttemptBlocked { .. } => "attempt-blocked".to_owned(),
        JournalEntry::Frozen { .. } => "frozen".to_owned(),
        JournalEntry::Unfrozen { .. } => "unfrozen".to_owned(),
        JournalEntry::Pinned { .. } => "pinned".to_owned(),
        JournalEntry::Unpinned { .. } => "unpinned".to_owned(),
        JournalEntry::AlertRaised { alert, .. } => format!("alert {alert}"),
        JournalEntry::AlertCleared { alert } => format!("alert-over {alert}"),
        JournalEntry::Acknowledged { .. } => "acknowledged".to_owned(),
        JournalEntry::StuckReminded { number } => format!("reminded {number}"),
        JournalEntry::AdoptionAsked { .. } => "adoption-asked".to_owned(),
        JournalEntry::RepairAsked { .. } => "repair-asked".to_owned(),
        JournalEntry::Reconciled { .. } => "reconciled".to_owned(),
        JournalEntry::Drained { plan, .. } => format!("{plan} drained"),
        JournalEntry::PlanApproved { .. } => "approved".to_owned(),
        JournalEntry::PlanOpened { plan } => format!("plan-opened ({})", plan.id()),
        JournalEntry::StepStarted { plan, step: index, .. } => step(plan, index, "started"),
        JournalEntry::StepSucceeded { plan, step: index, .. } => step(plan, index, "succeeded"),
        JournalEntry::StepFailed { plan, step: index, .. } => step(plan, index, "failed"),
        JournalEntry::StepVoided { plan, step: index, .. } => step(plan, index, "voided"),
        JournalEntry::PlanClosed { plan, end } => {
            let end = match end {
                PlanEnd::Done => "done",
                PlanEnd::Abandoned { .. } => "abandoned",
                PlanEnd::Stuck { .. } => "stuck",
            };
            format!("plan-{end} ({plan})")
        }
    }
}

/// The point of an append.
pub(crate) fn append_name(entries: &[String]) -> String {
    format!("append {}", entries.join(", "))
}

#[async_trait]
impl<T: LeaseStore> LeaseStore for Watched<T> {
    async fn acquire(&self) -> Result<Epoch, PortError> {
        self.inner.acquire().await
    }

    async fn claim(&self, epoch: Epoch) -> Result<Authority, PortError> {
        self.around("claim", self.inner.claim(epoch)).await
    }
}

#[async_trait]
impl<T: JournalStore> JournalStore for Watched<T> {
    async fn load(&self) -> Result<Vec<JournalRecord>, PortError> {
        let records = self.inner.load().await?;
        for record in &records {
            if let JournalEntry::PlanOpened { plan } = &record.entry {
                self.gun.set_plan(plan.id().as_str());
            }
        }
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
        for entry in entries {
            if let JournalEntry::PlanOpened { plan } = entry {
                self.gun.set_plan(plan.id().as_str());
            }
        }
        let names: Vec<String> = entries.iter().map(entry_name).collect();
        let append = self.inner.append(fence, after, at, service, entries, deliveries);
        self.around(&append_name(&names), append).await
    }

    async fn until(&self, at: WallTime) -> Result<Vec<JournalRecord>, PortError> {
        self.inner.until(at).await
    }

    async fn recent(&self, service: &ServiceName, limit: usize) -> Result<Vec<JournalRecord>, PortError> {
        self.inner.recent(service, limit).await
    }
}

#[async_trait]
impl<T: Outbox> Outbox for Watched<T> {
    async fn pending(&self, limit: usize) -> Result<Vec<QueuedDelivery>, PortError> {
        self.inner.pending(limit).await
    }

    async fn sent(&self, id: u64, at: WallTime) -> Result<(), PortError> {
        self.inner.sent(id, at).await
    }

    async fn failed(&self, id: u64, why: &str) -> Result<(), PortError> {
        self.inner.failed(id, why).await
    }
}

#[async_trait]
impl<T: Notifier> Notifier for Watched<T> {
    fn recipients(&self, level: Level) -> Vec<String> {
        self.inner.recipients(level)
    }

    async fn send(&self, delivery: &Delivery) -> Result<(), PortError> {
        let what = format!("notify {} {}", delivery.notice.key, delivery.recipient);
        self.around(&what, self.inner.send(delivery)).await
    }
}

#[async_trait]
impl<T: SiteControl> SiteControl for Watched<T> {
    async fn enter_read_only(&self, fence: &Fence, service: &ServiceName, plan: &PlanId) -> Result<(), PortError> {
        self.around(&self.of_plan("enter-read-only"), self.inner.enter_read_only(fence, service, plan)).await
    }

    async fn probe_write(
        &self,
        fence: &Fence,
        service: &ServiceName,
        plan: &PlanId,
    ) -> Result<WriteProbe, PortError> {
        self.around(&self.of_plan("probe-write"), self.inner.probe_write(fence, service, plan)).await
    }

    async fn leave_read_only(&self, fence: &Fence, service: &ServiceName, plan: &PlanId) -> Result<(), PortError> {
        self.around(&self.of_plan("leave-read-only"), self.inner.leave_read_only(fence, service, plan)).await
    }

    async fn lag(&self, service: &ServiceName) -> Result<Duration, PortError> {
        self.inner.lag(service).await
    }

    async fn positions(&self, service: &ServiceName) -> Result<Positions, PortError> {
        self.inner.positions(service).await
    }
}

#[async_trait]
impl<T: DnsProvider> DnsProvider for Watched<T> {
    async fn read(&self, zone: &str, names: &[&str]) -> Result<Vec<RecordSet>, PortError> {
        let written = self.written.lock().unwrap().take();
        match written {
            Some(what) => self.around(&format!("read back {what}"), self.inner.read(zone, names)).await,
            None => self.inner.read(zone, names).await,
        }
    }

    async fn apply(&self, fence: &Fence, zone: &str, batch: &ChangeBatch) -> Result<String, PortError> {
        let fencing = batch.comment().starts_with("quorate fence");
        let what = if fencing { "fence".to_owned() } else { self.of_plan("flip") };
        let result = self.around(&format!("apply {what}"), self.inner.apply(fence, zone, batch)).await;
        *self.written.lock().unwrap() = Some(what);
        result
    }

    async fn change_state(&self, change: &str) -> Result<ChangeState, PortError> {
        self.gun.pass(&format!("before {}", self.of_plan("change-state")));
        let state = self.inner.change_state(change).await;
        let found = match &state {
            Ok(ChangeState::Pending) => "pending",
            Ok(ChangeState::InSync) => "in-sync",
            Err(_) => "unknown",
        };
        self.gun.pass(&format!("after {}", self.of_plan(&format!("change-state {found}"))));
        state
    }

    async fn has_zone(&self, zone: &str) -> Result<bool, PortError> {
        self.inner.has_zone(zone).await
    }

    async fn name_servers(&self, zone: &str) -> Result<Vec<String>, PortError> {
        self.inner.name_servers(zone).await
    }
}

#[async_trait]
impl<T: Resolver> Resolver for Watched<T> {
    async fn ask(&self, server: SocketAddr, name: &str, kind: RecordType) -> Result<Vec<String>, PortError> {
        self.around(&self.of_plan("ask"), self.inner.ask(server, name, kind)).await
    }

    async fn soa(
        &self,
        server: std::net::SocketAddr,
        name: &str,
    ) -> Result<Option<quorate::domain::zone_lint::Soa>, PortError> {
        self.inner.soa(server, name).await
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, PortError> {
        self.inner.addresses(host).await
    }
}

#[async_trait]
impl<T: ProbeRunner> ProbeRunner for Watched<Arc<T>> {
    async fn run(&self, request: &ProbeRequest) -> ProbeReport {
        self.around(&self.of_plan("public-login"), self.inner.run(request)).await
    }

    fn generation(&self, check: &CheckName) -> Generation {
        self.inner.generation(check)
    }
}
