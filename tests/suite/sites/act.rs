//! Support: who asks, and for what.

use quorate::adapters::site::{Act, Control};
use quorate::domain::{Authority, Epoch, Fence, Moment, PlanId, PortError, ServiceName};
use quorate::ports::WriteProbe;

/// What errors begin with.
pub(crate) const STANDBY: &str = "the standby 'azure'";

pub(crate) fn fence() -> Fence {
    Authority::new(Epoch::new(7), None).fence(Moment::default()).unwrap()
}

pub(crate) fn service() -> ServiceName {
    ServiceName::new("login").unwrap()
}

pub(crate) fn plan() -> PlanId {
    PlanId::new("login-3").unwrap()
}

pub(crate) async fn enter(control: &dyn Control) -> Result<(), PortError> {
    control.enter(Act { fence: &fence(), service: &service(), plan: &plan() }).await
}

pub(crate) async fn leave(control: &dyn Control) -> Result<(), PortError> {
    control.leave(Act { fence: &fence(), service: &service(), plan: &plan() }).await
}

pub(crate) async fn probe(control: &dyn Control) -> Result<Option<WriteProbe>, PortError> {
    control.probe(Act { fence: &fence(), service: &service(), plan: &plan() }).await
}

/// The words of a write that must have been refused.
pub(crate) async fn refused(control: &dyn Control) -> String {
    match probe(control).await.unwrap() {
        Some(WriteProbe::Refused { how }) => how,
        other => panic!("{other:?}"),
    }
}

/// The words of a write that must have been taken.
pub(crate) async fn accepted(control: &dyn Control) -> String {
    match probe(control).await.unwrap() {
        Some(WriteProbe::Accepted { how }) => how,
        other => panic!("{other:?}"),
    }
}
