//! What fails together: two sites on one network, behind one provider's front, on one host, and a zone that one company serves.

use std::net::IpAddr;

use super::{Finding, note, warning};
use crate::domain::Service;

/// Domains under which a provider hands out names for what it fronts, and whose they are. From the providers' own pages on custom
/// domains (CloudFront, Elastic Load Balancing, Global Accelerator, Azure Front Door, Traffic Manager, App Service, Akamai Edge Hostnames,
/// Fastly, Cloudflare for SaaS, Cloud Run, Heroku, Netlify, Vercel).
const FRONTS: [(&str, &str); 24] = [
    ("cloudfront.net", "Amazon CloudFront"),
    ("awsglobalaccelerator.com", "AWS Global Accelerator"),
    ("amazonaws.com", "AWS"),
    ("awsapprunner.com", "AWS"),
    ("azurefd.net", "Azure Front Door"),
    ("trafficmanager.net", "Azure Traffic Manager"),
    ("azureedge.net", "Azure CDN"),
    ("azurewebsites.net", "Azure App Service"),
    ("cloudapp.azure.com", "Azure"),
    ("cloudapp.net", "Azure"),
    ("edgesuite.net", "Akamai"),
    ("edgekey.net", "Akamai"),
    ("akamaiedge.net", "Akamai"),
    ("akamaized.net", "Akamai"),
    ("fastly.net", "Fastly"),
    ("fastlylb.net", "Fastly"),
    ("cdn.cloudflare.net", "Cloudflare"),
    ("pages.dev", "Cloudflare"),
    ("workers.dev", "Cloudflare"),
    ("run.app", "Google Cloud Run"),
    ("googlehosted.com", "Google"),
    ("herokudns.com", "Heroku"),
    ("netlify.app", "Netlify"),
    ("vercel-dns.com", "Vercel"),
];

/// What the host names of a provider's name servers contain, and whose they are: from the delegation sets that the providers document.
const SERVERS: [(&str, &str); 9] = [
    (".awsdns-", "Amazon Route 53"),
    (".azure-dns.", "Azure DNS"),
    (".ns.cloudflare.com", "Cloudflare"),
    (".googledomains.com", "Google Cloud DNS"),
    (".nsone.net", "NS1"),
    (".ultradns.", "UltraDNS"),
    (".dnsmadeeasy.com", "DNS Made Easy"),
    (".akam.net", "Akamai"),
    (".dnsimple", "DNSimple"),
];

fn is_under(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn front(host: &str) -> Option<&'static str> {
    FRONTS.iter().find(|(domain, _)| is_under(host, domain)).map(|(_, whose)| *whose)
}

/// The last two labels: not always what was registered, but what two names of one owner share.
fn tail(host: &str) -> String {
    let labels: Vec<&str> = host.rsplit('.').take(2).collect();
    labels.into_iter().rev().collect::<Vec<_>>().join(".")
}

/// Whether two addresses are of one /24, or of one /48: what is announced, and lost, together.
fn one_network(one: IpAddr, other: IpAddr) -> Option<String> {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let ([a, b, c, _], [d, e, f, _]) = (one.octets(), other.octets());
            ([a, b, c] == [d, e, f]).then(|| format!("{a}.{b}.{c}.0/24"))
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let ([a, b, c, ..], [d, e, f, ..]) = (one.segments(), other.segments());
            ([a, b, c] == [d, e, f]).then(|| format!("{a:x}:{b:x}:{c:x}::/48"))
        }
        _ => None,
    }
}

