//! The map of options of a call: typed, and with no key that nobody knows. Whatever is wrong with it is the script's mistake.

use rhai::{Array, Dynamic, Map};

use super::Outcome;
use crate::adapters::script::ending::Ending;

/// The options of one call.
#[derive(Debug)]
pub(super) struct Options {
    function: &'static str,
    map: Map,
}

impl Options {
    /// Takes the map, and refuses keys that are not among the known ones.
    pub(super) fn new(function: &'static str, map: Map, known: &[&str]) -> Outcome<Self> {
        if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
            let reason = format!("{function}: unknown option '{key}': there are {}", known.join(", "));
            return Err(Ending::Inconclusive(reason));
        }
        Ok(Self { function, map })
    }

    /// A text.
    pub(super) fn text(&mut self, key: &str) -> Outcome<Option<String>> {
        let Some(value) = self.map.remove(key) else { return Ok(None) };
        value.into_string().map(Some).map_err(|found| self.wrong(key, "a text", found))
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, key: &str) -> Outcome<String> {
        let missing = format!("{}: the option '{key}' is missing", self.function);
        self.text(key)?.ok_or(Ending::Inconclusive(missing))
    }

    /// A boolean; false by default.
    pub(super) fn flag(&mut self, key: &str) -> Outcome<bool> {
        let Some(value) = self.map.remove(key) else { return Ok(false) };
        value.as_bool().map_err(|found| self.wrong(key, "true or false", found))
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number(&mut self, key: &str, least: i64, most: i64) -> Outcome<Option<i64>> {
        let Some(value) = self.map.remove(key) else { return Ok(None) };
        let number = value.as_int().map_err(|found| self.wrong(key, "a whole number", found))?;
        if !(least..=most).contains(&number) {
            let reason = format!("{}: the option '{key}' must be from {least} to {most}", self.function);
            return Err(Ending::Inconclusive(reason));
        }
        Ok(Some(number))
    }

    /// A port.
    pub(super) fn port(&mut self) -> Outcome<Option<u16>> {
        Ok(self.number("port", 1, i64::from(u16::MAX))?.and_then(|port| u16::try_from(port).ok()))
    }

    /// Names with one text, or several, each.
    pub(super) fn headers(&mut self) -> Outcome<Vec<(String, String)>> {
        let Some(value) = self.map.remove("headers") else { return Ok(Vec::new()) };
        let found = value.type_name();
        let map = value.try_cast::<Map>().ok_or_else(|| self.wrong("headers", "a map", found))?;
        let mut headers = Vec::new();
        for (name, value) in map {
            let values = if value.is_array() { value.cast::<Array>() } else { vec![value] };
            for value in values {
                let text = value.into_string().map_err(|found| self.wrong("headers", "a map of texts", found))?;
                headers.push((name.to_string(), text));
            }
        }
        Ok(headers)
    }

    fn wrong(&self, key: &str, wanted: &str, found: &str) -> Ending {
        Ending::Inconclusive(format!("{}: the option '{key}' must be {wanted}, and is {found}", self.function))
    }
}

/// The number as a port.
pub(super) fn port(number: i64) -> Outcome<u16> {
    let bad = |_| Ending::Inconclusive(format!("{number} is no port: there are 1 to {}", u16::MAX));
    let port = u16::try_from(number).map_err(bad)?;
    if port == 0 { Err(Ending::Inconclusive("0 is no port that can be connected to".to_owned())) } else { Ok(port) }
}

/// A map of Rhai's from names and values.
pub(super) fn map<const N: usize>(entries: [(&str, Dynamic); N]) -> Map {
    entries.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// Texts as an array of Rhai's.
pub(super) fn texts(values: impl IntoIterator<Item = String>) -> Dynamic {
    values.into_iter().map(Dynamic::from).collect::<Array>().into()
}
