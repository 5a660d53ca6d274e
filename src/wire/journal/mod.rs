//! Journal entries to and from JSON, version 2: `{"v":2,"type":"frozen","by":"ann","reason":"audit"}`.
//!
//! What was written once is read for ever: the texts in `tests/fixtures/journal` never change, and a new field is a new
//! version. Version 2 tells more of a vote, knows pins, approvals, alerts, acknowledgements, adoptions, repairs, drains and drills, and reads version 1. Reading refuses what it does not know whole: another version, another type, a field too many, a name that is no
//! name, evidence without votes, and a plan whose digest is not the one it was written with. A journal that is read as less
//! than it says would make the engine take a step twice, or not at all (S7, E3).

mod drain;
mod drill;
mod read;
mod write;

use serde_json::Value;

use super::fields::Fields;
pub use super::fields::WireError;
use crate::domain::JournalEntry;

/// The version that is written.
const VERSION: u64 = 2;
/// The oldest version that is read.
const OLDEST: u64 = 1;

/// The entry as one line of JSON, always the same for the same entry.
///
/// # Errors
/// None for any entry that the domain can make; a failure of the JSON writer is passed on rather than hidden.
pub fn to_text(entry: &JournalEntry) -> Result<String, WireError> {
    serde_json::to_string(&write::Document::of(VERSION, entry))
        .map_err(|error| WireError::new("the entry", error.to_string()))
}

/// Reads what [`to_text`] wrote.
///
/// # Errors
/// Whatever is not exactly an entry of a known version; the error names the field.
pub fn from_text(text: &str) -> Result<JournalEntry, WireError> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| WireError::new("the text", format!("is not JSON: {error}")))?;
    let mut fields = Fields::of("", value)?;
    match fields.number::<u64>("v")? {
        OLDEST..=VERSION => {}
        newer => {
            let what = format!(
                "is {newer}, and this version of quorate reads {OLDEST} to {VERSION}: use the one that wrote it"
            );
            return Err(WireError::new("v", what));
        }
    }
    let entry = read::entry(&mut fields)?;
    fields.done()?;
    Ok(entry)
}
