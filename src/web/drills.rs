//! Drills, over the API.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use super::answer::Refusal;
use super::{Api, Shared, known, no_such_service, said, show};
use crate::domain::{
    DrillEnd, DrillEntry, DrillFault, DrillKind, JournalEntry, JournalRecord, Plan, PlanDigest, PlanId, Role,
    Service, rehearsal_name,
};
use crate::engine::{Ask, Blocker, DrillDraft, DrillRequest, LastDrill, OpenDrill, Reply};
use crate::wire::VERSION;
use crate::wire::api::{WordAnswer, WordBody};
use crate::wire::drill::{
    DrillAnswer, DrillBody, DrillFacts, DrillPreview, DrillRecord, DrillRecords, DrillStatus, LastDrillStatus,
};
use crate::wire::journal;

/// For how long the standby serves unless told otherwise.
const HOLD: Duration = Duration::from_secs(600);
/// The longest hold: what is longer is no drill, but a move.
const HOLD_MAX: Duration = Duration::from_secs(86_400);
/// How far back drills are looked for, in entries of one journal: some forty a drill, and a drill each week.
const ENTRIES: usize = 200_000;

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) async fn drill(
    State(api): Shared,
    Path(name): Path<String>,
    body: Result<Json<DrillBody>, JsonRejection>,
) -> Result<Json<DrillAnswer>, Refusal> {
    let Json(body) = body?;
    let service = known(&api, &name)?;
    let request = request(service, &body)?;
    let digest = body.digest.as_deref().map(|text| {
        PlanDigest::parse(text)
            .ok_or_else(|| Refusal::bad("'digest' is the 16 hexadecimal digits that the plan was shown with"))
    });
    let digest = digest.transpose()?;
    let drafted = api.controller.draft_drill(request.clone()).await?;
    let Some(draft) = drafted else { return Err(no_such_service(&api, &name)) };
    let preview = preview(&api, service, &draft);
    let answer = |result: &str, blockers: &[Blocker]| {
        let blockers = blockers.iter().map(show::blocker).collect();
        Json(DrillAnswer { v: VERSION, result: result.to_owned(), drill: Some(preview.clone()), blockers })
    };
    if !body.begin {
        let result = if draft.blockers.is_empty() { "plan" } else { "blocked" };
        return Ok(answer(result, &draft.blockers));
    }
    Ok(match api.controller.ask(Ask::Drill { request, digest }).await? {
        Reply::Drilling(_) => answer("begun", &[]),
        Reply::Blocked(blockers) => answer("blocked", &blockers),
        Reply::NoSuchService => return Err(no_such_service(&api, &name)),
        Reply::PlanChanged(_) | Reply::Opened(_) | Reply::Done | Reply::AlreadySo => answer("plan-changed", &[]),
    })
}

fn request(service: &Service, body: &DrillBody) -> Result<DrillRequest, Refusal> {
    let kind = DrillKind::parse(&body.kind).ok_or_else(|| Refusal::bad("'kind' is tabletop, rehearse or live"))?;
    let hold = body.hold_ms.map_or(HOLD, Duration::from_millis);
    if !(Duration::from_secs(1)..=HOLD_MAX).contains(&hold) {
        return Err(Refusal::bad("'hold_ms' is a second to a day"));
    }
    let (by, reason) = (said(&body.by, "by")?, said(&body.reason, "reason")?);
    let service = service.name.clone();
    let fault = body.fault.as_deref().map(|word| {
        let known = || DrillFault::ALL.map(DrillFault::as_str).join(", ");
        DrillFault::parse(word).ok_or_else(|| Refusal::bad(format!("'fault' is one of {}", known())))
    });
    Ok(DrillRequest { service, kind, hold, by, reason, scheduled: false, fault: fault.transpose()? })
}

