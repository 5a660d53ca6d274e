//! Policies: files of numbers, read when a service names them, each once.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::problem::{At, Problem, Report, Severity, Source, Spot, tidy};
use super::reader::{Document, Reader};
use super::values::{filled, nearest};
use crate::domain::{Policy, PolicyValues};

/// The policy of a service that names none.
pub(super) const DEFAULT_POLICY: &str = "default";

/// The range of `interval`: faster than this is a load test, slower is no health check.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(600);
/// The range of `timeout`.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(300);
/// The range of `fresh_for`.
const FRESH_FOR: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// The range of `confirm`; zero acts as soon as there is a quorum.
const CONFIRM: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
/// The range of what counts vantages and clouds.
const VOTES: RangeInclusive<u32> = 1..=99;
/// The range of what counts observations in a row.
const IN_A_ROW: RangeInclusive<u32> = 1..=100;

/// The policies of one folder.
pub(super) struct Policies {
    folder: PathBuf,
    read: BTreeMap<String, Option<Policy>>,
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

    /// The policy with that name; its problems are reported once, a missing file wherever it is named.
    pub(super) fn get(&mut self, name: &str, named_at: &Spot, report: &Report) -> Option<Policy> {
        if let Some(known) = self.read.get(name) {
            return known.clone();
        }
        let path = self.folder.join(format!("{name}.toml"));
        let policy = match Source::read(&path, false) {
            Ok(source) => Document::parse(&source, report).and_then(|document| read(name, &document, report)),
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
        self.read.insert(name.to_owned(), policy.clone());
        policy
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

fn read(name: &str, document: &Document<'_>, report: &Report) -> Option<Policy> {
    let mut file = document.reader(report);
    // for people who choose a policy
    file.text("description", filled);
    let interval = need_duration(&mut file, "interval", "\"5s\"", INTERVAL);
    let timeout = need_duration(&mut file, "timeout", "\"5s\"", TIMEOUT);
    let quorum = need_number(&mut file, "quorum", "3", VOTES);
    let clouds = need_number(&mut file, "clouds", "2", VOTES);
    let down_after = need_number(&mut file, "down_after", "3", IN_A_ROW);
    let up_after = need_number(&mut file, "up_after", "3", IN_A_ROW);
    let fresh_for = need_duration(&mut file, "fresh_for", "\"15s\"", FRESH_FOR);
    let confirm = need_duration(&mut file, "confirm", "\"25s\"", CONFIRM);
    drop(file);
    let (interval, timeout, quorum, clouds) = (interval?, timeout?, quorum?, clouds?);
    let (down_after, up_after, fresh_for, confirm) = (down_after?, up_after?, fresh_for?, confirm?);
    let spot_of = |key: &str| match key {
        "interval" => interval.spot.clone(),
        "timeout" => timeout.spot.clone(),
        "quorum" => quorum.spot.clone(),
        "clouds" => clouds.spot.clone(),
        "down_after" => down_after.spot.clone(),
        "up_after" => up_after.spot.clone(),
        "fresh_for" => fresh_for.spot.clone(),
        _ => document.start(),
    };
    let values = PolicyValues {
        interval: interval.value,
        timeout: timeout.value,
        quorum: count(&quorum),
        clouds: count(&clouds),
        up_after: up_after.value,
        fresh_for: fresh_for.value,
        confirm: confirm.value,
        ..PolicyValues::counting(down_after.value)
    };
    match Policy::new(name, values) {
        Ok(policy) => Some(policy),
        Err(errors) => {
            for error in errors {
                report.error(&spot_of(error.key()), error.to_string());
            }
            None
        }
    }
}

fn count(number: &At<u32>) -> usize {
    usize::try_from(number.value).unwrap_or(usize::MAX)
}

fn need_duration(
    file: &mut Reader<'_>,
    key: &'static str,
    example: &str,
    range: RangeInclusive<Duration>,
) -> Option<At<Duration>> {
    if !file.has(key) {
        file.missing(key, &format!("{key} = {example}"));
    }
    file.duration(key, range)
}

fn need_number(
    file: &mut Reader<'_>,
    key: &'static str,
    example: &str,
    range: RangeInclusive<u32>,
) -> Option<At<u32>> {
    if !file.has(key) {
        file.missing(key, &format!("{key} = {example}"));
    }
    file.integer(key, range)
}
