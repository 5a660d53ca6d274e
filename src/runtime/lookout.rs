//! The agent's look at public names: what its own resolvers answer for them, and, while a move drains, whether the checks pass through
//! them. It is told to every controller, and is no vote: nothing here goes where observations go (S2).
//!
//! Only the latest word on each question is kept, with how long it has been so: a controller that was away misses nothing of a curve.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use url::Url;

use super::agent::GRACE;
use super::chance::{Backoff, scatter};
use super::tempo::Tempo;
use crate::domain::{
    Answer, CheckName, Lookup, LookupId, Moment, MovedName, PublicRun, Role, Said, ServiceName, Sighting, VantageName,
};
use crate::ports::{Class, Clock, OwnResolvers, PortError, ProbeRequest, ProbeRunner, Resolution, SightingSink};

/// Between two rounds of questions while nothing moves.
const AT_REST: Duration = Duration::from_secs(10);
/// The same while a move drains.
const DRAINING: Duration = Duration::from_secs(1);
/// How long answers are gathered before they are told: a round's come in within moments of each other.
const GATHER: Duration = Duration::from_millis(100);
/// After how long a controller that does not understand sightings is tried again: it may have been replaced by a newer release.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// How many are told at once.
const AT_ONCE: usize = 1_000;

/// One service's names, and what is run through them.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The service.
    pub service: ServiceName,
    /// Its names.
    pub names: Vec<MovedName>,
    /// Where its users go.
    pub public_url: Url,
    /// What is run there while a move drains.
    pub checks: Vec<CheckName>,
    /// How often.
    pub interval: Duration,
    /// The limit of one run.
    pub timeout: Duration,
}

/// What an agent looks out for, and whom it tells.
pub struct Lookout {
    /// The services.
    pub watched: Vec<Watched>,
    /// Whom it asks.
    pub resolvers: Arc<dyn OwnResolvers>,
    /// How checks through a public name resolve it.
    pub resolution: Resolution,
    /// Whom it tells.
    pub controllers: Vec<Arc<dyn SightingSink>>,
}

/// What the loops share.
pub(super) struct Board {
    pub(super) vantage: VantageName,
    pub(super) resolvers: Arc<dyn OwnResolvers>,
    pub(super) resolution: Resolution,
    pub(super) probes: Arc<dyn ProbeRunner>,
    pub(super) clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
    news: Notify,
}

#[derive(Default)]
struct Kept {
    revision: u64,
    lookups: BTreeMap<(ServiceName, LookupId), (u64, Lookup)>,
    /// Where each question last led, and since when: silence in between is no change.
    led: BTreeMap<(ServiceName, LookupId), (Option<Role>, Moment)>,
    runs: BTreeMap<(ServiceName, CheckName), (u64, PublicRun)>,
    trouble: Option<String>,
}

impl Kept {
    /// What is newer than `revision`, the oldest first, and up to which revision that is.
    fn after(&self, revision: u64) -> (u64, Vec<Sighting>) {
        let lookups = self.lookups.values().map(|(at, lookup)| (*at, Sighting::Lookup(lookup.clone())));
        let runs = self.runs.values().map(|(at, run)| (*at, Sighting::Run(run.clone())));
        let mut news: Vec<(u64, Sighting)> = lookups.chain(runs).filter(|(at, _)| *at > revision).collect();
        news.sort_by_key(|(at, _)| *at);
        news.truncate(AT_ONCE);
        let up_to = news.last().map_or(revision, |(at, _)| *at);
        (up_to, news.into_iter().map(|(_, seen)| seen).collect())
    }
}

