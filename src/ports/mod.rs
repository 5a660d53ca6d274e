//! What the engine and the runtime need of the world, as traits in the domain's words.

mod probe;

pub use probe::{ProbeRequest, ProbeRunner, Resolution};
