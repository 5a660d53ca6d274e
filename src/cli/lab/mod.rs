//! `quorate lab`: the lab's Route 53 and name server for anyone who wants to try a zone, and the demo's outside world as
//! processes.

mod alone;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio_util::task::TaskTracker;

use super::exit::Failure;
use super::{compose, life};
use crate::config::Config;
use crate::domain::{Role, Secret};
use crate::lab::cloud::{Cloud, CloudOptions};
use crate::lab::{Lab, LabOptions};

/// The secrets of the demo's configuration that are the demo clouds' own.
const USER: &str = "probe-user";
const PASSWORD: &str = "probe-password";

/// Run a Route 53 compatible API and its name server on this machine, to try a zone.
///
/// Whatever speaks to Route 53 can speak to it: the AWS command line, an SDK, Terraform, a controller. It is strict where the
/// service is (a DELETE must name the present values, a batch is all or nothing, an answer moves when the change is in
/// sync), its health checks really probe this machine, and faults can be switched on. Everything is kept in memory, and
/// nothing asks for credentials, so it belongs on loopback. It prints what to type.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    alone: alone::AloneArgs,
}

/// The demo's processes.
#[derive(Debug, clap::Subcommand)]
enum Part {
    /// A Route 53 compatible API, its name server and a receiver of notices, with the records of every configured service.
    #[command(hide = true)]
    Serve(ServeArgs),
    /// One demo cloud.
    #[command(hide = true)]
    Cloud(CloudArgs),
}

/// What `lab serve` takes.
#[derive(Debug, clap::Args)]
struct ServeArgs {
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[arg(long, value_name = "ADDRESS")]
    api: SocketAddr,
    #[arg(long, value_name = "ADDRESS")]
    dns: SocketAddr,
    /// How long a change stays PENDING, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    propagation_ms: u64,
    #[arg(long)]
    with_parent: bool,
}

/// What `lab cloud` takes.
#[derive(Debug, clap::Args)]
struct CloudArgs {
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[arg(long, value_name = "primary|standby", value_parser = role)]
    role: Role,
    #[arg(long)]
    with_parent: bool,
}

fn role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| "a role is primary or standby".to_owned())
}

/// Runs until told to end.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    life::log();
    match args.part {
        None => alone::run(args.alone).await,
        Some(Part::Serve(args)) => serve(args).await,
        Some(Part::Cloud(args)) => cloud(args).await,
    }
}

/// The first line on standard output says that it is ready, as JSON.
async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let config = compose::for_tool(&args.config)?;
    let propagation = Duration::from_millis(args.propagation_ms);
    let options = LabOptions { api: args.api, dns: args.dns, propagation, ..LabOptions::default() };
    let lab = Lab::start(options).await.map_err(Failure::usage)?;
    let mut zones = BTreeMap::new();
    for service in config.services.iter().map(|service| &service.service) {
        let zone = lab.seed_service(&config.cluster, service).map_err(Failure::unknown)?;
        zones.insert(service.name.to_string(), zone);
    }
    ready(&json!({ "api": lab.api_url(), "dns": lab.dns_addr(), "zones": zones }))?;
    let tasks = TaskTracker::new();
    life::until_told(&tasks, args.with_parent).cancelled().await;
    lab.shutdown().await;
    Ok(())
}

async fn cloud(args: CloudArgs) -> Result<(), Failure> {
    let config = compose::config(&args.config)?;
    let Some(service) = config.services.first() else {
        return Err(Failure::usage("a demo cloud needs a service"));
    };
    let Some(http) = service.standby_controls.http() else {
        return Err(Failure::usage(
            "a demo cloud is controlled over HTTP: its service needs [service.standby.read_only]",
        ));
    };
    let site = service.service.site(args.role);
    let addresses = site.url.socket_addrs(|| None).map_err(Failure::usage)?;
    let Some(listen) = addresses.first().copied() else {
        return Err(Failure::usage(format!("{} has no address", site.url)));
    };
    let options = CloudOptions {
        listen,
        name: site.name.to_string(),
        users: BTreeMap::from([(secret(&config, USER)?.expose().to_owned(), secret(&config, PASSWORD)?)]),
        admin_key: http.key.clone(),
    };
    let cloud = Cloud::start(options).await.map_err(Failure::usage)?;
    ready(&json!({ "url": cloud.url() }))?;
    let tasks = TaskTracker::new();
    life::until_told(&tasks, args.with_parent).cancelled().await;
    cloud.shutdown().await;
    Ok(())
}

fn secret(config: &Config, name: &str) -> Result<Secret, Failure> {
    let missing = || Failure::usage(format!("a demo cloud needs the secret '{name}'"));
    config.secrets.get(name).cloned().ok_or_else(missing)
}

fn ready(what: &serde_json::Value) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{what}")?;
    Ok(out.flush()?)
}
