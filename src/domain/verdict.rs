//! Evidence and verdicts. `Evidence` counts the votes itself: holding one is proof of quorum.

use std::collections::BTreeSet;
use std::fmt;

use super::{Generation, Role, SiteVotes, VantageView, Vote};

/// Fewer accounts than this, and refused logins may be the account's own fault.
const ACCOUNTS: usize = 2;

/// What it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Votes that are needed.
    pub quorum: usize,
    /// Clouds that those must come from.
    pub clouds: usize,
}

/// By which way a quorum was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Enough vantages say "down".
    Down,
    /// With those that suspect it: one vote more, and logins by two accounts.
    Suspect,
    /// Enough vantages have seen too large a share of failures for a longer time.
    Burn,
}

impl Lane {
    /// All, in the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Down, Self::Burn, Self::Suspect];

    /// The word used in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Suspect => "suspect",
            Self::Burn => "burn",
        }
    }

    /// The lane that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == word)
    }

    /// Whether a vote counts here. Silent vantages count nowhere: silence is never "down" (S9).
    pub fn counts(self, vote: &Vote) -> bool {
        match self {
            Self::Down => vote.view == VantageView::Down,
            Self::Suspect => matches!(vote.view, VantageView::Down | VantageView::Suspect),
            Self::Burn => vote.burning && !vote.view.is_silent(),
        }
    }

    /// Votes that it takes, where a quorum is that many.
    pub fn votes_needed(self, quorum: usize) -> usize {
        match self {
            Self::Down | Self::Burn => quorum.max(1),
            Self::Suspect => quorum.max(1).saturating_add(1),
        }
    }
}

/// Proof that a quorum of vantages, from enough clouds, condemned a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    role: Role,
    lane: Lane,
    down: Vec<Vote>,
    of: usize,
}

impl Evidence {
    /// Counts the votes in one lane; a vantage counts once however often it is listed, and votes by different generations of scripts are
    /// never counted together (S18).
    pub fn in_lane(votes: &SiteVotes, rule: Rule, lane: Lane) -> Option<Self> {
        let mut generations: Vec<Generation> = votes.votes.iter().map(|vote| vote.generation).collect();
        generations.sort_unstable();
        generations.dedup();
        generations.into_iter().find_map(|generation| {
            let mut seen = BTreeSet::new();
            let counts = |vote: &&Vote| vote.generation == generation && lane.counts(vote);
            let down: Vec<&Vote> =
                votes.votes.iter().filter(counts).filter(|vote| seen.insert(&vote.vantage)).collect();
            let clouds: BTreeSet<&str> = down.iter().map(|vote| vote.cloud.as_str()).collect();
            let accounts: BTreeSet<&str> = down.iter().map(|vote| vote.account.as_str()).collect();
            let enough = down.len() >= lane.votes_needed(rule.quorum)
                && clouds.len() >= rule.clouds.max(1)
                && (lane != Lane::Suspect || accounts.len() >= ACCOUNTS);
            let down = || down.into_iter().cloned().collect();
            enough.then(|| Self { role: votes.role, lane, down: down(), of: votes.votes.len() })
        })
    }

    /// The strongest evidence that there is; a shortfall when there is none.
    pub fn new(votes: &SiteVotes, rule: Rule) -> Result<Self, Shortfall> {
        let found = Lane::ALL.into_iter().find_map(|lane| Self::in_lane(votes, rule, lane));
        found.ok_or_else(|| Shortfall::of(votes, rule))
    }

    /// The site that is condemned.
    pub fn role(&self) -> Role {
        self.role
    }

    /// By which way.
    pub fn lane(&self) -> Lane {
        self.lane
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

    /// How many of the voters fail still.
    pub fn failing_now(&self) -> usize {
        self.down.iter().filter(|vote| vote.failing_now).count()
    }

    /// Evidence as it was recorded: the journal holds only what [`Evidence::new`] once made.
    pub fn recorded(role: Role, lane: Lane, down: Vec<Vote>, of: usize) -> Option<Self> {
        let sound = !down.is_empty() && down.len() <= of && down.iter().all(|vote| lane.counts(vote));
        sound.then_some(Self { role, lane, down, of })
    }
}

impl fmt::Display for Evidence {
    /// "4 of 5 vantages in 3 clouds say the primary is down".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (down, of, clouds, role) = (self.down.len(), self.of, self.clouds(), self.role);
        let noun = if clouds == 1 { "cloud" } else { "clouds" };
        write!(f, "{down} of {of} vantages in {clouds} {noun} ")?;
        match self.lane {
            Lane::Down => write!(f, "say the {role} is down"),
            Lane::Suspect => write!(f, "say or suspect the {role} is down"),
            Lane::Burn => write!(f, "see the {role} fail too often"),
        }
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
    /// Vantages that suspect it.
    pub suspect: usize,
    /// Vantages that are stale or have seen too little.
    pub silent: usize,
    /// Vantages whose word counts for nothing now.
    pub abstaining: usize,
    /// All vantages.
    pub of: usize,
    /// Votes that are needed.
    pub quorum: usize,
    /// Clouds that those must come from.
    pub clouds: usize,
}

impl Shortfall {
    /// What the votes lack.
    pub fn of(votes: &SiteVotes, rule: Rule) -> Self {
        let clouds: BTreeSet<&str> =
            votes.votes.iter().filter(|vote| Lane::Down.counts(vote)).map(|vote| vote.cloud.as_str()).collect();
        Self {
            down: votes.count(VantageView::Down),
            down_clouds: clouds.len(),
            up: votes.count(VantageView::Up),
            failing: votes.count(VantageView::Failing),
            suspect: votes.count(VantageView::Suspect),
            silent: votes.count(VantageView::Stale) + votes.count(VantageView::Unknown),
            abstaining: votes.count(VantageView::Abstaining),
            of: votes.votes.len(),
            quorum: rule.quorum,
            clouds: rule.clouds,
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { down, down_clouds, up, failing, suspect, silent, abstaining, of, quorum, clouds } = self;
        if down >= quorum && down_clouds < clouds {
            return write!(
                f,
                "{down} of {of} say down, but from {down_clouds} of the {clouds} clouds that are needed"
            );
        }
        let counts = [
            (*down, "down"),
            (*suspect, "suspect"),
            (*failing, "failing"),
            (*up, "up"),
            (*silent, "silent"),
            (*abstaining, "abstaining"),
        ];
        let counts: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        write!(f, "{} of {of}; {quorum} are needed", counts.join(", "))?;
        if down >= quorum {
            f.write_str(", seen by the same scripts and not outvoted")?;
        } else if down + suspect > *quorum {
            f.write_str(", or one more of two accounts that suspect it")?;
        }
        Ok(())
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
    /// All words for a verdict.
    pub const WORDS: [&str; 3] = ["healthy", "undecided", "unhealthy"];

    /// The word used in data and on screen.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Undecided(_) => "undecided",
            Self::Unhealthy(_) => "unhealthy",
        }
    }
}
