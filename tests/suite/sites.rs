//! The controls of a site's writes, each against the real server that it controls.

/// Support: who asks, and for what.
mod act;
/// PostgreSQL, alone and as a pair.
mod postgres;
