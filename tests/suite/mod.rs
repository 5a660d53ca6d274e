//! The suites and their helpers.

/// The battery of the DNS provider, over the lab and over an emulator that nobody here wrote.
mod dns;
/// What only the lab can show, and the resolver.
mod dns_lab;
/// A zone with a service's records, over either.
mod dns_world;
/// The lab itself.
mod lab;
/// The emulator.
mod ministack;
/// Python packages for emulators.
mod python;
/// A TCP relay that loses, repeats and replaces what passes through it.
mod wire;
