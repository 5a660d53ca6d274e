//! In virtual time: an hour passes in milliseconds, and a seed gives the same hour again. [`detect`] and [`replay`] ask the engine alone what it
//! would decide; [`world`] runs the whole controller on its store, and breaks everything around it.

pub mod detect;
pub mod replay;
pub mod world;
