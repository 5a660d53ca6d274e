//! How far a site's data has come, in its database's own terms, and how two such positions compare.

use std::collections::BTreeMap;
use std::fmt;

/// A position in a database's history of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// PostgreSQL: the timeline, which changes with every promotion, and the place in the write-ahead log.
    Lsn {
        /// The timeline.
        timeline: u32,
        /// The place, in bytes.
        lsn: u64,
    },
    /// MySQL: the transactions that were executed, as closed ranges of numbers by their source's UUID.
    Gtids(BTreeMap<String, Vec<(u64, u64)>>),
    /// MariaDB: the last transaction of every replication domain, as its server and its sequence number.
    DomainGtids(BTreeMap<u32, (u32, u64)>),
    /// Redis: the history, which changes with every promotion, and the place in it, in bytes.
    Offset {
        /// The replication id.
        history: String,
        /// The place.
        offset: u64,
    },
    /// Anything else, of which only whether it is the same can be told.
    Opaque(String),
}

/// How far a copy is from its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distance {
    /// It has all that the source has, and nothing more.
    Level,
    /// It has a beginning of what the source has.
    Behind {
        /// How much is missing.
        amount: u64,
        /// Of what.
        unit: &'static str,
    },
    /// It has all that the source has, and more.
    Ahead {
        /// How much more.
        amount: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Each has what the other has not, or nobody can say that it has not.
    Diverged {
        /// What shows it.
        why: String,
    },
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level => f.write_str("level"),
            Self::Behind { amount, unit } => write!(f, "{amount} {unit} behind"),
            Self::Ahead { amount, unit } => write!(f, "{amount} {unit} ahead"),
            Self::Diverged { why } => write!(f, "diverged: {why}"),
        }
    }
}

/// The positions of a site's databases, by the names that both sites give to what replicates from one to the other.
pub type Positions = BTreeMap<String, Position>;

impl Position {
    /// How far this copy is from that source.
    pub fn from_source(&self, source: &Self) -> Distance {
        let diverged = |why: String| Distance::Diverged { why };
        match (self, source) {
            (Self::Lsn { timeline, lsn }, Self::Lsn { timeline: its, lsn: there }) => {
                if timeline == its {
                    distance(*lsn, *there, "bytes")
                } else {
                    diverged(format!("timeline {timeline} here, and {its} at the source"))
                }
            }
            (Self::Offset { history, offset }, Self::Offset { history: its, offset: there }) => {
                if history == its {
                    distance(*offset, *there, "bytes")
                } else {
                    diverged("two histories: one of them was promoted".to_owned())
                }
            }
            (Self::Gtids(here), Self::Gtids(there)) => {
                let (missing, extra) = (beyond(there, here), beyond(here, there));
                by_transactions(missing, extra)
            }
            (Self::DomainGtids(here), Self::DomainGtids(there)) => {
                for (domain, (server, sequence)) in here {
                    if let Some((other, number)) = there.get(domain)
                        && sequence == number
                        && server != other
                    {
                        return diverged(format!("transaction {domain}-*-{sequence} was written on two servers"));
                    }
                }
                let past = |this: &BTreeMap<u32, (u32, u64)>, that: &BTreeMap<u32, (u32, u64)>| {
                    let more = this.iter().map(|(domain, (_, sequence))| {
                        sequence.saturating_sub(that.get(domain).map_or(0, |(_, number)| *number))
                    });
                    more.fold(0, u64::saturating_add)
                };
                by_transactions(past(there, here), past(here, there))
            }
            (Self::Opaque(here), Self::Opaque(there)) if here == there => Distance::Level,
            (here, there) => diverged(format!("'{here}' and '{there}' cannot be compared")),
        }
    }
}

fn distance(here: u64, there: u64, unit: &'static str) -> Distance {
    match here.cmp(&there) {
        std::cmp::Ordering::Equal => Distance::Level,
        std::cmp::Ordering::Less => Distance::Behind { amount: there - here, unit },
        std::cmp::Ordering::Greater => Distance::Ahead { amount: here - there, unit },
    }
}

fn by_transactions(missing: u64, extra: u64) -> Distance {
    let unit = "transactions";
    match (missing, extra) {
        (0, 0) => Distance::Level,
        (amount, 0) => Distance::Behind { amount, unit },
        (0, amount) => Distance::Ahead { amount, unit },
        (missing, extra) => {
            Distance::Diverged { why: format!("{extra} transactions only here, {missing} only at the source") }
        }
    }
}

