//! Time, so that nothing below reads it by itself.

use crate::domain::{Moment, WallTime};

/// This process's clocks.
pub trait Clock: Send + Sync {
    /// The monotonic clock: all decisions and all ages.
    fn now(&self) -> Moment;

    /// The wall clock: what people read, and the timestamps that other systems' signatures ask for.
    fn wall(&self) -> WallTime;
}
