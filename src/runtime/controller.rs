//! The controller: one task that owns the engine, feeds it, and carries its commands to the ports.
//!
//! ```text
//!  intake ─┐                       ┌─▶ journal (awaited here: nothing else happens to the engine before it is durable)
//!  API ────┼─▶ mailbox ─▶ engine ──┼─▶ executor (a task of its own) ─▶ mailbox
//!  timer ──┘                       └─▶ fence    (a task of its own) ─▶ mailbox
//! ```
//!
//! The order of a start is safety.md 4.2: lease, journal, epoch from the larger of store and zones (S6), the epoch made durable, a fence
//! write in every zone (S5), and only then does evidence count: the engine does not act on a service whose zone is not fenced.

mod drilling;
mod fencing;
mod mending;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::events::Events;
use super::executor::Executor;
use super::outbox;
pub use super::outside::Ports;
use super::pace::Paces;
pub use super::protector::ProtectedZone;
use super::protector::{Protector, Protectors, keep};
pub use super::register::{Home, Managed};
use super::surroundings::Surroundings;
use super::upkeep::keep_up;
use crate::domain::{
    Authority, ClusterName, Epoch, Fence, JournalRecord, Limits, Moment, Notice, Observation, Service, ServiceName,
    Sighting, StepIndex,
};
use crate::engine::{
    Ask, Command, DrillDraft, DrillRequest, Engine, Explanation, Input, MoveRequest, Output, Reply, StepSuccess,
};
use crate::ports::{Class, Delivery, JournalStore, PortError};
pub use mending::{Look, MendPlan, MendRequest, Mended};

/// The engine is asked at least this often, whatever it said.
const TICK: Duration = Duration::from_secs(1);
/// And at most this often by its own wish.
const TICK_MIN: Duration = Duration::from_millis(5);
/// How long a start waits for one service's token, to get past its epoch at once. A register that does not answer is fenced later.
const READ_TOKEN_WITHIN: Duration = Duration::from_secs(5);
/// Messages that may wait; senders are held back beyond that.
const MAILBOX: usize = 1_024;

/// What a controller looks after.
pub struct Setup {
    /// The cluster.
    pub cluster: ClusterName,
    /// What holds for all services together.
    pub limits: Limits,
    /// The services, each with what it is moved by.
    pub services: Vec<Managed>,
    /// While a file of that name is there, or cannot be looked for, nothing moves.
    pub halt_file: Option<PathBuf>,
    /// How often each service's names are looked at (S20); none means never.
    pub watch_every: Option<Duration>,
}

/// Why a controller did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The lease could not be had.
    #[error("cannot become the controller: {0}")]
    Lease(PortError),
    /// The journal could not be read.
    #[error("cannot read the journal: {0}")]
    Journal(PortError),
}

/// Why a controller did not answer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the controller is shutting down")]
pub struct Gone;

impl From<Gone> for PortError {
    fn from(gone: Gone) -> Self {
        Self::retry(gone.to_string())
    }
}

/// What comes into the mailbox.
pub(super) enum Message {
    Observed(Vec<Observation>),
    StepEnded {
        service: ServiceName,
        step: StepIndex,
        result: Result<StepSuccess, PortError>,
    },
    Fenced(fencing::FenceEnded),
    /// What surrounds the controller has changed.
    Noticed(Input),
    /// How a service stands, before something is written to its records.
    Standing(ServiceName, oneshot::Sender<Option<mending::Standing>>),
    /// A person has records taken over or put back.
    Mend(Box<mending::Order>, mending::Answer),
    /// That has ended.
    Mended {
        service: ServiceName,
        fence: Fence,
        wrote: bool,
    },
    Draft(MoveRequest, oneshot::Sender<Reply>),
    DraftDrill(Box<DrillRequest>, oneshot::Sender<Option<DrillDraft>>),
    Ask(Ask, oneshot::Sender<Result<Reply, PortError>>),
    Explain(Option<ServiceName>, oneshot::Sender<Vec<Explanation>>),
}

