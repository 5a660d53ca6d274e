//! What is required of a policy in each scenario, and whether an outcome meets it.

use std::fmt;

use crate::domain::{Alert, Policy};

/// By which column of the catalogue a policy is measured. The three presets buy different things: what is required of *fast* would be a
/// fault of *conservative*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The preset `default`, and every policy that is no preset.
    Default,
    /// The preset `fast`.
    Fast,
    /// The preset `conservative`.
    Conservative,
}

impl Column {
    /// All columns.
    pub const ALL: [Self; 3] = [Self::Default, Self::Fast, Self::Conservative];

    /// The word used in data and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Fast => "fast",
            Self::Conservative => "conservative",
        }
    }

    /// The column that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.as_str() == word)
    }

    /// The column for a policy, by its name.
    pub fn of(policy: &Policy) -> Self {
        Self::parse(policy.name()).unwrap_or(Self::Default)
    }
}

/// What is required.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Required {
    /// Every run decides, and 99 of 100 within so many seconds.
    Within(f64),
    /// No run moves anything.
    Never,
    /// At most this share of runs moves anything.
    AtMost(f64),
    /// No run moves anything, and every run tells people with this alert.
    Told(Alert),
    /// No run decides because of a fault that lasts so many seconds or less.
    NotWithin(u64),
    /// No run moves more often than this.
    Moves(usize),
    /// Nothing: the answer depends on what one wants, and the numbers are for information.
    Open,
}

impl fmt::Display for Required {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(seconds) => write!(f, "p99 ≤ {seconds:.0} s"),
            Self::Never => f.write_str("never"),
            Self::AtMost(share) => write!(f, "≤ {} %", share * 100.0),
            Self::Told(_) => f.write_str("never, told"),
            Self::NotWithin(seconds) => write!(f, "never if ≤ {seconds} s"),
            Self::Moves(1) => f.write_str("≤ 1 move"),
            Self::Moves(most) => write!(f, "≤ {most} moves"),
            Self::Open => f.write_str("–"),
        }
    }
}
