//! The two roles that the sites of a service have.

use std::fmt;

/// What a site is for. The role stays with the site: "primary" is where the service lives in ordinary times,
/// whichever site serves at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Where the service lives in ordinary times; it takes writes.
    Primary,
    /// Where the service goes when the primary is down; read-only while it serves.
    Standby,
}

impl Role {
    /// Both roles, primary first.
    pub const BOTH: [Self; 2] = [Self::Primary, Self::Standby];

    /// The word used in files, records and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
        }
    }

    /// The role that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|role| role.as_str() == word)
    }

    /// The opposite role.
    pub fn other(self) -> Self {
        match self {
            Self::Primary => Self::Standby,
            Self::Standby => Self::Primary,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
