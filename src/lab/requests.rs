//! The log of mutating calls: who asked what, and what became of it. Tests and drills prove by it that no effect was
//! doubled, that a refused batch changed nothing, and which change a lost answer belonged to.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::clock;

/// The most entries kept; older ones are dropped.
const ENTRIES_MAX: usize = 10_000;

/// How a request came to be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// As the client sent it.
    First,
    /// Handled once more, by the `duplicate_delivery` fault.
    Duplicate,
}

/// One mutating call and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestEntry {
    /// Its place in the log, from 1.
    pub seq: u64,
    /// Wall time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The operation, as in the API's model.
    pub op: &'static str,
    /// The zone's id.
    pub zone: Option<String>,
    /// The batch's comment.
    pub comment: Option<String>,
    /// The HTTP status: below 300 the call took effect.
    pub status: u16,
    /// `OK`, or the code of the refusal.
    pub code: &'static str,
    /// The refusal's message.
    pub message: Option<String>,
    /// The id of the change that was made.
    pub change: Option<String>,
    /// How it came.
    pub delivery: Delivery,
    /// Whether the client got the answer.
    pub answered: bool,
    /// What was asked, a line each.
    pub changes: Vec<String>,
}

impl RequestEntry {
    /// An accepted call, to be refined.
    pub(super) fn accepted(op: &'static str) -> Self {
        Self {
            seq: 0,
            at_ms: clock::wall_ms(),
            op,
            zone: None,
            comment: None,
            status: 200,
            code: "OK",
            message: None,
            change: None,
            delivery: Delivery::First,
            answered: true,
            changes: Vec::new(),
        }
    }
}

/// The log.
#[derive(Debug, Default)]
pub(super) struct RequestLog(Mutex<(u64, VecDeque<RequestEntry>)>);

impl RequestLog {
    /// Adds an entry and gives it its place.
    pub(super) fn push(&self, mut entry: RequestEntry) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.0 += 1;
        entry.seq = log.0;
        if log.1.len() == ENTRIES_MAX {
            log.1.pop_front();
        }
        log.1.push_back(entry);
    }

    /// All entries, oldest first.
    pub(super) fn entries(&self) -> Vec<RequestEntry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.iter().cloned().collect()
    }
}
