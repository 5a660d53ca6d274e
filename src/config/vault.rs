//! The secrets of a configuration: a file of `name = "value"`, and the environment, which overrides it.
//!
//! It never prints a value, nor a line of the file. The file may be absent when the environment has every secret that
//! is named.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::problem::{At, Problem, Report, Severity, Source, tidy};
use super::reader::Document;
use super::values::{is_name, nearest};
use super::{Environment, Purpose};
use crate::domain::{Secret, Secrets};

/// What became of the file.
enum File {
    /// Read, with the place of every name; a value that cannot be used has been reported, and is absent.
    Read(BTreeMap<String, At<Option<Secret>>>),
    /// There is none.
    Absent,
    /// There is one that cannot be used, which has been reported: a secret may or may not be in it.
    Broken,
}

/// Secrets by name, and which of them were asked for.
pub(super) struct Vault<'a> {
    shown: PathBuf,
    file: File,
    environment: &'a Environment<'a>,
    purpose: Purpose<'a>,
    used: RefCell<BTreeMap<String, Secret>>,
    named: RefCell<BTreeSet<String>>,
}

/// The environment variable that overrides a secret.
pub(super) fn variable(name: &str) -> String {
    format!("QUORATE_SECRET_{}", name.to_ascii_uppercase().replace('-', "_"))
}

impl<'a> Vault<'a> {
    /// Reads the file, if there is one.
    pub(super) fn open(path: &Path, environment: &'a Environment<'a>, purpose: Purpose<'a>, report: &Report) -> Self {
        let shown = tidy(path);
        let file = match Source::read(path, true) {
            Ok(source) => match Document::parse(&source, report) {
                Some(document) => File::Read(Self::entries(&document, report)),
                None => File::Broken,
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => File::Absent,
            Err(error) => {
                let message = format!("the file of secrets cannot be read: {error}");
                report.push(Problem::in_file(Severity::Error, &shown, message));
                File::Broken
            }
        };
        Self { shown, file, environment, purpose, used: RefCell::default(), named: RefCell::default() }
    }

    fn entries(document: &Document<'_>, report: &Report) -> BTreeMap<String, At<Option<Secret>>> {
        let mut entries = BTreeMap::new();
        for (name, value) in document.reader(report).strings() {
            if !is_name(&name.value) {
                // the text is not repeated: name and value may have been exchanged
                report.error(
                    &name.spot,
                    "the name of a secret must be 1 to 63 lower-case letters, digits and inner hyphens",
                );
            }
            let secret = value.and_then(|value| {
                if value.value.is_empty() {
                    report.error(&value.spot, "a secret must not be empty: write its value, or remove the line");
                    return None;
                }
                Some(Secret::new(value.value))
            });
            entries.insert(name.value, At { value: secret, spot: name.spot });
        }
        entries
    }

    /// A secret that only a controller uses: nobody else looks for it.
    pub(super) fn of_controller(&self, name: &At<String>, report: &Report) -> Option<Secret> {
        match self.purpose {
            Purpose::Controller => self.get(name, report),
            Purpose::Agent(_) | Purpose::Tool => self.skip(name),
        }
    }

    /// Notes that a secret is named, and leaves it where it is.
    pub(super) fn skip(&self, name: &At<String>) -> Option<Secret> {
        self.named.borrow_mut().insert(name.value.clone());
        None
    }

    /// The secret that a key names. One that is nowhere is reported at that key.
    pub(super) fn get(&self, name: &At<String>, report: &Report) -> Option<Secret> {
        self.named.borrow_mut().insert(name.value.clone());
        let entry = match &self.file {
            File::Read(entries) => entries.get(&name.value),
            File::Absent | File::Broken => None,
        };
        let variable = variable(&name.value);
        let overriding = (self.environment)(&variable).filter(|value| !value.is_empty()).map(Secret::new);
        if let Some(secret) = overriding.or_else(|| entry?.value.clone()) {
            self.used.borrow_mut().insert(name.value.clone(), secret.clone());
            return Some(secret);
        }
        let looked = match &self.file {
            _ if entry.is_some() => return None,
            File::Broken => return None,
            File::Absent => "which does not exist",
            File::Read(_) => "which has none of that name",
        };
        let near = match &self.file {
            File::Read(entries) => nearest(&name.value, entries.keys().map(String::as_str)),
            File::Absent | File::Broken => None,
        };
        let did_you_mean = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        let file = self.shown.display();
        report.error(
            &name.spot,
            format!(
                "the secret '{}' is not there: looked in {file}, {looked}, and in the environment variable {variable}, \
                 which is not set{did_you_mean}",
                name.value
            ),
        );
        None
    }

    /// Warns of secrets in the file that nothing names.
    pub(super) fn lint(&self, report: &Report) {
        let File::Read(entries) = &self.file else { return };
        for (name, entry) in entries.iter().filter(|(name, _)| is_name(name) && !self.named.borrow().contains(*name))
        {
            report.warn(
                &entry.spot,
                format!("the secret '{name}' is not used: remove it, or name it where it belongs"),
            );
        }
    }

    /// Every secret of the file, which must be there, as the environment overrides it.
    pub(super) fn alone(&self, report: &Report) -> Secrets {
        match &self.file {
            File::Read(entries) => {
                for (name, entry) in entries.iter().filter(|(_, entry)| entry.value.is_some()) {
                    self.get(&At { value: name.clone(), spot: entry.spot.clone() }, report);
                }
            }
            File::Absent => {
                let message = "there is no such file of secrets";
                report.push(Problem::in_file(Severity::Error, &self.shown, message));
            }
            File::Broken => {}
        }
        self.all()
    }

    /// Every secret that is known, the environment's before the file's.
    pub(super) fn all(&self) -> Secrets {
        let mut all: BTreeMap<String, Secret> = match &self.file {
            File::Read(entries) => {
                entries.iter().filter_map(|(name, entry)| Some((name.clone(), entry.value.clone()?))).collect()
            }
            File::Absent | File::Broken => BTreeMap::new(),
        };
        all.append(&mut self.used.borrow_mut());
        all.into_iter().collect()
    }
}
