//! Reads a TOML file key by key. Every wrong value is reported with its place and reading goes on; when a table's
//! reader is dropped, every key that nobody asked for is reported as unknown. The list of known keys is therefore
//! never written down twice.
//!
//! It refuses to guess: a number is not a string, a string is not a list of one.

mod scalars;

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::rc::Rc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{At, Report, Source, Spot};
use super::values::{duration, human, nearest};

pub(super) use scalars::decimal;

/// A parsed file.
pub(super) struct Document<'i> {
    source: &'i Rc<Source>,
    table: DeTable<'i>,
}

impl<'i> Document<'i> {
    /// Parses a file. A file that is not TOML yields its syntax errors and no document: judging the rest of it would
    /// report keys as missing that are there.
    pub(super) fn parse(source: &'i Rc<Source>, report: &Report) -> Option<Self> {
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            report.error(&Spot::new(source, span), format!("not TOML: {}", error.message()));
        }
        if !errors.is_empty() {
            return None;
        }
        Some(Self { source, table: table.into_inner() })
    }

    /// Whether there is no key at all.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The beginning of the file.
    pub(super) fn start(&self) -> Spot {
        Spot::new(self.source, 0..0)
    }

    /// A reader of the top level.
    pub(super) fn reader<'a>(&'a self, report: &'a Report) -> Reader<'a> {
        Reader {
            report,
            source: self.source,
            table: &self.table,
            at: 0..0,
            path: String::new(),
            listed: false,
            open: false,
            asked: Vec::new(),
        }
    }
}