fn preview(api: &Api, real: &Service, draft: &DrillDraft) -> DrillPreview {
    let service = api.rehearsals.iter().find(|service| service.name == draft.service).unwrap_or(real);
    let steps = |plan: &Option<Box<Plan>>| {
        let steps = plan.iter().flat_map(|plan| plan.steps());
        steps.map(|step| step.sentence().to_owned()).collect::<Vec<String>>()
    };
    let drill = &draft.drill;
    let moves = drill.kind.moves();
    DrillPreview {
        number: drill.number,
        kind: drill.kind.to_string(),
        service: draft.service.to_string(),
        dns_name: service.dns.name.clone(),
        answer_before: service.site(Role::Primary).answer.clone(),
        answer_after: service.site(Role::Standby).answer.clone(),
        hold_ms: ms(drill.hold),
        digest: draft.out.as_ref().map(|plan| plan.digest().to_string()),
        out: steps(&draft.out),
        back: steps(&draft.back),
        aborts: if moves { aborts(real) } else { Vec::new() },
        fault: drill.fault.map(|fault| fault.to_string()),
        risks: risks(service, drill.kind).into_iter().chain(drill.fault.map(|fault| broken(real, fault))).collect(),
        rto_ms: drill.objectives.rto.map(ms),
        rpo_ms: drill.objectives.rpo.map(ms),
        lag_ms: drill.lag.map(ms),
    }
}

fn aborts(service: &Service) -> Vec<String> {
    let always = [
        "a quorum sees the standby, or one of its checks, fail",
        "an alert is raised",
        "the service is frozen (it then comes back as soon as it is unfrozen)",
        "quorate drill abort, or Ctrl-C where it was begun",
    ];
    let limits = service.drills.limits.iter().map(|limit| format!("{limit} at the standby"));
    always.into_iter().map(str::to_owned).chain(limits).collect()
}

fn risks(service: &Service, kind: DrillKind) -> Vec<String> {
    let name = &service.dns.name;
    match kind {
        DrillKind::Tabletop => vec!["none: nothing is changed".to_owned()],
        DrillKind::Rehearse => vec![format!("only {name} is moved, which no user should be using")],
        DrillKind::Live => vec![
            format!("users of {name} are served read-only by the {} meanwhile", service.standby.name),
            format!(
                "each way takes users up to {} s to follow, and clients that ignore times to live longer",
                service.dns.ttl_s
            ),
            "if the primary is not proven to work at the end it does not come back, and people are paged".to_owned(),
        ],
    }
}

/// What a fault does, to whom.
fn broken(real: &Service, fault: DrillFault) -> String {
    match fault {
        DrillFault::BreakLogin => format!(
            "the login of {}, which must be a lab's, is broken until the standby serves; {} does not move by itself meanwhile",
            real.primary.name, real.name
        ),
        DrillFault::DropAgent => "one vantage is not heard by the rehearsal; the service itself hears it".to_owned(),
        DrillFault::DelayProvider => "the lab's Route 53 answers late until the end".to_owned(),
        DrillFault::KillController => {
            "this controller ends in the middle, for all of its services: whatever supervises it must start it again \
             (systemd's Restart=always)"
                .to_owned()
        }
    }
}

