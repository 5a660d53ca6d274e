//! The journal, folded: what a service's past says about its present. The same fold runs at recovery and on every
//! ordinary turn, so that replaying the journal gives the same next step (E3) by construction.

use std::collections::BTreeSet;
use std::time::Duration;

use super::drill::Drills;
use crate::domain::{
    Alert, Cause, DrainRecord, FlipIntent, IncidentEnd, JournalEntry, Plan, PlanDigest, PlanEnd, PlanId, Role, Step,
    StepDetail, StepIndex, WallTime,
};

/// Where a step of the open plan stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepStatus {
    /// Not begun.
    Waiting,
    /// Begun, and its end is not known.
    Started {
        /// What a flip swaps.
        intent: Option<FlipIntent>,
    },
    /// An attempt failed.
    Failed {
        /// Why.
        why: String,
        /// What a flip swapped, or may yet swap.
        intent: Option<FlipIntent>,
    },
    /// Done.
    Succeeded(StepDetail),
}

/// The plan that is open (E1: at most one).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPlan {
    /// The plan.
    pub plan: Plan,
    /// Where each of its steps stands.
    pub steps: Vec<StepStatus>,
    /// Who approved it.
    pub approved: Option<String>,
    /// When it saw the standby refuse a write.
    pub refused_at: Option<WallTime>,
}

impl OpenPlan {
    /// The first step that has not succeeded.
    pub fn current(&self) -> Option<(StepIndex, Step, &StepStatus)> {
        let index = self.steps.iter().position(|status| !matches!(status, StepStatus::Succeeded(_)))?;
        Some((index, *self.plan.steps().get(index)?, self.steps.get(index)?))
    }

    /// The detail of the step that moves the name, once that has succeeded.
    pub fn switched(&self) -> Option<&StepDetail> {
        self.succeeded(self.plan.switch()?)
    }

    /// Whether it has gone so far that it cannot be left undone any more: the name was moved, or a second site may take writes.
    pub fn committed(&self) -> bool {
        let steps = self.plan.steps().iter().zip(&self.steps);
        let mut commits = steps.filter(|(step, _)| step.is_commit());
        commits.any(|(step, status)| match status {
            StepStatus::Waiting => false,
            StepStatus::Succeeded(_) => true,
            StepStatus::Started { .. } | StepStatus::Failed { .. } => *step == Step::AllowWrites,
        })
    }

    /// The detail of a step that succeeded.
    pub fn succeeded(&self, step: Step) -> Option<&StepDetail> {
        let index = self.plan.steps().iter().position(|other| *other == step)?;
        match self.steps.get(index)? {
            StepStatus::Succeeded(detail) => Some(detail),
            StepStatus::Waiting | StepStatus::Started { .. } | StepStatus::Failed { .. } => None,
        }
    }
}

/// The incident that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incident {
    /// Counts the service's incidents, from 1.
    pub number: u64,
    /// The site that it is about.
    pub role: Role,
    /// Whether the louder notice has gone out.
    pub escalated: bool,
}

/// A person's word that nothing may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A person's word on where the service is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The site.
    pub to: Role,
    /// Since when.
    pub at: WallTime,
    /// For how long.
    pub lasting: Duration,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Pin {
    /// How long it still holds.
    pub fn remaining(&self, wall: WallTime) -> Duration {
        self.lasting.saturating_sub(wall.since(self.at))
    }
}

/// A plan that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Why.
    pub why: String,
    /// When people were last told.
    pub told: WallTime,
    /// How often they were reminded.
    pub reminders: u32,
}

/// A flip that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// When.
    pub at: WallTime,
    /// Where to.
    pub to: Role,
    /// Whether the policy wanted it, and not a person.
    pub automatic: bool,
    /// Whether a drill did: it says nothing of how restless the service is.
    pub drill: bool,
}

/// A move that users' resolvers are following.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draining {
    /// Whose.
    pub plan: PlanId,
    /// Where to.
    pub to: Role,
    /// When the switch succeeded.
    pub at: WallTime,
    /// When every authoritative server was seen to answer the new site.
    pub answered: Option<WallTime>,
}

