//! The runtime floor.

pub mod zone;
