//! What a reader would not have expected of a drill that goes well.

use super::dossier::Dossier;
use super::report::{Line, StepRow};
use crate::domain::{DrillEntry, JournalEntry, PlanEnd, Step};

/// A step that takes longer is worth a word, in milliseconds: a provider says "in sync" within a minute, a name server follows in
/// that time, and everything else is a request or two.
fn slow_ms(step: Step) -> u64 {
    match step {
        Step::AwaitInSync | Step::VerifyAnswers => 60_000,
        _ => 10_000,
    }
}

pub(super) fn surprises(dossier: &Dossier, steps: &[StepRow]) -> Vec<Line> {
    let mut found = Vec::new();
    let mut epoch = dossier.records.first().map(|record| record.epoch);
    for record in &dossier.records {
        let at_ms = dossier.offset(record.at);
        let mut tell = |text: String| found.push(Line { at_ms, kind: "surprise".to_owned(), text });
        if epoch.is_some_and(|epoch| epoch != record.epoch) {
            tell(format!("another controller, or a restarted one, went on with it (epoch {})", record.epoch));
            epoch = Some(record.epoch);
        }
        match &record.entry {
            JournalEntry::StepFailed { plan, step, why } => {
                let step = dossier.step(plan, *step).map_or("a step", Step::sentence);
                tell(format!("an attempt to {step} failed: {why}"));
            }
            JournalEntry::StepVoided { plan, step, why } => {
                let step = dossier.step(plan, *step).map_or("a step", Step::sentence);
                tell(format!("to {step} had to begin afresh: {why}"));
            }
            JournalEntry::AlertRaised { alert, text } => tell(format!("alert {alert}: {text}")),
            JournalEntry::IncidentOpened { number, evidence } => tell(format!("incident {number}: {evidence}")),
            JournalEntry::AttemptBlocked { blockers } => tell(format!("blocked: {}", blockers.join("; "))),
            JournalEntry::Frozen { by, reason } => tell(format!("frozen by {by}: {reason}")),
            JournalEntry::Pinned { to, by, reason, .. } => tell(format!("pinned to the {to} by {by}: {reason}")),
            JournalEntry::PlanClosed { plan, end: PlanEnd::Abandoned { why } } => {
                tell(format!("plan {plan} was given up before the flip: {why}"));
            }
            JournalEntry::PlanClosed { plan, end: PlanEnd::Stuck { why } } => {
                tell(format!("plan {plan} got stuck: {why}"));
            }
            JournalEntry::Drill(DrillEntry::Aborting { why, .. }) => tell(format!("rolled back: {why}")),
            JournalEntry::Drill(DrillEntry::Noted { text, .. }) => tell(text.clone()),
            JournalEntry::Drained { record, .. } => {
                for straggler in &record.stragglers {
                    tell(format!("a resolver held on to the old answer: {straggler}"));
                }
            }
            _ => {}
        }
    }
    for row in steps {
        let Some((step, took)) = row.known.zip(row.took_ms) else { continue };
        if took > slow_ms(step) {
            let text = format!("to {} took {}", row.sentence, super::report::seconds(took));
            found.push(Line { at_ms: row.started_ms, kind: "slow".to_owned(), text });
        }
    }
    found.sort_by_key(|line| line.at_ms);
    found
}
