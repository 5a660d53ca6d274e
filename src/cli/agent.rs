//! `quorate agent`: one vantage.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::exit::Failure;
use super::{compose, life};
use crate::adapters::canary::NetworkCanaries;
use crate::adapters::clock::SystemClock;
use crate::adapters::controller_http::ControllerHttp;
use crate::domain::{Role, VantageName};
use crate::ports::ObservationSink;
use crate::runtime::agent::{Agent, Assignment};

/// Probe both sites of every service from one vantage, and tell the controllers.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "quorate.toml")]
    config: PathBuf,
    /// Which of the configuration's vantages this is.
    #[arg(long, value_name = "NAME")]
    vantage: String,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    with_parent: bool,
}

/// Runs until told to end.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    life::log();
    let config = compose::config(&args.config)?;
    let vantage = VantageName::new(&args.vantage).ok();
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
    let controllers = config.agents.controllers.iter().map(|base| {
        let sink = ControllerHttp::new(base, config.controller.token.clone()).map_err(Failure::usage)?;
        Ok(Arc::new(sink) as Arc<dyn ObservationSink>)
    });
    let controllers = controllers.collect::<Result<Vec<_>, Failure>>()?;
    tracing::info!(%vantage, assignments = assignments.len(), controllers = controllers.len(), "probing");
    let agent = Agent {
        vantage,
        assignments,
        probes: compose::runner(config.checks, config.library)?,
        canaries: Arc::new(canaries),
        controllers,
        spool: config.agents.spool,
        clock: Arc::new(SystemClock::new()),
    };
    let tasks = TaskTracker::new();
    agent.run(life::until_told(&tasks, args.with_parent)).await;
    Ok(())
}
