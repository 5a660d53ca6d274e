//! The lease and the epoch.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::error::{Failure, loaded, stored};
use crate::domain::Epoch;

/// The file that is locked: beside the store, because SQLite has locks of its own on the store's file.
fn lock_path(store: &Path) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(".lock");
    PathBuf::from(name)
}

/// Takes the lock, unless this store holds it already. The system releases it when the file is closed or the process ends.
/// The file itself stays: removing it would let two controllers lock two files of the same name.
pub(super) fn lock(slot: &mut Option<File>, store: &Path) -> Result<(), Failure> {
    if slot.is_some() {
        return Ok(());
    }
    let path = lock_path(store);
    let lock = path.display().to_string();
    let file = match File::options().create(true).truncate(false).write(true).open(&path) {
        Ok(file) => file,
        Err(source) => return Err(Failure::Lock { lock, source }),
    };
    match file.try_lock() {
        Ok(()) => {
            *slot = Some(file);
            Ok(())
        }
        Err(TryLockError::WouldBlock) => Err(Failure::Leased { lock }),
        Err(TryLockError::Error(source)) => Err(Failure::Lock { lock, source }),
    }
}

/// The store's epoch.
pub(super) fn epoch(connection: &Connection) -> Result<Epoch, Failure> {
    let number: i64 = connection.query_row("SELECT epoch FROM epoch", [], |row| row.get(0))?;
    loaded("the epoch", number).map(Epoch::new)
}

/// Makes `tried` the store's epoch. Every append under an older one is refused from then on (S6).
pub(super) fn claim(connection: &mut Connection, tried: Epoch) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let stored_epoch = epoch(&transaction)?;
    if tried <= stored_epoch {
        return Err(Failure::EpochNotLarger { tried, stored: stored_epoch });
    }
    transaction.execute("UPDATE epoch SET epoch = ?1", [stored("the epoch", tried.get())?])?;
    transaction.commit()?;
    Ok(())
}
