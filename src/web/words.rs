//! What people say: freezes, pins, approvals, acknowledgements. Each is one journal entry or a refusal.

use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;

use super::answer::Refusal;
use super::{Api, Shared, known, no_such_service, said, show};
use crate::domain::{PlanDigest, PlanId, Role, ServiceName};
use crate::engine::{Ask, Reply};
use crate::wire::VERSION;
use crate::wire::api::{ApproveBody, PinBody, WordAnswer, WordBody};

/// The shortest and the longest pin: less is over before it is read, more is forgotten.
const PIN_FOR: std::ops::RangeInclusive<u64> = 60..=30 * 24 * 3600;

pub(super) type Body<T> = Result<Json<T>, JsonRejection>;
pub(super) type Answer = Result<Json<WordAnswer>, Refusal>;

pub(super) async fn freeze(state: Shared, path: Path<String>, body: Body<WordBody>) -> Answer {
    let (state, service, by, reason) = plainly(state, &path, body)?;
    let reply = state.0.controller.freeze(Ask::Freeze { service: service.clone(), by, reason }).await?;
    let protection = show::protection(state.0.controller.protections(&service), true);
    Ok(Json(WordAnswer { protection, ..answer(&state.0, &path, reply)? }))
}

pub(super) async fn unfreeze(state: Shared, path: Path<String>, body: Body<WordBody>) -> Answer {
    let (state, service, by, reason) = plainly(state, &path, body)?;
    let reply = state.0.controller.unfreeze(Ask::Unfreeze { service: service.clone(), by, reason }).await?;
    let protection = show::protection(state.0.controller.protections(&service), false);
    Ok(Json(WordAnswer { protection, ..answer(&state.0, &path, reply)? }))
}

pub(super) async fn unpin(state: Shared, path: Path<String>, body: Body<WordBody>) -> Answer {
    plain(state, path, body, |service, by, reason| Ask::Unpin { service, by, reason }).await
}

pub(super) async fn acknowledge(state: Shared, path: Path<String>, body: Body<WordBody>) -> Answer {
    plain(state, path, body, |service, by, reason| Ask::Acknowledge { service, by, reason }).await
}

pub(super) async fn pin(state: Shared, path: Path<String>, body: Body<PinBody>) -> Answer {
    let Json(PinBody { to, for_s, by, reason }) = body?;
    let service = known(&state.0, &path)?.name.clone();
    let to = Role::parse(&to).ok_or_else(|| Refusal::bad("'to' is primary or standby"))?;
    if !PIN_FOR.contains(&for_s) {
        return Err(Refusal::bad("'for_s' is a number of seconds from 60 (a minute) to 2592000 (30 days)"));
    }
    let (by, reason) = (said(&by, "by")?, said(&reason, "reason")?);
    word(&state.0, &path, Ask::Pin { service, to, lasting: Duration::from_secs(for_s), by, reason }).await
}

pub(super) async fn approve(state: Shared, path: Path<String>, body: Body<ApproveBody>) -> Answer {
    let Json(ApproveBody { plan, digest, by }) = body?;
    let service = known(&state.0, &path)?.name.clone();
    let plan = PlanId::new(&plan).map_err(|error| Refusal::bad(format!("'plan': {error}")))?;
    let digest = PlanDigest::parse(&digest)
        .ok_or_else(|| Refusal::bad("'digest' is the 16 hexadecimal digits that the plan was shown with"))?;
    word(&state.0, &path, Ask::Approve { service, plan, digest, by: said(&by, "by")? }).await
}

/// A word that is no more than who says it and why.
async fn plain(
    state: Shared,
    path: Path<String>,
    body: Body<WordBody>,
    ask: impl FnOnce(ServiceName, String, String) -> Ask,
) -> Answer {
    let (state, service, by, reason) = plainly(state, &path, body)?;
    word(&state.0, &path, ask(service, by, reason)).await
}

/// Who says it of which service, and why.
fn plainly(
    state: Shared,
    path: &str,
    body: Body<WordBody>,
) -> Result<(Shared, ServiceName, String, String), Refusal> {
    let Json(WordBody { by, reason }) = body?;
    let service = known(&state.0, path)?.name.clone();
    Ok((state, service, said(&by, "by")?, said(&reason, "reason")?))
}

pub(super) async fn word(api: &Api, name: &str, ask: Ask) -> Answer {
    Ok(Json(answer(api, name, api.controller.ask(ask).await?)?))
}

fn answer(api: &Api, name: &str, reply: Reply) -> Result<WordAnswer, Refusal> {
    let answer = |result: &str| WordAnswer {
        v: VERSION,
        result: result.to_owned(),
        blockers: Vec::new(),
        protection: Vec::new(),
    };
    Ok(match reply {
        Reply::Done | Reply::Opened(_) => answer("done"),
        Reply::PlanChanged(_) => answer("plan-changed"),
        Reply::AlreadySo => answer("already-so"),
        Reply::Blocked(blockers) => {
            WordAnswer { blockers: blockers.iter().map(show::blocker).collect(), ..answer("blocked") }
        }
        Reply::NoSuchService => return Err(no_such_service(api, name)),
    })
}
