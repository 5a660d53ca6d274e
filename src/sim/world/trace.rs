//! What happened, as a number that tells two runs apart and the last lines for people.

use std::collections::VecDeque;
use std::fmt::{self, Write};

/// How many lines are kept.
const KEPT: usize = 40;

/// FNV-1a over every event, and the newest ones in words.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    hash: u64,
    events: u64,
    lines: VecDeque<String>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, events: 0, lines: VecDeque::with_capacity(KEPT + 1) }
    }
}

/// Hashes what is written to it.
struct Hasher<'a>(&'a mut u64);

impl Write for Hasher<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            *self.0 = (*self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        Ok(())
    }
}

impl Trace {
    /// Notes an event that people want to read.
    pub(super) fn note(&mut self, now_ms: u64, what: fmt::Arguments<'_>) {
        // The oldest line's buffer is the newest one's.
        let mut line =
            if self.lines.len() < KEPT { String::new() } else { self.lines.pop_front().unwrap_or_default() };
        line.clear();
        let _ = write!(line, "{:>8}.{:03} s  {what}", now_ms / 1_000, now_ms % 1_000);
        let _ = Hasher(&mut self.hash).write_str(&line);
        self.events += 1;
        self.lines.push_back(line);
    }

    /// Notes an event of which there are too many to read.
    pub(super) fn count(&mut self, now_ms: u64, numbers: [u64; 3]) {
        for number in [now_ms].into_iter().chain(numbers) {
            self.hash = (self.hash ^ number).wrapping_mul(0x0100_0000_01B3).rotate_left(17);
        }
        self.events += 1;
    }

    /// What tells this run from others.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events there were.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// The newest events, oldest first.
    pub(super) fn last(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