/// Reads one table.
pub(super) struct Reader<'a> {
    report: &'a Report,
    source: &'a Rc<Source>,
    table: &'a DeTable<'a>,
    at: Range<usize>,
    path: String,
    listed: bool,
    /// Any key is known: the keys are names.
    open: bool,
    asked: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    /// The table's header.
    pub(super) fn spot(&self) -> Spot {
        Spot::new(self.source, self.at.clone())
    }

    /// Whether the key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Says that a required key or table is not there, and what it looks like.
    pub(super) fn missing(&self, key: &str, example: &str) {
        self.report.error(&self.spot(), format!("{} has no '{key}': add {example}", self.label()));
    }

    /// A string that `parse` turns into a value, or nothing.
    pub(super) fn text<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<At<T>> {
        let value = self.look(key)?;
        self.parsed(key, value, &parse)
    }

    /// A string that must be there.
    pub(super) fn need<T, E: Display>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<At<T>> {
        match self.look(key) {
            Some(value) => self.parsed(key, value, &parse),
            None => {
                self.missing(key, &format!("{key} = {example}"));
                None
            }
        }
    }

    /// The name of a secret. What is not a name is not repeated, and its line not shown: it may be the secret itself.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<At<String>> {
        let value = self.look(key)?;
        self.secret_name(key, value)
    }

    /// The name of a secret that must be there.
    pub(super) fn need_secret(&mut self, key: &'static str, example: &str) -> Option<At<String>> {
        if !self.has(key) {
            self.missing(key, &format!("{key} = \"{example}\", the name of a secret"));
        }
        self.secret(key)
    }

    /// The names of secrets.
    pub(super) fn secret_list(&mut self, key: &'static str) -> Vec<At<String>> {
        let Some((items, _)) = self.array(key) else { return Vec::new() };
        items.iter().filter_map(|item| self.secret_name(key, item)).collect()
    }

    /// A list of strings that `parse` turns into values; absent when it is not there or not a list. Items that are
    /// wrong are reported and left out.
    pub(super) fn list<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<At<Vec<At<T>>>> {
        let (items, spot) = self.array(key)?;
        let value = items.iter().filter_map(|item| self.parsed(key, item, &parse)).collect();
        Some(At { value, spot })
    }

    /// A whole number in a range.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<At<u32>> {
        let value = self.look(key)?;
        let spot = self.spot_of(value);
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong(key, value, &format!("a whole number such as {}", 3.clamp(*range.start(), *range.end())));
            return None;
        };
        match u32::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| range.contains(number)) {
            Some(value) => Some(At { value, spot }),
            None => {
                let (low, high) = range.into_inner();
                self.report.error(&spot, format!("'{key}' must be between {low} and {high}, not {integer}"));
                None
            }
        }
    }

    /// A duration in a range.
    pub(super) fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Option<At<Duration>> {
        let value = self.look(key)?;
        if !value.get_ref().is_str() {
            self.wrong(key, value, "a duration in quotes, such as \"2s\" or \"500ms\"");
            return None;
        }
        let found = self.parsed(key, value, &duration)?;
        if range.contains(&found.value) {
            return Some(found);
        }
        let (low, high) = range.into_inner();
        self.report.error(
            &found.spot,
            format!("'{key}' must be between {} and {}, not {}", human(low), human(high), human(found.value)),
        );
        None
    }

    /// A table inside this one.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Reader<'a>> {
        let value = self.look(key)?;
        let reader = self.child(key, value);
        if reader.is_none() {
            self.wrong(key, value, &format!("a table: write [{}]", self.below(key)));
        }
        reader
    }

    /// A table inside this one that must be there.
    pub(super) fn need_section(&mut self, key: &'static str, keys: &str) -> Option<Reader<'a>> {
        if !self.has(key) {
            self.asked.push(key);
            self.missing(key, &format!("a table [{}] with {keys}", self.below(key)));
            return None;
        }
        self.section(key)
    }

    /// The tables of a list, in the order of the file.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Reader<'a>> {
        let Some(value) = self.look(key) else { return Vec::new() };
        let wanted = format!("a list of tables: write [[{}]] before each", self.below(key));
        let Some(items) = value.get_ref().as_array() else {
            self.wrong(key, value, &wanted);
            return Vec::new();
        };
        if items.is_empty() {
            self.report.error(&self.spot_of(value), format!("'{key}' is empty: it must be {wanted}"));
        }
        let mut readers = Vec::new();
        for item in items.iter() {
            match self.child(key, item) {
                Some(mut reader) => {
                    reader.listed = true;
                    readers.push(reader);
                }
                None => self.wrong(key, item, &wanted),
            }
        }
        readers
    }

    /// The tables of a table of tables, with the names that they go by.
    pub(super) fn named_sections(&mut self, key: &'static str) -> Vec<(At<String>, Reader<'a>)> {
        let Some(mut parent) = self.section(key) else { return Vec::new() };
        parent.open = true;
        let mut readers = Vec::new();
        for (name, value) in parent.table.iter() {
            match parent.child(name.get_ref(), value) {
                Some(reader) => {
                    let spot = Spot::new(self.source, name.span());
                    readers.push((At { value: name.get_ref().to_string(), spot }, reader));
                }
                None => {
                    parent.wrong(
                        name.get_ref(),
                        value,
                        &format!("a table: write [{}]", parent.below(name.get_ref())),
                    );
                }
            }
        }
        readers
    }

    /// Every key of this table with its string, for tables whose keys the reader does not know beforehand. A value of
    /// another type has been reported, and is absent.
    pub(super) fn strings(mut self) -> Vec<(At<String>, Option<At<String>>)> {
        self.open = true;
        let mut strings = Vec::new();
        for (key, value) in self.table.iter() {
            let text = value.get_ref().as_str();
            if text.is_none() {
                self.wrong(key.get_ref(), value, "a string in quotes");
            }
            strings.push((
                At { value: key.get_ref().to_string(), spot: Spot::new(self.source, key.span()) },
                text.map(|text| At { value: text.to_owned(), spot: self.spot_of(value) }),
            ));
        }
        strings
    }

    /// Takes every key as known: what stands here, nobody can judge.
    pub(super) fn unjudged(&mut self) {
        self.open = true;
    }

    fn look(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.table.get(key)
    }

    fn array(&mut self, key: &'static str) -> Option<(&'a [Spanned<DeValue<'a>>], Spot)> {
        let value = self.look(key)?;
        match value.get_ref() {
            DeValue::Array(items) => Some((items, self.spot_of(value))),
            _ => {
                self.wrong(key, value, "a list of strings, such as [\"one\", \"two\"]");
                None
            }
        }
    }

    fn parsed<T, E: Display>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        parse: &impl Fn(&str) -> Result<T, E>,
    ) -> Option<At<T>> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(key, value, "a string in quotes");
            return None;
        };
        let spot = self.spot_of(value);
        match parse(text) {
            Ok(value) => Some(At { value, spot }),
            Err(error) => {
                self.report.error(&spot, format!("'{key}': {error}"));
                None
            }
        }
    }

    fn secret_name(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
        let spot = self.spot_of(value).hidden();
        let name = value.get_ref().as_str().filter(|text| super::values::is_name(text));
        if name.is_none() {
            self.report.error(
                &spot,
                format!(
                    "'{key}' must be the name of a secret, in lower-case letters, digits and inner hyphens: write the \
                     value into the file of secrets, and its name here"
                ),
            );
        }
        Some(At { value: name?.to_owned(), spot: self.spot_of(value) })
    }

    fn child(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Reader<'a>> {
        let table = value.get_ref().as_table()?;
        Some(Reader {
            report: self.report,
            source: self.source,
            table,
            at: value.span(),
            path: self.below(key),
            listed: false,
            open: false,
            asked: Vec::new(),
        })
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.report.error(&self.spot_of(value), format!("'{key}' must be {wanted}, not {found}"));
    }

    fn spot_of(&self, value: &Spanned<DeValue<'_>>) -> Spot {
        Spot::new(self.source, value.span())
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn label(&self) -> String {
        match (self.path.as_str(), self.listed) {
            ("", _) => "the file".to_owned(),
            (path, true) => format!("[[{path}]]"),
            (path, false) => format!("[{path}]"),
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if self.open {
            return;
        }
        for (key, _) in self.table.iter() {
            let word = key.get_ref().as_ref();
            if self.asked.contains(&word) {
                continue;
            }
            let known = self.asked.iter().copied();
            let way_out = match nearest(word, known.clone()) {
                Some(known) => format!("did you mean '{known}'?"),
                None => {
                    let mut known: Vec<&str> = known.collect();
                    known.sort_unstable();
                    known.dedup();
                    format!("known here: {}", known.join(", "))
                }
            };
            let spot = Spot::new(self.source, key.span());
            self.report.error(&spot, format!("unknown key '{word}' in {}; {way_out}", self.label()));
        }
    }
}
