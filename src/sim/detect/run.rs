//! One run: agents, sites and a network in virtual milliseconds around the real engine. One thread, one seed.
//!
//! What the numbers stand for is safety.md 3.2; the agents keep the rules of the real ones (see `tempo`). A report's way to the controller
//! and a wish's way back, which safety.md leaves out, take their time here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::catalogue::{Scenario, Twist};
use super::chance::Chance;
use super::desk::{Desk, DeskError, Wish};
use super::fault::{Course, Hit, How, Seat};
use super::setting::Setting;
use super::tempo::{Beat, Tempo, ms};
use crate::domain::{
    Alert, Canaries, FailureKind, Generation, Moment, Observation, ObservationId, Outcome, Role, Service, VantageName,
};

/// For how long all is well before the fault: as long as the longest memory, the burn lane's.
pub(super) const LEAD_MS: u64 = 180_000;
/// The share of probes that fail although all is well; half of them by time-out (safety.md 3.2).
pub(super) const NOISE: f64 = 0.002;
/// A login, in milliseconds: log-normal with this median …
const LOGIN_MS: f64 = 500.0;
/// … and this spread.
const LOGIN_SIGMA: f64 = 0.4;
/// An error that comes at once: the same, without the pages behind it.
const ERROR_MS: f64 = 100.0;
/// From the end of a probe to the controller, in milliseconds, from … to. Safety.md does not model it.
const REPORT_MS: (u64, u64) = (100, 300);
/// From the controller's wish for another pace to the agents, in milliseconds.
const PACE_MS: u64 = 50;
/// Probes of one site that one agent may have under way.
const IN_FLIGHT: u32 = 6;
/// A step of a plan, in milliseconds.
const STEP_MS: u64 = 300;
/// How often the standby's lag is measured, where the policy asks for it, in milliseconds.
const LAG_MS: u64 = 10_000;
/// The lag that is measured.
const LAG: Duration = Duration::from_secs(1);
/// How far after the first the onset may be, in milliseconds: anywhere in the schedule.
const ONSET_MS: u64 = 10_000;

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    /// From the fault to the decision, in milliseconds; none when nothing was decided.
    pub(super) decided: Option<u64>,
    /// It was decided before there was a fault.
    pub(super) early: bool,
    /// For how long the fault lasted, in milliseconds, where that is chance.
    pub(super) lasts: u64,
    /// The flips that were carried out.
    pub(super) flips: usize,
    /// The alerts that were raised, in the order of `Alert::ALL`.
    pub(super) alerts: [bool; Alert::ALL.len()],
    /// The observations that the engine took.
    pub(super) observations: u64,
}

/// What a probe saw.
#[derive(Debug, Clone, Copy)]
struct Saw {
    failed: Option<How>,
    own: bool,
    ms: u64,
}

#[derive(Debug)]
enum Event {
    /// A probe is due, unless that beat was moved.
    Beat { track: usize, number: u32 },
    /// A probe ends.
    End { track: usize, boot: u32, saw: Saw },
    /// What it saw arrives.
    Arrive { track: usize, boot: u32, seq: u64, saw: Saw },
    /// Agents hear of another pace.
    Pace { service: usize, every: Option<u64> },
    /// An agent's own burst may be over, or become gentler.
    Calm { agent: usize, service: usize },
    /// A step of a plan ends.
    Step { service: usize, order: Box<crate::engine::StepOrder> },
    /// The standby's lag is measured.
    Lag,
    /// An agent dies.
    Dies { agent: usize },
    /// An agent begins anew.
    Restarts { agent: usize },
    /// Every agent has another script from now on.
    NewScript,
}

