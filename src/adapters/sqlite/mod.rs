//! The store of a single controller: one SQLite file that holds lease, journal, outbox and observations.
//!
//! Everything that was acknowledged is on the disk (write-ahead log, full sync), and what belongs together is one
//! transaction: entries with the notices that tell of them (S7, S8), an observation with its high-water mark. An append
//! names the epoch that it acts under, and one under any other epoch than the store's writes nothing (S5).
//!
//! The lease is a lock of the operating system on `<file>.lock`, so it ends with the process however that ends; it is no
//! lock on the data, which other processes may read at any time.
//!
//! It refuses a file that is damaged, that is not a store, or that a newer version wrote, and it never deletes from the
//! journal. It does not work on a network file system, where neither the lock nor the write-ahead log can be relied on.

mod error;
mod journal;
mod lease;
mod mark;
mod migrations;
mod observations;
mod outbox;
mod schema;
mod thinning;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::backup::Backup;

use self::error::Failure;
pub use self::error::StoreError;
use self::journal::Append;
use self::mark::Mark;
use crate::domain::{
    Authority, Epoch, Fence, JournalEntry, JournalRecord, Moment, Observation, PortError, ServiceName, WallTime,
};
use crate::ports::{
    Delivery, JournalStore, LeaseStore, LogPlace, LoggedObservation, ObservationLog, Outbox, QueuedDelivery, SeenUpTo,
};

/// SQLite's own word for a database in memory.
const MEMORY: &str = ":memory:";
/// A backup in one step.
const ALL_PAGES: i32 = -1;

/// A store in one SQLite file. Clones are handles on the same store; the lease ends with the last of them.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
    kept: Duration,
}

/// Where a store lives, and with it on which thread its work is done.
#[derive(Debug)]
enum Place {
    /// In a file: the work waits for the disk, on a thread where blocking is allowed. The path is as the file system knows it, so that
    /// every way to the file leads to the same lock.
    File,
    /// In memory: the work waits for nothing and is done where it is called, so that a simulation stays on one thread. Nobody else can open
    /// it, so there is no lock either.
    Memory,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    /// For the lock, and for messages.
    path: PathBuf,
    /// Where acknowledged appends are marked; nowhere for one in memory.
    mark: Option<PathBuf>,
    /// One connection: SQLite has one writer at a time in any case, and every use of it is short.
    connection: Mutex<Connection>,
    /// The locked file while this store holds the lease.
    lease: Mutex<Option<File>>,
}

impl SqliteStore {
    /// Opens the store in the file, and makes it if there is none. It does not take the lease.
    ///
    /// It blocks while it checks the whole file for damage: call it before anything is served.
    ///
    /// # Errors
    /// The file cannot be opened or written, is damaged, is not a store, or is a newer version's.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let connection = schema::open(path)?;
        let path = path.canonicalize().map_err(|source| StoreError::Path { path: path.to_owned(), source })?;
        let mark = Some(mark::path(&path));
        Ok(Self::new(Place::File, path, mark, connection))
    }

    /// A store that is gone when its last handle is, for simulations: the same schema and the same code, its work done on the calling
    /// thread. Its lease is nobody's: whoever simulates several controllers decides who may lead.
    ///
    /// # Errors
    /// SQLite cannot set it up.
    pub fn in_memory() -> Result<Self, StoreError> {
        let path = PathBuf::from(MEMORY);
        Ok(Self::new(Place::Memory, path.clone(), None, schema::in_memory(&path)?))
    }

    /// What a backup taken now would hold, as a store in memory.
    ///
    /// # Errors
    /// SQLite cannot copy it.
    pub fn copy(&self) -> Result<Self, StoreError> {
        let copy = Self::in_memory()?;
        let opening = |error| StoreError::opening(&self.inner.path, error);
        Backup::new(&self.inner.connection(), &mut copy.inner.connection())
            .and_then(|backup| backup.step(ALL_PAGES))
            .map_err(opening)?;
        Ok(copy)
    }

    /// Lets the file grow to so many pages and no further, as a full disk would; it never shrinks. `u32::MAX` is no limit.
    ///
    /// # Errors
    /// SQLite refuses it.
    pub fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        let connection = self.inner.connection();
        // The pragma answers with the limit in force, which is never below what is used.
        let limited = connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()));
        limited.map_err(|error| StoreError::opening(&self.inner.path, error))
    }

    fn new(place: Place, path: PathBuf, mark: Option<PathBuf>, connection: Connection) -> Self {
        let inner = Inner { place, path, mark, connection: Mutex::new(connection), lease: Mutex::new(None) };
        Self { inner: Arc::new(inner), kept: observations::KEPT }
    }

    /// This store with observations kept for so long instead of a week, by what is recorded through this handle and its clones. The
    /// journal is kept for ever.
    #[must_use]
    pub fn with_observations_kept(self, kept: Duration) -> Self {
        Self { kept, ..self }
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Runs `work` on the thread that its place asks for. Work that was begun is finished even when nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, PortError> {
        let inner = Arc::clone(&self.inner);
        if matches!(inner.place, Place::Memory) {
            return work(&inner).map_err(|failure| failure.at(&inner.path));
        }
        let done = tokio::task::spawn_blocking(move || work(&inner).map_err(|failure| failure.at(&inner.path)));
        match done.await {
            Ok(result) => result,
            Err(error) => {
                let path = self.inner.path.display();
                Err(PortError::broken(format!("the store {path} did not finish its work: {error}")))
            }
        }
    }
}

