//! Concrete implementations of the ports: one room for each outside system.

pub mod clock;
pub mod notify;
mod outbound;
pub mod script;
pub mod sqlite;
pub mod standby_http;
