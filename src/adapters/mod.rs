//! Concrete implementations of the ports: one room for each outside system.

pub mod script;
