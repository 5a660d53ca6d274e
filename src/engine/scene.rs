//! All that a decision about one service may look at, at one moment.

use crate::domain::{Fence, Moment, OwnedRecords, Role, Service, SiteVotes, Verdict};

use super::ledger::Ledger;

/// See the module. It is put together anew for every decision and borrows everything.
pub(super) struct Scene<'a> {
    pub(super) now: Moment,
    pub(super) service: &'a Service,
    pub(super) ledger: &'a Ledger,
    pub(super) journal_broken: Option<&'a str>,
    /// Authority at this moment.
    pub(super) fence: Option<Fence>,
    pub(super) why_not_leading: &'a str,
    /// The records, as fenced under this authority.
    pub(super) zone: Option<&'a OwnedRecords>,
    pub(super) why_not_fenced: &'a str,
    /// Since when the serving site has been unhealthy without a break.
    pub(super) unhealthy_since: Option<Moment>,
    pub(super) primary: (SiteVotes, Verdict),
    pub(super) standby: (SiteVotes, Verdict),
}

impl Scene<'_> {
    /// The verdict on one site.
    pub(super) fn verdict(&self, role: Role) -> &Verdict {
        match role {
            Role::Primary => &self.primary.1,
            Role::Standby => &self.standby.1,
        }
    }

    /// The votes on one site.
    pub(super) fn votes(&self, role: Role) -> &SiteVotes {
        match role {
            Role::Primary => &self.primary.0,
            Role::Standby => &self.standby.0,
        }
    }

    /// The site that serves: as the zone says, and while the zone is unread as the journal says.
    pub(super) fn serving(&self) -> Role {
        self.zone.map_or_else(|| self.ledger.serving(), OwnedRecords::serving)
    }
}
