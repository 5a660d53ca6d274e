//! The SQLite store: what it acknowledged is there after whatever comes. A killed process is in `tests/crash`.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use quorate::adapters::sqlite::{SqliteStore, StoreError};
use quorate::domain::{
    Authority, Canaries, CheckName, Class, Epoch, FailureKind, Fence, Generation, JournalEntry, JournalRecord, Level,
    Moment, Notice, Observation, ObservationId, Outcome, Role, ServiceName, VantageName, WallTime,
};
use quorate::ports::{Delivery, JournalStore, LeaseStore, ObservationLog, Outbox, PortError};
use tempfile::TempDir;

use super::journal::entries;

pub(super) const AT: WallTime = WallTime::from_ms(1_800_000_000_000);

pub(super) fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quorate.db");
    (folder, path)
}

pub(super) fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

pub(super) fn fence(epoch: u64) -> Fence {
    Authority::new(Epoch::new(epoch), None).fence(Moment::default()).unwrap()
}

pub(super) fn frozen(by: &str) -> JournalEntry {
    JournalEntry::Frozen { by: by.into(), reason: "audit".into() }
}

/// Appends for the shop.
pub(super) async fn append(
    store: &SqliteStore,
    epoch: u64,
    after: Option<u64>,
    entries: &[JournalEntry],
    deliveries: &[Delivery],
) -> Result<Vec<JournalRecord>, PortError> {
    store.append(&fence(epoch), after, AT, &service("shop"), entries, deliveries).await
}

fn delivery(key: &str, recipient: &str) -> Delivery {
    let notice = Notice {
        key: key.into(),
        service: service("shop"),
        level: Level::Loud,
        text: format!("the shop is down ({key})"),
    };
    Delivery { notice, recipient: recipient.into() }
}

pub(super) async fn led(path: &Path, epoch: u64) -> SqliteStore {
    let store = SqliteStore::open(path).unwrap();
    store.acquire().await.unwrap();
    store.claim(Epoch::new(epoch)).await.unwrap();
    store
}

pub(super) fn observation(vantage: &str, boot: &str, seq: u64, at_ms: u64) -> Observation {
    Observation {
        id: ObservationId { vantage: VantageName::new(vantage).unwrap(), boot: boot.into(), seq },
        service: service("shop"),
        check: CheckName::new("login").unwrap(),
        role: Role::Primary,
        at: Moment::from_ms(at_ms),
        outcome: Outcome::Fail,
        kind: Some(FailureKind::Timeout),
        reason: Some("no answer".into()),
        failed_step: Some("log in".into()),
        duration_ms: 5000,
        canaries: Canaries::Unasked,
        generation: Generation::default(),
        metrics: Vec::new(),
    }
}

/// Looks into the file as another program would.
pub(super) fn query<T: rusqlite::types::FromSql>(path: &Path, sql: &str) -> Vec<T> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn everything_is_there_after_a_reopen() {
    let (_folder, path) = folder();
    let store = led(&path, 3).await;
    let all: Vec<JournalEntry> = entries().into_iter().map(|(_, entry)| entry).collect();
    let mut written = append(&store, 3, None, &all, &[delivery("a", "slack:loud")]).await.unwrap();
    let deliveries = [delivery("b", "sms:+15550100")];
    written.extend(store.append(&fence(3), None, AT, &service("mail"), &[frozen("bob")], &deliveries).await.unwrap());
    store.record(Moment::from_ms(9_000), AT, &[observation("aws-use1", "b1", 1, 4_000)]).await.unwrap();
    let pending = store.pending(10).await.unwrap();
    drop(store);

    let store = SqliteStore::open(&path).unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded, written);
    let last = all.len() as u64;
    assert_eq!(loaded.iter().map(|record| record.id).collect::<Vec<_>>(), (1..=last + 1).collect::<Vec<_>>());
    assert!(loaded.iter().all(|record| record.epoch == Epoch::new(3) && record.at == AT));
    assert_eq!(store.pending(10).await.unwrap(), pending);
    assert_eq!(pending.len(), 2);
    assert_eq!(store.acquire().await.unwrap(), Epoch::new(3));
    let seen = store.seen().await.unwrap();
    assert_eq!((seen.len(), seen[0].boot.as_str(), seen[0].seq), (1, "b1", 1));
    // Five seconds old when it arrived.
    assert_eq!(query::<i64>(&path, "SELECT at_ms FROM observations"), [1_799_999_995_000]);

    let recent = store.recent(&service("shop"), 2).await.unwrap();
    assert_eq!(recent.iter().map(|record| record.id).collect::<Vec<_>>(), [last - 1, last]);
    assert_eq!(store.recent(&service("mail"), 9).await.unwrap().len(), 1);
    assert_eq!(store.recent(&service("none"), 9).await.unwrap(), []);
}

