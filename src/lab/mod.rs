//! The lab floor.
