//! Looks at what surrounds a decision and no agent sees: the file that stops everything, the maintenance windows of the controller's own
//! wall clock, and how far each standby's data is behind. What it finds becomes an input of the engine, and it decides nothing.
//!
//! The first look comes before the controller leads, so that a plan which a restart finds open goes on only if nothing stops it. Whatever
//! could not be looked at counts as stopped (S10), and a lag that could not be measured as unknown: a failed look is never "go".

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::controller::{Managed, Message, Setup};
use super::sites::Comparer;
use crate::domain::{LagReading, PortError, ServiceName, Window, maintenance};
use crate::engine::Input;
use crate::ports::{Clock, SiteControl};

/// Between two looks at the file and at the windows.
const LOOK: Duration = Duration::from_secs(1);
/// How long a look at the file may take: a file system that hangs is one that cannot be looked at.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Between two questions for the lag. A reading counts for 30 s, so five in a row may be lost before it is unknown.
const LAG_EVERY: Duration = Duration::from_secs(5);
/// How long one such question may take.
const LAG_WITHIN: Duration = Duration::from_secs(5);

/// All that is looked at.
pub(super) struct Surroundings {
    halt: Option<Halt>,
    calendar: Calendar,
    gauges: Vec<Gauge>,
    comparers: Vec<Comparer>,
}

impl Surroundings {
    /// What a controller with that setup has to look at.
    pub(super) fn new(setup: &Setup, clock: &Arc<dyn Clock>) -> Self {
        let services = || setup.services.iter();
        let planned = services().filter(|managed| !managed.service.maintenance.is_empty());
        let measured = services().filter(|managed| managed.service.policy.max_lag.is_some());
        Self {
            halt: setup.halt_file.clone().map(Halt::new),
            calendar: Calendar {
                clock: Arc::clone(clock),
                pages: planned
                    .map(|Managed { service, .. }| Page::new(&service.name, &service.maintenance))
                    .collect(),
            },
            gauges: measured.map(|Managed { service, standby, .. }| Gauge::new(&service.name, standby)).collect(),
            comparers: services().filter_map(Comparer::of).collect(),
        }
    }

    /// The first look at what may stop everything, or a service. The lag is unknown until it is measured.
    pub(super) async fn first(&mut self) -> Vec<Input> {
        let mut inputs = self.calendar.look();
        if let Some(halt) = &mut self.halt {
            let found = match timeout(LOOK_WITHIN, look(&halt.file)).await {
                Ok(found) => found,
                Err(_) => Some(no_answer(&halt.file)),
            };
            inputs.extend(halt.news(found));
        }
        inputs
    }

    /// Goes on looking until `closing` is cancelled, and says what has changed.
    pub(super) fn watch(self, mailbox: &mpsc::Sender<Message>, tasks: &TaskTracker, closing: &CancellationToken) {
        let Self { halt, calendar, gauges, comparers } = self;
        let signs = signs(halt, calendar, mailbox.clone());
        tasks.spawn(closing.clone().run_until_cancelled_owned(signs));
        // One task for each standby: nobody waits for somebody else's silence.
        for gauge in gauges {
            tasks.spawn(closing.clone().run_until_cancelled_owned(gauge.watch(mailbox.clone())));
        }
        for comparer in comparers {
            tasks.spawn(closing.clone().run_until_cancelled_owned(comparer.watch(mailbox.clone())));
        }
    }
}

/// Says it to the controller; false when that has ended.
pub(super) async fn say(mailbox: &mpsc::Sender<Message>, inputs: impl IntoIterator<Item = Input>) -> bool {
    for input in inputs {
        if mailbox.send(Message::Noticed(input)).await.is_err() {
            return false;
        }
    }
    true
}

/// The file and the windows, side by side: a file system that hangs keeps no window shut.
async fn signs(halt: Option<Halt>, calendar: Calendar, mailbox: mpsc::Sender<Message>) {
    let file = async {
        if let Some(halt) = halt {
            halt.watch(&mailbox).await;
        }
    };
    tokio::join!(file, calendar.watch(&mailbox));
}

/// The file whose presence stops everything.
struct Halt {
    file: PathBuf,
    told: Option<String>,
}

impl Halt {
    fn new(file: PathBuf) -> Self {
        Self { file, told: None }
    }

