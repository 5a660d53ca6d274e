//! Read-only mode for an axum site, as Quorate asks for it (docs/standby.md).
//!
//! ```text
//! let mode = Arc::new(Mode { key, state: "/var/lib/shop/read-only.json".into(), starts: true, allow: &["/login", "/logout"], probe });
//! let app = routes.layer(axum::middleware::from_fn_with_state(mode, read_only));
//! ```
//!
//! Outermost, so that no route is missed. Keep sessions in signed cookies, and write nothing at a login. Needs axum, hmac, sha2, hex, serde
//! and serde_json.

use std::fs::{self, File};
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;

const PREFIX: &str = "/quorate/";
/// A signature that is older than this may have been recorded.
const CLOCKS_APART_S: u64 = 300;
const LONGEST_BODY: usize = 64 * 1024;

/// What became of a write that was rolled back.
pub enum Tried {
    Written,
    /// The database says that it is read-only: SQLSTATE 25006, error 1290, READONLY.
    ReadOnly,
    Failed,
}

type Probe = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Tried> + Send>> + Send + Sync>;

/// The mode of a site.
pub struct Mode {
    /// The secret that `read_only.key` names.
    pub key: String,
    /// Where the mode is kept: one file for all processes of the site, and through restarts.
    pub state: PathBuf,
    /// Whether the site is read-only while there is no such file: true on the standby.
    pub starts: bool,
    /// What is posted to log in and out.
    pub allow: &'static [&'static str],
    /// Writes as a user does, in a transaction that is rolled back.
    pub probe: Probe,
    /// One switch at a time.
    pub switching: Mutex<()>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    read_only: bool,
    epoch: u64,
}

impl Mode {
    fn kept(&self) -> std::io::Result<Kept> {
        match fs::read(&self.state) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Kept { read_only: self.starts, epoch: 0 })
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces the file whole: no other process sees half of it, and a crash leaves the old one.
    fn keep(&self, kept: &Kept) -> std::io::Result<()> {
        let own = self.state.with_extension("new");
        let mut file = File::create(&own)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        fs::rename(own, &self.state)
    }

    /// A mode that cannot be read is no reason to write.
    fn is_read_only(&self) -> bool {
        self.kept().map_or(true, |kept| kept.read_only)
    }
}

fn refused() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "120")], Json(json!({ "error": "read-only" }))).into_response()
}

fn says(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

/// The middleware.
pub async fn read_only(State(mode): State<Arc<Mode>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.starts_with(PREFIX) {
        return asked(&mode, request).await;
    }
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    if !safe && !mode.allow.contains(&path) && mode.is_read_only() {
        return refused();
    }
    next.run(request).await
}

async fn asked(mode: &Mode, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LONGEST_BODY).await else {
        return says(StatusCode::PAYLOAD_TOO_LARGE, "body");
    };
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let timestamp = header("x-quorate-timestamp");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if !timestamp.parse::<u64>().is_ok_and(|then| now.abs_diff(then) <= CLOCKS_APART_S) {
        return says(StatusCode::UNAUTHORIZED, "timestamp");
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(mode.key.as_bytes()) else {
        return says(StatusCode::INTERNAL_SERVER_ERROR, "key");
    };
    mac.update(format!("{}\n{path}\n{timestamp}\n", head.method).as_bytes());
    mac.update(&body);
    let given = header("x-quorate-signature").strip_prefix("v1=").and_then(|digits| hex::decode(digits).ok());
    // In constant time.
    if given.is_none_or(|given| mac.verify_slice(&given).is_err()) {
        return says(StatusCode::UNAUTHORIZED, "signature");
    }
    if head.method != Method::POST {
        return says(StatusCode::METHOD_NOT_ALLOWED, "method");
    }
    match head.uri.path().strip_prefix(PREFIX) {
        Some("read-only") => switch(mode, &body),
        Some("write-probe") => probe(mode).await,
        _ => says(StatusCode::NOT_FOUND, "path"),
    }
}

fn switch(mode: &Mode, body: &[u8]) -> Response {
    let Ok(wanted) = serde_json::from_slice::<Kept>(body) else { return says(StatusCode::BAD_REQUEST, "body") };
    let _alone = mode.switching.lock().unwrap_or_else(PoisonError::into_inner);
    match mode.kept() {
        Ok(Kept { epoch: seen, .. }) if wanted.epoch < seen => {
            (StatusCode::CONFLICT, Json(json!({ "error": "stale-epoch", "seen": seen }))).into_response()
        }
        Ok(_) if mode.keep(&wanted).is_ok() => Json(json!({ "read_only": wanted.read_only })).into_response(),
        _ => says(StatusCode::INTERNAL_SERVER_ERROR, "state"),
    }
}

/// The same way as a user's write: the mode first, then the database.
async fn probe(mode: &Mode) -> Response {
    if mode.is_read_only() {
        return refused();
    }
    match (mode.probe)().await {
        Tried::Written => Json(json!({ "written": true })).into_response(),
        Tried::ReadOnly => refused(),
        Tried::Failed => says(StatusCode::INTERNAL_SERVER_ERROR, "probe"),
    }
}
