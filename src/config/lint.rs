//! What is legal but unwise. A warning never keeps a configuration from being used.

use std::time::Duration;

use super::canaries;
use super::dns;
use super::draft::{Draft, ServiceDraft};
use super::problem::Report;
use super::values::human;

/// A longer time to live makes every flip slower than two minutes: browsers keep an answer for up to a minute more.
const TTL_ADVISED: Duration = Duration::from_secs(60);

/// Looks at the whole file.
pub(super) fn draft(draft: &Draft, report: &Report) {
    for service in &draft.services {
        ttl(service, report);
        one_cloud(service, report);
        other_host(service, report);
        dns::lint(service, report);
    }
    if draft.notify.is_none() {
        report.warn(
            &draft.start,
            "nobody is told of anything: add [notify] with 'slack', the name of a secret that holds a webhook's URL",
        );
    }
}

/// Looks for what is there and not used, and at the canaries: with something wrong elsewhere, whatever is left out for
/// it would count here.
pub(super) fn whole(draft: &Draft, report: &Report) {
    canaries::lint(draft, report);
    for check in &draft.checks {
        let name = check.key.value.as_str();
        let mut used = draft.services.iter().flat_map(|service| {
            let sites = service.primary.iter().chain(&service.standby);
            let tried = sites.filter_map(|site| site.write_probe.as_ref());
            service.checks.iter().flat_map(|list| &list.value).chain(&service.veto).chain(tried)
        });
        if !used.any(|used| used.value.as_str() == name) {
            report.warn(
                &check.key.spot,
                format!("the check '{name}' is not used: list it under 'checks' of a service, or remove it"),
            );
        }
    }
    if let Some(notify) = &draft.notify
        && notify.slack.is_none()
        && notify.slack_loud.is_none()
        && notify.sms.is_none()
    {
        report.warn(&notify.at, "[notify] names nobody: add 'slack', 'slack_loud' or [notify.sms]");
    }
}

fn ttl(service: &ServiceDraft, report: &Report) {
    let Some(ttl) = service.dns.as_ref().and_then(|dns| dns.ttl.as_ref()) else { return };
    if ttl.value > TTL_ADVISED {
        report.warn(
            &ttl.spot,
            format!(
                "a ttl of {} keeps visitors on the broken site for that long after a flip: 30s is advised, {} at most",
                human(ttl.value),
                human(TTL_ADVISED)
            ),
        );
    }
}

fn one_cloud(service: &ServiceDraft, report: &Report) {
    let (Some(primary), Some(standby)) = (&service.primary, &service.standby) else { return };
    let (Some(primary), Some(standby)) = (&primary.cloud, &standby.cloud) else { return };
    if primary.value == standby.value {
        report.warn(
            &standby.spot,
            format!("both sites stand in the cloud '{}': what takes it down takes both", standby.value),
        );
    }
}

fn other_host(service: &ServiceDraft, report: &Report) {
    let Some(name) = service.dns.as_ref().and_then(|dns| dns.name.as_ref()) else { return };
    let Some(host) = service.public_url.as_ref().and_then(|url| url.value.host_str()) else { return };
    if host.trim_end_matches('.') != name.value {
        report.warn(
            &name.spot,
            format!(
                "the name that moves is '{}', and visitors go to '{host}' (public_url): a flip may not reach them",
                name.value
            ),
        );
    }
}
