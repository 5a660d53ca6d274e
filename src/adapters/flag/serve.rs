//! The flags of a folder, as they are, for whoever serves them.

use std::path::PathBuf;

use async_trait::async_trait;

use super::file::FileShelf;
use super::object_name;
use super::shelf::Shelf;
use crate::domain::ServiceName;
use crate::ports::{FlagBodies, PortError};

/// A folder that a store `file:///…` of a controller writes to.
#[derive(Debug, Clone)]
pub struct ServedFlags {
    folder: PathBuf,
}

impl ServedFlags {
    /// Of this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

#[async_trait]
impl FlagBodies for ServedFlags {
    async fn body(&self, service: &ServiceName) -> Result<Option<Vec<u8>>, PortError> {
        let object = object_name(service);
        let shown = self.folder.join(&object).display().to_string();
        let body = FileShelf::new(shown, self.folder.clone(), object).get().await?;
        Ok(body.map(|body| body.bytes))
    }
}
