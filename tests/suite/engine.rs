//! The engine without a clock: text tables, a crash at every point of a failover, and seeded chance.

mod chance;
mod crash;
mod table;
mod world;
