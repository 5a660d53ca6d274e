//! The lab's only source of time and of chance.
//!
//! The lab plays the outside world, so it has a clock of its own: nothing of Quorate's decides by it. Wall time stamps
//! what happened and bounds the age of a signature; monotonic time paces propagation and health checks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::RngExt;
use tokio::time::Instant;

/// What ids are made of, as in Route 53's own.
const ID_ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Wall time since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the lab is the outside world: it stamps answers and ages signatures")]
pub(super) fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Wall time in milliseconds since the Unix epoch.
pub(super) fn wall_ms() -> u64 {
    u64::try_from(wall().as_millis()).unwrap_or(u64::MAX)
}

/// Wall time as Route 53 writes it: `2026-01-31T12:00:00.000Z`.
pub(super) fn wall_text() -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + wall()).to_string()
}

/// Monotonic time.
pub(super) fn now() -> Instant {
    Instant::now()
}

/// An id nobody has: the prefix and as many random capitals and digits as asked.
#[expect(clippy::disallowed_methods, reason = "ids and keys of the lab are nonces; nothing replays them")]
pub(super) fn id(prefix: &str, length: usize) -> String {
    let mut rng = rand::rng();
    let mut id = prefix.to_owned();
    id.extend((0..length).map(|_| char::from(*ID_ALPHABET.get(rng.random_range(0..36)).unwrap_or(&b'0'))));
    id
}

/// Random bytes for a key or a token.
#[expect(clippy::disallowed_methods, reason = "ids and keys of the lab are nonces; nothing replays them")]
pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill(&mut bytes);
    bytes
}

/// Some part of a time, anything between none and all of it.
pub(super) fn part_of(whole: Duration) -> Duration {
    let share = u32::from_le_bytes(random_bytes());
    whole.mul_f64(f64::from(share) / f64::from(u32::MAX))
}
