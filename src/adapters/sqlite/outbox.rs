//! Notices that are still to be sent, queued in the transaction that records what they tell of.

use rusqlite::{Connection, Row, params};

use super::error::{Failure, limit, loaded, stored};
use crate::domain::{Level, Notice, ServiceName, WallTime};
use crate::ports::{Delivery, QueuedDelivery};

/// Queues what was not queued before; the caller commits.
pub(super) fn queue(connection: &Connection, deliveries: &[Delivery]) -> Result<(), Failure> {
    let sql = "INSERT INTO outbox (key, recipient, service, level, text) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (key, recipient) DO NOTHING";
    let mut insert = connection.prepare_cached(sql)?;
    for Delivery { notice, recipient } in deliveries {
        let Notice { key, service, level, text } = notice;
        insert.execute(params![key, recipient, service.as_str(), level.as_str(), text])?;
    }
    Ok(())
}

/// A row as it is stored.
struct Raw {
    id: i64,
    key: String,
    recipient: String,
    service: String,
    level: String,
    text: String,
    attempts: i64,
}

impl Raw {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            key: row.get(1)?,
            recipient: row.get(2)?,
            service: row.get(3)?,
            level: row.get(4)?,
            text: row.get(5)?,
            attempts: row.get(6)?,
        })
    }

    fn delivery(self) -> Result<QueuedDelivery, Failure> {
        let Self { id, key, recipient, service, level, text, attempts } = self;
        let level = Level::parse(&level).ok_or(Failure::Value { what: "a delivery's level", found: level })?;
        let service = ServiceName::new(&service)
            .map_err(|_| Failure::Value { what: "a delivery's service", found: service })?;
        Ok(QueuedDelivery {
            id: loaded("a delivery's number", id)?,
            delivery: Delivery { notice: Notice { key, service, level, text }, recipient },
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        })
    }
}

/// The oldest ones of each recipient that were not taken yet.
pub(super) fn pending(connection: &Connection, rows: usize) -> Result<Vec<QueuedDelivery>, Failure> {
    let sql = "SELECT id, key, recipient, service, level, text, attempts FROM (
                   SELECT *, row_number() OVER (PARTITION BY recipient ORDER BY id) AS place
                   FROM outbox WHERE sent_at_ms IS NULL
               ) WHERE place <= ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([limit(rows)], Raw::of)?;
    rows.map(|row| row?.delivery()).collect()
}

/// Taken. Saying so again changes nothing.
pub(super) fn sent(connection: &Connection, id: u64, at: WallTime) -> Result<(), Failure> {
    let sql = "UPDATE outbox SET sent_at_ms = coalesce(sent_at_ms, ?2), last_error = NULL WHERE id = ?1";
    let (row, at_ms) = (stored("a delivery's number", id)?, stored("the time", at.as_ms())?);
    one(connection.execute(sql, params![row, at_ms])?, id)
}

/// Not this time.
pub(super) fn failed(connection: &Connection, id: u64, why: &str) -> Result<(), Failure> {
    let sql = "UPDATE outbox SET attempts = attempts + 1, last_error = ?2 WHERE id = ?1";
    one(connection.execute(sql, params![stored("a delivery's number", id)?, why])?, id)
}

fn one(changed: usize, id: u64) -> Result<(), Failure> {
    if changed == 1 { Ok(()) } else { Err(Failure::NoDelivery(id)) }
}
