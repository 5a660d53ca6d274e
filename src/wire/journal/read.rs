//! From text to entries.

use std::time::Duration;

use serde_json::Value;

use super::VERSION;
use crate::domain::{
    Alert, Cause, ClusterName, DnsLane, Evidence, FailureKind, FlipIntent, Generation, IncidentEnd, JournalEntry,
    Lane, Plan, PlanDigest, PlanEnd, PlanId, Role, ServiceName, Step, StepDetail, Terms, Token, VantageName,
    VantageView, Vote,
};
use crate::wire::fields::{Fields, WireError};

pub(super) fn entry(fields: &mut Fields) -> Result<JournalEntry, WireError> {
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
        "pinned" => JournalEntry::Pinned {
            to: fields.word("to", Role::parse)?,
            lasting: Duration::from_millis(fields.number("lasting_ms")?),
            by: fields.text("by")?,
            reason: fields.text("reason")?,
        },
        "unpinned" => JournalEntry::Unpinned { by: fields.text("by")?, reason: fields.text("reason")? },
        "alert-raised" => {
            JournalEntry::AlertRaised { alert: fields.word("alert", Alert::parse)?, text: fields.text("text")? }
        }
        "alert-cleared" => JournalEntry::AlertCleared { alert: fields.word("alert", Alert::parse)? },
        "acknowledged" => JournalEntry::Acknowledged { by: fields.text("by")?, reason: fields.text("reason")? },
        "stuck-reminded" => JournalEntry::StuckReminded { number: fields.number("number")? },
        "adoption-asked" => JournalEntry::AdoptionAsked {
            by: fields.text("by")?,
            reason: fields.text("reason")?,
            digest: fields.word("digest", PlanDigest::parse)?,
            from: fields.optional_word("from", |name| ClusterName::new(name).ok())?,
        },
        "repair-asked" => JournalEntry::RepairAsked {
            by: fields.text("by")?,
            reason: fields.text("reason")?,
            digest: fields.word("digest", PlanDigest::parse)?,
        },
        "reconciled" => JournalEntry::Reconciled {
            by: fields.text("by")?,
            reason: fields.text("reason")?,
            digest: fields.word("digest", PlanDigest::parse)?,
            findings: texts(fields, "findings")?,
        },
        "plan-approved" => JournalEntry::PlanApproved { plan: plan_id(fields)?, by: fields.text("by")? },
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
        "drained" => JournalEntry::Drained { plan: plan_id(fields)?, record: Box::new(super::drain::read(fields)?) },
        other => match super::drill::read(other, fields)? {
            Some(entry) => entry,
            None => return Err(unknown(fields, other)),
        },
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
    // Version 1 knew one lane.
    let lane = fields.optional_word("lane", Lane::parse)?.unwrap_or(Lane::Down);
    let of = fields.number("of")?;
    let down = fields.list("down")?.into_iter().map(|(place, value)| vote(&place, value));
    let down = down.collect::<Result<Vec<Vote>, WireError>>()?;
    fields.done()?;
    Evidence::recorded(role, lane, down, of).ok_or_else(|| {
        WireError::new(
            parent.place("evidence"),
            "must hold one vote or more, all of which count in its lane, and not more than 'of'",
        )
    })
}

fn vote(place: &str, value: Value) -> Result<Vote, WireError> {
    let mut fields = Fields::of(place, value)?;
    let vote = Vote {
        vantage: fields.parsed("vantage", VantageName::new)?,
        cloud: fields.text("cloud")?,
        // Version 1 did not tell these of a vote.
        account: fields.optional_text("account")?.unwrap_or_default(),
        score: fields.optional_number("score")?.unwrap_or(0),
        burn: fields.optional_number("burn")?.unwrap_or(0),
        burning: fields.optional_flag("burning")?.unwrap_or(false),
        failing_now: fields.optional_flag("failing_now")?.unwrap_or(true),
        generation: fields.optional_word("generation", Generation::parse)?.unwrap_or_default(),
        view: fields.word("view", VantageView::parse)?,
        failures: fields.number("failures")?,
        kind: fields.optional_word("kind", FailureKind::parse)?,
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
    let has = |wanted: Step| steps.iter().any(|step| step == wanted.as_str());
    let terms = Terms {
        veto: has(Step::AskVeto),
        approval: fields.optional_flag("approval")?.unwrap_or(false),
        lane: lane_of(&steps),
        fence: has(Step::FencePrimary) || has(Step::ReleasePrimary),
        promoted: has(Step::DrainStandby),
        promote: has(Step::AllowWrites),
        release: matches!(steps.as_slice(), [step] if step == Step::ReleasePrimary.as_str()),
        unrehearsed: to == Role::Standby
            && ![Step::AllowWrites, Step::EnterReadOnly, Step::VerifyReadOnly].into_iter().any(has),
    };
    let plan = Plan::new(id, service, to, cause, parent_token, terms);
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

/// By what a plan with these steps moves the name.
fn lane_of(steps: &[String]) -> DnsLane {
    let has = |step: Step| steps.iter().any(|word| word == step.as_str());
    match (has(Step::RaiseFlag) || has(Step::LowerFlag), has(Step::PinRecords)) {
        (false, _) => DnsLane::Records,
        (true, false) => DnsLane::Flag,
        (true, true) => DnsLane::Both,
    }
}

fn cause(parent: &mut Fields) -> Result<Cause, WireError> {
    let mut fields = parent.object("cause")?;
    let cause = match fields.text("type")?.as_str() {
        "quorum" => Cause::Quorum(evidence(&mut fields)?),
        "operator" => {
            Cause::Operator { by: fields.text("by")?, reason: fields.text("reason")?, force: fields.flag("force")? }
        }
        "drill" => {
            Cause::Drill { number: fields.number("number")?, by: fields.text("by")?, reason: fields.text("reason")? }
        }
        "given-up" => Cause::GivenUp { plan: plan_id(&mut fields)? },
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
    let detail = StepDetail {
        text: fields.text("text")?,
        change: fields.optional_text("change")?,
        fenced: fields.optional_flag("fenced")?,
    };
    fields.done()?;
    Ok(detail)
}
