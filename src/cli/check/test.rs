//! `quorate check test`: recorded runs again, without a network.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use url::Url;

use super::given;
use super::recording::Recording;
use crate::adapters::script::Mode;
use crate::cli::exit::Failure;
use crate::ports::{ProbeRequest, Resolution};

/// The version of the `--json` object.
const JSON_VERSION: u8 = 1;
/// How long a recorded check may take: it waits for nobody.
const DEADLINE: Duration = Duration::from_secs(30);

/// Run checks against recorded answers, without a network.
///
/// Each recording (`quorate check run --record FILE`) is played to the script that it names, which must end as it did. What a query or
/// a body holds may differ; where and how the script asks may not.
///
/// Exit codes: 0 all ended as recorded, 1 one did not, 64 bad usage or a bad file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Recordings, or folders with them (*.json).
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    recording: String,
    ok: bool,
    problem: Option<String>,
}

#[derive(Serialize)]
struct Data<'a> {
    v: u8,
    recordings: &'a [Row],
}

/// Plays all of them.
pub(super) async fn run(args: &Args) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for file in files(&args.paths)? {
        let problem = play(&file).await.err();
        rows.push(Row { recording: file.display().to_string(), ok: problem.is_none(), problem });
    }
    // A reader that has gone away is no reason for another answer.
    drop(print(args, &rows));
    if rows.iter().all(|row| row.ok) { Ok(()) } else { Err(Failure::no()) }
}

async fn play(file: &Path) -> Result<(), String> {
    let recording = Recording::read(file)?;
    let tape = recording.tape()?;
    let target = Url::parse(tape.target()).map_err(|error| error.to_string())?;
    let reach = recording.reach().to_vec();
    let script = recording.script(file);
    let ready = given::ready(&script, recording.params().clone(), recording.secrets(), reach)?;
    let request = ProbeRequest {
        check: ready.check,
        target,
        role: recording.role()?,
        vantage: None,
        deadline: DEADLINE,
        resolution: Resolution::System,
    };
    let mode = Mode { play: Some(Arc::new(tape)), ..Mode::default() };
    let run = ready.runner.run_as(&request, mode).await;
    recording.differs(&run.report).map_or(Ok(()), Err)
}

/// The recordings, in the order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |path: &Path, error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
            files.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|error| unreadable(path, error))? {
            let file = entry.map_err(|error| unreadable(path, error))?.path();
            found.extend(Some(file).filter(|file| file.extension().is_some_and(|ending| ending == "json")));
        }
        found.sort();
        files.extend(found);
    }
    if files.is_empty() {
        return Err(Failure::usage(
            "there is no recording (*.json): make one with `quorate check run … --record FILE`",
        ));
    }
    Ok(files)
}

fn print(args: &Args, rows: &[Row]) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &Data { v: JSON_VERSION, recordings: rows })?;
        return writeln!(out);
    }
    for row in rows {
        let (style, mark) = if row.ok { (AnsiColor::Green, '✓') } else { (AnsiColor::Red, '✗') };
        let style = style.on_default();
        writeln!(out, "  {style}{mark}{style:#} {}", row.recording)?;
        if let Some(problem) = &row.problem {
            writeln!(out, "    {style}{problem}{style:#}")?;
        }
    }
    let (good, bold) = (rows.iter().filter(|row| row.ok).count(), Style::new().bold());
    writeln!(out, "\n{bold}{good} of {} ended as recorded{bold:#}", rows.len())
}
