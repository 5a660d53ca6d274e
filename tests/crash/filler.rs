//! A process that appends until its disk is full, and one that appends until it is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use quorate::adapters::sqlite::SqliteStore;
use quorate::domain::{Class, Epoch, JournalEntry, PortError};
use quorate::ports::{JournalStore, LeaseStore};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::holder::{AT, fence, frozen, runtime, shop};

/// The first argument of the process whose disk is full.
pub(crate) const FULL: &str = "full";
/// The first argument of the process that appends until it is killed.
pub(crate) const ENDLESS: &str = "endless";

/// How large each of its files may get.
const ROOM_BYTES: u64 = 1_500_000;
/// How often the endless one is killed, each time after so many more acknowledged appends.
const KILLS: usize = 8;

async fn led(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).unwrap();
    let epoch = store.acquire().await.unwrap();
    store.claim(Epoch::new(epoch.get() + 1)).await.unwrap();
    store
}

/// Two entries, which are there both or not at all.
async fn pair(store: &SqliteStore, last: &mut Option<u64>, name: &str) -> Result<(), PortError> {
    let epoch = store.acquire().await?.get();
    let pair = [frozen(&format!("{name}-a{}", "x".repeat(3_000))), frozen(&format!("{name}-b"))];
    let records = store.append(&fence(epoch), *last, AT, &shop(), &pair, &[]).await?;
    *last = records.last().map(|record| record.id);
    // Said once it is acknowledged, and before the next one.
    println!("{name}");
    std::io::stdout().flush().unwrap();
    Ok(())
}

/// Which pairs are in the journal. Half a pair is an error.
async fn pairs(store: &SqliteStore) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for two in store.load().await.map_err(|error| error.to_string())?.chunks(2) {
        let names: Vec<&str> = two
            .iter()
            .filter_map(|record| match &record.entry {
                JournalEntry::Frozen { by, .. } => by.split_once('-').map(|(name, _)| name),
                _ => None,
            })
            .collect();
        match names[..] {
            [first, second] if first == second => found.push(first.to_owned()),
            _ => return Err(format!("half a pair: {names:?}")),
        }
    }
    Ok(found)
}

/// Appends until its files cannot grow, tries some more, gets room and goes on; says what was acknowledged.
pub(crate) fn full(path: &Path) -> ExitCode {
    runtime().block_on(async {
        let store = led(path).await;
        let before = getrlimit(Resource::Fsize);
        setrlimit(Resource::Fsize, Rlimit { current: Some(ROOM_BYTES), maximum: before.maximum }).unwrap();
        let (mut last, mut refused) = (None, 0);
        for number in 0.. {
            if let Err(error) = pair(&store, &mut last, &number.to_string()).await {
                eprintln!("{error}");
                assert_eq!(error.class, Class::Retry, "{error}");
                refused += 1;
            }
            if refused == 5 {
                break;
            }
        }
        setrlimit(Resource::Fsize, before).unwrap();
        pair(&store, &mut last, "room").await.unwrap();
        println!("end");
    });
    ExitCode::SUCCESS
}

/// A full disk: SIGXFSZ, which would end the process, is ignored by the shell that starts it, and stays so.
pub(crate) fn check_full() -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quorate.db");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    let ran = command.arg(FULL).arg(&path).output().unwrap();
    let (said, why) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let mut acknowledged: Vec<&str> = said.lines().collect();
    if !ran.status.success() || acknowledged.pop() != Some("end") {
        return Err(format!("{}: {said}\n{why}", ran.status));
    }
    if why.lines().count() != 5 || acknowledged.len() < 20 || !why.contains("quorate.db") {
        return Err(format!("no full disk was seen: {said}\n{why}"));
    }
    runtime().block_on(async {
        let store = SqliteStore::open(&path).map_err(|error| error.to_string())?;
        let found = pairs(&store).await?;
        if found == acknowledged { Ok(()) } else { Err(format!("{found:?} instead of {acknowledged:?}\n{why}")) }
    })
}

/// Appends for ever.
pub(crate) fn endless(path: &Path) -> ExitCode {
    runtime().block_on(async {
        let store = led(path).await;
        let mut last = store.recent(&shop(), 1).await.unwrap().last().map(|record| record.id);
        for number in last.unwrap_or(0).. {
            pair(&store, &mut last, &number.to_string()).await.unwrap();
        }
    });
    ExitCode::FAILURE
}

/// Killed in the middle of it, again and again.
pub(crate) fn check_killed() -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quorate.db");
    let mut acknowledged: Vec<String> = Vec::new();
    for kill in 0..KILLS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(ENDLESS).arg(&path).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let before = acknowledged.len();
        acknowledged.extend(lines.by_ref().take(5 + kill).map(Result::unwrap));
        child.kill().unwrap();
        child.wait().unwrap();
        if acknowledged.len() == before {
            return Err(format!("kill {kill}: it acknowledged nothing"));
        }
        // What it said before it died.
        acknowledged.extend(lines.map_while(Result::ok).filter(|line| !line.is_empty()));
        let found = runtime().block_on(async {
            let store = SqliteStore::open(&path).map_err(|error| error.to_string())?;
            pairs(&store).await
        })?;
        // One may be durable whose acknowledgement nobody heard.
        let heard = found.get(..acknowledged.len());
        if heard != Some(&acknowledged[..]) || found.len() > acknowledged.len() + 1 {
            return Err(format!("kill {kill}: {found:?}, and acknowledged were {acknowledged:?}"));
        }
        acknowledged = found;
    }
    Ok(())
}
