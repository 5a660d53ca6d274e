//! The decision: a pure state machine. It is told what happened and what time it is, and says what to do. It reads no clock, draws no
//! random number, awaits nothing, locks nothing and logs nothing.
//!
//! ```text
//!  Observed ─▶ window ─▶ panel ─▶ quorum ─▶ incident ─▶ guard ─▶ planner ─▶ progress ─▶ Append
//!                                                          ▲                      │ durable
//!  StepEnded ──────────────────────────────────────────────┴──── ledger ◀──── Journaled ─▶ Run
//! ```
//!
//! Durability is an input, never statement order: nothing follows from an entry before [`Input::Journaled`] brings it back. Recovery
//! is not a mode: a new controller is given the journal, and `progress` gives the same next step as on any ordinary
//! turn. What cannot be known is never read as "down" or as "go".

mod alert;
mod blocker;
mod burn;
mod burst;
mod common;
mod drain;
mod drill;
mod drills;
mod explain;
mod guard;
mod incident;
mod invariants;
mod io;
mod ledger;
mod limits;
mod panel;
mod planner;
mod progress;
mod quorum;
mod roster;
mod scene;
mod service;
mod sites;
mod watch;
mod window;

use std::collections::BTreeSet;

use crate::domain::{
    Authority, Cause, ClusterName, DrillEntry, JournalEntry, JournalRecord, Limits, Moment, Observation, Register,
    Role, Service, ServiceName, Sighting, WallTime, reconciliation_digest,
};

pub use blocker::Blocker;
pub use drain::DrainView;
pub use drill::{DrillRequest, Drills, LastDrill, Leg, OpenDrill};
pub use drills::DrillDraft;
pub use explain::{Explanation, Phase, PinView, PlanView, RuleView, SiteView, StepView};
pub use guard::Asker;
pub use invariants::Violation;
pub use io::{Ask, Command, Input, MoveRequest, Note, Output, Reply, StepOrder, StepSuccess};
pub use ledger::{
    Draining, Freeze, Incident, Inconsistent, LastPlan, Ledger, Moved, OpenPlan, Pin, StepStatus, Stuck,
};
pub use panel::CheckView;

pub use sites::{ReconciliationView, SitesView, TriedView};

use common::Common;
use roster::Roster;
use service::ServiceState;

/// See the module.
#[derive(Debug)]
pub struct Engine {
    cluster: ClusterName,
    /// By name.
    services: Vec<ServiceState>,
    roster: Roster,
    /// When which service's next turn is due.
    due: BTreeSet<(Moment, usize)>,
    common: Common,
    /// The services that are rehearsals, after those that they are of.
    rehearsals: Vec<(ServiceName, ServiceName)>,
}

impl Engine {
    /// An engine that knows its services, each name once, and nothing else.
    pub fn new(cluster: ClusterName, limits: Limits, mut services: Vec<Service>) -> Self {
        services.sort_by(|one, other| one.name.cmp(&other.name));
        services.dedup_by(|one, other| one.name == other.name);
        let roster = Roster::new(services.iter().map(|service| &service.name));
        let pair = |service: &Service| Some((service.drills.rehearses.clone()?, service.name.clone()));
        let rehearsals = services.iter().filter_map(pair).collect();
        let services = services.into_iter().map(ServiceState::new).collect();
        Self { cluster, services, roster, due: BTreeSet::new(), common: Common::new(limits), rehearsals }
    }

