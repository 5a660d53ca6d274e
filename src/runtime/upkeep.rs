//! Loops that must not end before the process does.
//!
//! A loop that breaks down is told of and begun anew, and takes nothing else with it. Ending the process instead would let one answer of
//! one site, which every agent sees at the same time, silence every vantage for every service, and cost each its warm-up once more.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long after it broke down a loop begins anew: what breaks it again at once must not fill the log, or the machine.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Runs the loop until `closing`, however often it breaks down. `what` names it in the log.
pub(super) fn keep_up<F>(
    tasks: &TaskTracker,
    closing: &CancellationToken,
    what: String,
    work: impl Fn() -> F + Send + 'static,
) where
    F: Future<Output = Infallible> + Send + 'static,
{
    let (runs, closing) = (tasks.clone(), closing.clone());
    tasks.spawn(async move {
        loop {
            match runs.spawn(closing.clone().run_until_cancelled_owned(work())).await {
                Ok(None) => return,
                Ok(Some(never)) => match never {},
                Err(error) if error.is_panic() => {
                    tracing::error!("{what} broke down, and begins anew: {error}; please report this");
                }
                // The runtime is shutting down.
                Err(_) => return,
            }
            if closing.run_until_cancelled(sleep(AGAIN_AFTER)).await.is_none() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_loop_that_breaks_down_begins_anew_and_ends_when_told() {
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let (runs, third) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let (counted, reached) = (Arc::clone(&runs), Arc::clone(&third));
        keep_up(&tasks, &closing, "the test's loop".to_owned(), move || {
            let (counted, reached) = (Arc::clone(&counted), Arc::clone(&reached));
            async move {
                let run = counted.fetch_add(1, Ordering::Relaxed) + 1;
                assert!(run >= 3, "run {run} breaks down on purpose");
                reached.notify_one();
                std::future::pending().await
            }
        });
        tasks.close();
        third.notified().await;
        closing.cancel();
        tasks.wait().await;
        assert_eq!(runs.load(Ordering::Relaxed), 3);
    }
}