/// The last plan that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastPlan {
    /// The plan.
    pub plan: Plan,
    /// How it ended.
    pub end: PlanEnd,
    /// When.
    pub at: WallTime,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// All plans so far.
    pub plans: u64,
    /// All incidents so far.
    pub incidents: u64,
    /// The open incident.
    pub incident: Option<Incident>,
    /// What blocked the last attempt of the open incident.
    pub blocked: Vec<String>,
    /// The freeze in force.
    pub frozen: Option<Freeze>,
    /// The open plan.
    pub open: Option<OpenPlan>,
    /// The pin, which may have run out.
    pub pinned: Option<Pin>,
    /// The alerts that are raised.
    pub alerts: BTreeSet<Alert>,
    /// How many alerts were raised so far.
    pub alerts_raised: u64,
    /// Why a person is needed.
    pub stuck: Option<Stuck>,
    /// The last plan that ended.
    pub last: Option<LastPlan>,
    /// How many plans in a row were given up during this incident.
    pub given_up: u32,
    /// The flips that were done, in order.
    pub moves: Vec<Moved>,
    /// The plan that did the last one.
    pub moved_by: Option<PlanId>,
    /// The last move, until its drain is recorded. Where nobody looks at resolvers, that is never.
    pub draining: Option<Draining>,
    /// The last drain that was recorded.
    pub drained: Option<(PlanId, DrainRecord)>,
    /// Its drills.
    pub drills: Drills,
    /// Whether the primary refuses writes, as far as the last attempt to make it has shown; none when nobody has tried since it was
    /// last let go.
    pub fenced: Option<bool>,
    /// The plan that told the primary to refuse writes, or may have; none since it was seen to take them again.
    pub told: Option<PlanId>,
    /// When the last attempt ended to let it take them again after a plan was given up.
    pub released_at: Option<WallTime>,
    /// Since when the standby may have been taking writes; none since it was last seen to refuse one.
    pub promoted: Option<WallTime>,
    /// Since when what the standby has taken is to be reconciled: it outlives the end of the writes, until the way back is done.
    pub diverging: Option<WallTime>,
    /// What a person has taken on for the way back.
    pub reconciled: Option<PlanDigest>,
}

/// A journal that cannot be: nobody acts on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal does not add up: {0}")]
pub struct Inconsistent(String);

