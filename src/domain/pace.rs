//! How often a controller wishes services to be probed: what it publishes, and agents follow within their own limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::ServiceName;

/// Which word of which controller. Marks are compared for equality alone: a controller that was restarted counts from 1 again, under
/// another `run`, and nobody waits for its count to catch up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PaceMark {
    /// The controller's own random number for this run of it.
    pub run: u64,
    /// Counts the changes of this run, from 0.
    pub revision: u64,
}

/// What a controller wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Which word this is.
    pub mark: PaceMark,
    /// How often the sites of these services should be probed. Those that are not in it are at rest.
    pub every: BTreeMap<ServiceName, Duration>,
    /// The services whose names were just moved: what resolvers answer for them should be looked at closely.
    pub draining: BTreeSet<ServiceName>,
}

impl PaceMark {
    /// Reads a mark; none when the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (run, revision) = text.split_once('.')?;
        let hex = run.len() == 16 && run.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let digits = !revision.is_empty() && revision.bytes().all(|b| b.is_ascii_digit());
        if !(hex && digits) {
            return None;
        }
        Some(Self { run: u64::from_str_radix(run, 16).ok()?, revision: revision.parse().ok()? })
    }
}

impl fmt::Display for PaceMark {
    /// The run in 16 hexadecimal digits, a full stop, the revision.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}", self.run, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_as_it_was_written_and_nothing_else_is_one() {
        let mark = PaceMark { run: 255, revision: 7 };
        assert_eq!(mark.to_string(), "00000000000000ff.7");
        assert_eq!(PaceMark::parse("00000000000000ff.7"), Some(mark));
        let largest = PaceMark { run: u64::MAX, revision: u64::MAX };
        assert_eq!(PaceMark::parse(&largest.to_string()), Some(largest));
        for text in
            ["", ".", "ff.7", "00000000000000ff", "00000000000000ff.", "00000000000000FF.7", "00000000000000ff.+7"]
        {
            assert_eq!(PaceMark::parse(text), None, "{text}");
        }
        assert_eq!(PaceMark::parse("00000000000000ff.18446744073709551616"), None);
    }
}
