//! The decision: a pure state machine. It is told what happened and what time it is, and says what to do. It reads no clock, draws no
//! random number, awaits nothing, locks nothing and logs nothing.
//!
//! ```text
//!  Observed ─▶ window ─▶ quorum ─▶ incident ─▶ guard ─▶ planner ─▶ progress ─▶ Append
//!                                                          ▲                      │ durable
//!  StepEnded ──────────────────────────────────────────────┴──── ledger ◀──── Journaled ─▶ Run
//! ```
//!
//! Durability is an input, never statement order: nothing follows from an entry before [`Input::Journaled`] brings it back. Recovery
//! is not a mode: a new controller is given the journal, and `progress` gives the same next step as on any ordinary
//! turn. What cannot be known is never read as "down" or as "go".

mod explain;
mod guard;
mod incident;
mod invariants;
mod io;
mod ledger;
mod planner;
mod progress;
mod quorum;
mod scene;
mod service;
mod window;

use std::collections::BTreeMap;

use crate::domain::{
    Authority, Cause, ClusterName, JournalEntry, JournalRecord, Moment, Observation, Service, ServiceName,
};

pub use explain::{Explanation, Phase, PlanView, SiteView, StepView};
pub use guard::{Asker, Blocker};
pub use invariants::Violation;
pub use io::{Ask, Command, Input, MoveRequest, Note, Output, Reply, StepOrder, StepSuccess};
pub use ledger::{Freeze, Incident, Inconsistent, LastPlan, Ledger, OpenPlan, StepStatus};

use service::{Leadership, ServiceState};

/// See the module.
#[derive(Debug)]
pub struct Engine {
    cluster: ClusterName,
    services: BTreeMap<ServiceName, ServiceState>,
    leadership: Leadership,
}

impl Engine {
    /// An engine that knows its services and nothing else.
    pub fn new(cluster: ClusterName, services: Vec<Service>) -> Self {
        let services =
            services.into_iter().map(|service| (service.name.clone(), ServiceState::new(service))).collect();
        let leadership = Leadership { authority: None, why_not: "it does not hold the lease yet".to_owned() };
        Self { cluster, services, leadership }
    }