/// Speaks to a running controller.
#[derive(Clone)]
pub struct Handle {
    mailbox: mpsc::Sender<Message>,
    events: Arc<Events>,
    paces: Arc<Paces>,
    journal: Arc<dyn JournalStore>,
    pub(super) protectors: Protectors,
}

impl Handle {
    async fn ask_for<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, Gone> {
        let (sender, answer) = oneshot::channel();
        self.mailbox.send(message(sender)).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }

    /// Observations that are new.
    pub async fn observed(&self, observations: Vec<Observation>) -> Result<(), Gone> {
        self.mailbox.send(Message::Observed(observations)).await.map_err(|_| Gone)
    }

    /// What a vantage saw of public names.
    pub async fn sighted(&self, seen: Vec<Sighting>) -> Result<(), Gone> {
        self.mailbox.send(Message::Noticed(Input::Sighted(seen))).await.map_err(|_| Gone)
    }

    /// The plan that would carry out the request, or what is against it. Changes nothing.
    pub async fn draft(&self, request: MoveRequest) -> Result<Reply, Gone> {
        self.ask_for(|sender| Message::Draft(request, sender)).await
    }

    /// The drill that would be begun, and what is against it; none when there is no such service. Changes nothing.
    pub async fn draft_drill(&self, request: DrillRequest) -> Result<Option<DrillDraft>, Gone> {
        self.ask_for(|sender| Message::DraftDrill(Box::new(request), sender)).await
    }

    /// A measure is beyond a limit of the service's drills, or no longer.
    pub async fn breached(&self, service: ServiceName, why: Option<String>) -> Result<(), Gone> {
        self.mailbox.send(Message::Noticed(Input::Breached { service, why })).await.map_err(|_| Gone)
    }

    /// A lab has caused the fault of a drill, or has not, and why.
    pub(super) async fn faulted(
        &self,
        service: ServiceName,
        number: u64,
        result: Result<String, String>,
    ) -> Result<(), Gone> {
        self.mailbox.send(Message::Noticed(Input::Faulted { service, number, result })).await.map_err(|_| Gone)
    }

    /// Does what a person asks, durably.
    pub async fn ask(&self, ask: Ask) -> Result<Reply, PortError> {
        self.ask_for(|sender| Message::Ask(ask, sender)).await?
    }

    /// What is known of one service, or of all.
    pub async fn explain(&self, service: Option<ServiceName>) -> Result<Vec<Explanation>, Gone> {
        self.ask_for(|sender| Message::Explain(service, sender)).await
    }

    /// What was noticed since this process began.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// How often the engine wishes services to be probed.
    pub fn paces(&self) -> &Paces {
        &self.paces
    }

    /// Resolves when the controller has ended, told to or not.
    pub async fn ended(&self) {
        self.mailbox.closed().await;
    }

    /// The newest journal records of a service, oldest first.
    pub async fn history(&self, service: &ServiceName, limit: usize) -> Result<Vec<JournalRecord>, PortError> {
        self.journal.recent(service, limit).await
    }
}

