//! What the engine noticed since this process began: the last few thousand notes, numbered, for whoever follows.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::domain::WallTime;
use crate::engine::Note;

/// How many are kept: an hour of a bad day.
const KEPT: usize = 5_000;

/// One note, with its place and time.
#[derive(Debug, Clone)]
pub struct Event {
    /// Counts the events of this process, from 1.
    pub n: u64,
    /// When, for people to read.
    pub at: WallTime,
    /// What.
    pub note: Note,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Events {
    kept: Mutex<(u64, VecDeque<Event>)>,
    news: Notify,
}

impl Events {
    /// Adds one.
    pub(super) fn push(&self, at: WallTime, note: Note) {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.0 += 1;
            let n = kept.0;
            kept.1.push_back(Event { n, at, note });
            if kept.1.len() > KEPT {
                kept.1.pop_front();
            }
        }
        self.news.notify_waiters();
    }

    /// Those after `n`, oldest first, at most `limit`.
    pub fn after(&self, n: u64, limit: usize) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.iter().filter(|event| event.n > n).take(limit).cloned().collect()
    }

    /// Resolves when one is added after this call, whenever it is first awaited.
    pub fn news(&self) -> Notified<'_> {
        self.news.notified()
    }
}
