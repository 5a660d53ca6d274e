//! Flags in object stores: S3, Google Cloud Storage, Azure Blob Storage, and folders of this machine.
//!
//! What holds here: **S5** (every write is a compare-and-swap in its store, sent once, with a token of the fence's epoch that is after the one it replaces; so no
//! two texts of one place are alike, and an entity tag that is a digest of the content serves as well as a counter), and a text that is not ours, in every byte
//! and by its signature, is never overwritten and never believed.
//!
//! What it refuses: to create a bucket, to delete an object, to repeat a write, and to take an unreadable store for an empty one.

mod access;
mod cloud;
mod errors;
mod file;
mod place;
mod seal;
mod serve;
mod shelf;
mod wire;

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures_util::future::join_all;

pub use access::Access;
pub use place::PlaceError;
pub use seal::{FlagKey, FlagKeyError};
pub use serve::ServedFlags;

use crate::domain::{ClusterName, Fence, FlagPhrase, FlagText, Role, ServiceName, Token};
use crate::ports::{FlagCopy, FlagStore, FlagWrite, HeldFlag, PortError};
use cloud::CloudShelf;
use file::FileShelf;
use place::Place;
use shelf::{Body, Shelf};

/// Whose flag it is, and what makes it ours.
#[derive(Debug)]
pub struct FlagOwner {
    /// The controllers' cluster.
    pub cluster: ClusterName,
    /// The service.
    pub service: ServiceName,
    /// What Route 53 looks for.
    pub phrase: FlagPhrase,
    /// What signs and verifies.
    pub key: FlagKey,
}

/// The stores of one service's flag.
pub struct FlagStores {
    owner: FlagOwner,
    shelves: Vec<Box<dyn Shelf>>,
}

impl std::fmt::Debug for FlagStores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shelves: Vec<&str> = self.shelves.iter().map(|shelf| shelf.shown()).collect();
        f.debug_struct("FlagStores").field("owner", &self.owner).field("shelves", &shelves).finish()
    }
}

/// Checks a store's URL, and says how it is shown to people.
///
/// # Errors
/// When it names no store, or has an option that is not known.
pub fn check_store(url: &str, service: &ServiceName) -> Result<String, PlaceError> {
    Ok(Place::parse(url)?.of_object(&object_name(service)))
}

/// The object of a service's flag.
fn object_name(service: &ServiceName) -> String {
    format!("{service}.flag")
}

impl FlagStores {
    /// With these stores, each a URL (see `docs/flags.md`) and the credentials for it. Nothing is sent yet.
    ///
    /// # Errors
    /// When a URL names no store, a store is named twice, or a client cannot be set up (files of credentials that cannot be read).
    pub async fn open(owner: FlagOwner, stores: Vec<(String, Access)>) -> Result<Self, PlaceError> {
        let object = object_name(&owner.service);
        let mut shelves: Vec<Box<dyn Shelf>> = Vec::new();
        let mut seen = BTreeSet::new();
        for (url, access) in stores {
            let place = Place::parse(&url)?;
            let shown = place.of_object(&object);
            if !seen.insert(shown.clone()) {
                return Err(PlaceError::Twice(shown));
            }
            shelves.push(match place {
                Place::Folder(folder) => Box::new(FileShelf::new(shown, folder, object.clone())),
                Place::Bucket(bucket) => Box::new(CloudShelf::open(shown, &bucket, &object, access).await?),
            });
        }
        Ok(Self { owner, shelves })
    }

    async fn read_one(&self, shelf: &dyn Shelf) -> FlagCopy {
        let store = shelf.shown().to_owned();
        let (held, foreign) = match shelf.get().await {
            Ok(Some(body)) => {
                let held = self.held(&store, body);
                let foreign = held.as_ref().err().map(|error| error.what.clone());
                (held.map(Some), foreign)
            }
            Ok(None) => (Ok(None), None),
            Err(error) => (Err(error), None),
        };
        FlagCopy { store, held, foreign }
    }

    /// What a body says, if it is ours.
    fn held(&self, store: &str, body: Body) -> Result<HeldFlag, PortError> {
        let left = "it is left alone: look who wrote it, then remove it, and the next takeover writes a new one";
        let broken = |what: String| PortError::broken(format!("{store}: {what}; {left}"));
        let FlagOwner { cluster, service, phrase, key } = &self.owner;
        let flag = FlagText::parse(service, &body.bytes).map_err(|error| broken(error.to_string()))?;
        let token = flag.text.token();
        if token.cluster != *cluster {
            return Err(broken(format!("the flag is the cluster '{}''s, and not '{cluster}''s", token.cluster)));
        }
        if !key.verifies(&flag) {
            return Err(broken("the flag was edited, or signed with another key".to_owned()));
        }
        if token.serving == Role::Standby && !flag.text.shows(phrase) {
            return Err(PortError::broken(format!(
                "{store}: the flag was raised with another phrase, which Route 53 may still look for: put the old phrase back, lower the flag, and \
                 only then change the phrase"
            )));
        }
        Ok(HeldFlag { token: token.clone(), version: body.version })
    }

    async fn write_one(&self, fence: &Fence, copy: &FlagCopy, new: &Token) -> Result<(), PortError> {
        let store = &copy.store;
        let held = copy.held.as_ref().map_err(Clone::clone)?.as_ref();
        if new.epoch != fence.epoch() {
            return Err(PortError::fenced(format!(
                "{store}: the flag was made under epoch {}, and the fence is of epoch {}",
                new.epoch,
                fence.epoch()
            )));
        }
        if new.cluster != self.owner.cluster {
            return Err(PortError::broken(format!("{store}: the token '{new}' is of another cluster")));
        }
        if let Some(HeldFlag { token, .. }) = held {
            if token.epoch > fence.epoch() {
                return Err(PortError::fenced(format!(
                    "{store}: the flag's token '{token}' is of epoch {}, and ours is {}: a newer controller has taken over",
                    token.epoch,
                    fence.epoch()
                )));
            }
            if !new.is_after(token) {
                return Err(PortError::refused(format!("{store}: the token '{new}' does not follow '{token}'")));
            }
        }
        let Some(shelf) = self.shelves.iter().find(|shelf| shelf.shown() == store) else {
            return Err(PortError::broken(format!(
                "{store}: this is no store of the service '{}'",
                self.owner.service
            )));
        };
        let text = FlagText::new(self.owner.service.clone(), new.clone(), &self.owner.phrase);
        let signature = self.owner.key.sign(&text);
        let signature = signature.ok_or_else(|| PortError::broken(format!("{store}: the flag cannot be signed")))?;
        let text = text
            .render(&self.owner.phrase, &signature)
            .map_err(|error| PortError::broken(format!("{store}: the flag cannot be written: {error}")))?;
        shelf.put(held.map(|held| held.version.clone()), text).await
    }
}

#[async_trait]
impl FlagStore for FlagStores {
    async fn read(&self) -> Vec<FlagCopy> {
        join_all(self.shelves.iter().map(|shelf| self.read_one(shelf.as_ref()))).await
    }

    async fn swap(&self, fence: &Fence, copies: &[FlagCopy], new: &Token) -> Vec<FlagWrite> {
        join_all(copies.iter().map(async |copy| {
            let outcome = self.write_one(fence, copy, new).await;
            FlagWrite { store: copy.store.clone(), outcome }
        }))
        .await
    }
}
