//! Thinning what is a day old: of a site that was well, one observation a minute says as much as twelve.
//!
//! What did not pass stays, and so do its neighbours, the first and the last of each run of passes, and the first of every minute. A run ends
//! where something did not pass, where the agent began anew, where its scripts changed, and where nothing was heard for a minute.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::{Failure, stored};
use crate::domain::WallTime;

const MINUTE_MS: i64 = 60_000;

/// How old an observation is before it is thinned: what happened today can be looked at in full.
const FULL_MS: i64 = 24 * 60 * MINUTE_MS;

/// How many observations one call looks at, to a minute: more than one brings, so that it catches up, and few enough that no call is slow.
const LOOKED_AT_ONCE: i64 = 2_000;

/// Thins the next minutes that are old enough, and remembers how far it came. The caller commits.
pub(super) fn thin(connection: &Connection, at: WallTime) -> Result<(), Failure> {
    let whole = |ms: i64| ms - ms.rem_euclid(MINUTE_MS);
    // The neighbours of the last minute must be there too.
    let horizon = whole(stored("the time", at.as_ms())?.saturating_sub(FULL_MS));
    let up_to: i64 = connection.prepare_cached("SELECT up_to_ms FROM thinned")?.query_row([], |row| row.get(0))?;
    if up_to >= horizon {
        return Ok(());
    }
    let nth = "SELECT at_ms FROM observations WHERE at_ms >= ?1 AND at_ms < ?2 ORDER BY at_ms LIMIT 1 OFFSET ?3";
    let mut nth = connection.prepare_cached(nth)?;
    let mut nth = |place: i64| nth.query_row([up_to, horizon, place], |row| row.get::<_, i64>(0)).optional();
    let to = match nth(0)? {
        Some(first) => {
            let from = whole(first).max(up_to);
            let to = nth(LOOKED_AT_ONCE)?.map_or(horizon, |last| whole(last).max(whole(from) + MINUTE_MS));
            connection.prepare_cached(THIN)?.execute(params![from, to, MINUTE_MS])?;
            to
        }
        None => horizon,
    };
    connection.prepare_cached("UPDATE thinned SET up_to_ms = ?1")?.execute([to])?;
    Ok(())
}

/// Between `?1` and `?2`, with a minute on either side to see the neighbours.
const THIN: &str = "
DELETE FROM observations WHERE rowid IN (
    SELECT id FROM (
        SELECT rowid AS id, at_ms, outcome, boot, generation,
               row_number() OVER (PARTITION BY service, check_name, role, vantage, at_ms / ?3 ORDER BY at_ms, rowid) AS place,
               lag(outcome) OVER series AS outcome_before, lead(outcome) OVER series AS outcome_after,
               lag(boot) OVER series AS boot_before, lead(boot) OVER series AS boot_after,
               lag(generation) OVER series AS generation_before, lead(generation) OVER series AS generation_after,
               at_ms - lag(at_ms) OVER series AS since, lead(at_ms) OVER series - at_ms AS until
        FROM observations
        WHERE at_ms >= ?1 - ?3 AND at_ms < ?2 + ?3
        WINDOW series AS (PARTITION BY service, check_name, role, vantage ORDER BY at_ms, rowid)
    )
    WHERE at_ms >= ?1 AND at_ms < ?2 AND place > 1
      AND outcome = 'pass' AND outcome_before = 'pass' AND outcome_after = 'pass'
      AND boot_before = boot AND boot_after = boot
      AND generation_before = generation AND generation_after = generation
      AND since <= ?3 AND until <= ?3
)";
