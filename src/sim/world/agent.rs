//! Agents, lightly: each probes both sites on its own beat, keeps what was not taken, and delivers through the real intake.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::World;
use super::flaw::Flaw;
use super::net::Party;
use super::state::State;
use super::values::INTERVAL_MS;
use crate::domain::{Canaries, FailureKind, Generation, Moment, Observation, ObservationId, Outcome, Role};
use crate::ports::Clock;

/// What an agent keeps of what was not taken.
const SPOOL: usize = 60;

/// What was seen in one probe.
#[derive(Debug, Clone, Copy)]
struct Probe {
    seq: u64,
    role: Role,
    outcome: Outcome,
    kind: Option<FailureKind>,
    duration_ms: u64,
    ended_ms: u64,
}

/// One agent.
#[derive(Debug)]
pub(super) struct Agent {
    up: bool,
    paused_until_ms: u64,
    run: u64,
    seq: u64,
    drift_ppm: i64,
    spool: VecDeque<Probe>,
    /// What each host's controller has taken of this run.
    taken: [u64; 2],
}

impl Agent {
    pub(super) fn new(drift_ppm: i64) -> Self {
        Self { up: true, paused_until_ms: 0, run: 1, seq: 0, drift_ppm, spool: VecDeque::new(), taken: [0; 2] }
    }

    pub(super) fn die(&mut self) {
        self.up = false;
    }

    /// It comes back as another run, which counts from 1 again and knows nothing.
    pub(super) fn come_back(&mut self) {
        if !self.up {
            *self = Self { run: self.run + 1, ..Self::new(self.drift_ppm) };
        }
    }

    pub(super) fn pause(&mut self, until_ms: u64) {
        self.paused_until_ms = until_ms;
    }

    pub(super) fn heal(&mut self) {
        self.come_back();
        self.paused_until_ms = 0;
    }

    fn works(&self, now_ms: u64) -> bool {
        self.up && self.paused_until_ms <= now_ms
    }

    fn keep(&mut self, role: Role, (outcome, kind, duration_ms): (Outcome, Option<FailureKind>, u64), ended_ms: u64) {
        self.seq += 1;
        self.spool.push_back(Probe { seq: self.seq, role, outcome, kind, duration_ms, ended_ms });
        if self.spool.len() > SPOOL {
            self.spool.pop_front();
        }
    }
}

/// The life of one agent.
pub(super) async fn run(world: Arc<World>, agent: usize) {
    let stagger = u64::try_from(agent).unwrap_or(0) * 1_000 + 500;
    let mut next = Instant::now() + Duration::from_millis(stagger);
    loop {
        sleep_until(next).await;
        let drift_ppm = world.with(|state, _| state.agents.get(agent).map_or(0, |agent| agent.drift_ppm));
        next = (next + drifted(Duration::from_millis(INTERVAL_MS), -drift_ppm)).max(Instant::now());
        let Some(seen) = world.with(|state, now_ms| probe(state, agent, now_ms)) else { continue };
        let longest = seen.iter().map(|(_, (_, _, ms))| *ms).max().unwrap_or(0);
        sleep(Duration::from_millis(longest)).await;
        let working = world.with(|state, now_ms| {
            let Some(agent) = state.agents.get_mut(agent).filter(|agent| agent.works(now_ms)) else { return false };
            for (role, outcome) in seen {
                agent.keep(role, outcome, now_ms);
            }
            true
        });
        if working {
            for host in 0..2 {
                deliver(&world, agent, host);
            }
        }
    }
}

/// A span of true time as a clock with this drift measures it.
pub(super) fn drifted(span: Duration, ppm: i64) -> Duration {
    let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 2_000_000);
    Duration::from_millis(u64::try_from(ms + ms * ppm / 1_000_000).unwrap_or(0))
}

type Login = (Outcome, Option<FailureKind>, u64);

fn probe(state: &mut State, agent: usize, now_ms: u64) -> Option<[(Role, Login); 2]> {
    state.agents.get(agent).filter(|agent| agent.works(now_ms))?;
    Some(Role::BOTH.map(|role| {
        let (me, site) = (Party::Agent(agent), Party::Site(role));
        let way = state.net.hop(me, site).zip(state.net.hop(site, me));
        let late = way.is_none_or(|(there, back)| there + back > Duration::from_millis(4_500));
        let mut chance = state.chance.clone();
        let login = if late {
            (Outcome::Fail, Some(FailureKind::Timeout), 5_000)
        } else {
            state.site(role).log_in(&mut chance)
        };
        state.chance = chance;
        (role, login)
    }))
}

