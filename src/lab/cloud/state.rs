//! What a cloud knows, and the one way to write.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::CloudOptions;
use super::faults::{CloudFaults, Honesty};
use super::token::SigningKey;
use crate::domain::Secret;

/// The most notes kept; older ones are dropped.
const NOTES_MAX: usize = 50;
/// When a client refused by the read-only mode may try again, in seconds.
const RETRY_AFTER_S: &str = "30";

/// A write was refused: the site is read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadOnly;

impl IntoResponse for ReadOnly {
    fn into_response(self) -> Response {
        let headers = [(header::RETRY_AFTER, RETRY_AFTER_S)];
        (StatusCode::SERVICE_UNAVAILABLE, headers, Json(json!({"error": "read-only"}))).into_response()
    }
}

/// Something to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    /// A user's note.
    Note { user: String, text: String },
    /// The admin's probe, which leaves its plan behind as proof.
    Probe { plan: String },
}

/// What `GET /admin/state` shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct AdminState {
    pub(super) read_only: bool,
    pub(super) epoch: u64,
    pub(super) writes: u64,
    pub(super) logins: u64,
    pub(super) enter_requests: u64,
    pub(super) write_probes: u64,
}

/// A note on the account page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) user: String,
    pub(super) text: String,
}

#[derive(Debug, Default)]
struct Inner {
    admin: AdminState,
    notes: VecDeque<Note>,
    last_probe_plan: Option<String>,
    faults: CloudFaults,
}

/// The site.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) name: String,
    users: BTreeMap<String, Secret>,
    pub(super) admin_key: SigningKey,
    pub(super) session_key: SigningKey,
    inner: Mutex<Inner>,
}

impl Site {
    pub(super) fn new(options: CloudOptions) -> Self {
        Self {
            name: options.name,
            users: options.users,
            admin_key: SigningKey::new(&options.admin_key),
            session_key: SigningKey::derived(&options.admin_key, "quorate lab sessions"),
            inner: Mutex::default(),
        }
    }

    /// Whether that is the user's password. Costs the same for a user that does not exist.
    pub(super) fn knows(&self, user: &str, password: &str) -> bool {
        let known = self.users.get(user);
        let expected = known.map(Secret::expose).unwrap_or_default();
        self.session_key.same(expected, password) && known.is_some()
    }

    /// The only way to write, and the only place that looks at the read-only mode.
    pub(super) fn write(&self, write: Write) -> Result<(), ReadOnly> {
        let mut inner = self.lock();
        if inner.admin.read_only && inner.faults.read_only == Honesty::Honest {
            return Err(ReadOnly);
        }
        inner.admin.writes += 1;
        match write {
            Write::Note { user, text } => {
                inner.notes.truncate(NOTES_MAX - 1);
                inner.notes.push_front(Note { user, text });
            }
            Write::Probe { plan } => inner.last_probe_plan = Some(plan),
        }
        Ok(())
    }

    /// Sets the mode; an epoch smaller than the largest seen is told so.
    pub(super) fn set_read_only(&self, read_only: bool, epoch: u64) -> Result<bool, u64> {
        let mut inner = self.lock();
        if epoch < inner.admin.epoch {
            return Err(inner.admin.epoch);
        }
        inner.admin.epoch = epoch;
        inner.admin.enter_requests += u64::from(read_only);
        inner.admin.read_only = read_only;
        Ok(read_only)
    }

    pub(super) fn count_login(&self) {
        self.lock().admin.logins += 1;
    }

    pub(super) fn count_write_probe(&self) {
        self.lock().admin.write_probes += 1;
    }

    pub(super) fn admin_state(&self) -> AdminState {
        self.lock().admin
    }

    /// The notes, newest first.
    pub(super) fn notes(&self) -> Vec<Note> {
        self.lock().notes.iter().cloned().collect()
    }

    pub(super) fn faults(&self) -> CloudFaults {
        self.lock().faults
    }

    pub(super) fn change_faults(&self, change: impl FnOnce(&mut CloudFaults)) -> CloudFaults {
        let mut inner = self.lock();
        change(&mut inner.faults);
        inner.faults
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