    /// The cluster that it decides for.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// The services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values().map(ServiceState::service)
    }

    /// Takes one input at the moment `now`, which must not go backwards.
    pub fn handle(&mut self, now: Moment, input: Input) -> Output {
        let mut output = Output::default();
        self.take(now, input, &mut output);
        // The one moment that holds for all services, also for those that this input did not touch.
        output.wake_at = self.services.values().filter_map(ServiceState::wake_at).min().map(|at| at.max(now));
        output
    }

    fn take(&mut self, now: Moment, input: Input, output: &mut Output) {
        match input {
            Input::Observed(seen) => self.observed(now, &seen, output),
            Input::Recovered { journal, .. } => self.recovered(&journal),
            Input::Lag { .. } | Input::Maintenance { .. } => {}
            Input::Led(authority) => {
                self.leadership = Leadership { authority: Some(authority), why_not: String::new() };
                self.advance_all(now, output);
            }
            Input::Deposed { why } => self.leadership = Leadership { authority: None, why_not: why },
            Input::Fenced { service, records } => {
                self.with(now, &service, output, |state, _| state.fenced(records));
            }
            Input::FenceFailed { service, error } => {
                self.with(now, &service, output, |state, output| state.fence_failed(now, &error, output));
            }
            Input::Journaled(records) => {
                for JournalRecord { service, entry, .. } in records {
                    if let Some(state) = self.services.get_mut(&service) {
                        state.journaled(now, &entry, output);
                    }
                }
                self.advance_all(now, output);
            }
            Input::AppendFailed { service, error } => {
                self.with(now, &service, output, |state, output| state.append_failed(now, &error, output));
            }
            Input::StepEnded { service, step, result } => {
                let leadership = &self.leadership;
                if let Some(state) = self.services.get_mut(&service) {
                    state.step_ended(now, step, result, output);
                    state.advance(now, leadership, output);
                }
            }
            Input::Asked(ask) => self.asked(now, ask, output),
            Input::Tick => self.advance_all(now, output),
        }
    }

    /// The plan that would carry out the request now, or every guard that is against it. Changes nothing.
    pub fn draft(&self, now: Moment, request: &MoveRequest) -> Reply {
        let Some(state) = self.services.get(&request.service) else {
            return Reply::NoSuchService;
        };
        let scene = state.scene(now, &self.leadership);
        let blockers = guard::against_opening(&scene, request.to, Asker::Operator { force: request.force });
        if blockers.iter().any(|blocker| matches!(blocker, Blocker::AlreadyServing { .. })) && blockers.len() == 1 {
            return Reply::AlreadySo;
        }
        if !blockers.is_empty() {
            return Reply::Blocked(blockers);
        }
        let cause = Cause::Operator { by: request.by.clone(), reason: request.reason.clone(), force: request.force };
        match planner::draft(&scene, request.to, cause) {
            Some(plan) => Reply::Opened(Box::new(plan)),
            None => Reply::Blocked(vec![Blocker::NotFenced { why: "the zone is unread".to_owned() }]),
        }
    }

    /// What it knows of a service, what it would do, and everything that keeps it from it.
    pub fn explain(&self, now: Moment, service: &ServiceName) -> Option<Explanation> {
        let state = self.services.get(service)?;
        Some(explain::explain(&state.scene(now, &self.leadership), state.attempt(), self.leadership.epoch()))
    }

    /// What the journal says of a service.
    pub fn ledger(&self, service: &ServiceName) -> Option<&Ledger> {
        self.services.get(service).map(ServiceState::ledger)
    }

    /// The authority in hand.
    pub fn authority(&self) -> Option<&Authority> {
        self.leadership.authority.as_ref()
    }

    fn observed(&mut self, now: Moment, seen: &Observation, output: &mut Output) {
        let leadership = &self.leadership;
        if let Some(state) = self.services.get_mut(&seen.service) {
            state.observed(seen, output);
            state.advance(now, leadership, output);
        }
    }

    fn recovered(&mut self, records: &[JournalRecord]) {
        self.services.values_mut().for_each(ServiceState::forget);
        for JournalRecord { service, entry, .. } in records {
            // A service that is no longer configured keeps its journal; nobody acts on it.
            if let Some(state) = self.services.get_mut(service) {
                state.recovered(entry);
            }
        }
    }

    fn asked(&mut self, now: Moment, ask: Ask, output: &mut Output) {
        let (service, entry) = match ask {
            Ask::Move { request, .. } if self.services.get(&request.service).is_some_and(ServiceState::busy) => {
                output.reply = Some(Reply::Blocked(vec![Blocker::Busy]));
                return;
            }
            Ask::Move { request, digest } => {
                let reply = match self.draft(now, &request) {
                    Reply::Opened(plan) if *plan.digest() != digest => Reply::PlanChanged(plan),
                    reply => reply,
                };
                if let (Reply::Opened(plan), Some(state)) = (&reply, self.services.get_mut(&request.service)) {
                    state.open_plan(now, &self.leadership, plan, output);
                }
                output.reply = Some(reply);
                return;
            }
            Ask::Approve { .. } | Ask::Pin { .. } | Ask::Unpin { .. } | Ask::Acknowledge { .. } => return,
            Ask::Freeze { service, by, reason } => (service, JournalEntry::Frozen { by, reason }),
            Ask::Unfreeze { service, by, reason } => (service, JournalEntry::Unfrozen { by, reason }),
        };
        let Some(state) = self.services.get_mut(&service) else {
            output.reply = Some(Reply::NoSuchService);
            return;
        };
        let wants_frozen = matches!(entry, JournalEntry::Frozen { .. });
        output.reply = Some(if !wants_frozen && !state.to_be_frozen() {
            Reply::AlreadySo
        } else if state.record(now, &self.leadership, entry, output) {
            Reply::Done
        } else {
            let scene = state.scene(now, &self.leadership);
            let blockers = guard::standing(&scene);
            Reply::Blocked(blockers.into_iter().filter(|b| matches!(b, Blocker::NotLeading { .. })).collect())
        });
    }

    fn with(
        &mut self,
        now: Moment,
        service: &ServiceName,
        output: &mut Output,
        act: impl FnOnce(&mut ServiceState, &mut Output),
    ) {
        if let Some(state) = self.services.get_mut(service) {
            act(state, output);
            state.advance(now, &self.leadership, output);
        }
    }

    fn advance_all(&mut self, now: Moment, output: &mut Output) {
        for state in self.services.values_mut() {
            state.advance(now, &self.leadership, output);
        }
    }
}
