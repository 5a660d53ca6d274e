//! A store that the first version of the schema wrote: opened, brought up to date, nothing lost.

use std::fs;
use std::path::Path;

use quorate::adapters::sqlite::{SqliteStore, StoreError};
use quorate::domain::{Canaries, Epoch, Generation, JournalEntry, Moment, WallTime};
use quorate::ports::{JournalStore, LeaseStore, ObservationLog, Outbox};
use rusqlite::Connection;

use super::store::{AT, fence, folder, frozen, observation, query, service};

const VERSION_1: &str = include_str!("../fixtures/store/version_1.sql");

fn version_1(path: &Path, wal: bool) -> Connection {
    let connection = Connection::open(path).unwrap();
    if wal {
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
    connection.execute_batch(VERSION_1).unwrap();
    connection
}

#[tokio::test]
async fn a_store_of_the_first_version_is_brought_up_to_date_and_keeps_everything() {
    for wal in [true, false] {
        let (_folder, path) = folder();
        drop(version_1(&path, wal));
        for opening in 0..2 {
            let store = SqliteStore::open(&path).unwrap();
            let journal = store.load().await.unwrap();
            let told: Vec<_> = journal
                .iter()
                .map(|record| {
                    (record.id, record.at.as_ms(), record.epoch.get(), record.service.as_str(), &record.entry)
                })
                .collect();
            let entry = |by: &str, reason: &str| JournalEntry::Frozen { by: by.into(), reason: reason.into() };
            let done = JournalEntry::Unfrozen { by: "ann".into(), reason: "done".into() };
            assert_eq!(
                told,
                [
                    (1, 1_800_000_000_000, 3, "login", &entry("ann", "audit")),
                    (2, 1_800_000_001_000, 3, "shop", &entry("bob", "ein Grund, größer")),
                    (3, 1_800_000_002_000, 4, "login", &done),
                ],
                "opening {opening}"
            );
            assert_eq!(store.acquire().await.unwrap(), Epoch::new(4));
            let pending = store.pending(9).await.unwrap();
            assert_eq!((pending.len(), pending[0].id, pending[0].attempts), (1, 2, 2));
            let seen = store
                .between(None, WallTime::default(), WallTime::from_ms(AT.as_ms() + 1_000), None, 9)
                .await
                .unwrap();
            assert_eq!(seen.len(), 2);
            assert!(seen.iter().all(|seen| seen.observation.canaries == Canaries::Unasked));
            assert!(seen.iter().all(|seen| seen.observation.generation == Generation::default()));
            assert_eq!(store.seen().await.unwrap()[0].seq, 2);
            assert_eq!(query::<i64>(&path, "PRAGMA user_version"), [2]);
            assert_eq!(query::<i64>(&path, "PRAGMA auto_vacuum"), [2], "the file can shrink");
        }
        // And it goes on from there.
        let store = SqliteStore::open(&path).unwrap();
        store.acquire().await.unwrap();
        store.claim(Epoch::new(5)).await.unwrap();
        let records = store.append(&fence(5), Some(2), AT, &service("shop"), &[frozen("eve")], &[]).await.unwrap();
        assert_eq!(records[0].id, 4);
        store.record(Moment::from_ms(9), AT, &[observation("aws-use1", "b", 1, 9)]).await.unwrap();
        for sql in ["DELETE FROM journal", "UPDATE journal SET epoch = 7"] {
            let error = Connection::open(&path).unwrap().execute_batch(sql).unwrap_err();
            assert!(error.to_string().contains("the journal only grows"), "{error}");
        }
    }
}

/// A crash after the tables were brought up to date, and before the file was rewritten: the state that is left has every table, and
/// cannot shrink.
#[tokio::test]
async fn an_upgrade_that_ended_before_the_file_was_rewritten_goes_on_at_the_next_start() {
    let (folder, path) = folder();
    let connection = version_1(&path, true);
    connection.execute_batch("CREATE TABLE filler (text TEXT) STRICT").unwrap();
    drop(connection);
    // Another reader in the way is one more reason why it may not be possible now, and none not to start.
    let reader = Connection::open(&path).unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
    drop(SqliteStore::open(&path).unwrap());
    drop(reader);
    // By hand: back to a file that cannot shrink.
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA auto_vacuum = NONE; VACUUM").unwrap();
    drop(connection);
    assert_eq!(query::<i64>(&path, "PRAGMA auto_vacuum"), [0]);
    assert_eq!(query::<i64>(&path, "PRAGMA user_version"), [2]);
    let copy = folder.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    for path in [&path, &copy] {
        let store = SqliteStore::open(path).unwrap();
        assert_eq!(store.load().await.unwrap().len(), 3);
        assert_eq!(query::<i64>(path, "PRAGMA auto_vacuum"), [2]);
    }
}

#[test]
fn a_file_that_is_not_of_the_version_that_it_says_is_damaged_and_left_alone() {
    let (_folder, path) = folder();
    let connection = version_1(&path, false);
    connection.pragma_update(None, "user_version", 0).unwrap();
    drop(connection);
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("not those of its version"), "{error}");
    assert_eq!(query::<i64>(&path, "SELECT count(*) FROM journal"), [3]);
}
