//! Who may write where: its status, and a person's word on what the way back would lose.

use axum::Json;
use axum::extract::Path;

use super::answer::Refusal;
use super::words::{Answer, Body, word};
use super::{Api, Shared, known, said};
use crate::domain::{PlanDigest, Role, Service};
use crate::engine::{Ask, MoveRequest, ReconciliationView, SitesView, TriedView};
use crate::wire::sites::{LagStatus, ReconcileBody, ReconciliationStatus, SidesStatus, WriteStatus};

use super::show::ms;

pub(super) async fn reconcile(state: Shared, path: Path<String>, body: Body<ReconcileBody>) -> Answer {
    let Json(ReconcileBody { digest, by, reason }) = body?;
    let service = known(&state.0, &path)?.name.clone();
    let digest = PlanDigest::parse(&digest)
        .ok_or_else(|| Refusal::bad("'digest' is the 16 hexadecimal digits that the findings were shown with"))?;
    let (by, reason) = (said(&by, "by")?, said(&reason, "reason")?);
    word(&state.0, &path, Ask::Reconcile { service, digest, by, reason }).await
}

/// What a move to the standby would lose, in words; none where that is not measured.
pub(super) async fn loss(api: &Api, service: &Service, request: &MoveRequest) -> Result<Option<String>, Refusal> {
    if request.to != Role::Standby {
        return Ok(None);
    }
    let known = api.controller.explain(Some(service.name.clone())).await?;
    let lag = known.into_iter().next().and_then(|known| known.sides.lag);
    Ok(lag.map(|(reading, _)| format!("what the primary has written in the last moments: the standby is {reading}")))
}

pub(super) fn status(view: SitesView) -> SidesStatus {
    let SitesView { lag, fenced, promoted, tried, primary_well, reconciliation } = view;
    SidesStatus {
        lag: lag.map(|(reading, age)| LagStatus {
            behind_ms: ms(reading.behind),
            heard_ms: ms(reading.heard),
            age_ms: ms(age),
            text: reading.to_string(),
        }),
        primary_fenced: fenced,
        promoted_at_ms: promoted.map(|at| at.as_ms()),
        primary_well_ms: primary_well.map(ms),
        writes: tried
            .into_iter()
            .map(|TriedView { role, word, text, age }| WriteStatus {
                role: role.to_string(),
                result: word.to_owned(),
                text,
                age_ms: ms(age),
            })
            .collect(),
        reconciliation: reconciliation.map(|view| {
            let ReconciliationView { positions, findings, digest, acknowledged } = view;
            ReconciliationStatus {
                positions,
                findings,
                digest: digest.map(|digest| digest.to_string()),
                acknowledged,
            }
        }),
    }
}
