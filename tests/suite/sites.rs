//! The controls of a site's writes, each against the real server that it controls.

/// Support: who asks, and for what.
pub(crate) mod act;
/// Scripts and programs, and several controls as one.
mod hooks;
/// MariaDB, alone and as a pair.
mod mariadb;
/// PostgreSQL, alone and as a pair.
mod postgres;
/// Redis, alone and as a pair.
mod redis;