impl Inner {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic under the lock dropped its transaction, which rolled it back: the connection is sound.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks what was acknowledged, while the connection is held, so that no older mark replaces a newer one. What cannot be marked is
    /// durable all the same.
    fn mark(&self, mark: &Mark) {
        if let Some(path) = &self.mark
            && let Err(error) = mark::write(path, mark)
        {
            tracing::warn!("cannot write {}: {error}; a lost write-ahead log would not be noticed", path.display());
        }
    }

    fn marked(&self) -> Option<Mark> {
        self.mark.as_deref().and_then(mark::read)
    }

    fn lease(&self) -> MutexGuard<'_, Option<File>> {
        // The slot is written by one assignment: a panic leaves it as it was.
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn acquire(&self) -> Result<Epoch, PortError> {
        self.run(|inner| {
            if matches!(inner.place, Place::File) {
                lease::lock(&mut inner.lease(), &inner.path)?;
            }
            lease::epoch(&inner.connection())
        })
        .await
    }

    async fn claim(&self, epoch: Epoch) -> Result<Authority, PortError> {
        self.run(move |inner| {
            // Held until the epoch is durable.
            let lease = inner.lease();
            if matches!(inner.place, Place::File) && lease.is_none() {
                return Err(Failure::NoLease);
            }
            let mut connection = inner.connection();
            lease::claim(&mut connection, epoch)?;
            let (entries, sum) = journal::end(&connection)?;
            inner.mark(&Mark { epoch, entries, sum });
            Ok(Authority::new(epoch, None))
        })
        .await
    }
}

#[async_trait]
impl JournalStore for SqliteStore {
    async fn load(&self) -> Result<Vec<JournalRecord>, PortError> {
        self.run(|inner| {
            // The mark first: what is appended between the two is in the journal, and not in the mark.
            let marked = inner.marked();
            journal::load(&mut inner.connection(), marked)
        })
        .await
    }

    async fn until(&self, at: WallTime) -> Result<Vec<JournalRecord>, PortError> {
        // All of it is read, because the sums begin at the first entry.
        let mut records = self.load().await?;
        let there = records.iter().rposition(|record| record.at <= at).map_or(0, |last| last + 1);
        records.truncate(there);
        Ok(records)
    }

    async fn append(
        &self,
        fence: &Fence,
        after: Option<u64>,
        at: WallTime,
        service: &ServiceName,
        entries: &[JournalEntry],
        deliveries: &[Delivery],
    ) -> Result<Vec<JournalRecord>, PortError> {
        let append = Append {
            epoch: fence.epoch(),
            after,
            at,
            service: service.clone(),
            entries: entries.to_vec(),
            deliveries: deliveries.to_vec(),
        };
        self.run(move |inner| {
            let mut connection = inner.connection();
            let (records, mark) = journal::append(&mut connection, append)?;
            inner.mark(&mark);
            Ok(records)
        })
        .await
    }

    async fn recent(&self, service: &ServiceName, limit: usize) -> Result<Vec<JournalRecord>, PortError> {
        let service = service.clone();
        self.run(move |inner| journal::recent(&inner.connection(), &service, limit)).await
    }
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn pending(&self, each: usize) -> Result<Vec<QueuedDelivery>, PortError> {
        self.run(move |inner| outbox::pending(&inner.connection(), each)).await
    }

    async fn sent(&self, id: u64, at: WallTime) -> Result<(), PortError> {
        self.run(move |inner| outbox::sent(&inner.connection(), id, at)).await
    }

    async fn failed(&self, id: u64, why: &str) -> Result<(), PortError> {
        let why = why.to_owned();
        self.run(move |inner| outbox::failed(&inner.connection(), id, &why)).await
    }
}

#[async_trait]
impl ObservationLog for SqliteStore {
    async fn record(&self, now: Moment, at: WallTime, observations: &[Observation]) -> Result<(), PortError> {
        let (observations, kept) = (observations.to_vec(), self.kept);
        self.run(move |inner| observations::record(&mut inner.connection(), now, at, &observations, kept)).await
    }

