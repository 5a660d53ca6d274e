//! What agents reported: kept for a while for people to read, with a high-water mark for each run of an agent.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::error::{Failure, limit, loaded, stored};
use super::thinning;
use crate::domain::{
    Canaries, CheckName, FailureKind, Generation, Moment, Observation, ObservationId, Outcome, Role, ServiceName,
    VantageName, WallTime,
};
use crate::ports::{LogPlace, LoggedObservation, SeenUpTo};

/// How long observations are kept unless somebody says otherwise: a weekly review still finds the last one's. No decision reads them,
/// and the journal keeps for ever what was decided by.
pub(super) const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many old observations one call removes at most: more than one brings, so that the file stops growing, and few enough that
/// no call is slow.
const REMOVED_AT_ONCE: i64 = 1_000;

/// Free pages that stay in the file for what comes next: 1 MiB, as a page has 4 KiB.
const SPARE_PAGES: i64 = 256;

/// How many pages one call gives back at most.
const GIVEN_BACK_AT_ONCE: i64 = 256;

/// Records the new ones with their marks, and forgets some old ones, in one transaction.
pub(super) fn record(
    connection: &mut Connection,
    now: Moment,
    at: WallTime,
    observations: &[Observation],
    kept: Duration,
) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let arrived_ms = stored("the time", at.as_ms())?;
    {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO observations (vantage, boot, seq, service, check_name, role, at_ms, outcome, kind, reason,
                                       failed_step, duration_ms, canaries, generation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
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
                observation.canaries.as_str(),
                observation.generation.to_string(),
            ])?;
            mark.execute(params![id.vantage.as_str(), id.boot, seq, arrived_ms])?;
        }
    }
    forget(&transaction, at, kept)?;
    thinning::thin(&transaction, at)?;
    give_back(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Removes what is older than `kept`; of the marks, those of runs that have said nothing for as long, and for a week at the least: an
/// agent that comes back after days must not be taken for a new one.
fn forget(connection: &Connection, at: WallTime, kept: Duration) -> Result<(), Failure> {
    let before = |kept: Duration| {
        let kept_ms = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
        stored("the time", at.as_ms().saturating_sub(kept_ms))
    };
    let old = "DELETE FROM observations WHERE rowid IN
               (SELECT rowid FROM observations WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)";
    connection.prepare_cached(old)?.execute(params![before(kept)?, REMOVED_AT_ONCE])?;
    connection.prepare_cached("DELETE FROM seen WHERE at_ms < ?1")?.execute([before(kept.max(KEPT))?])?;
    Ok(())
}

/// Gives some free pages back to the system.
fn give_back(connection: &Connection) -> Result<(), Failure> {
    let free: i64 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    let pages = (free - SPARE_PAGES).min(GIVEN_BACK_AT_ONCE);
    if pages > 0 {
        // Each row that it answers with is a page.
        let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut given = statement.query([])?;
        while given.next()?.is_some() {}
    }
    Ok(())
}

/// A row as it is stored.
struct Raw {
    row: i64,
    at_ms: i64,
    vantage: String,
    boot: String,
    seq: i64,
    service: String,
    check: String,
    role: String,
    outcome: String,
    kind: Option<String>,
    reason: Option<String>,
    failed_step: Option<String>,
    duration_ms: i64,
    canaries: String,
    generation: String,
}

impl Raw {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            row: row.get(0)?,
            at_ms: row.get(1)?,
            vantage: row.get(2)?,
            boot: row.get(3)?,
            seq: row.get(4)?,
            service: row.get(5)?,
            check: row.get(6)?,
            role: row.get(7)?,
            outcome: row.get(8)?,
            kind: row.get(9)?,
            reason: row.get(10)?,
            failed_step: row.get(11)?,
            duration_ms: row.get(12)?,
            canaries: row.get(13)?,
            generation: row.get(14)?,
        })
    }

    fn logged(self) -> Result<LoggedObservation, Failure> {
        let at = WallTime::from_ms(loaded("an observation's time", self.at_ms)?);
        let id = ObservationId {
            vantage: word("an observation's vantage", self.vantage, |word| VantageName::new(word).ok())?,
            boot: self.boot,
            seq: loaded("an observation's number", self.seq)?,
        };
        let kind = match self.kind {
            Some(kind) => Some(word("an observation's kind", kind, FailureKind::parse)?),
            None => None,
        };
        let observation = Observation {
            id,
            service: word("an observation's service", self.service, |word| ServiceName::new(word).ok())?,
            check: word("an observation's check", self.check, |word| CheckName::new(word).ok())?,
            role: word("an observation's role", self.role, Role::parse)?,
            at: Moment::from_ms(at.as_ms()),
            outcome: word("an observation's outcome", self.outcome, Outcome::parse)?,
            kind,
            reason: self.reason,
            failed_step: self.failed_step,
            duration_ms: loaded("an observation's duration", self.duration_ms)?,
            canaries: word("an observation's canaries", self.canaries, Canaries::parse)?,
            generation: word("an observation's generation", self.generation, Generation::parse)?,
            metrics: Vec::new(),
        };
        let place = LogPlace { at, row: loaded("an observation's row", self.row)? };
        Ok(LoggedObservation { place, at, observation })
    }
}

/// What a word says, or which word it was.
fn word<T>(what: &'static str, found: String, parse: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
    parse(&found).ok_or(Failure::Value { what, found })
}

/// Those made in `span`, in order of time, after the place that is given.
pub(super) fn between(
    connection: &Connection,
    service: Option<&ServiceName>,
    span: (WallTime, WallTime),
    after: Option<LogPlace>,
    rows: usize,
) -> Result<Vec<LoggedObservation>, Failure> {
    // Times beyond what can be stored are after all that is.
    let ms = |at: WallTime| i64::try_from(at.as_ms()).unwrap_or(i64::MAX);
    let (from, to) = (ms(span.0.max(after.map_or(span.0, |place| place.at))), ms(span.1));
    let (after_ms, after_row) = match after {
        Some(place) => (ms(place.at), stored("an observation's row", place.row)?),
        None => (-1, -1),
    };
    // `+at_ms` keeps the condition on the place from being taken for the range, which the line above it gives.
    let of_service = if service.is_some() { "service = ?6 AND" } else { "?6 IS NULL AND" };
    let sql = format!(
        "SELECT rowid, at_ms, vantage, boot, seq, service, check_name, role, outcome, kind, reason, failed_step, duration_ms,
                canaries, generation
         FROM observations
         WHERE {of_service} at_ms BETWEEN ?1 AND ?2 AND (+at_ms > ?3 OR (+at_ms = ?3 AND rowid > ?4))
         ORDER BY at_ms, rowid LIMIT ?5"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let service = service.map(ServiceName::as_str);
    let rows = statement.query_map(params![from, to, after_ms, after_row, limit(rows), service], Raw::of)?;
    rows.map(|row| row?.logged()).collect()
}

/// When the oldest one was made.
pub(super) fn oldest(connection: &Connection) -> Result<Option<WallTime>, Failure> {
    let sql = "SELECT at_ms FROM observations ORDER BY at_ms LIMIT 1";
    let at: Option<i64> = connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    at.map(|at| Ok(WallTime::from_ms(loaded("an observation's time", at)?))).transpose()
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
