//! Reading a JSON object field by field, so that an error names the place: `plan.cause.evidence.down[2].view`.
//!
//! It refuses fields that nobody asked for. A record from a newer version must not be read as less than it says.

use std::fmt::Display;

use serde_json::{Map, Value};

/// What is wrong with a text, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct WireError {
    place: String,
    what: String,
}

impl WireError {
    pub(super) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// An object that is being read; every field is taken once.
pub(super) struct Fields {
    place: String,
    map: Map<String, Value>,
}

impl Fields {
    /// The object at `place`; the outermost is at "".
    pub(super) fn of(place: &str, value: Value) -> Result<Self, WireError> {
        match value {
            Value::Object(map) => Ok(Self { place: place.to_owned(), map }),
            other => Err(wrong(if place.is_empty() { "the text" } else { place }, "an object", &other)),
        }
    }

    /// Where the field is, from the outermost object.
    pub(super) fn place(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// The field's value; absent and null are the same.
    pub(super) fn optional(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn required(&mut self, key: &str) -> Result<Value, WireError> {
        self.optional(key).ok_or_else(|| WireError::new(self.place(key), "is missing"))
    }

    pub(super) fn text(&mut self, key: &str) -> Result<String, WireError> {
        let value = self.required(key)?;
        self.as_text(key, value)
    }

    pub(super) fn optional_text(&mut self, key: &str) -> Result<Option<String>, WireError> {
        self.optional(key).map(|value| self.as_text(key, value)).transpose()
    }

    fn as_text(&self, key: &str, value: Value) -> Result<String, WireError> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(wrong(&self.place(key), "a text", &other)),
        }
    }

    /// A whole number that fits the type asked for.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, key: &str) -> Result<T, WireError> {
        let value = self.required(key)?;
        self.as_number(key, &value)
    }

    pub(super) fn optional_number<T: TryFrom<u64>>(&mut self, key: &str) -> Result<Option<T>, WireError> {
        self.optional(key).map(|value| self.as_number(key, &value)).transpose()
    }

    fn as_number<T: TryFrom<u64>>(&self, key: &str, value: &Value) -> Result<T, WireError> {
        let number = value.as_u64().and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| wrong(&self.place(key), "a whole number in range", value))
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool, WireError> {
        let value = self.required(key)?;
        value.as_bool().ok_or_else(|| wrong(&self.place(key), "true or false", &value))
    }

    pub(super) fn optional_flag(&mut self, key: &str) -> Result<Option<bool>, WireError> {
        let value = self.optional(key);
        let flag = |value: Value| value.as_bool().ok_or_else(|| wrong(&self.place(key), "true or false", &value));
        value.map(flag).transpose()
    }

    /// The list's elements, each with its place.
    pub(super) fn list(&mut self, key: &str) -> Result<Vec<(String, Value)>, WireError> {
        let place = self.place(key);
        match self.required(key)? {
            Value::Array(values) => Ok(values
                .into_iter()
                .enumerate()
                .map(|(index, value)| (format!("{place}[{index}]"), value))
                .collect()),
            other => Err(wrong(&place, "a list", &other)),
        }
    }

    /// The object in the field.
    pub(super) fn object(&mut self, key: &str) -> Result<Self, WireError> {
        let value = self.required(key)?;
        Self::of(&self.place(key), value)
    }

    /// A text that a domain constructor checks.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, WireError> {
        let text = self.text(key)?;
        parse(&text).map_err(|error| WireError::new(self.place(key), error.to_string()))
    }

    /// A text that is one of a domain type's words.
    pub(super) fn word<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, WireError> {
        self.parsed(key, |text| parse(text).ok_or_else(|| format!("'{text}' is not a word that belongs here")))
    }

    /// Likewise, where there may be none.
    pub(super) fn optional_word<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, WireError> {
        let Some(text) = self.optional_text(key)? else { return Ok(None) };
        let unknown = || WireError::new(self.place(key), format!("'{text}' is not a word that belongs here"));
        parse(&text).ok_or_else(unknown).map(Some)
    }

    /// Refuses what was not taken.
    pub(super) fn done(self) -> Result<(), WireError> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(key) => Err(WireError::new(self.place(key), "is not a field of this version")),
        }
    }
}

fn wrong(place: &str, wanted: &str, found: &Value) -> WireError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    WireError::new(place, format!("must be {wanted}, and is {found}"))
}
