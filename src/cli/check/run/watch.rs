//! `--watch`: the check is run again whenever one of its files is saved.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anstyle::Style;

use super::{Args, once};
use crate::adapters::clock::SystemClock;
use crate::cli::{exit, life};
use crate::ports::Clock;

/// How often the files are looked at: often enough that nobody waits, too seldom to be noticed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The width of the line between two runs.
const RULE_COLUMNS: usize = 80;

/// What tells one saving of a file from another.
type Saved = Option<(SystemTime, u64)>;

/// Runs until Ctrl-C; the code is the last outcome's.
pub(super) async fn run(args: &Args) -> u8 {
    let mut code = exit::UNKNOWN_CODE;
    let told = life::signalled();
    tokio::pin!(told);
    loop {
        // Looked at before the run: what is saved while it lasts is run again.
        let before = look(args);
        tokio::select! {
            ended = once(args) => code = ended,
            () = &mut told => return code,
        }
        tokio::select! {
            () = saved_after(args, before) => {}
            () = &mut told => return code,
        }
        if !args.json {
            rule();
        }
    }
}

/// Waits until a file differs and all of them have been left alone for a moment: an editor may write in several goes,
/// or put a new file in the place of the old one.
async fn saved_after(args: &Args, before: BTreeMap<PathBuf, Saved>) {
    let mut last = before.clone();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = look(args);
        let there = now.get(&args.script).is_some_and(Option::is_some);
        if now != before && now == last && there {
            return;
        }
        last = now;
    }
}

fn look(args: &Args) -> BTreeMap<PathBuf, Saved> {
    let mut files = vec![args.script.clone()];
    files.extend(args.secrets.clone());
    let lib = args.script.parent().unwrap_or(Path::new("")).join("lib");
    let modules = std::fs::read_dir(lib).into_iter().flatten().flatten().map(|entry| entry.path());
    files.extend(modules.filter(|path| path.extension().is_some_and(|ending| ending == "rhai")));
    files.into_iter().map(|file| (file.clone(), saved(&file))).collect()
}

fn saved(file: &Path) -> Saved {
    let data = std::fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}

/// A line with the time, between two runs.
fn rule() {
    let wall = SystemClock::new().wall().to_string();
    let time = wall.get(11..19).unwrap_or(&wall);
    let lead = format!("── {time} UTC ");
    let rest = "─".repeat(RULE_COLUMNS.saturating_sub(lead.chars().count()));
    let dim = Style::new().dimmed();
    // A reader that has gone away has nothing to be told.
    let _ = writeln!(anstream::stdout(), "\n{dim}{lead}{rest}{dim:#}\n");
}
