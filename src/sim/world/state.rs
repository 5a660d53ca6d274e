//! Everything in the world that is no task, behind one lock that is never held over an await.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::agent::Agent;
use super::chance::Chance;
use super::flaw::Flaw;
use super::judge::{Invariant, Judge};
use super::net::{Net, Party};
use super::provider::Provider;
use super::script::Script;
use super::site::{Health, Site};
use super::trace::Trace;
use super::values::{AGENTS, Values};
use super::{SimError, Spec};
use crate::adapters::sqlite::SqliteStore;
use crate::domain::{ChangeBatch, Failover, OwnedRecords, Role, VantageName};
use crate::runtime::Intake;
use crate::runtime::controller::Handle;

/// One life of a controller.
pub(super) struct Process {
    pub(super) host: usize,
    pub(super) boot: Instant,
    pub(super) dead: bool,
    /// Until when it stands still, in the world's milliseconds.
    pub(super) paused_until_ms: u64,
    pub(super) closing: CancellationToken,
    pub(super) handle: Option<Handle>,
    pub(super) intake: Option<Arc<Intake>>,
}

/// A machine on which a controller runs.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// Whether somebody wants a controller there.
    pub(super) wanted: bool,
    pub(super) restart_at_ms: u64,
    pub(super) drift_ppm: i64,
}

/// The store and its troubles.
pub(super) struct Shared {
    pub(super) database: SqliteStore,
    pub(super) backup: Option<SqliteStore>,
    pub(super) down: bool,
    pub(super) slow_ms_max: u64,
    /// Who holds the lease.
    pub(super) holder: Option<usize>,
    /// The lease has been lost without its holder's knowing: the next one gets it.
    pub(super) slipped: bool,
    /// Nobody gets it before.
    pub(super) sticks_until_ms: u64,
    /// It was restored under the feet of controllers, who learn of it at their next append.
    pub(super) restored_underneath: bool,
    /// What the log of observations would know, where it is not the real one.
    pub(super) marks: BTreeMap<(VantageName, String), u64>,
}

/// See the module.
pub(super) struct State {
    pub(super) flaw: Option<Flaw>,
    pub(super) chance: Chance,
    pub(super) trace: Trace,
    pub(super) judge: Judge,
    pub(super) net: Net,
    pub(super) provider: Provider,
    pub(super) primary: Site,
    pub(super) standby: Site,
    pub(super) store: Shared,
    pub(super) hosts: [Host; 2],
    /// How far the hosts' wall clocks are off, in milliseconds.
    pub(super) wall_off_ms: Arc<AtomicI64>,
    pub(super) processes: Vec<Process>,
    pub(super) agents: Vec<Agent>,
    /// The policy that the next controller is started with.
    pub(super) policy: usize,
    /// Messages on their way that will have an effect.
    pub(super) in_flight: usize,
    /// The keys of the notices that people have.
    pub(super) told: BTreeSet<String>,
    pub(super) healed: bool,
    points_at_standby: bool,
    /// The events before the first finding.
    captured: Option<Vec<String>>,
    /// What the first controller has passed; see [`super::crash`].
    pub(super) points: Vec<&'static str>,
    /// At which of those it dies.
    pub(super) crash_at: Option<usize>,
    /// The number of the write to the zone whose answer is lost.
    pub(super) lose_answer: bool,
}

impl State {
    pub(super) fn new(spec: &Spec, script: &Script, values: &Values) -> Result<Self, SimError> {
        let provider = Provider::new(spec.seed, values, spec.flaw);
        let judge = Judge::new(values.clone(), &provider.records);
        let [first, second] = script.host_drift_ppm;
        let store = Shared {
            database: SqliteStore::in_memory().map_err(SimError::of)?,
            backup: None,
            down: false,
            slow_ms_max: 0,
            holder: None,
            slipped: false,
            sticks_until_ms: 0,
            restored_underneath: false,
            marks: BTreeMap::new(),
        };
        let agents = script.agent_drift_ppm.iter().map(|drift| Agent::new(*drift)).collect();
        Ok(Self {
            flaw: spec.flaw,
            chance: Chance::new(spec.seed, "world"),
            trace: Trace::default(),
            judge,
            net: Net::new(spec.seed),
            provider,
            primary: Site { health: Health::Up, writable: true },
            standby: Site { health: Health::Up, writable: script.standby_writable },
            store,
            hosts: [
                Host { wanted: true, restart_at_ms: 0, drift_ppm: first },
                Host { wanted: false, restart_at_ms: 0, drift_ppm: second },
            ],
            wall_off_ms: Arc::new(AtomicI64::new(0)),
            processes: Vec::new(),
            agents,
            policy: 0,
            in_flight: 0,
            told: BTreeSet::new(),
            healed: false,
            points_at_standby: false,
            captured: None,
            points: Vec::new(),
            crash_at: spec.crash_at,
            lose_answer: spec.lose_answer,
        })
    }