struct Controller {
    engine: Engine,
    ports: Ports,
    executors: BTreeMap<ServiceName, Arc<Executor>>,
    events: Arc<Events>,
    paces: Arc<Paces>,
    mailbox: mpsc::Sender<Message>,
    outbox_news: Arc<Notify>,
    /// The services whose zones this process has fenced before.
    fenced_once: BTreeSet<ServiceName>,
    /// Each service's last record that this process knows: an append is refused when somebody else has written since (S7).
    last: BTreeMap<ServiceName, u64>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// Takes the lease, reads the journal, and starts deciding. The tasks end when `closing` is cancelled; `tasks` waits for them.
///
/// # Errors
/// When another controller holds the lease, or the store cannot be read. Zones and sites that do not answer are no reason not to start.
pub async fn start(
    setup: Setup,
    ports: Ports,
    tasks: &TaskTracker,
    closing: &CancellationToken,
) -> Result<Handle, StartError> {
    let stored = ports.lease.acquire().await.map_err(StartError::Lease)?;
    let services: Vec<Service> = setup.services.iter().map(|managed| managed.service.clone()).collect();
    let epoch = stored.following(newest_epoch(&setup.cluster, &setup.services).await);
    let authority = ports.lease.claim(epoch).await.map_err(StartError::Lease)?;
    // Only now: whoever led before can append nothing more, so what is read is all that there is.
    let journal = ports.journal.load().await.map_err(StartError::Journal)?;
    tracing::info!(%epoch, entries = journal.len(), "leading");

    let protectors = protectors(&setup);
    let (mailbox, messages) = mpsc::channel(MAILBOX);
    let events = Arc::new(Events::default());
    let paces = Arc::new(Paces::new());
    let handle = Handle {
        mailbox: mailbox.clone(),
        events: Arc::clone(&events),
        paces: Arc::clone(&paces),
        journal: Arc::clone(&ports.journal),
        protectors: Arc::clone(&protectors),
    };
    let outbox_news = Arc::new(Notify::new());
    tasks.spawn(outbox::run(
        Arc::clone(&ports.outbox),
        Arc::clone(&ports.notifier),
        Arc::clone(&ports.clock),
        Arc::clone(&outbox_news),
        closing.clone(),
    ));
    let mut surroundings = Surroundings::new(&setup, &ports.clock);
    let noticed = surroundings.first().await;
    surroundings.watch(&mailbox, tasks, closing);
    if let Some(every) = setup.watch_every {
        for Managed { service, .. } in &setup.services {
            let (name, handle, clock) = (service.name.clone(), handle.clone(), Arc::clone(&ports.clock));
            let watch = move || mending::watch(name.clone(), handle.clone(), Arc::clone(&clock), every);
            keep_up(tasks, closing, format!("the look at the names of {}", service.name), watch);
        }
    }
    for (service, protector) in protectors.iter() {
        let (protector, handle) = (Arc::clone(protector), handle.clone());
        let look = move || keep(Arc::clone(&protector), handle.clone());
        keep_up(tasks, closing, format!("the protection of {service}"), look);
    }
    let cluster = setup.cluster.clone();
    let executors = setup.services.into_iter().map(|managed| {
        let (cluster, ports) = (cluster.clone(), ports.clone());
        let protector = protectors.get(&managed.service.name).cloned();
        (managed.service.name.clone(), Arc::new(Executor { cluster, managed, ports, protector }))
    });
    let controller = Controller {
        engine: Engine::new(setup.cluster, setup.limits, services),
        executors: executors.collect(),
        ports,
        events,
        paces,
        mailbox,
        outbox_news,
        fenced_once: BTreeSet::new(),
        last: BTreeMap::new(),
        tasks: tasks.clone(),
        closing: closing.clone(),
    };
    tasks.spawn(controller.run(journal, noticed, authority, messages));
    Ok(handle)
}

/// Whoever protects records of the services that ask for it.
fn protectors(setup: &Setup) -> Protectors {
    let asked = setup.services.iter().filter(|managed| !managed.protected.is_empty());
    let made = asked.map(|Managed { service, protected, .. }| {
        let protector = Protector::new(setup.cluster.clone(), service, protected.clone());
        (service.name.clone(), Arc::new(protector))
    });
    Arc::new(made.collect())
}

/// The newest epoch among the registers that answer in time.
async fn newest_epoch(cluster: &ClusterName, services: &[Managed]) -> Epoch {
    let mut newest = Epoch::default();
    for managed in services {
        let service = &managed.service.name;
        match timeout(READ_TOKEN_WITHIN, managed.token(cluster)).await {
            Ok(Ok(token)) => newest = newest.max(token.epoch),
            Ok(Err(error)) => tracing::warn!(%service, "its token: {error}"),
            Err(_) => tracing::warn!(%service, "its token: no answer yet"),
        }
    }
    newest
}

impl Controller {
    async fn run(
        mut self,
        journal: Vec<JournalRecord>,
        noticed: Vec<Input>,
        authority: Authority,
        mut messages: mpsc::Receiver<Message>,
    ) {
        self.know(&journal);
        let mut wake = self.feed(Input::Recovered { journal, wall: self.ports.clock.wall() }).await;
        for input in noticed {
            wake = self.feed(input).await.or(wake);
        }
        wake = self.feed(Input::Led(authority)).await.or(wake);
        let names: Vec<ServiceName> = self.executors.keys().cloned().collect();
        for service in names {
            self.fence(service);
        }
        let mut ticked = Instant::now();
        loop {
            let wish = wake.map_or(TICK, |at| at.since(self.ports.clock.now()));
            // Counted from the last tick, so that no flood of messages about one service keeps the others from their turn.
            let due = (Instant::now() + wish).clamp(ticked + TICK_MIN, ticked + TICK);
            wake = tokio::select! {
                // In order: the timer is rare by its bounds, so it starves nobody, and a run in virtual time takes the same way twice.
                biased;
                // Shutting down is never half a step: what runs ends with the process, and the journal says where to go on.
                () = self.closing.cancelled() => return,
                () = sleep_until(due) => {
                    ticked = Instant::now();
                    self.feed(Input::Tick).await
                }
                message = messages.recv() => match message {
                    Some(message) => self.take(message).await,
                    None => return,
                },
            };
        }
    }

