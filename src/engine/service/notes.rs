//! What a service's state says of itself: notes, in the words that the log, `explain` and the demo share.

use crate::domain::{DrillEntry, JournalEntry, PlanEnd, Role};

use super::super::io::{Note, Output};
use super::ServiceState;

impl ServiceState {
    pub(super) fn note(&self, code: &'static str, role: Option<Role>, text: String) -> Note {
        Note { code, service: self.service.name.clone(), vantage: None, role, step: None, text }
    }

    pub(super) fn note_entry(&self, entry: &JournalEntry, output: &mut Output) {
        let step = match entry {
            JournalEntry::StepSucceeded { step, .. }
            | JournalEntry::StepFailed { step, .. }
            | JournalEntry::StepVoided { step, .. } => {
                self.ledger.open.as_ref().and_then(|open| open.plan.steps().get(*step).copied())
            }
            _ => None,
        };
        let (code, text) = match entry {
            JournalEntry::IncidentOpened { number, evidence } => {
                ("incident-opened", format!("incident {number}: {evidence}"))
            }
            JournalEntry::IncidentEscalated { number, evidence } => {
                ("incident-escalated", format!("incident {number}, second verdict in a row: {evidence}"))
            }
            JournalEntry::IncidentClosed { number, .. } => ("incident-closed", format!("incident {number} closed")),
            JournalEntry::AttemptBlocked { blockers } => ("blocked", blockers.join("; ")),
            JournalEntry::Frozen { by, reason } => ("frozen", format!("frozen by {by}: {reason}")),
            JournalEntry::Unfrozen { by, reason } => ("unfrozen", format!("unfrozen by {by}: {reason}")),
            JournalEntry::Pinned { to, lasting, by, reason } => (
                "pinned",
                format!("pinned to the {to} for {} by {by}: {reason}", humantime::format_duration(*lasting)),
            ),
            JournalEntry::Unpinned { by, reason } => ("unpinned", format!("unpinned by {by}: {reason}")),
            JournalEntry::AlertRaised { alert, text } => ("alert-raised", format!("{alert}: {text}")),
            JournalEntry::AlertCleared { alert } => ("alert-cleared", format!("{alert}: over")),
            JournalEntry::Acknowledged { by, reason } => ("acknowledged", format!("acknowledged by {by}: {reason}")),
            JournalEntry::StuckReminded { number } => {
                ("stuck-reminded", format!("still stuck, and nobody has acknowledged it: reminder {number}"))
            }
            JournalEntry::PlanApproved { plan, by } => ("plan-approved", format!("{plan} approved by {by}")),
            JournalEntry::PlanOpened { plan } => (
                "plan-opened",
                format!("{} {} to the {}, digest {}", plan.direction(), plan.id(), plan.to(), plan.digest()),
            ),
            JournalEntry::AdoptionAsked { by, reason, digest, .. } => {
                ("adoption-asked", format!("{by} takes the records over, digest {digest}: {reason}"))
            }
            JournalEntry::RepairAsked { by, reason, digest } => {
                ("repair-asked", format!("{by} has the records put back, digest {digest}: {reason}"))
            }
            JournalEntry::Drill(entry) => drill(entry),
            JournalEntry::Reconciled { by, reason, digest, .. } => {
                ("reconciled", format!("{by} has seen what the way back would lose, digest {digest}: {reason}"))
            }
            JournalEntry::Drained { plan, record } => ("drained", format!("{plan}: {record}")),
            // Told when it runs.
            JournalEntry::StepStarted { .. } => return,
            JournalEntry::StepSucceeded { detail, .. } => ("step-succeeded", detail.text.clone()),
            JournalEntry::StepFailed { why, .. } => ("step-failed", why.clone()),
            JournalEntry::StepVoided { why, .. } => ("step-voided", why.clone()),
            JournalEntry::PlanClosed { plan, end } => match end {
                PlanEnd::Done => ("plan-done", format!("{plan} done")),
                PlanEnd::Abandoned { why } => ("plan-abandoned", format!("{plan} given up: {why}")),
                PlanEnd::Stuck { why } => ("plan-stuck", format!("{plan} stuck: {why}")),
            },
        };
        output.notes.push(Note { step, ..self.note(code, None, text) });
    }
}

/// An entry of a drill, as the log and the API's history have it too.
fn drill(entry: &DrillEntry) -> (&'static str, String) {
    match entry {
        DrillEntry::Started(drill) => ("drill-started", drill.to_string()),
        DrillEntry::Aborting { number, why } => ("drill-aborting", format!("drill {number} is rolled back: {why}")),
        DrillEntry::Noted { number, text } => ("drill-noted", format!("drill {number}: {text}")),
        DrillEntry::Faulted { number, text } => ("drill-faulted", format!("drill {number}, on purpose: {text}")),
        DrillEntry::Detected { number, text } => ("drill-detected", format!("drill {number}: {text}")),
        DrillEntry::Ended { number, end, .. } => ("drill-ended", format!("drill {number} {end}")),
        DrillEntry::Skipped { kind, why } => ("drill-skipped", format!("the scheduled drill ({kind}): {why}")),
    }
}
