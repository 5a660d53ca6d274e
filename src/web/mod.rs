//! The controller's HTTP API: agents deliver, the command line asks. It decides nothing, and shows no secret: it is never given any
//! but its own token.
//!
//! | method and path | what |
//! |---|---|
//! | `GET /healthz` | this process answers |
//! | `POST /v1/observations` | an agent's delivery |
//! | `GET /v1/pace?known=MARK` | how often to probe: at once when that is news, else when it is |
//! | `POST /v1/sightings` | what an agent's own resolvers answer, and what its checks get through public names |
//! | `GET /v1/status` | all services |
//! | `GET /v1/services/NAME?at_ms=T`, `…?ago_ms=T` | one service, now or as it was |
//! | `GET /v1/services/NAME/history?limit=N` | its journal |
//! | `POST /v1/services/NAME/move` | plan a move, or with the plan's digest make it |
//! | `POST /v1/services/NAME/freeze`, `…/unfreeze` | stop or allow all movement |
//! | `POST /v1/services/NAME/pin`, `…/unpin` | keep it at one site for a time |
//! | `POST /v1/services/NAME/approve`, `…/acknowledge` | let a plan go on that waits; take over one that is stuck |
//! | `GET /v1/services/NAME/drift` | what differs from what was decided, looked at now |
//! | `POST /v1/services/NAME/adopt`, `…/repair` | plan to take records over or to put them back, or with the plan's digest do it |
//! | `POST /v1/services/NAME/drill`, `…/drill/abort` | show or begin a drill; bring it back |
//! | `GET /v1/services/NAME/drills` | what drills have left in the journal |
//! | `GET /v1/events?after=N&wait_ms=M` | what was noticed since this process began |
//! | `GET /metrics` | all of that in numbers, for Prometheus |
//!
//! With a token configured, everything but `/healthz` asks for `authorization: Bearer TOKEN`.

mod answer;
mod drills;
pub mod flags;
mod graphs;
mod show;
mod sites;
mod words;
mod zone;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use crate::domain::{Class, PaceMark, PlanDigest, Role, Secret, Service, WallTime};
use crate::engine::{Ask, Explanation, MoveRequest, Reply};
use crate::ports::Clock;
use crate::runtime::Intake;
use crate::runtime::controller::Handle;
use crate::runtime::past::Past;
use crate::wire::VERSION;
use crate::wire::api::{Events, History, MoveAnswer, MoveBody, PlanPreview, Status};
use crate::wire::observations::{Batch, Receipt};
use crate::wire::pace::PaceAnswer;
use crate::wire::sightings::{Sightings, SightingsReceipt};

use answer::Refusal;

/// The largest body that is read: a full delivery of long reasons fits.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// How many journal entries `history` shows unless told otherwise.
const HISTORY: usize = 50;
/// How many it shows at most.
const HISTORY_MAX: usize = 10_000;
/// How many events go in one answer.
const EVENTS: usize = 1_000;
/// How long a follower of events may be kept waiting.
const EVENTS_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long an agent that asks for the pace is kept waiting for news: less than what lies between would hold a silent connection open.
const PACE_WAIT: Duration = Duration::from_secs(25);

/// What the API needs.
pub struct Api {
    /// The cluster's name.
    pub cluster: String,
    /// The services, for what a plan's preview shows.
    pub services: Vec<Service>,
    /// Their rehearsals, which are moved by drills and nothing else.
    pub rehearsals: Vec<Service>,
    /// The controller.
    pub controller: Handle,
    /// What was recorded.
    pub past: Past,
    /// Where deliveries go.
    pub intake: Intake,
    /// The controller's clock, to place deliveries on.
    pub clock: Arc<dyn Clock>,
    /// The token to ask for.
    pub token: Option<Secret>,
}

type Shared = State<Arc<Api>>;

/// The routes.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    Router::new()
        .route("/v1/observations", post(observations))
        .route("/v1/pace", get(pace))
        .route("/v1/sightings", post(sightings))
        .route("/v1/status", get(status))
        .route("/v1/services/{name}", get(service))
        .route("/v1/services/{name}/history", get(history))
        .route("/v1/services/{name}/move", post(move_service))
        .route("/v1/services/{name}/freeze", post(words::freeze))
        .route("/v1/services/{name}/unfreeze", post(words::unfreeze))
        .route("/v1/services/{name}/pin", post(words::pin))
        .route("/v1/services/{name}/unpin", post(words::unpin))
        .route("/v1/services/{name}/approve", post(words::approve))
        .route("/v1/services/{name}/acknowledge", post(words::acknowledge))
        .route("/v1/services/{name}/reconcile", post(sites::reconcile))
        .route("/v1/services/{name}/drift", get(zone::drift))
        .route("/v1/services/{name}/adopt", post(zone::adopt))
        .route("/v1/services/{name}/repair", post(zone::repair))
        .route("/v1/services/{name}/drill", post(drills::drill))
        .route("/v1/services/{name}/drill/abort", post(drills::abort))
        .route("/v1/services/{name}/drills", get(drills::records))
        .route("/v1/events", get(events))
        .route("/metrics", get(graphs::metrics))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&api), authorize))
        .route("/healthz", get(|| async { "ok\n" }))
        .method_not_allowed_fallback(|method: Method| async move {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("there is something at this path, but not for {method}"),
            )
        })
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path; see /v1/status") })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(api)
}

