//! The store's file changed, cut and lost: what was acknowledged comes back exactly, or is refused with the way out. Never something else.

use std::fs;
use std::path::{Path, PathBuf};

use quorate::adapters::sqlite::{SqliteStore, StoreError};
use quorate::domain::{Class, Epoch, JournalRecord, Moment};
use quorate::ports::{JournalStore, LeaseStore, ObservationLog};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use tempfile::TempDir;

use super::store::{AT, append, folder, frozen, led, observation};

const SEED: u64 = 20_261_122;
/// Bytes that are changed in the file, in its header and in its log.
const CHANGES: usize = 120;

/// The files of a store that was not closed: some of it is in the file, some in the log.
struct Left {
    file: Vec<u8>,
    log: Vec<u8>,
    mark: Vec<u8>,
    journal: Vec<JournalRecord>,
}

fn beside(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

async fn left() -> Left {
    let (_folder, path) = folder();
    let store = led(&path, 3).await;
    let mut last = None;
    for number in 0..40 {
        if number == 30 {
            let busy: i64 = Connection::open(&path)
                .unwrap()
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
                .unwrap();
            assert_eq!(busy, 0);
        }
        let entry = frozen(&format!("{number}-{}", "x".repeat(90)));
        last = append(&store, 3, last, &[entry], &[]).await.unwrap().last().map(|record| record.id);
        let seen = observation("aws-use1", "b1", number + 1, 4_000);
        store.record(Moment::from_ms(9_000), AT, &[seen]).await.unwrap();
    }
    let read = |end| fs::read(beside(&path, end)).unwrap();
    Left { file: read(""), log: read("-wal"), mark: read(".mark"), journal: store.load().await.unwrap() }
}

impl Left {
    fn laid_out(&self, file: &[u8], log: Option<&[u8]>, mark: Option<&[u8]>) -> (TempDir, PathBuf) {
        let (folder, path) = folder();
        fs::write(&path, file).unwrap();
        for (end, bytes) in [("-wal", log), (".mark", mark)] {
            if let Some(bytes) = bytes {
                fs::write(beside(&path, end), bytes).unwrap();
            }
        }
        (folder, path)
    }
}

/// The journal, or why there is none.
async fn read(path: &Path) -> Result<Vec<JournalRecord>, String> {
    let store = SqliteStore::open(path).map_err(|error| {
        let refused =
            matches!(error, StoreError::Damaged { .. } | StoreError::Foreign { .. } | StoreError::Newer { .. });
        assert!(refused, "no way out of {error}");
        error.to_string()
    })?;
    store.load().await.map_err(|error| {
        assert_eq!(error.class, Class::Broken, "{error}");
        assert!(error.what.contains("backup"), "no way out of {error}");
        error.what
    })
}

#[tokio::test]
async fn a_changed_byte_is_found_or_changes_nothing() {
    println!("seed {SEED}");
    let left = left().await;
    assert_eq!(left.journal.len(), 40);
    let (_folder, path) = left.laid_out(&left.file, Some(&left.log), Some(&left.mark));
    assert_eq!(read(&path).await.as_deref(), Ok(&left.journal[..]), "untouched");
    let mut random = StdRng::seed_from_u64(SEED);
    let header = (0..100).map(|place| (false, place));
    let pages: Vec<_> = (0..CHANGES).map(|_| (false, random.random_range(100..left.file.len()))).collect();
    let log: Vec<_> = (0..CHANGES).map(|_| (true, random.random_range(0..left.log.len()))).collect();
    let (mut refused, mut same) = (0, 0);
    for (in_log, place) in header.chain(pages).chain(log) {
        let (mut file, mut log) = (left.file.clone(), left.log.clone());
        let by = random.random_range(1..=255_u8);
        if in_log {
            log[place] ^= by
        } else {
            file[place] ^= by
        }
        let (_folder, path) = left.laid_out(&file, Some(&log), Some(&left.mark));
        let what = format!("byte {place} of the {} by {by:#x}", if in_log { "log" } else { "file" });
        match read(&path).await {
            Ok(journal) => {
                assert_eq!(journal, left.journal, "{what}");
                same += 1;
            }
            Err(why) => {
                assert!(why.contains("quorate.db"), "{what}: {why}");
                refused += 1;
            }
        }
    }
    println!("{refused} refused, {same} the same");
    assert!(refused > 100 && same > 50, "{refused} refused, {same} the same");
}

#[tokio::test]
async fn a_row_that_was_changed_removed_or_cut_off_is_found() {
    for (sql, words) in [
        ("UPDATE journal SET entry = replace(entry, '17-', '71-') WHERE id = 18", "entry 18 of the journal"),
        ("UPDATE journal SET at_ms = at_ms + 1 WHERE id = 1", "entry 1 of the journal"),
        ("UPDATE journal SET service = 'mail' WHERE id = 40", "entry 40 of the journal"),
        ("UPDATE journal SET epoch = 2 WHERE id = 5", "entry 5 of the journal"),
        ("DELETE FROM journal WHERE id = 7", "entry 8 of the journal"),
        ("UPDATE journal SET id = 0 WHERE id = 2", "entry 0 of the journal"),
        ("DELETE FROM journal WHERE id = 40", "39 of its 40 entries"),
        ("DELETE FROM journal", "0 of its 40 entries"),
        ("DELETE FROM journal_end", "where the journal ends is missing"),
        ("UPDATE epoch SET epoch = 2", "its epoch is 2, and 3 was claimed before"),
    ] {
        let left = left().await;
        let (_folder, path) = left.laid_out(&left.file, Some(&left.log), None);
        let connection = Connection::open(&path).unwrap();
        let free = "DROP TRIGGER journal_is_never_deleted; DROP TRIGGER journal_is_never_changed;";
        connection.execute_batch(&format!("{free} {sql}")).unwrap();
        drop(connection);
        let why = read(&path).await.unwrap_err();
        assert!(why.contains(words) && why.contains("restore it from a backup"), "{sql}: {why}");
    }
}

/// What is true of a write-ahead log that is gone: to SQLite the file is sound, as it was when the log was last taken over. Only the mark
/// knows of more.
#[tokio::test]
async fn a_lost_log_and_an_older_copy_are_found_by_the_mark_and_by_nothing_else() {
    let left = left().await;
    let (_folder, path) = left.laid_out(&left.file, None, Some(&left.mark));
    let why = read(&path).await.unwrap_err();
    for words in
        ["quorate.db", "of 30 entries", "of which 40 were acknowledged", "-wal", "remove the file with '.mark'"]
    {
        assert!(why.contains(words), "{words}: {why}");
    }
    let half = &left.log[..left.log.len() / 2];
    let (_folder, path) = left.laid_out(&left.file, Some(half), Some(&left.mark));
    assert!(read(&path).await.unwrap_err().contains("of which 40 were acknowledged"));

    // Without a mark, nobody knows.
    let (_folder, path) = left.laid_out(&left.file, None, None);
    assert_eq!(read(&path).await.as_deref(), Ok(&left.journal[..30]));
    // A mark that cannot be read says nothing; the store is whole.
    let (_folder, path) = left.laid_out(&left.file, Some(&left.log), Some(b"torn"));
    assert_eq!(read(&path).await.as_deref(), Ok(&left.journal[..]));

    // An older copy that went its own way has as many entries, and is another journal.
    let (_folder, path) = left.laid_out(&left.file, None, None);
    let store = SqliteStore::open(&path).unwrap();
    let mut last = Some(30);
    for number in 0..12 {
        let entry = frozen(&format!("another {number}"));
        last = append(&store, 3, last, &[entry], &[]).await.unwrap().last().map(|record| record.id);
    }
    drop(store);
    let another = fs::read(&path).unwrap();
    let (_folder, path) = left.laid_out(&another, None, Some(&left.mark));
    assert!(read(&path).await.unwrap_err().contains("of 42 entries, is not the one of which 40"));
    // A person who wants it nevertheless takes the mark away, and goes on.
    fs::remove_file(beside(&path, ".mark")).unwrap();
    let store = led(&path, 4).await;
    assert_eq!(store.load().await.unwrap().len(), 42);
    append(&store, 4, Some(42), &[frozen("on")], &[]).await.unwrap();
    drop(store);
    assert_eq!(SqliteStore::open(&path).unwrap().load().await.unwrap().len(), 43);
}

#[tokio::test]
async fn an_epoch_that_was_lost_with_the_log_is_found_by_the_mark() {
    let left = left().await;
    let (folder, path) = left.laid_out(&left.file, Some(&left.log), Some(&left.mark));
    let store = SqliteStore::open(&path).unwrap();
    store.acquire().await.unwrap();
    store.claim(Epoch::new(9)).await.unwrap();
    let mark = fs::read(beside(&path, ".mark")).unwrap();
    drop(store);
    drop(folder);
    let (_folder, path) = left.laid_out(&left.file, Some(&left.log), Some(&mark));
    let why = read(&path).await.unwrap_err();
    assert!(why.contains("its epoch is 3, and 9 was claimed before"), "{why}");
}
