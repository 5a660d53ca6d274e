//! The engine's surroundings: a journal that takes every entry at once, a zone that swaps its records, steps that succeed. The engine is the
//! real one; what is around it is the least that lets it decide.

use std::time::Duration;

use super::tempo::ms;
use crate::domain::{
    Alert, Authority, Cause, ChangeBatch, ClusterName, Epoch, JournalEntry, JournalRecord, LagReading, Limits,
    Moment, NameError, Observation, OwnedRecords, RecordsError, Register, Role, Service, ServiceName, StepDetail,
    WallTime,
};
use crate::engine::{Ask, Command, Engine, Explanation, Input, MoveRequest, Reply, StepOrder, StepSuccess};

/// The wall clock when a run begins. Any other would do.
const WALL_MS: u64 = 1_700_000_000_000;
/// The epoch that it leads under.
const EPOCH: Epoch = Epoch::new(1);

/// What the controller asked of the world.
#[derive(Debug)]
pub(in crate::sim) enum Wish {
    /// Probe that service this often, in milliseconds; none is as often as the policy says.
    Pace(usize, Option<u64>),
    /// Carry out a step.
    Step(usize, Box<StepOrder>),
}

/// See the module.
pub(in crate::sim) struct Desk {
    engine: Engine,
    services: Vec<Service>,
    zones: Vec<OwnedRecords>,
    entries: u64,
    /// When the engine is to be woken.
    pub(in crate::sim) wake: Option<u64>,
    /// When a quorum's plan was opened first.
    pub(in crate::sim) decided: Option<u64>,
    /// The flips that were carried out.
    pub(in crate::sim) flips: usize,
    /// The alerts that were raised.
    pub(in crate::sim) alerts: [bool; Alert::ALL.len()],
    /// What was recorded, and when.
    pub(in crate::sim) told: Vec<(u64, JournalEntry)>,
    /// The wall clock when the monotonic one began.
    wall_ms: u64,
    /// What the world is yet to do.
    pub(in crate::sim) wishes: Vec<Wish>,
}

/// Why a world cannot be built. The library's own names and records are sound, so that nobody sees it.
#[derive(Debug, thiserror::Error)]
pub(in crate::sim) enum DeskError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error(transparent)]
    Address(#[from] url::ParseError),
}

impl Desk {
    /// A controller that has just begun to lead.
    pub(in crate::sim) fn new(services: Vec<Service>) -> Result<Self, DeskError> {
        Self::beginning(services, 0, WALL_MS)
    }

    /// A controller that begins to lead at `now`, with the wall clock so far ahead of the monotonic one.
    pub(in crate::sim) fn beginning(services: Vec<Service>, now: u64, wall_ms: u64) -> Result<Self, DeskError> {
        let cluster = ClusterName::new("simulated")?;
        let zones = services
            .iter()
            .map(|service| OwnedRecords::find(&cluster, service, &OwnedRecords::unmoved(&cluster, service)))
            .collect::<Result<_, _>>()?;
        let engine = Engine::new(cluster, Limits::default(), services.clone());
        let mut desk = Self {
            engine,
            services,
            zones,
            entries: 0,
            wake: None,
            decided: None,
            flips: 0,
            alerts: [false; Alert::ALL.len()],
            told: Vec::new(),
            wall_ms,
            wishes: Vec::new(),
        };
        desk.give(now, Input::Recovered { journal: Vec::new(), wall: WallTime::from_ms(wall_ms + now) });
        desk.give(now, Input::Led(Authority::new(EPOCH, None)));
        // Before it looks at any evidence (safety.md 4.2).
        for service in desk.services.clone() {
            desk.fence(now, service.name);
        }
        Ok(desk)
    }

    fn place(&self, name: &ServiceName) -> Option<usize> {
        self.services.iter().position(|service| service.name == *name)
    }

    /// An observation arrives.
    pub(in crate::sim) fn observed(&mut self, now: u64, seen: Observation) {
        self.give(now, Input::Observed(seen));
    }

    /// The engine is woken.
    pub(in crate::sim) fn tick(&mut self, now: u64) {
        self.give(now, Input::Tick);
    }

