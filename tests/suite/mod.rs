//! The suite, room by room.

/// Every rule of the configuration by a file that breaks it, and what must never be printed.
mod config;
