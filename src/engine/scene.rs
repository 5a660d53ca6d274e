//! All that a decision about one service may look at, at one moment.

use std::time::Duration;

use crate::domain::drift::Drift;
use crate::domain::{
    Evidence, Fence, Lane, Limits, Moment, Register, Role, Service, ServiceName, SiteVotes, Verdict, WallTime,
};

use super::ledger::Ledger;
use super::limits::Lag;
use super::quorum::{self, Held};
use super::sites::Sites;

/// See the module. It is put together anew for every decision and borrows everything.
pub(super) struct Scene<'a> {
    pub(super) now: Moment,
    /// The wall clock now, as far as this process can know it without asking again.
    pub(super) wall: WallTime,
    pub(super) service: &'a Service,
    pub(super) ledger: &'a Ledger,
    pub(super) journal_broken: Option<&'a str>,
    /// What stops everything from outside.
    pub(super) halted: Option<&'a str>,
    /// Authority at this moment.
    pub(super) fence: Option<Fence>,
    pub(super) why_not_leading: &'a str,
    /// What the name is moved by, as fenced under this authority.
    pub(super) register: Option<&'a Register>,
    pub(super) why_not_fenced: &'a str,
    /// For how long the serving site has been what it is.
    pub(super) held: Held,
    /// How far the standby's data is behind.
    pub(super) lag: Option<&'a Lag>,
    /// Who may write where.
    pub(super) sites: &'a Sites,
    /// The maintenance window that it is in.
    pub(super) maintenance: Option<&'a str>,
    /// What the names themselves showed at the last look.
    pub(super) drift: Option<&'a Drift>,
    /// The stores that are not known to hold the flag's token, each with why.
    pub(super) flag_behind: &'a [String],
    /// Why what was seen is not to be trusted yet, and until when.
    pub(super) unsettled: Option<(String, Moment)>,
    /// The automatic moves of all services, not long ago.
    pub(super) all_moves: &'a [WallTime],
    /// That a rehearsal has broken this service's primary on purpose.
    pub(super) broken: Option<&'a (ServiceName, ServiceName, u64)>,
    /// What holds for all services together.
    pub(super) limits: Limits,
    /// How often it is probed, where that is not as the policy says.
    pub(super) pace: Option<Duration>,
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

    /// Whether the second lane condemns the site.
    pub(super) fn burning(&self, role: Role) -> bool {
        Evidence::in_lane(self.votes(role), quorum::rule(self.service), Lane::Burn).is_some()
    }

    /// The site that serves: as the register says, and while that is unread as the journal says.
    pub(super) fn serving(&self) -> Role {
        self.register.map_or_else(|| self.ledger.serving(), Register::serving)
    }
}
