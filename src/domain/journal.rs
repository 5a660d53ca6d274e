//! The durable record of intent and outcome. Folding it gives the state that the engine acts from.

use std::fmt;
use std::time::Duration;

use super::{
    ClusterName, DrainRecord, DrillEntry, Epoch, Evidence, FlipIntent, Plan, PlanDigest, PlanId, Role, ServiceName,
    StepDetail, StepIndex, WallTime,
};

/// Something that people must know before it is needed, and that moves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alert {
    /// The site in reserve is not proven to work: a failover would have nowhere to go.
    ReserveUnproven,
    /// A quorum suspects the serving site, but of what may be the probes' own fault: a refused login, an unmet assertion.
    Suspected,
    /// Too few vantages have a word at all: nothing can be decided.
    Blind,
    /// The records, the flag or the name servers' answers are not what the register and the configuration say.
    Drift,
    /// The standby serves, has taken a write, and nobody has promoted it.
    StandbyWritable,
    /// The primary takes writes, although it was told to refuse them and another site serves.
    PrimaryWritable,
    /// The primary serves, and was told to refuse writes by a plan that was given up.
    PrimaryReadOnly,
}

impl Alert {
    /// All alerts.
    pub const ALL: [Self; 7] = [
        Self::ReserveUnproven,
        Self::Suspected,
        Self::Blind,
        Self::Drift,
        Self::StandbyWritable,
        Self::PrimaryWritable,
        Self::PrimaryReadOnly,
    ];

    /// The word used in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReserveUnproven => "reserve-unproven",
            Self::Suspected => "suspected",
            Self::Blind => "blind",
            Self::Drift => "drift",
            Self::StandbyWritable => "standby-writable",
            Self::PrimaryWritable => "primary-writable",
            Self::PrimaryReadOnly => "primary-read-only",
        }
    }

    /// The alert that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alert| alert.as_str() == word)
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How an incident ended. None vanishes (E4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentEnd {
    /// A quorum says "up" again.
    Recovered,
    /// The service was moved away from the site.
    Moved {
        /// By this plan.
        plan: PlanId,
    },
}

/// How a plan ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanEnd {
    /// All steps succeeded.
    Done,
    /// It ended before the flip, and the name was not moved.
    Abandoned {
        /// Why.
        why: String,
    },
    /// It needs a person.
    Stuck {
        /// Why.
        why: String,
    },
}

/// One thing that was intended, or that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalEntry {
    /// A quorum said that the serving site is down.
    IncidentOpened {
        /// Counts the service's incidents, from 1.
        number: u64,
        /// The votes.
        evidence: Evidence,
    },
    /// It still said so a round later.
    IncidentEscalated {
        /// Which incident.
        number: u64,
        /// The votes.
        evidence: Evidence,
    },
    /// The incident ended.
    IncidentClosed {
        /// Which incident.
        number: u64,
        /// How.
        end: IncidentEnd,
    },
    /// The policy would have moved the service, and guards said no.
    AttemptBlocked {
        /// Every guard that blocked.
        blockers: Vec<String>,
    },
    /// A person stopped all movement of the service.
    Frozen {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person allowed it again.
    Unfrozen {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person wants the service where it is, or elsewhere, and no automatic move away from there.
    Pinned {
        /// The site that it is pinned to.
        to: Role,
        /// For how long from the entry's own time on.
        lasting: Duration,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person took the pin out before it had run out.
    Unpinned {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// People were told of something that moves nothing.
    AlertRaised {
        /// Of what.
        alert: Alert,
        /// In one line.
        text: String,
    },
    /// It is over.
    AlertCleared {
        /// What.
        alert: Alert,
    },
    /// A person has seen that the last plan got stuck, and takes it from there.
    Acknowledged {
        /// Who.
        by: String,
        /// What they found, or did.
        reason: String,
    },
    /// People were reminded that the last plan is stuck.
    StuckReminded {
        /// Counts the reminders of one plan, from 1.
        number: u32,
    },
    /// A person has the records taken over: nothing is written before this is durable. What became of it, the zone's mark says.
    AdoptionAsked {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Of what they were shown.
        digest: PlanDigest,
        /// The cluster that they are taken from; none when they had no owner.
        from: Option<ClusterName>,
    },
    /// A person has the records put back to what the register says: nothing is written before this is durable.
    RepairAsked {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Of what they were shown.
        digest: PlanDigest,
    },
    /// A person has seen what the way back would lose, and takes it on.
    Reconciled {
        /// Who.
        by: String,
        /// Why, or what was done about it.
        reason: String,
        /// Of what they were shown.
        digest: PlanDigest,
        /// That, in words.
        findings: Vec<String>,
    },
    /// A person approved the open plan.
    PlanApproved {
        /// Which plan.
        plan: PlanId,
        /// Who.
        by: String,
    },
    /// A plan was opened.
    PlanOpened {
        /// The plan.
        plan: Box<Plan>,
    },
    /// A step is about to run. It never runs before this is durable (E2).
    StepStarted {
        /// Of which plan.
        plan: PlanId,
        /// Which step.
        step: StepIndex,
        /// What a flip is about to swap.
        intent: Option<Box<FlipIntent>>,
    },
    /// A step succeeded.
    StepSucceeded {
        /// Of which plan.
        plan: PlanId,
        /// Which step.
        step: StepIndex,
        /// What it has to say.
        detail: StepDetail,
    },
    /// A step did not succeed. Whether it will be tried again, the following entries tell.
    StepFailed {
        /// Of which plan.
        plan: PlanId,
        /// Which step.
        step: StepIndex,
        /// Why, redacted.
        why: String,
    },
    /// The zone's token shows that a flip was not applied, and fences it out for good: it may be tried afresh.
    StepVoided {
        /// Of which plan.
        plan: PlanId,
        /// Which step.
        step: StepIndex,
        /// What was found.
        why: String,
    },
    /// A plan ended.
    PlanClosed {
        /// Which plan.
        plan: PlanId,
        /// How.
        end: PlanEnd,
    },
    /// How users' resolvers followed a plan's move: written once, after the plan.
    Drained {
        /// Which plan.
        plan: PlanId,
        /// What was seen.
        record: Box<DrainRecord>,
    },
    /// Something about a drill.
    Drill(DrillEntry),
}

/// An entry with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRecord {
    /// Grows with every entry.
    pub id: u64,
    /// When it was written, for people to read.
    pub at: WallTime,
    /// The writer's epoch.
    pub epoch: Epoch,
    /// The service that it is about.
    pub service: ServiceName,
    /// What it says.
    pub entry: JournalEntry,
}
