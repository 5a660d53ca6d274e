//! What an error of Route 53 means for the caller: the class is decided here, where the facts are.
//!
//! The rule for a write: only an answer that Route 53 itself gave, with a code that we can read, says that nothing was applied.
//! Everything else is unknown.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_route53::config::http::HttpResponse;
use aws_sdk_route53::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::ports::{Class, PortError};

/// The longest text of the other side that goes into an error.
const MAX_QUOTE: usize = 600;

/// An error of ChangeResourceRecordSets.
pub(super) fn write<E>(error: &SdkError<E, HttpResponse>, zone: &str) -> PortError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    // An older form of the error is a document of its own; the SDK reads no code from it.
    if let Some(messages) = old_form(error) {
        return PortError::refused(format!("zone {zone}: refused the batch: {messages}"));
    }
    let known = of(error, zone, "ChangeResourceRecordSets");
    match known {
        Some(error) => error,
        None => match (code(error), text(error)) {
            (Some("InvalidChangeBatch"), text) => {
                PortError::refused(format!("zone {zone}: refused the batch: {text}"))
            }
            // A 4xx with a code of its own is a no, and the read-back decides what to make of it.
            (Some(code), text) => PortError::refused(format!("zone {zone}: {code}: {text}")),
            (None, text) => unknown(zone, "ChangeResourceRecordSets", &text),
        },
    }
}

/// An error of a change of protections: like any write's, and of no batch.
pub(super) fn protection<E>(error: &SdkError<E, HttpResponse>, zone: &str, call: &str) -> PortError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match of(error, zone, call) {
        Some(error) => error,
        None => match (code(error), text(error)) {
            (Some(code), text) => PortError::refused(format!("{call} of {zone}: {code}: {text}")),
            (None, text) => unknown(zone, call, &text),
        },
    }
}

/// An error of a read, which has no effect: unknown is merely "try again".
pub(super) fn read<E>(error: &SdkError<E, HttpResponse>, what: &str, call: &str) -> PortError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match of(error, what, call) {
        Some(error) => error,
        None => match (code(error), text(error)) {
            (Some(code), text) => PortError::broken(format!("{call} of {what}: {code}: {text}")),
            (None, text) => unknown(what, call, &text),
        },
    }
}

/// The errors that mean the same for every call.
fn of<E>(error: &SdkError<E, HttpResponse>, what: &str, call: &str) -> Option<PortError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(class) = credentials(error) {
        let text = format!(
            "{call} of {what}: no AWS credentials ({}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the \
             machine a role",
            innermost(error)
        );
        return Some(PortError { class, what: text });
    }
    let service = match error {
        SdkError::ServiceError(service) => service,
        SdkError::TimeoutError(_) => return Some(unknown(what, call, "no answer in time")),
        SdkError::ConstructionFailure(_) => {
            let text = quote(&DisplayErrorContext(error).to_string());
            return Some(PortError::broken(format!("{call} of {what}: the request cannot be made: {text}")));
        }
        SdkError::DispatchFailure(_) => {
            return Some(unknown(what, call, &format!("the connection failed: {}", innermost(error))));
        }
        _ => return Some(unknown(what, call, &format!("the answer cannot be read: {}", innermost(error)))),
    };
    if service.raw().status().is_server_error() {
        let text = format!("status {}: {}", service.raw().status().as_u16(), text(error));
        return Some(unknown(what, call, &text));
    }
    let text = text(error);
    let broken = |out: &str| Some(PortError::broken(format!("{call} of {what}: {text}; {out}")));
    match code(error)? {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "TooManyRequestsException"
        | "PriorRequestNotComplete"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "ServiceUnavailable"
        | "InternalFailure"
        | "InternalError" => Some(unknown(what, call, &text)),
        "NoSuchHostedZone" => broken("create the hosted zone, or correct the zone id in the configuration"),
        "NoSuchHealthCheck" => broken("correct the health check id in the configuration"),
        "NoSuchChange" => broken("the provider does not know this change (any more)"),
        "AccessDenied" | "AccessDeniedException" | "NotAuthorized" => {
            broken(&format!("allow route53:{call} on arn:aws:route53:::{}", resource(call, what)))
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "AuthFailure" => broken("the AWS access key is not valid"),
        "ExpiredToken" | "ExpiredTokenException" => broken("the AWS session has ended; renew the credentials"),
        "SignatureDoesNotMatch" | "RequestExpired" | "InvalidSignatureException" => {
            broken("the AWS secret key is wrong, or this machine's clock is")
        }
        "InvalidInput" | "InvalidArgument" => broken("the configuration asks for what Route 53 does not take"),
        _ => None,
    }
}

