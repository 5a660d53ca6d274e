//! Refusals of the API: a status and one line that says the way out.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::ports::{Class, PortError};
use crate::runtime::controller::Gone;
use crate::wire::VERSION;
use crate::wire::api::ErrorAnswer;

/// See the module.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    what: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, what: impl Into<String>) -> Self {
        Self { status, what: what.into() }
    }

    pub(super) fn bad(what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorAnswer { v: VERSION, error: self.what })).into_response()
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<Gone> for Refusal {
    fn from(gone: Gone) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, gone.to_string())
    }
}

impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        let status = match error.class {
            Class::Broken => StatusCode::BAD_REQUEST,
            Class::Refused | Class::Fenced => StatusCode::CONFLICT,
            Class::Retry => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.what)
    }
}