#[tokio::test]
async fn an_append_under_another_epoch_is_fenced_and_writes_nothing() {
    let (_folder, path) = folder();
    let store = led(&path, 4).await;
    append(&store, 4, None, &[frozen("ann")], &[]).await.unwrap();
    store.claim(Epoch::new(5)).await.unwrap();
    for epoch in [4, 6, 0] {
        let error = append(&store, epoch, Some(1), &[frozen("bob")], &[delivery("k", "r")]).await.unwrap_err();
        assert_eq!(error.class, Class::Fenced, "{error}");
        assert!(error.what.contains("quorate.db") && error.what.contains("which is 5"), "{error}");
    }
    assert_eq!(store.load().await.unwrap().len(), 1);
    assert_eq!(store.pending(9).await.unwrap(), []);
    let record = append(&store, 5, Some(1), &[frozen("bob")], &[]).await.unwrap();
    assert_eq!(record[0].id, 2);
}

#[tokio::test]
async fn an_append_that_knows_of_another_last_entry_is_refused_and_writes_nothing() {
    let (_folder, path) = folder();
    let store = led(&path, 4).await;
    // What the engine was told, and what somebody else has written meanwhile: a freeze, and another service's.
    append(&store, 4, None, &[frozen("ann"), frozen("eve")], &[]).await.unwrap();
    store.append(&fence(4), None, AT, &service("mail"), &[frozen("bob")], &[]).await.unwrap();
    store.claim(Epoch::new(5)).await.unwrap();
    for after in [None, Some(1), Some(3), Some(9)] {
        let error = append(&store, 5, after, &[frozen("late")], &[delivery("k", "r")]).await.unwrap_err();
        assert_eq!(error.class, Class::Fenced, "{after:?}: {error}");
        let words = "the journal moved on: entry 2 of 'shop' was written by epoch 4";
        assert!(error.what.contains(words) && error.what.contains("quorate.db"), "{after:?}: {error}");
    }
    let error = store.append(&fence(5), Some(3), AT, &service("new"), &[frozen("x")], &[]).await.unwrap_err();
    assert!(error.class == Class::Fenced && error.what.contains("entry 3 of 'new' is not there"), "{error}");
    assert_eq!(store.load().await.unwrap().len(), 3);
    assert_eq!(store.pending(9).await.unwrap(), []);
    assert_eq!(append(&store, 5, Some(2), &[frozen("knows")], &[]).await.unwrap()[0].id, 4);
    assert_eq!(append(&store, 5, Some(4), &[], &[]).await.unwrap(), [], "a notice alone needs to know as much");
    append(&store, 5, Some(2), &[], &[delivery("k", "r")]).await.unwrap_err();
}

#[tokio::test]
async fn the_journal_is_read_as_it_was_at_a_time_even_where_the_clock_was_set_back() {
    let (_folder, path) = folder();
    let store = led(&path, 1).await;
    let mut last = None;
    for (at, by) in [(1_000, "a"), (5_000, "b"), (3_000, "c"), (7_000, "d")] {
        let at = WallTime::from_ms(at);
        let records = store.append(&fence(1), last, at, &service("shop"), &[frozen(by)], &[]).await.unwrap();
        last = Some(records[0].id);
    }
    for (at, entries) in [(999, 0), (1_000, 1), (2_999, 1), (3_000, 3), (6_999, 3), (7_000, 4), (u64::MAX, 4)] {
        let there = store.until(WallTime::from_ms(at)).await.unwrap();
        assert_eq!(there, store.load().await.unwrap()[..entries], "at {at}");
    }
}

