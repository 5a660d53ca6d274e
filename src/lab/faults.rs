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
//! | `access_denied` | any Route 53 request | HTTP 403 `AccessDenied`, naming operation and resource as IAM does |
//! | `prior_request_not_complete` | ChangeResourceRecordSets | HTTP 400 `PriorRequestNotComplete` |
//! | `lose_answer` | ChangeResourceRecordSets | handled as ever, then the connection closes without an answer |
//! | `duplicate_delivery` | ChangeResourceRecordSets | handled, then the same batch again, as a delayed duplicate would be |
//! | `stranded` | ChangeResourceRecordSets | accepted and listed, but PENDING for ever and not served |
//! | `propagation_ms` | a setting, not a counter | how long later changes stay PENDING |
//! | `answer_after_ms` | a setting, not a counter | how late any Route 53 request is answered |
//! | `duplicate_after_ms` | a setting, not a counter | how long a duplicate is delayed; 0 is before the answer |
//! | `requests_per_second` | a setting, not a counter | the account's limit, above which requests are throttled; 0 is none, AWS' is 5 |
//! | `batch_errors_as_list` | a setting, not a counter | `InvalidChangeBatch` as a document with `Messages`, its older form |

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::clock;

/// A fault that hits a counted number of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Throttle,
    Unavailable,
    AccessDenied,
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
    /// Requests still to be denied for want of a permission.
    pub access_denied: u32,
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
    /// How late any request is answered.
    pub answer_after_ms: u64,
    /// How long after its first delivery a duplicate arrives.
    pub duplicate_after_ms: u64,
    /// How many requests of any second are not throttled; 0 throttles none.
    pub requests_per_second: u32,
    /// Whether a refused batch is told in the older form of the error.
    pub batch_errors_as_list: bool,
}

/// What to set on the switchboard; what is absent stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultChange {
    /// See [`Faults::throttle`].
    pub throttle: Option<u32>,
    /// See [`Faults::unavailable`].
    pub unavailable: Option<u32>,
    /// See [`Faults::access_denied`].
    pub access_denied: Option<u32>,
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
    /// See [`Faults::answer_after_ms`].
    pub answer_after_ms: Option<u64>,
    /// See [`Faults::duplicate_after_ms`].
    pub duplicate_after_ms: Option<u64>,
    /// See [`Faults::requests_per_second`].
    pub requests_per_second: Option<u32>,
    /// See [`Faults::batch_errors_as_list`].
    pub batch_errors_as_list: Option<bool>,
}

/// What stands behind the switchboard's lock.
#[derive(Debug, Default)]
struct Board {
    faults: Faults,
    /// When the requests of the last second were let through.
    passed: VecDeque<Instant>,
}

/// The switchboard.
#[derive(Debug)]
pub(super) struct Switchboard(Mutex<Board>);

impl Switchboard {
    /// No fault, and that propagation delay.
    pub(super) fn new(propagation: Duration) -> Self {
        let propagation_ms = u64::try_from(propagation.as_millis()).unwrap_or(u64::MAX);
        let faults = Faults { propagation_ms, ..Faults::default() };
        Self(Mutex::new(Board { faults, ..Board::default() }))
    }

    /// The switchboard as it stands.
    pub(super) fn state(&self) -> Faults {
        self.lock().faults
    }

    /// Sets what the change names.
    pub(super) fn set(&self, change: FaultChange) -> Faults {
        let faults = &mut self.lock().faults;
        let old = *faults;
        *faults = Faults {
            throttle: change.throttle.unwrap_or(old.throttle),
            unavailable: change.unavailable.unwrap_or(old.unavailable),
            access_denied: change.access_denied.unwrap_or(old.access_denied),
            prior_request_not_complete: change.prior_request_not_complete.unwrap_or(old.prior_request_not_complete),
            lose_answer: change.lose_answer.unwrap_or(old.lose_answer),
            duplicate_delivery: change.duplicate_delivery.unwrap_or(old.duplicate_delivery),
            stranded: change.stranded.unwrap_or(old.stranded),
            propagation_ms: change.propagation_ms.unwrap_or(old.propagation_ms),
            answer_after_ms: change.answer_after_ms.unwrap_or(old.answer_after_ms),
            duplicate_after_ms: change.duplicate_after_ms.unwrap_or(old.duplicate_after_ms),
            requests_per_second: change.requests_per_second.unwrap_or(old.requests_per_second),
            batch_errors_as_list: change.batch_errors_as_list.unwrap_or(old.batch_errors_as_list),
        };
        *faults
    }

    /// Whether the fault hits this request; counts it.
    pub(super) fn hits(&self, fault: Fault) -> bool {
        let faults = &mut self.lock().faults;
        let counter = match fault {
            Fault::Throttle => &mut faults.throttle,
            Fault::Unavailable => &mut faults.unavailable,
            Fault::AccessDenied => &mut faults.access_denied,
            Fault::PriorRequestNotComplete => &mut faults.prior_request_not_complete,
            Fault::LoseAnswer => &mut faults.lose_answer,
            Fault::DuplicateDelivery => &mut faults.duplicate_delivery,
            Fault::Stranded => &mut faults.stranded,
        };
        let hits = *counter > 0;
        *counter = counter.saturating_sub(1);
        hits
    }

    /// Whether this request is one too many for the second that ends now; counts those that are not.
    pub(super) fn over_rate(&self) -> bool {
        let mut board = self.lock();
        let most = usize::try_from(board.faults.requests_per_second).unwrap_or(usize::MAX);
        if most == 0 {
            return false;
        }
        let now = clock::now();
        while board.passed.front().is_some_and(|passed| now.duration_since(*passed) >= Duration::from_secs(1)) {
            board.passed.pop_front();
        }
        let over = board.passed.len() >= most;
        if !over {
            board.passed.push_back(now);
        }
        over
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
