//! What goes into the engine and what comes out.

use std::time::Duration;

use super::drill::DrillRequest;
use super::guard::Blocker;
use crate::domain::drift;
use crate::domain::{
    Authority, ClusterName, Comparison, Drill, Fence, FlipIntent, JournalEntry, JournalRecord, LagReading, Moment,
    Notice, Observation, OwnedFlag, Plan, PlanDigest, PlanId, PortError, Register, Role, ServiceName, Sighting, Step,
    StepDetail, StepIndex, VantageName, WallTime, WriteProbe,
};
use crate::domain::{DrillKind, DrillLook};

/// Everything that can happen to the engine.
#[derive(Debug, Clone)]
pub enum Input {
    /// A probe's record arrived, for the first time.
    Observed(Observation),
    /// The whole journal, before this controller leads. It replaces all that was known but the observations.
    Recovered {
        /// The records, in order.
        journal: Vec<JournalRecord>,
        /// The wall clock now: how long ago an entry was written is known in no other way once its process has ended.
        wall: WallTime,
    },
    /// How far the standby's data is behind.
    Lag {
        /// Whose.
        service: ServiceName,
        /// How far; none when it could not be measured.
        reading: Option<LagReading>,
    },
    /// Both sites' positions were read.
    Compared {
        /// Whose.
        service: ServiceName,
        /// What was read.
        comparison: Comparison,
    },
    /// A write that a [`Command::TryWrite`] asked for has ended.
    WriteTried {
        /// Whose.
        service: ServiceName,
        /// On which site.
        role: Role,
        /// What became of it, or why that is not known.
        result: Result<WriteProbe, String>,
    },
    /// A maintenance window of the service has begun, or ended.
    Maintenance {
        /// Whose.
        service: ServiceName,
        /// The window in words; none outside of any.
        window: Option<String>,
    },
    /// This controller holds the lease, and its epoch is durable.
    Led(Authority),
    /// It no longer may act.
    Deposed {
        /// Why, for people.
        why: String,
    },
    /// Everything is stopped from outside, or no longer.
    Halted {
        /// By what; none lets it go on.
        why: Option<String>,
    },
    /// The service's token was written under this controller's epoch.
    Fenced {
        /// Whose.
        service: ServiceName,
        /// What was fenced, as it is now.
        register: Register,
        /// The stores of a flag that were not, each with why.
        behind: Vec<String>,
    },
    /// The service's token could not be written.
    FenceFailed {
        /// Whose.
        service: ServiceName,
        /// Why.
        error: PortError,
    },
    /// What a vantage saw of public names. It is no vote.
    Sighted(Vec<Sighting>),
    /// The entries of an [`Command::Append`] are durable.
    Journaled(Vec<JournalRecord>),
    /// They are not.
    AppendFailed {
        /// Whose.
        service: ServiceName,
        /// Why.
        error: PortError,
    },
    /// A step that was run has ended.
    StepEnded {
        /// Whose.
        service: ServiceName,
        /// Which step.
        step: StepIndex,
        /// How.
        result: Result<StepSuccess, PortError>,
    },
    /// The names themselves were looked at.
    Surveyed {
        /// Whose.
        service: ServiceName,
        /// When the look began.
        began: Moment,
        /// What was seen.
        seen: Box<drift::Sighting>,
    },
    /// What a person had done to the records has ended, well or not.
    Mended {
        /// Whose.
        service: ServiceName,
    },
    /// A tabletop has looked at everything.
    Looked {
        /// Whose.
        service: ServiceName,
        /// Which drill.
        number: u64,
        /// What it found.
        looks: Vec<DrillLook>,
    },
    /// A lab was asked to cause the drill's fault.
    Faulted {
        /// Whose.
        service: ServiceName,
        /// Which drill.
        number: u64,
        /// What is broken now, or why nothing is.
        result: Result<String, String>,
    },
    /// A measure is beyond a limit of the drill, or no longer.
    Breached {
        /// Whose.
        service: ServiceName,
        /// Which, in words; none when all are within.
        why: Option<String>,
    },
    /// A person asks.
    Asked(Ask),
    /// Time has passed.
    Tick,
}

