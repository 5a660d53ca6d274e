//! The doors of one controller. Before and after every call there is a point where it may have died or may stand still; what it sent is
//! on its way whether it lives or not.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::World;
use super::agent::drifted;
use super::flaw::Flaw;
use super::judge::{Invariant, is_flip};
use super::net::Party;
use super::provider::Fate;
use super::state::{Point, State};
use crate::domain::zone_lint::Soa;
use crate::domain::{
    ChangeBatch, CheckName, Failover, FailureKind, Fence, Generation, Level, Moment, Outcome, OwnedRecords, PlanId,
    Positions, ProbeReport, RecordSet, RecordType, Role, ServiceName, Step, WallTime,
};
use crate::ports::{
    ChangeState, Clock, Delivery, DnsProvider, Notifier, PortError, ProbeRequest, ProbeRunner, Resolution, Resolver,
    SiteControl, WriteProbe,
};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Wall time when a world begins: 2026-01-01.
const WALL_BEGIN_MS: i64 = 1_767_225_600_000;

/// One controller's way to everything.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) world: Arc<World>,
    pub(super) process: usize,
}

/// A controller's clocks: its own beginning, a drift, and a wall clock that is set now and then.
pub(super) struct SimClock {
    pub(super) boot: Instant,
    pub(super) origin: Instant,
    pub(super) drift_ppm: i64,
    pub(super) wall_off_ms: Arc<AtomicI64>,
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        Moment::default().after(drifted(self.boot.elapsed(), self.drift_ppm))
    }

    fn wall(&self) -> WallTime {
        let since = i64::try_from(self.origin.elapsed().as_millis()).unwrap_or(i64::MAX);
        let ms = WALL_BEGIN_MS.saturating_add(since).saturating_add(self.wall_off_ms.load(Ordering::Relaxed));
        WallTime::from_ms(u64::try_from(ms).unwrap_or(0))
    }
}

impl Door {
    /// Goes on, waits, or never comes back: the dead await nothing.
    pub(super) async fn point(&self, what: &'static str) {
        loop {
            match self.world.with(|state, now_ms| state.at_point(self.process, what, now_ms)) {
                Point::On => return,
                Point::Until(ms) => sleep_until(self.world.instant(ms)).await,
                Point::Over => std::future::pending().await,
            }
        }
    }

    fn now(&self) -> Moment {
        self.world.clock(self.process).now()
    }

    /// Asks `to`, which serves the request when it arrives: perhaps never, perhaps twice, perhaps when nobody waits any more.
    async fn call<T: Send + 'static>(
        &self,
        to: Party,
        extra: Duration,
        serve: impl Fn(&mut State, u64) -> T + Send + Sync + 'static,
    ) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        let (me, way, again) = self.world.with(|state, _| {
            let me = state.party(self.process);
            (me, state.net.hop(me, to), state.net.again())
        });
        if let Some(there) = way {
            let world = Arc::clone(&self.world);
            self.world.in_flight(1);
            let serve = Arc::new(serve);
            if let Some(later) = again {
                let (world, serve) = (Arc::clone(&world), Arc::clone(&serve));
                self.world.in_flight(1);
                self.world.spawn(async move {
                    sleep(there + extra + later).await;
                    let _ = world.with(|state, now_ms| serve(state, now_ms));
                    world.in_flight_less();
                });
            }
            self.world.spawn(async move {
                sleep(there + extra).await;
                let (served, back) = world.with(|state, now_ms| (serve(state, now_ms), state.net.hop(to, me)));
                world.in_flight_less();
                if let Some(back) = back {
                    sleep(back).await;
                    let _ = sender.send(served);
                }
            });
            return timeout(PATIENCE, answer).await.ok()?.ok();
        }
        drop(sender);
        sleep(PATIENCE).await;
        None
    }

    /// Whether the provider turns a reading request away, with what it says.
    async fn provider(&self) -> Result<(), PortError> {
        match self.world.with(|state, _| (state.provider.mood.down, state.provider.fate())) {
            (true, _) => {
                sleep(PATIENCE).await;
                self.world.with(|state, _| {
                    if state.primary_down() {
                        state.judge.risk(Invariant::S9);
                    }
                });
                Err(PortError::retry("the provider does not answer"))
            }
            (false, Fate::TurnedAway) => {
                sleep(Duration::from_millis(50)).await;
                Err(PortError::retry("Throttling: rate exceeded"))
            }
            (false, _) => Ok(()),
        }
    }
}

fn lost() -> PortError {
    PortError::retry("no answer")
}