impl Board {
    pub(super) fn new(
        vantage: VantageName,
        lookout: &Lookout,
        probes: Arc<dyn ProbeRunner>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            vantage,
            resolvers: Arc::clone(&lookout.resolvers),
            resolution: lookout.resolution.clone(),
            probes,
            clock,
            kept: Mutex::default(),
            news: Notify::new(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looked(&self, service: &ServiceName, id: LookupId, said: Said, leads_to: Option<Role>) {
        let at = self.clock.now();
        let key = (service.clone(), id.clone());
        {
            let mut kept = self.kept();
            let since = match &said {
                Said::Nothing(_) => at,
                Said::Values { .. } => {
                    let led = kept.led.entry(key.clone()).or_insert((leads_to, at));
                    if led.0 != leads_to {
                        *led = (leads_to, at);
                    }
                    led.1
                }
            };
            kept.revision += 1;
            let revision = kept.revision;
            let lookup = Lookup { service: service.clone(), id, said, leads_to, at, since };
            kept.lookups.insert(key, (revision, lookup));
        }
        self.news.notify_waiters();
    }

    fn ran(&self, run: PublicRun) {
        {
            let mut kept = self.kept();
            kept.revision += 1;
            let revision = kept.revision;
            kept.runs.insert((run.service.clone(), run.check.clone()), (revision, run));
        }
        self.news.notify_waiters();
    }

    /// Forgets the resolvers that are not this machine's any more, and tells of trouble once.
    fn listed(&self, service: &ServiceName, list: &[SocketAddr], trouble: Option<String>) {
        let mut kept = self.kept();
        let known = |(of, id): &(ServiceName, LookupId)| of != service || list.contains(&id.resolver);
        kept.lookups.retain(|key, _| known(key));
        kept.led.retain(|key, _| known(key));
        if kept.trouble != trouble {
            if let Some(trouble) = &trouble {
                tracing::warn!("{trouble}; how users' resolvers follow a move is seen without them");
            }
            kept.trouble = trouble;
        }
    }

    /// The site that most of this vantage's resolvers lead to for a service's first name.
    fn leads_to(&self, watched: &Watched) -> Option<Role> {
        let first = watched.names.first()?;
        let kept = self.kept();
        let of_first = |(service, id): &(ServiceName, LookupId)| {
            *service == watched.service && id.name == first.name && id.kind == first.kind
        };
        let led: Vec<Role> =
            kept.lookups.iter().filter(|(key, _)| of_first(key)).filter_map(|(_, (_, seen))| seen.leads_to).collect();
        let count = |role: Role| led.iter().filter(|led| **led == role).count();
        Role::BOTH.into_iter().filter(|role| count(*role) > 0).max_by_key(|role| count(*role))
    }
}

/// Asks every resolver for every name of the service, for good.
pub(super) async fn look(board: Arc<Board>, tempo: Arc<Tempo>, watched: Watched) -> Infallible {
    let mut changes = tempo.changes();
    // Agents that start together do not ask together.
    sleep(DRAINING.mul_f64(scatter())).await;
    let mut began = Instant::now();
    round(&board, &watched).await;
    loop {
        let closely = tempo.draining(&watched.service);
        let pause = if closely { DRAINING } else { AT_REST };
        let due = began + pause.mul_f64(0.9 + 0.2 * scatter());
        tokio::select! {
            () = sleep_until(due) => {
                began = Instant::now();
                round(&board, &watched).await;
            }
            // The sender lives as long as `tempo`.
            () = async { drop(changes.wait_for(|_| tempo.draining(&watched.service) != closely).await) } => {}
        }
    }
}

/// One round: every question at once, each told as soon as it is answered.
async fn round(board: &Arc<Board>, watched: &Watched) {
    let (list, trouble) = board.resolvers.list().await;
    board.listed(&watched.service, &list, trouble);
    // They end with the round.
    let mut asked = JoinSet::new();
    for resolver in list {
        for moved in &watched.names {
            let (board, service, moved) = (Arc::clone(board), watched.service.clone(), moved.clone());
            asked.spawn(async move {
                let said = board.resolvers.look_up(resolver, &moved.name, moved.kind).await;
                let leads_to = leads_to(board.resolvers.as_ref(), resolver, &moved, &said).await;
                let id = LookupId { vantage: board.vantage.clone(), resolver, name: moved.name, kind: moved.kind };
                board.looked(&service, id, said, leads_to);
            });
        }
    }
    while let Some(ended) = asked.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(service = %watched.service, "a question broke down: {error}; please report this");
        }
    }
}

