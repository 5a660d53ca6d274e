//! The operations: HTTP in, the store in the middle, XML out.

mod answers;
mod checks;
mod extras;
mod records;
mod zones;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::ApiError;
use super::health::HealthChecks;
use super::store::{Propagation, Store};
use super::tags::Tags;
use crate::lab::faults::{Fault, Switchboard};
use crate::lab::requests::{RequestEntry, RequestLog};

/// What the handlers share.
#[derive(Debug)]
pub(in crate::lab) struct Api {
    pub(in crate::lab) store: Arc<Store>,
    pub(in crate::lab) health: Arc<HealthChecks>,
    pub(in crate::lab) faults: Arc<Switchboard>,
    pub(in crate::lab) log: Arc<RequestLog>,
    pub(in crate::lab) tasks: TaskTracker,
    pub(in crate::lab) closing: CancellationToken,
    tags: Tags,
}

type Shared = State<Arc<Api>>;

/// The API's routes, with and without a trailing slash.
pub(in crate::lab) fn router(api: Arc<Api>) -> Router {
    let routes = [
        ("hostedzone", get(zones::list_hosted_zones).post(zones::create_hosted_zone)),
        (
            "hostedzone/{id}",
            get(zones::get_hosted_zone).post(zones::comment_hosted_zone).delete(zones::delete_hosted_zone),
        ),
        ("hostedzone/{id}/dnssec", get(zones::get_dnssec)),
        ("hostedzone/{id}/rrset", get(records::list_record_sets).post(records::change_record_sets)),
        ("hostedzone/{id}/rrsetprotection", get(extras::list_protections).post(extras::create_protections)),
        ("hostedzone/{id}/rrsetprotection/delete", post(extras::delete_protections)),
        ("hostedzonesbyname", get(zones::list_hosted_zones_by_name)),
        ("hostedzonecount", get(zones::count_hosted_zones)),
        ("change/{id}", get(records::get_change)),
        ("healthcheck", get(checks::list).post(checks::create)),
        ("healthcheckcount", get(checks::count)),
        ("healthcheck/{id}", get(checks::get).post(checks::update).delete(checks::delete)),
        ("healthcheck/{id}/status", get(checks::status)),
        ("healthcheck/{id}/lastfailurereason", get(checks::last_failure)),
        ("tags/{kind}", post(extras::list_tags_of_several)),
        ("tags/{kind}/{id}", get(extras::list_tags).post(extras::change_tags)),
    ];
    let router = routes.into_iter().fold(Router::new(), |router, (path, methods)| {
        let (path, methods) = (format!("/2013-04-01/{path}"), methods.fallback(unknown_operation));
        router.route(&path, methods.clone()).route(&format!("{path}/"), methods)
    });
    router
        .route("/2013-04-01/{*rest}", axum::routing::any(unknown_operation))
        .layer(middleware::from_fn_with_state(Arc::clone(&api), late))
        .with_state(api)
}

/// Keeps the answer back for as long as the switchboard says: what was asked is done by then.
async fn late(State(api): Shared, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let wait = api.faults.state().answer_after_ms;
    if wait > 0 {
        api.closing.run_until_cancelled(sleep(Duration::from_millis(wait))).await;
    }
    response
}

async fn unknown_operation(State(api): Shared, method: Method, uri: Uri) -> ApiError {
    match api.gate("UnknownOperation", "*") {
        Err(error) => error,
        Ok(()) => ApiError::unknown_operation(method.as_str(), uri.path()),
    }
}

impl Api {
    pub(in crate::lab) fn new(
        store: Arc<Store>,
        health: Arc<HealthChecks>,
        faults: Switchboard,
        tasks: TaskTracker,
        closing: CancellationToken,
    ) -> Self {
        let (faults, log) = (Arc::new(faults), Arc::new(RequestLog::default()));
        Self { store, health, faults, log, tasks, closing, tags: Tags::default() }
    }

    /// What can meet any request, before it is looked at: `operation` as in the API's model, `resource` as in an ARN.
    fn gate(&self, operation: &str, resource: &str) -> Result<(), ApiError> {
        if self.faults.hits(Fault::Unavailable) {
            Err(ApiError::unavailable())
        } else if self.faults.hits(Fault::Throttle) || self.faults.over_rate() {
            Err(ApiError::throttled())
        } else if self.faults.hits(Fault::AccessDenied) {
            Err(ApiError::access_denied(operation, resource))
        } else {
            Ok(())
        }
    }

    fn propagation(&self) -> Propagation {
        Propagation::After(Duration::from_millis(self.faults.state().propagation_ms))
    }
}

fn zone_resource(id: &str) -> String {
    format!("hostedzone/{id}")
}

fn entry(op: &'static str, error: Option<&ApiError>) -> RequestEntry {
    let entry = RequestEntry::accepted(op);
    match error {
        None => entry,
        Some(error) => {
            RequestEntry { status: error.status, code: error.code, message: Some(error.message.clone()), ..entry }
        }
    }
}