    /// The cluster that it decides for.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// The services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().map(ServiceState::service)
    }

    /// Takes one input at the moment `now`, which must not go backwards.
    pub fn handle(&mut self, now: Moment, input: Input) -> Output {
        let mut output = Output::default();
        self.take(now, input, &mut output);
        // The one moment that holds for all services, also for those that this input did not touch.
        output.wake_at = self.due.first().map(|(at, _)| (*at).max(now));
        output
    }

    fn take(&mut self, now: Moment, input: Input, output: &mut Output) {
        match input {
            Input::Observed(seen) => {
                for seen in self.rehearsals(&seen) {
                    self.observed(now, seen, output);
                }
                self.observed(now, seen, output);
            }
            Input::Recovered { journal, wall } => {
                self.common.clocks = (now, wall);
                self.recovered(now, &journal);
            }
            Input::Led(authority) => {
                (self.common.authority, self.common.why_not) = (Some(authority), String::new());
                self.advance_all(now, output);
            }
            Input::Deposed { why } => (self.common.authority, self.common.why_not) = (None, why),
            Input::Halted { why } => {
                self.common.halted = why;
                self.advance_all(now, output);
            }
            Input::Lag { service, reading } => {
                self.with(now, &service, output, |state, _| state.measured(now, reading));
            }
            Input::Compared { service, comparison } => {
                self.with(now, &service, output, |state, _| state.sites().compared(now, comparison));
            }
            Input::WriteTried { service, role, result } => {
                self.with(now, &service, output, |state, _| state.sites().tried(now, role, result));
            }
            Input::Maintenance { service, window } => {
                self.with(now, &service, output, |state, _| state.maintenance(window));
            }
            Input::Fenced { service, register, behind } => {
                self.with(now, &service, output, |state, _| state.fenced(now, register, behind));
            }
            Input::FenceFailed { service, error } => {
                self.with(now, &service, output, |state, output| state.fence_failed(now, &error, output));
            }
            Input::Sighted(seen) => self.sighted(now, seen, output),
            Input::Journaled(records) => self.journaled(now, &records, output),
            Input::AppendFailed { service, error } => {
                self.with(now, &service, output, |state, output| state.append_failed(now, &error, output));
            }
            Input::StepEnded { service, step, result } => {
                self.with(now, &service, output, |state, output| state.step_ended(now, step, result, output));
            }
            Input::Surveyed { service, began, seen } => {
                let Some(place) = self.place(&service) else { return };
                if let Some(state) = self.services.get_mut(place) {
                    state.surveyed(now, &self.cluster, &self.common, (began, &seen), output);
                }
                self.advance(now, place, output);
            }
            Input::Mended { service } => {
                self.with(now, &service, output, |state, output| state.mended(now, output));
            }
            Input::Looked { service, number, looks } => {
                self.with(now, &service, output, |state, _| state.looked(number, looks));
            }
            Input::Faulted { service, number, result } => {
                self.with(now, &service, output, |state, _| state.faulted(number, result));
            }
            Input::Breached { service, why } => self.with(now, &service, output, |state, _| state.breached(why)),
            Input::Asked(ask) => self.asked(now, ask, output),
            Input::Tick => {
                // A turn that wants another one at this very moment gets it at the next tick.
                let due: Vec<usize> = self.due.range(..=(now, usize::MAX)).map(|(_, place)| *place).collect();
                for place in due {
                    self.tick(now, place, output);
                }
            }
        }
    }

    fn place(&self, name: &ServiceName) -> Option<usize> {
        self.roster
            .places(name)
            .find(|place| self.service_at(*place).is_some_and(|state| state.service().name == *name))
    }

    fn service_at(&self, place: usize) -> Option<&ServiceState> {
        self.services.get(place)
    }

    fn named(&self, name: &ServiceName) -> Option<&ServiceState> {
        self.service_at(self.place(name)?)
    }

    /// The plan that would carry out the request now, or every guard that is against it. Changes nothing.
    pub fn draft(&self, now: Moment, request: &MoveRequest) -> Reply {
        let Some(state) = self.named(&request.service) else {
            return Reply::NoSuchService;
        };
        let scene = state.scene(now, &self.common);
        if request.promote && scene.ledger.promoted.is_some() && scene.ledger.open.is_none() {
            return Reply::AlreadySo;
        }
        let blockers = if request.promote {
            guard::against_promotion(&scene, request.force)
        } else {
            guard::against_opening(&scene, request.to, Asker::Operator { force: request.force })
        };
        if blockers.iter().any(|blocker| matches!(blocker, Blocker::AlreadyServing { .. })) && blockers.len() == 1 {
            return Reply::AlreadySo;
        }
        if !blockers.is_empty() {
            return Reply::Blocked(blockers);
        }
        let cause = Cause::Operator { by: request.by.clone(), reason: request.reason.clone(), force: request.force };
        let plan = if request.promote {
            planner::promotion(&scene, cause)
        } else {
            planner::draft(&scene, request.to, cause)
        };
        match plan {
            Some(plan) => Reply::Opened(Box::new(plan)),
            None => {
                let what = Register::word(scene.service.dns.lane);
                Reply::Blocked(vec![Blocker::NotFenced { what, why: "it is unread".to_owned() }])
            }
        }
    }

    /// What it knows of a service, what it would do, and everything that keeps it from it.
    pub fn explain(&self, now: Moment, service: &ServiceName) -> Option<Explanation> {
        let state = self.named(service)?;
        let scene = state.scene(now, &self.common);
        let explanation = explain::explain(&scene, state.attempt(), self.common.epoch(), state.drain().view(&scene));
        Some(Explanation { checks: state.checks(now), ..explanation })
    }

    /// Every guard that is against having a service's records taken over or put back; none when there is no such service.
    pub fn against_mending(&self, now: Moment, service: &ServiceName) -> Option<Vec<Blocker>> {
        Some(guard::against_mending(&self.named(service)?.scene(now, &self.common)))
    }

    /// What a service is moved by, as fenced under the authority in hand, and the site that serves as far as is known.
    pub fn register(&self, now: Moment, service: &ServiceName) -> Option<(Option<&Register>, Role)> {
        let scene = self.named(service)?.scene(now, &self.common);
        Some((scene.register, scene.serving()))
    }

    /// What the journal says of a service.
    pub fn ledger(&self, service: &ServiceName) -> Option<&Ledger> {
        self.named(service).map(ServiceState::ledger)
    }

    /// The authority in hand.
    pub fn authority(&self) -> Option<&Authority> {
        self.common.authority.as_ref()
    }

    fn observed(&mut self, now: Moment, seen: Observation, output: &mut Output) {
        let Some(place) = self.place(&seen.service) else { return };
        let Some(state) = self.services.get_mut(place) else { return };
        let news = state.observed(now, &self.common, seen, output);
        if news {
            self.advance(now, place, output);
        } else if state.wake_at().is_some_and(|at| at <= now) {
            self.tick(now, place, output);
        }
    }

    fn sighted(&mut self, now: Moment, seen: Vec<Sighting>, output: &mut Output) {
        let mut places = BTreeSet::new();
        for one in seen {
            let Some(place) = self.place(one.service()) else { continue };
            if self.services.get_mut(place).is_some_and(|state| state.sighted(now, one)) {
                places.insert(place);
            }
        }
        for place in places {
            self.advance(now, place, output);
        }
    }

    fn recovered(&mut self, now: Moment, records: &[JournalRecord]) {
        self.services.iter_mut().for_each(ServiceState::forget);
        self.due.clear();
        for JournalRecord { service, at, entry, .. } in records {
            // A service that is no longer configured keeps its journal; nobody acts on it.
            if let Some(state) = self.place(service).and_then(|place| self.services.get_mut(place)) {
                state.recovered(entry, *at);
            }
        }
        self.count_moves(now);
    }

    fn journaled(&mut self, now: Moment, records: &[JournalRecord], output: &mut Output) {
        let wall = self.common.wall(now);
        for JournalRecord { service, entry, .. } in records {
            if let Some(state) = self.place(service).and_then(|place| self.services.get_mut(place)) {
                state.journaled(now, wall, entry, output);
            }
        }
        self.count_moves(now);
        let mut places: Vec<usize> = records.iter().filter_map(|record| self.place(&record.service)).collect();
        places.dedup();
        for place in places {
            self.advance(now, place, output);
        }
    }

    /// What all services together have done: one more look at all of them whenever the journal has grown, which is seldom.
    fn count_moves(&mut self, now: Moment) {
        let (wall, per): (WallTime, _) = (self.common.wall(now), self.common.limits.per);
        let moves = self.services.iter().flat_map(|state| {
            let opening = state.is_opening().then_some(wall);
            state.ledger().automatic_moves(wall, per).into_iter().chain(opening)
        });
        self.common.moves = moves.collect();
        let broken = self.services.iter().filter_map(|state| {
            let open = state.ledger().drills.open.as_ref().filter(|open| drill::breaks_primary(&open.drill))?;
            Some((state.rehearses()?.clone(), state.service().name.clone(), open.drill.number))
        });
        self.common.broken = broken.collect();
    }

    fn asked(&mut self, now: Moment, ask: Ask, output: &mut Output) {
        let reply = self.answer(now, ask, output);
        output.reply = Some(reply);
    }

    fn answer(&mut self, now: Moment, ask: Ask, output: &mut Output) -> Reply {
        let Some(place) = self.place(ask.service()) else { return Reply::NoSuchService };
        let Some(state) = self.services.get_mut(place) else { return Reply::NoSuchService };
        let entry = match ask {
            Ask::Move { .. } if state.busy() => return Reply::Blocked(vec![Blocker::Busy]),
            Ask::Move { request, digest } => {
                let reply = match self.draft(now, &request) {
                    Reply::Opened(plan) if *plan.digest() != digest => Reply::PlanChanged(plan),
                    reply => reply,
                };
                if let (Reply::Opened(plan), Some(state)) = (&reply, self.services.get_mut(place)) {
                    state.open_plan(now, &self.common, plan, output);
                }
                return reply;
            }
            Ask::Reconcile { digest, by, reason, .. } => {
                let Some(found) = sites::divergences(&state.scene(now, &self.common)) else {
                    return Reply::Blocked(vec![Blocker::Comparing]);
                };
                let wanted = reconciliation_digest(&found);
                if wanted.is_none() || wanted == state.ledger().reconciled {
                    return Reply::AlreadySo;
                }
                let findings = found.iter().map(ToString::to_string).collect();
                match wanted {
                    Some(wanted) if wanted != digest => {
                        let service = state.service().name.clone();
                        return Reply::Blocked(vec![Blocker::Unreconciled { service, digest: wanted, findings }]);
                    }
                    _ => JournalEntry::Reconciled { by, reason, digest, findings },
                }
            }
            Ask::Adopt { from, digest, by, reason, .. } => {
                return self.mend(now, place, JournalEntry::AdoptionAsked { by, reason, digest, from }, output);
            }
            Ask::Repair { digest, by, reason, .. } => {
                return self.mend(now, place, JournalEntry::RepairAsked { by, reason, digest }, output);
            }
            Ask::Drill { request, digest } => return self.begin_drill(now, &request, digest.as_ref(), output),
            Ask::AbortDrill { service, why } => return self.abort_drill(now, &service, why, output),
            Ask::NoteDrill { number, .. } if state.drilling() != Some(number) => {
                return Reply::Blocked(vec![Blocker::NothingDrilled]);
            }
            Ask::NoteDrill { number, text, .. } => JournalEntry::Drill(DrillEntry::Noted { number, text }),
            Ask::SkipDrill { kind, why, .. } => JournalEntry::Drill(DrillEntry::Skipped { kind, why }),
            Ask::Freeze { by, reason, .. } => JournalEntry::Frozen { by, reason },
            Ask::Unfreeze { .. } if !state.to_be_frozen() => return Reply::AlreadySo,
            Ask::Unfreeze { by, reason, .. } => JournalEntry::Unfrozen { by, reason },
            Ask::Pin { to, lasting, by, reason, .. } => JournalEntry::Pinned { to, lasting, by, reason },
            Ask::Unpin { .. } if state.ledger().pinned.is_none() => return Reply::AlreadySo,
            Ask::Unpin { by, reason, .. } => JournalEntry::Unpinned { by, reason },
            Ask::Acknowledge { .. } if state.ledger().stuck.is_none() => {
                return Reply::Blocked(vec![Blocker::NothingStuck]);
            }
            Ask::Acknowledge { by, reason, .. } => JournalEntry::Acknowledged { by, reason },
            Ask::Approve { plan, digest, by, .. } => match &state.ledger().open {
                Some(open) if *open.plan.id() == plan && *open.plan.digest() != digest => {
                    return Reply::PlanChanged(Box::new(open.plan.clone()));
                }
                Some(open) if *open.plan.id() == plan && open.approved.is_some() => return Reply::AlreadySo,
                Some(open) if *open.plan.id() == plan && open.plan.terms().approval => {
                    JournalEntry::PlanApproved { plan, by }
                }
                _ => return Reply::Blocked(vec![Blocker::NothingToApprove]),
            },
        };
        if state.record(now, &self.common, entry, output) {
            return Reply::Done;
        }
        let blockers = guard::standing(&state.scene(now, &self.common));
        Reply::Blocked(blockers.into_iter().filter(|b| matches!(b, Blocker::NotLeading { .. })).collect())
    }

    fn mend(&mut self, now: Moment, place: usize, entry: JournalEntry, output: &mut Output) -> Reply {
        let Some(state) = self.services.get_mut(place) else { return Reply::NoSuchService };
        let blockers = guard::against_mending(&state.scene(now, &self.common));
        if !blockers.is_empty() {
            return Reply::Blocked(blockers);
        }
        if !state.busy() && state.mend(now, &self.common, entry, output) {
            return Reply::Done;
        }
        Reply::Blocked(vec![Blocker::Busy])
    }

    fn with(
        &mut self,
        now: Moment,
        service: &ServiceName,
        output: &mut Output,
        act: impl FnOnce(&mut ServiceState, &mut Output),
    ) {
        let Some(place) = self.place(service) else { return };
        if let Some(state) = self.services.get_mut(place) {
            act(state, output);
        }
        self.advance(now, place, output);
    }

    fn advance_all(&mut self, now: Moment, output: &mut Output) {
        for place in 0..self.services.len() {
            self.advance(now, place, output);
        }
    }

    /// One service's turn, unless it is due only because words might have grown stale, and none has.
    fn tick(&mut self, now: Moment, place: usize, output: &mut Output) {
        let Some(state) = self.services.get_mut(place) else { return };
        let Some(at) = state.wake_at() else { return };
        if !state.still_fresh(now) {
            return self.advance(now, place, output);
        }
        let next = state.wake_at();
        self.due.remove(&(at, place));
        self.due.extend(next.map(|at| (at, place)));
    }

    /// One service's turn, and when its next one is due.
    fn advance(&mut self, now: Moment, place: usize, output: &mut Output) {
        let Some(state) = self.services.get_mut(place) else { return };
        if let Some(at) = state.wake_at() {
            self.due.remove(&(at, place));
        }
        let opening = state.is_opening();
        state.advance(now, &self.common, output);
        let opens = !opening && state.is_opening();
        if let Some(at) = state.wake_at() {
            self.due.insert((at, place));
        }
        // Before it is durable: the next service's turn may come first (S19).
        if opens {
            self.common.moves.push(self.common.wall(now));
        }
    }
}
