//! Records: how they differ from what was decided, and what a person has done about it.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};

use super::answer::Refusal;
use super::{Api, Shared, known, no_such_service, said, show};
use crate::domain::adoption::{self, Mending};
use crate::domain::drift::{Difference, Drift};
use crate::domain::{ClusterName, PlanDigest, Service};
use crate::runtime::controller::{Look, MendPlan, MendRequest, Mended};
use crate::wire::VERSION;
use crate::wire::zone::{DifferenceStatus, DriftAnswer, DriftStatus, MendAnswer, MendBody, MendPreview, ZoneChange};

type Body = Result<Json<MendBody>, JsonRejection>;

pub(super) async fn drift(State(api): Shared, Path(name): Path<String>) -> Result<Json<DriftAnswer>, Refusal> {
    let service = known(&api, &name)?;
    let Some(Look { serving, moving, drift, findings }) = api.controller.look(&service.name).await? else {
        return Err(no_such_service(&api, &name));
    };
    let result = match (moving, drift.differences.is_empty(), drift.unknown.is_empty()) {
        (true, ..) => "moving",
        (_, false, _) => "drift",
        (_, true, false) => "unknown",
        (_, true, true) => "in-order",
    };
    let DriftStatus { differences, unknown } = status(drift);
    Ok(Json(DriftAnswer {
        v: VERSION,
        service: name,
        result: result.to_owned(),
        serving: serving.to_string(),
        differences,
        unknown,
        findings: findings.into_iter().map(show::finding).collect(),
    }))
}

pub(super) async fn adopt(
    State(api): Shared,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<MendAnswer>, Refusal> {
    let Json(body) = body?;
    let from = body.from.as_deref().map(ClusterName::new).transpose();
    let from = from.map_err(|error| Refusal::bad(format!("'from': {error}")))?;
    mend(&api, &name, Mending::Adopt { from }, body).await
}

pub(super) async fn repair(
    State(api): Shared,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<MendAnswer>, Refusal> {
    let Json(body) = body?;
    if body.from.is_some() {
        return Err(Refusal::bad("'from' belongs to an adoption: leave it out"));
    }
    mend(&api, &name, Mending::Repair, body).await
}

async fn mend(api: &Api, name: &str, what: Mending, body: MendBody) -> Result<Json<MendAnswer>, Refusal> {
    let service = known(api, name)?;
    let (by, reason) = (said(&body.by, "by")?, said(&body.reason, "reason")?);
    let digest = body.digest.as_deref().map(|digest| {
        PlanDigest::parse(digest)
            .ok_or_else(|| Refusal::bad("'digest' is the 16 hexadecimal digits that the plan was shown with"))
    });
    let digest = digest.transpose()?;
    let request = MendRequest { service: service.name.clone(), what: what.clone(), by, reason };
    let answer = |result: &str| MendAnswer {
        v: VERSION,
        result: result.to_owned(),
        text: String::new(),
        plan: None,
        blockers: Vec::new(),
    };
    Ok(Json(match api.controller.mend(request, digest).await? {
        Mended::Plan(plan) => MendAnswer { plan: Some(preview(api, service, &what, plan).await?), ..answer("plan") },
        Mended::Changed(plan) => {
            MendAnswer { plan: Some(preview(api, service, &what, plan).await?), ..answer("plan-changed") }
        }
        Mended::AlreadySo(text) => MendAnswer { text, ..answer("already-so") },
        Mended::Done(text) => MendAnswer { text, ..answer("done") },
        Mended::Blocked(blockers) => {
            MendAnswer { blockers: blockers.iter().map(show::blocker).collect(), ..answer("blocked") }
        }
        Mended::NoSuchService => return Err(no_such_service(api, name)),
    }))
}

async fn preview(api: &Api, service: &Service, what: &Mending, plan: MendPlan) -> Result<MendPreview, Refusal> {
    let findings = api.controller.findings(&service.name).await?;
    let zones =
        plan.batches.iter().map(|(at, batch)| ZoneChange { at: at.clone(), diff: adoption::diff(batch.changes()) });
    Ok(MendPreview {
        service: service.name.to_string(),
        dns_name: service.dns.name.clone(),
        what: what.as_str().to_owned(),
        serving: plan.serving.to_string(),
        digest: plan.digest.to_string(),
        zones: zones.collect(),
        findings: findings.into_iter().map(show::finding).collect(),
    })
}

pub(super) fn status(drift: Drift) -> DriftStatus {
    let difference = |Difference { code, at, what, diff }: Difference| DifferenceStatus {
        code: code.to_owned(),
        at,
        text: what,
        diff,
    };
    DriftStatus { differences: drift.differences.into_iter().map(difference).collect(), unknown: drift.unknown }
}
