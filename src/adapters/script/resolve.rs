//! Names to addresses, as a probe wants them: as this machine does it, or through one name server without any cache.
//! Both give one error type, so that "this vantage's resolver is down" can be told from "the site refused".

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::ports::Resolution;

/// How long one query to the name server may take before it is sent again; a lost datagram must not cost the probe its
/// deadline.
const QUERY_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How often a query is sent again.
const QUERY_ATTEMPTS: usize = 2;

/// A name that could not be turned into an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve '{name}' {by}: {why}")]
pub(super) struct Unresolved {
    name: String,
    by: String,
    why: String,
}

/// The resolver for one probe.
pub(super) fn resolver(resolution: &Resolution) -> Result<Arc<dyn Resolve>, NetError> {
    Ok(match resolution {
        Resolution::System => Arc::new(OfThisMachine),
        Resolution::Through(server) => Arc::new(OneServer { server: *server, resolver: through(*server)? }),
    })
}

struct OfThisMachine;

impl Resolve for OfThisMachine {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<SocketAddr> = found
                .map_err(|error| Unresolved {
                    name: name.as_str().to_owned(),
                    by: "with this machine's resolver".to_owned(),
                    why: resolver_words(&error),
                })?
                .collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

struct OneServer {
    server: SocketAddr,
    resolver: TokioResolver,
}

impl Resolve for OneServer {
    fn resolve(&self, name: Name) -> Resolving {
        let (server, resolver) = (self.server, self.resolver.clone());
        Box::pin(async move {
            // With its final dot the name is complete, and no search list applies.
            let complete = format!("{}.", name.as_str().trim_end_matches('.'));
            let found = resolver.lookup_ip(complete).await.map_err(|error| Unresolved {
                name: name.as_str().to_owned(),
                by: format!("through the name server {server}"),
                why: error.to_string(),
            })?;
            let addresses: Vec<IpAddr> = found.iter().collect();
            Ok(Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
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
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = QUERY_TIMEOUT;
    options.attempts = QUERY_ATTEMPTS;
    builder.build()
}

/// The C library's words without its preface.
fn resolver_words(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}
