//! One run: a world is made, its script is played, everything is healed, and when it has come to rest the judge has the last word.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use super::flaw::Flaw;
use super::judge::{Finding, Invariant};
use super::kind::Kind;
use super::script::{Act, Scenario, Script};
use super::state::State;
use super::values::{AGENTS, Values};
use super::{SimError, World, agent, people, process};
use crate::ports::{JournalStore, LeaseStore, Outbox};

/// How long a healed world may take to come to rest: what the longest step may take, and a change that is applied ten minutes late.
const REST_WITHIN_MS: u64 = 1_200_000;
/// How long after healing it is looked at for the first time, so that agents were heard again.
const REST_FIRST_MS: u64 = 30_000;
/// How often it is looked at then.
const REST_EVERY_MS: u64 = 5_000;

/// What goes wrong in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Two kinds of fault, and a scenario, drawn from the seed.
    Faults(Kind, Kind),
    /// The primary dies, and is failed back to by hand; nothing else goes wrong.
    ThereAndBack,
}

/// One run, whole: the same specification gives the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// All chance comes from it.
    pub seed: u64,
    /// What goes wrong.
    pub course: Course,
    /// What is broken on purpose.
    pub flaw: Option<Flaw>,
    /// The first controller dies at the point with this number, counted from 1.
    pub crash_at: Option<usize>,
    /// The first flip's answer is lost.
    pub lose_answer: bool,
}

impl Spec {
    /// The run with that number of a search.
    pub fn numbered(number: u64, seed: u64) -> Self {
        let (first, second) = Kind::pair(number);
        let course = Course::Faults(first, second);
        Self { seed, course, flaw: None, crash_at: None, lose_answer: false }
    }
}

/// What one run showed.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which run.
    pub spec: Spec,
    /// What became of the sites.
    pub scenario: Scenario,
    /// Tells this run's course from others': a hash over all events.
    pub trace: u64,
    /// How many events there were.
    pub events: u64,
    /// How long it lasted, in milliseconds of its own time.
    pub lasted_ms: u64,
    /// What did not hold, the first of each invariant.
    pub findings: Vec<Finding>,
    /// How often each invariant was at risk.
    pub risks: BTreeMap<Invariant, u64>,
    /// How often the records were moved.
    pub flips: u64,
    /// How long after the primary's death the first move was, in milliseconds.
    pub moved_after_ms: Option<u64>,
    /// The last events, oldest first.
    pub last: Vec<String>,
    /// The points that the first controller passed.
    pub points: Vec<&'static str>,
}

/// Runs one world from its beginning to its rest, on this thread.
///
/// # Errors
/// The world cannot be made, which no seed can cause.
pub fn run(spec: &Spec) -> Result<Report, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.map_err(SimError::of)?.block_on(whole(spec))
}

async fn whole(spec: &Spec) -> Result<Report, SimError> {
    let values = Values::new()?;
    let mut script = match spec.course {
        Course::Faults(first, second) => Script::draw(spec.seed, (first, second)),
        Course::ThereAndBack => Script::there_and_back(),
    };
    spoil(&mut script, spec.flaw);
    let mut state = State::new(spec, &script, &values)?;
    if spec.course == Course::ThereAndBack {
        state.provider.propagation_ms = (1_500, 2_500);
    }
    let world = Arc::new(World {
        values,
        origin: Instant::now(),
        real_log: script.real_log,
        flaw: spec.flaw,
        tasks: TaskTracker::new(),
        state: Mutex::new(state),
    });
    for agent in 0..AGENTS {
        world.spawn(agent::run(Arc::clone(&world), agent));
    }
    world.spawn(process::attend(Arc::clone(&world)));
    for (at_ms, what) in &script.acts {
        sleep_until(world.instant(*at_ms)).await;
        act(&world, *what).await?;
    }
    rest(&world, script.heal_ms).await?;
    let report = report(&world, spec, &script);
    // Controllers hold the world that holds them: without this no world would ever be dropped.
    drop(world.with(|state, _| std::mem::take(&mut state.processes)));
    Ok(report)
}

/// Some flaws need their occasion.
fn spoil(script: &mut Script, flaw: Option<Flaw>) {
    if flaw == Some(Flaw::SilenceFilledIn) {
        script.acts.extend((0..AGENTS).map(|agent| (20_000, Act::AgentDies(agent))));
        script.acts.sort_by_key(|(at, _)| *at);
    }
}

async fn act(world: &Arc<World>, what: Act) -> Result<(), SimError> {
    match what {
        Act::Restore { stopped } => restore(world, stopped).await?,
        Act::Ask(wish) => world.spawn(people::ask(Arc::clone(world), wish)),
        _ => world.with(|state, now_ms| plain(state, now_ms, &world.values, what))?,
    }
    Ok(())
}

