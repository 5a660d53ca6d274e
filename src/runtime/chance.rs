//! The two lawful uses of chance on this floor: numbers that tell two runs apart, and jitter. No decision comes from here.

use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;

/// The first pause between two tries.
const FIRST: Duration = Duration::from_millis(200);
/// The longest: a controller that is back hears from everyone within seconds.
const LONGEST: Duration = Duration::from_secs(5);

/// A number that tells one run of a process from another: a restarted one counts from the beginning again.
pub(super) fn nonce() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a nonce: it must differ between two runs, and nothing is decided by it"
    )]
    rand::rng().random()
}

/// A number from 0 up to 1, for jitter.
pub(super) fn scatter() -> f64 {
    #[expect(clippy::disallowed_methods, reason = "jitter")]
    rand::rng().random()
}

/// Pauses between tries that grow up to a limit, scattered so that agents do not all return at once.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// Begins with the shortest.
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// Waits, and longer the next time.
    pub(super) async fn pause(&mut self) {
        sleep(self.next.mul_f64(0.5 + scatter())).await;
        self.next = (self.next * 2).min(LONGEST);
    }

    /// A try has come off.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }
}