/// In order of time, and of those at one time in the order in which they were planned.
#[derive(Debug)]
struct Due {
    at: u64,
    number: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// One site of one service, probed by one agent.
struct Track {
    agent: usize,
    service: usize,
    role: Role,
    beat: Beat,
    /// The number of the next beat: others were moved.
    number: u32,
    in_flight: u32,
}

struct Agent {
    name: VantageName,
    seat: Seat,
    alive: bool,
    boot: u32,
    boot_text: String,
    seq: u64,
    /// For each service.
    tempo: Vec<Tempo>,
    /// When its latest report arrives: reports keep their order.
    reported: u64,
}

/// See the module.
pub(super) struct Run<'a> {
    setting: &'a Setting,
    scenario: &'a Scenario,
    services: Vec<Service>,
    desk: Desk,
    chance: Chance,
    course: Course,
    onset: u64,
    now: u64,
    due: BinaryHeap<Reverse<Due>>,
    planned: u64,
    agents: Vec<Agent>,
    tracks: Vec<Track>,
    generation: Generation,
    observations: u64,
}

impl<'a> Run<'a> {
    /// Run number `number` of a scenario.
    pub(super) fn new(
        setting: &'a Setting,
        scenario: &'a Scenario,
        seed: u64,
        number: usize,
    ) -> Result<Self, DeskError> {
        let mut chance = Chance::of(seed, scenario.name, number);
        let services = setting.services(scenario)?;
        let desk = Desk::new(services.clone())?;
        let onset = LEAD_MS + chance.ms(0, ONSET_MS);
        let course = Course::new(&scenario.fault, scenario.horizon * 1_000, &mut chance);
        let mut run = Self {
            setting,
            scenario,
            desk,
            onset,
            course,
            now: 0,
            due: BinaryHeap::new(),
            planned: 0,
            agents: Vec::new(),
            tracks: Vec::new(),
            generation: Generation::of(["a script"]),
            observations: 0,
            services,
            chance,
        };
        run.people();
        run.plan_twist();
        Ok(run)
    }

    fn people(&mut self) {
        let interval = ms(self.setting.policy.interval);
        let names: Vec<VantageName> =
            self.services.iter().take(1).flat_map(|service| &service.vantages).map(|v| v.name.clone()).collect();
        for (agent, name) in names.into_iter().enumerate() {
            let tempo = self.services.iter().map(|_| Tempo::default()).collect();
            let (seat, boot_text) = (self.setting.seat(agent), "b0".to_owned());
            self.agents.push(Agent { name, seat, alive: true, boot: 0, boot_text, seq: 0, tempo, reported: 0 });
            for service in 0..self.services.len() {
                for role in Role::BOTH {
                    let beat = Beat::new(0, interval, &mut self.chance);
                    self.tracks.push(Track { agent, service, role, beat, number: 0, in_flight: 0 });
                    self.plan_beat(self.tracks.len() - 1);
                }
            }
        }
        if self.setting.policy.max_lag.is_some() {
            self.plan(0, Event::Lag);
        }
    }

    fn plan_twist(&mut self) {
        let agents = self.agents.len();
        match self.scenario.twist {
            Twist::Dead(of_five) => {
                let dead = (0..agents).filter(|agent| self.setting.seat(*agent).place < f64::from(of_five) / 5.0);
                dead.collect::<Vec<_>>().into_iter().for_each(|agent| self.plan(self.onset, Event::Dies { agent }));
            }
            Twist::Restarts(apart) => {
                for agent in 0..agents {
                    self.plan(self.onset + agent as u64 * apart * 1_000, Event::Restarts { agent });
                }
            }
            Twist::NewScript => self.plan(self.onset, Event::NewScript),
            Twist::None | Twist::TwoAccounts | Twist::Services(_) => {}
        }
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.due.push(Reverse(Due { at: at.max(self.now), number: self.planned, event }));
    }

    fn plan_beat(&mut self, track: usize) {
        let Some(found) = self.tracks.get_mut(track) else { return };
        found.number += 1;
        let (at, number) = (found.beat.at(), found.number);
        self.plan(at, Event::Beat { track, number });
    }

    /// To its end.
    pub(super) fn live(mut self) -> Report {
        let end = self.onset + self.scenario.horizon * 1_000;
        let carried_out = matches!(self.scenario.twist, Twist::Services(_));
        loop {
            let next = self.due.peek().map_or(end, |Reverse(due)| due.at);
            let wake = self.desk.wake.map_or(u64::MAX, |wake| wake.max(self.now));
            if next.min(wake) >= end || (self.desk.decided.is_some() && !carried_out) {
                break;
            }
            if wake <= next {
                self.now = wake;
                self.desk.tick(wake);
            } else if let Some(Reverse(due)) = self.due.pop() {
                self.now = due.at;
                self.take(due.event);
            }
            self.grant();
        }
        let decided = self.desk.decided;
        Report {
            decided: decided.map(|at| at.saturating_sub(self.onset)),
            early: decided.is_some_and(|at| at < self.onset),
            lasts: self.course.lasts,
            flips: self.desk.flips,
            alerts: self.desk.alerts,
            observations: self.observations,
        }
    }