/// Sends what a host's controller has not taken, if there is one and the way is free.
fn deliver(world: &Arc<World>, agent: usize, host: usize) {
    let sent = world.with(|state, now_ms| {
        state.on_host(host)?;
        let way = state.net.hop(Party::Agent(agent), Party::Controller(host));
        let again = state.net.again();
        let sender = state.agents.get(agent)?;
        let taken = sender.taken.get(host).copied().unwrap_or(0);
        let batch: Vec<Probe> = sender.spool.iter().filter(|probe| probe.seq > taken).copied().collect();
        let ages: Vec<(Probe, Duration)> = batch
            .into_iter()
            .map(|probe| (probe, drifted(Duration::from_millis(now_ms - probe.ended_ms), sender.drift_ppm)))
            .collect();
        Some((sender.run, ages, way, again))
    });
    let Some((run, batch, way, again)) = sent else { return };
    for delay in [way, again].into_iter().flatten() {
        let (world, batch) = (Arc::clone(world), batch.clone());
        world.clone().spawn(async move {
            sleep(delay).await;
            arrive(&world, agent, host, run, &batch).await;
        });
    }
}

/// A delivery reaches the host.
async fn arrive(world: &Arc<World>, agent: usize, host: usize, run: u64, batch: &[(Probe, Duration)]) {
    let Some(vantage) = world.values.service(0).vantages.get(agent).map(|vantage| vantage.name.clone()) else {
        return;
    };
    let (intake, process, clock) = loop {
        let found = world.with(|state, _| {
            let number = state.on_host(host)?;
            let process = state.processes.get(number)?;
            Some((process.intake.clone()?, number, process.paused_until_ms))
        });
        let Some((intake, process, paused_until_ms)) = found else { return };
        if paused_until_ms <= world.now_ms() {
            break (intake, process, world.clock(process));
        }
        sleep_until(world.instant(paused_until_ms)).await;
    };
    let Some(check) = world.values.service(0).checks.first().cloned() else { return };
    let now = clock.now();
    let mut observations: Vec<Observation> = batch
        .iter()
        .map(|(probe, age)| Observation {
            id: ObservationId { vantage: vantage.clone(), boot: format!("run-{run}"), seq: probe.seq },
            service: world.values.service(0).name.clone(),
            check: check.clone(),
            role: probe.role,
            at: now.before(*age),
            outcome: probe.outcome,
            kind: probe.kind,
            reason: (probe.outcome != Outcome::Pass).then(|| "the login failed".to_owned()),
            failed_step: None,
            duration_ms: probe.duration_ms,
            canaries: Canaries::Answered,
            generation: Generation::default(),
            metrics: Vec::new(),
        })
        .collect();
    world.with(|state, now_ms| {
        let (who, count) = (u64::try_from(agent).unwrap_or(0), u64::try_from(batch.len()).unwrap_or(0));
        let fails = batch.iter().filter(|(probe, _)| probe.outcome == Outcome::Fail).count();
        state.trace.count(now_ms, [who, count, u64::try_from(fails).unwrap_or(0)]);
        state.judge.at(now_ms).arriving(process, &observations);
    });
    falsify(world.flaw(), &mut observations);
    let taken = intake.take(&vantage, observations).await;
    world.with(|state, now_ms| {
        state.judge.at(now_ms).arrived(process, &vantage);
        let Ok(up_to) = taken else { return };
        if state.net.hop(Party::Controller(host), Party::Agent(agent)).is_none() {
            return;
        }
        if let Some(sender) = state.agents.get_mut(agent).filter(|sender| sender.run == run)
            && let Some(known) = sender.taken.get_mut(host)
        {
            *known = up_to.max(*known);
        }
    });
}

fn falsify(flaw: Option<Flaw>, observations: &mut [Observation]) {
    for one in observations {
        match (flaw, one.role) {
            (Some(Flaw::PrimarySlandered), Role::Primary) => {
                (one.outcome, one.kind) = (Outcome::Fail, Some(FailureKind::Network));
            }
            (Some(Flaw::StandbyPraised), Role::Standby) => (one.outcome, one.kind) = (Outcome::Pass, None),
            _ => {}
        }
    }
}

/// What nobody has seen: each vantage saw the primary fail and the standby pass, just now.
pub(super) fn ghosts(world: &World, now: Moment, seq: u64) -> Vec<Observation> {
    let service = world.values.service(0);
    let Some(check) = service.checks.first() else { return Vec::new() };
    let of = |vantage: &crate::domain::Vantage| {
        Role::BOTH.map(|role| {
            let outcome = if role == Role::Primary { Outcome::Fail } else { Outcome::Pass };
            let seq = seq * 2 + u64::from(role == Role::Standby);
            Observation {
                id: ObservationId { vantage: vantage.name.clone(), boot: "ghost".to_owned(), seq },
                service: service.name.clone(),
                check: check.clone(),
                role,
                at: now,
                outcome,
                kind: (outcome == Outcome::Fail).then_some(FailureKind::Network),
                reason: None,
                failed_step: None,
                duration_ms: 100,
                canaries: Canaries::Answered,
                generation: Generation::default(),
                metrics: Vec::new(),
            }
        })
    };
    service.vantages.iter().flat_map(of).collect()
}
