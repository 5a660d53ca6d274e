//! From entries to text.

use serde::Serialize;

use super::drain::DrainText;
use super::drill::{self, DrillText, EndText, LookText};
use crate::domain::{Cause, DrillEntry, Evidence, FailureKind, IncidentEnd, JournalEntry, Plan, PlanEnd};

#[derive(Serialize)]
pub(super) struct Document<'a> {
    v: u64,
    #[serde(flatten)]
    entry: EntryText<'a>,
}

impl<'a> Document<'a> {
    pub(super) fn of(version: u64, entry: &'a JournalEntry) -> Self {
        Self { v: version, entry: entry.into() }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum EntryText<'a> {
    IncidentOpened { number: u64, evidence: EvidenceText<'a> },
    IncidentEscalated { number: u64, evidence: EvidenceText<'a> },
    IncidentClosed { number: u64, end: IncidentEndText<'a> },
    AttemptBlocked { blockers: &'a [String] },
    Frozen { by: &'a str, reason: &'a str },
    Unfrozen { by: &'a str, reason: &'a str },
    Pinned { to: &'static str, lasting_ms: u64, by: &'a str, reason: &'a str },
    Unpinned { by: &'a str, reason: &'a str },
    AlertRaised { alert: &'static str, text: &'a str },
    AlertCleared { alert: &'static str },
    Acknowledged { by: &'a str, reason: &'a str },
    StuckReminded { number: u32 },
    AdoptionAsked { by: &'a str, reason: &'a str, digest: String, from: Option<&'a str> },
    RepairAsked { by: &'a str, reason: &'a str, digest: String },
    Reconciled { by: &'a str, reason: &'a str, digest: String, findings: &'a [String] },
    PlanApproved { plan: &'a str, by: &'a str },
    PlanOpened { plan: Box<PlanText<'a>> },
    StepStarted { plan: &'a str, step: usize, intent: Option<IntentText> },
    StepSucceeded { plan: &'a str, step: usize, detail: DetailText<'a> },
    StepFailed { plan: &'a str, step: usize, why: &'a str },
    StepVoided { plan: &'a str, step: usize, why: &'a str },
    PlanClosed { plan: &'a str, end: PlanEndText<'a> },
    Drained { plan: &'a str, record: Box<DrainText<'a>> },
    DrillStarted { drill: Box<DrillText<'a>> },
    DrillAborting { number: u64, why: &'a str },
    DrillNoted { number: u64, text: &'a str },
    DrillFaulted { number: u64, text: &'a str },
    DrillDetected { number: u64, text: &'a str },
    DrillEnded { number: u64, end: EndText<'a>, looks: Vec<LookText<'a>> },
    DrillSkipped { kind: &'static str, why: &'a str },
}

#[derive(Serialize)]
struct EvidenceText<'a> {
    role: &'static str,
    lane: &'static str,
    of: usize,
    down: Vec<VoteText<'a>>,
}

#[derive(Serialize)]
struct VoteText<'a> {
    vantage: &'a str,
    cloud: &'a str,
    account: &'a str,
    view: &'static str,
    score: u32,
    burn: u32,
    burning: bool,
    failing_now: bool,
    failures: u32,
    kind: Option<&'static str>,
    reason: Option<&'a str>,
    failed_step: Option<&'a str>,
    age_ms: Option<u64>,
    generation: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum IncidentEndText<'a> {
    Recovered,
    Moved { plan: &'a str },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum PlanEndText<'a> {
    Done,
    Abandoned { why: &'a str },
    Stuck { why: &'a str },
}

#[derive(Serialize)]
struct PlanText<'a> {
    id: &'a str,
    service: &'a str,
    to: &'static str,
    cause: CauseText<'a>,
    parent: String,
    steps: Vec<&'static str>,
    approval: bool,
    digest: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum CauseText<'a> {
    Quorum { evidence: EvidenceText<'a> },
    Operator { by: &'a str, reason: &'a str, force: bool },
    Drill { number: u64, by: &'a str, reason: &'a str },
    GivenUp { plan: &'a str },
}

#[derive(Serialize)]
struct IntentText {
    expected: String,
    new: String,
}

#[derive(Serialize)]
struct DetailText<'a> {
    text: &'a str,
    change: Option<&'a str>,
    /// Only the step that fences has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fenced: Option<bool>,
}

impl<'a> From<&'a JournalEntry> for EntryText<'a> {
    fn from(entry: &'a JournalEntry) -> Self {
        match entry {
            JournalEntry::IncidentOpened { number, evidence } => {
                Self::IncidentOpened { number: *number, evidence: evidence.into() }
            }
            JournalEntry::IncidentEscalated { number, evidence } => {
                Self::IncidentEscalated { number: *number, evidence: evidence.into() }
            }
            JournalEntry::IncidentClosed { number, end } => Self::IncidentClosed {
                number: *number,
                end: match end {
                    IncidentEnd::Recovered => IncidentEndText::Recovered,
                    IncidentEnd::Moved { plan } => IncidentEndText::Moved { plan: plan.as_str() },
                },
            },
            JournalEntry::AttemptBlocked { blockers } => Self::AttemptBlocked { blockers },
            JournalEntry::Frozen { by, reason } => Self::Frozen { by, reason },
            JournalEntry::Unfrozen { by, reason } => Self::Unfrozen { by, reason },
            JournalEntry::Pinned { to, lasting, by, reason } => Self::Pinned {
                to: to.as_str(),
                lasting_ms: u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX),
                by,
                reason,
            },
            JournalEntry::Unpinned { by, reason } => Self::Unpinned { by, reason },
            JournalEntry::AlertRaised { alert, text } => Self::AlertRaised { alert: alert.as_str(), text },
            JournalEntry::AlertCleared { alert } => Self::AlertCleared { alert: alert.as_str() },
            JournalEntry::Acknowledged { by, reason } => Self::Acknowledged { by, reason },
            JournalEntry::StuckReminded { number } => Self::StuckReminded { number: *number },
            JournalEntry::AdoptionAsked { by, reason, digest, from } => Self::AdoptionAsked {
                by,
                reason,
                digest: digest.to_string(),
                from: from.as_ref().map(|from| from.as_str()),
            },
            JournalEntry::RepairAsked { by, reason, digest } => {
                Self::RepairAsked { by, reason, digest: digest.to_string() }
            }
            JournalEntry::Reconciled { by, reason, digest, findings } => {
                Self::Reconciled { by, reason, digest: digest.to_string(), findings }
            }
            JournalEntry::PlanApproved { plan, by } => Self::PlanApproved { plan: plan.as_str(), by },
            JournalEntry::PlanOpened { plan } => Self::PlanOpened { plan: Box::new(plan.as_ref().into()) },
            JournalEntry::StepStarted { plan, step, intent } => Self::StepStarted {
                plan: plan.as_str(),
                step: *step,
                intent: intent
                    .as_ref()
                    .map(|intent| IntentText { expected: intent.expected.to_string(), new: intent.new.to_string() }),
            },
            JournalEntry::StepSucceeded { plan, step, detail } => Self::StepSucceeded {
                plan: plan.as_str(),
                step: *step,
                detail: DetailText { text: &detail.text, change: detail.change.as_deref(), fenced: detail.fenced },
            },
            JournalEntry::StepFailed { plan, step, why } => {
                Self::StepFailed { plan: plan.as_str(), step: *step, why }
            }
            JournalEntry::StepVoided { plan, step, why } => {
                Self::StepVoided { plan: plan.as_str(), step: *step, why }
            }
            JournalEntry::Drained { plan, record } => {
                Self::Drained { plan: plan.as_str(), record: Box::new(record.as_ref().into()) }
            }
            JournalEntry::Drill(entry) => match entry {
                DrillEntry::Started(drill) => Self::DrillStarted { drill: Box::new(drill.as_ref().into()) },
                DrillEntry::Aborting { number, why } => Self::DrillAborting { number: *number, why },
                DrillEntry::Noted { number, text } => Self::DrillNoted { number: *number, text },
                DrillEntry::Faulted { number, text } => Self::DrillFaulted { number: *number, text },
                DrillEntry::Detected { number, text } => Self::DrillDetected { number: *number, text },
                DrillEntry::Ended { number, end, looks } => {
                    Self::DrillEnded { number: *number, end: end.into(), looks: drill::looks(looks) }
                }
                DrillEntry::Skipped { kind, why } => Self::DrillSkipped { kind: kind.as_str(), why },
            },
            JournalEntry::PlanClosed { plan, end } => Self::PlanClosed {
                plan: plan.as_str(),
                end: match end {
                    PlanEnd::Done => PlanEndText::Done,
                    PlanEnd::Abandoned { why } => PlanEndText::Abandoned { why },
                    PlanEnd::Stuck { why } => PlanEndText::Stuck { why },
                },
            },
        }
    }
}

impl<'a> From<&'a Evidence> for EvidenceText<'a> {
    fn from(evidence: &'a Evidence) -> Self {
        let down = evidence.down().iter().map(|vote| VoteText {
            vantage: vote.vantage.as_str(),
            cloud: &vote.cloud,
            account: &vote.account,
            score: vote.score,
            burn: vote.burn,
            burning: vote.burning,
            failing_now: vote.failing_now,
            generation: vote.generation.to_string(),
            view: vote.view.as_str(),
            failures: vote.failures,
            kind: vote.kind.map(FailureKind::as_str),
            reason: vote.reason.as_deref(),
            failed_step: vote.failed_step.as_deref(),
            age_ms: vote.age_ms,
        });
        Self {
            role: evidence.role().as_str(),
            lane: evidence.lane().as_str(),
            of: evidence.of(),
            down: down.collect(),
        }
    }
}

impl<'a> From<&'a Plan> for PlanText<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            id: plan.id().as_str(),
            service: plan.service().as_str(),
            to: plan.to().as_str(),
            cause: match plan.cause() {
                Cause::Quorum(evidence) => CauseText::Quorum { evidence: evidence.into() },
                Cause::Operator { by, reason, force } => CauseText::Operator { by, reason, force: *force },
                Cause::Drill { number, by, reason } => CauseText::Drill { number: *number, by, reason },
                Cause::GivenUp { plan } => CauseText::GivenUp { plan: plan.as_str() },
            },
            parent: plan.parent().to_string(),
            steps: plan.steps().iter().map(|step| step.as_str()).collect(),
            approval: plan.terms().approval,
            digest: plan.digest().to_string(),
        }
    }
}
