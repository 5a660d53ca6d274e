//! The design that is checked, the ways to get it wrong, and how far it is driven.

/// How a write to the zone is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// Not at all.
    Upsert,
    /// The token must be the expected one.
    Swap,
    /// Only the token's epoch is compared: it holds nothing else.
    SwapOfEpoch,
    /// The token has its epoch, its site and its digest, and no sequence.
    SwapWithoutSequence,
}

/// Each guard of the design, to be taken away one at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Design {
    pub(crate) write: Write,
    /// The lease cannot be lost by a process that lives: it is a lock of the operating system, on one machine.
    pub(crate) lock: bool,
    /// Whoever freezes asks the leader, which appends it to the journal itself.
    pub(crate) freeze_by_leader: bool,
    /// The lease is looked at right before a flip is sent.
    pub(crate) lease_before_call: bool,
    /// A takeover writes its token before anything else.
    pub(crate) fence_write: bool,
    /// A new epoch is larger than the zone's as well as the store's.
    pub(crate) zone_epoch: bool,
    /// A zone that has this very epoch at the first fence was fenced by a twin: the next epoch is claimed.
    pub(crate) twins_part: bool,
    /// What became of a flip is read after the fence write.
    pub(crate) fence_before_settling: bool,
    /// The journal is read after the epoch was claimed.
    pub(crate) journal_after_claim: bool,
    /// An append is compared with the lease as well as with the epoch.
    pub(crate) append_compares_lease: bool,
    /// An append that starts something is compared with the freeze revision.
    pub(crate) append_compares_freeze: bool,
    /// An append is compared with what is open: the writer has seen all that the journal holds.
    pub(crate) append_compares_open: bool,
    /// An intent is durable before its flip is sent.
    pub(crate) intent_before_send: bool,
    /// A flip is sent again only after its start was made durable again.
    pub(crate) start_before_resend: bool,
    /// The standby is made read-only, and a write is seen refused, before the flip.
    pub(crate) read_only_first: bool,
    /// The policy never moves the name back.
    pub(crate) manual_failback: bool,
    /// A flip is one batch.
    pub(crate) one_batch: bool,
    /// What became of a flip is found out and recorded by whoever finds it open.
    pub(crate) settles: bool,
}

impl Design {
    /// With every guard.
    pub(crate) const SOUND: Self = Self {
        write: Write::Swap,
        lock: false,
        freeze_by_leader: false,
        lease_before_call: false,
        fence_write: true,
        zone_epoch: true,
        twins_part: false,
        fence_before_settling: true,
        journal_after_claim: true,
        append_compares_lease: true,
        append_compares_freeze: true,
        append_compares_open: true,
        intent_before_send: true,
        start_before_resend: true,
        read_only_first: true,
        manual_failback: true,
        one_batch: true,
        settles: true,
    };
}

/// When a backup of the store is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restores {
    Never,
    /// While no controller is up. What they sent may still be on its way.
    Cold,
    /// At any time.
    Live,
}

/// How far the model goes. All of it is bounded, so that the search ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) controllers: usize,
    /// The largest epoch.
    pub(crate) epochs: u8,
    /// The largest sequence within an epoch.
    pub(crate) seqs: u8,
    /// How many plans are opened at most.
    pub(crate) plans: u8,
    /// How often somebody freezes or unfreezes.
    pub(crate) freezes: u8,
    /// Whether somebody makes the standby writable again while nothing is open.
    pub(crate) reopens: bool,
    /// Whether the store is backed up and restored, once. Then zones may also be silent when an epoch is chosen.
    pub(crate) restores: Restores,
    /// Requests that name a token which is gone for good are dropped, unless their sender still waits. As tokens only grow, which is
    /// checked at every write, the zone would refuse them for ever.
    pub(crate) forgets_dead: bool,
}

impl Bounds {
    /// Two controllers, three epochs, two writes in each, one plan, and nobody who meddles.
    pub(crate) const SMALL: Self = Self {
        controllers: 2,
        epochs: 3,
        seqs: 1,
        plans: 1,
        freezes: 0,
        reopens: false,
        restores: Restores::Never,
        forgets_dead: false,
    };
    /// For the calm run: as good as none.
    pub(crate) const NONE: Self = Self {
        controllers: 1,
        epochs: 200,
        seqs: 200,
        plans: 0,
        freezes: 0,
        reopens: false,
        restores: Restores::Never,
        forgets_dead: false,
    };
}
