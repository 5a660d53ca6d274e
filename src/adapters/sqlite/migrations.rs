//! The steps from each version of the schema to the next.

use rusqlite::{Connection, params};

use super::error::Failure;
use super::journal::{Raw, START};

/// A step, inside the transaction of whoever opens the store.
pub(super) type Step = fn(&Connection) -> Result<(), Failure>;

/// Version `n` is what the first `n` of them give. Never changed, only added to.
pub(super) const MIGRATIONS: [Step; 2] = [version_1, version_2];

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

/// What agents' canaries said and by which scripts they saw was not recorded before: it reads as "not asked" and "not known".
const VERSION_2: &str = "
ALTER TABLE observations ADD COLUMN canaries TEXT NOT NULL DEFAULT 'unasked';
ALTER TABLE observations ADD COLUMN generation TEXT NOT NULL DEFAULT '0000000000000000';
CREATE INDEX observations_of_service ON observations (service, at_ms);

-- Up to where old observations were thinned.
CREATE TABLE thinned (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    up_to_ms INTEGER NOT NULL
) STRICT;
INSERT INTO thinned (one, up_to_ms) VALUES (1, 0);

-- Each entry's sum covers the entry and the sum before it.
CREATE TABLE chained (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    service TEXT NOT NULL,
    entry TEXT NOT NULL,
    sum BLOB NOT NULL CHECK (length(sum) = 8)
) STRICT;

-- Where the journal ends.
CREATE TABLE journal_end (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    entries INTEGER NOT NULL CHECK (entries >= 0),
    sum BLOB NOT NULL CHECK (length(sum) = 8)
) STRICT;
";

const VERSION_2_END: &str = "
DROP TABLE journal;
ALTER TABLE chained RENAME TO journal;
CREATE INDEX journal_of_service ON journal (service, id);
CREATE TRIGGER journal_is_never_deleted BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;
CREATE TRIGGER journal_is_never_changed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;
";

fn version_1(connection: &Connection) -> Result<(), Failure> {
    Ok(connection.execute_batch(VERSION_1)?)
}

fn version_2(connection: &Connection) -> Result<(), Failure> {
    connection.execute_batch(VERSION_2)?;
    // A table of which rows are deleted is not dropped while triggers forbid it.
    connection.execute_batch("DROP TRIGGER journal_is_never_deleted; DROP TRIGGER journal_is_never_changed")?;
    let (mut entries, mut sum) = (0_i64, START);
    {
        let mut read = connection.prepare("SELECT id, at_ms, epoch, service, entry FROM journal ORDER BY id")?;
        let mut write = connection
            .prepare("INSERT INTO chained (id, at_ms, epoch, service, entry, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            let raw = Raw::of(row)?;
            sum = raw.sum(sum);
            entries += 1;
            write.execute(params![raw.id, raw.at_ms, raw.epoch, raw.service, raw.entry, sum])?;
        }
    }
    connection.execute("INSERT INTO journal_end (one, entries, sum) VALUES (1, ?1, ?2)", params![entries, sum])?;
    Ok(connection.execute_batch(VERSION_2_END)?)
}
