//! The lab's own routes on the API listener: that it is a lab, the fault switchboard, the log of requests, and the health checks.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::faults::{FaultChange, Faults};
use super::requests::RequestEntry;
use super::route53::{Api, CheckState};

/// What says to whoever would break it that it is a lab, at `GET /lab`.
pub(super) async fn proof(part: &'static str) -> Json<serde_json::Value> {
    Json(json!({ "quorate": "lab", "part": part }))
}

/// `GET /lab`, `GET`/`POST /lab/faults`, `GET /lab/requests` and `GET /lab/health`.
pub(super) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/lab", get(|| proof("route53")))
        .route("/lab/faults", get(show).post(set))
        .route("/lab/requests", get(requests))
        .route("/lab/health", get(health))
        .with_state(api)
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

async fn show(State(api): State<Arc<Api>>) -> Json<Faults> {
    Json(api.faults.state())
}

async fn set(State(api): State<Arc<Api>>, body: Bytes) -> Result<Json<Faults>, BadJson> {
    let change: FaultChange = read_json(&body)?;
    Ok(Json(api.faults.set(change)))
}

async fn requests(State(api): State<Arc<Api>>) -> Json<Vec<RequestEntry>> {
    Json(api.log.entries())
}

async fn health(State(api): State<Arc<Api>>) -> Json<Vec<CheckState>> {
    Json(api.health.states())
}
