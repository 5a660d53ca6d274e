//! Refusals, in the shape and words of the real service where those are known.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::xml::XmlWriter;
use crate::lab::clock;

/// One refusal: status, code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab) struct ApiError {
    /// The HTTP status.
    pub(in crate::lab) status: u16,
    /// The code that clients switch on.
    pub(in crate::lab) code: &'static str,
    /// The message.
    pub(in crate::lab) message: String,
}

impl ApiError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn invalid_xml(detail: &str) -> Self {
        Self::new(400, "InvalidInput", format!("Invalid XML ; {detail}"))
    }

    pub(super) fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidInput", message)
    }

    /// Every reason at once, as the real service lists them.
    pub(super) fn invalid_change_batch(messages: &[String]) -> Self {
        Self::new(400, "InvalidChangeBatch", format!("[{}]", messages.join(", ")))
    }

    pub(super) fn no_such_hosted_zone(id: &str) -> Self {
        Self::new(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
    }

    pub(super) fn no_such_change(id: &str) -> Self {
        Self::new(404, "NoSuchChange", format!("Could not find resource with ID: {id}"))
    }

    pub(super) fn no_such_health_check(id: &str) -> Self {
        Self::new(404, "NoSuchHealthCheck", format!("A health check with id {id} does not exist."))
    }

    pub(super) fn health_check_already_exists(reference: &str) -> Self {
        Self::new(
            409,
            "HealthCheckAlreadyExists",
            format!("A health check with the caller reference {reference} has already been created."),
        )
    }

    pub(super) fn hosted_zone_already_exists(reference: &str) -> Self {
        Self::new(
            409,
            "HostedZoneAlreadyExists",
            format!("A hosted zone has already been created with the specified caller reference. ({reference})"),
        )
    }

    pub(super) fn invalid_domain_name(name: &str, detail: &str) -> Self {
        Self::new(400, "InvalidDomainName", format!("{name} is not a valid domain name: {detail}"))
    }

    pub(super) fn throttled() -> Self {
        Self::new(400, "Throttling", "Rate exceeded")
    }

    pub(super) fn unavailable() -> Self {
        Self::new(503, "ServiceUnavailable", "Service Unavailable")
    }

    pub(super) fn prior_request_not_complete() -> Self {
        Self::new(
            400,
            "PriorRequestNotComplete",
            "The request was rejected because Route 53 was still processing a prior request.",
        )
    }

    pub(super) fn unknown_operation(method: &str, path: &str) -> Self {
        Self::new(404, "UnknownOperationException", format!("no operation here for {method} {path}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let request_id = clock::id("", 24);
        let kind = if self.status < 500 { "Sender" } else { "Receiver" };
        let body = XmlWriter::document("ErrorResponse", |xml| {
            xml.element("Error", |xml| {
                xml.text("Type", kind);
                xml.text("Code", self.code);
                xml.text("Message", &self.message);
            });
            xml.text("RequestId", &request_id);
        });
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = [
            (header::CONTENT_TYPE, "text/xml".to_owned()),
            (HeaderName::from_static("x-amzn-requestid"), request_id),
        ];
        (status, headers, body).into_response()
    }
}
