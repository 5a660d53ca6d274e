//! A folder of this machine as a store of flags: for one machine, for tests, and for whoever serves the folder at a public address.
//!
//! `object_store`'s own file system has no compare-and-swap. Here a write holds an exclusive lock on a file beside the flag, compares what is there, writes a
//! new file, syncs it, renames it over the flag and syncs the folder. A reader needs no lock: it sees the old flag or the new one, never a part. The lock ends with
//! its process, however that ends (flock(2)); on a network's file system that has no locks between machines, two machines would not exclude each other.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::shelf::{Body, Shelf};
use crate::domain::FLAG_BYTES_MAX;
use crate::ports::{FlagVersion, PortError};

/// Between two attempts to get the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Attempts to get the lock: two seconds of them. A write takes a few milliseconds; who holds the lock longer has been stopped.
const LOCK_ATTEMPTS: usize = 1_000;

/// Everybody may read a flag: it is public.
const MODE: u32 = 0o644;

/// One flag in a folder.
#[derive(Debug, Clone)]
pub(super) struct FileShelf {
    shown: String,
    folder: PathBuf,
    object: String,
}

impl FileShelf {
    /// The flag of that name in that folder.
    pub(super) fn new(shown: String, folder: PathBuf, object: String) -> Self {
        Self { shown, folder, object }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.object)
    }

    /// A file beside the flag that no request for a service's flag can name: services' names begin with no dot.
    fn beside(&self, ending: &str) -> PathBuf {
        self.folder.join(format!(".{}.{ending}", self.object))
    }

    fn trouble(&self, what: &str, error: &std::io::Error) -> PortError {
        PortError::broken(format!("{}: {what}: {error}", self.shown))
    }

    fn load(&self) -> Result<Option<Body>, PortError> {
        match read(&self.path()) {
            Ok(bytes) => Ok(Some(Body { version: version(&bytes), bytes })),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // A volume that is not mounted is no store without a flag.
                let there = fs::metadata(&self.folder).is_ok_and(|folder| folder.is_dir());
                if there { Ok(None) } else { Err(self.trouble("its folder must exist", &error)) }
            }
            Err(error) => Err(self.trouble("cannot read the flag", &error)),
        }
    }

    fn replace(&self, expected: Option<&FlagVersion>, text: &str) -> Result<(), PortError> {
        let _lock = self.lock()?;
        let present = self.load()?;
        if present.as_ref().map(|body| &body.version) != expected {
            return Err(PortError::refused(format!(
                "{}: the flag is not the one that was read: somebody wrote meanwhile",
                self.shown
            )));
        }
        // One name for all writers: the lock admits one, and what one left behind when it was killed is overwritten by the next.
        let new = self.beside("new");
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| self.trouble("cannot write the flag", &error))?;
        // From here on it is unknown whether the flag will be there after a crash of the machine.
        let publish = || {
            fs::rename(&new, self.path())?;
            File::open(&self.folder)?.sync_all()
        };
        publish()
            .map_err(|error| PortError::retry(format!("{}: cannot put the flag in its place: {error}", self.shown)))
    }

    fn lock(&self) -> Result<File, PortError> {
        let path = self.beside("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(&path)
            .map_err(|error| self.trouble("cannot write to its folder, which must exist", &error))?;
        for _ in 0..LOCK_ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(self.trouble("cannot lock the flag", &error)),
            }
        }
        Err(PortError::retry(format!("{}: another process has been writing the flag for two seconds", self.shown)))
    }
}

/// The file, up to one byte more than a flag can have: what is longer need not be read to be refused.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FLAG_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The content's digest: a token that only grows makes no two flags of a place alike.
fn version(bytes: &[u8]) -> FlagVersion {
    FlagVersion { tag: Some(HEXLOWER.encode(&Sha256::digest(bytes))), generation: None }
}

#[async_trait]
impl Shelf for FileShelf {
    fn shown(&self) -> &str {
        &self.shown
    }

    async fn get(&self) -> Result<Option<Body>, PortError> {
        let here = self.clone();
        blocking(&self.shown, move || here.load()).await
    }

    async fn put(&self, expected: Option<FlagVersion>, text: String) -> Result<(), PortError> {
        let here = self.clone();
        blocking(&self.shown, move || here.replace(expected.as_ref(), &text)).await
    }
}

async fn blocking<T: Send + 'static>(
    shown: &str,
    work: impl FnOnce() -> Result<T, PortError> + Send + 'static,
) -> Result<T, PortError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(PortError::retry(format!("{shown}: the file operation was broken off: {error}"))),
    }
}
