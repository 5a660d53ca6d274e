//! All ports of a controller, in one hand.

use std::sync::Arc;

use crate::ports::{Clock, JournalStore, LeaseStore, Notifier, Outbox, ProbeRunner, Resolver};

/// Everything outside.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Asking name servers.
    pub resolver: Arc<dyn Resolver>,
    /// Running checks, for the login through the public name.
    pub probes: Arc<dyn ProbeRunner>,
    /// Leadership.
    pub lease: Arc<dyn LeaseStore>,
    /// The journal.
    pub journal: Arc<dyn JournalStore>,
    /// Notices that wait.
    pub outbox: Arc<dyn Outbox>,
    /// Telling people.
    pub notifier: Arc<dyn Notifier>,
}
