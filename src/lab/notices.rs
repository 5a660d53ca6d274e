//! A receiver for what Quorate sends to people: Slack's incoming webhooks and Twilio's messages, kept to be looked
//! at.
//!
//! - `POST /slack/{channel}` with `{"text": …}` answers 200 `ok`; without a text, 400 `no_text` or `invalid_payload`.
//! - `POST /2010-04-01/Accounts/{sid}/Messages.json`, a form with `To`, `From` and `Body` under HTTP basic auth whose
//!   user is the account, answers 201 `{"sid": "SM…", "status": "queued", …}`; otherwise 401 or 400 in Twilio's
//!   shape.
//! - `GET /lab/notices` lists `[{"kind": "slack"|"sms", "to": …, "text": …, "at_ms": …}]`, oldest first.
//!
//! Nothing leaves the machine, and any password will do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::clock;

/// The most notices kept; older ones are dropped.
const NOTICES_MAX: usize = 10_000;
/// The longest text message, in characters.
const SMS_CHARS_MAX: usize = 1_600;

/// How a notice came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Through a Slack webhook.
    Slack,
    /// As a text message.
    Sms,
}

/// One notice received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// How it came.
    pub kind: NoticeKind,
    /// The channel, or the telephone number.
    pub to: String,
    /// The text.
    pub text: String,
    /// Wall time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// The notices received so far.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<VecDeque<Notice>>);

impl Inbox {
    fn push(&self, kind: NoticeKind, to: String, text: String) {
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notices.len() == NOTICES_MAX {
            notices.pop_front();
        }
        notices.push_back(Notice { kind, to, text, at_ms: clock::wall_ms() });
    }

    /// All notices, oldest first.
    pub(super) fn notices(&self) -> Vec<Notice> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// The receiver's routes.
pub(super) fn router(inbox: Arc<Inbox>) -> Router {
    Router::new()
        .route("/slack/{channel}", post(slack))
        .route("/2010-04-01/Accounts/{sid}/Messages.json", post(sms))
        .route("/lab/notices", get(list))
        .with_state(inbox)
}

#[derive(Deserialize)]
struct SlackMessage {
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SmsMessage {
    to: Option<String>,
    from: Option<String>,
    body: Option<String>,
}

async fn slack(State(inbox): State<Arc<Inbox>>, Path(channel): Path<String>, body: Bytes) -> Response {
    match serde_json::from_slice::<SlackMessage>(&body) {
        Err(_) => (StatusCode::BAD_REQUEST, "invalid_payload").into_response(),
        Ok(SlackMessage { text }) => match text.filter(|text| !text.is_empty()) {
            None => (StatusCode::BAD_REQUEST, "no_text").into_response(),
            Some(text) => {
                inbox.push(NoticeKind::Slack, channel, text);
                (StatusCode::OK, "ok").into_response()
            }
        },
    }
}

async fn sms(
    State(inbox): State<Arc<Inbox>>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if basic_auth_user(&headers).as_deref() != Some(account.as_str()) {
        return twilio_error(StatusCode::UNAUTHORIZED, 20003, "Authenticate");
    }
    let Ok(message) = read_form(&body) else {
        return twilio_error(StatusCode::BAD_REQUEST, 20001, "the body is not a form");
    };
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    let Some(to) = given(message.to) else {
        return twilio_error(StatusCode::BAD_REQUEST, 21604, "A 'To' phone number is required.");
    };
    let Some(from) = given(message.from) else {
        return twilio_error(StatusCode::BAD_REQUEST, 21603, "A 'From' phone number is required.");
    };
    let Some(text) = given(message.body) else {
        return twilio_error(StatusCode::BAD_REQUEST, 21602, "Message body is required.");
    };
    if text.chars().count() > SMS_CHARS_MAX {
        return twilio_error(StatusCode::BAD_REQUEST, 21617, "The message body exceeds the 1600 character limit.");
    }
    let sid = format!("SM{}", hex::encode(clock::random_bytes::<16>()));
    let answer = json!({
        "sid": sid, "status": "queued", "account_sid": account, "to": to, "from": from, "body": text,
    });
    inbox.push(NoticeKind::Sms, to, text);
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn list(State(inbox): State<Arc<Inbox>>) -> Json<Vec<Notice>> {
    Json(inbox.notices())
}

fn read_form(body: &[u8]) -> Result<SmsMessage, serde_json::Error> {
    let fields: serde_json::Map<String, serde_json::Value> =
        url::form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into())).collect();
    serde_json::from_value(fields.into())
}

fn twilio_error(status: StatusCode, code: u32, message: &str) -> Response {
    (status, Json(json!({"code": code, "message": message, "status": status.as_u16()}))).into_response()
}

/// The user of an `Authorization: Basic` header.
fn basic_auth_user(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(decode_base64(encoded.trim())?).ok()?;
    plain.split_once(':').map(|(user, _)| user.to_owned())
}

/// Standard base64 (RFC 4648), padded or not.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_any_length_is_read_and_rubbish_is_not() {
        for (text, plain) in [("", ""), ("QQ==", "A"), ("QUI=", "AB"), ("QUJD", "ABC"), ("QUM6cEA/", "AC:p@?")] {
            assert_eq!(decode_base64(text).as_deref(), Some(plain.as_bytes()), "{text}");
        }
        assert_eq!(decode_base64("a b"), None);
    }
}
