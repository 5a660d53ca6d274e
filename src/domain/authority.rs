//! Who may act: the epoch, and the short-lived proof of it that every mutating port takes.

use std::fmt;

use super::Moment;

/// The fencing token's first part: it grows with every controller that takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(u64);

impl Epoch {
    /// From a number; 0 is "before any controller".
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The epoch of a controller that takes over after `self` and `other` (S6): one more than the larger.
    pub fn following(self, other: Self) -> Self {
        Self(self.0.max(other.0).saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Lease and epoch in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    epoch: Epoch,
    valid_until: Option<Moment>,
}

impl Authority {
    /// Authority under `epoch` until `valid_until` on this process's clock; `None` where the lease is an operating-system lock
    /// that ends with the process.
    pub fn new(epoch: Epoch, valid_until: Option<Moment>) -> Self {
        Self { epoch, valid_until }
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// A proof to act now; none once the lease may have run out.
    pub fn fence(&self, now: Moment) -> Option<Fence> {
        match self.valid_until {
            Some(until) if now >= until => None,
            _ => Some(Fence { epoch: self.epoch }),
        }
    }
}

/// Proof of authority for one act. Only [`Authority::fence`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    epoch: Epoch,
}

impl Fence {
    /// The epoch it was made under.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_that_follows_two_is_larger_than_both() {
        let following = |a, b| Epoch::new(a).following(Epoch::new(b)).get();
        assert_eq!(following(3, 7), 8);
        assert_eq!(following(7, 3), 8);
        assert_eq!(following(5, 5), 6);
    }
}
