//! `quorate replay`: what another policy would have done with what was observed, beside what was done.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::exit::Failure;
use super::moment::Moment;
use super::show::{BAD, GOOD, QUIET, STRONG, WARN, cut};
use super::{api, compose};
use crate::adapters::clock::SystemClock;
use crate::adapters::sqlite::SqliteStore;
use crate::config::load_policy;
use crate::domain::{Policy, Service, WallTime};
use crate::ports::{Class, Clock, JournalStore, PortError};
use crate::runtime::past::Past;
use crate::sim::replay::{Deed, Replayed, replay};

/// How much of a text fits beside its time.
const TEXT_CHARS: usize = 100;

/// Put the recorded observations through another policy: what it would have done and when, beside what was done.
///
/// It reads the controller's store, and changes nothing but what opening a store of an older version changes. What was seen was
/// seen at the pace of the policy then in force: one that bursts would have seen more, and sooner. Exits with 2 when nothing of that time is kept.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "quorate.toml")]
    config: PathBuf,
    /// The policy to try: a file.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// From when on: 2026-11-20T02:00:00Z, or 3h for three hours ago.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    since: Moment,
    /// Until when; now unless given.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    until: Option<Moment>,
    /// Only this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Print JSON, one object for all services.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let config = compose::for_tool(&args.config)?;
    let policy = policy(&args.policy)?;
    let services: Vec<Service> = config.services.iter().map(|service| service.service.clone()).collect();
    let wanted = |service: &&Service| args.service.as_ref().is_none_or(|name| service.name.as_str() == name);
    let services: Vec<&Service> = services.iter().filter(wanted).collect();
    if let (Some(name), []) = (&args.service, services.as_slice()) {
        return Err(Failure::usage(format!("{}: there is no service '{name}'", args.config.display())));
    }
    let now = SystemClock::new().wall();
    let (since, until) = (args.since.before(now), args.until.map_or(now, |until| until.before(now)));
    if since >= until {
        return Err(Failure::usage(format!("--since {since} is not before {until}")));
    }
    if !config.controller.data.exists() {
        let path = config.controller.data.display();
        return Err(Failure::unknown(format!("there is no store at {path}: run this where the controller runs")));
    }
    let store = Arc::new(SqliteStore::open(&config.controller.data).map_err(Failure::unknown)?);
    let journal = store.load().await.map_err(|error| Failure::unknown(&error))?;
    let past = Past::new(config.cluster.clone(), config.limits, store.clone(), store);
    let mut all = Vec::new();
    for service in services {
        match replay(&past, service, policy.clone(), &journal, since, until).await {
            Ok(replayed) => all.push((service, replayed)),
            Err(PortError { class: Class::Refused, what }) => return Err(Failure::unknown(what)),
            Err(error) => return Err(Failure::unknown(&error)),
        }
    }
    if args.json {
        let services: Vec<_> = all.iter().map(|(service, replayed)| object(service, replayed)).collect();
        let (since, until) = (since.as_ms(), until.as_ms());
        let policy = policy.name();
        return api::print_json(
            &json!({"v": 1, "policy": policy, "since_ms": since, "until_ms": until, "services": services}),
        );
    }
    for (service, replayed) in &all {
        show(&mut anstream::stdout(), service, policy.name(), replayed)?;
    }
    Ok(())
}

fn policy(path: &Path) -> Result<Policy, Failure> {
    load_policy(path)
        .map(|loaded| loaded.policy)
        .map_err(|problems| Failure::usage(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

fn object(service: &Service, replayed: &Replayed) -> serde_json::Value {
    let deeds = |deeds: &[Deed]| {
        let deed = |deed: &Deed| json!({"at_ms": deed.at.as_ms(), "code": deed.code, "text": deed.text});
        deeds.iter().map(deed).collect::<Vec<_>>()
    };
    json!({
        "service": service.name.as_str(),
        "observations": replayed.observations,
        "first_ms": replayed.span.map(|(first, _)| first.as_ms()),
        "last_ms": replayed.span.map(|(_, last)| last.as_ms()),
        "would": deeds(&replayed.would),
        "done": deeds(&replayed.done),
    })
}

fn show(out: &mut impl Write, service: &Service, policy: &str, replayed: &Replayed) -> io::Result<()> {
    let (first, last) = replayed.span.unwrap_or_default();
    writeln!(
        out,
        "{STRONG}{}{STRONG:#}  {} observations by {} of {} vantages",
        service.name,
        replayed.observations,
        replayed.heard,
        service.vantages.len()
    )?;
    writeln!(out, "  {QUIET}{first} to {last}{QUIET:#}")?;
    let (was, would) = (service.policy.name(), policy);
    writeln!(out, "\n  {GOOD}●{GOOD:#} done under '{was}'   {WARN}◆{WARN:#} what '{would}' would have done\n")?;
    let mut all: Vec<(bool, &Deed)> = replayed
        .done
        .iter()
        .map(|deed| (true, deed))
        .chain(replayed.would.iter().map(|deed| (false, deed)))
        .collect();
    all.sort_by_key(|(done, deed)| (deed.at, !done));
    if all.is_empty() {
        writeln!(out, "  nothing was done, and nothing would have been")?;
    }
    let mut before: Option<WallTime> = None;
    for (done, deed) in all {
        let (mark, style) = if done { ("●", GOOD) } else { ("◆", WARN) };
        let moved = matches!(deed.code, "failover" | "failback");
        let word = if moved { BAD } else { STRONG };
        let gap = before.map(|before| deed.at.since(before)).filter(|gap| gap.as_secs() >= 1);
        let gap = gap.map(|gap| format!("+{:.1} s", gap.as_secs_f64())).unwrap_or_default();
        before = Some(deed.at);
        writeln!(
            out,
            "  {style}{mark}{style:#} {QUIET}{} {gap:>10}{QUIET:#}  {word}{:<15}{word:#} {}",
            deed.at,
            deed.code,
            cut(&deed.text, TEXT_CHARS)
        )?;
    }
    let count = |deeds: &[Deed]| deeds.iter().filter(|deed| deed.code == "failover").count();
    writeln!(out, "\n  failovers: {} under '{was}', {} by '{would}'", count(&replayed.done), count(&replayed.would))
}
