//! What people are told.

use super::ServiceName;

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// One channel, for whoever is looking.
    Quiet,
    /// The louder channel and a text message to everybody on the list.
    Loud,
    /// Both: whoever was told of the beginning is told of the end.
    Everyone,
}

impl Level {
    /// The word used in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Loud => "loud",
            Self::Everyone => "everyone",
        }
    }

    /// The level that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Quiet, Self::Loud, Self::Everyone].into_iter().find(|level| level.as_str() == word)
    }
}

/// One thing to tell. It is stored in the same transaction as the journal entries that it tells of, so a crash loses none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Unique for ever: telling the same thing again after a crash makes the same key, and is stored once.
    pub key: String,
    /// The service that it is about.
    pub service: ServiceName,
    /// How loud.
    pub level: Level,
    /// One or two sentences, safe to send anywhere.
    pub text: String,
}
