//! How often an agent probes: as its configuration says, more often while a controller wishes it or its own probes fail, and never more
//! often than its own limit.
//!
//! A wish can only ever make an agent probe more often, and only down to [`FLOOR`]: a controller that is mistaken costs some load, and
//! blinds nobody. What a controller wished is forgotten when it has not been heard for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::agent::Assignment;
use super::chance::Backoff;
use crate::domain::{Pace, PaceMark, ServiceName};
use crate::ports::{Class, ObservationSink, PortError};

/// The shortest interval that anybody's wish can bring about. A configuration may say less.
pub(super) const FLOOR: Duration = Duration::from_millis(500);
/// For how long after its latest failure an agent goes on bursting by itself: until a controller has had time to say so, and long enough
/// for a site that fails every other time.
pub(super) const LINGER: Duration = Duration::from_secs(15);
/// After how long without a word a controller's wishes lapse.
pub(super) const LAPSE: Duration = Duration::from_secs(30);
/// An answer that comes sooner than this and says nothing new was not waited for; the next question then waits.
const TOO_SOON: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Tempo {
    state: watch::Sender<State>,
}

#[derive(Debug)]
struct State {
    /// What each controller wishes.
    wishes: Vec<BTreeMap<ServiceName, Duration>>,
    /// The services whose resolvers each controller wants looked at closely.
    draining: Vec<BTreeSet<ServiceName>>,
    /// The services whose probes fail here.
    trouble: BTreeMap<ServiceName, Trouble>,
}

#[derive(Debug, Clone, Copy)]
struct Trouble {
    /// The first failure of a row without a pause as long as [`LINGER`].
    since: Instant,
    /// The latest.
    last: Instant,
}

impl Tempo {
    /// At rest, with so many controllers to listen to.
    pub(super) fn new(controllers: usize) -> Self {
        let state = State {
            wishes: vec![BTreeMap::new(); controllers],
            draining: vec![BTreeSet::new(); controllers],
            trouble: BTreeMap::new(),
        };
        Self { state: watch::Sender::new(state) }
    }

    /// Tells when the answer of [`Tempo::interval`] may have changed by something that has happened.
    pub(super) fn changes(&self) -> watch::Receiver<impl Send + Sync + use<>> {
        self.state.subscribe()
    }

    /// That controller wishes this, and nothing else any more.
    fn wish(&self, controller: usize, wishes: BTreeMap<ServiceName, Duration>) {
        self.state.send_if_modified(|state| match state.wishes.get_mut(controller) {
            Some(before) if *before != wishes => {
                *before = wishes;
                true
            }
            _ => false,
        });
    }

    /// That controller wants these services' resolvers looked at closely, and no others any more.
    fn drain(&self, controller: usize, draining: BTreeSet<ServiceName>) {
        self.state.send_if_modified(|state| match state.draining.get_mut(controller) {
            Some(before) if *before != draining => {
                *before = draining;
                true
            }
            _ => false,
        });
    }

    /// Whether any controller wants the service's resolvers looked at closely.
    pub(super) fn draining(&self, service: &ServiceName) -> bool {
        self.state.borrow().draining.iter().any(|draining| draining.contains(service))
    }

    /// A probe of the service has failed here.
    pub(super) fn failed(&self, service: &ServiceName, now: Instant) {
        self.state.send_if_modified(|state| {
            let goes_on = state.trouble.get(service).filter(|trouble| now < trouble.last + LINGER);
            let (since, begins) = (goes_on.map_or(now, |trouble| trouble.since), goes_on.is_none());
            state.trouble.insert(service.clone(), Trouble { since, last: now });
            begins
        });
    }

    /// How often the assignment is probed now, and when that changes by itself.
    pub(super) fn interval(&self, assignment: &Assignment, now: Instant) -> (Duration, Option<Instant>) {
        let state = self.state.borrow();
        let wished = state.wishes.iter().filter_map(|wishes| wishes.get(&assignment.service)).min().copied();
        let trouble = state.trouble.get(&assignment.service).filter(|trouble| now < trouble.last + LINGER);
        let own = assignment.burst.zip(trouble).map(|(burst, trouble)| {
            let (over, tires) = (trouble.last + LINGER, trouble.since + burst.at_most);
            if now < tires { (burst.interval, over.min(tires)) } else { (burst.then, over) }
        });
        let shortest = wished.into_iter().chain(own.map(|(every, _)| every)).min();
        let every = shortest.map_or(assignment.interval, |every| every.max(FLOOR).min(assignment.interval));
        (every, own.map(|(_, until)| until))
    }

