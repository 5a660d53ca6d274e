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
mod observations;
mod outbox;
mod schema;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::backup::Backup;

use self::error::Failure;
pub use self::error::StoreError;
use crate::domain::{
    Authority, Epoch, Fence, JournalEntry, JournalRecord, Moment, Observation, PortError, ServiceName, WallTime,
};
use crate::ports::{Delivery, JournalStore, LeaseStore, ObservationLog, Outbox, QueuedDelivery, SeenUpTo};

/// SQLite's own word for a database in memory.
const MEMORY: &str = ":memory:";
/// A backup in one step.
const ALL_PAGES: i32 = -1;

/// A store in one SQLite file. Clones are handles on the same store; the lease ends with the last of them.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
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
        Ok(Self::new(Place::File, path, connection))
    }

    /// A store that is gone when its last handle is, for simulations: the same schema and the same code, its work done on the calling
    /// thread. Its lease is nobody's: whoever simulates several controllers decides who may lead.
    ///
    /// # Errors
    /// SQLite cannot set it up.
    pub fn in_memory() -> Result<Self, StoreError> {
        let path = PathBuf::from(MEMORY);
        Ok(Self::new(Place::Memory, path.clone(), schema::in_memory(&path)?))
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

    fn new(place: Place, path: PathBuf, connection: Connection) -> Self {
        let inner = Inner { place, path, connection: Mutex::new(connection), lease: Mutex::new(None) };
        Self { inner: Arc::new(inner) }
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
            lease::claim(&mut inner.connection(), epoch)?;
            Ok(Authority::new(epoch, None))
        })
        .await
    }
}

#[async_trait]
impl JournalStore for SqliteStore {
    async fn load(&self) -> Result<Vec<JournalRecord>, PortError> {
        self.run(|inner| journal::load(&inner.connection())).await
    }

    async fn append(
        &self,
        fence: &Fence,
        at: WallTime,
        entries: &[(ServiceName, JournalEntry)],
        deliveries: &[Delivery],
    ) -> Result<Vec<JournalRecord>, PortError> {
        let (epoch, entries, deliveries) = (fence.epoch(), entries.to_vec(), deliveries.to_vec());
        self.run(move |inner| journal::append(&mut inner.connection(), epoch, at, entries, &deliveries)).await
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
        let observations = observations.to_vec();
        self.run(move |inner| observations::record(&mut inner.connection(), now, at, &observations)).await
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
        let entry = |by: &str| (service.clone(), JournalEntry::Frozen { by: by.into(), reason: "x".repeat(100_000) });
        store.inner.connection().pragma_update(None, "max_page_count", 40).unwrap();
        let error = store.append(&fence, WallTime::default(), &[entry("a"), entry("b")], &[]).await.unwrap_err();
        assert_eq!(error.class, Class::Retry, "{error}");
        assert!(error.what.contains("q.db") && error.what.contains("full"), "{error}");
        assert_eq!(store.load().await.unwrap(), []);
        store.inner.connection().pragma_update(None, "max_page_count", 4000).unwrap();
        assert_eq!(store.append(&fence, WallTime::default(), &[entry("a")], &[]).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_store_in_memory_does_what_one_in_a_file_does_and_a_copy_stays_as_it_was() {
        let store = SqliteStore::in_memory().unwrap();
        store.acquire().await.unwrap();
        let fence = store.claim(Epoch::new(3)).await.unwrap().fence(Moment::default()).unwrap();
        assert_eq!(store.claim(Epoch::new(3)).await.unwrap_err().class, Class::Refused);
        let entry =
            (ServiceName::new("shop").unwrap(), JournalEntry::Frozen { by: "ann".into(), reason: "x".into() });
        store.append(&fence, WallTime::default(), std::slice::from_ref(&entry), &[]).await.unwrap();
        let copy = store.copy().unwrap();
        store.append(&fence, WallTime::default(), std::slice::from_ref(&entry), &[]).await.unwrap();
        store.limit_pages(1).unwrap();
        let large = JournalEntry::Frozen { by: "ann".into(), reason: "x".repeat(100_000) };
        let full = store.append(&fence, WallTime::default(), &[(entry.0, large)], &[]).await.unwrap_err();
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
        store.append(&fence, WallTime::default(), &[(ServiceName::new("shop").unwrap(), entry)], &[]).await.unwrap();
        for sql in ["DELETE FROM journal", "UPDATE journal SET epoch = 7"] {
            let error = store.inner.connection().execute_batch(sql).unwrap_err();
            assert!(error.to_string().contains("the journal only grows"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_unreadable_entry_names_itself() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("q.db")).unwrap();
        let sql =
            r#"INSERT INTO journal (at_ms, epoch, service, entry) VALUES (0, 1, 'shop', '{"v":1,"type":"frozen"}')"#;
        store.inner.connection().execute_batch(sql).unwrap();
        let error = store.load().await.unwrap_err();
        assert_eq!(error.class, Class::Broken);
        assert!(error.what.contains("entry 1") && error.what.contains("by: is missing"), "{error}");
    }
}
