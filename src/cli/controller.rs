//! `quorate controller`: the long-lived service that decides and acts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::controls::Sites;
use super::exit::Failure;
use super::moving::Movers;
use super::{compose, life};
use crate::adapters::clock::SystemClock;
use crate::adapters::notify::Notifiers;
use crate::adapters::resolver::Hickory;
use crate::adapters::sqlite::SqliteStore;
use crate::config::ServiceConfig;
use crate::domain::Limits;
use crate::ports::{Class, Clock, PortError};
use crate::runtime::controller::{self, Managed, Ports, Setup, StartError};
use crate::runtime::past::Past;
use crate::runtime::{Intake, drills, faults};
use crate::web::{self, Api};

/// How long a shutdown waits for what is under way: a step that is cut short is found in the journal by the next start.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// How long a start waits for the word on one zone.
const ZONE_WITHIN: Duration = Duration::from_secs(3);

/// Decide by the agents' votes, and move the names.
///
/// AWS credentials and region come from the usual AWS settings (environment, profile, role); `AWS_ENDPOINT_URL_ROUTE_53` points Route 53
/// elsewhere.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "quorate.toml")]
    config: PathBuf,
    /// How often the records, the flag and the name servers are looked at.
    #[arg(long, value_name = "TIME", default_value = "1m", hide = true, value_parser = humantime::parse_duration)]
    watch_every: Duration,
    /// After how long people are told of what differs from what was decided.
    #[arg(long, value_name = "TIME", default_value = "2m", hide = true, value_parser = humantime::parse_duration)]
    drift_after: Duration,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    with_parent: bool,
}

/// Runs until told to end.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    life::log();
    let config = compose::config(&args.config)?;
    let listen = config.controller.listen;
    let library = config.library.iter().cloned().map(compose::module).collect();
    let probes = compose::runner(config.checks, config.library)?;
    // Bound before anything else: a second controller on this machine must not take the lead only to find its port taken.
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::usage(format!(
            "{}: cannot listen on {listen}: {error}; choose another address for controller.listen, or stop what uses this one",
            args.config.display()
        ))
    })?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let sites = Sites { clock: Arc::clone(&clock), probes: Arc::clone(&probes), library };
    let movers = Movers::new(config.cluster.clone(), sites).await;
    let mut services = Vec::new();
    for service in &config.services {
        services.push(movers.of(service).await?);
    }
    zones_are_there(&args.config, &config.services, &services).await?;
    let (mut rehearsals, mut labs) = (Vec::new(), Vec::new());
    for service in &config.services {
        if let Some(managed) = movers.rehearsal(service).await? {
            rehearsals.push(managed.service.clone());
            services.push(managed);
        }
        labs.extend(Movers::labs(service)?);
    }
    let store = Arc::new(SqliteStore::open(&config.controller.data).map_err(Failure::unknown)?);
    let known: Vec<_> = config.services.iter().map(|service| service.service.clone()).collect();
    // People read this path far from the folder that this process was started in.
    let halt_file = absolute(&config.controller.local_freeze).map_err(Failure::unknown)?;
    let limits = Limits { drift_after: args.drift_after, ..config.limits };
    let setup = Setup {
        cluster: config.cluster.clone(),
        limits,
        services,
        halt_file: Some(halt_file),
        watch_every: Some(args.watch_every),
    };
    let ports = Ports {
        clock: Arc::clone(&clock),
        resolver: Arc::new(Hickory::new()),
        probes,
        lease: store.clone(),
        journal: store.clone(),
        outbox: store.clone(),
        notifier: Arc::new(Notifiers::new(config.notify).map_err(Failure::unknown)?),
    };

    let tasks = TaskTracker::new();
    let closing = life::until_told(&tasks, args.with_parent);
    let handle = controller::start(setup, ports, &tasks, &closing).await.map_err(|error| match error {
        StartError::Lease(PortError { class: Class::Refused, .. }) => Failure::refused(&error),
        StartError::Lease(_) | StartError::Journal(_) => Failure::unknown(&error),
    })?;
    let past = Past::new(config.cluster.clone(), config.limits, store.clone(), store.clone());
    let vantages: BTreeSet<_> = config.vantages.iter().map(|vantage| vantage.name.clone()).collect();
    let intake = Intake::open(vantages, store, Arc::clone(&clock), handle.clone()).await.map_err(Failure::unknown)?;
    faults::watch(labs, &handle, &tasks, &closing);
    drills::watch(known.clone(), &handle, &intake.measures(), &clock, &tasks, &closing);
    let api = Api {
        cluster: config.cluster.to_string(),
        services: known,
        rehearsals,
        controller: handle.clone(),
        past,
        intake,
        clock,
        token: config.controller.token,
    };
    tracing::info!("listening on http://{listen}");
    let server = axum::serve(listener, web::router(api));
    tokio::select! {
        // First of all: a controller that was told to end has ended too, and not by itself.
        biased;
        () = closing.cancelled() => {}
        served = async { server.await } => served.map_err(Failure::unknown)?,
        // Nobody decides any more: whoever supervises this process must see that, and start it again.
        () = handle.ended() => return Err(Failure::unknown("the controller has ended by itself; its log says why")),
    }
    tasks.close();
    let _ = timeout(SHUTDOWN, tasks.wait()).await;
    Ok(())
}

/// Refuses a configuration whose zones are not there, by the provider's own word. A provider that does not answer is no reason not to
/// start: a controller must come up in the very hour in which it cannot be reached, and fences the zones later.
async fn zones_are_there(file: &Path, configs: &[ServiceConfig], services: &[Managed]) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for (ServiceConfig { service, zone_at, .. }, managed) in configs.iter().zip(services) {
        match timeout(ZONE_WITHIN, managed.dns.has_zone(&service.dns.zone)).await {
            Ok(Ok(false)) => missing.push(format!(
                "{}:{}:{}: the zone '{}' of the service '{}' is not there: correct its id, create it, or check which account \
                 the credentials are for",
                file.display(),
                zone_at.line,
                zone_at.column,
                service.dns.zone,
                service.name
            )),
            Ok(Ok(true)) => {}
            Ok(Err(error)) => tracing::warn!(service = %service.name, "whether its zone is there: {error}"),
            Err(_) => tracing::warn!(service = %service.name, "whether its zone is there: no answer yet"),
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Failure::usage(missing.join("\n"))) }
}
