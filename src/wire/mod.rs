//! Domain values to and from versioned JSON: what agents deliver, what the API answers, what the journal holds.
//!
//! Every document carries its version. A field that is added later is optional; a field that changes its meaning gets a new version.

pub mod api;
mod events;
mod fields;
pub mod journal;
pub mod observations;
pub mod pace;
pub mod sightings;
pub mod sites;

/// The version of every document so far.
pub const VERSION: u32 = 1;
pub mod zone;
