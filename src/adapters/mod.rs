//! Concrete implementations of the ports: one room for each outside system.

pub mod canary;
pub mod clock;
pub mod controller_http;
pub mod flag;
pub mod lab;
pub mod notify;
mod outbound;
mod question;
pub mod resolver;
pub mod rfc2136;
pub mod route53;
pub mod script;
pub mod site;
pub mod sqlite;
pub mod twin;