/// How many transactions one set has that the other has not.
fn beyond(these: &BTreeMap<String, Vec<(u64, u64)>>, those: &BTreeMap<String, Vec<(u64, u64)>>) -> u64 {
    let mut count = 0_u64;
    for (source, ranges) in these {
        let others = those.get(source).map(Vec::as_slice).unwrap_or_default();
        for (from, to) in ranges {
            let all = to.saturating_sub(*from).saturating_add(1);
            let shared = others.iter().map(|(start, end)| {
                let (low, high) = ((*from).max(*start), (*to).min(*end));
                if low > high { 0 } else { high - low + 1 }
            });
            count = count.saturating_add(all.saturating_sub(shared.fold(0, u64::saturating_add)));
        }
    }
    count
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lsn { timeline, lsn } => {
                write!(f, "{:X}/{:08X} on timeline {timeline}", lsn >> 32, lsn & 0xFFFF_FFFF)
            }
            Self::Gtids(sets) => {
                let word =
                    |(from, to): &(u64, u64)| if from == to { from.to_string() } else { format!("{from}-{to}") };
                let sets = sets.iter().map(|(source, ranges)| {
                    let ranges: Vec<String> = ranges.iter().map(word).collect();
                    format!("{source}:{}", ranges.join(":"))
                });
                f.write_str(&sets.collect::<Vec<_>>().join(","))
            }
            Self::DomainGtids(domains) => {
                let last = domains.iter().map(|(domain, (server, number))| format!("{domain}-{server}-{number}"));
                f.write_str(&last.collect::<Vec<_>>().join(","))
            }
            Self::Offset { history, offset } => write!(f, "{offset} of {}", history.get(..8).unwrap_or(history)),
            Self::Opaque(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gtids(ranges: &[(&str, &[(u64, u64)])]) -> Position {
        Position::Gtids(ranges.iter().map(|(source, ranges)| ((*source).to_owned(), ranges.to_vec())).collect())
    }

    fn domains(last: &[(u32, u32, u64)]) -> Position {
        Position::DomainGtids(last.iter().map(|(domain, server, number)| (*domain, (*server, *number))).collect())
    }

    #[test]
    fn positions_of_one_history_are_level_behind_or_ahead_by_a_number() {
        let at = |lsn| Position::Lsn { timeline: 1, lsn };
        assert_eq!(at(7).from_source(&at(7)), Distance::Level);
        assert_eq!(at(7).from_source(&at(9)), Distance::Behind { amount: 2, unit: "bytes" });
        assert_eq!(at(9).from_source(&at(7)), Distance::Ahead { amount: 2, unit: "bytes" });
        let (some, more) = (gtids(&[("a", &[(1, 5)])]), gtids(&[("a", &[(1, 9)]), ("b", &[(3, 3)])]));
        assert_eq!(some.from_source(&more), Distance::Behind { amount: 5, unit: "transactions" });
        assert_eq!(more.from_source(&some), Distance::Ahead { amount: 5, unit: "transactions" });
        let (some, more) = (domains(&[(0, 1, 7)]), domains(&[(0, 1, 9), (2, 1, 1)]));
        assert_eq!(some.from_source(&more), Distance::Behind { amount: 3, unit: "transactions" });
        assert_eq!(some.from_source(&some), Distance::Level);
    }

    #[test]
    fn two_histories_have_diverged_and_so_has_what_cannot_be_compared() {
        let diverged =
            |here: Position, there: Position| matches!(here.from_source(&there), Distance::Diverged { .. });
        assert!(diverged(Position::Lsn { timeline: 2, lsn: 7 }, Position::Lsn { timeline: 1, lsn: 7 }));
        assert!(diverged(gtids(&[("a", &[(1, 5)])]), gtids(&[("b", &[(1, 5)])])));
        assert!(diverged(domains(&[(0, 1, 7)]), domains(&[(0, 2, 7)])));
        assert!(diverged(domains(&[(0, 1, 7), (1, 1, 1)]), domains(&[(0, 1, 8)])));
        assert!(diverged(Position::Opaque("a".into()), Position::Opaque("b".into())));
        assert!(diverged(Position::Opaque("a".into()), Position::Lsn { timeline: 1, lsn: 1 }));
        let offset = |history: &str| Position::Offset { history: history.to_owned(), offset: 3 };
        assert!(diverged(offset("a"), offset("b")));
        assert_eq!(offset("a").from_source(&offset("a")), Distance::Level);
    }

    #[test]
    fn positions_are_written_as_their_databases_write_them() {
        assert_eq!(Position::Lsn { timeline: 1, lsn: 0x0000_0001_0300_0148 }.to_string(), "1/03000148 on timeline 1");
        assert_eq!(gtids(&[("a", &[(1, 5), (7, 7)])]).to_string(), "a:1-5:7");
        assert_eq!(domains(&[(0, 1, 7), (2, 3, 4)]).to_string(), "0-1-7,2-3-4");
    }
}