fn unknown(what: &str, call: &str, text: &str) -> PortError {
    PortError::retry(format!("{call} of {what}: {text}"))
}

/// The part of an ARN that a permission for `call` is about.
fn resource(call: &str, what: &str) -> String {
    let id = what.rsplit('/').next().unwrap_or(what);
    if call == "GetChange" { format!("change/{id}") } else { format!("hostedzone/{id}") }
}

/// The code of an answer that could be read.
fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    match error {
        SdkError::ServiceError(service) => service.err().code(),
        _ => None,
    }
}

/// What the other side said. `message` and `messages` of InvalidChangeBatch have both been seen filled and empty.
fn text<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let SdkError::ServiceError(service) = error else { return quote(&DisplayErrorContext(error).to_string()) };
    let mut words: Vec<String> = service.err().message().into_iter().map(ToOwned::to_owned).collect();
    for message in body(error).as_deref().map(messages).unwrap_or_default() {
        if !words.contains(&message) {
            words.push(message);
        }
    }
    words.retain(|word| !word.is_empty());
    if words.is_empty() {
        words.push(format!("status {}, without a message", service.raw().status().as_u16()));
    }
    quote(&words.join("; "))
}

fn body<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let bytes = match error {
        SdkError::ServiceError(service) => service.raw().body().bytes()?,
        SdkError::ResponseError(response) => response.raw().body().bytes()?,
        _ => return None,
    };
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// The texts of the `Message` elements inside a `Messages` element.
fn messages(body: &str) -> Vec<String> {
    let Ok(document) = roxmltree::Document::parse(body) else { return Vec::new() };
    document
        .descendants()
        .filter(|node| node.tag_name().name() == "Message")
        .filter(|node| node.parent().is_some_and(|parent| parent.tag_name().name() == "Messages"))
        .filter_map(|node| node.text().map(|text| text.trim().to_owned()))
        .collect()
}

/// The messages of an `InvalidChangeBatch` that is the document itself.
fn old_form<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    old_form_messages(&body(error)?)
}

fn old_form_messages(body: &str) -> Option<String> {
    let document = roxmltree::Document::parse(body).ok()?;
    let root = document.root_element();
    (root.tag_name().name() == "InvalidChangeBatch").then(|| quote(&messages(body).join("; ")))
}

/// Why there are no credentials, as a class: a source that is slow or broken may come back.
fn credentials(error: &(dyn Error + 'static)) -> Option<Class> {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_)) => {
                return Some(Class::Retry);
            }
            Some(_) => return Some(Class::Broken),
            None => next = error.source(),
        }
    }
    None
}

/// The last cause of an error, which says most.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    quote(&last.to_string())
}

/// One line of bounded length.
fn quote(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_QUOTE { line } else { line.chars().take(MAX_QUOTE).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_refused_batch_are_read() {
        let old = "<?xml version=\"1.0\"?><InvalidChangeBatch xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
                   <Messages><Message>Tried to delete a but it was not found</Message><Message>second</Message></Messages>\
                   </InvalidChangeBatch>";
        assert_eq!(old_form_messages(old).unwrap(), "Tried to delete a but it was not found; second");
        let new =
            "<ErrorResponse><Error><Code>InvalidChangeBatch</Code><Message>[x]</Message></Error></ErrorResponse>";
        assert_eq!(old_form_messages(new), None);
        assert_eq!(old_form_messages("<html>gateway</html>"), None);
        assert_eq!(old_form_messages("not xml"), None);
    }

    #[test]
    fn a_long_text_is_cut_and_stays_on_one_line() {
        let text = quote(&"word\n".repeat(400));
        assert!(text.chars().count() == MAX_QUOTE + 1 && !text.contains('\n'));
    }
}
