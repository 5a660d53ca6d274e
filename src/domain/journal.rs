//! The durable record of intent and outcome. Folding it gives the state that the engine acts from.

use super::{Epoch, Evidence, FlipIntent, Plan, PlanId, ServiceName, StepDetail, StepIndex, WallTime};

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
