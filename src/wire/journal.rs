//! Journal entries to and from JSON, version 1: `{"v":1,"type":"frozen","by":"ann","reason":"audit"}`.
//!
//! What was written once is read for ever: the texts in `tests/fixtures/journal/v1` never change, and a new field is a new
//! version. Reading refuses what it does not know whole: another version, another type, a field too many, a name that is no
//! name, evidence without votes, and a plan whose digest is not the one it was written with. A journal that is read as less
//! than it says would make the engine take a step twice, or not at all (S7, E3).

use serde::Serialize;
use serde_json::Value;

use super::fields::Fields;
pub use super::fields::WireError;
use crate::domain::{
    Cause, Evidence, FailureKind, FlipIntent, IncidentEnd, JournalEntry, Plan, PlanDigest, PlanEnd, PlanId, Role,
    ServiceName, Step, StepDetail, Token, VantageName, VantageView, Vote,
};

/// The version that is written.
const VERSION: u64 = 1;

/// The entry as one line of JSON, always the same for the same entry.
///
/// # Errors
/// None for any entry that the domain can make; a failure of the JSON writer is passed on rather than hidden.
pub fn to_text(entry: &JournalEntry) -> Result<String, WireError> {
    let text = Document { v: VERSION, entry: EntryText::from(entry) };
    serde_json::to_string(&text).map_err(|error| WireError::new("the entry", error.to_string()))
}

/// Reads what [`to_text`] wrote.
///
/// # Errors
/// Whatever is not exactly a version 1 entry; the error names the field.
pub fn from_text(text: &str) -> Result<JournalEntry, WireError> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| WireError::new("the text", format!("is not JSON: {error}")))?;
    let mut fields = Fields::of("", value)?;
    match fields.number::<u64>("v")? {
        VERSION => {}
        newer => {
            let what = format!("is {newer}, and this version of quorate reads {VERSION}: use the one that wrote it");
            return Err(WireError::new("v", what));
        }
    }
    let entry = entry(&mut fields)?;
    fields.done()?;
    Ok(entry)
}

#[derive(Serialize)]
struct Document<'a> {
    v: u64,
    #[serde(flatten)]
    entry: EntryText<'a>,
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
    PlanOpened { plan: Box<PlanText<'a>> },
    StepStarted { plan: &'a str, step: usize, intent: Option<IntentText> },
    StepSucceeded { plan: &'a str, step: usize, detail: DetailText<'a> },
    StepFailed { plan: &'a str, step: usize, why: &'a str },
    StepVoided { plan: &'a str, step: usize, why: &'a str },
    PlanClosed { plan: &'a str, end: PlanEndText<'a> },
}

#[derive(Serialize)]
struct EvidenceText<'a> {
    role: &'static str,
    of: usize,
    down: Vec<VoteText<'a>>,
}

#[derive(Serialize)]
struct VoteText<'a> {
    vantage: &'a str,
    cloud: &'a str,
    view: &'static str,
    failures: u32,
    kind: Option<&'static str>,
    reason: Option<&'a str>,
    failed_step: Option<&'a str>,
    age_ms: Option<u64>,
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
    digest: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum CauseText<'a> {
    Quorum { evidence: EvidenceText<'a> },
    Operator { by: &'a str, reason: &'a str, force: bool },
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
                detail: DetailText { text: &detail.text, change: detail.change.as_deref() },
            },
            JournalEntry::StepFailed { plan, step, why } => {
                Self::StepFailed { plan: plan.as_str(), step: *step, why }
            }
            JournalEntry::StepVoided { plan, step, why } => {
                Self::StepVoided { plan: plan.as_str(), step: *step, why }
            }
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
            view: vote.view.as_str(),
            failures: vote.failures,
            kind: vote.kind.map(FailureKind::as_str),
            reason: vote.reason.as_deref(),
            failed_step: vote.failed_step.as_deref(),
            age_ms: vote.age_ms,
        });
        Self { role: evidence.role().as_str(), of: evidence.of(), down: down.collect() }
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
            },
            parent: plan.parent().to_string(),
            steps: plan.steps().iter().map(|step| step.as_str()).collect(),
            digest: plan.digest().to_string(),
        }
    }
}

fn entry(fields: &mut Fields) -> Result<JournalEntry, WireError> {
    let kind = fields.text("type")?;
    Ok(match kind.as_str() {
        "incident-opened" => {
            JournalEntry::IncidentOpened { number: fields.number("number")?, evidence: evidence(fields)? }
        }
        "incident-escalated" => {
            JournalEntry::IncidentEscalated { number: fields.number("number")?, evidence: evidence(fields)? }
        }
        "incident-closed" => {
            JournalEntry::IncidentClosed { number: fields.number("number")?, end: incident_end(fields)? }
        }
        "attempt-blocked" => JournalEntry::AttemptBlocked { blockers: texts(fields, "blockers")? },
        "frozen" => JournalEntry::Frozen { by: fields.text("by")?, reason: fields.text("reason")? },
        "unfrozen" => JournalEntry::Unfrozen { by: fields.text("by")?, reason: fields.text("reason")? },
        "plan-opened" => JournalEntry::PlanOpened { plan: Box::new(plan(fields)?) },
        "step-started" => JournalEntry::StepStarted {
            plan: plan_id(fields)?,
            step: fields.number("step")?,
            intent: intent(fields)?.map(Box::new),
        },
        "step-succeeded" => JournalEntry::StepSucceeded {
            plan: plan_id(fields)?,
            step: fields.number("step")?,
            detail: detail(fields)?,
        },
        "step-failed" => JournalEntry::StepFailed {
            plan: plan_id(fields)?,
            step: fields.number("step")?,
            why: fields.text("why")?,
        },
        "step-voided" => JournalEntry::StepVoided {
            plan: plan_id(fields)?,
            step: fields.number("step")?,
            why: fields.text("why")?,
        },
        "plan-closed" => JournalEntry::PlanClosed { plan: plan_id(fields)?, end: plan_end(fields)? },
        other => return Err(unknown(fields, other)),
    })
}

