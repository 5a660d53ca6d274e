//! Neutral targets for the demo's agents: three that have nothing to do with any demo cloud, and always answer 204.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

/// Their paths.
pub(super) const PATHS: [&str; 3] = ["/lab/canary/one", "/lab/canary/two", "/lab/canary/three"];

/// Each of them.
pub(super) fn router() -> Router {
    PATHS.into_iter().fold(Router::new(), |router, path| router.route(path, get(|| async { StatusCode::NO_CONTENT })))
}