/// What a step that succeeded brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepSuccess {
    /// What it has to say.
    pub detail: StepDetail,
    /// The register after a switch.
    pub register: Option<Register>,
}

/// What a person can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Move the service, by the plan with this digest.
    Move {
        /// Which service, where to, who and why.
        request: MoveRequest,
        /// The digest that the person was shown.
        digest: PlanDigest,
    },
    /// Let an automatic plan go on that waits for approval.
    Approve {
        /// Which service.
        service: ServiceName,
        /// Which plan.
        plan: PlanId,
        /// The digest that the person was shown.
        digest: PlanDigest,
        /// Who.
        by: String,
    },
    /// No automatic move away from this site, for a time.
    Pin {
        /// Which service.
        service: ServiceName,
        /// Where.
        to: Role,
        /// For how long.
        lasting: Duration,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Take the pin out.
    Unpin {
        /// Which service.
        service: ServiceName,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Say that a person has seen that the last plan got stuck.
    Acknowledge {
        /// Which service.
        service: ServiceName,
        /// Who.
        by: String,
        /// What they found, or did.
        reason: String,
    },
    /// Take on what the way back would lose.
    Reconcile {
        /// Which service.
        service: ServiceName,
        /// The digest that the person was shown.
        digest: PlanDigest,
        /// Who.
        by: String,
        /// Why, or what was done about it.
        reason: String,
    },
    /// Take the records over.
    Adopt {
        /// Which service.
        service: ServiceName,
        /// From which cluster; none when they had no owner.
        from: Option<ClusterName>,
        /// The digest that the person was shown.
        digest: PlanDigest,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Put the records back to what the register says.
    Repair {
        /// Which service.
        service: ServiceName,
        /// The digest that the person was shown.
        digest: PlanDigest,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Begin a drill.
    Drill {
        /// What is wanted.
        request: DrillRequest,
        /// The digest of the failover that the person was shown; a schedule is shown none.
        digest: Option<PlanDigest>,
    },
    /// End the drill that is under way, and bring back what it moved.
    AbortDrill {
        /// Which service, the real one or its rehearsal.
        service: ServiceName,
        /// Why, with who.
        why: String,
    },
    /// Record something about the drill that is under way.
    NoteDrill {
        /// Which service.
        service: ServiceName,
        /// Which drill.
        number: u64,
        /// In one line.
        text: String,
    },
    /// Record that a scheduled drill is not begun.
    SkipDrill {
        /// Which service.
        service: ServiceName,
        /// What would have been begun.
        kind: DrillKind,
        /// Why not.
        why: String,
    },
    /// Stop all movement.
    Freeze {
        /// Which service.
        service: ServiceName,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Allow it again.
    Unfreeze {
        /// Which service.
        service: ServiceName,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

impl Ask {
    /// The service that it is about.
    pub fn service(&self) -> &ServiceName {
        match self {
            Self::Move { request, .. } => &request.service,
            Self::Drill { request, .. } => &request.service,
            Self::Approve { service, .. }
            | Self::Pin { service, .. }
            | Self::Unpin { service, .. }
            | Self::Acknowledge { service, .. }
            | Self::Reconcile { service, .. }
            | Self::Adopt { service, .. }
            | Self::Repair { service, .. }
            | Self::AbortDrill { service, .. }
            | Self::NoteDrill { service, .. }
            | Self::SkipDrill { service, .. }
            | Self::Freeze { service, .. }
            | Self::Unfreeze { service, .. } => service,
        }
    }
}

/// A move that a person wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveRequest {
    /// Which service.
    pub service: ServiceName,
    /// Where to.
    pub to: Role,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Overrule the evidence. Freeze, fencing and the refused write cannot be overruled.
    pub force: bool,
    /// Move nothing, and let the standby, which serves, take writes.
    pub promote: bool,
}

/// What the engine says to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// This plan was opened.
    Opened(Box<Plan>),
    /// This drill was begun.
    Drilling(Box<Drill>),
    /// It was done.
    Done,
    /// It is so already; nothing was done.
    AlreadySo,
    /// Guards say no: all of them.
    Blocked(Vec<Blocker>),
    /// The plan is no longer the one that was shown.
    PlanChanged(Box<Plan>),
    /// There is no such service.
    NoSuchService,
}

/// What the runtime is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Make these durable, and queue these notices, in one transaction.
    Append {
        /// Whose.
        service: ServiceName,
        /// Under this authority.
        fence: Fence,
        /// What to record.
        entries: Vec<JournalEntry>,
        /// What to tell.
        notices: Vec<Notice>,
    },
    /// Run a step. Its start is durable.
    Run(Box<StepOrder>),
    /// Write the service's token anew, so that every older batch is refused, and say what was found.
    Fence {
        /// Whose.
        service: ServiceName,
    },
    /// Bring what answers again to what the register says: a fence that it has missed.
    CatchUp {
        /// Whose.
        service: ServiceName,
        /// Under this authority.
        fence: Fence,
        /// The flag, where some of its stores are behind.
        flag: Option<OwnedFlag>,
        /// Whether one of two providers is behind.
        zone: bool,
    },
    /// Try a write on a site that must not take it, and say what became of it, in any case.
    TryWrite {
        /// Whose.
        service: ServiceName,
        /// On which site.
        role: Role,
        /// Under this authority.
        fence: Fence,
        /// The plan that has brought it about.
        plan: PlanId,
    },
    /// From now on every vantage probes the service's sites this often; none means as often as the policy says.
    Pace {
        /// Whose.
        service: ServiceName,
        /// How often.
        every: Option<Duration>,
    },
    /// From now on agents look closely at what resolvers answer for the service, or no longer.
    Drain {
        /// Whose.
        service: ServiceName,
        /// Whether closely.
        closely: bool,
    },
    /// Look at everything that a plan will need, and change nothing.
    Look {
        /// Whose.
        service: ServiceName,
        /// For which drill.
        number: u64,
    },
    /// End this process without a word, as a drill asks.
    EndProcess {
        /// Whose drill.
        service: ServiceName,
        /// Which.
        number: u64,
    },
    /// Stop acting: somebody with a newer epoch has taken over.
    Resign {
        /// Why, for people.
        why: String,
    },
}

/// A step to run, with all that it needs: it leaves nothing to choose.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOrder {
    /// Proof of authority.
    pub fence: Fence,
    /// Of which plan.
    pub plan: Plan,
    /// Which step.
    pub index: StepIndex,
    /// Which step.
    pub step: Step,
    /// What a flip swaps.
    pub switch: Option<(Register, FlipIntent)>,
    /// The provider's id of the flip's change, if it is known.
    pub change: Option<String>,
}

/// One thing that the engine noticed, in the words that the log, `explain` and the demo share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// A stable word for programs.
    pub code: &'static str,
    /// The service that it is about.
    pub service: ServiceName,
    /// The vantage that it is about.
    pub vantage: Option<VantageName>,
    /// The site that it is about.
    pub role: Option<Role>,
    /// The step that it is about.
    pub step: Option<Step>,
    /// One line for people.
    pub text: String,
}

/// What [`super::Engine::handle`] returns.
#[must_use = "commands that are not carried out are lost"]
#[derive(Debug, Default)]
pub struct Output {
    /// What to do, in order.
    pub commands: Vec<Command>,
    /// When to come back at the latest, whichever service it is for: it replaces what was said before.
    pub wake_at: Option<Moment>,
    /// What was noticed.
    pub notes: Vec<Note>,
    /// The answer to an ask.
    pub reply: Option<Reply>,
}

impl Output {
    pub(super) fn wake(&mut self, at: Moment) {
        self.wake_at = Some(self.wake_at.map_or(at, |other| other.min(at)));
    }
}
