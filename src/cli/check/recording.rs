//! A recording on disk: which check was run, with what, how it ended, and every answer that it got.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::adapters::script::Tape;
use crate::domain::{Outcome, ProbeReport, Role, Secret, Secrets};

/// The version of the file.
const VERSION: u8 = 1;

/// The file; secrets are in it by name only.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recording {
    v: u8,
    /// The script, from the file's own folder.
    script: PathBuf,
    role: String,
    params: BTreeMap<String, String>,
    secrets: Vec<String>,
    reach: Vec<String>,
    /// How the check ended, and must end again.
    outcome: String,
    kind: Option<String>,
    failed_step: Option<String>,
    answers: serde_json::Value,
}

/// What a recorded run was given.
pub(super) struct Given<'a> {
    pub(super) script: &'a Path,
    pub(super) role: Role,
    pub(super) params: &'a BTreeMap<String, String>,
    pub(super) secrets: &'a Secrets,
    pub(super) reach: &'a [String],
}

impl Recording {
    /// Writes a run down.
    pub(super) fn write(file: &Path, given: &Given<'_>, report: &ProbeReport, tape: &Tape) -> Result<(), String> {
        let failed =
            |error: &dyn std::fmt::Display| format!("the recording {} cannot be written: {error}", file.display());
        let script = from_folder_of(file, given.script).map_err(|error| failed(&error))?;
        let plain = |text: &String| given.secrets.redact(text);
        let recording = Self {
            v: VERSION,
            script,
            role: given.role.as_str().to_owned(),
            params: given.params.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
            secrets: given.secrets.names().map(str::to_owned).collect(),
            reach: given.reach.to_vec(),
            outcome: report.outcome.as_str().to_owned(),
            kind: report.kind.map(|kind| kind.as_str().to_owned()),
            failed_step: report.failed_step.clone(),
            answers: serde_json::from_str(&tape.to_json()).map_err(|error| failed(&error))?,
        };
        let text = serde_json::to_string_pretty(&recording).map_err(|error| failed(&error))?;
        std::fs::write(file, text + "\n").map_err(|error| failed(&error))
    }

    /// Reads one.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        let recording: Self = serde_json::from_str(&text).map_err(|error| format!("it is no recording: {error}"))?;
        if recording.v == VERSION {
            Ok(recording)
        } else {
            Err(format!("it is a recording of version {}, and {VERSION} is read here: record it again", recording.v))
        }
    }

    pub(super) fn script(&self, file: &Path) -> PathBuf {
        file.parent().unwrap_or(Path::new("")).join(&self.script)
    }

    pub(super) fn role(&self) -> Result<Role, String> {
        Role::parse(&self.role).ok_or_else(|| format!("there is no role '{}'", self.role))
    }

    pub(super) fn params(&self) -> &BTreeMap<String, String> {
        &self.params
    }

    /// The secrets' names with values that stand for them; nothing that is played needs the real ones.
    pub(super) fn secrets(&self) -> Secrets {
        self.secrets.iter().map(|name| (name.clone(), Secret::new(format!("recorded-{name}")))).collect()
    }

    pub(super) fn reach(&self) -> &[String] {
        &self.reach
    }

    pub(super) fn tape(&self) -> Result<Tape, String> {
        Tape::from_json(&self.answers.to_string())
    }

    /// What differs from the recorded end; nothing if it ended so again.
    pub(super) fn differs(&self, report: &ProbeReport) -> Option<String> {
        let say = |outcome: &str, kind: Option<&str>, step: Option<&str>| {
            let kind = kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
            let step = step.map(|step| format!(" in '{step}'")).unwrap_or_default();
            format!("{outcome}{kind}{step}")
        };
        let kind = report.kind.map(|kind| kind.as_str());
        let before = say(&self.outcome, self.kind.as_deref(), self.failed_step.as_deref());
        let now = say(report.outcome.as_str(), kind, report.failed_step.as_deref());
        let reason = report.reason.as_deref().filter(|_| report.outcome != Outcome::Pass);
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        (before != now).then(|| format!("it ended with {before} when it was recorded, and with {now} now{reason}"))
    }
}

/// The script's path as seen from the folder of the recording.
fn from_folder_of(file: &Path, script: &Path) -> std::io::Result<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (folder, script) = (folder.canonicalize()?, script.canonicalize()?);
    let common = folder.components().zip(script.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(common).map(|_| Path::new(".."));
    Ok(up.map(Path::as_os_str).chain(script.components().skip(common).map(|part| part.as_os_str())).collect())
}
