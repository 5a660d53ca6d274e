//! What keeps a script from going on once it has ended, and from taking all of the machine's memory.

use std::cell::{Cell, OnceCell, RefCell};
#[cfg(target_os = "linux")]
use std::{fs::File, os::unix::fs::FileExt};

use rhai::Position;

use super::ending::Ending;

/// Cleaning up may take this part of a script's operations, should it have none left.
const CLEANING_UP_DIVISOR: u64 = 10;

#[cfg(target_os = "linux")]
thread_local! {
    static STATM: OnceCell<Option<File>> = const { OnceCell::new() };
}

/// The guard of one probe.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// How the script has ended, should it go on all the same: Rhai hides a termination in a catchable error when it comes out of a
    /// closure that a native function called.
    ended: RefCell<Option<Ending>>,
    /// Where the host function was called that ended it.
    ended_at: Cell<Option<Position>>,
    /// What the process held when that was first looked at.
    held_at_first: OnceCell<Option<u64>>,
    is_cleaning_up: Cell<bool>,
}

impl Guard {
    /// The script has ended so, unless it ended before.
    pub(super) fn has_ended(&self, ending: &Ending) {
        self.ended.borrow_mut().get_or_insert_with(|| ending.clone());
    }

    /// How the script has ended, if it has.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.ended.borrow().clone()
    }

    /// The call of a host function has ended the script, unless another one that it led to has.
    pub(super) fn ended_at(&self, call: Position) {
        if self.ended_at.get().is_none() && !call.is_none() {
            self.ended_at.set(Some(call));
        }
    }

    /// Where the host function was called that ended the script, if one did.
    pub(super) fn place(&self) -> Option<Position> {
        self.ended_at.get()
    }

    /// How the script has ended, after which it may begin again: to try a step once more, or to clean up.
    pub(super) fn take_ending(&self) -> Option<Ending> {
        self.ended_at.set(None);
        self.ended.borrow_mut().take()
    }

    /// What follows is cleaning up.
    pub(super) fn cleans_up(&self) {
        self.is_cleaning_up.set(true);
    }

    /// The operations that a script may run which is allowed so many. One that has used them up must still be able to log out.
    pub(super) fn operations(&self, allowed: u64) -> u64 {
        if self.is_cleaning_up.get() { allowed + allowed / CLEANING_UP_DIVISOR } else { allowed }
    }

    /// How much the process has grown since this was first asked, in bytes; nothing where the system does not say. Rhai bounds each value,
    /// but not how many a script holds in variables, or in an array that `map` is still making.
    pub(super) fn growth(&self) -> Option<u64> {
        let held = resident();
        let at_first = self.held_at_first.get_or_init(|| held);
        Some(held?.saturating_sub((*at_first)?))
    }
}

/// What the process holds, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> Option<u64> {
    let mut buffer = [0; 128];
    let length = STATM.with(|kept| {
        let file = kept.get_or_init(|| File::open("/proc/self/statm").ok()).as_ref()?;
        file.read_at(&mut buffer, 0).ok()
    })?;
    let text = std::str::from_utf8(buffer.get(..length)?).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

/// What the process holds, in bytes.
#[cfg(not(target_os = "linux"))]
fn resident() -> Option<u64> {
    None
}
