//! Tasks and loops. This is the only floor below the command line that awaits: it carries what the engine decided to the ports, and what
//! the ports answered back to the engine. It decides nothing.

pub mod agent;
mod beat;
mod canaries;
mod chance;
pub mod controller;
pub mod drills;
mod events;
mod executor;
pub mod faults;
pub mod flag;
mod gauge;
mod intake;
pub mod lag;
pub mod lookout;
mod measures;
mod outbox;
mod outside;
mod pace;
pub mod past;
mod protector;
mod register;
mod signatures;
mod sites;
mod spool;
mod surroundings;
mod survey;
mod tally;
mod tempo;
mod upkeep;
pub mod zone;

pub use events::{Event, Events};
pub use intake::Intake;
pub use measures::{Measured, Measures};
pub use pace::Paces;
pub use tally::Kind;