    async fn between(
        &self,
        service: Option<&ServiceName>,
        from: WallTime,
        to: WallTime,
        after: Option<LogPlace>,
        limit: usize,
    ) -> Result<Vec<LoggedObservation>, PortError> {
        let service = service.cloned();
        self.run(move |inner| observations::between(&inner.connection(), service.as_ref(), (from, to), after, limit))
            .await
    }

    async fn oldest(&self) -> Result<Option<WallTime>, PortError> {
        self.run(|inner| observations::oldest(&inner.connection())).await
    }

    async fn seen(&self) -> Result<Vec<SeenUpTo>, PortError> {
        self.run(|inner| observations::seen(&inner.connection())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Class;

    #[tokio::test]
    async fn a_full_disk_may_pass_and_nothing_of_the_append_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("q.db")).unwrap();
        store.acquire().await.unwrap();
        let authority = store.claim(Epoch::new(1)).await.unwrap();
        let fence = authority.fence(Moment::default()).unwrap();
        let service = ServiceName::new("shop").unwrap();
        let entry = |by: &str| JournalEntry::Frozen { by: by.into(), reason: "x".repeat(100_000) };
        store.inner.connection().pragma_update(None, "max_page_count", 40).unwrap();
        let error = store
            .append(&fence, None, WallTime::default(), &service, &[entry("a"), entry("b")], &[])
            .await
            .unwrap_err();
        assert_eq!(error.class, Class::Retry, "{error}");
        assert!(error.what.contains("q.db") && error.what.contains("full"), "{error}");
        assert_eq!(store.load().await.unwrap(), []);
        store.inner.connection().pragma_update(None, "max_page_count", 4000).unwrap();
        let entries = [entry("a")];
        let records = store.append(&fence, None, WallTime::default(), &service, &entries, &[]).await.unwrap();
        assert_eq!(records.len(), 1);
    }

    #[tokio::test]
    async fn a_store_in_memory_does_what_one_in_a_file_does_and_a_copy_stays_as_it_was() {
        let store = SqliteStore::in_memory().unwrap();
        store.acquire().await.unwrap();
        let fence = store.claim(Epoch::new(3)).await.unwrap().fence(Moment::default()).unwrap();
        assert_eq!(store.claim(Epoch::new(3)).await.unwrap_err().class, Class::Refused);
        let shop = ServiceName::new("shop").unwrap();
        let entry = |reason: String| [JournalEntry::Frozen { by: "ann".into(), reason }];
        let (wall, small) = (WallTime::default(), entry("x".to_owned()));
        let first = store.append(&fence, None, wall, &shop, &small, &[]).await.unwrap();
        let last = first.last().map(|record| record.id);
        let copy = store.copy().unwrap();
        let second = store.append(&fence, last, wall, &shop, &small, &[]).await.unwrap();
        let last = second.last().map(|record| record.id);
        store.limit_pages(1).unwrap();
        let large = entry("x".repeat(100_000));
        let full = store.append(&fence, last, wall, &shop, &large, &[]).await.unwrap_err();
        assert_eq!(full.class, Class::Retry, "{full}");
        store.limit_pages(u32::MAX).unwrap();
        assert_eq!((copy.load().await.unwrap().len(), store.load().await.unwrap().len()), (1, 2));
        assert_eq!(copy.acquire().await.unwrap(), Epoch::new(3));
    }

    #[tokio::test]
    async fn the_journal_cannot_be_changed_even_by_hand() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("q.db")).unwrap();
        store.acquire().await.unwrap();
        let fence = store.claim(Epoch::new(1)).await.unwrap().fence(Moment::default()).unwrap();
        let entry = JournalEntry::Unfrozen { by: "ann".into(), reason: "done".into() };
        let service = ServiceName::new("shop").unwrap();
        store.append(&fence, None, WallTime::default(), &service, &[entry], &[]).await.unwrap();
        for sql in ["DELETE FROM journal", "UPDATE journal SET epoch = 7"] {
            let error = store.inner.connection().execute_batch(sql).unwrap_err();
            assert!(error.to_string().contains("the journal only grows"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_unreadable_entry_names_itself() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("q.db")).unwrap();
        let entry = r#"{"v":1,"type":"frozen"}"#.to_owned();
        let raw = journal::Raw { id: 1, at_ms: 0, epoch: 0, service: "shop".to_owned(), entry };
        let sum = raw.sum(journal::START);
        {
            let connection = store.inner.connection();
            let values = rusqlite::params![raw.id, raw.at_ms, raw.epoch, raw.service, raw.entry, sum];
            connection.execute("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6)", values).unwrap();
            connection.execute("UPDATE journal_end SET entries = 1, sum = ?1", [sum]).unwrap();
        }
        let error = store.load().await.unwrap_err();
        assert_eq!(error.class, Class::Broken);
        assert!(error.what.contains("entry 1") && error.what.contains("by: is missing"), "{error}");
    }
}