    /// Listens to one controller for good.
    pub(super) async fn listen(&self, index: usize, controller: &dyn ObservationSink, lapse: Duration) -> Infallible {
        let mut backoff = Backoff::new();
        let mut known: Option<PaceMark> = None;
        // None while it answers; and once its wishes have lapsed, when there is nothing left to lapse.
        let mut lapses: Option<Instant> = None;
        let mut away = false;
        loop {
            let asked = Instant::now();
            let answer = tokio::select! {
                answer = controller.pace(known) => answer,
                () = at(lapses) => {
                    tracing::warn!("{}: not heard for {} s: what it wished of the pace has lapsed", controller.name(), lapse.as_secs());
                    self.wish(index, BTreeMap::new());
                    self.drain(index, BTreeSet::new());
                    lapses = None;
                    continue;
                }
            };
            match answer {
                Ok(Pace { mark, every, draining }) => {
                    if std::mem::take(&mut away) {
                        tracing::info!("{}: its wishes of the pace are heard again", controller.name());
                    }
                    if known != Some(mark) {
                        tracing::info!("{}: pace: {}", controller.name(), in_words(&every));
                    }
                    lapses = None;
                    self.wish(index, every);
                    self.drain(index, draining);
                    if known.replace(mark) == Some(mark) && asked.elapsed() < TOO_SOON {
                        backoff.pause().await;
                    } else {
                        backoff.reset();
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut away, true) {
                        lapses = Some(Instant::now() + lapse);
                        told_of(&error);
                    }
                    // Not to be kept waiting for news before it is known to be there again.
                    known = None;
                    tokio::select! {
                        () = backoff.pause() => {}
                        // The turn of the loop sees to it.
                        () = at(lapses) => {}
                    }
                }
            }
        }
    }
}

/// That moment, or never.
pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// A controller that is away is told of where observations are delivered; one that is there and does not speak of a pace, here.
fn told_of(error: &PortError) {
    match error.class {
        Class::Retry => tracing::debug!("{error}"),
        Class::Refused | Class::Fenced | Class::Broken => {
            tracing::warn!(
                "{error}; until it says how often to probe, only this agent's own failures make it probe more often"
            );
        }
    }
}

