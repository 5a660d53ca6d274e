//! Where a service's vantages stand, measured against its policy: enough of them for a quorum, in enough clouds, and
//! no cloud that could bring the service down by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::draft::ServiceDraft;
use super::problem::Report;
use crate::domain::{Policy, Vantage};

/// Fewer vantages than this and the loss of two leaves no quorum of three.
const VANTAGES_ADVISED: usize = 5;

/// Judges the vantages of one service.
pub(super) fn judge(draft: &ServiceDraft, policy: &Policy, file: &Path, vantages: &[Vantage], report: &Report) {
    let service = draft.name.as_ref().map_or("this service", |name| name.value.as_str());
    let policy_spot = draft.policy.as_ref().map_or(&draft.at, |policy| &policy.spot);
    let list_spot = draft.vantages.as_ref().map_or(&draft.at, |list| &list.spot);
    let (quorum, file) = (policy.quorum, file.display());
    let mut clouds: BTreeMap<&str, usize> = BTreeMap::new();
    for vantage in vantages {
        *clouds.entry(vantage.cloud.as_str()).or_default() += 1;
    }
    if quorum > vantages.len() {
        report.error(
            policy_spot,
            format!(
                "quorum {quorum} ({file}) is larger than the {} of '{service}': it could never be reached; add vantages \
                 or choose another policy",
                counted(vantages.len(), "vantage")
            ),
        );
    } else if vantages.len() < VANTAGES_ADVISED {
        report.warn(
            list_spot,
            format!(
                "'{service}' has {}: with fewer than {VANTAGES_ADVISED}, losing one or two leaves too few to agree",
                counted(vantages.len(), "vantage")
            ),
        );
    }
    if policy.clouds > clouds.len() {
        let names: Vec<&str> = clouds.keys().copied().collect();
        report.error(
            policy_spot,
            format!(
                "clouds {} ({file}) is larger than the {} that the vantages of '{service}' stand in ({}): votes could \
                 never come from that many; add a vantage elsewhere or choose another policy",
                policy.clouds,
                counted(clouds.len(), "cloud"),
                names.join(", ")
            ),
        );
    }
    for (cloud, held) in &clouds {
        if *held >= quorum {
            report.error(
                list_spot,
                format!(
                    "the cloud '{cloud}' holds {held} of the {} of '{service}', a quorum of {quorum} by itself: one \
                     cloud's trouble must not count as the service's; have at most {} in a cloud",
                    counted(vantages.len(), "vantage"),
                    quorum - 1
                ),
            );
        } else if quorum <= vantages.len() && vantages.len() - held < quorum {
            report.warn(
                list_spot,
                format!(
                    "without the cloud '{cloud}', '{service}' has {} left, fewer than quorum {quorum}: nothing would \
                     be decided while that cloud is down; add vantages elsewhere",
                    counted(vantages.len() - held, "vantage")
                ),
            );
        }
    }
    witness(draft, service, &clouds.into_keys().collect(), report);
}

/// A vantage in neither site's cloud is the only one that both sites' troubles leave alone.
fn witness(draft: &ServiceDraft, service: &str, clouds: &BTreeSet<&str>, report: &Report) {
    let cloud = |site: &Option<super::draft::SiteDraft>| Some(site.as_ref()?.cloud.as_ref()?.value.clone());
    let (Some(primary), Some(standby)) = (cloud(&draft.primary), cloud(&draft.standby)) else { return };
    if clouds.iter().all(|cloud| *cloud == primary || *cloud == standby) {
        let list_spot = draft.vantages.as_ref().map_or(&draft.at, |list| &list.spot);
        report.warn(
            list_spot,
            format!("every vantage of '{service}' stands in a cloud of one of its sites: add one in a third cloud"),
        );
    }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
