//! Drills: a failover that is rehearsed on purpose, and what is known of it afterwards.
//!
//! A drill is run by the controller and lives in its service's journal, so that neither a terminal nor a controller that
//! dies leaves it half-way.

mod schedule;
mod settings;

use std::fmt;
use std::time::Duration;

pub use schedule::{DateSpan, Schedule, ScheduleError};
pub use settings::{Bound, DrillSettings, MetricLimit, rehearsal_name};

/// How much a drill does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrillKind {
    /// The plan is walked through on today's state, and nothing is changed.
    Tabletop,
    /// Everything is done, on a name that nobody uses.
    Rehearse,
    /// The real name is moved, and comes back by itself.
    Live,
}

impl DrillKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Tabletop, Self::Rehearse, Self::Live];

    /// The word used in configuration and data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tabletop => "tabletop",
            Self::Rehearse => "rehearse",
            Self::Live => "live",
        }
    }

    /// The kind that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether a name is moved.
    pub fn moves(self) -> bool {
        self != Self::Tabletop
    }
}

impl fmt::Display for DrillKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A fault that a rehearsal causes on purpose. Where something of a site or of a provider is broken, that is in a lab and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrillFault {
    /// The primary's login answers with an error.
    BreakLogin,
    /// One agent is not heard.
    DropAgent,
    /// The provider answers late.
    DelayProvider,
    /// The controller ends without a word, between the flip and its verification.
    KillController,
}

impl DrillFault {
    /// All faults.
    pub const ALL: [Self; 4] = [Self::BreakLogin, Self::DropAgent, Self::DelayProvider, Self::KillController];

    /// The word used in data and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BreakLogin => "break-login",
            Self::DropAgent => "drop-agent",
            Self::DelayProvider => "delay-provider",
            Self::KillController => "kill-controller",
        }
    }

    /// The fault that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == word)
    }

    /// Whether a lab causes it, and must have said so before the drill goes on.
    pub fn is_caused_by_lab(self) -> bool {
        matches!(self, Self::BreakLogin | Self::DelayProvider)
    }
}

impl fmt::Display for DrillFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is aimed at: how long users may be without service, and how much may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Objectives {
    /// From the beginning of the trouble until users are served again.
    pub rto: Option<Duration>,
    /// How far the standby's data may be behind when it takes over.
    pub rpo: Option<Duration>,
}

/// A drill, as it was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// Counts the drills of a service and of its rehearsal together, from 1.
    pub number: u64,
    /// How much it does.
    pub kind: DrillKind,
    /// Who began it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// For how long the standby serves before it comes back by itself, from the end of the failover on.
    pub hold: Duration,
    /// Whether it was the schedule's turn, and nobody's at a keyboard.
    pub scheduled: bool,
    /// What is broken on purpose.
    pub fault: Option<DrillFault>,
    /// What the policy aimed at then.
    pub objectives: Objectives,
    /// How far the standby's data was behind when it began, where that was known.
    pub lag: Option<Duration>,
}

impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, kind, by, reason, .. } = self;
        write!(f, "drill {number} ({kind}) by {by}: {reason}")
    }
}

/// How a drill ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrillEnd {
    /// It did all that it was to do.
    Passed,
    /// Something did not work.
    Failed {
        /// What.
        why: String,
    },
    /// It was ended before its time, and everything is back where it was.
    Aborted {
        /// By what.
        why: String,
    },
}

impl DrillEnd {
    /// The word used in data.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Aborted { .. } => "aborted",
        }
    }

    /// Why, unless it passed.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed { why } | Self::Aborted { why } => Some(why),
        }
    }
}

impl fmt::Display for DrillEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why() {
            None => f.write_str(self.as_str()),
            Some(why) => write!(f, "{}: {why}", self.as_str()),
        }
    }
}

/// What a look has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// It is as it should be.
    Good,
    /// It is not.
    Bad,
    /// It could not be told, and so it is not good.
    Unknown,
    /// It was not looked at, or is for the reader to weigh.
    NotLooked,
}

impl Finding {
    const ALL: [Self; 4] = [Self::Good, Self::Bad, Self::Unknown, Self::NotLooked];

    /// The word used in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
            Self::NotLooked => "not-looked",
        }
    }

    /// The finding that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|finding| finding.as_str() == word)
    }
}

/// One look of a tabletop, at what a step of the plan will need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillLook {
    /// At what: a step's word, `guards`, `checks`, `ttl`.
    pub at: String,
    /// What it has come to.
    pub finding: Finding,
    /// In one line.
    pub text: String,
}

/// What a journal says of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrillEntry {
    /// It began.
    Started(Box<Drill>),
    /// It is to end as soon as possible, and what was moved comes back.
    Aborting {
        /// Which.
        number: u64,
        /// Why.
        why: String,
    },
    /// Something that a reader of the report must know.
    Noted {
        /// Which.
        number: u64,
        /// In one line.
        text: String,
    },
    /// What was to be broken on purpose is.
    Faulted {
        /// Which.
        number: u64,
        /// What, and where.
        text: String,
    },
    /// A quorum has seen what was broken on purpose.
    Detected {
        /// Which.
        number: u64,
        /// What it saw.
        text: String,
    },
    /// It ended.
    Ended {
        /// Which.
        number: u64,
        /// How.
        end: DrillEnd,
        /// What a tabletop has found.
        looks: Vec<DrillLook>,
    },
    /// It was the schedule's turn, and nothing was begun.
    Skipped {
        /// What would have been begun.
        kind: DrillKind,
        /// Why it was not.
        why: String,
    },
}
