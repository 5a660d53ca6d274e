//! The tags of hosted zones and health checks. They decide nothing; tools that manage both expect to keep them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::ApiError;
use super::xml::{Fields, XmlWriter, items, read_document, text_of};

/// The most tags of one resource, and the most in one request.
const TAGS_MAX: usize = 10;
/// The most resources in one ListTagsForResources.
const RESOURCES_MAX: usize = 10;
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

/// What can have tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tagged {
    HealthCheck,
    HostedZone,
}

impl Tagged {
    /// The kind with that name.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        match text {
            "healthcheck" => Ok(Self::HealthCheck),
            "hostedzone" => Ok(Self::HostedZone),
            other => Err(ApiError::invalid_input(format!("'{other}' has no tags: healthcheck or hostedzone"))),
        }
    }

    /// The kind's name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::HealthCheck => "healthcheck",
            Self::HostedZone => "hostedzone",
        }
    }
}

/// What ChangeTagsForResource asks for.
#[derive(Debug)]
pub(super) struct TagChange {
    add: Vec<(String, String)>,
    remove: Vec<String>,
}

/// Reads the body of ChangeTagsForResource.
pub(super) fn change(body: &[u8]) -> Result<TagChange, ApiError> {
    read_document(body, "ChangeTagsForResourceRequest", |root| {
        let fields = Fields::read(root, &["AddTags", "RemoveTagKeys"])?;
        let add = fields.node("AddTags").map(|list| items(list, "Tag")).transpose()?.unwrap_or_default();
        let remove = fields.node("RemoveTagKeys").map(|list| items(list, "Key")).transpose()?.unwrap_or_default();
        if add.is_empty() && remove.is_empty() {
            return Err(ApiError::invalid_input("neither 'AddTags' nor 'RemoveTagKeys' has an entry"));
        }
        if add.len() > TAGS_MAX || remove.len() > TAGS_MAX {
            return Err(ApiError::invalid_input(format!("more than {TAGS_MAX} tags in one request")));
        }
        let add = add.into_iter().map(|node| {
            let tag = Fields::read(node, &["Key", "Value"])?;
            let (key, value) = (tag.required("Key")?, tag.text("Value")?.unwrap_or_default());
            if key.is_empty() || key.chars().count() > KEY_CHARS_MAX || value.chars().count() > VALUE_CHARS_MAX {
                return Err(ApiError::invalid_input(format!(
                    "the tag '{key}' has a key of more than {KEY_CHARS_MAX} or a value of more than \
                     {VALUE_CHARS_MAX} characters, or no key"
                )));
            }
            Ok((key, value))
        });
        Ok(TagChange {
            add: add.collect::<Result<_, _>>()?,
            remove: remove.into_iter().map(text_of).collect::<Result<_, _>>()?,
        })
    })
}

/// Reads the body of ListTagsForResources.
pub(super) fn resources(body: &[u8]) -> Result<Vec<String>, ApiError> {
    read_document(body, "ListTagsForResourcesRequest", |root| {
        let list = Fields::read(root, &["ResourceIds"])?.required_node("ResourceIds")?;
        let ids = items(list, "ResourceId")?.into_iter().map(text_of).collect::<Result<Vec<_>, _>>()?;
        if !(1..=RESOURCES_MAX).contains(&ids.len()) {
            return Err(ApiError::invalid_input(format!("'ResourceIds' must have 1 to {RESOURCES_MAX} entries")));
        }
        Ok(ids)
    })
}

type Resource = (Tagged, String);

/// All tags.
#[derive(Debug, Default)]
pub(super) struct Tags(Mutex<BTreeMap<Resource, BTreeMap<String, String>>>);

impl Tags {
    /// Adds and removes tags, all of them or none.
    pub(super) fn change(&self, kind: Tagged, id: &str, change: TagChange) -> Result<(), ApiError> {
        let mut all = self.lock();
        let mut tags = all.get(&(kind, id.to_owned())).cloned().unwrap_or_default();
        tags.retain(|key, _| !change.remove.contains(key));
        tags.extend(change.add);
        if tags.len() > TAGS_MAX {
            return Err(ApiError::invalid_input(format!(
                "{} {id} would have more than {TAGS_MAX} tags",
                kind.as_str()
            )));
        }
        all.insert((kind, id.to_owned()), tags);
        Ok(())
    }

    /// Forgets the tags of what is gone.
    pub(super) fn forget(&self, kind: Tagged, id: &str) {
        self.lock().remove(&(kind, id.to_owned()));
    }

    /// Writes a resource's tags.
    pub(super) fn write(&self, xml: &mut XmlWriter, kind: Tagged, id: &str) {
        let tags = self.lock().get(&(kind, id.to_owned())).cloned().unwrap_or_default();
        xml.element("ResourceTagSet", |xml| {
            xml.text("ResourceType", kind.as_str());
            xml.text("ResourceId", id);
            xml.element("Tags", |xml| {
                for (key, value) in &tags {
                    xml.element("Tag", |xml| {
                        xml.text("Key", key);
                        xml.text("Value", value);
                    });
                }
            });
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Resource, BTreeMap<String, String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
