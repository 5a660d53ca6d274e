//! Concrete implementations of the ports: one room for each outside system.

pub mod controller_http;
pub mod resolver;
pub mod route53;
pub mod script;
