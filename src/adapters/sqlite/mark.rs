//! The mark beside the store, `<file>.mark`: how far the journal was when an append was last acknowledged.
//!
//! A write-ahead log that is lost, cut or damaged takes the newest commits with it, and SQLite sees a sound, older file. So does an older
//! copy that is put in the file's place. The mark is written after the commit and outside of the file, so that it never says more than
//! is durable, and a journal that has less than it says has lost what was acknowledged.
//!
//! It is a witness and no part of the store: one that is missing or cannot be read says nothing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::journal::Sum;
use crate::domain::Epoch;

/// What begins the line.
const WORD: &str = "quorate-mark-1";

/// How far the journal was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The epoch that was claimed last.
    pub(super) epoch: Epoch,
    /// How many entries there were.
    pub(super) entries: u64,
    /// The last one's sum.
    pub(super) sum: Sum,
}

/// Where a store's mark is.
pub(super) fn path(store: &Path) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(".mark");
    PathBuf::from(name)
}

/// What is marked, if that can be read.
pub(super) fn read(path: &Path) -> Option<Mark> {
    parse(&fs::read_to_string(path).ok()?)
}

/// Marks in place, in one write of always the same length, so that a full disk does not stop it. Not synced: what is lost with the power
/// is only a newer mark.
pub(super) fn write(path: &Path, mark: &Mark) -> io::Result<()> {
    File::options().create(true).truncate(false).write(true).open(path)?.write_all(text(mark).as_bytes())
}

fn text(mark: &Mark) -> String {
    let Mark { epoch, entries, sum } = mark;
    let said = format!("{WORD} epoch {:020} entries {entries:020} sum {}", epoch.get(), hex::encode(sum));
    format!("{said} {}\n", check(&said))
}

/// Tells a torn or changed line from a whole one.
fn check(said: &str) -> String {
    hex::encode(Sha256::digest(said).iter().take(8).copied().collect::<Vec<u8>>())
}

fn parse(text: &str) -> Option<Mark> {
    let (said, sum) = text.strip_suffix('\n')?.rsplit_once(' ')?;
    if check(said) != sum {
        return None;
    }
    let [WORD, "epoch", epoch, "entries", entries, "sum", sum] = said.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let sum = hex::decode(sum).ok()?.try_into().ok()?;
    Some(Mark { epoch: Epoch::new(epoch.parse().ok()?), entries: entries.parse().ok()?, sum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_as_it_was_written_and_a_changed_one_not_at_all() {
        let mark = Mark { epoch: Epoch::new(7), entries: 43, sum: [1, 2, 3, 4, 5, 6, 7, 255] };
        let whole = text(&mark);
        assert_eq!(parse(&whole), Some(mark));
        assert_eq!(whole.len(), text(&Mark { epoch: Epoch::new(u64::MAX), entries: 0, sum: [0; 8] }).len());
        for place in 0..whole.len() {
            let mut bytes = whole.clone().into_bytes();
            bytes[place] ^= 1;
            assert_eq!(String::from_utf8(bytes).ok().and_then(|text| parse(&text)), None, "byte {place}");
            assert_eq!(parse(&whole[..place]), None, "cut at {place}");
        }
    }
}
