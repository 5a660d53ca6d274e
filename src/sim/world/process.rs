//! Controllers' lives: the real one is started on the doors of a world, dies when told to, and somebody starts the next.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::World;
use super::agent::ghosts;
use super::flaw::Flaw;
use super::judge::Invariant;
use super::ports::Door;
use super::state::{Process, State};
use super::store::SimStore;
use crate::domain::{Authority, ChangeBatch, Limits, Moment, OwnedRecords, Role};
use crate::ports::Clock;
use crate::runtime::Intake;
use crate::runtime::controller::{self, Handle, Managed, Ports, Setup};

/// How often somebody looks after the controllers.
const LOOK: Duration = Duration::from_secs(1);
/// Every how many looks they look whether it still leads.
const LOOKS_FOR_LEAD: u64 = 20;

/// Starts controllers where one is wanted, for ever.
pub(super) async fn attend(world: Arc<World>) {
    for look in 1_u64.. {
        let starts = world.with(|state, now_ms| {
            let wanted = |host: &usize| {
                let free = state.on_host(*host).is_none();
                free && state.hosts.get(*host).is_some_and(|host| host.wanted && host.restart_at_ms <= now_ms)
            };
            [0, 1].into_iter().filter(wanted).collect::<Vec<_>>()
        });
        for host in starts {
            start(&world, host);
        }
        if look % LOOKS_FOR_LEAD == 0 {
            for process in world.with(|state, _| state.living()) {
                world.spawn(still_leads(Arc::clone(&world), process));
            }
        }
        misbehave(&world, look).await;
        sleep(LOOK).await;
    }
}

/// Starts the real controller on a host.
pub(super) fn start(world: &Arc<World>, host: usize) {
    let closing = CancellationToken::new();
    let (process, policy) = world.with(|state, now_ms| {
        let (boot, closing) = (Instant::now(), closing.clone());
        let dead = false;
        state.processes.push(Process { host, boot, dead, paused_until_ms: 0, closing, handle: None, intake: None });
        let process = state.processes.len() - 1;
        let service = world.values.service(state.policy).clone();
        state.trace.note(now_ms, format_args!("controller {process} starts on host {host}, policy {}", state.policy));
        state.judge.at(now_ms).started(process, service);
        (process, state.policy)
    });
    world.spawn(live(Arc::clone(world), process, policy, closing));
}

async fn live(world: Arc<World>, process: usize, policy: usize, closing: CancellationToken) {
    let door = Door { world: Arc::clone(&world), process };
    let clock: Arc<dyn Clock> = world.clock(process);
    let store = Arc::new(SimStore { door: door.clone(), real_log: world.real_log });
    let service = world.values.service(policy).clone();
    let vantages = service.vantages.iter().map(|vantage| vantage.name.clone()).collect();
    let door = Arc::new(door);
    let ports = Ports {
        clock: Arc::clone(&clock),
        resolver: door.clone(),
        probes: door.clone(),
        lease: store.clone(),
        journal: store.clone(),
        outbox: store.clone(),
        notifier: door.clone(),
    };
    let cluster = world.values.cluster.clone();
    let managed = Managed {
        service,
        standby: door.clone(),
        primary: None,
        dns: door,
        homes: Vec::new(),
        protected: Vec::new(),
        flag: None,
    };
    let setup =
        Setup { cluster, limits: Limits::default(), services: vec![managed], halt_file: None, watch_every: None };
    let handle = match controller::start(setup, ports, &TaskTracker::new(), &closing).await {
        Ok(handle) => handle,
        Err(error) => return world.with(|state, now_ms| state.kill(process, now_ms, &error.to_string())),
    };
    let intake = match Intake::open(vantages, store, clock, handle.clone()).await {
        Ok(intake) => Arc::new(intake),
        Err(error) => return world.with(|state, now_ms| state.kill(process, now_ms, &error.to_string())),
    };
    world.with(|state, _| {
        if let Some(known) = state.processes.get_mut(process).filter(|known| !known.dead) {
            known.handle = Some(handle.clone());
            known.intake = Some(intake);
        }
    });
    handle.ended().await;
    world.with(|state, now_ms| {
        if !state.is_dead(process) {
            let what = format!("controller {process} ended, and nobody had told it to: it panicked");
            state.judge.at(now_ms).holds(Invariant::E4, false, || what);
            state.kill(process, now_ms, "it ended by itself");
        }
    });
}

/// A controller that was overtaken waits for people, who come by now and then and restart it.
async fn still_leads(world: Arc<World>, process: usize) {
    let Some(handle) = handle(&world, process) else { return };
    let Ok(Ok(known)) = timeout(Duration::from_secs(30), handle.explain(None)).await else { return };
    let leads = known.iter().any(|service| service.epoch.is_some());
    world.with(|state, now_ms| {
        if !leads && (state.healed || state.chance.percent(30)) {
            state.kill(process, now_ms, "it was overtaken, and people restart it");
        }
        if state.points_at_standby() && state.judge.at(now_ms).primary_back(process) {
            state.judge.risk(Invariant::S12);
        }
        let moment = world.moment(state, process);
        if state.judge.standby_doubtful(process, moment) {
            state.judge.risk(Invariant::S4);
        }
        let few = state.judge.reporting(process, moment).is_some_and(|(reporting, quorum)| reporting < quorum);
        if few && state.primary_down() {
            state.judge.risk(Invariant::S9);
        }
    });
}

/// The handle of a controller that lives and has started.
pub(super) fn handle(world: &World, process: usize) -> Option<Handle> {
    world.with(|state, _| state.processes.get(process).filter(|process| !process.dead)?.handle.clone())
}

/// What worlds do that are broken on purpose.
async fn misbehave(world: &Arc<World>, look: u64) {
    match world.flaw() {
        Some(Flaw::SilenceFilledIn) if look > 30 && look.is_multiple_of(5) => {
            for process in world.with(|state, _| state.living()) {
                if let Some(handle) = handle(world, process) {
                    let now = world.with(|state, _| world.moment(state, process));
                    let _ = handle.observed(ghosts(world, now, look)).await;
                }
            }
        }
        Some(Flaw::RogueFailback) => world.with(|state, now_ms| {
            if let Some(batch) = rogue(world, state).filter(|_| state.points_at_standby() && state.healed) {
                let _ = state.apply(usize::MAX, &batch, false, now_ms);
            }
        }),
        _ => {}
    }
}

/// A batch that moves the name back, by somebody who reads our tokens.
fn rogue(world: &World, state: &State) -> Option<ChangeBatch> {
    let service = world.values.service(0);
    let present = OwnedRecords::find(&world.values.cluster, service, &state.provider.records).ok()?;
    let fence = Authority::new(present.token().epoch, None).fence(Moment::default())?;
    let digest = present.token().digest.clone()?;
    let new = present.token().moved(&fence, Role::Primary, digest)?;
    Some(ChangeBatch::flip(&present, service, new))
}
