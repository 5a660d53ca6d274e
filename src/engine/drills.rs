//! Drills, as people and schedules ask for them: which service's journal one lives in, and everything that is against it.

use crate::domain::{
    Drill, DrillEntry, DrillKind, JournalEntry, Moment, Observation, Plan, PlanDigest, Role, ServiceName,
};

use super::drill::{self, DrillRequest};
use super::guard::Blocker;
use super::io::{Output, Reply};
use super::service::ServiceState;
use super::{Engine, planner};
use crate::domain::Cause;

/// What a drill would be, if it began now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillDraft {
    /// As it would be begun.
    pub drill: Drill,
    /// The service that would be moved: the rehearsal, for a rehearsal.
    pub service: ServiceName,
    /// The plan of the way out, where it can be drawn up.
    pub out: Option<Box<Plan>>,
    /// The plan of the way back, as far as it can be known now.
    pub back: Option<Box<Plan>>,
    /// Every reason not to begin.
    pub blockers: Vec<Blocker>,
}

impl Engine {
    /// The drill that the request would begin now, and everything that is against it; none when there is no such service. Changes
    /// nothing.
    pub fn draft_drill(&self, now: Moment, request: &DrillRequest) -> Option<DrillDraft> {
        let real = self.named(&request.service)?;
        let subject = self.subject(&request.service, request.kind);
        let scene = subject.unwrap_or(real).scene(now, &self.common);
        let mut blockers = drill::against(&scene, request.kind);
        if subject.is_none() {
            blockers.push(Blocker::NoRehearsal);
        }
        if let Some(fault) = request.fault.filter(|fault| !scene.service.drills.faults.contains(fault)) {
            blockers.push(Blocker::FaultNotAllowed { fault });
        }
        if request.kind == DrillKind::Rehearse {
            let real = real.scene(now, &self.common);
            blockers.extend(drill::engaged(&real));
            if let Some(open) = &real.ledger.open {
                blockers.push(Blocker::PlanOpen { plan: open.plan.id().clone() });
            }
            if let Some(freeze) = &real.ledger.frozen {
                blockers.push(Blocker::Frozen { by: freeze.by.clone(), reason: freeze.reason.clone() });
            }
        }
        for state in &self.services {
            if let Some(number) = state.drilling() {
                blockers.push(Blocker::DrillOpen { service: state.service().name.clone(), number });
            }
        }
        let mut known = Vec::new();
        blockers.retain(|blocker| {
            let new = !known.contains(blocker);
            known.push(blocker.clone());
            new
        });
        let DrillRequest { kind, hold, by, reason, scheduled, fault, .. } = request.clone();
        let number = 1 + self.family(&request.service).map(|state| state.ledger().drills.count).max().unwrap_or(0);
        let objectives = scene.service.policy.objectives;
        let lag = real
            .scene(now, &self.common)
            .lag
            .and_then(|measured| measured.reading.as_ref().map(|reading| reading.behind));
        let drill = Drill { number, kind, by, reason, hold, scheduled, fault, objectives, lag };
        let cause = Cause::Drill { number, by: drill.by.clone(), reason: drill.reason.clone() };
        let plan = |to| planner::draft(&scene, to, cause.clone()).map(Box::new);
        let service = scene.service.name.clone();
        Some(DrillDraft { service, out: plan(Role::Standby), back: plan(Role::Primary), drill, blockers })
    }

    pub(super) fn begin_drill(
        &mut self,
        now: Moment,
        request: &DrillRequest,
        digest: Option<&PlanDigest>,
        output: &mut Output,
    ) -> Reply {
        let Some(draft) = self.draft_drill(now, request) else { return Reply::NoSuchService };
        if !draft.blockers.is_empty() {
            return Reply::Blocked(draft.blockers);
        }
        if let (Some(digest), Some(plan)) = (digest, &draft.out)
            && plan.digest() != digest
        {
            return Reply::PlanChanged(plan.clone());
        }
        let entry = JournalEntry::Drill(DrillEntry::Started(Box::new(draft.drill.clone())));
        let Some(place) = self.place(&draft.service) else { return Reply::NoSuchService };
        let Some(state) = self.services.get_mut(place) else { return Reply::NoSuchService };
        if state.busy() || !state.record(now, &self.common, entry, output) {
            return Reply::Blocked(vec![Blocker::Busy]);
        }
        Reply::Drilling(Box::new(draft.drill))
    }

    pub(super) fn abort_drill(
        &mut self,
        now: Moment,
        service: &ServiceName,
        why: String,
        output: &mut Output,
    ) -> Reply {
        let none = Reply::Blocked(vec![Blocker::NothingDrilled]);
        let Some((service, number)) = self.drilled(service) else { return none };
        let Some(state) = self.place(&service).and_then(|place| self.services.get_mut(place)) else { return none };
        let open = state.ledger().drills.open.as_ref();
        if open.is_some_and(|open| open.aborting.is_some()) {
            return Reply::AlreadySo;
        }
        let entry = JournalEntry::Drill(DrillEntry::Aborting { number, why });
        if state.record(now, &self.common, entry, output) { Reply::Done } else { Reply::Blocked(vec![Blocker::Busy]) }
    }

    /// The journal that a word about a service's drill belongs into: where one is under way, be it the service's own or its rehearsal's.
    pub(super) fn drilled(&self, service: &ServiceName) -> Option<(ServiceName, u64)> {
        self.family(service).find_map(|state| Some((state.service().name.clone(), state.drilling()?)))
    }

    /// The service and its rehearsal.
    fn family<'a>(&'a self, service: &ServiceName) -> impl Iterator<Item = &'a ServiceState> + use<'a> {
        let service = service.clone();
        let kin = move |state: &&ServiceState| {
            state.service().name == service || state.rehearses().is_some_and(|real| *real == service)
        };
        self.services.iter().filter(kin)
    }

    fn subject<'a>(&'a self, service: &ServiceName, kind: DrillKind) -> Option<&'a ServiceState> {
        match kind {
            DrillKind::Tabletop | DrillKind::Live => self.named(service).filter(|state| state.rehearses().is_none()),
            DrillKind::Rehearse => self.family(service).find(|state| state.rehearses().is_some()),
        }
    }

    /// Who else an observation is about: the rehearsals of its service, which nobody probes a second time.
    pub(super) fn rehearsals(&self, seen: &Observation) -> Vec<Observation> {
        let names = self.rehearsals.iter().filter(|(real, _)| *real == seen.service).map(|(_, name)| name.clone());
        names.map(|service| Observation { service, ..seen.clone() }).collect()
    }
}
