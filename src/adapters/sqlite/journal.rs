//! The journal: appended under a fence, read in order, never changed.
//!
//! Each entry carries a sum over itself and the sum before it, and one row says how many there are and what the last sum is. A row that
//! was changed, taken out or put elsewhere, and an end that is missing, are found when the journal is read. What these cannot find, an
//! older state of the whole file, is found by the [`Mark`] beside it.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::error::{Failure, limit, loaded, stored};
use super::mark::Mark;
use super::{lease, outbox};
use crate::domain::{Epoch, JournalEntry, JournalRecord, ServiceName, WallTime};
use crate::ports::Delivery;
use crate::wire;

/// The first eight bytes of a SHA-256.
pub(super) type Sum = [u8; 8];

/// The sum before the first entry.
pub(super) const START: Sum = [0; 8];

/// A row as it is stored.
pub(super) struct Raw {
    pub(super) id: i64,
    pub(super) at_ms: i64,
    pub(super) epoch: i64,
    pub(super) service: String,
    pub(super) entry: String,
}

impl Raw {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, at_ms: row.get(1)?, epoch: row.get(2)?, service: row.get(3)?, entry: row.get(4)? })
    }

    /// The sum of this row after the row whose sum is `before`.
    pub(super) fn sum(&self, before: Sum) -> Sum {
        let mut hash = Sha256::new();
        hash.update(before);
        for number in [self.id, self.at_ms, self.epoch] {
            hash.update(number.to_be_bytes());
        }
        for text in [&self.service, &self.entry] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let mut sum = START;
        sum.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        sum
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

/// What is to be appended, and under which conditions.
pub(super) struct Append {
    pub(super) epoch: Epoch,
    pub(super) after: Option<u64>,
    pub(super) at: WallTime,
    pub(super) service: ServiceName,
    pub(super) entries: Vec<JournalEntry>,
    pub(super) deliveries: Vec<Delivery>,
}

/// Entries and deliveries in one transaction, if the epoch is the store's and nobody else has written for the service (S7). Also what is
/// to be marked once it is durable.
pub(super) fn append(connection: &mut Connection, append: Append) -> Result<(Vec<JournalRecord>, Mark), Failure> {
    let Append { epoch, after, at, service, entries, deliveries } = append;
    // Immediate: nobody can claim a newer epoch or write an entry between the look at them and the commit.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let current = lease::epoch(&transaction)?;
    if epoch != current {
        return Err(Failure::Fenced { tried: epoch, stored: current });
    }
    nothing_since(&transaction, &service, after)?;
    let (mut count, mut sum) = end(&transaction)?;
    let (at_ms, epoch_number) = (stored("the time", at.as_ms())?, stored("the epoch", epoch.get())?);
    let mut records = Vec::with_capacity(entries.len());
    {
        let mut id = last_id(&transaction)?;
        let sql = "INSERT INTO journal (id, at_ms, epoch, service, entry, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let mut insert = transaction.prepare_cached(sql)?;
        for entry in entries {
            let text = wire::journal::to_text(&entry).map_err(Failure::Unwritable)?;
            id += 1;
            let raw = Raw { id, at_ms, epoch: epoch_number, service: service.as_str().to_owned(), entry: text };
            sum = raw.sum(sum);
            count += 1;
            insert.execute(params![id, at_ms, epoch_number, raw.service, raw.entry, sum])?;
            let id = loaded("a journal entry's number", id)?;
            records.push(JournalRecord { id, at, epoch, service: service.clone(), entry });
        }
    }
    let changed = transaction
        .prepare_cached("UPDATE journal_end SET entries = ?1, sum = ?2")?
        .execute(params![stored("the journal's length", count)?, sum])?;
    if changed != 1 {
        return Err(Failure::Damaged("the row that says where the journal ends is missing".to_owned()));
    }
    outbox::queue(&transaction, &deliveries)?;
    transaction.commit()?;
    Ok((records, Mark { epoch, entries: count, sum }))
}

/// Refuses when the service's last record is another one than the caller knows.
fn nothing_since(connection: &Connection, service: &ServiceName, after: Option<u64>) -> Result<(), Failure> {
    let sql = "SELECT id, epoch FROM journal WHERE service = ?1 ORDER BY id DESC LIMIT 1";
    let last: Option<(i64, i64)> = connection
        .prepare_cached(sql)?
        .query_row([service.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let last = match last {
        Some((id, epoch)) => {
            Some((loaded("a journal entry's number", id)?, Epoch::new(loaded("a journal entry's epoch", epoch)?)))
        }
        None => None,
    };
    match (last, after) {
        (Some((id, _)), Some(after)) if id == after => Ok(()),
        (None, None) => Ok(()),
        (Some((id, epoch)), _) => Err(Failure::MovedOn { id, service: service.clone(), epoch }),
        (None, Some(id)) => Err(Failure::NotThere { id, service: service.clone() }),
    }
}

/// The largest number that was ever given.
fn last_id(connection: &Connection) -> Result<i64, Failure> {
    let sql = "SELECT coalesce(max(id), 0) FROM journal";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// How many entries there are, and the last one's sum.
pub(super) fn end(connection: &Connection) -> Result<(u64, Sum), Failure> {
    let mut statement = connection.prepare_cached("SELECT entries, sum FROM journal_end")?;
    let end: Option<(i64, Sum)> = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((entries, sum)) = end else {
        return Err(Failure::Damaged("the row that says where the journal ends is missing".to_owned()));
    };
    Ok((loaded("the journal's length", entries)?, sum))
}

/// All of it, in order, if it is what was written; `mark` is what is known to have been acknowledged, read before.
pub(super) fn load(connection: &mut Connection, mark: Option<Mark>) -> Result<Vec<JournalRecord>, Failure> {
    // One look: another process may append meanwhile.
    let look = connection.transaction()?;
    let mut raws = Vec::new();
    let mut sum = START;
    let mut marked = mark.as_ref().is_none_or(|mark| mark.entries == 0);
    {
        let sql = "SELECT id, at_ms, epoch, service, entry, sum FROM journal ORDER BY id";
        let mut statement = look.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let raw = Raw::of(row)?;
            sum = raw.sum(sum);
            if sum != row.get::<_, Sum>(5)? {
                let what = format!("entry {} of the journal, or one before it, is not what was written", raw.id);
                return Err(Failure::Damaged(what));
            }
            raws.push(raw);
            marked |= mark.as_ref().is_some_and(|mark| mark.entries == raws.len() as u64 && mark.sum == sum);
        }
    }
    let (entries, last) = end(&look)?;
    if (entries, last) != (raws.len() as u64, sum) {
        return Err(Failure::Damaged(format!("the journal has {} of its {entries} entries", raws.len())));
    }
    if !marked && let Some(mark) = mark {
        return Err(Failure::Older { found: entries, marked: mark.entries });
    }
    let epoch = lease::epoch(&look)?;
    let newest = raws.iter().map(|raw| raw.epoch).max().unwrap_or_default();
    let newest = mark.map_or(Epoch::default(), |mark| mark.epoch).max(Epoch::new(loaded("an epoch", newest)?));
    if epoch < newest {
        return Err(Failure::Damaged(format!("its epoch is {epoch}, and {newest} was claimed before")));
    }
    look.finish()?;
    raws.into_iter().map(Raw::record).collect()
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
