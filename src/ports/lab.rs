//! Faults on request, where nobody is hurt.

use async_trait::async_trait;

use super::PortError;

/// One fault that a lab can be asked for.
#[async_trait]
pub trait LabFault: Send + Sync {
    /// Has the lab cause the fault, or end it, and says in one line what is so now. It may be asked for what is so already.
    ///
    /// # Errors
    /// Whatever stands at the address did not prove to be a lab, and was asked for nothing; or it did not answer.
    async fn switch(&self, on: bool) -> Result<String, PortError>;
}
