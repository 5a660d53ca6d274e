//! The wire floor.

mod fields;
pub mod journal;