    async fn watch(mut self, mailbox: &mpsc::Sender<Message>) {
        loop {
            sleep(LOOK).await;
            let file = self.file.clone();
            let mut looking = pin!(look(&file));
            let found = match timeout(LOOK_WITHIN, &mut looking).await {
                Ok(found) => found,
                Err(_) => {
                    if !say(mailbox, self.news(Some(no_answer(&file)))).await {
                        return;
                    }
                    // The same look to its end, whenever that is: each new one would leave another thread hanging.
                    looking.await
                }
            };
            if !say(mailbox, self.news(found)).await {
                return;
            }
        }
    }

    fn news(&mut self, found: Option<String>) -> Option<Input> {
        if self.told == found {
            return None;
        }
        match &found {
            Some(why) => tracing::warn!("everything is stopped: {why}"),
            None => tracing::info!("no longer stopped: the file {} is gone", self.file.display()),
        }
        self.told.clone_from(&found);
        Some(Input::Halted { why: found })
    }
}

/// Why everything is stopped; none when there is no such file. A link that leads nowhere is one: somebody has put it there.
async fn look(file: &Path) -> Option<String> {
    match tokio::fs::symlink_metadata(file).await {
        Ok(_) => Some(format!("the file {} is there (remove it to go on)", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(could_not_look(file, &error.to_string())),
    }
}

fn could_not_look(file: &Path, why: &str) -> String {
    format!("could not look for the file {}: {why}", file.display())
}

fn no_answer(file: &Path) -> String {
    could_not_look(file, &format!("the file system has not answered within {} s", LOOK_WITHIN.as_secs()))
}

/// The windows of all services that have some.
struct Calendar {
    clock: Arc<dyn Clock>,
    pages: Vec<Page>,
}

/// The windows of one service, and the open one that the engine knows of.
struct Page {
    service: ServiceName,
    windows: Vec<Window>,
    told: Option<String>,
}

impl Page {
    fn new(service: &ServiceName, windows: &[Window]) -> Self {
        Self { service: service.clone(), windows: windows.to_vec(), told: None }
    }
}

impl Calendar {
    async fn watch(mut self, mailbox: &mpsc::Sender<Message>) {
        while !self.pages.is_empty() {
            sleep(LOOK).await;
            if !say(mailbox, self.look()).await {
                return;
            }
        }
    }

    /// The windows that have opened or closed since the last look.
    fn look(&mut self) -> Vec<Input> {
        let wall = self.clock.wall();
        let news = self.pages.iter_mut().filter_map(|page| {
            let open = maintenance::active(&page.windows, wall);
            let window = open.map(|window| format!("{window} ({})", window.reason()));
            if window == page.told {
                return None;
            }
            tracing::info!(service = %page.service, "maintenance: {}", window.as_deref().unwrap_or("none any more"));
            page.told.clone_from(&window);
            Some(Input::Maintenance { service: page.service.clone(), window })
        });
        news.collect()
    }
}

/// How far one standby is behind.
struct Gauge {
    service: ServiceName,
    standby: Arc<dyn SiteControl>,
    /// Why the last reading failed, as it was logged.
    trouble: Option<String>,
}

impl Gauge {
    fn new(service: &ServiceName, standby: &Arc<dyn SiteControl>) -> Self {
        Self { service: service.clone(), standby: Arc::clone(standby), trouble: None }
    }

    /// Every reading is said, changed or not: it counts for a while only.
    async fn watch(mut self, mailbox: mpsc::Sender<Message>) {
        let mut turns = interval(LAG_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            let reading = self.read().await.map(LagReading::now);
            if !say(&mailbox, [Input::Lag { service: self.service.clone(), reading }]).await {
                return;
            }
        }
    }

    async fn read(&mut self) -> Option<Duration> {
        let answer = match timeout(LAG_WITHIN, self.standby.lag(&self.service)).await {
            Ok(answer) => answer,
            Err(_) => Err(PortError::retry(format!("no answer within {} s", LAG_WITHIN.as_secs()))),
        };
        let trouble = answer.as_ref().err().map(ToString::to_string);
        if trouble != self.trouble {
            match &trouble {
                Some(error) => tracing::warn!(service = %self.service, "the standby's lag is unknown: {error}"),
                None => tracing::info!(service = %self.service, "the standby's lag is known again"),
            }
            self.trouble = trouble;
        }
        answer.ok()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use std::sync::Mutex;

    use super::*;
    use crate::domain::{Fence, Moment, PlanId, Positions, WallTime};
    use crate::ports::WriteProbe;

    struct At(Mutex<u64>);

    impl Clock for At {
        fn now(&self) -> Moment {
            Moment::default()
        }

        fn wall(&self) -> WallTime {
            WallTime::from_ms(*self.0.lock().unwrap())
        }
    }

    #[test]
    fn a_window_is_said_when_it_opens_and_when_it_closes_and_not_in_between() {
        let window = Window::once("an upgrade", WallTime::from_ms(1_000), WallTime::from_ms(2_000)).unwrap();
        let clock = Arc::new(At(Mutex::new(0)));
        let pages = vec![Page::new(&ServiceName::new("login").unwrap(), &[window])];
        let mut calendar = Calendar { clock: Arc::<At>::clone(&clock), pages };
        let mut said = Vec::new();
        for ms in [0, 999, 1_000, 1_500, 1_999, 2_000, 3_000] {
            *clock.0.lock().unwrap() = ms;
            said.extend(calendar.look().into_iter().map(|input| match input {
                Input::Maintenance { window, .. } => (ms, window),
                other => panic!("{other:?}"),
            }));
        }
        let open = "from 1970-01-01T00:00:01.000Z to 1970-01-01T00:00:02.000Z (an upgrade)";
        assert_eq!(said, [(1_000, Some(open.to_owned())), (2_000, None)]);
    }

    #[tokio::test]
    async fn a_file_that_is_there_or_cannot_be_looked_for_stops_everything() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stop");
        assert_eq!(look(&file).await, None);
        assert_eq!(look(&folder.path().join("no such folder/stop")).await, None);
        std::fs::write(&file, "").unwrap();
        let found = look(&file).await.unwrap();
        assert!(found.contains(&format!("{} is there (remove it to go on)", file.display())), "{found}");
        let beyond = look(&file.join("stop")).await.unwrap();
        assert!(beyond.starts_with("could not look for the file"), "{beyond}");
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink("nowhere", &link).unwrap();
            assert!(look(&link).await.is_some(), "a link that leads nowhere");
        }
    }

    #[test]
    fn only_a_change_is_said() {
        let mut halt = Halt::new(PathBuf::from("stop"));
        let why = || Some("because".to_owned());
        assert!(halt.news(None).is_none());
        assert!(matches!(halt.news(why()), Some(Input::Halted { why: Some(_) })));
        assert!(halt.news(why()).is_none());
        assert!(matches!(halt.news(None), Some(Input::Halted { why: None })));
    }

    /// A standby that answers with what it is told to, once each.
    struct Standby(Mutex<Vec<Result<Duration, PortError>>>);

    #[async_trait]
    impl SiteControl for Standby {
        async fn enter_read_only(&self, _: &Fence, _: &ServiceName, _: &PlanId) -> Result<(), PortError> {
            Err(PortError::broken("not asked for".to_owned()))
        }

        async fn leave_read_only(&self, _: &Fence, _: &ServiceName, _: &PlanId) -> Result<(), PortError> {
            Err(PortError::broken("not asked for".to_owned()))
        }

        async fn probe_write(&self, _: &Fence, _: &ServiceName, _: &PlanId) -> Result<WriteProbe, PortError> {
            Err(PortError::broken("not asked for".to_owned()))
        }

        async fn positions(&self, _: &ServiceName) -> Result<Positions, PortError> {
            Err(PortError::broken("not asked for".to_owned()))
        }

        async fn lag(&self, _: &ServiceName) -> Result<Duration, PortError> {
            self.0.lock().unwrap().remove(0)
        }
    }

    #[tokio::test]
    async fn a_reading_that_fails_is_unknown_and_logged_once() {
        let (known, failed) = (Ok(Duration::from_secs(2)), || Err(PortError::retry("down".to_owned())));
        let answers = vec![known.clone(), failed(), failed(), known];
        let standby: Arc<dyn SiteControl> = Arc::new(Standby(Mutex::new(answers)));
        let mut gauge = Gauge::new(&ServiceName::new("login").unwrap(), &standby);
        let mut said = Vec::new();
        for _ in 0..4 {
            said.push((gauge.read().await.map(|lag| lag.as_secs()), gauge.trouble.is_some()));
        }
        assert_eq!(said, [(Some(2), false), (None, true), (None, true), (Some(2), false)]);
    }
}
