//! Fencing the registers: at a start, after a step whose end nobody knows, and after a person has mended them. An epoch that is not ahead of
//! what a register holds is never used (S6).

use super::super::register::TakenOver;
use super::{Controller, Message};
use crate::domain::{Authority, Fence, Moment, ServiceName};
use crate::engine::Input;
use crate::ports::{Class, PortError};

/// One attempt to fence a register has ended.
pub(in crate::runtime) struct FenceEnded {
    service: ServiceName,
    fence: Fence,
    result: Result<TakenOver, PortError>,
}

impl Controller {
    /// Fences a service's zone, in a task of its own that tries once: when to try again is the engine's to say.
    pub(super) fn fence(&self, service: ServiceName) {
        let Some(executor) = self.executors.get(&service).cloned() else { return };
        let Some(fence) = self.engine.authority().and_then(|held| held.fence(self.ports.clock.now())) else { return };
        let mailbox = self.mailbox.clone();
        self.tasks.spawn(self.closing.clone().run_until_cancelled_owned(async move {
            let result = executor.managed.take_over(&fence, &executor.cluster).await;
            let _ = mailbox.send(Message::Fenced(FenceEnded { service, fence, result })).await;
        }));
    }

    pub(super) async fn fenced(&mut self, ended: FenceEnded) -> Option<Moment> {
        let FenceEnded { service, fence, result } = ended;
        if self.engine.authority()?.epoch() != fence.epoch() {
            // A fence of an epoch that is no longer ours says nothing about ours.
            self.fence(service);
            return None;
        }
        match result {
            // The very epoch that this start has chosen, because the zone was silent then and the store had lost its own: two
            // controllers must never share one (S6).
            Ok(taken) if taken.before.epoch >= fence.epoch() && !self.fenced_once.contains(&service) => {
                self.overtake(service).await
            }
            Ok(taken) => {
                self.fenced_once.insert(service.clone());
                let TakenOver { register, behind, .. } = taken;
                self.feed(Input::Fenced { service, register, behind }).await
            }
            Err(error) => {
                tracing::warn!(%service, "fencing the zone: {error}");
                if error.class == Class::Fenced && !self.fenced_once.contains(&service) {
                    self.overtake(service).await
                } else {
                    self.feed(Input::FenceFailed { service, error }).await
                }
            }
        }
    }

    /// The zone did not answer when the epoch was chosen, and turns out to be as far, or ahead: a start takes the next epoch (S6). After a start, being
    /// behind means being overtaken.
    async fn overtake(&mut self, service: ServiceName) -> Option<Moment> {
        let executor = self.executors.get(&service).cloned()?;
        let current = self.engine.authority().map(Authority::epoch).unwrap_or_default();
        let claimed = match executor.managed.token(&executor.cluster).await {
            Ok(token) => self.ports.lease.claim(current.following(token.epoch)).await,
            Err(error) => Err(error),
        };
        match claimed {
            Ok(authority) => {
                tracing::info!(epoch = %authority.epoch(), %service, "its zone was as far, or ahead");
                let wake = self.feed(Input::Led(authority)).await;
                // What was fenced under the epoch before is not fenced under this one; what is being fenced is fenced again when it comes back.
                for fenced in self.fenced_once.iter().chain([&service]) {
                    self.fence(fenced.clone());
                }
                wake
            }
            Err(error) => self.feed(Input::FenceFailed { service, error }).await,
        }
    }
}
