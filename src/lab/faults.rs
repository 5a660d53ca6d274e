//! The fault switchboard of the Route 53 side.
//!
//! `GET /lab/faults` shows every switch; `POST /lab/faults` takes a JSON object with those to set and leaves the
//! rest. Unknown keys are refused, so that a misspelt fault is not a test that passes for nothing. A counter says how
//! many of the next requests the fault hits, and counts down as it does.
//!
//! | key | hits | effect |
//! |---|---|---|
//! | `throttle` | any Route 53 request | HTTP 400 `Throttling`, "Rate exceeded" |
//! | `unavailable` | any Route 53 request | HTTP 503 `ServiceUnavailable` |
//! | `prior_request_not_complete` | ChangeResourceRecordSets | HTTP 400 `PriorRequestNotComplete` |
//! | `lose_answer` | ChangeResourceRecordSets | handled as ever, then the connection closes without an answer |
//! | `duplicate_delivery` | ChangeResourceRecordSets | handled, then the same batch again, as a delayed duplicate would be |
//! | `stranded` | ChangeResourceRecordSets | accepted and listed, but PENDING for ever and not served |
//! | `propagation_ms` | a setting, not a counter | how long later changes stay PENDING |
//! | `duplicate_after_ms` | a setting, not a counter | how long a duplicate is delayed; 0 is before the answer |

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A fault that hits a counted number of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Throttle,
    Unavailable,
    PriorRequestNotComplete,
    LoseAnswer,
    DuplicateDelivery,
    Stranded,
}

/// The switchboard as it stands: counters of requests still to hit, and settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Requests still to be throttled.
    pub throttle: u32,
    /// Requests still to meet an unavailable service.
    pub unavailable: u32,
    /// Changes still to be told that an earlier one is being processed.
    pub prior_request_not_complete: u32,
    /// Changes whose answers are still to be lost.
    pub lose_answer: u32,
    /// Changes still to be delivered twice.
    pub duplicate_delivery: u32,
    /// Changes still to be stranded.
    pub stranded: u32,
    /// How long a change stays PENDING.
    pub propagation_ms: u64,
    /// How long after its first delivery a duplicate arrives.
    pub duplicate_after_ms: u64,
}

/// What to set on the switchboard; what is absent stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultChange {
    /// See [`Faults::throttle`].
    pub throttle: Option<u32>,
    /// See [`Faults::unavailable`].
    pub unavailable: Option<u32>,
    /// See [`Faults::prior_request_not_complete`].
    pub prior_request_not_complete: Option<u32>,
    /// See [`Faults::lose_answer`].
    pub lose_answer: Option<u32>,
    /// See [`Faults::duplicate_delivery`].
    pub duplicate_delivery: Option<u32>,
    /// See [`Faults::stranded`].
    pub stranded: Option<u32>,
    /// See [`Faults::propagation_ms`].
    pub propagation_ms: Option<u64>,
    /// See [`Faults::duplicate_after_ms`].
    pub duplicate_after_ms: Option<u64>,
}

/// The switchboard.
#[derive(Debug)]
pub(super) struct Switchboard(Mutex<Faults>);

impl Switchboard {
    /// No fault, and that propagation delay.
    pub(super) fn new(propagation: Duration) -> Self {
        let propagation_ms = u64::try_from(propagation.as_millis()).unwrap_or(u64::MAX);
        Self(Mutex::new(Faults { propagation_ms, ..Faults::default() }))
    }

    /// The switchboard as it stands.
    pub(super) fn state(&self) -> Faults {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what the change names.
    pub(super) fn set(&self, change: FaultChange) -> Faults {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = *faults;
        *faults = Faults {
            throttle: change.throttle.unwrap_or(old.throttle),
            unavailable: change.unavailable.unwrap_or(old.unavailable),
            prior_request_not_complete: change.prior_request_not_complete.unwrap_or(old.prior_request_not_complete),
            lose_answer: change.lose_answer.unwrap_or(old.lose_answer),
            duplicate_delivery: change.duplicate_delivery.unwrap_or(old.duplicate_delivery),
            stranded: change.stranded.unwrap_or(old.stranded),
            propagation_ms: change.propagation_ms.unwrap_or(old.propagation_ms),
            duplicate_after_ms: change.duplicate_after_ms.unwrap_or(old.duplicate_after_ms),
        };
        *faults
    }

    /// Whether the fault hits this request; counts it.
    pub(super) fn hits(&self, fault: Fault) -> bool {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = match fault {
            Fault::Throttle => &mut faults.throttle,
            Fault::Unavailable => &mut faults.unavailable,
            Fault::PriorRequestNotComplete => &mut faults.prior_request_not_complete,
            Fault::LoseAnswer => &mut faults.lose_answer,
            Fault::DuplicateDelivery => &mut faults.duplicate_delivery,
            Fault::Stranded => &mut faults.stranded,
        };
        let hits = *counter > 0;
        *counter = counter.saturating_sub(1);
        hits
    }
}
