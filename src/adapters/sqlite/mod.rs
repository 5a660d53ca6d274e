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

use self::error::Failure;
pub use self::error::StoreError;
use crate::domain::{
    Authority, Epoch, Fence, JournalEntry, JournalRecord, Moment, Observation, PortError, ServiceName, WallTime,
};
use crate::ports::{Delivery, JournalStore, LeaseStore, ObservationLog, Outbox, QueuedDelivery, SeenUpTo};

/// A store in one SQLite file. Clones are handles on the same store; the lease ends with the last of them.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// As the file system knows it, so that every way to the file leads to the same lock.
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
        let inner = Inner { path, connection: Mutex::new(connection), lease: Mutex::new(None) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Runs `work` on a thread where blocking is allowed. Work that was begun is finished even when nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, PortError> {
        let inner = Arc::clone(&self.inner);
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
            lease::lock(&mut inner.lease(), &inner.path)?;
            lease::epoch(&inner.connection())
        })
        .await
    }

    async fn claim(&self, epoch: Epoch) -> Result<Authority, PortError> {
        self.run(move |inner| {
            // Held until the epoch is durable.
            let lease = inner.lease();
            if lease.is_none() {
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