async fn authorize(State(api): Shared, request: Request, next: Next) -> Response {
    let Some(token) = &api.token else {
        return next.run(request).await;
    };
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if same(token.expose(), sent) {
        return next.run(request).await;
    }
    let what = "this controller asks for its token: set QUORATE_TOKEN, or `token` in an agent's configuration";
    Refusal::new(StatusCode::UNAUTHORIZED, what).into_response()
}

/// Compares without telling by the time it takes how much of the token was right.
fn same(token: &str, sent: &str) -> bool {
    let mac = |text: &str| {
        Hmac::<Sha256>::new_from_slice(b"quorate token compare").ok().map(|mut mac| {
            mac.update(text.as_bytes());
            mac
        })
    };
    match (mac(token), mac(sent)) {
        (Some(token), Some(sent)) => token.verify(&sent.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

async fn observations(
    State(api): Shared,
    body: Result<Json<Batch>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<Receipt>, Refusal> {
    let Json(batch) = body?;
    let dropped = batch.dropped;
    let observations = batch.observations(api.clock.now()).map_err(|error| Refusal::bad(error.to_string()))?;
    let Some(vantage) = observations.first().map(|seen| seen.id.vantage.clone()) else {
        return Err(Refusal::bad("an empty delivery"));
    };
    if dropped > 0 {
        tracing::warn!(%vantage, dropped, "this agent has lost observations while no controller took them");
    }
    let taken_up_to = api.intake.take(&vantage, observations).await?;
    Ok(Json(Receipt { v: VERSION, taken_up_to }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaceQuery {
    known: Option<String>,
}

async fn pace(
    State(api): Shared,
    query: Result<Query<PaceQuery>, QueryRejection>,
) -> Result<Json<PaceAnswer>, Refusal> {
    let Query(query) = query?;
    let mark = |text: String| {
        PaceMark::parse(&text).ok_or_else(|| Refusal::bad("'known' is the mark of an earlier answer, or left out"))
    };
    let known = query.known.map(mark).transpose()?;
    Ok(Json(PaceAnswer::new(&api.controller.paces().after(known, PACE_WAIT).await)))
}

async fn sightings(
    State(api): Shared,
    body: Result<Json<Sightings>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<SightingsReceipt>, Refusal> {
    let Json(document) = body?;
    let (vantage, seen) = document.sightings(api.clock.now()).map_err(|error| Refusal::bad(error.to_string()))?;
    let taken = seen.len();
    api.intake.sighted(&vantage, seen).await?;
    Ok(Json(SightingsReceipt { v: VERSION, taken }))
}

async fn status(State(api): Shared) -> Result<Json<Status>, Refusal> {
    Ok(Json(status_now(&api).await?))
}

async fn status_now(api: &Api) -> Result<Status, Refusal> {
    let mut known = api.controller.explain(None).await?;
    known.retain(|known| concerns(api, known));
    let mut status = show::status(&api.cluster, known);
    measured(api, &mut status);
    Ok(status)
}

/// Whether it belongs among all services: a rehearsal does while it is under way, or has not come back.
fn concerns(api: &Api, known: &Explanation) -> bool {
    let busy = known.drill.is_some() || known.plan.is_some() || known.stuck.is_some();
    let rehearsal = api.rehearsals.iter().any(|service| service.name.as_str() == known.service);
    !rehearsal || busy || known.serving == Role::Standby
}

/// Adds what is known of now only: what the checks measured, and how providers protect what is frozen.
fn measured(api: &Api, status: &mut Status) {
    for service in &api.services {
        let name = service.name.as_str();
        if let Some(known) = status.services.iter_mut().find(|known| known.service == name) {
            known.protection = show::protection(api.controller.protections(&service.name), known.frozen.is_some());
            known.metrics = api.intake.measured(&service.name).into_iter().map(show::metric).collect();
        }
    }
}

/// A moment: one of the two, or now.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct At {
    /// Milliseconds since 1970.
    at_ms: Option<u64>,
    /// So many milliseconds ago, by this controller's clock.
    ago_ms: Option<u64>,
}

async fn service(
    State(api): Shared,
    Path(name): Path<String>,
    query: Result<Query<At>, QueryRejection>,
) -> Result<Json<Status>, Refusal> {
    let Query(At { at_ms, ago_ms }) = query?;
    let service = readable(&api, &name)?;
    let now = api.clock.wall();
    let at = match (at_ms, ago_ms) {
        (None, None) => {
            let known = api.controller.explain(Some(service.name.clone())).await?;
            let mut status = show::status(&api.cluster, known);
            measured(&api, &mut status);
            return Ok(Json(status));
        }
        (Some(at), None) => WallTime::from_ms(at),
        (None, Some(ago)) => WallTime::from_ms(now.as_ms().saturating_sub(ago)),
        (Some(_), Some(_)) => return Err(Refusal::bad("'at_ms' or 'ago_ms', and not both")),
    };
    if at > now {
        return Err(Refusal::bad(format!("{at} is yet to come; it is {now} here")));
    }
    let known = api.past.explain(service, at).await.map_err(|error| match error.class {
        Class::Refused => Refusal::new(StatusCode::NOT_FOUND, error.to_string()),
        Class::Retry | Class::Fenced | Class::Broken => error.into(),
    })?;
    Ok(Json(Status { as_of_ms: Some(at.as_ms()), ..show::status(&api.cluster, vec![known]) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryQuery {
    limit: Option<usize>,
}

async fn history(
    State(api): Shared,
    Path(name): Path<String>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<History>, Refusal> {
    let Query(query) = query?;
    let service = readable(&api, &name)?;
    let limit = query.limit.unwrap_or(HISTORY).clamp(1, HISTORY_MAX);
    let records = api.controller.history(&service.name, limit).await?;
    Ok(Json(History { v: VERSION, service: name, entries: show::history(service, &records) }))
}

async fn move_service(
    State(api): Shared,
    Path(name): Path<String>,
    body: Result<Json<MoveBody>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<MoveAnswer>, Refusal> {
    let Json(body) = body?;
    let service = known(&api, &name)?;
    let to = Role::parse(&body.to).ok_or_else(|| Refusal::bad("'to' is primary or standby"))?;
    let (by, reason) = (said(&body.by, "by")?, said(&body.reason, "reason")?);
    let request =
        MoveRequest { service: service.name.clone(), to, by, reason, force: body.force, promote: body.promote };
    if body.promote && to != Role::Standby {
        return Err(Refusal::bad("only the standby is promoted: 'to' is standby"));
    }
    let force = body.force;
    let loss = sites::loss(&api, service, &request).await?;
    let preview =
        |plan: &crate::domain::Plan| PlanPreview { loss: loss.clone(), ..show::preview(service, plan, force) };
    let reply = match body.digest {
        None => match api.controller.draft(request).await? {
            Reply::Opened(plan) => {
                let plan = Some(preview(&plan));
                return Ok(Json(MoveAnswer { v: VERSION, result: "plan".to_owned(), plan, blockers: vec![] }));
            }
            reply => reply,
        },
        Some(digest) => {
            let digest = PlanDigest::parse(&digest)
                .ok_or_else(|| Refusal::bad("'digest' is the 16 hexadecimal digits that the plan was shown with"))?;
            api.controller.ask(Ask::Move { request, digest }).await?
        }
    };
    let answer = |result: &str, plan: Option<PlanPreview>| MoveAnswer {
        v: VERSION,
        result: result.to_owned(),
        plan,
        blockers: Vec::new(),
    };
    Ok(Json(match reply {
        Reply::Opened(plan) => answer("opened", Some(preview(&plan))),
        Reply::PlanChanged(plan) => answer("plan-changed", Some(preview(&plan))),
        Reply::AlreadySo | Reply::Done | Reply::Drilling(_) => answer("already-so", None),
        Reply::Blocked(blockers) => {
            MoveAnswer { blockers: blockers.iter().map(show::blocker).collect(), ..answer("blocked", None) }
        }
        Reply::NoSuchService => return Err(no_such_service(&api, &name)),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait_ms: u64,
}

async fn events(
    State(api): Shared,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Json<Events>, Refusal> {
    let Query(query) = query?;
    let log = api.controller.events();
    let wait = Duration::from_millis(query.wait_ms).min(EVENTS_WAIT_MAX);
    let _ = tokio::time::timeout(wait, async {
        loop {
            let news = log.news();
            if !log.after(query.after, 1).is_empty() {
                return;
            }
            news.await;
        }
    })
    .await;
    let events = log.after(query.after, EVENTS).into_iter().map(show::event).collect();
    Ok(Json(Events { v: VERSION, events }))
}

fn known<'a>(api: &'a Api, name: &str) -> Result<&'a Service, Refusal> {
    api.services.iter().find(|service| service.name.as_str() == name).ok_or_else(|| no_such_service(api, name))
}

/// The same, or a rehearsal: what is known of it may be read, and only drills move it.
fn readable<'a>(api: &'a Api, name: &str) -> Result<&'a Service, Refusal> {
    let rehearsal = api.rehearsals.iter().find(|service| service.name.as_str() == name);
    rehearsal.map_or_else(|| known(api, name), Ok)
}

fn no_such_service(api: &Api, name: &str) -> Refusal {
    let names: Vec<&str> = api.services.iter().map(|service| service.name.as_str()).collect();
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no service '{name}'; there is {}", names.join(", ")))
}

/// A person's text: present, and short enough for a journal.
fn said(text: &str, key: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() || text.len() > 500 || text.chars().any(char::is_control) {
        return Err(Refusal::bad(format!("'{key}' must be 1 to 500 characters on one line")));
    }
    Ok(text.to_owned())
}
