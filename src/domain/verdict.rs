//! Views, votes and verdicts. `Evidence` counts the votes itself: holding one is proof of quorum.

use std::collections::BTreeSet;
use std::fmt;

use super::{FailureKind, Role, VantageName};

/// What one vantage has concluded about one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VantageView {
    /// Too little was seen to conclude anything.
    Unknown,
    /// It passes.
    Up,
    /// It was up, and fails now, but not yet often enough in a row.
    Failing,
    /// It failed often enough in a row, and has not passed often enough since.
    Down,
    /// Nothing conclusive was seen for too long: no vote.
    Stale,
}

impl VantageView {
    const ALL: [Self; 5] = [Self::Unknown, Self::Up, Self::Failing, Self::Down, Self::Stale];

    /// The word used in data and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Failing => "failing",
            Self::Down => "down",
            Self::Stale => "stale",
        }
    }

    /// The view that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.as_str() == word)
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
    /// What it has concluded.
    pub view: VantageView,
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

/// Proof that a quorum of vantages, from enough clouds, said "down".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    role: Role,
    down: Vec<Vote>,
    of: usize,
}

impl Evidence {
    /// Counts the votes; a shortfall when they do not suffice. Only a vote of `Down` counts: stale, unknown and failing
    /// vantages are silent, and silence is never "down". A vantage counts once however often it is listed.
    pub fn new(votes: &SiteVotes, quorum: usize, clouds: usize) -> Result<Self, Shortfall> {
        let mut seen = BTreeSet::new();
        let down: Vec<Vote> = votes
            .votes
            .iter()
            .filter(|vote| vote.view == VantageView::Down && seen.insert(&vote.vantage))
            .cloned()
            .collect();
        let from: BTreeSet<&str> = down.iter().map(|vote| vote.cloud.as_str()).collect();
        if down.len() >= quorum.max(1) && from.len() >= clouds.max(1) {
            return Ok(Self { role: votes.role, down, of: votes.votes.len() });
        }
        Err(Shortfall {
            down: down.len(),
            down_clouds: from.len(),
            up: votes.count(VantageView::Up),
            failing: votes.count(VantageView::Failing),
            silent: votes.count(VantageView::Stale) + votes.count(VantageView::Unknown),
            of: votes.votes.len(),
            quorum,
            clouds,
        })
    }

    /// The site that is down.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The votes that said so.
    pub fn down(&self) -> &[Vote] {
        &self.down
    }

    /// How many vantages there are.
    pub fn of(&self) -> usize {
        self.of
    }

    /// From how many clouds the votes came.
    pub fn clouds(&self) -> usize {
        self.down.iter().map(|vote| vote.cloud.as_str()).collect::<BTreeSet<_>>().len()
    }

    /// Evidence as it was recorded: the journal holds only what [`Evidence::new`] once made.
    pub fn recorded(role: Role, down: Vec<Vote>, of: usize) -> Option<Self> {
        let sound = !down.is_empty() && down.len() <= of && down.iter().all(|vote| vote.view == VantageView::Down);
        sound.then_some(Self { role, down, of })
    }
}

impl fmt::Display for Evidence {
    /// "4 of 5 vantages in 3 clouds say the primary is down".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (down, of, clouds, role) = (self.down.len(), self.of, self.clouds(), self.role);
        let (noun, verb) = if clouds == 1 { ("cloud", "say") } else { ("clouds", "say") };
        write!(f, "{down} of {of} vantages in {clouds} {noun} {verb} the {role} is down")
    }
}

/// Why there is no quorum either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// Votes of "down".
    pub down: usize,
    /// The clouds that those come from.
    pub down_clouds: usize,
    /// Votes of "up".
    pub up: usize,
    /// Vantages that have begun to fail.
    pub failing: usize,
    /// Vantages that are stale or have seen too little.
    pub silent: usize,
    /// All vantages.
    pub of: usize,
    /// Votes that are needed.
    pub quorum: usize,
    /// Clouds that those must come from.
    pub clouds: usize,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { down, down_clouds, up, failing, silent, of, quorum, clouds } = self;
        if down >= quorum {
            return write!(
                f,
                "{down} of {of} say down, but from {down_clouds} of the {clouds} clouds that are needed"
            );
        }
        let counts = [(*down, "down"), (*failing, "failing"), (*up, "up"), (*silent, "silent")];
        let counts: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        write!(f, "{} of {of}; {quorum} are needed", counts.join(", "))
    }
}

/// What the quorum has concluded about one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A quorum says "up".
    Healthy,
    /// No quorum either way.
    Undecided(Shortfall),
    /// A quorum says "down".
    Unhealthy(Evidence),
}

impl Verdict {
    /// The word used in data and on screen.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Undecided(_) => "undecided",
            Self::Unhealthy(_) => "unhealthy",
        }
    }
}
