//! The account's share: Route 53 takes five requests a second from a whole AWS account, consoles and other tools included, and refuses what is more
//! (Route 53 developer guide, "Quotas": 5 requests per second per AWS account). A controller that looks after many services
//! would throttle its own flip.
//!
//! Requests wait here for their turn instead. A write never waits for reads: one place of each second is kept for it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Requests of any second.
const REQUESTS: usize = 5;
/// What the limit counts by.
const SECOND: Duration = Duration::from_secs(1);

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A read, which may wait.
    Read,
    /// A write: users wait for it.
    Write,
}

/// When the last requests were let through.
#[derive(Debug, Default)]
pub(super) struct Rate(Mutex<VecDeque<Instant>>);

impl Rate {
    /// Waits until the request may be sent, in the order of asking for each urgency.
    pub(super) async fn turn(&self, urgency: Urgency) {
        loop {
            let due = {
                let mut sent = self.0.lock().await;
                let now = Instant::now();
                while sent.front().is_some_and(|first| now.duration_since(*first) >= SECOND) {
                    sent.pop_front();
                }
                let places = match urgency {
                    Urgency::Read => REQUESTS - 1,
                    Urgency::Write => REQUESTS,
                };
                let Some(over) = sent.len().checked_sub(places) else {
                    sent.push_back(now);
                    return;
                };
                // The place is free when so many of the last second's have grown old.
                sent.get(over).map_or(now, |oldest| *oldest + SECOND)
            };
            sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_second_has_more_than_five_requests_and_a_write_does_not_wait_for_reads() {
        let (rate, began) = (Rate::default(), Instant::now());
        for _ in 0..4 {
            rate.turn(Urgency::Read).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO, "as many at once");
        rate.turn(Urgency::Write).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "a place is kept for a write");
        rate.turn(Urgency::Write).await;
        assert_eq!(began.elapsed(), SECOND, "the sixth waits");
        let mut turns = Vec::new();
        for number in 0..20 {
            rate.turn(if number % 3 == 0 { Urgency::Write } else { Urgency::Read }).await;
            turns.push(began.elapsed());
        }
        for first in turns.windows(REQUESTS + 1) {
            assert!(first[REQUESTS] - first[0] >= SECOND, "{first:?}");
        }
    }
}