pub(super) async fn abort(
    State(api): Shared,
    Path(name): Path<String>,
    body: Result<Json<WordBody>, JsonRejection>,
) -> Result<Json<WordAnswer>, Refusal> {
    let Json(WordBody { by, reason }) = body?;
    let service = known(&api, &name)?.name.clone();
    let why = format!("{}: {}", said(&by, "by")?, said(&reason, "reason")?);
    let answer = |result: &str| WordAnswer {
        v: VERSION,
        result: result.to_owned(),
        blockers: Vec::new(),
        protection: Vec::new(),
    };
    Ok(Json(match api.controller.ask(Ask::AbortDrill { service, why }).await? {
        Reply::Done | Reply::Drilling(_) | Reply::Opened(_) | Reply::PlanChanged(_) => answer("done"),
        Reply::AlreadySo => answer("already-so"),
        Reply::Blocked(blockers) => {
            WordAnswer { blockers: blockers.iter().map(show::blocker).collect(), ..answer("blocked") }
        }
        Reply::NoSuchService => return Err(no_such_service(&api, &name)),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsQuery {
    /// How far back, in entries of a journal.
    limit: Option<usize>,
}

/// The records that drills have left, for whoever makes reports of them.
pub(super) async fn records(
    State(api): Shared,
    Path(name): Path<String>,
    query: Result<Query<RecordsQuery>, QueryRejection>,
) -> Result<Json<DrillRecords>, Refusal> {
    let limit = query?.0.limit.unwrap_or(ENTRIES).clamp(1, ENTRIES);
    let service = known(&api, &name)?;
    let rehearsal = rehearsal_name(&service.name);
    let shadow = api.rehearsals.iter().find(|shadow| Some(&shadow.name) == rehearsal.as_ref());
    let mut records = Vec::new();
    for service in std::iter::once(service).chain(shadow) {
        records.extend(of_drills(api.controller.history(&service.name, limit).await?));
    }
    records.sort_by_key(|record| record.id);
    let facts = std::iter::once(service).chain(shadow).map(facts).collect();
    let records = records.iter().map(record).collect::<Result<_, Refusal>>()?;
    Ok(Json(DrillRecords { v: VERSION, cluster: api.cluster.clone(), services: facts, records }))
}

/// All that was recorded while a drill was under way, and what its moves left behind afterwards.
fn of_drills(records: Vec<JournalRecord>) -> Vec<JournalRecord> {
    let (mut within, mut plans): (bool, Vec<PlanId>) = (false, Vec::new());
    let mut kept = Vec::new();
    for record in records {
        let keep = match &record.entry {
            JournalEntry::Drill(DrillEntry::Started(_)) => {
                within = true;
                true
            }
            JournalEntry::Drill(DrillEntry::Ended { .. }) => {
                within = false;
                true
            }
            JournalEntry::Drill(_) => true,
            JournalEntry::PlanOpened { plan } if within => {
                plans.push(plan.id().clone());
                true
            }
            JournalEntry::Drained { plan, .. } => plans.contains(plan),
            _ => within,
        };
        if keep {
            kept.push(record);
        }
    }
    kept
}

fn record(record: &JournalRecord) -> Result<DrillRecord, Refusal> {
    let broken = |error: String| Refusal::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, error);
    let text = journal::to_text(&record.entry).map_err(|error| broken(error.to_string()))?;
    Ok(DrillRecord {
        id: record.id,
        at_ms: record.at.as_ms(),
        epoch: record.epoch.get(),
        service: record.service.to_string(),
        entry: serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?,
    })
}

fn facts(service: &Service) -> DrillFacts {
    let site = |role| {
        let site = service.site(role);
        format!("{} ({})", site.name, site.cloud)
    };
    DrillFacts {
        service: service.name.to_string(),
        dns_name: service.dns.name.clone(),
        ttl_s: service.dns.ttl_s,
        primary: site(Role::Primary),
        standby: site(Role::Standby),
        policy: service.policy.name().to_owned(),
        quorum: service.policy.quorum,
        checks: service.checks.iter().map(ToString::to_string).collect(),
        rehearsal: service.drills.rehearses.is_some(),
    }
}

pub(super) fn under_way(open: &OpenDrill) -> DrillStatus {
    let drill = &open.drill;
    DrillStatus {
        number: drill.number,
        kind: drill.kind.to_string(),
        by: drill.by.clone(),
        reason: drill.reason.clone(),
        at_ms: open.at.as_ms(),
        aborting: open.aborting.clone(),
        noted: open.noted.clone(),
    }
}

pub(super) fn last(last: &LastDrill) -> LastDrillStatus {
    LastDrillStatus {
        number: last.number,
        kind: last.kind.to_string(),
        end: last.end.as_str().to_owned(),
        why: last.end.why().map(str::to_owned),
        at_ms: last.at.as_ms(),
    }
}

/// An entry of a drill, in the words of `history`.
pub(super) fn words(entry: &DrillEntry) -> (&'static str, String) {
    match entry {
        DrillEntry::Started(drill) if drill.kind.moves() => {
            let hold = humantime::format_duration(drill.hold);
            ("drill-started", format!("{drill} (back after {hold})"))
        }
        DrillEntry::Started(drill) => ("drill-started", drill.to_string()),
        DrillEntry::Aborting { number, why } => ("drill-aborting", format!("drill {number}: {why}")),
        DrillEntry::Noted { number, text } => ("drill-noted", format!("drill {number}: {text}")),
        DrillEntry::Faulted { number, text } => ("drill-faulted", format!("drill {number}: {text}")),
        DrillEntry::Detected { number, text } => ("drill-detected", format!("drill {number}: {text}")),
        DrillEntry::Ended { number, end: DrillEnd::Passed, .. } => ("drill-ended", format!("drill {number}: passed")),
        DrillEntry::Ended { number, end, .. } => ("drill-ended", format!("drill {number}: {end}")),
        DrillEntry::Skipped { kind, why } => ("drill-skipped", format!("{kind}: {why}")),
    }
}
