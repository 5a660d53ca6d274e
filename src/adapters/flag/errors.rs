//! What an error of a cloud's store means for the caller: the class is decided here, where the facts are.
//!
//! The rule for a write: only the store's own answer says that nothing was written. Everything else is unknown.

use std::error::Error;

use object_store::client::HttpError;

use super::place::Kind;
use super::shelf::Body;
use super::wire::{Refusal, between};
use crate::adapters::outbound;
use crate::ports::PortError;

/// What a store calls an object that is not there: S3 and Google's XML API, Azure.
const NO_OBJECT: [&str; 2] = ["NoSuchKey", "BlobNotFound"];

/// Error and causes in one line, as short as it tells the cause. An HTTP error comes without its URL, which may hold a signature.
pub(super) fn line(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    let mut http = error.downcast_ref::<HttpError>().is_some();
    while let Some(cause) = deepest.source() {
        http = http || cause.downcast_ref::<HttpError>().is_some();
        deepest = cause;
    }
    // Only what the network says is worth its depth; the others say it all at the top.
    outbound::quote(&if http { deepest.to_string() } else { error.to_string() })
}

/// An answer, or none, to a read.
pub(super) fn read(
    shown: &str,
    kind: Kind,
    error: &object_store::Error,
    refusal: Option<Refusal>,
) -> Result<Option<Body>, PortError> {
    let Some(refusal) = refusal else { return Err(unanswered(shown, error)) };
    let said = said(&refusal);
    Err(match refusal.status {
        404 if NO_OBJECT.contains(&refusal.code.as_str()) => return Ok(None),
        404 => PortError::broken(format!(
            "{shown}: there is no such bucket or container, and it is not created here: {said}"
        )),
        401 | 403 if kind == Kind::S3 => PortError::broken(format!(
            "{shown}: reading is not allowed (s3:GetObject; and without s3:ListBucket S3 denies what is merely absent): {said}"
        )),
        401 | 403 => PortError::broken(format!("{shown}: reading is not allowed: {said}")),
        _ => common(shown, &refusal),
    })
}

/// An answer, or none, to a write.
pub(super) fn write(shown: &str, error: &object_store::Error, refusal: Option<Refusal>) -> PortError {
    let Some(refusal) = refusal else { return unanswered(shown, error) };
    let said = said(&refusal);
    match refusal.status {
        // S3 answers 409 while another conditional write is under way (ConditionalRequestConflict); Azure, when there is an object.
        409 | 412 => PortError::refused(format!("{shown}: the flag is not the one that was read: {said}")),
        404 if NO_OBJECT.contains(&refusal.code.as_str()) => {
            PortError::refused(format!("{shown}: the flag that was read is not there any more: {said}"))
        }
        404 => PortError::broken(format!(
            "{shown}: there is no such bucket or container, and it is not created here: {said}"
        )),
        401 | 403 => PortError::broken(format!("{shown}: writing is not allowed: {said}")),
        501 => PortError::broken(format!(
            "{shown}: this store does no conditional writes, so that no flag can be kept there: {said}"
        )),
        _ => common(shown, &refusal),
    }
}

fn common(shown: &str, refusal: &Refusal) -> PortError {
    let said = said(refusal);
    match refusal.status {
        300..=399 => PortError::broken(format!("{shown}: the store is elsewhere: is its region right? {said}")),
        // S3's RequestTimeout is a 400.
        408 | 425 | 429 | 500..=599 => PortError::retry(format!("{shown}: {said}")),
        _ if refusal.code == "RequestTimeout" => PortError::retry(format!("{shown}: {said}")),
        _ => PortError::broken(format!("{shown}: {said}")),
    }
}

/// Nothing came back from the store. What is missing on our side needs a person; the rest may pass.
fn unanswered(shown: &str, error: &object_store::Error) -> PortError {
    match error {
        object_store::Error::Unauthenticated { source, .. } => PortError::broken(format!("{shown}: {source}")),
        error => PortError::retry(format!("{shown}: no answer: {}", line(error))),
    }
}

/// The store's own words: status, code and message.
fn said(refusal: &Refusal) -> String {
    let message = between(&refusal.text, "<Message>", "</Message>").unwrap_or_default();
    // Azure's message goes on with the request's id and the time.
    let message = outbound::quote(message.lines().next().unwrap_or_default());
    [refusal.status.to_string(), refusal.code.clone(), message]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Class;

    fn refusal(status: u16, code: &str) -> Option<Refusal> {
        let text = format!("<Error><Code>{code}</Code><Message>what it says\nRequestId:1</Message></Error>");
        Some(Refusal { status, code: code.to_owned(), text })
    }

    fn any() -> object_store::Error {
        object_store::Error::Generic { store: "x", source: "y".into() }
    }

    #[test]
    fn only_a_store_that_names_the_object_says_that_it_is_absent() {
        let read = |status, code| read("s3://b/login.flag", Kind::S3, &any(), refusal(status, code));
        assert_eq!(read(404, "NoSuchKey"), Ok(None));
        assert_eq!(read(404, "BlobNotFound"), Ok(None));
        for (status, code, class) in [
            (404, "NoSuchBucket", Class::Broken),
            (404, "ContainerNotFound", Class::Broken),
            (404, "", Class::Broken),
            (403, "AccessDenied", Class::Broken),
            (301, "PermanentRedirect", Class::Broken),
            (400, "InvalidRequest", Class::Broken),
            (400, "RequestTimeout", Class::Retry),
            (429, "TooManyRequests", Class::Retry),
            (503, "SlowDown", Class::Retry),
        ] {
            let error = read(status, code).unwrap_err();
            assert_eq!(error.class, class, "{status} {code}");
            assert!(error.what.contains("s3://b/login.flag") && !error.what.contains("RequestId"), "{error}");
        }
    }

    #[test]
    fn only_the_stores_own_answer_says_that_nothing_was_written() {
        let write = |refusal| write("s3://b/login.flag", &any(), refusal);
        for (status, code, class) in [
            (412, "PreconditionFailed", Class::Refused),
            (409, "ConditionalRequestConflict", Class::Refused),
            (409, "BlobAlreadyExists", Class::Refused),
            (404, "NoSuchKey", Class::Refused),
            (404, "NoSuchBucket", Class::Broken),
            (403, "AccessDenied", Class::Broken),
            (501, "NotImplemented", Class::Broken),
            (500, "InternalError", Class::Retry),
        ] {
            assert_eq!(write(refusal(status, code)).class, class, "{status} {code}");
        }
        assert_eq!(write(None).class, Class::Retry);
    }
}
