//! The real code in virtual time: an hour passes in milliseconds, and a seed gives the same hour again. `detect` asks what a policy decides,
//! `world` what a whole controller does under faults, `replay` what another policy would have done with what was recorded.

pub mod detect;
pub mod replay;
pub mod world;