    pub(super) fn site(&mut self, role: Role) -> &mut Site {
        match role {
            Role::Primary => &mut self.primary,
            Role::Standby => &mut self.standby,
        }
    }

    /// Whether the primary is in trouble, in truth.
    pub(super) fn primary_down(&self) -> bool {
        self.primary.health != Health::Up
    }

    /// The controllers that live, by number.
    pub(super) fn living(&self) -> Vec<usize> {
        let living = self.processes.iter().enumerate().filter(|(_, process)| !process.dead);
        living.map(|(number, _)| number).collect()
    }

    /// The living one on a host.
    pub(super) fn on_host(&self, host: usize) -> Option<usize> {
        self.processes.iter().position(|process| !process.dead && process.host == host)
    }

    pub(super) fn is_dead(&self, process: usize) -> bool {
        self.processes.get(process).is_none_or(|process| process.dead)
    }

    /// SIGKILL: what it has sent is on its way, and nothing else of it is left.
    pub(super) fn kill(&mut self, process: usize, now_ms: u64, why: &str) {
        let Some(killed) = self.processes.get_mut(process).filter(|process| !process.dead) else { return };
        killed.dead = true;
        killed.closing.cancel();
        killed.handle = None;
        killed.intake = None;
        let host = killed.host;
        if self.store.holder == Some(process) {
            self.store.holder = None;
        }
        if self.judge.ledger.open.is_some() {
            self.judge.risk(Invariant::S8);
        }
        let wait = self.chance.between(300, 6_000);
        if let Some(host) = self.hosts.get_mut(host) {
            host.restart_at_ms = now_ms + wait;
        }
        self.trace.note(now_ms, format_args!("controller {process} ends: {why}"));
    }

    /// A batch arrives at the provider. `late`: nobody waits for the answer any more.
    pub(super) fn apply(
        &mut self,
        writer: usize,
        batch: &ChangeBatch,
        late: bool,
        now_ms: u64,
    ) -> Result<String, String> {
        let before = self.provider.records.clone();
        let flip = super::judge::is_flip(batch);
        if flip && (late || self.is_dead(writer)) {
            self.judge.risk(Invariant::S7);
        }
        let result = self.provider.apply(now_ms, batch);
        let what = if flip { "flip" } else { "fence" };
        match &result {
            Ok(change) => {
                let token = batch.new_token();
                self.trace.note(
                    now_ms,
                    format_args!("provider: {what} of controller {writer} applied as C-{change}: {token}"),
                );
                let after = self.provider.records.clone();
                self.judge.at(now_ms).applied(writer, &before, &after, batch);
                if self.flaw == Some(Flaw::StandbyForgets) && token.serving == Role::Standby {
                    self.standby.writable = true;
                }
            }
            Err(why) => {
                self.trace.note(now_ms, format_args!("provider: {what} of controller {writer} refused: {why}"));
                self.judge.at(now_ms).refused(&before, batch);
            }
        }
        self.zone_changed();
        result.map(|change| format!("C-{change}"))
    }

    /// To be called after whatever changed the zone.
    pub(super) fn zone_changed(&mut self) {
        self.points_at_standby = self
            .provider
            .records
            .iter()
            .any(|set| set.failover == Some(Failover::Primary) && set.set_identifier.as_deref() == Some("azure"));
    }

    /// Where the name points, as the provider has accepted it.
    pub(super) fn points_at_standby(&self) -> bool {
        self.points_at_standby
    }

