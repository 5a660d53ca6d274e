//! What a cloud can be told to do wrong.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::state::Site;
use crate::lab::line::Line;
use crate::lab::switch::{BadJson, proof, read_json};

/// What signing in does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LoginFault {
    /// It works.
    #[default]
    Ok,
    /// It meets a database error.
    Error,
    /// It is never answered.
    Hang,
    /// The right password is refused.
    Reject,
    /// It takes its time.
    Slow,
}

/// Whether the site does what it says about being read-only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Honesty {
    /// It does.
    #[default]
    Honest,
    /// It says so, and writes on.
    Lies,
}

/// Whether the site knows how far its data is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LagFault {
    /// It does: as far as `lag_ms` says.
    #[default]
    Known,
    /// It does not.
    Unknown,
}

/// The switchboard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct CloudFaults {
    pub(super) login: LoginFault,
    pub(super) read_only: Honesty,
    pub(super) lag: LagFault,
    pub(super) lag_ms: u64,
    pub(super) down: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloudFaultChange {
    login: Option<LoginFault>,
    read_only: Option<Honesty>,
    lag: Option<LagFault>,
    lag_ms: Option<u64>,
    down: Option<bool>,
}

/// `GET /lab` and `GET`/`POST /lab/faults`.
pub(super) fn router(site: Arc<Site>) -> Router {
    Router::new().route("/lab", get(|| proof("cloud"))).route("/lab/faults", get(show).post(set)).with_state(site)
}

/// Closes the connection of every request while the cloud is down, except of those that can bring it up again or look.
pub(super) async fn down(
    State(site): State<Arc<Site>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let exempt = path.starts_with("/lab") || path == "/admin/state";
    if site.faults().down && !exempt {
        line.cut();
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    next.run(request).await
}

async fn show(State(site): State<Arc<Site>>) -> Json<CloudFaults> {
    Json(site.faults())
}

async fn set(State(site): State<Arc<Site>>, body: Bytes) -> Result<Json<CloudFaults>, BadJson> {
    let change: CloudFaultChange = read_json(&body)?;
    Ok(Json(site.change_faults(|faults| {
        faults.login = change.login.unwrap_or(faults.login);
        faults.read_only = change.read_only.unwrap_or(faults.read_only);
        faults.lag = change.lag.unwrap_or(faults.lag);
        faults.lag_ms = change.lag_ms.unwrap_or(faults.lag_ms);
        faults.down = change.down.unwrap_or(faults.down);
    })))
}
