//! The engine without a clock: text tables, a crash at every point of a failover, and seeded chance.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test a panic is the answer, and what is printed is seen when it fails"
)]

mod chance;
mod crash;
mod deciding;
mod drain;
mod drift;
mod drills;
mod faults;
mod limits;
mod release;
mod sites;
mod table;
mod world;