    /// A person makes PRIMARY SECONDARY and the other way round, in the provider's console; the mark stays as it was.
    pub(super) fn edit_by_hand(&mut self, now_ms: u64) {
        self.provider.edit(now_ms, |records| {
            for set in records {
                set.failover = set.failover.map(|part| match part {
                    Failover::Primary => Failover::Secondary,
                    Failover::Secondary => Failover::Primary,
                });
            }
        });
        self.judge.edited = true;
        self.zone_changed();
        self.trace.note(now_ms, format_args!("a person swaps the records by hand"));
    }

    /// The records are again what the mark says.
    pub(super) fn undo_edit(&mut self, now_ms: u64, values: &Values) {
        if !std::mem::take(&mut self.judge.edited) {
            return;
        }
        let service = values.service(0);
        let serving = self.judge.serving(&self.provider.records);
        self.provider.edit(now_ms, |records| {
            records.retain(|set| set.name != service.dns.name);
            records.extend(OwnedRecords::wanted(service, serving));
        });
        self.zone_changed();
        self.trace.note(now_ms, format_args!("the edit by hand is undone: the {serving} serves"));
    }

    /// A point in the life of a controller where the world may differ before and after.
    pub(super) fn at_point(&mut self, process: usize, what: &'static str, now_ms: u64) -> Point {
        if process == 0 {
            self.points.push(what);
            if self.crash_at == Some(self.points.len()) {
                self.kill(process, now_ms, what);
            }
        }
        match self.processes.get(process) {
            Some(process) if process.dead => Point::Over,
            Some(process) if process.paused_until_ms > now_ms => Point::Until(process.paused_until_ms),
            _ => Point::On,
        }
    }

    /// What the judge wants to know at every event.
    pub(super) fn look(&mut self, now_ms: u64) {
        let (points, writable) = (self.points_at_standby && !self.judge.edited, self.standby.writable);
        self.judge.at(now_ms).always(points, writable);
    }

    /// Keeps the events that led to the first finding.
    pub(super) fn capture(&mut self) {
        if self.captured.is_none() && !self.judge.findings.is_empty() {
            self.captured = Some(self.trace.last());
        }
    }

    /// The last events: before the first finding, or of all.
    pub(super) fn last(&self) -> Vec<String> {
        self.captured.clone().unwrap_or_else(|| self.trace.last())
    }

    /// Everything that can be broken is whole again.
    pub(super) fn heal(&mut self, now_ms: u64, values: &Values) {
        self.healed = true;
        self.net.heal();
        self.provider.mood = super::provider::Mood::default();
        (self.store.down, self.store.slow_ms_max, self.store.sticks_until_ms) = (false, 0, 0);
        for agent in 0..AGENTS {
            if let Some(agent) = self.agents.get_mut(agent) {
                agent.heal();
            }
        }
        self.primary.health = Health::Up;
        self.standby.health = Health::Up;
        self.undo_edit(now_ms, values);
        for process in &mut self.processes {
            process.paused_until_ms = 0;
        }
        // Of two controllers, people keep the newer one.
        let living = self.living();
        if let [older @ .., _newest] = living.as_slice() {
            for process in older {
                self.kill(*process, now_ms, "people stop the older one");
            }
        }
        let kept = living.last().and_then(|newest| self.processes.get(*newest)).map_or(0, |process| process.host);
        for (number, host) in self.hosts.iter_mut().enumerate() {
            host.wanted = number == kept;
        }
        if std::mem::take(&mut self.store.restored_underneath) {
            for process in self.living() {
                self.kill(process, now_ms, "people restart it, because the store was restored");
            }
        }
        if self.judge.ledger.open.is_some() || self.judge.ledger.incident.is_some() {
            self.judge.risk(Invariant::E4);
        }
        self.trace.note(now_ms, format_args!("everything is healed"));
    }

    /// The party that a controller's host is.
    pub(super) fn party(&self, process: usize) -> Party {
        Party::Controller(self.processes.get(process).map_or(0, |process| process.host))
    }
}

/// Whether a controller goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    On,
    Until(u64),
    Over,
}
