//! Names to addresses, as a probe wants them: as this machine does it, or through one name server. Nothing is cached: a probe must see what
//! a new user sees. "This vantage's resolver is down" is told from "there is no such name".

use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::http::Trouble;
use crate::domain::FailureKind;
use crate::ports::Resolution;

/// How long one query to the name server may take before it is sent again; a lost datagram must not cost the probe its
/// deadline.
const QUERY_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How often a query is sent again.
const QUERY_ATTEMPTS: usize = 2;

thread_local! {
    /// The machine's own way, read once for each worker: its sockets belong to the worker's runtime.
    static OF_THIS_MACHINE: OnceCell<Result<TokioResolver, String>> = const { OnceCell::new() };
}

/// The addresses of the host, in the order in which they are to be tried.
pub(super) async fn addresses(host: &str, resolution: &Resolution) -> Result<Vec<IpAddr>, Trouble> {
    if let Ok(ip) = host.trim_matches(['[', ']']).parse() {
        return Ok(vec![ip]);
    }
    let (resolver, by) = match resolution {
        Resolution::System => (of_this_machine(), "with this machine's resolver".to_owned()),
        Resolution::Through(server) => {
            (through(*server).map_err(|error| error.to_string()), format!("through the name server {server}"))
        }
    };
    let resolver =
        resolver.map_err(|why| Trouble::Vantage(format!("this machine's resolver cannot be set up: {why}")))?;
    // With its final dot the name is complete, and no search list applies.
    let complete = match resolution {
        Resolution::Through(_) => format!("{}.", host.trim_end_matches('.')),
        Resolution::System => host.to_owned(),
    };
    let found = resolver.lookup_ip(complete).await.map_err(|error| {
        let words = format!("cannot resolve '{host}' {by}: {error}");
        // A server has said that there is nothing; anything else is about the way to it, or about the server.
        if error.is_nx_domain() || error.is_no_records_found() {
            Trouble::Site(FailureKind::Network, words)
        } else {
            Trouble::Vantage(words)
        }
    })?;
    Ok(found.iter().collect())
}

fn of_this_machine() -> Result<TokioResolver, String> {
    OF_THIS_MACHINE.with(|kept| {
        kept.get_or_init(|| {
            let mut builder = TokioResolver::builder_tokio().map_err(|error| error.to_string())?;
            limits(builder.options_mut());
            builder.build().map_err(|error| error.to_string())
        })
        .clone()
    })
}

fn through(server: SocketAddr) -> Result<TokioResolver, NetError> {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let config =
        ResolverConfig::from_name_servers(vec![NameServerConfig::new(server.ip(), true, connections.into())]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    limits(options);
    options.use_hosts_file = ResolveHosts::Never;
    builder.build()
}

fn limits(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = QUERY_TIMEOUT;
    options.attempts = QUERY_ATTEMPTS;
}