    async fn take(&mut self, message: Message) -> Option<Moment> {
        match message {
            Message::Observed(observations) => {
                let mut wake = None;
                for seen in observations {
                    wake = self.feed(Input::Observed(seen)).await;
                }
                wake
            }
            Message::StepEnded { service, step, result } => {
                self.feed(Input::StepEnded { service, step, result }).await
            }
            Message::Fenced(ended) => self.fenced(ended).await,
            Message::Noticed(input) => self.feed(input).await,
            Message::Standing(service, sender) => {
                let _ = sender.send(self.standing(&service));
                self.feed(Input::Tick).await
            }
            Message::Mend(order, answer) => self.mend(*order, answer).await,
            Message::Mended { service, fence, wrote } => self.mended(service, fence, wrote).await,
            Message::Draft(request, sender) => {
                let _ = sender.send(self.engine.draft(self.ports.clock.now(), &request));
                self.feed(Input::Tick).await
            }
            Message::DraftDrill(request, sender) => {
                let _ = sender.send(self.draft_drill(&request));
                self.feed(Input::Tick).await
            }
            Message::Ask(ask, sender) => {
                let (wake, reply) = self.feed_for_reply(Input::Asked(ask)).await;
                let _ = sender.send(reply);
                wake
            }
            Message::Explain(wanted, sender) => {
                let now = self.ports.clock.now();
                let names: Vec<ServiceName> = match wanted {
                    Some(service) => vec![service],
                    None => self.engine.services().map(|service| service.name.clone()).collect(),
                };
                let _ = sender.send(names.iter().filter_map(|name| self.engine.explain(now, name)).collect());
                self.feed(Input::Tick).await
            }
        }
    }

    fn know(&mut self, records: &[JournalRecord]) {
        self.last.extend(records.iter().map(|record| (record.service.clone(), record.id)));
    }

    async fn feed(&mut self, input: Input) -> Option<Moment> {
        self.feed_for_reply(input).await.0
    }

