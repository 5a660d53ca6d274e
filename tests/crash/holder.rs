//! A killed process leaves the lease, and all that the store acknowledged to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use quorate::adapters::sqlite::SqliteStore;
use quorate::domain::{Authority, Class, Epoch, Fence, JournalEntry, Level, Moment, Notice, ServiceName, WallTime};
use quorate::ports::{Delivery, JournalStore, LeaseStore, Outbox};

/// The first argument of the process that is killed.
pub(crate) const MODE: &str = "holder";

pub(crate) const AT: WallTime = WallTime::from_ms(1_800_000_000_000);
const APPENDS: usize = 20;

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn fence(epoch: u64) -> Fence {
    Authority::new(Epoch::new(epoch), None).fence(Moment::default()).unwrap()
}

pub(crate) fn shop() -> ServiceName {
    ServiceName::new("shop").unwrap()
}

pub(crate) fn frozen(by: &str) -> JournalEntry {
    JournalEntry::Frozen { by: by.to_owned(), reason: "audit".to_owned() }
}

/// Leads, records, says so and waits to be killed.
pub(crate) fn main(path: &Path) -> ExitCode {
    runtime().block_on(async {
        let store = SqliteStore::open(path).unwrap();
        store.acquire().await.unwrap();
        store.claim(Epoch::new(1)).await.unwrap();
        let mut last = None;
        for key in (0..APPENDS).map(|number| number.to_string()) {
            let notice =
                Notice { key: key.clone(), service: shop(), level: Level::Loud, text: "the shop is down".to_owned() };
            let delivery = Delivery { notice, recipient: "slack:loud".to_owned() };
            let records = store.append(&fence(1), last, AT, &shop(), &[frozen(&key)], &[delivery]).await.unwrap();
            last = records.last().map(|record| record.id);
        }
        println!("holding");
        // Until killed, or until the outside is gone.
        let _ = std::io::stdin().read_line(&mut String::new());
        drop(store);
    });
    ExitCode::FAILURE
}

/// The case.
pub(crate) fn check() -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quorate.db");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(MODE).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    runtime().block_on(async {
        let store = SqliteStore::open(&path).unwrap();
        let beside = store.acquire().await.map_err(|error| error.class);
        child.kill().unwrap();
        child.wait().unwrap();
        let after = store.acquire().await.map_err(|error| error.class);
        let kept = (store.load().await.unwrap().len(), store.pending(100).await.unwrap().len());
        store.claim(Epoch::new(2)).await.unwrap();
        let stale = store.append(&fence(1), Some(APPENDS as u64), AT, &shop(), &[frozen("x")], &[]).await;
        let stale = stale.map_err(|error| error.class).err();
        let seen = (said.trim(), beside, after, kept, stale);
        let right = ("holding", Err(Class::Refused), Ok(Epoch::new(1)), (APPENDS, APPENDS), Some(Class::Fenced));
        if seen == right { Ok(()) } else { Err(format!("{seen:?} instead of {right:?}")) }
    })
}