#[async_trait]
impl DnsProvider for Door {
    async fn read(&self, _zone: &str, names: &[&str]) -> Result<Vec<RecordSet>, PortError> {
        self.point("before dns.read").await;
        self.provider().await?;
        let mark = names.first().map(|name| OwnedRecords::mark_name(name));
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).chain(mark).collect();
        let found = self.call(Party::Provider, Duration::ZERO, move |state, _| {
            state.provider.records.iter().filter(|set| names.contains(&set.name)).cloned().collect::<Vec<_>>()
        });
        let found = found.await;
        self.point("after dns.read").await;
        found.ok_or_else(lost)
    }

    async fn apply(&self, _fence: &Fence, _zone: &str, batch: &ChangeBatch) -> Result<String, PortError> {
        let now = self.now();
        let (what, done) =
            if is_flip(batch) { ("before flip", "after flip") } else { ("before fence", "after fence") };
        self.world.with(|state, now_ms| {
            let (process, token) = (self.process, batch.new_token());
            state.trace.note(now_ms, format_args!("controller {process} sends: {} → {token}", batch.expected()));
            state.judge.at(now_ms).sending(process, now, batch);
        });
        self.point(what).await;
        let (down, fate, lose) = self.world.with(|state, _| {
            let lose = is_flip(batch) && std::mem::take(&mut state.lose_answer);
            (state.provider.mood.down, state.provider.fate(), lose)
        });
        let sent = Instant::now();
        let (batch, process) = (batch.clone(), self.process);
        let serve = move |state: &mut State, now_ms| state.apply(process, &batch, sent.elapsed() > PATIENCE, now_ms);
        let answer = match (down, fate) {
            (true, _) => {
                sleep(PATIENCE).await;
                None
            }
            (_, Fate::TurnedAway) => Some(Err(PortError::retry("PriorRequestNotComplete"))),
            (_, Fate::ServerError { done: false }) => Some(Err(PortError::retry("503 ServiceUnavailable"))),
            (_, Fate::ServerError { done: true }) => {
                let _ = self.call(Party::Provider, Duration::ZERO, serve).await;
                Some(Err(PortError::retry("500 InternalFailure")))
            }
            (_, Fate::Late(ms)) => self.call(Party::Provider, Duration::from_millis(ms), serve).await.map(refused),
            (_, Fate::AnswerLost) => {
                let _ = self.call(Party::Provider, Duration::ZERO, serve).await;
                None
            }
            (_, Fate::Plain) => self.call(Party::Provider, Duration::ZERO, serve).await.map(refused),
        };
        self.point(done).await;
        answer.filter(|_| !lose).unwrap_or_else(|| Err(lost()))
    }

    async fn change_state(&self, change: &str) -> Result<ChangeState, PortError> {
        self.point("before change-state").await;
        self.provider().await?;
        let id = change.to_owned();
        let state =
            self.call(Party::Provider, Duration::ZERO, move |state, now_ms| state.provider.state(now_ms, &id));
        let state = state.await;
        self.point("after change-state").await;
        state.ok_or_else(lost)?.ok_or_else(|| PortError::broken(format!("NoSuchChange {change}")))
    }

    async fn has_zone(&self, _zone: &str) -> Result<bool, PortError> {
        Ok(true)
    }

    async fn name_servers(&self, _zone: &str) -> Result<Vec<String>, PortError> {
        Err(PortError::broken("the world's services name their servers"))
    }
}

fn refused(result: Result<String, String>) -> Result<String, PortError> {
    result.map_err(PortError::refused)
}

/// What the name servers answer.
fn answers(state: &mut State, now_ms: u64, name: &str) -> Vec<String> {
    let primary = |set: &&RecordSet| set.name == name && set.failover == Some(Failover::Primary);
    state.provider.answers(now_ms).iter().find(primary).map(|set| set.values.clone()).unwrap_or_default()
}

#[async_trait]
impl Resolver for Door {
    async fn ask(&self, _server: SocketAddr, name: &str, _kind: RecordType) -> Result<Vec<String>, PortError> {
        self.point("before ask").await;
        let name = name.to_owned();
        let found =
            self.call(Party::NameServers, Duration::ZERO, move |state, now_ms| answers(state, now_ms, &name)).await;
        self.point("after ask").await;
        found.ok_or_else(lost)
    }

