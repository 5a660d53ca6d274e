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

/// A body that is not the JSON that was asked for. Answers 400 with what is wrong with it.
#[derive(Debug)]
pub(super) struct BadJson(serde_json::Error);

impl IntoResponse for BadJson {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.0.to_string()}))).into_response()
    }
}

/// Reads a JSON body.
pub(super) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadJson> {
    serde_json::from_slice(body).map_err(BadJson)
}

async fn show(State(faults): State<Arc<Switchboard>>) -> Json<Faults> {
    Json(faults.state())
}

async fn set(State(faults): State<Arc<Switchboard>>, body: Bytes) -> Result<Json<Faults>, BadJson> {
    let change: FaultChange = read_json(&body)?;
    Ok(Json(faults.set(change)))
}

async fn requests(State(log): State<Arc<RequestLog>>) -> Json<Vec<RequestEntry>> {
    Json(log.entries())
}
