//! One checker that counts in a row, in both directions.

/// See the module.
#[derive(Debug)]
pub(super) struct Checker {
    /// When it probes next, in milliseconds after the fault began.
    pub(super) next_ms: u64,
    /// Answers in a row that speak against what it says.
    against: u32,
    down_since: Option<u64>,
}

impl Checker {
    pub(super) fn new(next_ms: u64) -> Self {
        Self { next_ms, against: 0, down_since: None }
    }

    /// Since when it has said "down".
    pub(super) fn down_since(&self) -> Option<u64> {
        self.down_since
    }

    /// A probe ended.
    pub(super) fn saw(&mut self, failed: bool, ended: u64, in_a_row: u32) {
        if failed == self.down_since.is_some() {
            self.against = 0;
            return;
        }
        self.against += 1;
        if self.against >= in_a_row {
            self.against = 0;
            self.down_since = failed.then_some(ended);
        }
    }
}
