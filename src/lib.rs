//! Quorate decides, with a quorum of independent vantage points, whether a service is up, and moves its DNS name
//! from the primary cloud to a read-only standby in another cloud when it is not.
//!
//! The house has floors, and a floor imports only floors below it (`tests/architecture.rs` enforces that):
//!
//! | floor | rooms | what lives there |
//! |---|---|---|
//! | 6 | [`cli`] | composition root: argv, exit codes, the only place that names concrete adapters |
//! | 5 | [`web`], [`drill`], [`lab`], [`sim`] | the HTTP API; reports of drills; a one-machine Route 53, DNS and two demo clouds; a world in virtual time |
//! | 4 | [`runtime`] | tasks and loops: agent, controller, executor, leader, outbox |
//! | 3 | [`adapters`] | rhai, Route 53, DNS, SQLite, the standby's admin endpoint, Slack and SMS |
//! | 2 | [`ports`] | traits in the domain's words |
//! | 1 | [`engine`] | pure decisions: `handle(now, Input) -> Output` |
//! | 0 | [`domain`] | values whose constructors hold the invariants |
//!
//! Beside the stairs, importing the domain only: [`config`] (files into domain values, every problem at once) and
//! [`wire`] (domain values to and from versioned JSON).

pub mod adapters;
pub mod cli;
pub mod config;
pub mod domain;
pub mod drill;
pub mod engine;
pub mod lab;
pub mod ports;
pub mod runtime;
pub mod sim;
pub mod web;
pub mod wire;
