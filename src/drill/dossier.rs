//! The records that drills have left, typed again and sorted by drill.

use std::collections::BTreeMap;

use crate::domain::{
    Drill, DrillEntry, Epoch, JournalEntry, JournalRecord, NameError, Plan, PlanId, Role, ServiceName, Step,
    StepIndex, WallTime,
};
use crate::wire::drill::{DrillFacts, DrillRecords};
use crate::wire::journal;

/// What keeps records from being read.
#[derive(Debug, thiserror::Error)]
pub enum DossierError {
    /// An entry that this release does not know.
    #[error("record {id} of the journal: {why}")]
    Entry {
        /// Its number.
        id: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A service's name that is none.
    #[error("record {id} of the journal: {error}")]
    Name {
        /// Its number.
        id: u64,
        /// What is wrong with it.
        error: NameError,
    },
}

/// One drill's records.
#[derive(Debug, Clone)]
pub struct Dossier {
    /// The cluster.
    pub cluster: String,
    /// As it was begun.
    pub drill: Drill,
    /// When.
    pub began: WallTime,
    /// What is known of the service that was moved.
    pub facts: DrillFacts,
    /// All of it, oldest first, the beginning among them.
    pub records: Vec<JournalRecord>,
}

impl Dossier {
    /// Every drill of an answer of the API, by number, and the schedules' turns that were skipped.
    ///
    /// # Errors
    /// An entry that is none.
    pub fn all(answer: &DrillRecords) -> Result<(Vec<Self>, Vec<JournalRecord>), DossierError> {
        let (mut dossiers, mut skipped) = (Vec::new(), Vec::new());
        for facts in &answer.services {
            let mut open: Option<Self> = None;
            let mut plans: BTreeMap<PlanId, usize> = BTreeMap::new();
            for record in answer.records.iter().filter(|record| record.service == facts.service) {
                let record = typed(record)?;
                match &record.entry {
                    JournalEntry::Drill(DrillEntry::Started(drill)) => {
                        dossiers.extend(open.take());
                        open = Some(Self {
                            cluster: answer.cluster.clone(),
                            drill: (**drill).clone(),
                            began: record.at,
                            facts: facts.clone(),
                            records: vec![record],
                        });
                    }
                    JournalEntry::Drill(DrillEntry::Skipped { .. }) => skipped.push(record),
                    JournalEntry::Drained { plan, .. } if open.is_none() => {
                        // It comes when the drill is over.
                        if let Some(dossier) = plans.get(plan).and_then(|place| dossiers.get_mut(*place)) {
                            let dossier: &mut Self = dossier;
                            dossier.records.push(record);
                        }
                    }
                    entry => {
                        let ended = matches!(entry, JournalEntry::Drill(DrillEntry::Ended { .. }));
                        if let JournalEntry::PlanOpened { plan } = entry {
                            plans.insert(plan.id().clone(), dossiers.len());
                        }
                        if let Some(dossier) = &mut open {
                            dossier.records.push(record);
                        }
                        if ended {
                            dossiers.extend(open.take());
                        }
                    }
                }
            }
            dossiers.extend(open);
        }
        dossiers.sort_by_key(|dossier| dossier.drill.number);
        Ok((dossiers, skipped))
    }

    /// How long after the beginning that was, in milliseconds.
    pub(super) fn offset(&self, at: WallTime) -> u64 {
        at.as_ms().saturating_sub(self.began.as_ms())
    }

    /// The plans that the drill opened, in order.
    pub(super) fn plans(&self) -> impl Iterator<Item = (WallTime, &Plan)> {
        self.records.iter().filter_map(|record| match &record.entry {
            JournalEntry::PlanOpened { plan } => Some((record.at, plan.as_ref())),
            _ => None,
        })
    }

    /// The last plan that went there.
    pub(super) fn plan_to(&self, to: Role) -> Option<(WallTime, &Plan)> {
        self.plans().filter(|(_, plan)| plan.to() == to).last()
    }

    /// The step of a plan.
    pub(super) fn step(&self, plan: &PlanId, index: StepIndex) -> Option<Step> {
        self.plans().find(|(_, one)| one.id() == plan)?.1.steps().get(index).copied()
    }
}

fn typed(record: &crate::wire::drill::DrillRecord) -> Result<JournalRecord, DossierError> {
    let id = record.id;
    let entry = journal::from_text(&record.entry.to_string())
        .map_err(|error| DossierError::Entry { id, why: error.to_string() })?;
    let service = ServiceName::new(&record.service).map_err(|error| DossierError::Name { id, error })?;
    Ok(JournalRecord { id, at: WallTime::from_ms(record.at_ms), epoch: Epoch::new(record.epoch), service, entry })
}

/// A record in one line, for whoever follows a drill; none where there is nothing to say.
pub fn line(dossier: &Dossier, record: &JournalRecord) -> Option<(&'static str, String)> {
    let step = |plan, index| match dossier.step(plan, index) {
        Some(step) => step.sentence().to_owned(),
        None => format!("step {} of {plan}", index + 1),
    };
    Some(match &record.entry {
        JournalEntry::Drill(DrillEntry::Started(drill)) => ("begun", drill.to_string()),
        JournalEntry::Drill(DrillEntry::Aborting { why, .. }) => ("rolled back", why.clone()),
        JournalEntry::Drill(DrillEntry::Noted { text, .. }) => ("noted", text.clone()),
        JournalEntry::Drill(DrillEntry::Faulted { text, .. }) => ("broken", text.clone()),
        JournalEntry::Drill(DrillEntry::Detected { text, .. }) => ("detected", text.clone()),
        JournalEntry::Drill(DrillEntry::Ended { end, .. }) => ("ended", end.to_string()),
        JournalEntry::PlanOpened { plan } => {
            ("plan", format!("{} {} to the {} begins", plan.direction(), plan.id(), plan.to()))
        }
        JournalEntry::StepSucceeded { plan, step: index, detail } => {
            ("done", format!("{}: {}", step(plan, *index), detail.text))
        }
        JournalEntry::StepFailed { plan, step: index, why } => ("failed", format!("{}: {why}", step(plan, *index))),
        JournalEntry::StepVoided { plan, step: index, why } => ("voided", format!("{}: {why}", step(plan, *index))),
        JournalEntry::PlanClosed { plan, end } => match end {
            crate::domain::PlanEnd::Done => ("plan", format!("{plan} is done")),
            crate::domain::PlanEnd::Abandoned { why } => ("plan", format!("{plan} was given up: {why}")),
            crate::domain::PlanEnd::Stuck { why } => ("plan", format!("{plan} is stuck: {why}")),
        },
        JournalEntry::AlertRaised { alert, text } => ("alert", format!("{alert}: {text}")),
        JournalEntry::AlertCleared { alert } => ("alert", format!("{alert} is over")),
        JournalEntry::IncidentOpened { number, evidence } => ("incident", format!("incident {number}: {evidence}")),
        JournalEntry::IncidentClosed { number, .. } => ("incident", format!("incident {number} is over")),
        JournalEntry::Frozen { by, reason } => ("frozen", format!("by {by}: {reason}")),
        JournalEntry::Unfrozen { by, reason } => ("unfrozen", format!("by {by}: {reason}")),
        JournalEntry::Pinned { to, by, reason, .. } => ("pinned", format!("to the {to} by {by}: {reason}")),
        JournalEntry::Drained { plan, record } => ("drained", format!("{plan}: {record}")),
        JournalEntry::AttemptBlocked { blockers } => ("blocked", blockers.join("; ")),
        _ => return None,
    })
}
