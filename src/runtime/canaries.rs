//! An agent's look at itself: what its canaries say, asked for each failing probe and now and then besides, and told when it changes.
//!
//! It keeps nothing back: a failure is reported with what the canaries said of it, and the engine decides what that is worth.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::domain::Canaries;
use crate::ports::CanaryRunner;

/// How often canaries are asked while nothing fails, so that silent ones are known before they matter.
const EVERY: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct CanaryWatch {
    runner: Arc<dyn CanaryRunner>,
    last: Mutex<Option<(Canaries, Instant)>>,
}

impl CanaryWatch {
    pub(super) fn new(runner: Arc<dyn CanaryRunner>) -> Self {
        Self { runner, last: Mutex::new(None) }
    }

    /// Asks, and tells when the answer is another than before.
    pub(super) async fn ask(&self) -> Canaries {
        let said = self.runner.ask().await;
        let before = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace((said, Instant::now()))
            .map(|last| last.0);
        if before != Some(said) {
            match said {
                Canaries::Answered => tracing::info!("this vantage's canaries answer"),
                Canaries::Silent => tracing::warn!(
                    "too few of this vantage's canaries answer: its own network is in doubt, and what fails here says nothing about a site"
                ),
                Canaries::Unasked => tracing::info!(
                    "this vantage has no canaries: trouble of its own network will look like trouble of the sites"
                ),
            }
        }
        said
    }

    /// Asks at once and then whenever nobody has for a while.
    pub(super) async fn patrol(&self) -> Infallible {
        loop {
            let asked = self.last.lock().unwrap_or_else(PoisonError::into_inner).map(|(_, at)| at);
            match asked {
                Some(asked) if asked.elapsed() < EVERY => sleep_until(asked + EVERY).await,
                _ => {
                    self.ask().await;
                }
            }
        }
    }
}
