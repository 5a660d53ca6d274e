//! What holds for all services of this controller.

use crate::domain::{Authority, Epoch, Fence, Limits, Moment, ServiceName, WallTime};

/// See the module.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) authority: Option<Authority>,
    pub(super) why_not: String,
    /// What stops everything from outside.
    pub(super) halted: Option<String>,
    pub(super) limits: Limits,
    /// The automatic moves of all services within the limits' time.
    pub(super) moves: Vec<WallTime>,
    /// The services whose primary a rehearsal has broken on purpose, with the rehearsal and its drill.
    pub(super) broken: Vec<(ServiceName, ServiceName, u64)>,
    /// One reading of both clocks. The wall clock is not asked again: it may be set meanwhile, and what is measured would jump.
    pub(super) clocks: (Moment, WallTime),
}

impl Common {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            authority: None,
            why_not: "it does not hold the lease yet".to_owned(),
            halted: None,
            limits,
            moves: Vec::new(),
            broken: Vec::new(),
            clocks: (Moment::default(), WallTime::default()),
        }
    }

    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.authority.as_ref().map(Authority::epoch)
    }

    pub(super) fn fence(&self, now: Moment) -> Option<Fence> {
        self.authority.as_ref().and_then(|authority| authority.fence(now))
    }

    /// The wall clock at a moment, by the one reading.
    pub(super) fn wall(&self, now: Moment) -> WallTime {
        self.clocks.1.after(now.since(self.clocks.0))
    }
}
