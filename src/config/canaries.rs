//! Canaries: neutral places that an agent asks when a probe fails, to learn whether its own network is what is down.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::Url;

use super::draft::{AgentsDraft, Draft, ServiceDraft};
use super::problem::{At, Report};
use super::values::url;

/// How many must answer when nothing else is said: one may be down by itself.
const NEEDED: usize = 2;
/// So many can lose one that is down by itself.
const ADVISED: usize = 3;

/// An http or https URL, or `tcp://host:port`.
pub(super) fn canary(text: &str) -> Result<Url, String> {
    if !text.starts_with("tcp:") {
        return url(text).map_err(|error| format!("{error}, or tcp://192.0.2.1:443"));
    }
    let wrong = || format!("'{text}' is not a canary: write tcp://host:port or https://host/");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let named = url.host_str().is_some_and(|host| !host.is_empty()) && url.port().is_some();
    let open = url.username().is_empty() && url.password().is_none();
    if bare && named && open { Ok(url) } else { Err(wrong()) }
}

/// How many must answer: none where there are no canaries. More than there are is an error.
pub(super) fn needed(draft: &AgentsDraft, report: &Report) -> Option<usize> {
    let there = draft.canaries.as_ref().map_or(0, |list| list.value.len());
    let written = draft.canaries_needed.as_ref();
    let needed = match written {
        Some(needed) => usize::try_from(needed.value).ok()?,
        None if there == 0 => 0,
        None => NEEDED,
    };
    if needed > there {
        let (by_default, spot) = match (written, &draft.canaries) {
            (Some(needed), _) => ("", &needed.spot),
            (None, Some(list)) => (" by default", &list.spot),
            (None, None) => return Some(0),
        };
        report.error(
            spot,
            format!(
                "'canaries_needed' is {needed}{by_default}, and there {} {there}: every vantage would abstain for ever; \
                 add canaries = [\"https://…\", \"tcp://192.0.2.1:443\"] or need fewer",
                if there == 1 { "is" } else { "are" }
            ),
        );
        return None;
    }
    Some(needed)
}

/// Whether both sites are on this machine: a demo or a test, in which no network can be down.
pub(super) fn on_this_machine(service: &ServiceDraft) -> bool {
    let local = |url: &Option<At<Url>>| {
        url.as_ref().and_then(|url| url.value.host_str()).is_some_and(|host| {
            host == "localhost"
                || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
                || bare(host).parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
        })
    };
    [&service.primary, &service.standby].into_iter().all(|site| site.as_ref().is_some_and(|site| local(&site.url)))
}

/// Says what is unwise about the canaries.
pub(super) fn lint(draft: &Draft, report: &Report) {
    if draft.services.iter().all(on_this_machine) {
        return;
    }
    let Some(list) = draft.agents.canaries.as_ref().filter(|list| !list.value.is_empty()) else {
        let spot = draft.agents.canaries.as_ref().map_or(&draft.start, |list| &list.spot);
        report.warn(
            spot,
            "there are no canaries: an agent whose own network is down votes \"down\", and a common fault of several \
             (0.84 needless moves a year, none with canaries) moves everyone; add canaries = [\"https://…\"] to \
             [agents], three places of three providers",
        );
        return;
    };
    let hosts: Vec<&str> = list.value.iter().filter_map(|canary| canary.value.host_str()).collect();
    let domains: BTreeSet<String> = hosts.iter().map(|host| domain(host)).collect();
    let there = list.value.len();
    let needed = draft.agents.canaries_needed.as_ref().and_then(|needed| usize::try_from(needed.value).ok());
    let needed = needed.unwrap_or(NEEDED);
    if there == needed {
        report.warn(
            &list.spot,
            format!(
                "all of the {there} canaries must answer: one that is down by itself silences every vantage; list at \
                 least {}, of different providers",
                ADVISED.max(needed + 1)
            ),
        );
    } else if there < ADVISED {
        report.warn(
            &list.spot,
            format!(
                "{there} canaries, of which {needed} must answer, tell little about an agent's network; list at least \
                 {ADVISED}, of different providers"
            ),
        );
    }
    if domains.len() == 1
        && list.value.len() > 1
        && let Some(domain) = domains.first()
    {
        report.warn(
            &list.spot,
            format!(
                "all canaries are of '{domain}': its trouble would silence every vantage; choose different providers"
            ),
        );
    }
    for canary in &list.value {
        let Some(host) = canary.value.host_str() else { continue };
        if let Some(service) = draft.services.iter().find(|service| belongs_to(service, host)) {
            let name = service.name.as_ref().map_or("a service", |name| name.value.as_str());
            report.warn(
                &canary.spot,
                format!(
                    "the canary '{host}' is where '{name}' itself lives: with it down, vantages would abstain instead \
                     of voting; choose a neutral place"
                ),
            );
        }
    }
}

fn belongs_to(service: &ServiceDraft, host: &str) -> bool {
    let sites = [&service.primary, &service.standby].into_iter().flatten();
    let urls = sites.clone().filter_map(|site| site.url.as_ref()).chain(&service.public_url);
    let mut hosts = urls.filter_map(|url| url.value.host_str()).map(str::to_owned);
    let mut answers = sites.filter_map(|site| site.answer.as_ref()).map(|answer| answer.value.clone());
    hosts.any(|known| plain(&known) == plain(host)) || answers.any(|known| plain(&known) == plain(host))
}

fn plain(host: &str) -> String {
    bare(host).trim_end_matches('.').to_ascii_lowercase()
}

/// An IPv6 address without the brackets that it has in a URL.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The part of a name that one owner has, as far as that can be told without a list: its last two labels, or three
/// where the last two are such as co.uk. An address is one of its own.
fn domain(host: &str) -> String {
    let host = plain(host);
    if host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok() {
        return host;
    }
    let labels: Vec<&str> = host.rsplit('.').collect();
    let kept = match labels.as_slice() {
        [country, second, _, ..] if country.len() == 2 && second.len() <= 3 => 3,
        _ => 2,
    };
    labels.into_iter().take(kept).rev().collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_a_page_or_a_port() {
        for good in ["https://example.com/", "http://192.0.2.1/x", "tcp://192.0.2.1:443", "tcp://[2001:db8::1]:53"] {
            assert!(canary(good).is_ok(), "{good}");
        }
        for bad in ["tcp://192.0.2.1", "tcp://:443", "tcp://a@b:1", "tcp://b:1/x", "udp://b:1", "example.com"] {
            assert!(canary(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_one_owner_are_one_domain_and_addresses_are_their_own() {
        assert_eq!(["a.example.com", "example.com", "A.B.Example.COM."].map(domain), ["example.com"; 3]);
        assert_eq!(["a.example.co.uk", "b.other.co.uk"].map(domain), ["example.co.uk", "other.co.uk"]);
        assert_eq!(domain("192.0.2.1"), "192.0.2.1");
        assert_eq!(domain("[2001:db8::1]"), "2001:db8::1");
    }
}