fn in_words(every: &BTreeMap<ServiceName, Duration>) -> String {
    let each: Vec<String> =
        every.iter().map(|(service, every)| format!("{service} every {} ms", every.as_millis())).collect();
    if each.is_empty() { "at rest".to_owned() } else { each.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use url::Url;

    use super::*;
    use crate::domain::{Burst, CheckName, Moment, Observation, Role};

    const REST: Duration = Duration::from_secs(5);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn name() -> ServiceName {
        ServiceName::new("login").unwrap()
    }

    fn assignment(interval: Duration, burst: Option<Burst>) -> Assignment {
        Assignment {
            service: name(),
            check: CheckName::new("login").unwrap(),
            role: Role::Primary,
            target: Url::parse("http://127.0.0.1:1/").unwrap(),
            interval,
            timeout: REST,
            burst,
        }
    }

    fn wishes(ms: u64) -> BTreeMap<ServiceName, Duration> {
        [(name(), Duration::from_millis(ms))].into()
    }

    #[test]
    fn the_shortest_wish_counts_within_the_agents_own_limits() {
        let (tempo, now) = (Tempo::new(2), Instant::now());
        let every = |interval| tempo.interval(&assignment(interval, None), now).0;
        assert_eq!(every(REST), REST);
        tempo.wish(0, wishes(2_000));
        assert_eq!(every(REST), secs(2));
        tempo.wish(1, wishes(1_000));
        assert_eq!(every(REST), secs(1));
        tempo.wish(0, wishes(1));
        assert_eq!(every(REST), FLOOR, "no wish brings it below the floor");
        assert_eq!(every(FLOOR / 2), FLOOR / 2, "what the configuration says may be below it");
        tempo.wish(0, wishes(60_000));
        tempo.wish(1, BTreeMap::new());
        assert_eq!(every(REST), REST, "nobody can wish that a site is probed less");
        tempo.wish(0, [(ServiceName::new("another").unwrap(), secs(1))].into());
        tempo.wish(7, wishes(1_000));
        assert_eq!(every(REST), REST, "neither another service nor a stranger counts");
    }

    #[test]
    fn an_agents_own_failures_make_it_burst_for_a_while_and_tire_in_the_end() {
        let (tempo, start) = (Tempo::new(1), Instant::now());
        let burst = Burst { interval: secs(1), at_most: secs(60), then: secs(2) };
        let with = assignment(REST, Some(burst));
        assert_eq!(tempo.interval(&with, start), (REST, None));
        tempo.failed(&name(), start);
        assert_eq!(tempo.interval(&with, start), (secs(1), Some(start + LINGER)));
        assert_eq!(tempo.interval(&assignment(REST, None), start), (REST, None), "a policy without a burst has none");
        assert_eq!(tempo.interval(&with, start + LINGER), (REST, None), "no more failures");
        // A failure in every second keeps it up, until it has lasted long enough.
        for second in 1..60 {
            tempo.failed(&name(), start + secs(second));
        }
        let (every, until) = tempo.interval(&with, start + secs(59));
        assert_eq!((every, until), (secs(1), Some(start + secs(60))), "whichever comes first");
        tempo.failed(&name(), start + secs(60));
        assert_eq!(tempo.interval(&with, start + secs(60)), (secs(2), Some(start + secs(60) + LINGER)));
        // A wish is followed all the same, and a pause makes a new row.
        tempo.wish(0, wishes(1_000));
        assert_eq!(tempo.interval(&with, start + secs(61)).0, secs(1));
        tempo.wish(0, BTreeMap::new());
        tempo.failed(&name(), start + secs(90));
        assert_eq!(tempo.interval(&with, start + secs(90)).0, secs(1));
    }

    #[tokio::test]
    async fn only_what_changes_an_interval_wakes_the_schedules() {
        let (tempo, now) = (Tempo::new(1), Instant::now());
        let mut changes = tempo.changes();
        let mut woken = || {
            let woken = changes.has_changed().unwrap();
            changes.mark_unchanged();
            woken
        };
        tempo.wish(0, BTreeMap::new());
        assert!(!woken());
        tempo.wish(0, wishes(1_000));
        assert!(woken());
        tempo.wish(0, wishes(1_000));
        assert!(!woken());
        tempo.failed(&name(), now);
        assert!(woken());
        tempo.failed(&name(), now + secs(1));
        assert!(!woken(), "it goes on");
    }

    /// A controller that answers as often as it is told, and then not any more. It writes down what it was asked.
    struct Dying {
        answers: Mutex<Vec<Pace>>,
        asked: Mutex<Vec<Option<PaceMark>>>,
    }

    #[async_trait]
    impl ObservationSink for Dying {
        fn name(&self) -> &str {
            "controller that dies"
        }

        async fn deliver(&self, _: Moment, _: u64, _: &[Observation]) -> Result<u64, PortError> {
            Err(PortError::retry("gone"))
        }

        async fn pace(&self, known: Option<PaceMark>) -> Result<Pace, PortError> {
            self.asked.lock().unwrap().push(known);
            match self.answers.lock().unwrap().pop() {
                Some(pace) => Ok(pace),
                None => Err(PortError::retry("gone")),
            }
        }
    }

    #[tokio::test]
    async fn the_wishes_of_a_controller_that_is_gone_lapse_and_come_back_with_it() {
        let lapse = Duration::from_millis(300);
        let word = |run, every| Pace { mark: PaceMark { run, revision: 3 }, every, draining: [name()].into() };
        let controller = Dying { answers: Mutex::new(vec![word(1, wishes(1_000))]), asked: Mutex::default() };
        let (tempo, resting) = (Tempo::new(1), assignment(REST, None));
        let every = || tempo.interval(&resting, Instant::now()).0;
        let mut changes = tempo.changes();
        let started = Instant::now();
        let story = async {
            changes.changed().await.unwrap();
            assert_eq!(every(), secs(1), "heard");
            changes.wait_for(|_| tempo.draining(&name())).await.unwrap();
            changes.wait_for(|_| !tempo.draining(&name())).await.unwrap();
            assert_eq!(every(), REST, "lapsed");
            assert!(started.elapsed() >= lapse, "and not before its time: {:?}", started.elapsed());
            controller.answers.lock().unwrap().push(word(2, wishes(2_000)));
            changes.wait_for(|_| tempo.draining(&name())).await.unwrap();
            assert_eq!(every(), secs(2), "heard again");
        };
        tokio::select! {
            never = tempo.listen(0, &controller, lapse) => match never {},
            () = story => {}
        }
        let asked = controller.asked.lock().unwrap().clone();
        assert_eq!(
            asked[..3],
            [None, Some(PaceMark { run: 1, revision: 3 }), None],
            "after a failure it does not wait for news"
        );
    }
}
