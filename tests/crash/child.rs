//! The controller that dies where it is told.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};

use quorate::adapters::clock::SystemClock;
use quorate::adapters::notify::Notifiers;
use quorate::adapters::resolver::Hickory;
use quorate::adapters::sqlite::SqliteStore;
use quorate::adapters::standby_http::StandbyHttp;
use quorate::config::{Notify, Sms};
use quorate::domain::{Limits, Secret};
use quorate::ports::{Clock, SiteControl};
use quorate::runtime::Intake;
use quorate::runtime::controller::{self, Managed, Ports, Setup};
use quorate::runtime::past::Past;
use quorate::web::{self, Api};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ports::Watched;
use super::settings::{self, ADMIN_KEY, NUMBER, STANDBY, Settings};

/// The first argument.
pub(crate) const MODE: &str = "controller";

/// The first line of every process in the trace.
pub(crate) const START: &str = "start";

/// Writes down every boundary, and ends the process at one of them.
pub(crate) struct Gun {
    trace: Mutex<File>,
    kill_at: Option<String>,
    /// The plan that is under way, for the names of what is done for it.
    plan: Mutex<String>,
}

impl Gun {
    fn open(settings: &Settings) -> Self {
        let trace = File::options().create(true).append(true).open(&settings.trace).unwrap();
        let gun = Self { trace: Mutex::new(trace), kill_at: settings.kill_at.clone(), plan: Mutex::default() };
        gun.pass(START);
        gun
    }

    /// This point is reached. One write, which survives the process.
    pub(crate) fn pass(&self, point: &str) {
        self.trace.lock().unwrap().write_all(format!("{point}\n").as_bytes()).unwrap();
        if self.kill_at.as_deref() == Some(point) {
            kill();
        }
    }

    pub(crate) fn set_plan(&self, plan: &str) {
        plan.clone_into(&mut self.plan.lock().unwrap());
    }

    pub(crate) fn plan(&self) -> String {
        self.plan.lock().unwrap().clone()
    }
}

/// `kill -9` of this very process. The only thread that runs tasks waits here, so nothing else happens before it.
fn kill() -> Infallible {
    let _ = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    loop {
        std::thread::park();
    }
}

/// Runs until killed: at its point, by the outside, or because the outside is gone.
pub(crate) fn main(file: &Path) -> ExitCode {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        kill()
    });
    let settings: Settings = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let filter = tracing_subscriber::EnvFilter::new("info");
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    // One thread, so that a kill stops everything at once.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(settings));
    ExitCode::FAILURE
}

async fn run(settings: Settings) {
    let listener = TcpListener::bind(settings.listen).await.unwrap();
    let gun = Arc::new(Gun::open(&settings));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let service = settings.service();
    let site = |path| settings::url(STANDBY, settings.port, path);
    let (enter, probe) = (site("/admin/read-only"), site("/admin/write-probe"));
    let key = Secret::new(ADMIN_KEY);
    let standby = StandbyHttp::new(&service.standby.name, enter, probe, key, Arc::clone(&clock)).unwrap();
    let standby: Arc<dyn SiteControl> = Arc::new(Watched::new(standby, &gun));
    let store = SqliteStore::open(&settings.store).unwrap();
    let watched = Arc::new(Watched::new(store.clone(), &gun));
    let ports = Ports {
        clock: Arc::clone(&clock),
        resolver: Arc::new(Watched::new(Hickory::new(), &gun)),
        probes: Arc::new(Watched::new(settings::runner(), &gun)),
        lease: watched.clone(),
        journal: watched.clone(),
        outbox: watched,
        notifier: Arc::new(Watched::new(notifiers(&settings), &gun)),
    };
    let dns = Arc::new(Watched::new(settings.provider(), &gun));
    let managed = Managed {
        service: service.clone(),
        standby,
        primary: None,
        dns,
        homes: Vec::new(),
        protected: Vec::new(),
        flag: None,
    };
    let setup = Setup {
        cluster: settings::cluster(),
        limits: Limits::default(),
        services: vec![managed],
        halt_file: None,
        watch_every: None,
    };
    let tasks = TaskTracker::new();
    let handle = controller::start(setup, ports, &tasks, &CancellationToken::new()).await.unwrap();
    let vantages: BTreeSet<_> = service.vantages.iter().map(|vantage| vantage.name.clone()).collect();
    let log = Arc::new(store);
    let past = Past::new(settings::cluster(), Limits::default(), log.clone(), log.clone());
    let intake = Intake::open(vantages, log, Arc::clone(&clock), handle.clone()).await.unwrap();
    let cluster = settings::cluster().to_string();
    let api = Api { cluster, services: vec![service], controller: handle, past, intake, clock, token: None };
    axum::serve(listener, web::router(api)).await.unwrap();
}

fn notifiers(settings: &Settings) -> Notifiers {
    let hook = |channel: &str| Some(Secret::new(settings.lab.join(&format!("/slack/{channel}")).unwrap().as_str()));
    let sms = Sms {
        base_url: settings.lab.clone(),
        account_sid: "ACcrash".to_owned(),
        token: Secret::new("token"),
        from: "+15550100100".to_owned(),
        to: vec![NUMBER.to_owned()],
    };
    Notifiers::new(Notify { slack: hook("quiet"), slack_loud: hook("loud"), sms: Some(sms) }).unwrap()
}
