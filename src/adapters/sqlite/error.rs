//! What can go wrong with the store, and what that means for whoever asked.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::domain::{Class, Epoch, PortError, ServiceName};
use crate::wire::journal::WireError;

/// What to do about a damaged store.
const WAY_OUT: &str = "restore it from a backup; or move it away with the files beside it (-wal, -shm, .mark), see by hand that \
                       no plan is under way, and start with an empty one";

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no folder, or it cannot be read.
    #[error("cannot reach the store {}: {source}; create its folder, or name another file", path.display())]
    Path {
        /// The store's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite cannot open or set it up.
    #[error("cannot open the store {}: {source}; see that the folder exists and this user may write there", path.display())]
    Open {
        /// The store's file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file is not what was written.
    #[error("the store {} is damaged ({what}): {WAY_OUT}", path.display())]
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// What the check found.
        what: String,
    },
    /// A database of something else.
    #[error("{} is a database of another program, and is left alone: name another file for the store", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version's.
    #[error(
        "the store {} has the schema {found}, and this version of quorate knows up to {known}: use the newer version that \
         wrote it",
        path.display()
    )]
    Newer {
        /// The store's file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest one that is known here.
        known: i64,
    },
    /// The file system cannot do it.
    #[error(
        "the store {} cannot use a write-ahead log (its mode is '{mode}'): put it on a local disk, not on a network file system",
        path.display()
    )]
    NoWriteAheadLog {
        /// The store's file.
        path: PathBuf,
        /// What SQLite chose instead.
        mode: String,
    },
}

impl StoreError {
    /// SQLite's error while opening: damage is told apart from what a person can put right at the path.
    pub(super) fn opening(path: &Path, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path: path.to_owned(), what: source.to_string() }
            }
            _ => Self::Open { path: path.to_owned(), source },
        }
    }
}

/// Why an operation on an open store failed, before the store's path is added.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Sqlite(rusqlite::Error),
    #[error("it is damaged ({0}): {WAY_OUT}")]
    Damaged(String),
    #[error(
        "its journal, of {found} entries, is not the one of which {marked} were acknowledged: its write-ahead log (the file with '-wal') \
         is lost or damaged, or another copy was put in its place. Put back what is missing, or restore it from a backup; to go on with \
         what is there, see by hand that no plan is under way, and remove the file with '.mark'"
    )]
    Older { found: u64, marked: u64 },
    #[error("the epoch {tried} is not the store's, which is {stored}: another controller has taken over")]
    Fenced { tried: Epoch, stored: Epoch },
    #[error("the journal moved on: entry {id} of '{service}' was written by epoch {epoch}")]
    MovedOn { id: u64, service: ServiceName, epoch: Epoch },
    #[error("the journal moved on: entry {id} of '{service}' is not there any more")]
    NotThere { id: u64, service: ServiceName },
    #[error("the epoch {tried} is not larger than {stored}, the last one: read it again before claiming")]
    EpochNotLarger { tried: Epoch, stored: Epoch },
    #[error("another controller uses it: stop that one first ('fuser {lock}' names it)")]
    Leased { lock: String },
    #[error("the lease is not held: acquire it before claiming an epoch")]
    NoLease,
    #[error("cannot lock {lock}: {source}")]
    Lock { lock: String, source: std::io::Error },
    #[error("entry {id} of the journal cannot be read: {source}")]
    Entry { id: i64, source: WireError },
    #[error("the entry cannot be written: {0}")]
    Unwritable(WireError),
    #[error("{what} holds '{found}', which this version of quorate cannot read")]
    Value { what: &'static str, found: String },
    #[error("{what} is {found}, which is too large to store")]
    TooLarge { what: &'static str, found: u64 },
    #[error("there is no delivery {0}")]
    NoDelivery(u64),
}

impl Failure {
    /// What stops a store from being opened.
    pub(super) fn opening(self, path: &Path) -> StoreError {
        match self {
            Self::Sqlite(source) => StoreError::opening(path, source),
            Self::Damaged(what) => StoreError::Damaged { path: path.to_owned(), what },
            other => StoreError::Damaged { path: path.to_owned(), what: other.to_string() },
        }
    }

    /// With the store's path and the class.
    pub(super) fn at(self, path: &Path) -> PortError {
        PortError { class: self.class(), what: format!("the store {}: {self}", path.display()) }
    }

    fn class(&self) -> Class {
        match self {
            Self::Sqlite(error) => match error.sqlite_error_code() {
                // Room can be made, a disk can come back, a reader goes away: the transaction was rolled back whole.
                Some(
                    ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::CannotOpen
                    | ErrorCode::OutOfMemory
                    | ErrorCode::OperationInterrupted,
                ) => Class::Retry,
                _ => Class::Broken,
            },
            Self::Fenced { .. } | Self::MovedOn { .. } | Self::NotThere { .. } => Class::Fenced,
            Self::EpochNotLarger { .. } | Self::Leased { .. } => Class::Refused,
            // Descriptors run out and come back.
            Self::Lock { .. } => Class::Retry,
            Self::Damaged(_)
            | Self::Older { .. }
            | Self::NoLease
            | Self::Entry { .. }
            | Self::Unwritable(_)
            | Self::Value { .. }
            | Self::TooLarge { .. }
            | Self::NoDelivery(_) => Class::Broken,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    /// A page or a value that is not what it must be is damage, whoever comes upon it.
    fn from(error: rusqlite::Error) -> Self {
        // The statements are fixed: what they name is missing, or is there where it must not be.
        if let rusqlite::Error::SqlInputError { msg, .. } = &error {
            return Self::Damaged(format!("its tables are not those of its version: {msg}"));
        }
        let value = matches!(
            error,
            rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
        );
        let page = matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase));
        if value || page { Self::Damaged(error.to_string()) } else { Self::Sqlite(error) }
    }
}

/// A number as SQLite stores it.
pub(super) fn stored(what: &'static str, number: u64) -> Result<i64, Failure> {
    i64::try_from(number).map_err(|_| Failure::TooLarge { what, found: number })
}

/// A number as it was stored.
pub(super) fn loaded(what: &'static str, number: i64) -> Result<u64, Failure> {
    u64::try_from(number).map_err(|_| Failure::Value { what, found: number.to_string() })
}

/// A limit as SQLite takes it; one that is too large is none.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
