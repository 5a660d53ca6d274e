//! The journal: appended under a fence, read in order, never changed.

use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::error::{Failure, limit, loaded, stored};
use super::{lease, outbox};
use crate::domain::{Epoch, JournalEntry, JournalRecord, ServiceName, WallTime};
use crate::ports::Delivery;
use crate::wire;

/// A row as it is stored.
struct Raw {
    id: i64,
    at_ms: i64,
    epoch: i64,
    service: String,
    entry: String,
}

impl Raw {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, at_ms: row.get(1)?, epoch: row.get(2)?, service: row.get(3)?, entry: row.get(4)? })
    }

    fn record(self) -> Result<JournalRecord, Failure> {
        let Self { id, at_ms, epoch, service, entry } = self;
        Ok(JournalRecord {
            id: loaded("a journal entry's number", id)?,
            at: WallTime::from_ms(loaded("a journal entry's time", at_ms)?),
            epoch: Epoch::new(loaded("a journal entry's epoch", epoch)?),
            service: ServiceName::new(&service)
                .map_err(|_| Failure::Value { what: "a journal entry's service", found: service })?,
            entry: wire::journal::from_text(&entry).map_err(|source| Failure::Entry { id, source })?,
        })
    }
}

/// Entries and deliveries in one transaction, if `epoch` is the store's.
pub(super) fn append(
    connection: &mut Connection,
    epoch: Epoch,
    at: WallTime,
    entries: Vec<(ServiceName, JournalEntry)>,
    deliveries: &[Delivery],
) -> Result<Vec<JournalRecord>, Failure> {
    // Immediate: nobody can claim a newer epoch between the look at it and the commit.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let current = lease::epoch(&transaction)?;
    if epoch != current {
        return Err(Failure::Fenced { tried: epoch, stored: current });
    }
    let (at_ms, epoch_number) = (stored("the time", at.as_ms())?, stored("the epoch", epoch.get())?);
    let mut records = Vec::with_capacity(entries.len());
    {
        let sql = "INSERT INTO journal (at_ms, epoch, service, entry) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = transaction.prepare_cached(sql)?;
        for (service, entry) in entries {
            let text = wire::journal::to_text(&entry).map_err(Failure::Unwritable)?;
            let id = insert.insert(params![at_ms, epoch_number, service.as_str(), text])?;
            records.push(JournalRecord { id: loaded("a journal entry's number", id)?, at, epoch, service, entry });
        }
    }
    outbox::queue(&transaction, deliveries)?;
    transaction.commit()?;
    Ok(records)
}

/// All of it, in order.
pub(super) fn load(connection: &Connection) -> Result<Vec<JournalRecord>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT id, at_ms, epoch, service, entry FROM journal ORDER BY id")?;
    let rows = statement.query_map([], Raw::of)?;
    rows.map(|row| row?.record()).collect()
}

/// The newest ones of a service, oldest first.
pub(super) fn recent(
    connection: &Connection,
    service: &ServiceName,
    rows: usize,
) -> Result<Vec<JournalRecord>, Failure> {
    let sql = "SELECT id, at_ms, epoch, service, entry FROM journal WHERE service = ?1 ORDER BY id DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![service.as_str(), limit(rows)], Raw::of)?;
    let mut records = rows.map(|row| row?.record()).collect::<Result<Vec<_>, Failure>>()?;
    records.reverse();
    Ok(records)
}
