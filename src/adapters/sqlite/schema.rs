//! Opening the file: is it ours, whole, and of a version that is known; then bringing it up to date.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::StoreError;

/// "Qrte": what marks a SQLite file as a store of ours.
const APPLICATION_ID: i64 = 0x5172_7465;

/// How long a write waits for another process's, such as a backup's. Longer than any that we do, and shorter than the
/// patience of whoever waits for a step.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between two tries where SQLite does not wait by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// What changes the meaning of statements, wherever the database lives.
const SEMANTICS: [(&str, &str); 2] = [("foreign_keys", "ON"), ("trusted_schema", "OFF")];

/// The steps from each version of the schema to the next; version `n` is what the first `n` give. Never changed, only added to.
const MIGRATIONS: [&str; 1] = [VERSION_1];

const VERSION_1: &str = "
CREATE TABLE epoch (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL CHECK (epoch >= 0)
) STRICT;
INSERT INTO epoch (one, epoch) VALUES (1, 0);

CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    service TEXT NOT NULL,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX journal_of_service ON journal (service, id);
CREATE TRIGGER journal_is_never_deleted BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;
CREATE TRIGGER journal_is_never_changed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;

-- Deliveries stay after they were sent: a notice that is told again must be known.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    recipient TEXT NOT NULL,
    service TEXT NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    sent_at_ms INTEGER,
    UNIQUE (key, recipient)
) STRICT;
CREATE INDEX outbox_pending ON outbox (id) WHERE sent_at_ms IS NULL;

CREATE TABLE observations (
    vantage TEXT NOT NULL,
    boot TEXT NOT NULL,
    seq INTEGER NOT NULL,
    service TEXT NOT NULL,
    check_name TEXT NOT NULL,
    role TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    kind TEXT,
    reason TEXT,
    failed_step TEXT,
    duration_ms INTEGER NOT NULL,
    UNIQUE (vantage, boot, seq)
) STRICT;
CREATE INDEX observations_by_time ON observations (at_ms);

CREATE TABLE seen (
    vantage TEXT NOT NULL,
    boot TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (vantage, boot)
) STRICT, WITHOUT ROWID;
";

/// Opens the file, checks it before anything is written to it, and brings its schema up to date.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path).map_err(|error| StoreError::opening(path, error))?;
    check(&connection, path)?;
    configure(&connection, path)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// A new database in memory with the schema of a file's. What is for the sake of the disk is left out.
pub(super) fn in_memory(path: &Path) -> Result<Connection, StoreError> {
    let opening = |error| StoreError::opening(path, error);
    let mut connection = Connection::open_in_memory().map_err(opening)?;
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
    // The check walks every page, but does not compare each index with its table, which would take many times as long.
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(opening)?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Damaged { path: path.to_owned(), what: found }) }
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
        transaction.execute_batch(step).map_err(opening)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(opening)?;
    transaction.pragma_update(None, "user_version", target).map_err(opening)?;
    transaction.commit().map_err(opening)
}