    /// How far the standbys' data is behind.
    pub(in crate::sim) fn lag(&mut self, now: u64, lag: Duration) {
        let names: Vec<ServiceName> = self.services.iter().map(|service| service.name.clone()).collect();
        for service in names {
            self.give(now, Input::Lag { service, reading: Some(LagReading::now(lag)) });
        }
    }

    /// A step has been carried out.
    pub(in crate::sim) fn done(&mut self, now: u64, place: usize, order: &StepOrder) {
        let Some(service) = self.services.get(place) else { return };
        let mut success = StepSuccess { detail: StepDetail::said("done"), register: None };
        if let Some((Register::Records(present), intent)) = &order.switch {
            let records = present.after(&ChangeBatch::flip(present, service, intent.new.clone()));
            success.detail.change = Some("C1".to_owned());
            success.register = Some(records.clone().into());
            if let Some(zone) = self.zones.get_mut(place) {
                *zone = records;
            }
            self.flips += 1;
        }
        let (service, step) = (service.name.clone(), order.index);
        self.give(now, Input::StepEnded { service, step, result: Ok(success) });
    }

    /// What is known of the first service.
    pub(in crate::sim) fn explained(&self, now: u64) -> Option<Explanation> {
        self.engine.explain(Moment::from_ms(now), &self.services.first()?.name)
    }

    /// A person moves the first service back, if every guard lets them.
    pub(in crate::sim) fn bring_back(&mut self, now: u64, by: &str, reason: &str) {
        let Some(service) = self.services.first().map(|service| service.name.clone()) else { return };
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let request = MoveRequest { service, to: Role::Primary, by, reason, force: false, promote: false };
        if let Reply::Opened(plan) = self.engine.draft(Moment::from_ms(now), &request) {
            self.give(now, Input::Asked(Ask::Move { request, digest: plan.digest().clone() }));
        }
    }

    fn give(&mut self, now: u64, input: Input) {
        let output = self.engine.handle(Moment::from_ms(now), input);
        self.wake = output.wake_at.map(Moment::as_ms);
        for command in output.commands {
            self.carry_out(now, command);
        }
    }

    fn carry_out(&mut self, now: u64, command: Command) {
        match command {
            Command::Append { service, entries, .. } => {
                let mut records = Vec::with_capacity(entries.len());
                for entry in entries {
                    self.heed(now, &entry);
                    self.told.push((now, entry.clone()));
                    self.entries += 1;
                    let at = WallTime::from_ms(self.wall_ms + now);
                    records.push(JournalRecord {
                        id: self.entries,
                        at,
                        epoch: EPOCH,
                        service: service.clone(),
                        entry,
                    });
                }
                self.give(now, Input::Journaled(records));
            }
            Command::Fence { service } => self.fence(now, service),
            Command::Pace { service, every } => {
                if let Some(place) = self.place(&service) {
                    self.wishes.push(Wish::Pace(place, every.map(ms)));
                }
            }
            Command::Run(order) => {
                if let Some(place) = self.place(order.plan.service()) {
                    self.wishes.push(Wish::Step(place, order));
                }
            }
            Command::TryWrite { .. }
            | Command::CatchUp { .. }
            | Command::Drain { .. }
            | Command::Look { .. }
            | Command::EndProcess { .. }
            | Command::Resign { .. } => {}
        }
    }

    /// The zone takes a token under this epoch.
    fn fence(&mut self, now: u64, service: ServiceName) {
        let fence = Authority::new(EPOCH, None).fence(Moment::from_ms(now));
        let Some(zone) = self.place(&service).and_then(|place| self.zones.get_mut(place)) else { return };
        if let Some(new) = fence.and_then(|fence| zone.token().advanced(&fence)) {
            *zone = zone.after(&ChangeBatch::fence(zone, new));
            let register = zone.clone().into();
            self.give(now, Input::Fenced { service, register, behind: Vec::new() });
        }
    }

    fn heed(&mut self, now: u64, entry: &JournalEntry) {
        match entry {
            JournalEntry::PlanOpened { plan } if matches!(plan.cause(), Cause::Quorum(_)) => {
                self.decided.get_or_insert(now);
            }
            JournalEntry::AlertRaised { alert, .. } => {
                for (known, raised) in Alert::ALL.iter().zip(&mut self.alerts) {
                    *raised |= known == alert;
                }
            }
            _ => {}
        }
    }
}
