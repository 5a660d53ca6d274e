//! Concrete implementations of the ports: one room for each outside system.

pub mod resolver;
pub mod route53;
pub mod script;
