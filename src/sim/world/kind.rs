//! The kinds of fault of `safety.md` 5.2, item 2.

/// One kind. The seed draws its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Kind {
    /// Agents die, lose what they had not delivered, and come back as another run.
    #[default]
    AgentCrash,
    /// Agents or the controller stand still for up to 120 s.
    Pause,
    /// Wall clocks jump by up to an hour, monotonic ones run up to 2 % fast or slow.
    Clocks,
    /// Cuts between agents, controllers, sites, provider and name servers: both ways, one way, in part.
    Partition,
    /// Up to 60 % of all messages are lost.
    Loss,
    /// Messages take up to 30 s longer.
    Latency,
    /// Messages arrive twice, the second up to two minutes later and out of order.
    Duplicates,
    /// The store is slow, and then unreachable for seconds, again and again: its leader changes.
    StoreLeader,
    /// The store is unreachable for minutes: it has no quorum.
    StoreQuorum,
    /// The store is restored from a backup, with the controllers stopped for it or not: epoch, journal and outbox are earlier ones.
    StoreRestored,
    /// The lease ends early, or outlives its holder: a second controller starts while the first believes that it leads, or none can.
    Lease,
    /// The provider throttles, answers 5xx, loses answers, applies up to ten minutes late, leaves changes pending for ever, or loses
    /// accepted ones.
    Provider,
    /// The store's disk is full.
    DiskFull,
    /// The controller is restarted with another policy.
    ConfigPush,
    /// People freeze, unfreeze, fail over, fail back and edit records by hand.
    Manual,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::AgentCrash,
        Self::Pause,
        Self::Clocks,
        Self::Partition,
        Self::Loss,
        Self::Latency,
        Self::Duplicates,
        Self::StoreLeader,
        Self::StoreQuorum,
        Self::StoreRestored,
        Self::Lease,
        Self::Provider,
        Self::DiskFull,
        Self::ConfigPush,
        Self::Manual,
    ];

    /// The word used on screen and in the command that reproduces a run.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentCrash => "agent-crash",
            Self::Pause => "pause",
            Self::Clocks => "clocks",
            Self::Partition => "partition",
            Self::Loss => "loss",
            Self::Latency => "latency",
            Self::Duplicates => "duplicates",
            Self::StoreLeader => "store-leader",
            Self::StoreQuorum => "store-quorum",
            Self::StoreRestored => "store-restored",
            Self::Lease => "lease",
            Self::Provider => "provider",
            Self::DiskFull => "disk-full",
            Self::ConfigPush => "config-push",
            Self::Manual => "manual",
        }
    }

    /// The pair of kinds of the run with that number: every pair comes round, each kind with itself too.
    pub fn pair(number: u64) -> (Self, Self) {
        let pairs: Vec<(Self, Self)> =
            Self::ALL.iter().flat_map(|a| Self::ALL.iter().filter(move |b| a <= b).map(move |b| (*a, *b))).collect();
        let count = u64::try_from(pairs.len()).unwrap_or(1).max(1);
        let at = usize::try_from(number % count).unwrap_or(0);
        pairs.get(at).copied().unwrap_or_default()
    }
}

/// How many pairs there are.
pub const PAIRS: u64 = 120;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_pair_of_kinds_comes_round() {
        let pairs: BTreeSet<_> = (0..PAIRS).map(Kind::pair).collect();
        assert_eq!(pairs.len() as u64, PAIRS);
        assert_eq!(Kind::pair(PAIRS), Kind::pair(0));
    }
}