    fn grant(&mut self) {
        for wish in std::mem::take(&mut self.desk.wishes) {
            match wish {
                Wish::Pace(service, every) => self.plan(self.now + PACE_MS, Event::Pace { service, every }),
                Wish::Step(service, order) => self.plan(self.now + STEP_MS, Event::Step { service, order }),
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Beat { track, number } => self.beat(track, number),
            Event::End { track, boot, saw } => self.end(track, boot, saw),
            Event::Arrive { track, boot, seq, saw } => self.arrive(track, boot, seq, saw),
            Event::Pace { service, every } => {
                for agent in 0..self.agents.len() {
                    if let Some(tempo) = self.agents.get_mut(agent).and_then(|agent| agent.tempo.get_mut(service)) {
                        tempo.wished(every);
                    }
                    self.retime(agent, service);
                }
            }
            Event::Calm { agent, service } => self.retime(agent, service),
            Event::Step { service, order } => self.desk.done(self.now, service, &order),
            Event::Lag => {
                self.desk.lag(self.now, LAG);
                self.plan(self.now + LAG_MS, Event::Lag);
            }
            Event::Dies { agent } => {
                if let Some(agent) = self.agents.get_mut(agent) {
                    agent.alive = false;
                }
            }
            Event::Restarts { agent } => self.restart(agent),
            Event::NewScript => self.generation = Generation::of(["another script"]),
        }
    }

    fn restart(&mut self, place: usize) {
        let since = self.now.saturating_sub(self.onset);
        if let Some(agent) = self.agents.get_mut(place) {
            agent.boot += 1;
            agent.boot_text = format!("b{}", agent.boot);
            agent.seq = 0;
            agent.seat.fresh = Some(since);
            agent.tempo.iter_mut().for_each(|tempo| *tempo = Tempo::default());
        }
        let interval = ms(self.setting.policy.interval);
        for track in 0..self.tracks.len() {
            if let Some(found) = self.tracks.get_mut(track).filter(|found| found.agent == place) {
                found.in_flight = 0;
                found.beat = Beat::new(self.now, interval, &mut self.chance);
                self.plan_beat(track);
            }
        }
    }

    fn beat(&mut self, track: usize, number: u32) {
        let Some(found) = self.tracks.get_mut(track) else { return };
        let Some(agent) = self.agents.get(found.agent) else { return };
        if found.number != number || !agent.alive {
            return;
        }
        found.beat.struck(self.now, &mut self.chance);
        let (boot, seat, role) = (agent.boot, agent.seat, found.role);
        let room = found.in_flight < IN_FLIGHT;
        found.in_flight += u32::from(room);
        self.plan_beat(track);
        if room {
            let saw = self.probe(&seat, role);
            self.plan(self.now + saw.ms, Event::End { track, boot, saw });
        }
    }

    /// What a probe that begins now will see.
    fn probe(&mut self, seat: &Seat, role: Role) -> Saw {
        let since = self.now.checked_sub(self.onset);
        let hit = since.and_then(|since| self.scenario.fault.hit(&self.course, seat, role, since));
        let hit = hit.filter(|hit| hit.share >= 1.0 || self.chance.hits(hit.share));
        let hit = hit.or_else(|| {
            let how = self.chance.hits(NOISE).then(|| if self.chance.hits(0.5) { How::Fast } else { How::TimeOut });
            how.map(|how| Hit { share: 1.0, how, own: false })
        });
        let timeout = ms(self.setting.policy.timeout);
        let own = hit.is_some_and(|hit| hit.own);
        let failed = hit.map(|hit| hit.how);
        let long = match failed {
            Some(How::TimeOut) => timeout,
            Some(How::Fast) => self.chance.log_normal_ms(ERROR_MS, LOGIN_SIGMA).min(timeout),
            None | Some(How::Denied | How::Unmet) => self.chance.log_normal_ms(LOGIN_MS, LOGIN_SIGMA),
        };
        // A login that is slower than the time-out has failed by it.
        if long >= timeout {
            Saw { failed: Some(How::TimeOut), own, ms: timeout }
        } else {
            Saw { failed, own, ms: long }
        }
    }

    fn end(&mut self, track: usize, boot: u32, saw: Saw) {
        let Some(found) = self.tracks.get_mut(track) else { return };
        let Some(agent) = self.agents.get_mut(found.agent) else { return };
        if agent.boot != boot || !agent.alive {
            return;
        }
        found.in_flight = found.in_flight.saturating_sub(1);
        let (place, service) = (found.agent, found.service);
        agent.seq += 1;
        agent.reported = (self.now + self.chance.ms(REPORT_MS.0, REPORT_MS.1)).max(agent.reported);
        let (at, seq) = (agent.reported, agent.seq);
        // A vantage that cannot see has nothing to see more often.
        let begins = match agent.tempo.get_mut(service) {
            Some(tempo) if saw.failed.is_some() && !(saw.own && self.setting.canaries) => tempo.failed(self.now),
            _ => false,
        };
        self.plan(at, Event::Arrive { track, boot, seq, saw });
        if begins && self.setting.policy.burst.is_some() {
            self.retime(place, service);
        }
    }

    /// The agent looks at how often it is to probe, and when that changes by itself.
    fn retime(&mut self, place: usize, service: usize) {
        let Some(tempo) = self.agents.get(place).and_then(|agent| agent.tempo.get(service)) else { return };
        let (policy, now) = (&self.setting.policy, self.now);
        let every = tempo.interval(policy, now);
        let changes = [tempo.calm_at(), tempo.gentler_at(policy.burst)];
        if let Some(at) = changes.into_iter().flatten().filter(|at| *at > now).min() {
            self.plan(at, Event::Calm { agent: place, service });
        }
        for track in 0..self.tracks.len() {
            let found = self.tracks.get_mut(track).filter(|found| found.agent == place && found.service == service);
            if found.is_some_and(|found| found.beat.retime(now, every, &mut self.chance)) {
                self.plan_beat(track);
            }
        }
    }

    fn arrive(&mut self, track: usize, boot: u32, seq: u64, saw: Saw) {
        let Some(Track { agent, service, role, .. }) = self.tracks.get(track) else { return };
        let (Some(agent), Some(service)) = (self.agents.get(*agent), self.services.get(*service)) else { return };
        let Some(check) = service.checks.first() else { return };
        let boot = if agent.boot == boot { agent.boot_text.clone() } else { format!("b{boot}") };
        let (kind, reason) = match saw.failed {
            None => (None, None),
            Some(How::Fast) => (Some(FailureKind::ServerError), Some("500")),
            Some(How::TimeOut) => (Some(FailureKind::Timeout), Some("no answer in time")),
            Some(How::Denied) => (Some(FailureKind::Denied), Some("403")),
            Some(How::Unmet) => (Some(FailureKind::Assertion), Some("no account page")),
        };
        let canaries = match (saw.failed, saw.own) {
            (None, _) => Canaries::Unasked,
            _ if !self.setting.canaries => Canaries::Unasked,
            (Some(_), true) => Canaries::Silent,
            (Some(_), false) => Canaries::Answered,
        };
        let seen = Observation {
            id: ObservationId { vantage: agent.name.clone(), boot, seq },
            service: service.name.clone(),
            check: check.clone(),
            role: *role,
            // The way here is in no agent's power to measure.
            at: Moment::from_ms(self.now),
            outcome: if saw.failed.is_some() { Outcome::Fail } else { Outcome::Pass },
            kind,
            reason: reason.map(str::to_owned),
            failed_step: None,
            duration_ms: saw.ms,
            canaries,
            generation: self.generation,
            metrics: Vec::new(),
        };
        self.observations += 1;
        self.desk.observed(self.now, seen);
    }
}
