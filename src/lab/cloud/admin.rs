//! The admin contract, as [the cloud's own page](super) words it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::faults::LagFault;
use super::state::{AdminState, ReadOnly, Site, Write};
use crate::domain::ServiceName;
use crate::lab::clock;

/// How far a timestamp may be from the site's clock, either way.
const TIMESTAMP_WINDOW_S: u64 = 300;
/// The longest name of a plan.
const PLAN_CHARS_MAX: usize = 128;

/// The admin routes.
pub(super) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/admin/read-only", post(read_only))
        .route("/admin/write-probe", post(write_probe))
        .route("/admin/lag", post(lag))
        .route("/admin/state", get(state))
        .with_state(site)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadOnlyRequest {
    service: String,
    read_only: bool,
    epoch: u64,
    plan: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteProbeRequest {
    service: String,
    plan: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LagRequest {
    service: String,
}

/// Why an admin request was refused.
#[derive(Debug)]
enum Refusal {
    Timestamp,
    Signature,
    BadRequest(String),
    StaleEpoch(u64),
    ReadOnly(ReadOnly),
    LagUnknown,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::Timestamp => (StatusCode::UNAUTHORIZED, json!({"error": "timestamp"})),
            Self::Signature => (StatusCode::UNAUTHORIZED, json!({"error": "signature"})),
            Self::BadRequest(detail) => (StatusCode::BAD_REQUEST, json!({"error": "bad-request", "detail": detail})),
            Self::StaleEpoch(seen) => (StatusCode::CONFLICT, json!({"error": "stale-epoch", "seen": seen})),
            Self::LagUnknown => (StatusCode::INTERNAL_SERVER_ERROR, json!({"error": "lag-unknown"})),
            Self::ReadOnly(refused) => return refused.into_response(),
        };
        (status, Json(body)).into_response()
    }
}

async fn read_only(
    State(site): State<Arc<Site>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let request: ReadOnlyRequest = read_signed(&site, &method, &uri, &headers, &body)?;
    check_names(&request.service, &request.plan)?;
    match site.set_read_only(request.read_only, request.epoch) {
        Ok(read_only) => Ok(Json(json!({"read_only": read_only})).into_response()),
        Err(seen) => Err(Refusal::StaleEpoch(seen)),
    }
}

async fn write_probe(
    State(site): State<Arc<Site>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let request: WriteProbeRequest = read_signed(&site, &method, &uri, &headers, &body)?;
    check_names(&request.service, &request.plan)?;
    site.count_write_probe();
    site.write(Write::Probe { plan: request.plan }).map_err(Refusal::ReadOnly)?;
    Ok((StatusCode::CREATED, Json(json!({"written": true}))).into_response())
}

async fn lag(
    State(site): State<Arc<Site>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let request: LagRequest = read_signed(&site, &method, &uri, &headers, &body)?;
    check_service(&request.service)?;
    let faults = site.faults();
    match faults.lag {
        LagFault::Known => Ok(Json(json!({"lag_ms": faults.lag_ms})).into_response()),
        LagFault::Unknown => Err(Refusal::LagUnknown),
    }
}

async fn state(State(site): State<Arc<Site>>) -> Json<AdminState> {
    Json(site.admin_state())
}

/// Checks the two headers, then reads the body: nothing unsigned is parsed.
fn read_signed<T: DeserializeOwned>(
    site: &Site,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<T, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let timestamp = header("x-quorate-timestamp").unwrap_or_default();
    let fresh = timestamp.parse::<u64>().is_ok_and(|at| at.abs_diff(clock::wall().as_secs()) <= TIMESTAMP_WINDOW_S);
    if !fresh {
        return Err(Refusal::Timestamp);
    }
    let text = std::str::from_utf8(body).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    let signature = header("x-quorate-signature").unwrap_or_default();
    let path = uri.path_and_query().map_or(uri.path(), PathAndQuery::as_str);
    if !site.admin_key.verifies_request(method.as_str(), path, timestamp, text, signature) {
        return Err(Refusal::Signature);
    }
    serde_json::from_str(text).map_err(|error| Refusal::BadRequest(error.to_string()))
}

fn check_names(service: &str, plan: &str) -> Result<(), Refusal> {
    check_service(service)?;
    if (1..=PLAN_CHARS_MAX).contains(&plan.chars().count()) {
        Ok(())
    } else {
        Err(Refusal::BadRequest(format!("'plan' must have 1 to {PLAN_CHARS_MAX} characters")))
    }
}

fn check_service(service: &str) -> Result<(), Refusal> {
    ServiceName::new(service).map(|_| ()).map_err(|error| Refusal::BadRequest(error.to_string()))
}
