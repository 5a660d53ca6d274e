//! Resource record set protections: while one exists for a name and type, no batch that touches them is applied. It is a
//! freeze that the service itself keeps, whatever a client believes.
//!
//! From the service's model (botocore 1.44.5). What that leaves open, and is chosen here: the words of the refusal, and
//! that no quota on their number is enforced.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::error::{ApiError, EntryError};
use super::name::DnsName;
use super::record::{RecordKey, RecordKind};
use super::xml::{Fields, XmlWriter, items, read_document};

/// The most entries in one request.
const ENTRIES_MAX: usize = 100;
/// The longest comment.
const COMMENT_CHARS_MAX: usize = 256;

/// A protected name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Protection {
    pub(super) name: DnsName,
    pub(super) kind: RecordKind,
    pub(super) comment: Option<String>,
}

impl Protection {
    pub(super) fn write(&self, xml: &mut XmlWriter) {
        xml.element("ResourceRecordSetProtection", |xml| {
            xml.text("RecordName", &self.name);
            xml.text("RecordType", self.kind);
            xml.optional("Comment", self.comment.as_ref());
        });
    }
}

/// One entry of a request, as it was sent.
#[derive(Debug)]
pub(super) struct Entry {
    name: String,
    kind: String,
    comment: Option<String>,
}

impl Entry {
    fn error(&self, code: &'static str, message: String) -> EntryError {
        EntryError { name: self.name.clone(), kind: self.kind.clone(), code, message }
    }

    fn invalid(&self, message: String) -> EntryError {
        self.error("InvalidInput", message)
    }

    fn resolve(&self, zone: &DnsName) -> Result<Protection, EntryError> {
        let name = DnsName::parse(&self.name).map_err(|error| self.invalid(format!("not a DNS name: {error}")))?;
        if !name.is_within(zone) {
            return Err(self.invalid(format!("the name is not in the hosted zone {zone}")));
        }
        let kind = RecordKind::parse(&self.kind)
            .ok_or_else(|| self.invalid(format!("records of type '{}' cannot be protected in the lab", self.kind)))?;
        if self.comment.as_ref().is_some_and(|comment| comment.chars().count() > COMMENT_CHARS_MAX) {
            return Err(self.invalid(format!("the comment has more than {COMMENT_CHARS_MAX} characters")));
        }
        Ok(Protection { name, kind, comment: self.comment.clone() })
    }
}

/// Reads the body of CreateResourceRecordSetProtections or DeleteResourceRecordSetProtections.
pub(super) fn entries(body: &[u8], root: &str, item: &str, known: &[&str]) -> Result<Vec<Entry>, ApiError> {
    let entry = |node: Node<'_, '_>| {
        let fields = Fields::read(node, known)?;
        let comment = fields.text("Comment")?.filter(|comment| !comment.is_empty());
        Ok(Entry { name: fields.required("RecordName")?, kind: fields.required("RecordType")?, comment })
    };
    read_document(body, root, |root| {
        let list = items(Fields::read(root, &["Protections"])?.required_node("Protections")?, item)?;
        if !(1..=ENTRIES_MAX).contains(&list.len()) {
            return Err(ApiError::invalid_input(format!("'Protections' must have 1 to {ENTRIES_MAX} entries")));
        }
        list.into_iter().map(entry).collect()
    })
}

/// The protections of one zone, in the order of listing.
#[derive(Debug, Clone, Default)]
pub(super) struct Protections(BTreeMap<RecordKey, Protection>);

impl Protections {
    /// Adds all, or none and says why.
    pub(super) fn create(&mut self, zone: &DnsName, entries: &[Entry]) -> Result<(), ApiError> {
        let new = resolved(zone, entries)?;
        let there = |(entry, new): (&Entry, &Protection)| {
            self.of(&new.name, new.kind)?;
            Some(entry.error("ProtectionAlreadyExists", "a protection exists for this name and type".to_owned()))
        };
        let errors: Vec<EntryError> = entries.iter().zip(&new).filter_map(there).collect();
        if errors.len() == entries.len() {
            return Err(ApiError::protection_already_exists(errors));
        }
        if !errors.is_empty() {
            return Err(ApiError::invalid_protection_batch(errors));
        }
        self.0.extend(new.into_iter().map(|new| (RecordKey::new(&new.name, new.kind, None), new)));
        Ok(())
    }

    /// Removes all, or none and says why.
    pub(super) fn delete(&mut self, zone: &DnsName, entries: &[Entry]) -> Result<(), ApiError> {
        let old = resolved(zone, entries)?;
        let missing = |(entry, old): (&Entry, &Protection)| match self.of(&old.name, old.kind) {
            Some(_) => None,
            None => Some(entry.error("ProtectionNotFound", "no protection exists for this name and type".to_owned())),
        };
        let errors: Vec<EntryError> = entries.iter().zip(&old).filter_map(missing).collect();
        if !errors.is_empty() {
            return Err(ApiError::invalid_protection_batch(errors));
        }
        for old in old {
            self.0.remove(&RecordKey::new(&old.name, old.kind, None));
        }
        Ok(())
    }

    /// The protection of a name and type.
    pub(super) fn of(&self, name: &DnsName, kind: RecordKind) -> Option<&Protection> {
        self.0.get(&RecordKey::new(name, kind, None))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All from a key on, in order.
    pub(super) fn starting_at(&self, key: Option<&RecordKey>) -> Vec<Protection> {
        self.0.iter().filter(|(this, _)| key.is_none_or(|key| *this >= key)).map(|(_, new)| new.clone()).collect()
    }
}

/// Every entry as a protection, or the invalid ones: those are looked for before any other trouble.
fn resolved(zone: &DnsName, entries: &[Entry]) -> Result<Vec<Protection>, ApiError> {
    let mut errors = Vec::new();
    let mut resolved: Vec<Protection> = Vec::new();
    for entry in entries {
        match entry.resolve(zone) {
            Ok(new) if resolved.iter().any(|old| (&old.name, old.kind) == (&new.name, new.kind)) => {
                errors.push(entry.invalid("the name and type appear twice in the request".to_owned()));
            }
            Ok(new) => resolved.push(new),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(resolved) } else { Err(ApiError::invalid_protection_batch(errors)) }
}