fn plain(state: &mut State, now_ms: u64, values: &Values, what: Act) -> Result<(), SimError> {
    if !matches!(what, Act::Heal | Act::EditByHand) {
        state.trace.note(now_ms, format_args!("{what:?}"));
    }
    let newest = state.living().last().copied();
    match what {
        Act::AgentDies(agent) => state.agents.get_mut(agent).into_iter().for_each(agent::Agent::die),
        Act::AgentReturns(agent) => state.agents.get_mut(agent).into_iter().for_each(agent::Agent::come_back),
        Act::AgentPauses(agent, ms) => {
            state.agents.get_mut(agent).into_iter().for_each(|agent| agent.pause(now_ms + ms));
        }
        Act::ControllerPauses(ms) => {
            if let Some(process) = newest.and_then(|newest| state.processes.get_mut(newest)) {
                process.paused_until_ms = now_ms + ms;
            }
        }
        Act::ControllerDies => newest.into_iter().for_each(|newest| state.kill(newest, now_ms, "it is killed")),
        Act::WallJumps(by_ms) => {
            state.wall_off_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
        Act::Cut(from, to) => state.net.cut(from, to),
        Act::Mend(from, to) => state.net.mend(from, to),
        Act::Loss(percent) => state.net.loss_percent = percent,
        Act::Delay(ms) => state.net.delay_ms_max = ms,
        Act::Again(percent) => state.net.again_percent = percent,
        Act::StoreSlow(ms) => state.store.slow_ms_max = ms,
        Act::StoreDown(down) => state.store.down = down,
        Act::Backup => state.store.backup = Some(state.store.database.copy().map_err(SimError::of)?),
        Act::LeaseSlips => {
            state.store.slipped = true;
            let free = [1, 0].into_iter().find(|host| state.on_host(*host).is_none());
            if let Some(host) = free.and_then(|host| state.hosts.get_mut(host)) {
                host.wanted = true;
            }
        }
        Act::LeaseSticks(ms) => {
            state.store.sticks_until_ms = now_ms + ms;
            newest.into_iter().for_each(|newest| state.kill(newest, now_ms, "it is killed, and its lease stays"));
        }
        Act::Mood(mood) => state.provider.mood = mood,
        Act::Strand => {
            let lost = state.provider.strand(now_ms);
            state.zone_changed();
            state.judge.stranded(&state.provider.records);
            state
                .trace
                .note(now_ms, format_args!("the provider's control plane moves; accepted changes lost: {lost}"));
        }
        Act::DiskFull(full) => {
            let pages = if full { 1 } else { u32::MAX };
            state.store.database.limit_pages(pages).map_err(SimError::of)?;
        }
        Act::PushConfig(policy) => {
            state.policy = policy;
            newest.into_iter().for_each(|newest| state.kill(newest, now_ms, "it is restarted with another policy"));
        }
        Act::EditByHand => {
            if !state.judge.edited {
                state.edit_by_hand(now_ms);
            }
        }
        Act::Site(role, health) => state.site(role).health = health,
        Act::Heal => {
            state.store.database.limit_pages(u32::MAX).map_err(SimError::of)?;
            state.heal(now_ms, values);
        }
        Act::Restore { .. } | Act::Ask(_) => {}
    }
    Ok(())
}

/// The store goes back to its backup. SQLite's file cannot be replaced under a process that has it open; a store that is shared can.
async fn restore(world: &World, stopped: bool) -> Result<(), SimError> {
    let Some(backup) = world.with(|state, _| state.store.backup.clone()) else { return Ok(()) };
    if stopped {
        world.with(|state, now_ms| {
            for process in state.living() {
                state.kill(process, now_ms, "it is stopped, for the store to be restored");
            }
        });
    }
    let database = backup.copy().map_err(SimError::of)?;
    let records = database.load().await.map_err(SimError::of)?;
    let epoch = database.acquire().await.map_err(SimError::of)?;
    world.with(|state, now_ms| {
        let count = records.len();
        state.trace.note(now_ms, format_args!("the store is restored from a backup with {count} entries"));
        state.store.database = database;
        state.store.restored_underneath |= !stopped;
        state.judge.at(now_ms).restored(epoch, &records);
    });
    Ok(())
}

/// Waits until nothing is under way any more, or for too long, and asks the judge.
async fn rest(world: &World, heal_ms: u64) -> Result<(), SimError> {
    let mut at_ms = (heal_ms + REST_FIRST_MS).max(world.now_ms());
    loop {
        sleep_until(world.instant(at_ms)).await;
        let database = world.with(|state, _| state.store.database.clone());
        let untold = database.pending(100).await.map_err(SimError::of)?;
        let untold: Vec<String> = untold.into_iter().map(|queued| queued.delivery.notice.key).collect();
        let resting = world.with(|state, _| {
            let ledger = &state.judge.ledger;
            let leading =
                state.living().iter().any(|one| state.processes.get(*one).is_some_and(|p| p.handle.is_some()));
            leading && ledger.open.is_none() && ledger.incident.is_none() && untold.is_empty() && state.in_flight == 0
        });
        if resting || at_ms > heal_ms + REST_WITHIN_MS {
            world.with(|state, now_ms| {
                let told = std::mem::take(&mut state.told);
                state.judge.at(now_ms).end(&untold, &told, true);
            });
            return Ok(());
        }
        at_ms += REST_EVERY_MS;
        sleep(Duration::ZERO).await;
    }
}

fn report(world: &World, spec: &Spec, script: &Script) -> Report {
    let died = script.acts.iter().find(|(_, act)| matches!(act, Act::Site(..))).map(|(at, _)| *at);
    world.with(|state, now_ms| Report {
        spec: *spec,
        scenario: script.scenario,
        trace: state.trace.hash(),
        events: state.trace.events(),
        lasted_ms: now_ms,
        findings: std::mem::take(&mut state.judge.findings),
        risks: std::mem::take(&mut state.judge.risks),
        flips: state.judge.flips,
        moved_after_ms: state.judge.first_flip_ms.zip(died).map(|(flip, died)| flip.saturating_sub(died)),
        last: state.last(),
        points: std::mem::take(&mut state.points),
    })
}
