//! The real code in virtual time: an hour passes in milliseconds, and a seed gives the same hour again.

pub mod world;