    /// Feeds one input, and all that follows from it at once. An append that failed turns the reply into its error.
    async fn feed_for_reply(&mut self, input: Input) -> (Option<Moment>, Result<Reply, PortError>) {
        let (mut wake, mut reply) = (None, Ok(Reply::Done));
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let Output { commands, wake_at, notes, reply: said } = self.engine.handle(self.ports.clock.now(), input);
            wake = wake_at;
            if let Some(said) = said {
                reply = Ok(said);
            }
            for note in notes {
                tracing::info!(service = %note.service, code = note.code, vantage = note.vantage.as_ref().map(|v| v.as_str()),
                    role = note.role.map(|r| r.as_str()), "{}", note.text);
                self.events.push(self.ports.clock.wall(), note);
            }
            for command in commands {
                match command {
                    Command::Append { service, fence, entries, notices } => {
                        let deliveries = self.deliveries(&notices);
                        let (after, wall) = (self.last.get(&service).copied(), self.ports.clock.wall());
                        let journal = &self.ports.journal;
                        match journal.append(&fence, after, wall, &service, &entries, &deliveries).await {
                            Ok(records) => {
                                self.know(&records);
                                inputs.push_back(Input::Journaled(records));
                                self.outbox_news.notify_one();
                            }
                            Err(error) => {
                                tracing::error!(%service, "the journal: {error}");
                                if error.class == Class::Fenced {
                                    inputs.push_back(Self::resign(&error.what));
                                }
                                reply = Err(error.clone());
                                inputs.push_back(Input::AppendFailed { service, error });
                            }
                        }
                    }
                    Command::Run(order) => {
                        let Some(executor) = self.executors.get(order.plan.service()).cloned() else { continue };
                        let mailbox = self.mailbox.clone();
                        self.tasks.spawn(self.closing.clone().run_until_cancelled_owned(async move {
                            let result = executor.run(&order).await;
                            let (service, step) = (order.plan.service().clone(), order.index);
                            let _ = mailbox.send(Message::StepEnded { service, step, result }).await;
                        }));
                    }
                    Command::Fence { service } => self.fence(service),
                    Command::CatchUp { service, fence, flag, zone } => {
                        let Some(executor) = self.executors.get(&service).cloned() else { continue };
                        self.tasks.spawn(self.closing.clone().run_until_cancelled_owned(async move {
                            executor.catch_up(&fence, flag.as_ref(), zone).await;
                        }));
                    }
                    Command::TryWrite { service, role, fence, plan } => {
                        let Some(executor) = self.executors.get(&service).cloned() else { continue };
                        let mailbox = self.mailbox.clone();
                        self.tasks.spawn(self.closing.clone().run_until_cancelled_owned(async move {
                            let result = executor.try_write(role, &fence, &plan).await;
                            let _ = mailbox.send(Message::Noticed(Input::WriteTried { service, role, result })).await;
                        }));
                    }
                    Command::Pace { service, every } => self.paces.set(&service, every),
                    Command::Drain { service, closely } => self.paces.set_draining(&service, closely),
                    Command::Look { service, number } => self.look(service, number),
                    Command::EndProcess { service, number } => {
                        tracing::error!(%service, "drill {number} ends this controller; whoever supervises it starts it again");
                        // Nothing is put in order on purpose: that is what is rehearsed.
                        std::process::abort();
                    }
                    Command::Resign { why } => inputs.push_back(Self::resign(&why)),
                }
            }
        }
        (wake, reply)
    }

    fn deliveries(&self, notices: &[Notice]) -> Vec<Delivery> {
        let to = |notice: &Notice| {
            let recipients = self.ports.notifier.recipients(notice.level);
            let notice = notice.clone();
            recipients.into_iter().map(move |recipient| Delivery { notice: notice.clone(), recipient })
        };
        notices.iter().flat_map(to).collect()
    }

    /// A controller that was overtaken does not come back by itself: two that take the lead from each other in turn are worse than one
    /// that waits for a person.
    fn resign(why: &str) -> Input {
        tracing::error!("standing down: {why}");
        Input::Deposed { why: format!("it was overtaken ({why}); restart it once the other one is stopped") }
    }
}
