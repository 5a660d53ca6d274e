//! What each vantage has concluded about a site, and why.

use std::fmt;

use super::{FailureKind, Generation, Role, VantageName};

/// What one vantage has concluded about one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VantageView {
    /// Too little was seen to conclude anything.
    Unknown,
    /// It passes.
    Up,
    /// It fails now and then, or has begun to, and the evidence does not suffice for more.
    Failing,
    /// It would be down, but for failures that may be the probe's own fault: a login refused, an assertion unmet.
    Suspect,
    /// It is down.
    Down,
    /// Nothing conclusive was seen for too long: no vote.
    Stale,
    /// The vantage's own word counts for nothing now: its canaries are silent, or it has just started.
    Abstaining,
}

impl VantageView {
    /// All views.
    pub const ALL: [Self; 7] =
        [Self::Unknown, Self::Up, Self::Failing, Self::Suspect, Self::Down, Self::Stale, Self::Abstaining];

    /// The word used in data and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Failing => "failing",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Stale => "stale",
            Self::Abstaining => "abstaining",
        }
    }

    /// The view that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.as_str() == word)
    }

    /// Whether there is no word from this vantage at all.
    pub fn is_silent(self) -> bool {
        matches!(self, Self::Unknown | Self::Stale | Self::Abstaining)
    }
}

impl fmt::Display for VantageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One vantage's view of one site, with the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Who votes.
    pub vantage: VantageName,
    /// The cloud that the vantage stands in.
    pub cloud: String,
    /// The account that its checks log in with.
    pub account: String,
    /// What it has concluded.
    pub view: VantageView,
    /// How far its evidence is towards "down", in thousandths of what is needed.
    pub score: u32,
    /// The share of failures over the policy's longer time, in thousandths.
    pub burn: u32,
    /// Whether that share is what the policy calls burning.
    pub burning: bool,
    /// Whether it fails still: it has not seen three passes that began after its latest failure.
    pub failing_now: bool,
    /// Failures in a row, up to now.
    pub failures: u32,
    /// The kind of the failure that it is in the middle of.
    pub kind: Option<FailureKind>,
    /// Why it says so: that failure's reason, or why its last probe said nothing.
    pub reason: Option<String>,
    /// The step that it ended in.
    pub failed_step: Option<String>,
    /// How old its last conclusive observation was when the votes were counted, in milliseconds.
    pub age_ms: Option<u64>,
    /// By which generation of scripts it was seen.
    pub generation: Generation,
}

/// All votes on one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteVotes {
    /// Which site.
    pub role: Role,
    /// One vote a vantage, in the order of the configuration.
    pub votes: Vec<Vote>,
}

impl SiteVotes {
    /// How many hold this view.
    pub fn count(&self, view: VantageView) -> usize {
        self.votes.iter().filter(|vote| vote.view == view).count()
    }
}