fn unknown(fields: &Fields, kind: &str) -> WireError {
    WireError::new(fields.place("type"), format!("'{kind}' is not a type of version {VERSION}"))
}

fn texts(fields: &mut Fields, key: &str) -> Result<Vec<String>, WireError> {
    let text = |(place, value): (String, Value)| match value {
        Value::String(text) => Ok(text),
        _ => Err(WireError::new(place, "must be a text")),
    };
    fields.list(key)?.into_iter().map(text).collect()
}

fn plan_id(fields: &mut Fields) -> Result<PlanId, WireError> {
    fields.parsed("plan", PlanId::new)
}

fn evidence(parent: &mut Fields) -> Result<Evidence, WireError> {
    let mut fields = parent.object("evidence")?;
    let role = fields.word("role", Role::parse)?;
    let of = fields.number("of")?;
    let down = fields.list("down")?.into_iter().map(|(place, value)| vote(&place, value));
    let down = down.collect::<Result<Vec<Vote>, WireError>>()?;
    fields.done()?;
    Evidence::recorded(role, down, of).ok_or_else(|| {
        WireError::new(
            parent.place("evidence"),
            "must hold one vote or more, all of them 'down', and not more than 'of'",
        )
    })
}

fn vote(place: &str, value: Value) -> Result<Vote, WireError> {
    let mut fields = Fields::of(place, value)?;
    let vote = Vote {
        vantage: fields.parsed("vantage", VantageName::new)?,
        cloud: fields.text("cloud")?,
        view: fields.word("view", VantageView::parse)?,
        failures: fields.number("failures")?,
        kind: match fields.optional_text("kind")? {
            None => None,
            Some(word) => Some(FailureKind::parse(&word).ok_or_else(|| {
                WireError::new(fields.place("kind"), format!("'{word}' is not a word that belongs here"))
            })?),
        },
        reason: fields.optional_text("reason")?,
        failed_step: fields.optional_text("failed_step")?,
        age_ms: fields.optional_number("age_ms")?,
    };
    fields.done()?;
    Ok(vote)
}

fn incident_end(parent: &mut Fields) -> Result<IncidentEnd, WireError> {
    let mut fields = parent.object("end")?;
    let end = match fields.text("type")?.as_str() {
        "recovered" => IncidentEnd::Recovered,
        "moved" => IncidentEnd::Moved { plan: plan_id(&mut fields)? },
        other => return Err(unknown(&fields, other)),
    };
    fields.done()?;
    Ok(end)
}

fn plan_end(parent: &mut Fields) -> Result<PlanEnd, WireError> {
    let mut fields = parent.object("end")?;
    let end = match fields.text("type")?.as_str() {
        "done" => PlanEnd::Done,
        "abandoned" => PlanEnd::Abandoned { why: fields.text("why")? },
        "stuck" => PlanEnd::Stuck { why: fields.text("why")? },
        other => return Err(unknown(&fields, other)),
    };
    fields.done()?;
    Ok(end)
}

fn plan(parent: &mut Fields) -> Result<Plan, WireError> {
    let mut fields = parent.object("plan")?;
    let id = fields.parsed("id", PlanId::new)?;
    let service = fields.parsed("service", ServiceName::new)?;
    let to = fields.word("to", Role::parse)?;
    let cause = cause(&mut fields)?;
    let parent_token = fields.parsed("parent", Token::parse)?;
    let steps = texts(&mut fields, "steps")?;
    let digest = fields.word("digest", PlanDigest::parse)?;
    let plan = Plan::new(id, service, to, cause, parent_token);
    // Steps first: a different list is the likeliest reason for a different digest, and says more.
    if !plan.steps().iter().copied().map(Step::as_str).eq(steps.iter().map(String::as_str)) {
        let what = format!("are not those of a {}: another version of quorate wrote them", plan.direction());
        return Err(WireError::new(fields.place("steps"), what));
    }
    if *plan.digest() != digest {
        let what = format!("is {digest}, and the plan's content gives {}: it was changed", plan.digest());
        return Err(WireError::new(fields.place("digest"), what));
    }
    fields.done()?;
    Ok(plan)
}

fn cause(parent: &mut Fields) -> Result<Cause, WireError> {
    let mut fields = parent.object("cause")?;
    let cause = match fields.text("type")?.as_str() {
        "quorum" => Cause::Quorum(evidence(&mut fields)?),
        "operator" => {
            Cause::Operator { by: fields.text("by")?, reason: fields.text("reason")?, force: fields.flag("force")? }
        }
        other => return Err(unknown(&fields, other)),
    };
    fields.done()?;
    Ok(cause)
}

fn intent(parent: &mut Fields) -> Result<Option<FlipIntent>, WireError> {
    let Some(value) = parent.optional("intent") else { return Ok(None) };
    let mut fields = Fields::of(&parent.place("intent"), value)?;
    let intent =
        FlipIntent { expected: fields.parsed("expected", Token::parse)?, new: fields.parsed("new", Token::parse)? };
    fields.done()?;
    Ok(Some(intent))
}

fn detail(parent: &mut Fields) -> Result<StepDetail, WireError> {
    let mut fields = parent.object("detail")?;
    let detail = StepDetail { text: fields.text("text")?, change: fields.optional_text("change")? };
    fields.done()?;
    Ok(detail)
}
