//! Worlds that are broken on purpose, so that the judge itself is tested: each breaks one promise that Quorate stands on, and the judge
//! must find the invariant violated that rests on it.

use super::judge::Invariant;

/// One promise that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The provider deletes whatever is there.
    ProviderIgnoresSwap,
    /// The provider drops half of what a batch creates.
    BatchAppliedInPart,
    /// The provider loses a record beside ours.
    ProviderLosesNeighbour,
    /// The store takes appends under an epoch that is not its own.
    StoreTakesOldEpoch,
    /// The store acknowledges appends of a flip's start, and keeps nothing of them.
    StoreLosesIntent,
    /// The store gives each record of an append twice when it is read.
    StoreRepeatsRecords,
    /// The store forgets freezes when it is read.
    StoreForgetsFreeze,
    /// The standby says that it refused a write, and did not.
    StandbyLies,
    /// The standby takes writes again while it serves.
    StandbyForgets,
    /// Every observation of the primary reaches the engine as a failure.
    PrimarySlandered,
    /// Every observation of the standby reaches the engine as a pass.
    StandbyPraised,
    /// What agents said long ago reaches the engine as news.
    SilenceFilledIn,
    /// Somebody who knows our tokens moves the name back once the primary is healthy.
    RogueFailback,
    /// Notices are taken, and told to nobody.
    NoticesSwallowed,
    /// The store reads as empty, and takes what is appended all the same.
    StoreReadsEmpty,
    /// The store does not compare what an append follows: one that is restored from a backup under a running controller takes what that
    /// one goes on with.
    StoreComparesNothing,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::ProviderIgnoresSwap,
        Self::BatchAppliedInPart,
        Self::ProviderLosesNeighbour,
        Self::StoreTakesOldEpoch,
        Self::StoreLosesIntent,
        Self::StoreRepeatsRecords,
        Self::StoreForgetsFreeze,
        Self::StandbyLies,
        Self::StandbyForgets,
        Self::PrimarySlandered,
        Self::StandbyPraised,
        Self::SilenceFilledIn,
        Self::RogueFailback,
        Self::NoticesSwallowed,
        Self::StoreReadsEmpty,
        Self::StoreComparesNothing,
    ];

    /// What the judge must find violated in some run.
    pub fn breaks(self) -> &'static [Invariant] {
        match self {
            Self::ProviderIgnoresSwap => &[Invariant::S5],
            Self::BatchAppliedInPart => &[Invariant::S16],
            Self::ProviderLosesNeighbour => &[Invariant::S17],
            Self::StoreTakesOldEpoch => &[Invariant::S9],
            Self::StoreLosesIntent => &[Invariant::S7, Invariant::E2],
            Self::StoreRepeatsRecords | Self::StoreComparesNothing => &[Invariant::E3],
            Self::StoreForgetsFreeze => &[Invariant::S10],
            Self::StandbyLies => &[Invariant::S15],
            Self::StandbyForgets => &[Invariant::S1],
            Self::PrimarySlandered => &[Invariant::S2],
            Self::StandbyPraised => &[Invariant::S3, Invariant::S4],
            Self::SilenceFilledIn => &[Invariant::S9],
            Self::RogueFailback => &[Invariant::S6, Invariant::S12],
            Self::NoticesSwallowed => &[Invariant::E4],
            Self::StoreReadsEmpty => &[Invariant::E1],
        }
    }
}
