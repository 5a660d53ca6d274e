//! A site's writes: refusing them while it must not take any, trying one, and knowing how far its data has come.

use std::time::Duration;

use async_trait::async_trait;

use super::PortError;
pub use crate::domain::WriteProbe;
use crate::domain::{Fence, PlanId, Positions, ServiceName};

/// Control of one site's writes: of the standby, which is read-only while it serves, and of the primary, which is fenced when the
/// name leaves it.
#[async_trait]
pub trait SiteControl: Send + Sync {
    /// Tells the site to refuse writes. Telling it again changes nothing.
    async fn enter_read_only(&self, fence: &Fence, service: &ServiceName, plan: &PlanId) -> Result<(), PortError>;

    /// Tells the site to take writes again. Telling it again changes nothing.
    async fn leave_read_only(&self, fence: &Fence, service: &ServiceName, plan: &PlanId) -> Result<(), PortError>;

    /// Tries a write. An answer that is neither a clear refusal nor a clear acceptance is an error, never a refusal.
    async fn probe_write(&self, fence: &Fence, service: &ServiceName, plan: &PlanId)
    -> Result<WriteProbe, PortError>;

    /// How far the site's data is behind the primary's: the age, by its own clock, of the last change that it has received and
    /// applied. An answer that does not say so is an error: unknown is too much, never zero.
    async fn lag(&self, service: &ServiceName) -> Result<Duration, PortError>;

    /// How far the site's data has come, in its databases' own terms; empty where no part of it can tell.
    async fn positions(&self, service: &ServiceName) -> Result<Positions, PortError>;
}
