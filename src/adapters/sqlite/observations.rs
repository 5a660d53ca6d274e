//! What agents reported: kept for a week for people to read, with a high-water mark for each run of an agent.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::error::{Failure, loaded, stored};
use crate::domain::{FailureKind, Moment, Observation, VantageName, WallTime};
use crate::ports::SeenUpTo;

/// How long observations are kept: a weekly review still finds the last one's. No decision reads them, and the journal keeps
/// for ever what was decided by.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many old observations one call removes at most: more than one brings, so that the file stops growing, and few enough that
/// no call is slow.
const REMOVED_AT_ONCE: i64 = 1_000;

/// Records the new ones with their marks, and forgets some old ones, in one transaction.
pub(super) fn record(
    connection: &mut Connection,
    now: Moment,
    at: WallTime,
    observations: &[Observation],
) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let arrived_ms = stored("the time", at.as_ms())?;
    {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO observations (vantage, boot, seq, service, check_name, role, at_ms, outcome, kind, reason,
                                       failed_step, duration_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (vantage, boot, seq) DO NOTHING",
        )?;
        let mut mark = transaction.prepare_cached(
            "INSERT INTO seen (vantage, boot, seq, at_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (vantage, boot) DO UPDATE SET seq = max(seq, excluded.seq), at_ms = excluded.at_ms",
        )?;
        for observation in observations {
            let id = &observation.id;
            let seq = stored("an observation's number", id.seq)?;
            // The age was measured on one clock: only its end is placed on the wall (S21).
            let age_ms = now.as_ms().saturating_sub(observation.at.as_ms());
            let at_ms = stored("an observation's time", at.as_ms().saturating_sub(age_ms))?;
            insert.execute(params![
                id.vantage.as_str(),
                id.boot,
                seq,
                observation.service.as_str(),
                observation.check.as_str(),
                observation.role.as_str(),
                at_ms,
                observation.outcome.as_str(),
                observation.kind.map(FailureKind::as_str),
                observation.reason,
                observation.failed_step,
                stored("an observation's duration", observation.duration_ms)?,
            ])?;
            mark.execute(params![id.vantage.as_str(), id.boot, seq, arrived_ms])?;
        }
    }
    forget(&transaction, at)?;
    transaction.commit()?;
    Ok(())
}

/// Removes what is older than [`KEPT`]; of the marks, those of runs that have said nothing for as long.
fn forget(connection: &Connection, at: WallTime) -> Result<(), Failure> {
    let kept_ms = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
    let before = stored("the time", at.as_ms().saturating_sub(kept_ms))?;
    let old = "DELETE FROM observations WHERE rowid IN
               (SELECT rowid FROM observations WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)";
    connection.prepare_cached(old)?.execute(params![before, REMOVED_AT_ONCE])?;
    connection.prepare_cached("DELETE FROM seen WHERE at_ms < ?1")?.execute([before])?;
    Ok(())
}

/// The marks: a row a run, however many observations there are.
pub(super) fn seen(connection: &Connection) -> Result<Vec<SeenUpTo>, Failure> {
    let mut statement = connection.prepare_cached("SELECT vantage, boot, seq FROM seen ORDER BY vantage, boot")?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)))?;
    rows.map(|row| {
        let (vantage, boot, seq) = row?;
        let vantage = VantageName::new(&vantage)
            .map_err(|_| Failure::Value { what: "an observation's vantage", found: vantage })?;
        Ok(SeenUpTo { vantage, boot, seq: loaded("an observation's number", seq)? })
    })
    .collect()
}