#[tokio::test]
async fn an_epoch_only_grows_and_is_claimed_under_the_lease() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let error = store.claim(Epoch::new(1)).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("acquire it before"), "{error}");
    assert_eq!(store.acquire().await.unwrap(), Epoch::new(0));
    let authority = store.claim(Epoch::new(7)).await.unwrap();
    // A lock of the system ends with the process, not with the time.
    assert_eq!(authority, Authority::new(Epoch::new(7), None));
    for epoch in [0, 6, 7] {
        let error = store.claim(Epoch::new(epoch)).await.unwrap_err();
        assert!(error.class == Class::Refused && error.what.contains("not larger than 7"), "{error}");
    }
    assert_eq!(store.acquire().await.unwrap(), Epoch::new(7), "whoever holds it may ask again");
}

#[cfg(unix)]
#[tokio::test]
async fn a_second_opener_reads_but_does_not_lead() {
    let (folder, path) = folder();
    let first = led(&path, 1).await;
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for path in [&path, &link] {
        let second = SqliteStore::open(path).unwrap();
        let error = second.acquire().await.unwrap_err();
        assert_eq!(error.class, Class::Refused);
        assert!(error.what.contains("quorate.db.lock") && error.what.contains("another controller"), "{error}");
        assert_eq!(second.load().await.unwrap(), []);
    }
    drop(first);
    assert_eq!(SqliteStore::open(&path).unwrap().acquire().await.unwrap(), Epoch::new(1));
}

#[tokio::test]
async fn a_notice_is_queued_once_for_each_recipient_and_leaves_in_order() {
    let (_folder, path) = folder();
    let store = led(&path, 1).await;
    let (slack, sms) = (delivery("down", "slack:loud"), delivery("down", "sms:+15550100"));
    append(&store, 1, None, &[], &[slack.clone(), sms.clone(), slack.clone()]).await.unwrap();
    append(&store, 1, None, &[frozen("ann")], std::slice::from_ref(&slack)).await.unwrap();
    let pending = store.pending(9).await.unwrap();
    assert_eq!(pending.iter().map(|queued| &queued.delivery).collect::<Vec<_>>(), [&slack, &sms]);

    store.failed(pending[0].id, "no answer in time").await.unwrap();
    store.failed(pending[0].id, "503").await.unwrap();
    let later = delivery("still down", "slack:loud");
    append(&store, 1, Some(1), &[], std::slice::from_ref(&later)).await.unwrap();
    // One of each recipient: whoever cannot be reached keeps nobody else's back.
    let again = store.pending(1).await.unwrap();
    assert_eq!(again.iter().map(|queued| &queued.delivery).collect::<Vec<_>>(), [&slack, &sms]);
    assert_eq!((again[0].id, again[0].attempts), (pending[0].id, 2));
    assert_eq!(query::<String>(&path, "SELECT last_error FROM outbox WHERE attempts = 2"), ["503"]);

    store.sent(pending[0].id, AT).await.unwrap();
    store.sent(pending[0].id, WallTime::from_ms(AT.as_ms() + 1)).await.unwrap();
    let stamps = query::<i64>(&path, "SELECT sent_at_ms FROM outbox WHERE sent_at_ms IS NOT NULL");
    assert_eq!(stamps, [1_800_000_000_000]);
    // Sent is not forgotten: the same notice again is known.
    append(&store, 1, Some(1), &[], &[slack]).await.unwrap();
    let left = store.pending(9).await.unwrap();
    assert_eq!(left.iter().map(|queued| &queued.delivery).collect::<Vec<_>>(), [&sms, &later]);
    assert_eq!(store.sent(99, AT).await.unwrap_err().class, Class::Broken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_side_by_side_keep_their_entries_together_and_in_order() {
    let (_folder, path) = folder();
    let store = led(&path, 1).await;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut ids: Vec<u64> = Vec::new();
            let name = service(&format!("shop-{writer}"));
            for turn in 0..10 {
                let pair = [frozen(&format!("{writer}-{turn}-a")), frozen(&format!("{writer}-{turn}-b"))];
                let records = store.append(&fence(1), ids.last().copied(), AT, &name, &pair, &[]).await.unwrap();
                assert_eq!(records[1].id, records[0].id + 1);
                ids.extend(records.iter().map(|record| record.id));
            }
            assert!(ids.is_sorted());
            ids
        });
    }
    let mut ids: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=160).collect::<Vec<_>>());
    assert_eq!(store.load().await.unwrap().iter().map(|record| record.id).collect::<Vec<_>>(), ids);
}

