//! The lab by itself: where it listens, and what to type.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio_util::task::TaskTracker;

use super::super::exit::Failure;
use super::super::{compose, life};
use crate::config::Outline;
use crate::lab::{Lab, LabOptions};

/// The zone to try when nobody says another: no name below `test` is anybody's (RFC 6761).
const ZONE: &str = "example.test";

/// What `quorate lab` takes.
#[derive(Debug, clap::Args)]
pub(super) struct AloneArgs {
    /// Where the API listens; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8053")]
    api: SocketAddr,
    /// Where the name server listens, UDP and TCP; port 0 takes one that is free for both.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5300")]
    dns: SocketAddr,
    /// How long a change stays PENDING: 0s, 500ms, 2s, 1m. Route 53's own are "generally" within 60 seconds.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = humantime::parse_duration)]
    propagation: Duration,
    /// A zone to begin with; may be given several times [default: example.test, without --config].
    #[arg(long = "zone", value_name = "NAME")]
    zones: Vec<String>,
    /// Begin with the zones and records of this configuration, under its own zone ids.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print where it listens and the zones' ids as one line of JSON, and nothing else.
    #[arg(long)]
    json: bool,
}

/// Runs until Ctrl-C or SIGTERM.
pub(super) async fn run(args: AloneArgs) -> Result<(), Failure> {
    let config = args.config.as_deref().map(compose::for_tool).transpose()?;
    let options = LabOptions { api: args.api, dns: args.dns, propagation: args.propagation, ..LabOptions::default() };
    let lab = Lab::start(options).await.map_err(Failure::usage)?;
    let mut zones = config.as_ref().map(|config| seed(&lab, config)).transpose()?.unwrap_or_default();
    let asked = if args.zones.is_empty() && config.is_none() { vec![ZONE.to_owned()] } else { args.zones };
    for name in asked {
        let id = lab.create_zone(&name).map_err(Failure::usage)?;
        zones.push((name, id));
    }
    let text = if args.json {
        let zones: BTreeMap<&String, &String> = zones.iter().map(|(name, id)| (name, id)).collect();
        format!("{}\n", json!({ "api": lab.api_url(), "dns": lab.dns_addr(), "zones": zones }))
    } else {
        told(&lab, &zones, args.propagation)
    };
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    let tasks = TaskTracker::new();
    life::until_told(&tasks, false).cancelled().await;
    lab.shutdown().await;
    Ok(())
}

/// The zones of a configuration's services, with the ids that it gives them, and their records as they are before a
/// controller has moved any.
fn seed(lab: &Lab, config: &Outline) -> Result<Vec<(String, String)>, Failure> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let in_route53 = || config.services.iter().filter(|service| service.route53);
    for service in in_route53().map(|service| &service.service) {
        names.entry(&service.dns.zone).or_default().extend(service.names());
    }
    let mut zones = Vec::new();
    for (id, names) in names {
        let name = common_parent(&names).ok_or_else(|| {
            Failure::usage(format!("the names of the zone {id} have no parent in common: {}", names.join(", ")))
        })?;
        lab.create_zone_as(id, &name).map_err(Failure::usage)?;
        zones.push((name, id.to_owned()));
    }
    for service in in_route53().map(|service| &service.service) {
        lab.seed_records(&service.dns.zone, &config.cluster, service).map_err(Failure::usage)?;
    }
    Ok(zones)
}

/// The longest name that all of these lie below.
fn common_parent(names: &[&str]) -> Option<String> {
    let labels = |name: &str| name.split('.').rev().map(str::to_owned).collect::<Vec<_>>();
    let parents = names.iter().map(|name| {
        let mut parent = labels(name);
        parent.pop();
        parent
    });
    let mut common = parents.reduce(|one, other| {
        one.into_iter().zip(other).take_while(|(one, other)| one == other).map(|(label, _)| label).collect()
    })?;
    common.reverse();
    Some(common.join(".")).filter(|name| !name.is_empty())
}

/// What a person reads: where it is, and commands that work as they stand.
fn told(lab: &Lab, zones: &[(String, String)], propagation: Duration) -> String {
    let (api, dns) = (lab.api_url(), lab.dns_addr());
    let mut text = format!(
        "The lab is ready. Ctrl-C ends it, and with it everything in it.\n\n  Route 53 API  {api}\n  name server   {dns}, UDP and TCP\n"
    );
    // Writing to a text cannot fail.
    for (name, id) in zones {
        let _ = writeln!(text, "  zone          {id}  {name}");
    }
    let _ = write!(
        text,
        "  a change is served and INSYNC after {}\n\nPoint whatever speaks to Route 53 at it:\n\n  \
         export AWS_ENDPOINT_URL_ROUTE_53={api}\n  \
         export AWS_ACCESS_KEY_ID=lab AWS_SECRET_ACCESS_KEY=lab\n  \
         export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\n",
        humantime::format_duration(propagation)
    );
    if let Some((name, id)) = zones.first() {
        let _ = write!(
            text,
            "\nMake a record, see that it is listed at once, and ask the name server once it has propagated:\n\n  \
             aws route53 change-resource-record-sets --hosted-zone-id {id} --change-batch \\\n    \
             '{{\"Changes\":[{{\"Action\":\"CREATE\",\"ResourceRecordSet\":{{\"Name\":\"www.{name}\",\"Type\":\"A\",\"TTL\":30,\
             \"ResourceRecords\":[{{\"Value\":\"192.0.2.10\"}}]}}}}]}}'\n  \
             aws route53 list-resource-record-sets --hosted-zone-id {id}\n  \
             dig @{} -p {} +norecurse www.{name} A\n",
            dns.ip(),
            dns.port()
        );
    }
    let _ = write!(
        text,
        "\nBreak it, and look behind it (docs/lab.md):\n\n  \
         curl -d '{{\"throttle\":1}}' {api}/lab/faults\n  \
         curl {api}/lab/requests\n  \
         curl {api}/lab/health\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_of_several_names_is_the_longest_they_have_in_common() {
        assert_eq!(common_parent(&["login.example.com"]).as_deref(), Some("example.com"));
        assert_eq!(common_parent(&["a.eu.example.com", "b.example.com"]).as_deref(), Some("example.com"));
        assert_eq!(common_parent(&["example.com", "www.example.com"]).as_deref(), Some("com"));
        assert_eq!(common_parent(&["a.com", "b.org"]), None);
        assert_eq!(common_parent(&[]), None);
    }
}
