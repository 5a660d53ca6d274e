//! Refusals, in the shape and words of the real service where those are known.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::xml::XmlWriter;
use crate::lab::clock;

/// What is wrong with one entry of a batch of protections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab) struct EntryError {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// What an error's document holds besides code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// Nothing.
    Plain,
    /// The older form of a refused batch, still in the service's model: the document is the error, and lists messages.
    List(Vec<String>),
    /// The entries that failed.
    Entries(Vec<EntryError>),
}

/// One refusal: status, code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab) struct ApiError {
    /// The HTTP status.
    pub(in crate::lab) status: u16,
    /// The code that clients switch on.
    pub(in crate::lab) code: &'static str,
    /// The message.
    pub(in crate::lab) message: String,
    form: Form,
}

impl ApiError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), form: Form::Plain }
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

    /// The same, in the older form.
    pub(super) fn invalid_change_batch_as_list(messages: &[String]) -> Self {
        Self { form: Form::List(messages.to_vec()), ..Self::invalid_change_batch(messages) }
    }

    pub(super) fn invalid_protection_batch(errors: Vec<EntryError>) -> Self {
        let message = format!("{} of the entries could not be processed", errors.len());
        Self { form: Form::Entries(errors), ..Self::new(400, "InvalidResourceRecordSetProtectionBatch", message) }
    }

    pub(super) fn protection_already_exists(errors: Vec<EntryError>) -> Self {
        let message = "A protection already exists for every name and type in the request";
        Self { form: Form::Entries(errors), ..Self::new(409, "ProtectionAlreadyExists", message) }
    }

    pub(super) fn invalid_pagination_token(token: &str) -> Self {
        Self::new(400, "InvalidPaginationToken", format!("'{token}' is not a token of this list"))
    }

    pub(super) fn hosted_zone_not_empty(why: &str) -> Self {
        Self::new(
            400,
            "HostedZoneNotEmpty",
            format!("The specified hosted zone contains {why} and so cannot be deleted."),
        )
    }

    /// In the words of the identity service; `operation` as in the API's model.
    pub(super) fn access_denied(operation: &str, resource: &str) -> Self {
        Self::new(
            403,
            "AccessDenied",
            format!(
                "User: arn:aws:iam::123456789012:user/lab is not authorized to perform: route53:{operation} on resource: \
                 arn:aws:route53:::{resource} because no identity-based policy allows the route53:{operation} action"
            ),
        )
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

    pub(super) fn health_check_version_mismatch(given: u64, present: u64) -> Self {
        Self::new(
            409,
            "HealthCheckVersionMismatch",
            format!("The health check version {given} does not match the version {present} of the health check."),
        )
    }

    pub(super) fn too_many_health_checks(most: usize) -> Self {
        Self::new(400, "TooManyHealthChecks", format!("The limit of {most} health checks is reached."))
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

impl EntryError {
    fn write(&self, xml: &mut XmlWriter) {
        xml.element("ProtectionError", |xml| {
            xml.text("RecordName", &self.name);
            xml.text("RecordType", &self.kind);
            xml.text("Code", self.code);
            xml.text("Message", &self.message);
        });
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let request_id = clock::id("", 24);
        let kind = if self.status < 500 { "Sender" } else { "Receiver" };
        let body = match &self.form {
            Form::List(messages) => XmlWriter::document(self.code, |xml| {
                xml.element("Messages", |xml| messages.iter().for_each(|message| xml.text("Message", message)));
            }),
            form => XmlWriter::document("ErrorResponse", |xml| {
                xml.element("Error", |xml| {
                    xml.text("Type", kind);
                    xml.text("Code", self.code);
                    xml.text("Message", &self.message);
                    if let Form::Entries(errors) = form {
                        xml.element("Errors", |xml| errors.iter().for_each(|error| error.write(xml)));
                    }
                });
                xml.text("RequestId", &request_id);
            }),
        };
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = [
            (header::CONTENT_TYPE, "text/xml".to_owned()),
            (HeaderName::from_static("x-amzn-requestid"), request_id),
        ];
        (status, headers, body).into_response()
    }
}
