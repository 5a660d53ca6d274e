//! Flags at a public address, for Route 53's checkers: `GET /flags/NAME` gives the flag's text as it is in the store, and there is nothing else.
//!
//! It reads and never writes, shows nothing of the request in an answer (a checker looks for a phrase in whatever comes back), and says of every trouble no more than a
//! status: a flag that cannot be served means "stay".

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::domain::{FLAG_BYTES_MAX, ServiceName};
use crate::ports::FlagBodies;

/// The routes. They need no token: a flag is public, and its phrase is in it only while it is up.
pub fn router(flags: Arc<dyn FlagBodies>) -> Router {
    Router::new().route("/flags/{name}", get(flag)).fallback(|| async { StatusCode::NOT_FOUND }).with_state(flags)
}

async fn flag(State(flags): State<Arc<dyn FlagBodies>>, Path(name): Path<String>) -> Response {
    let Ok(service) = ServiceName::new(&name) else { return StatusCode::NOT_FOUND.into_response() };
    match flags.body(&service).await {
        Ok(Some(body)) if body.len() <= FLAG_BYTES_MAX => {
            let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (headers, body).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Ok(Some(_)) => {
            tracing::warn!(service = %service, "what is in the place of the flag is too long for one, and is not served");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(error) => {
            tracing::warn!(service = %service, %error, "the flag cannot be served");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