impl Ledger {
    /// Folds one entry, written at that time. An entry that cannot follow is an error, never ignored.
    pub fn apply(&mut self, entry: &JournalEntry, at: WallTime) -> Result<(), Inconsistent> {
        self.drills.apply(entry, at, self.alerts_raised).map_err(Inconsistent)?;
        match entry {
            JournalEntry::IncidentOpened { number, evidence } => {
                if *number <= self.incidents {
                    return Err(Inconsistent(format!("incident {number} opened after {}", self.incidents)));
                }
                if self.incident.is_some() {
                    return Err(Inconsistent(format!("incident {number} opened while another is open")));
                }
                self.incidents = *number;
                self.incident = Some(Incident { number: *number, role: evidence.role(), escalated: false });
                self.blocked.clear();
            }
            JournalEntry::IncidentEscalated { number, .. } => match &mut self.incident {
                Some(incident) if incident.number == *number => incident.escalated = true,
                _ => return Err(Inconsistent(format!("incident {number} escalated, and is not open"))),
            },
            JournalEntry::IncidentClosed { number, end } => {
                if self.incident.take().is_none_or(|incident| incident.number != *number) {
                    return Err(Inconsistent(format!("incident {number} closed, and was not open")));
                }
                self.blocked.clear();
                self.given_up = 0;
                // A plan that got stuck before its flip has nothing left to mend once the primary is up again.
                if *end == IncidentEnd::Recovered && self.serving() == Role::Primary {
                    self.stuck = None;
                }
            }
            JournalEntry::Pinned { to, lasting, by, reason } => {
                let (by, reason) = (by.clone(), reason.clone());
                self.pinned = Some(Pin { to: *to, at, lasting: *lasting, by, reason });
            }
            JournalEntry::Unpinned { .. } => self.pinned = None,
            JournalEntry::AlertRaised { alert, .. } => {
                self.alerts.insert(*alert);
                // Nobody meant it to, and it has written all the same.
                if *alert == Alert::StandbyWritable {
                    self.diverging.get_or_insert(at);
                }
                self.alerts_raised += 1;
            }
            JournalEntry::AlertCleared { alert } => {
                self.alerts.remove(alert);
            }
            JournalEntry::Acknowledged { .. } => self.stuck = None,
            JournalEntry::StuckReminded { number } => match &mut self.stuck {
                Some(stuck) => (stuck.told, stuck.reminders) = (at, *number),
                None => return Err(Inconsistent(format!("reminder {number} of nothing that is stuck"))),
            },
            JournalEntry::PlanApproved { plan, by } => match &mut self.open {
                Some(open) if open.plan.id() == plan => open.approved = Some(by.clone()),
                _ => return Err(Inconsistent(format!("plan {plan} approved, and is not open"))),
            },
            JournalEntry::Reconciled { digest, .. } => self.reconciled = Some(digest.clone()),
            JournalEntry::AttemptBlocked { blockers } => self.blocked.clone_from(blockers),
            JournalEntry::Frozen { by, reason } => {
                self.frozen = Some(Freeze { by: by.clone(), reason: reason.clone() });
            }
            JournalEntry::Unfrozen { .. } => self.frozen = None,
            // What became of it, the register says.
            JournalEntry::AdoptionAsked { .. } | JournalEntry::RepairAsked { .. } | JournalEntry::Drill(_) => {}
            JournalEntry::PlanOpened { plan } => {
                if let Some(open) = &self.open {
                    let (new, old) = (plan.id(), open.plan.id());
                    return Err(Inconsistent(format!("plan {new} opened while {old} is open")));
                }
                self.plans += 1;
                // A release settles nothing of what came before it.
                if !plan.terms().release {
                    self.stuck = None;
                    self.blocked.clear();
                }
                let steps = vec![StepStatus::Waiting; plan.steps().len()];
                self.open = Some(OpenPlan { plan: (**plan).clone(), steps, approved: None, refused_at: None });
            }
            JournalEntry::StepStarted { plan, step, intent } => {
                let status = self.current_step(plan, *step)?;
                *status = StepStatus::Started { intent: intent.as_deref().cloned() };
                self.writes_begun(*step, at);
            }
            JournalEntry::StepSucceeded { plan, step, detail } => {
                let status = self.current_step(plan, *step)?;
                if *status == StepStatus::Waiting {
                    return Err(Inconsistent(format!("step {step} of {plan} succeeded, and was not started")));
                }
                *status = StepStatus::Succeeded(detail.clone());
                self.writes_settled(*step, detail, at);
                if let Some(open) = &self.open
                    && open.plan.steps().get(*step).is_some_and(|step| step.is_switch())
                {
                    let automatic = matches!(open.plan.cause(), Cause::Quorum(_));
                    let drill = matches!(open.plan.cause(), Cause::Drill { .. });
                    self.moves.push(Moved { at, to: open.plan.to(), automatic, drill });
                    let (plan, to) = (open.plan.id().clone(), open.plan.to());
                    self.moved_by = Some(plan.clone());
                    self.draining = Some(Draining { plan, to, at, answered: None });
                }
                if let (Some(open), Some(draining)) = (&self.open, &mut self.draining)
                    && open.plan.steps().get(*step) == Some(&Step::VerifyAnswers)
                    && draining.plan == *plan
                {
                    draining.answered = Some(at);
                }
            }
            JournalEntry::StepFailed { plan, step, why } => {
                let status = self.current_step(plan, *step)?;
                let StepStatus::Started { intent } = status else {
                    return Err(Inconsistent(format!("step {step} of {plan} failed, and was not started")));
                };
                *status = StepStatus::Failed { why: why.clone(), intent: intent.take() };
            }
            JournalEntry::StepVoided { plan, step, .. } => {
                let status = self.current_step(plan, *step)?;
                if *status == StepStatus::Waiting {
                    return Err(Inconsistent(format!("step {step} of {plan} voided, and was not started")));
                }
                *status = StepStatus::Waiting;
            }
            JournalEntry::PlanClosed { plan, end } => {
                let Some(open) = self.open.take_if(|open| open.plan.id() == plan) else {
                    return Err(Inconsistent(format!("plan {plan} closed, and was not open")));
                };
                match end {
                    PlanEnd::Done if open.current().is_some() => {
                        return Err(Inconsistent(format!("plan {plan} done, and has steps left")));
                    }
                    PlanEnd::Abandoned { .. } if open.committed() => {
                        return Err(Inconsistent(format!(
                            "plan {plan} given up, and was past its point of no return"
                        )));
                    }
                    PlanEnd::Done if open.plan.to() == Role::Primary => {
                        (self.diverging, self.reconciled, self.fenced, self.told) = (None, None, None, None);
                    }
                    PlanEnd::Done | PlanEnd::Abandoned { .. } => {}
                    PlanEnd::Stuck { why } => {
                        self.stuck = Some(Stuck { why: why.clone(), told: at, reminders: 0 });
                    }
                }
                if open.plan.terms().release {
                    self.released_at = Some(at);
                    return Ok(());
                }
                self.given_up = match end {
                    PlanEnd::Abandoned { .. } => self.given_up.saturating_add(1),
                    PlanEnd::Done | PlanEnd::Stuck { .. } => 0,
                };
                self.last = Some(LastPlan { plan: open.plan, end: end.clone(), at });
            }
            JournalEntry::Drained { plan, record } => {
                if self.draining.take_if(|draining| draining.plan == *plan).is_none() {
                    return Err(Inconsistent(format!("plan {plan} drained, and was not the last to move the name")));
                }
                self.drained = Some((plan.clone(), (**record).clone()));
            }
        }
        Ok(())
    }

