//! What the model remembers. Small numbers stand for epochs, sequences and plans; everything is compared and hashed as a whole.
//!
//! Nothing in a state is there for the checker's sake but [`State::taken`], [`Store::restored`] and [`State::broken`].

use super::rules::Rule;

/// An ownership token, reduced to what the protocol compares; see [`super::token`] for its way to the real one and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Mark {
    pub(crate) epoch: u8,
    pub(crate) seq: u8,
    pub(crate) standby: bool,
    /// The digest of the plan that moved the records last; 0 for none.
    pub(crate) plan: u16,
}

/// How far a plan is, as the journal knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Its first step is started: the standby is told to refuse writes.
    Opened,
    /// A write was seen refused (or the way is back to the primary): the flip is next.
    Ready,
    /// The intent of a flip is durable, and what became of it is not.
    Flip { expected: Mark, new: Mark },
    /// The flip's success is durable; what is left only looks.
    Flipped,
}

/// The open plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    pub(crate) digest: u16,
    /// Whether it moves the name to the standby.
    pub(crate) standby: bool,
    /// Whether a person asked for it.
    pub(crate) asked: bool,
    pub(crate) stage: Stage,
}

/// The journal, folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Ledger {
    pub(crate) plans: u8,
    pub(crate) plan: Option<Plan>,
    pub(crate) frozen: bool,
    /// Grows with every freeze and every unfreeze.
    pub(crate) revision: u8,
    /// The last plan needs a person.
    pub(crate) stuck: bool,
}

/// What survives crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Store {
    pub(crate) lease: Option<u8>,
    pub(crate) epoch: u8,
    pub(crate) ledger: Ledger,
    pub(crate) backup: Option<(u8, Ledger)>,
    /// The backup was put back: the journal has forgotten things that happened.
    pub(crate) restored: bool,
}

/// The records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Zone {
    pub(crate) mark: Mark,
    /// Whether the name points at the standby; `None` when it has no records.
    pub(crate) points: Option<bool>,
}

/// What a request to the DNS provider does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Fence,
    Flip,
}

/// A request that was sent. It may arrive at any later time, any number of times, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) from: u8,
    pub(crate) kind: Kind,
    pub(crate) expected: Mark,
    pub(crate) new: Mark,
    /// Whether a person asked for the plan that it belongs to.
    pub(crate) asked: bool,
}

/// What the provider answered, as far as the answer has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    NotYet,
    Applied,
    Refused,
}

/// What a leader has under way at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    Idle,
    Fencing {
        expected: Mark,
        new: Mark,
        answer: Answer,
    },
    /// The flip of the open plan's intent.
    Flipping {
        answer: Answer,
    },
}

/// A controller that believes that it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Leader {
    pub(crate) epoch: u8,
    /// The zone's token, once fenced.
    pub(crate) known: Option<Mark>,
    /// What it knows of the journal.
    pub(crate) ledger: Ledger,
    /// The flip's start was made durable by this process, and it has not been sent since.
    pub(crate) armed: bool,
    /// A flip was sent since the zone was last fenced.
    pub(crate) flip_sent: bool,
    /// It has fenced the zone before.
    pub(crate) fenced_once: bool,
    pub(crate) task: Task,
}

/// One controller's process. All of it is lost in a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Controller {
    Down,
    /// It has won the lease and read the zone's epoch, and has not claimed its own yet.
    Candidate {
        zone_epoch: u8,
        ledger: Ledger,
    },
    Leader(Leader),
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) controllers: Vec<Controller>,
    pub(crate) store: Store,
    pub(crate) zone: Zone,
    /// All that was ever sent, sorted.
    pub(crate) network: Vec<Request>,
    pub(crate) standby_read_only: bool,
    /// The largest epoch whose takeover is complete.
    pub(crate) taken: u8,
    /// The first rule that a step on the way here broke.
    pub(crate) broken: Option<Rule>,
}

impl State {
    /// Before any controller: the records are marked, the primary serves, the standby takes writes.
    pub(crate) fn start(controllers: usize) -> Self {
        Self {
            controllers: vec![Controller::Down; controllers],
            store: Store::default(),
            zone: Zone { mark: Mark::default(), points: Some(false) },
            network: Vec::new(),
            standby_read_only: false,
            taken: 0,
            broken: None,
        }
    }

    /// How many controllers believe that they lead.
    pub(crate) fn leaders(&self) -> usize {
        self.controllers.iter().filter(|controller| matches!(controller, Controller::Leader(_))).count()
    }
}
