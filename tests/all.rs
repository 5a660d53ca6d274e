//! One test binary, a line on each module.
mod suite;
