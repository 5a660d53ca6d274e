//! Tasks and loops. This is the only floor below the command line that awaits: it carries what the engine decided to the ports, and what
//! the ports answered back to the engine. It decides nothing.

pub mod agent;
mod beat;
mod canaries;
mod chance;
pub mod controller;
mod events;
mod executor;
pub mod flag;
mod intake;
pub mod lookout;
mod measures;
mod outbox;
mod outside;
mod pace;
pub mod past;
mod protector;
mod register;
mod sites;
mod spool;
mod surroundings;
mod survey;
mod tempo;
mod upkeep;
pub mod zone;

pub use events::{Event, Events};
pub use intake::Intake;
pub use measures::Measured;
pub use pace::Paces;
