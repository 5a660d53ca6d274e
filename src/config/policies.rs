//! Policies: files of numbers, read when a service names them, each once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::problem::{Problem, Report, Severity, Source, Spot, tidy};
use super::reader::Document;
use super::rules::{self, Rules};
use super::values::nearest;
use crate::domain::Policy;

/// The policy of a service that names none.
pub(super) const DEFAULT_POLICY: &str = "default";

/// The policies of one folder.
pub(super) struct Policies {
    folder: PathBuf,
    read: BTreeMap<String, Option<Rules>>,
}

impl Policies {
    /// The policies of that folder, none of them read yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, read: BTreeMap::new() }
    }

    /// The file of a policy, as a person would type it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        tidy(&self.folder.join(format!("{name}.toml")))
    }

    /// The policy with that name; its problems are reported once, a missing file wherever it is named. With `advise`,
    /// so is what is unwise in it.
    pub(super) fn get(&mut self, name: &str, named_at: &Spot, advise: bool, report: &Report) -> Option<Policy> {
        if !self.read.contains_key(name) {
            let path = self.folder.join(format!("{name}.toml"));
            let rules = match Source::read(&path, false) {
                Ok(source) => {
                    Document::parse(&source, report).and_then(|document| rules::read(name, &document, report))
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    report.error(named_at, self.missing(name, &path));
                    // not remembered: every service that names it should be told
                    return None;
                }
                Err(error) => {
                    let message = format!("the policy cannot be read: {error}");
                    report.push(Problem::in_file(Severity::Error, &tidy(&path), message));
                    None
                }
            };
            self.read.insert(name.to_owned(), rules);
        }
        let rules = self.read.get(name)?.as_ref()?;
        if advise {
            rules.advise(report);
        }
        Some(rules.policy.clone())
    }

    fn missing(&self, name: &str, path: &Path) -> String {
        let mut there: Vec<String> = std::fs::read_dir(&self.folder)
            .map(|entries| {
                let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
                names.filter_map(|file| file.strip_suffix(".toml").map(str::to_owned)).collect()
            })
            .unwrap_or_default();
        there.sort_unstable();
        let folder = tidy(&self.folder);
        let way_out = match nearest(name, there.iter().map(String::as_str)) {
            Some(near) => format!("{} has {}; did you mean '{near}'?", folder.display(), there.join(", ")),
            None if !self.folder.is_dir() => {
                format!("the folder {} does not exist either: 'policies' at the top names it", folder.display())
            }
            None if there.is_empty() => format!("{} has no policies at all", folder.display()),
            None => format!("{} has {}", folder.display(), there.join(", ")),
        };
        format!("there is no policy '{name}' ({} does not exist): {way_out}", tidy(path).display())
    }
}
