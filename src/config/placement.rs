//! Where a service's vantages stand, measured against its policy: enough of them for a quorum, in enough clouds, and
//! no fault domain (a cloud, a network, an account) that could bring the service down by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::canaries::on_this_machine;
use super::draft::ServiceDraft;
use super::problem::{Report, Spot};
use crate::domain::{Policy, Vantage};

/// Fewer vantages than this and the loss of two leaves no quorum of three.
const VANTAGES_ADVISED: usize = 5;

/// One service's vantages and where to point.
struct Placement<'a> {
    service: &'a str,
    vantages: &'a [Vantage],
    quorum: usize,
    /// The policy's file, for people.
    file: String,
    policy_spot: &'a Spot,
    list_spot: &'a Spot,
    report: &'a Report,
}

/// Judges the vantages of one service.
pub(super) fn judge(draft: &ServiceDraft, policy: &Policy, file: &Path, vantages: &[Vantage], report: &Report) {
    let placement = Placement {
        service: draft.name.as_ref().map_or("this service", |name| name.value.as_str()),
        vantages,
        quorum: policy.quorum,
        file: file.display().to_string(),
        policy_spot: draft.policy.as_ref().map_or(&draft.at, |policy| &policy.spot),
        list_spot: draft.vantages.as_ref().map_or(&draft.at, |list| &list.spot),
        report,
    };
    placement.quorum();
    let clouds = placement.held(|vantage| Some(&vantage.cloud));
    placement.clouds(policy.clouds, &clouds);
    placement.domains("cloud", &clouds);
    placement.domains("network", &placement.held(|vantage| vantage.network.as_deref()));
    // on one machine there is nothing to be independent of
    if !on_this_machine(draft) {
        placement.accounts();
    }
    placement.witness(draft, &clouds.into_keys().collect());
}

impl<'a> Placement<'a> {
    fn quorum(&self) {
        let (quorum, there, service) = (self.quorum, self.vantages.len(), self.service);
        if quorum > there {
            self.report.error(
                self.policy_spot,
                format!(
                    "quorum {quorum} ({}) is larger than the {} of '{service}': it could never be reached; add \
                     vantages or choose another policy",
                    self.file,
                    counted(there, "vantage")
                ),
            );
            return;
        }
        if there < VANTAGES_ADVISED {
            self.report.warn(
                self.list_spot,
                format!(
                    "'{service}' has {}: with fewer than {VANTAGES_ADVISED}, losing one or two leaves too few to agree",
                    counted(there, "vantage")
                ),
            );
        }
        // a quorum of one is the policy's own folly, and said there
        if quorum > 1 && quorum * 2 <= there {
            self.report.warn(
                self.policy_spot,
                format!(
                    "quorum {quorum} ({}) is no majority of the {there} vantages of '{service}': as many may see it well \
                     as see it down, and it would be moved; {} is a majority",
                    self.file,
                    there / 2 + 1
                ),
            );
        }
    }

    fn clouds(&self, wanted: usize, clouds: &BTreeMap<&str, usize>) {
        if wanted > clouds.len() {
            let names: Vec<&str> = clouds.keys().copied().collect();
            self.report.error(
                self.policy_spot,
                format!(
                    "clouds {wanted} ({}) is larger than the {} that the vantages of '{}' stand in ({}): votes could \
                     never come from that many; add a vantage elsewhere or choose another policy",
                    self.file,
                    counted(clouds.len(), "cloud"),
                    self.service,
                    names.join(", ")
                ),
            );
        }
    }

    /// No domain may hold a quorum: its own trouble would count as the service's. None should be needed for one.
    fn domains(&self, word: &str, domains: &BTreeMap<&str, usize>) {
        for (name, held) in domains {
            if *held >= self.quorum {
                self.report.error(
                    self.list_spot,
                    format!(
                        "the {word} '{name}' holds {held} of the {} of '{}', a quorum of {} by itself: one {word}'s \
                         trouble must not count as the service's; have at most {} in a {word}",
                        counted(self.vantages.len(), "vantage"),
                        self.service,
                        self.quorum,
                        self.quorum - 1
                    ),
                );
            } else if let Some(left) = self.too_few_without(*held) {
                self.report.warn(
                    self.list_spot,
                    format!(
                        "without the {word} '{name}', '{}' has {} left, fewer than quorum {}: nothing would be decided \
                         while that {word} is down; add vantages elsewhere",
                        self.service,
                        counted(left, "vantage"),
                        self.quorum
                    ),
                );
            }
        }
    }

    /// A refused login is a suspicion, which two accounts must share: an account cannot move anyone by itself, and it
    /// can keep everyone from moving.
    fn accounts(&self) {
        let accounts = self.held(|vantage| Some(&vantage.account));
        if accounts.len() < 2 {
            self.report.warn(
                self.list_spot,
                format!(
                    "all vantages of '{}' log in with one account: a refused login or an unmet assertion will only \
                     page, never move; give some of them another 'account'",
                    self.service
                ),
            );
            return;
        }
        for (name, held) in accounts {
            if let Some(left) = self.too_few_without(held) {
                self.report.warn(
                    self.list_spot,
                    format!(
                        "without the account '{name}', '{}' has {} left, fewer than quorum {}: nothing would be decided \
                         while that account is locked; have at most {} log in with one",
                        self.service,
                        counted(left, "vantage"),
                        self.quorum,
                        self.vantages.len() - self.quorum
                    ),
                );
            }
        }
    }

    /// A vantage in neither site's cloud is the only one that both sites' troubles leave alone.
    fn witness(&self, draft: &ServiceDraft, clouds: &BTreeSet<&str>) {
        let cloud = |site: &Option<super::draft::SiteDraft>| Some(site.as_ref()?.cloud.as_ref()?.value.clone());
        let (Some(primary), Some(standby)) = (cloud(&draft.primary), cloud(&draft.standby)) else { return };
        if clouds.iter().all(|cloud| *cloud == primary || *cloud == standby) {
            self.report.warn(
                self.list_spot,
                format!(
                    "every vantage of '{}' stands in a cloud of one of its sites: add one in a third cloud",
                    self.service
                ),
            );
        }
    }

    /// How many vantages each domain holds, where they name one.
    fn held(&self, domain: impl Fn(&'a Vantage) -> Option<&'a str>) -> BTreeMap<&'a str, usize> {
        let mut held = BTreeMap::new();
        for name in self.vantages.iter().filter_map(domain) {
            *held.entry(name).or_default() += 1;
        }
        held
    }

    /// How many are left without so many, when that is no quorum, and all together are.
    fn too_few_without(&self, held: usize) -> Option<usize> {
        let left = self.vantages.len() - held;
        (self.quorum <= self.vantages.len() && left < self.quorum).then_some(left)
    }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
