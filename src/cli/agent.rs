//! `quorate agent`: one vantage.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::exit::Failure;
use super::{compose, life};
use crate::adapters::canary::NetworkCanaries;
use crate::adapters::clock::SystemClock;
use crate::adapters::controller_http::ControllerHttp;
use crate::adapters::flag::ServedFlags;
use crate::adapters::resolver::own::Recursive;
use crate::config::Outline;
use crate::domain::{Role, VantageName};
use crate::ports::{ObservationSink, Resolution, SightingSink};
use crate::runtime::agent::{Agent, Assignment};
use crate::runtime::lookout::{Lookout, Watched};
use crate::web::flags;

/// Probe both sites of every service from one vantage, and tell the controllers.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "quorate.toml")]
    config: PathBuf,
    /// Which of the configuration's vantages this is.
    #[arg(long, value_name = "NAME")]
    vantage: String,
    /// Serve the flags of a folder at this address, for health checks to look at: GET /flags/SERVICE. It needs no token, and shows nothing
    /// else.
    #[arg(long, value_name = "ADDRESS", requires = "flags_folder")]
    flags_listen: Option<SocketAddr>,
    /// The folder that a controller's store file:///… writes to.
    #[arg(long, value_name = "FOLDER", requires = "flags_listen")]
    flags_folder: Option<PathBuf>,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    with_parent: bool,
}

/// Runs until told to end.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    life::log();
    let vantage = VantageName::new(&args.vantage).ok();
    let config = match &vantage {
        Some(vantage) => compose::for_agent(&args.config, vantage)?,
        None => compose::for_tool(&args.config)?,
    };
    let Some(vantage) = vantage.filter(|name| config.vantages.iter().any(|vantage| vantage.name == *name)) else {
        let names: Vec<&str> = config.vantages.iter().map(|vantage| vantage.name.as_str()).collect();
        return Err(Failure::usage(format!(
            "{}: no vantage is called '{}'; there are {}",
            args.config.display(),
            args.vantage,
            names.join(", ")
        )));
    };
    let mut assignments = Vec::new();
    for service in config.services.iter().map(|service| &service.service) {
        if !service.vantages.iter().any(|other| other.name == vantage) {
            continue;
        }
        for check in &service.checks {
            assignments.extend(Role::BOTH.map(|role| Assignment {
                service: service.name.clone(),
                check: check.clone(),
                role,
                target: service.site(role).url.clone(),
                interval: service.policy.interval,
                timeout: service.policy.timeout,
                burst: service.policy.burst,
            }));
        }
    }
    let canaries =
        NetworkCanaries::new(&config.agents.canaries, config.agents.canaries_needed).map_err(Failure::usage)?;
    let controllers =
        config.agents.controllers.iter().map(|base| {
            ControllerHttp::new(base, config.controller.token.clone()).map(Arc::new).map_err(Failure::usage)
        });
    let controllers = controllers.collect::<Result<Vec<_>, Failure>>()?;
    let lookout = lookout(&config, &vantage, &controllers);
    let controllers: Vec<Arc<dyn ObservationSink>> =
        controllers.into_iter().map(|sink| sink as Arc<dyn ObservationSink>).collect();
    tracing::info!(%vantage, assignments = assignments.len(), controllers = controllers.len(), "probing");
    let agent = Agent {
        vantage,
        assignments,
        probes: compose::runner(config.checks, config.library)?,
        canaries: Arc::new(canaries),
        controllers,
        spool: config.agents.spool,
        lookout,
        clock: Arc::new(SystemClock::new()),
    };
    let tasks = TaskTracker::new();
    let closing = life::until_told(&tasks, args.with_parent);
    if let (Some(listen), Some(folder)) = (args.flags_listen, args.flags_folder) {
        serve_flags(listen, folder, &tasks, &closing).await?;
    }
    agent.run(closing).await;
    Ok(())
}

/// Serves the folder's flags until `closing`.
async fn serve_flags(
    listen: SocketAddr,
    folder: PathBuf,
    tasks: &TaskTracker,
    closing: &CancellationToken,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::usage(format!("cannot listen on {listen} for flags: {error}; choose another --flags-listen"))
    })?;
    tracing::info!("serving the flags of {} on http://{listen}/flags/", folder.display());
    let server = axum::serve(listener, flags::router(Arc::new(ServedFlags::new(folder))));
    let until = closing.clone();
    tasks.spawn(async move {
        let served = server.with_graceful_shutdown(async move { until.cancelled().await }).await;
        if let Err(error) = served {
            tracing::error!("serving flags ended: {error}");
        }
    });
    Ok(())
}

/// What it looks out for beside the sites: the public names, as its own resolvers answer them.
fn lookout(config: &Outline, vantage: &VantageName, controllers: &[Arc<ControllerHttp>]) -> Option<Lookout> {
    let others = config.agents.resolvers_at(vantage).to_vec();
    let system = config.agents.system_resolvers;
    // Without a system's resolvers there is still somebody to log in through, or nobody to ask at all.
    let resolution = if system { Resolution::System } else { Resolution::Through(*others.first()?) };
    let mine = config.services.iter().map(|service| &service.service);
    let mine = mine.filter(|service| service.vantages.iter().any(|other| other.name == *vantage));
    let watched = mine.map(|service| Watched {
        service: service.name.clone(),
        names: service.moved().collect(),
        public_url: service.public_url.clone(),
        checks: service.checks.clone(),
        interval: service.policy.interval,
        timeout: service.policy.timeout,
    });
    Some(Lookout {
        watched: watched.collect(),
        resolvers: Arc::new(Recursive::new(others, system)),
        resolution,
        controllers: controllers.iter().map(|sink| Arc::clone(sink) as Arc<dyn SightingSink>).collect(),
    })
}