#[tokio::test]
async fn an_observation_counts_once_and_marks_only_rise() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let now = Moment::from_ms(60_000);
    let some = [observation("aws-use1", "b1", 1, 1), observation("aws-use1", "b1", 2, 2)];
    store.record(now, AT, &some).await.unwrap();
    store.record(now, AT, &some).await.unwrap();
    store.record(now, AT, &[observation("aws-use1", "b2", 1, 3), observation("gcp-euw1", "b1", 9, 4)]).await.unwrap();
    store.record(now, AT, &[observation("gcp-euw1", "b1", 8, 4)]).await.unwrap();
    assert_eq!(query::<i64>(&path, "SELECT count(*) FROM observations"), [5]);
    let seen = store.seen().await.unwrap();
    let seen: Vec<_> = seen.iter().map(|seen| (seen.vantage.as_str(), seen.boot.as_str(), seen.seq)).collect();
    assert_eq!(seen, [("aws-use1", "b1", 2), ("aws-use1", "b2", 1), ("gcp-euw1", "b1", 9)]);

    let error = store.record(now, AT, &[observation("aws-use1", "b1", u64::MAX, 1)]).await.unwrap_err();
    assert!(error.class == Class::Broken && error.what.contains("an observation's number"), "{error}");
}

#[tokio::test]
async fn observations_are_forgotten_after_a_week_and_the_journal_never() {
    let (_folder, path) = folder();
    let store = led(&path, 1).await;
    let now = Moment::from_ms(1_000);
    let day = 24 * 60 * 60 * 1000;
    append(&store, 1, None, &[frozen("ann")], &[]).await.unwrap();
    store.record(now, AT, &[observation("aws-use1", "b1", 1, 1_000)]).await.unwrap();
    let later = WallTime::from_ms(AT.as_ms() + 6 * day);
    store.record(now, later, &[observation("aws-use1", "b2", 1, 1_000)]).await.unwrap();
    assert_eq!(query::<String>(&path, "SELECT boot FROM observations ORDER BY boot"), ["b1", "b2"]);
    let later = WallTime::from_ms(AT.as_ms() + 8 * day);
    store.record(now, later, &[]).await.unwrap();
    assert_eq!(query::<String>(&path, "SELECT boot FROM observations"), ["b2"]);
    assert_eq!(store.seen().await.unwrap().len(), 1);
    assert_eq!(store.load().await.unwrap().len(), 1);
}

#[test]
fn openers_of_a_new_file_do_not_get_in_each_others_way() {
    let (_folder, path) = folder();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| SqliteStore::open(&path).unwrap());
        }
    });
    assert_eq!(query::<i64>(&path, "SELECT epoch FROM epoch"), [0]);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 9).unwrap();
    drop(connection);
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 9, known: 2, .. }), "{error}");
    assert!(error.to_string().contains("use the newer version that wrote it"), "{error}");
    assert_eq!(query::<i64>(&path, "PRAGMA user_version"), [9]);
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_the_way_out() {
    let (_folder, path) = folder();
    let store = led(&path, 1).await;
    let many: Vec<_> = (0..400).map(|number| frozen(&format!("{number}-{}", "x".repeat(60)))).collect();
    append(&store, 1, None, &many, &[]).await.unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.len() > 60_000);
    // The header; some page in the middle; the end cut off.
    for (from, bytes, length) in [(0, 64, whole.len()), (whole.len() / 2, 6_000, whole.len()), (0, 0, 20_480)] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let mut file = std::fs::File::options().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(from as u64)).unwrap();
        file.write_all(&vec![0xA5; bytes]).unwrap();
        drop(file);
        let error = SqliteStore::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{from}: {error}");
        assert!(error.to_string().contains("restore it from a backup"), "{error}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap().load().await.unwrap().len(), 400);
}

#[test]
fn a_missing_folder_is_named() {
    let (folder, _) = folder();
    let error = SqliteStore::open(folder.path().join("none/quorate.db")).unwrap_err().to_string();
    assert!(error.contains("none/quorate.db") && error.contains("see that the folder exists"), "{error}");
}