    async fn soa(&self, _server: SocketAddr, name: &str) -> Result<Option<Soa>, PortError> {
        Err(PortError::broken(format!("nobody asks for the zone of {name} here")))
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, PortError> {
        Err(PortError::broken(format!("nobody looks {host} up here")))
    }
}

#[async_trait]
impl ProbeRunner for Door {
    async fn run(&self, request: &ProbeRequest) -> ProbeReport {
        self.point("before login").await;
        let service = self.world.values.service(0);
        let name = service.dns.name.clone();
        let fail = |kind, reason: &str| ProbeReport {
            outcome: Outcome::Fail,
            kind: Some(kind),
            reason: Some(reason.to_owned()),
            place: None,
            failed_step: None,
            steps: Vec::new(),
            requests: Vec::new(),
            metrics: Vec::new(),
            duration_ms: 0,
        };
        debug_assert!(matches!(request.resolution, Resolution::Through(_)), "the flip's own login asks the servers");
        let found =
            self.call(Party::NameServers, Duration::ZERO, move |state, now_ms| answers(state, now_ms, &name)).await;
        let answer = found.and_then(|found| found.into_iter().next());
        let role = Role::BOTH.into_iter().find(|role| Some(&service.site(*role).answer) == answer.as_ref());
        let Some(role) = role else { return fail(FailureKind::Network, "the name does not resolve") };
        let seen = self.call(Party::Site(role), Duration::ZERO, move |state, _| {
            let mut chance = state.chance.clone();
            let login = state.site(role).log_in(&mut chance);
            state.chance = chance;
            login
        });
        let seen = seen.await;
        self.point("after login").await;
        match seen {
            Some((Outcome::Pass, _, duration_ms)) => {
                let (outcome, steps) = (Outcome::Pass, Vec::new());
                ProbeReport {
                    outcome,
                    kind: None,
                    reason: None,
                    place: None,
                    failed_step: None,
                    steps,
                    requests: Vec::new(),
                    metrics: Vec::new(),
                    duration_ms,
                }
            }
            Some((_, kind, _)) => fail(kind.unwrap_or(FailureKind::Assertion), "the login failed"),
            None => fail(FailureKind::Timeout, "no answer"),
        }
    }

    fn generation(&self, _check: &CheckName) -> Generation {
        Generation::default()
    }
}

#[async_trait]
impl SiteControl for Door {
    /// The simulated policy asks for no lag, so nobody measures it.
    async fn lag(&self, _service: &ServiceName) -> Result<Duration, PortError> {
        Err(PortError::broken("no lag is measured here"))
    }

    async fn positions(&self, _service: &ServiceName) -> Result<Positions, PortError> {
        Ok(Positions::new())
    }

    /// No simulated plan lets the standby take writes: its primary has no control, and nobody promotes.
    async fn leave_read_only(&self, _fence: &Fence, _of: &ServiceName, _plan: &PlanId) -> Result<(), PortError> {
        Err(PortError::broken("nobody is promoted here"))
    }

    async fn enter_read_only(&self, _fence: &Fence, _of: &ServiceName, plan: &PlanId) -> Result<(), PortError> {
        self.point("before enter-read-only").await;
        let plan = plan.clone();
        let done = self.call(Party::Site(Role::Standby), Duration::ZERO, move |state, now_ms| {
            state.judge.at(now_ms).effect(&plan, Step::EnterReadOnly);
            if state.standby.writable {
                state.judge.risk(Invariant::S1);
            }
            let answers = state.standby.answers();
            if answers && state.flaw != Some(Flaw::StandbyLies) {
                state.standby.writable = false;
            }
            answers
        });
        let done = done.await;
        self.point("after enter-read-only").await;
        if done == Some(true) { Ok(()) } else { Err(lost()) }
    }

    async fn probe_write(&self, _fence: &Fence, _of: &ServiceName, plan: &PlanId) -> Result<WriteProbe, PortError> {
        self.point("before probe-write").await;
        let plan = plan.clone();
        let probe = self.call(Party::Site(Role::Standby), Duration::ZERO, move |state, now_ms| {
            state.judge.at(now_ms).effect(&plan, Step::VerifyReadOnly);
            let refused = WriteProbe::Refused { how: "503 read_only".to_owned() };
            match (state.standby.answers(), state.standby.writable, state.flaw) {
                (false, ..) => None,
                (_, true, Some(Flaw::StandbyLies)) => Some(refused),
                (_, true, _) => Some(WriteProbe::Accepted { how: "201".to_owned() }),
                (_, false, _) => {
                    state.judge.standby_refused(&plan);
                    Some(refused)
                }
            }
        });
        let probe = probe.await;
        self.point("after probe-write").await;
        probe.flatten().ok_or_else(lost)
    }
}

#[async_trait]
impl Notifier for Door {
    fn recipients(&self, level: Level) -> Vec<String> {
        let (quiet, loud) = ("chat:quiet".to_owned(), "pager:loud".to_owned());
        match level {
            Level::Quiet => vec![quiet],
            Level::Loud => vec![loud],
            Level::Everyone => vec![quiet, loud],
        }
    }

    async fn send(&self, delivery: &Delivery) -> Result<(), PortError> {
        self.point("before notify").await;
        let key = delivery.notice.key.clone();
        let taken = self.call(Party::People, Duration::ZERO, move |state, _| {
            if state.flaw != Some(Flaw::NoticesSwallowed) {
                state.told.insert(key.clone());
            }
        });
        let taken = taken.await;
        self.point("after notify").await;
        taken.ok_or_else(lost)
    }
}