/// Which site an answer leads to. An alias is followed through the same resolver.
async fn leads_to(
    resolvers: &dyn OwnResolvers,
    resolver: SocketAddr,
    moved: &MovedName,
    said: &Said,
) -> Option<Role> {
    let Said::Values { values, .. } = said else { return None };
    if values.is_empty() {
        return None;
    }
    let (mut primary, mut standby) = (Vec::new(), Vec::new());
    for (answer, found) in [(&moved.primary, &mut primary), (&moved.standby, &mut standby)] {
        let Answer { value, alias_zone } = answer;
        let value = value.trim_end_matches('.').to_ascii_lowercase();
        if alias_zone.is_none() {
            found.push(value);
        } else if let Said::Values { values, .. } = resolvers.look_up(resolver, &value, moved.kind).await {
            found.extend(values);
        }
    }
    let of = |site: &[String]| values.iter().any(|value| site.contains(value));
    match (of(&primary), of(&standby)) {
        (true, false) => Some(Role::Primary),
        (false, true) => Some(Role::Standby),
        _ => None,
    }
}

/// Runs the service's checks through its public name while a move of it drains, for good.
pub(super) async fn run_through(board: Arc<Board>, tempo: Arc<Tempo>, watched: Watched) -> Infallible {
    let mut changes = tempo.changes();
    loop {
        // The sender lives as long as `tempo`.
        drop(changes.wait_for(|_| tempo.draining(&watched.service)).await);
        // Which site it is decides what a check may do there: one that has no answer yet is not logged in to.
        if let Some(role) = board.leads_to(&watched) {
            for check in &watched.checks {
                run(&board, &watched, check, role).await;
            }
        }
        sleep(watched.interval.min(AT_REST).max(DRAINING)).await;
    }
}

async fn run(board: &Board, watched: &Watched, check: &CheckName, role: Role) {
    let request = ProbeRequest {
        check: check.clone(),
        target: watched.public_url.clone(),
        role,
        vantage: Some(board.vantage.clone()),
        deadline: watched.timeout,
        resolution: board.resolution.clone(),
    };
    let Ok(report) = timeout(watched.timeout + GRACE, board.probes.run(&request)).await else {
        tracing::error!(service = %watched.service, %check, "a run through the public name outlived its deadline, and says nothing");
        return;
    };
    board.ran(PublicRun {
        service: watched.service.clone(),
        vantage: board.vantage.clone(),
        check: check.clone(),
        outcome: report.outcome,
        reason: report.reason,
        failed_step: report.failed_step,
        duration_ms: report.duration_ms,
        at: board.clock.now(),
    });
}

/// Tells one controller what is new, for good.
pub(super) async fn tell(board: Arc<Board>, controller: Arc<dyn SightingSink>) -> Infallible {
    let mut backoff = Backoff::new();
    let mut told = 0;
    let mut trouble = false;
    loop {
        let news = board.news.notified();
        let (up_to, seen) = board.kept().after(told);
        if seen.is_empty() {
            news.await;
            sleep(GATHER).await;
            continue;
        }
        match controller.sighted(board.clock.now(), &board.vantage, &seen).await {
            Ok(()) => {
                told = up_to;
                if std::mem::take(&mut trouble) {
                    tracing::info!(controller = controller.name(), "tells again what resolvers answer");
                }
                backoff.reset();
            }
            Err(error) => {
                // All of it again: a controller that comes back may have been restarted, and knows nothing.
                told = 0;
                let first = !std::mem::replace(&mut trouble, true);
                refused(&error, first);
                match error.class {
                    Class::Retry => backoff.pause().await,
                    Class::Refused | Class::Fenced | Class::Broken => sleep(TRY_AGAIN).await,
                }
            }
        }
    }
}

fn refused(error: &PortError, first: bool) {
    match error.class {
        // Told of where observations are delivered.
        Class::Retry => tracing::debug!("{error}"),
        Class::Refused | Class::Fenced | Class::Broken if first => {
            tracing::warn!("{error}; what resolvers answer is not told there: an older release does not know it");
        }
        Class::Refused | Class::Fenced | Class::Broken => {}
    }
}
