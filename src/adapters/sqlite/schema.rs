//! Opening the file: is it ours, whole, and of a version that is known; then bringing it up to date.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::error::{Failure, StoreError};
use super::migrations::MIGRATIONS;

/// "Qrte": what marks a SQLite file as a store of ours.
const APPLICATION_ID: i64 = 0x5172_7465;

/// How long a write waits for another process's, such as a backup's. Longer than any that we do, and shorter than the
/// patience of whoever waits for a step.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between two tries where SQLite does not wait by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// What changes the meaning of statements, wherever the database lives.
const SEMANTICS: [(&str, &str); 2] = [("foreign_keys", "ON"), ("trusted_schema", "OFF")];

/// `PRAGMA auto_vacuum`: pages that were freed are given back when that is asked for.
const INCREMENTAL: i64 = 2;

/// The tables whose indexes are compared with them when the store is opened. They stay small; observations do not, and nothing is decided
/// by them.
const COMPARED: [&str; 3] = ["journal", "outbox", "seen"];

/// Opens the file, checks it before anything is written to it, and brings its schema up to date.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path).map_err(|error| StoreError::opening(path, error))?;
    check(&connection, path)?;
    configure(&connection, path)?;
    migrate(&mut connection, path)?;
    shrinkable(&connection, path)?;
    Ok(connection)
}

/// A new database in memory with the schema of a file's. What is for the sake of the disk is left out.
pub(super) fn in_memory(path: &Path) -> Result<Connection, StoreError> {
    let opening = |error| StoreError::opening(path, error);
    let mut connection = Connection::open_in_memory().map_err(opening)?;
    connection.pragma_update(None, "auto_vacuum", INCREMENTAL).map_err(opening)?;
    for (pragma, value) in SEMANTICS {
        connection.pragma_update(None, pragma, value).map_err(opening)?;
    }
    migrate(&mut connection, path)?;
    Ok(connection)
}

fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let opening = |error| StoreError::opening(path, error);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(opening)?;
    // One look at all three: between two looks another process could have made the store.
    let look = connection.unchecked_transaction().map_err(opening)?;
    let number = |sql| look.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(opening);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    look.finish().map_err(opening)?;
    let empty = application == 0 && version == 0 && tables == 0;
    if application != APPLICATION_ID && !empty {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    newest_or_older(path, version)?;
    let sound = |pragma: &str| {
        let found: String = connection.query_row(pragma, [], |row| row.get(0)).map_err(opening)?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Damaged { path: path.to_owned(), what: found }) }
    };
    // This walks every page, but does not compare each index with its table, which would take many times as long.
    sound("PRAGMA quick_check(1)")?;
    if empty {
        Ok(())
    } else {
        COMPARED.iter().try_for_each(|table| sound(&format!("PRAGMA integrity_check({table})")))
    }
}

fn newest_or_older(path: &Path, version: i64) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(StoreError::Newer { path: path.to_owned(), found: version, known });
    }
    Ok(())
}

/// Turns the write-ahead log on and returns the mode that the file has then. SQLite does not wait for other processes here, as it
/// does everywhere else.
fn write_ahead(connection: &Connection) -> rusqlite::Result<String> {
    let mut left = BUSY_TIMEOUT;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && !left.is_zero() => {
                std::thread::sleep(BUSY_PAUSE);
                left = left.saturating_sub(BUSY_PAUSE);
            }
            done => return done,
        }
    }
}

fn configure(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let opening = |error| StoreError::opening(path, error);
    // For a new file, which takes it before its first page is written. An older one takes it with a VACUUM.
    connection.pragma_update(None, "auto_vacuum", INCREMENTAL).map_err(opening)?;
    let mode = write_ahead(connection).map_err(opening)?;
    if mode != "wal" {
        return Err(StoreError::NoWriteAheadLog { path: path.to_owned(), mode });
    }
    for (pragma, value) in [
        // Every commit is on the disk before it returns.
        ("synchronous", "FULL"),
        // On macOS a plain fsync stops at the drive's cache. No effect elsewhere.
        ("fullfsync", "ON"),
        ("checkpoint_fullfsync", "ON"),
    ]
    .into_iter()
    .chain(SEMANTICS)
    {
        connection.pragma_update(None, pragma, value).map_err(opening)?;
    }
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let opening = |error| StoreError::opening(path, error);
    let version = |connection: &Connection| {
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).map_err(opening)
    };
    let target = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    // Whoever only reads an up-to-date store need not wait for a writer.
    if version(connection)? == target {
        return Ok(());
    }
    // Immediate: of two processes that open a new file at once, one finds the other's work done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(opening)?;
    let found = version(&transaction)?;
    newest_or_older(path, found)?;
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        step(&transaction).map_err(|failure| failure.opening(path))?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(opening)?;
    transaction.pragma_update(None, "user_version", target).map_err(opening)?;
    transaction.commit().map_err(opening)
}

/// Makes an older file one that can shrink, by rewriting it once. SQLite does that in a transaction: a crash leaves the file as it was, and
/// the next opening begins again. Where there is no room for the copy, or another process is at work, the file stays as it is: that it
/// does not shrink is no reason not to start.
fn shrinkable(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let opening = |error| StoreError::opening(path, error);
    let mode: i64 = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).map_err(opening)?;
    if mode == INCREMENTAL {
        return Ok(());
    }
    let rewrite = "PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)";
    match connection.execute_batch(rewrite).map_err(Failure::from) {
        Ok(()) => Ok(()),
        Err(Failure::Sqlite(error)) => {
            let path = path.display();
            tracing::warn!("the store {path} cannot be made to shrink ({error}); the next start tries again");
            Ok(())
        }
        Err(other) => Err(other.opening(path)),
    }
}
