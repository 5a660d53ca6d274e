//! The way to the clouds: `object_store`'s requests over a client that follows no redirect, and the answer's status and text, which its errors do not give.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use object_store::ClientConfigKey;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};

use crate::adapters::outbound;

/// A TCP and TLS handshake that takes longer than three round trips to the far side of the world has been lost.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// How long a request may take if nobody gives it less.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// The most that is read of an error's text.
const LONGEST_ERROR: usize = 64 * 1024;

/// An answer that was no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The cloud's own word for it, such as `NoSuchKey`.
    pub(super) code: String,
    pub(super) text: String,
}

/// Travels with a request, and brings back what the store answered to it. The requests for credentials that come before it have none.
#[derive(Debug, Clone, Default)]
pub(super) struct Note(Arc<Mutex<Option<Refusal>>>);

impl Note {
    /// What the store answered, if that was no success.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, refusal: Refusal) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }
}

/// Makes clients.
#[derive(Debug)]
pub(super) struct Connector {
    /// The endpoint is on this machine: a proxy does not know the way there.
    pub(super) local: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let client = outbound::store_client(CONNECT_LIMIT, REQUEST_LIMIT, self.local, !plain)
            .map_err(|error| object_store::Error::Generic { store: "flag", source: Box::new(error) })?;
        Ok(HttpClient::new(Line { client }))
    }
}

#[derive(Debug)]
struct Line {
    client: reqwest::Client,
}

#[async_trait]
impl HttpService for Line {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let note = request.extensions().get::<Note>().cloned();
        let answer = self.client.call(request).await?;
        let (Some(note), false) = (note, answer.status().is_success()) else { return Ok(answer) };
        let (head, body) = answer.into_parts();
        let declared =
            head.headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if declared.is_some_and(|length: usize| length > LONGEST_ERROR) {
            return Err(HttpError::new(
                HttpErrorKind::Decode,
                std::io::Error::other("an error longer than any store's"),
            ));
        }
        let text = String::from_utf8_lossy(&body.bytes().await?).into_owned();
        let header = head.headers.get("x-ms-error-code").and_then(|value| value.to_str().ok());
        let code = header.or_else(|| between(&text, "<Code>", "</Code>")).unwrap_or_default().to_owned();
        note.keep(Refusal { status: head.status.as_u16(), code, text: text.clone() });
        Ok(HttpResponse::from_parts(head, text.into()))
    }
}

/// What stands between two marks.
pub(super) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(inner, _)| inner)
}
