//! What the two sites' data say of each other while the standby serves: before the way back, a person must know what it would lose.

use std::fmt;
use std::time::Duration;

use super::{Distance, PlanDigest, Positions};

/// What became of a write that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteProbe {
    /// The site said, in so many words, that it is read-only.
    Refused {
        /// What it said, in one line.
        how: String,
    },
    /// The site took the write.
    Accepted {
        /// What it said, in one line.
        how: String,
    },
}

/// How far the standby's data is behind, and what that is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LagReading {
    /// How far, in time: as of when the primary was last heard of.
    pub behind: Duration,
    /// How long ago that was. What the primary has written since, nobody knows.
    pub heard: Duration,
    /// What was read, in words: amounts and positions. May be empty.
    pub text: String,
}

impl LagReading {
    /// From when on the primary's silence is worth a word.
    const SILENCE: Duration = Duration::from_secs(3);

    /// A site's own word of this moment.
    pub fn now(behind: Duration) -> Self {
        Self { behind, heard: Duration::ZERO, text: String::new() }
    }
}

impl fmt::Display for LagReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        write!(f, "{} behind", seconds(self.behind))?;
        if !self.text.is_empty() {
            write!(f, " ({})", self.text)?;
        }
        if self.heard >= Self::SILENCE {
            write!(f, ", as of {} ago: what the primary has written since, nobody knows", seconds(self.heard))?;
        }
        Ok(())
    }
}

/// What one look at both sites' positions has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The primary's, or why it is not known.
    pub primary: Look,
    /// The standby's, or why it is not known.
    pub standby: Look,
}

/// Positions of one site, or why there are none.
pub type Look = Result<Positions, String>;

/// One thing that a person must have seen before the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// A word for what it is, and of what: the digest is made of these, and not of numbers that grow while one reads.
    pub code: String,
    /// In words.
    pub text: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Comparison {
    /// What the positions show against the way back. `promoted` says that the standby takes, or took, writes.
    pub fn divergences(&self, promoted: bool) -> Vec<Divergence> {
        let found = |code: String, text: String| Divergence { code, text };
        let (primary, standby) = match (&self.primary, &self.standby) {
            (Ok(primary), Ok(standby)) => (primary, standby),
            (primary, standby) => {
                let unknown = |role: &str, look: &Look| {
                    let why = look.as_ref().err()?;
                    let text = format!("how far the {role}'s data has come is not known: {why}");
                    Some(found(format!("unknown {role}"), text))
                };
                return [unknown("primary", primary), unknown("standby", standby)].into_iter().flatten().collect();
            }
        };
        let mut divergences = Vec::new();
        let (mut compared, names) =
            (false, primary.keys().chain(standby.keys().filter(|name| !primary.contains_key(*name))));
        for name in names {
            let (Some(of_primary), Some(of_standby)) = (primary.get(name), standby.get(name)) else {
                let (has, lacks) =
                    if primary.contains_key(name) { ("primary", "standby") } else { ("standby", "primary") };
                let text =
                    format!("'{name}' has a position on the {has} and none on the {lacks}: nobody can compare them");
                divergences.push(found(format!("alone {name}"), text));
                continue;
            };
            compared = true;
            let (from, distance) = if promoted {
                ("the primary", of_primary.from_source(of_standby))
            } else {
                ("the standby", of_standby.from_source(of_primary))
            };
            let text = format!("{name}: {from} is {distance} (primary {of_primary}, standby {of_standby})");
            let code = match distance {
                Distance::Level => continue,
                Distance::Behind { .. } if !promoted => continue,
                Distance::Behind { .. } => "behind",
                Distance::Ahead { .. } => "ahead",
                Distance::Diverged { .. } => "diverged",
            };
            divergences.push(found(format!("{code} {name}"), text));
        }
        if promoted && !compared {
            let text = "the standby has taken writes, and nothing can tell whether the primary has them".to_owned();
            divergences.push(found("promoted".to_owned(), text));
        }
        divergences
    }

    /// The positions in words, a line for each name.
    pub fn lines(&self) -> Vec<String> {
        let words = |look: &Look, name: &str| match look {
            Ok(positions) => positions.get(name).map_or_else(|| "unknown".to_owned(), ToString::to_string),
            Err(_) => "unknown".to_owned(),
        };
        let mut names: Vec<&String> =
            [&self.primary, &self.standby].into_iter().flatten().flat_map(Positions::keys).collect();
        names.sort_unstable();
        names.dedup();
        let line = |name: &&String| {
            let (primary, standby) = (words(&self.primary, name), words(&self.standby, name));
            format!("{name}: primary {primary}, standby {standby}")
        };
        names.iter().map(line).collect()
    }
}

/// The digest of what a person acknowledges. None for nothing at all.
pub fn digest(divergences: &[Divergence]) -> Option<PlanDigest> {
    let codes: Vec<&str> = divergences.iter().map(|found| found.code.as_str()).collect();
    (!codes.is_empty()).then(|| PlanDigest::of(&codes.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Position;

    fn at(lsn: u64) -> Look {
        Ok([("db".to_owned(), Position::Lsn { timeline: 1, lsn })].into())
    }

    fn codes(primary: Look, standby: Look, promoted: bool) -> Vec<String> {
        let found = Comparison { primary, standby }.divergences(promoted);
        found.into_iter().map(|found| found.code).collect()
    }

    #[test]
    fn a_standby_that_was_never_promoted_may_be_behind_and_not_ahead() {
        assert!(codes(at(9), at(7), false).is_empty());
        assert!(codes(at(7), at(7), false).is_empty());
        assert_eq!(codes(at(7), at(9), false), ["ahead db"]);
    }

    #[test]
    fn after_a_promotion_the_primary_must_have_everything() {
        assert!(codes(at(7), at(7), true).is_empty());
        assert_eq!(codes(at(7), at(9), true), ["behind db"]);
        let fork = Ok([("db".to_owned(), Position::Lsn { timeline: 2, lsn: 9 })].into());
        assert_eq!(codes(at(7), fork, true), ["diverged db"]);
        assert_eq!(codes(Ok(Positions::new()), Ok(Positions::new()), true), ["promoted"]);
    }

    #[test]
    fn what_is_not_known_is_said_and_nothing_at_all_has_no_digest() {
        assert_eq!(codes(Err("down".into()), at(7), false), ["unknown primary"]);
        assert_eq!(codes(at(7), Ok(Positions::new()), false), ["alone db"]);
        assert!(codes(Ok(Positions::new()), Ok(Positions::new()), false).is_empty());
        assert_eq!(digest(&[]), None);
        let one = Comparison { primary: at(7), standby: at(9) }.divergences(true);
        let more = Comparison { primary: at(7), standby: at(10) }.divergences(true);
        assert_eq!(digest(&one), digest(&more), "numbers grow while one reads");
        assert_eq!(
            Comparison { primary: at(7), standby: Err("down".into()) }.lines(),
            ["db: primary 0/00000007 on timeline 1, standby unknown"]
        );
    }
}
