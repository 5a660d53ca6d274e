//! Sends what the journal queued: in order for each recipient, again until the other side has taken it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::ports::{Clock, Notifier, Outbox};

/// How many of each recipient are looked at in one round.
const ROUND: usize = 20;
/// The first wait after a delivery failed; it doubles up to [`RETRY_MAX`].
const RETRY: Duration = Duration::from_secs(1);
/// The longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How often the outbox is looked at without being told to.
const IDLE: Duration = Duration::from_secs(30);

/// Runs until the token is cancelled.
pub(super) async fn run(
    outbox: Arc<dyn Outbox>,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    news: Arc<Notify>,
    closing: CancellationToken,
) {
    let mut not_before: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        let told = news.notified();
        let wake = round(outbox.as_ref(), notifier.as_ref(), clock.as_ref(), &mut not_before).await;
        tokio::select! {
            // In order: all but the first lead to the same round, and a run in virtual time takes the same way twice.
            biased;
            () = closing.cancelled() => return,
            () = told => {}
            () = sleep_until(wake) => {}
        }
    }
}

/// One look at everything that waits; returns when to look again.
async fn round(
    outbox: &dyn Outbox,
    notifier: &dyn Notifier,
    clock: &dyn Clock,
    not_before: &mut BTreeMap<String, Instant>,
) -> Instant {
    let waiting = match outbox.pending(ROUND).await {
        Ok(waiting) => waiting,
        Err(error) => {
            tracing::error!("the outbox: {error}");
            return Instant::now() + RETRY;
        }
    };
    // After a failure, a recipient's later notices wait for the earlier one, and nobody else waits for that recipient.
    let (mut held, mut sent) = (BTreeSet::new(), false);
    for queued in waiting {
        let recipient = &queued.delivery.recipient;
        if held.contains(recipient) || not_before.get(recipient).is_some_and(|at| *at > Instant::now()) {
            held.insert(recipient.clone());
            continue;
        }
        let noted = match notifier.send(&queued.delivery).await {
            Ok(()) => {
                not_before.remove(recipient);
                let noted = outbox.sent(queued.id, clock.wall()).await;
                match &noted {
                    Ok(()) => sent = true,
                    // It will be sent again, and must not be sent again and again.
                    Err(_) => {
                        not_before.insert(recipient.clone(), Instant::now() + RETRY_MAX);
                        held.insert(recipient.clone());
                    }
                }
                noted
            }
            Err(error) => {
                tracing::warn!(recipient, attempts = queued.attempts + 1, "a notice was not taken: {error}");
                let wait = RETRY.saturating_mul(1 << queued.attempts.min(8)).min(RETRY_MAX);
                not_before.insert(recipient.clone(), Instant::now() + wait);
                held.insert(recipient.clone());
                outbox.failed(queued.id, &error.what).await
            }
        };
        if let Err(error) = noted {
            tracing::error!("the outbox: {error}");
        }
    }
    let now = Instant::now();
    if sent {
        // There may be more behind them.
        return now;
    }
    not_before.values().min().copied().unwrap_or(now + IDLE).clamp(now + RETRY, now + RETRY_MAX)
}
