//! The suite.

/// `quorate check run` as a person or a CI job calls it.
mod check_cli;
/// Checks against real and against misbehaving servers.
mod checks;
/// Every rule of the configuration by a file that breaks it, and what must never be printed.
mod config;
/// Support: Django's admin, a login that nobody here wrote.
mod django;
/// The lab, seen by the official client, by DNS and by a browser.
mod lab;
/// Support: small servers that misbehave on purpose.
mod servers;
