//! The protocols of the check language besides HTTP, against servers that nobody here wrote, and against servers that misbehave.

mod certificates;
mod examples;
mod grpc;
mod mail;
mod names;
mod tcp;
mod websockets;
/// Support: probes, certificates, servers.
pub(super) mod world;