/// Where the names point, as it stands in the configuration.
pub(super) fn of_answers(service: &Service) -> Vec<Finding> {
    let mut found = Vec::new();
    for moved in service.moved() {
        let (one, other) = (plain(&moved.primary.value), plain(&moved.standby.value));
        let name = &moved.name;
        if let (Ok(one), Ok(other)) = (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
            found.extend(one_network(one, other).map(|network| {
                warning(
                    "one-network",
                    format!("both answers of {name} are in {network}"),
                    "what takes that network down, or its route, takes both sites",
                    "put the standby into another network, of another provider",
                )
            }));
            continue;
        }
        if let Some(whose) = front(&one).filter(|whose| front(&other) == Some(whose)) {
            found.push(warning(
                "one-front",
                format!("both answers of {name} are behind {whose}"),
                "what takes that down takes both sites, and its control plane may be what is broken",
                "put the standby behind another provider",
            ));
        } else if front(&one).is_none() && tail(&one) == tail(&other) {
            found.push(note(
                "one-domain",
                format!("both answers of {name} are names under {}", tail(&one)),
                "one registrar, and one set of name servers, is behind both",
                "give the sites names of their own, or addresses",
            ));
        }
    }
    found
}

/// Where the probes reach the sites.
pub(super) fn of_sites(
    service: &Service,
    primary: &Result<Vec<IpAddr>, String>,
    standby: &Result<Vec<IpAddr>, String>,
) -> Vec<Finding> {
    let (one, other) = (&service.primary.url, &service.standby.url);
    if one.host_str() == other.host_str() && one.port_or_known_default() == other.port_or_known_default() {
        return vec![warning(
            "same-host",
            format!("both sites are probed at {}", one.host_str().unwrap_or_default()),
            "the probes of the standby prove nothing about it: they see what the primary is",
            "give each site's url a host of its own",
        )];
    }
    let (Ok(primary), Ok(standby)) = (primary, standby) else { return Vec::new() };
    let shared = primary.iter().find(|address| standby.contains(address));
    let finding = shared.map(|address| {
        warning(
            "same-address",
            format!("both sites' URLs lead to {address}"),
            "one machine, or one balancer, is behind both",
            "serve the standby from somewhere else",
        )
    });
    finding.into_iter().collect()
}

/// Who serves the zone.
pub(super) fn of_servers(name_servers: &Result<Vec<String>, String>) -> Option<Finding> {
    let servers: Vec<String> = name_servers.as_ref().ok()?.iter().map(|host| plain(host)).collect();
    let whose = |host: &String| {
        let known = SERVERS.iter().find(|(mark, _)| host.contains(mark));
        known.map_or_else(|| tail(host), |(_, whose)| (*whose).to_owned())
    };
    let first = whose(servers.first()?);
    servers.iter().all(|host| whose(host) == first).then(|| {
        note(
            "one-dns-provider",
            format!("all name servers of the zone are {first}'s"),
            "while that provider does not answer, the name does not resolve, whichever site serves",
            "host the zone at two providers: [service.dns.second]",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_known_by_whole_labels() {
        assert_eq!(front("d111.cloudfront.net"), Some("Amazon CloudFront"));
        assert_eq!(front("x.us-east-1.elb.amazonaws.com"), Some("AWS"));
        assert_eq!((front("notcloudfront.net"), front("cloudfront.net.example")), (None, None));
    }

    #[test]
    fn networks_are_compared_within_their_family_only() {
        let network = |one: &str, other: &str| one_network(one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(network("192.0.2.1", "192.0.2.200").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(network("192.0.2.1", "192.0.3.1"), None);
        assert_eq!(network("2001:db8:1::1", "2001:db8:1:2::9").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!((network("2001:db8:1::1", "2001:db8:2::1"), network("192.0.2.1", "2001:db8::1")), (None, None));
    }

    #[test]
    fn the_servers_of_one_provider_are_told_and_those_of_two_are_not() {
        let of = |hosts: &[&str]| of_servers(&Ok(hosts.iter().map(|host| (*host).to_owned()).collect()));
        let route53 = ["ns-1.awsdns-01.org.", "ns-2.awsdns-02.co.uk", "ns-3.awsdns-03.com"];
        assert!(of(&route53).is_some_and(|finding| finding.what.contains("Amazon Route 53")));
        assert_eq!(of(&[route53[0], "dns1.p01.nsone.net"]), None);
        assert!(
            of(&["ns1.example.net", "ns2.example.net"]).is_some_and(|finding| finding.what.contains("example.net"))
        );
        assert_eq!((of(&[]), of_servers(&Err("away".to_owned()))), (None, None));
    }
}
