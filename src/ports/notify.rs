//! Telling people.

use async_trait::async_trait;

use super::PortError;
use crate::domain::{Level, Notice};

/// A notice to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What to tell.
    pub notice: Notice,
    /// Whom: a word that the notifier understands, such as `slack:loud` or `sms:+15550100`. No secret.
    pub recipient: String,
}

/// Sends notices.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Everybody who is told at this level.
    fn recipients(&self, level: Level) -> Vec<String>;

    /// Sends one. `Ok` means that the other side has taken it; after an error it is sent again, so a recipient may see it twice,
    /// never not at all.
    async fn send(&self, delivery: &Delivery) -> Result<(), PortError>;
}
