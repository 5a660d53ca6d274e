//! What says where a service's name points, and whose word that is.

use super::{DnsLane, OwnedFlag, OwnedRecords, Role, Step, Token};

/// The holder of the ownership token that a service is moved by: its records, or its flag. Every move is a compare-and-swap of
/// that token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Register {
    /// The records of its zone.
    Records(OwnedRecords),
    /// The flag in its object stores.
    Flag(OwnedFlag),
}

impl Register {
    /// The token.
    pub fn token(&self) -> &Token {
        match self {
            Self::Records(records) => records.token(),
            Self::Flag(flag) => flag.token(),
        }
    }

    /// The site that it points at.
    pub fn serving(&self) -> Role {
        self.token().serving
    }

    /// Whether this is what the step swaps.
    pub fn is_swapped_by(&self, step: Step) -> bool {
        match self {
            Self::Records(_) => step == Step::FlipRecords,
            Self::Flag(_) => matches!(step, Step::RaiseFlag | Step::LowerFlag),
        }
    }

    /// What it is, in a word.
    pub fn word(lane: DnsLane) -> &'static str {
        if lane.has_flag() { "flag" } else { "zone" }
    }
}

impl From<OwnedRecords> for Register {
    fn from(records: OwnedRecords) -> Self {
        Self::Records(records)
    }
}

impl From<OwnedFlag> for Register {
    fn from(flag: OwnedFlag) -> Self {
        Self::Flag(flag)
    }
}