    /// A step that changes who may write has begun: from now on it may have happened.
    fn writes_begun(&mut self, step: StepIndex, at: WallTime) {
        match self.open.as_ref().and_then(|open| open.plan.steps().get(step)) {
            Some(Step::AllowWrites) => {
                self.promoted.get_or_insert(at);
                self.diverging.get_or_insert(at);
                self.reconciled = None;
            }
            Some(Step::ReleasePrimary) => self.fenced = None,
            Some(Step::FencePrimary) => self.told = self.open.as_ref().map(|open| open.plan.id().clone()),
            _ => {}
        }
    }

    /// Such a step has ended.
    fn writes_settled(&mut self, step: StepIndex, detail: &StepDetail, at: WallTime) {
        let Some(open) = &mut self.open else { return };
        match open.plan.steps().get(step) {
            Some(Step::FencePrimary) => self.fenced = Some(detail.fenced == Some(true)),
            Some(Step::VerifyReadOnly) => {
                open.refused_at = Some(at);
                self.promoted = None;
            }
            Some(Step::ReleasePrimary) => self.told = None,
            _ => {}
        }
    }

    /// The status of a step, which must be the current one of the open plan.
    fn current_step(&mut self, plan: &PlanId, step: StepIndex) -> Result<&mut StepStatus, Inconsistent> {
        let Some(open) = self.open.as_mut().filter(|open| open.plan.id() == plan) else {
            return Err(Inconsistent(format!("a step of {plan}, which is not open")));
        };
        let current = open.current().map(|(index, ..)| index);
        match open.steps.get_mut(step) {
            Some(status) if current == Some(step) => Ok(status),
            _ => Err(Inconsistent(format!("step {step} of {plan} out of turn"))),
        }
    }

    /// The site that serves, as far as the journal knows.
    pub fn serving(&self) -> Role {
        self.moves.last().map_or(Role::Primary, |moved| moved.to)
    }

    /// The automatic moves that were done, or may be under way, within that time before `wall`: when each was.
    pub fn automatic_moves(&self, wall: WallTime, within: Duration) -> Vec<WallTime> {
        let recent = |moved: &&Moved| moved.automatic && wall.since(moved.at) < within;
        let done = self.moves.iter().filter(recent).map(|moved| moved.at);
        let open = self
            .open
            .as_ref()
            .filter(|open| matches!(open.plan.cause(), Cause::Quorum(_)) && open.switched().is_none());
        done.chain(open.map(|_| wall)).collect()
    }
}
