//! The config floor.

mod secrets;

pub use secrets::{SecretsError, load_secrets, parse_secrets};
