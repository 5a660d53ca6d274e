//! The lab's own routes on the API listener: the fault switchboard and the log of requests.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::faults::{FaultChange, Faults, Switchboard};
use super::requests::{RequestEntry, RequestLog};

/// `GET`/`POST /lab/faults` and `GET /lab/requests`.
pub(super) fn router(faults: Arc<Switchboard>, log: Arc<RequestLog>) -> Router {
    let switchboard = Router::new().route("/lab/faults", get(show).post(set)).with_state(faults);
    switchboard.merge(Router::new().route("/lab/requests", get(requests)).with_state(log))
}

/// Reads a JSON body, or answers 400 with what is wrong with it.
pub(super) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Response> {
    serde_json::from_slice(body)
        .map_err(|error| (StatusCode::BAD_REQUEST, Json(json!({"error": error.to_string()}))).into_response())
}

async fn show(State(faults): State<Arc<Switchboard>>) -> Json<Faults> {
    Json(faults.state())
}

async fn set(State(faults): State<Arc<Switchboard>>, body: Bytes) -> Result<Json<Faults>, Response> {
    let change: FaultChange = read_json(&body)?;
    Ok(Json(faults.set(change)))
}

async fn requests(State(log): State<Arc<RequestLog>>) -> Json<Vec<RequestEntry>> {
    Json(log.entries())
}
