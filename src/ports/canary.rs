//! Whether a vantage's own network works.

use async_trait::async_trait;

use crate::domain::Canaries;

/// Asks neutral targets, which have nothing to do with any site. It never fails: a target that does not answer is the answer.
#[async_trait]
pub trait CanaryRunner: Send + Sync {
    /// What the canaries say now, or said a moment ago. However many ask at once, the targets are asked once.
    async fn ask(&self) -> Canaries;
}
