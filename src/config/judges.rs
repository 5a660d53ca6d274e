//! What a service says of its checks: which there are, which decide alone, which has the last word, and how many must
//! pass.

use std::path::Path;

use super::draft::{Draft, ServiceDraft};
use super::problem::{At, Report};
use super::values::nearest;
use crate::domain::{CheckName, Need, Policy};

/// A service's checks, resolved.
pub(super) struct Judges {
    pub(super) checks: Vec<CheckName>,
    pub(super) critical: Vec<CheckName>,
    pub(super) veto: Option<CheckName>,
}

/// Judges the names; what is wrong with them has been reported.
pub(super) fn judges(draft: &ServiceDraft, file: &Draft, report: &Report) -> Option<Judges> {
    let list = draft.checks.as_ref()?;
    if list.value.is_empty() {
        report.error(&list.spot, "'checks' is empty: nothing would say whether a site is up");
    }
    report.unique("check", list.value.iter());
    for check in &list.value {
        defined(check, file, report);
    }
    let critical: &[At<CheckName>] = draft.critical.as_ref().map_or(&[], |critical| &critical.value);
    report.unique("critical check", critical.iter());
    for check in critical {
        if !list.value.iter().any(|listed| listed.value == check.value) {
            report.error(
                &check.spot,
                format!(
                    "the critical check '{}' is not one of the service's: list it under 'checks' as well",
                    check.value
                ),
            );
        }
    }
    if let Some(veto) = &draft.veto {
        defined(veto, file, report);
        if list.value.iter().any(|listed| listed.value == veto.value) {
            report.warn(
                &veto.spot,
                format!(
                    "the veto '{}' is also one of 'checks': it fails whenever they do, and nothing would ever be moved; \
                     give it a check of its own",
                    veto.value
                ),
            );
        }
    }
    Some(Judges {
        checks: list.value.iter().map(|check| check.value.clone()).collect(),
        critical: critical.iter().map(|check| check.value.clone()).collect(),
        veto: draft.veto.as_ref().map(|veto| veto.value.clone()),
    })
}

/// Whether so many checks as the policy needs could ever pass.
pub(super) fn needed(draft: &ServiceDraft, policy: &Policy, file: &Path, report: &Report) {
    let Some(checks) = &draft.checks else { return };
    let there = checks.value.len();
    if let Need::AtLeast(needed) = policy.need
        && needed > there
        && there > 0
    {
        let spot = draft.policy.as_ref().map_or(&draft.at, |policy| &policy.spot);
        report.error(
            spot,
            format!(
                "need {needed} ({}) is larger than the {there} {} of '{}': no site could ever be up; add checks or \
                 choose another policy",
                file.display(),
                if there == 1 { "check" } else { "checks" },
                draft.name.as_ref().map_or("this service", |name| name.value.as_str()),
            ),
        );
    }
}

pub(super) fn defined(check: &At<CheckName>, file: &Draft, report: &Report) {
    let known = || file.checks.iter().map(|check| check.key.value.as_str());
    let name = check.value.as_str();
    if known().any(|known| known == name) {
        return;
    }
    let way_out = match nearest(name, known()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("add [check.{name}] with its script"),
    };
    report.error(&check.spot, format!("the check '{name}' is not defined: {way_out}"));
}
