//! One object in one store: bytes with a version, replaced by compare-and-swap. What the bytes mean is not known here.

use async_trait::async_trait;

use crate::ports::{FlagVersion, PortError};

/// What an object holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    /// At most a little more than a flag can have.
    pub(super) bytes: Vec<u8>,
    /// What to name in order to replace just this.
    pub(super) version: FlagVersion,
}

/// One place for one flag.
#[async_trait]
pub(super) trait Shelf: Send + Sync {
    /// The object's place, fit for people.
    fn shown(&self) -> &str;

    /// What is there; none only when the store itself says that this object is not.
    async fn get(&self) -> Result<Option<Body>, PortError>;

    /// Puts the text in place of exactly what `expected` names; where that is none, only if there still is no object. Sent once.
    async fn put(&self, expected: Option<FlagVersion>, text: String) -> Result<(), PortError>;
}
