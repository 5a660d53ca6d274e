//! Support: an agent in this process, a site that counts its visitors, and somebody who listens to the agent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use quorate::adapters::clock::SystemClock;
use quorate::adapters::script::{CheckScript, Limits, Reach, RhaiRunner};
use quorate::domain::{
    Burst, CheckName, Moment, Observation, Pace, PaceMark, PortError, Role, Secrets, ServiceName, VantageName,
};
use quorate::ports::{CanaryRunner, ObservationSink, ProbeRunner};
use quorate::runtime::agent::{Agent, Assignment};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::servers::{Server, respond};

/// What anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const CHECK: &str = r#"step("look", || expect_status(get("/"), 200))"#;

/// A site that always answers the same.
pub(crate) struct Site(Server);

impl Site {
    pub(crate) fn start(status: u16) -> Self {
        Self(Server::start(move |_, stream| respond(stream, status, &[], "as always")))
    }

    pub(crate) fn url(&self) -> Url {
        self.0.url()
    }

    /// How many probes came.
    pub(crate) fn visits(&self) -> usize {
        self.0.seen().len()
    }
}

/// The check's name.
pub(crate) fn name() -> CheckName {
    CheckName::new("look").unwrap()
}

/// A check of one request.
pub(crate) fn script() -> CheckScript {
    CheckScript {
        name: name(),
        path: PathBuf::from("checks/look.rhai"),
        source: CHECK.to_owned(),
        params: BTreeMap::new(),
        secrets: Secrets::default(),
        reach: Reach::default(),
        limits: Limits::default(),
    }
}

/// What runs it.
pub(crate) fn runner() -> RhaiRunner {
    RhaiRunner::new(vec![script()]).unwrap()
}

/// The check against that site, every so many milliseconds.
pub(crate) fn assignment(service: &str, target: &Url, every_ms: u64, burst: Option<Burst>) -> Assignment {
    Assignment {
        service: ServiceName::new(service).unwrap(),
        check: name(),
        role: Role::Primary,
        target: target.clone(),
        interval: Duration::from_millis(every_ms),
        timeout: Duration::from_secs(10),
        burst,
    }
}

/// Who listens to an agent, and wishes nothing.
#[derive(Default)]
pub(crate) struct Listener {
    seen: Mutex<Vec<Observation>>,
    news: Notify,
}

#[async_trait]
impl ObservationSink for Listener {
    fn name(&self) -> &str {
        "the test"
    }

    async fn deliver(&self, _: Moment, _: u64, observations: &[Observation]) -> Result<u64, PortError> {
        self.seen.lock().unwrap().extend_from_slice(observations);
        self.news.notify_one();
        Ok(observations.last().unwrap().id.seq)
    }

    async fn pace(&self, _: Option<PaceMark>) -> Result<Pace, PortError> {
        std::future::pending().await
    }
}

/// An agent under way.
pub(crate) struct Running {
    listener: Arc<Listener>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// Starts an agent that only the test listens to.
pub(crate) fn agent(assignments: Vec<Assignment>, canaries: Arc<dyn CanaryRunner>) -> Running {
    agent_with(assignments, Arc::new(runner()), canaries, Vec::new())
}

/// Likewise with other probes, and with controllers besides.
pub(crate) fn agent_with(
    assignments: Vec<Assignment>,
    probes: Arc<dyn ProbeRunner>,
    canaries: Arc<dyn CanaryRunner>,
    mut controllers: Vec<Arc<dyn ObservationSink>>,
) -> Running {
    let listener = Arc::new(Listener::default());
    controllers.push(listener.clone());
    let agent = Agent {
        vantage: VantageName::new("aws-1").unwrap(),
        assignments,
        probes,
        canaries,
        controllers,
        spool: 10_000,
        lookout: None,
        clock: Arc::new(SystemClock::new()),
    };
    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(agent.run(closing.clone()));
    tasks.close();
    Running { listener, tasks, closing }
}

impl Running {
    /// Waits until what was seen is enough, and returns it.
    pub(crate) async fn until(&self, enough: impl Fn(&[Observation]) -> bool) -> Vec<Observation> {
        let looking = async {
            loop {
                let seen = self.listener.seen.lock().unwrap().clone();
                if enough(&seen) {
                    return seen;
                }
                self.listener.news.notified().await;
            }
        };
        timeout(PATIENCE, looking).await.expect("the agent goes on seeing")
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        self.closing.cancel();
        self.tasks.wait().await;
    }
}
