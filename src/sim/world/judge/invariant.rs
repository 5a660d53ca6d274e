//! The invariants that the judge knows, and when each counts as having been at risk.

/// One invariant of `safety.md` 4.1, or of the engine's own four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Single writer.
    S1,
    /// Evidence.
    S2,
    /// Standby proven.
    S3,
    /// Both sick, no action.
    S4,
    /// Fencing.
    S5,
    /// Epochs survive the loss of the store.
    S6,
    /// Write-ahead journal.
    S7,
    /// Resumed from any crash.
    S8,
    /// Fail static.
    S9,
    /// A freeze wins.
    S10,
    /// No automatic failback.
    S12,
    /// The order of a failover.
    S15,
    /// Never empty.
    S16,
    /// Nothing else is touched.
    S17,
    /// Drift is not fought.
    S20,
    /// One open plan.
    E1,
    /// No step before its start is durable.
    E2,
    /// The journal folds.
    E3,
    /// Nothing vanishes.
    E4,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S4,
        Self::S5,
        Self::S6,
        Self::S7,
        Self::S8,
        Self::S9,
        Self::S10,
        Self::S12,
        Self::S15,
        Self::S16,
        Self::S17,
        Self::S20,
        Self::E1,
        Self::E2,
        Self::E3,
        Self::E4,
    ];

    /// Its id in the catalogue, and what it asks.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::S1 => ("S1", "while the name points at the standby, the standby takes no writes"),
            Self::S2 => {
                ("S2", "an automatic move has a fresh quorum of vantages that saw failures, from enough clouds")
            }
            Self::S3 => ("S3", "a move goes where a fresh quorum of vantages saw the check pass"),
            Self::S4 => ("S4", "an automatic move does not go where too many vantages last saw a failure"),
            Self::S5 => ("S5", "the zone's token grows with every write"),
            Self::S6 => ("S6", "no epoch moves the name for two controllers"),
            Self::S7 => ("S7", "a flip that is sent or applied has a durable intent with the same tokens"),
            Self::S8 => ("S8", "after healing, no plan stays open"),
            Self::S9 => ("S9", "without lease or reporting quorum nothing moves"),
            Self::S10 => ("S10", "no flip is started, or sent, after a freeze is durable"),
            Self::S12 => ("S12", "only a person's plan moves the name back"),
            Self::S15 => ("S15", "before the flip the standby refused a write for this very plan"),
            Self::S16 => ("S16", "after every write the name has both records and one mark"),
            Self::S17 => ("S17", "no record but ours changes"),
            Self::S20 => ("S20", "records that a person edited are not written over"),
            Self::E1 => ("E1", "at most one plan is open"),
            Self::E2 => ("E2", "no step has an effect before its start is durable"),
            Self::E3 => ("E3", "every prefix of the journal folds, and a restart reads what was acknowledged"),
            Self::E4 => ("E4", "after healing, no incident stays open, and everything queued was told"),
        }
    }

    /// When it counts as having been at risk, once each time.
    pub fn at_risk(self) -> &'static str {
        match self {
            Self::S1 => "a plan moves the name to a standby that took writes when the plan was opened",
            Self::S2 => "an automatic move is decided or sent",
            Self::S3 => "a move is sent to the provider",
            Self::S4 => {
                "fewer than a quorum can have seen the standby pass while a quorum may hold the primary for down"
            }
            Self::S5 => "a write that names a token that is gone reaches the provider",
            Self::S6 => {
                "a controller starts on a store whose epoch is behind the zone's, or while another believes that it leads, or fences under an epoch that is taken"
            }
            Self::S7 => "a flip reaches the provider whose controller is dead, or was told that nothing is known",
            Self::S8 => "a controller dies, or resigns, with a plan open",
            Self::S9 => {
                "fewer than a quorum report, or the store or the provider refuses, while the primary is down in truth"
            }
            Self::S10 => "a freeze becomes durable while a plan is open or the primary is down",
            Self::S12 => "the standby serves, and a quorum last saw the primary pass",
            Self::S15 => "a failover's flip is sent",
            Self::S16 => "a flip reaches the provider",
            Self::S17 => "a write reaches the provider",
            Self::S20 => "a write reaches the provider while the records are edited by hand",
            Self::E1 => "a plan is asked for, or a controller starts, while one is open",
            Self::E2 => "a step has an effect outside",
            Self::E3 => "a controller starts on a journal that is not empty",
            Self::E4 => "everything is healed with a plan or an incident open, or with notices untold",
        }
    }
}
