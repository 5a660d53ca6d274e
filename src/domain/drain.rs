//! How users' resolvers followed a name that was moved: the curve, who held on to the old answer, and what came through the name after.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Outcome, VantageName};

/// Why nobody looks any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrainEnd {
    /// All that answer lead to the new site.
    Moved,
    /// The old time to live and a browser's own have run out.
    TimeOut,
    /// The name was to be moved again.
    Overtaken,
}

impl DrainEnd {
    const ALL: [Self; 3] = [Self::Moved, Self::TimeOut, Self::Overtaken];

    /// The word used in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::TimeOut => "time-out",
            Self::Overtaken => "overtaken",
        }
    }

    /// The end that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.as_str() == word)
    }
}

impl fmt::Display for DrainEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How the resolvers moved, each counted at each vantage that asks it: a resolver's name may stand for a different machine in every region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Curve {
    moved: Vec<Duration>,
    old: usize,
    unknown: usize,
}

impl Curve {
    /// Of those that moved, each as long after the switch; so many that lead to the old site; and so many of which nothing is known, which
    /// count neither as the one nor as the other.
    pub fn new(mut moved: Vec<Duration>, old: usize, unknown: usize) -> Self {
        moved.sort_unstable();
        Self { moved, old, unknown }
    }

    /// When each of those that moved did, after the switch, in order.
    pub fn moved(&self) -> &[Duration] {
        &self.moved
    }

    /// How many lead to the old site.
    pub fn old(&self) -> usize {
        self.old
    }

    /// Of how many nothing is known.
    pub fn unknown(&self) -> usize {
        self.unknown
    }

    /// How many lead to one of the two sites.
    pub fn known(&self) -> usize {
        self.moved.len() + self.old
    }

    /// How long after the switch that share of the known ones, in hundredths, had moved. None where it has not, or nothing is known.
    pub fn reached(&self, hundredths: usize) -> Option<Duration> {
        let needed = (self.known() * hundredths.min(100)).div_ceil(100).max(1);
        self.moved.get(needed - 1).copied()
    }
}

/// A resolver that gives an answer for longer than the answer's time to live.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Straggler {
    /// Where it was asked.
    pub vantage: VantageName,
    /// Who it is.
    pub resolver: SocketAddr,
    /// When it moved, after the switch; none while it leads to the old site.
    pub moved: Option<Duration>,
    /// By how much it has stretched the time to live; where it has not moved, at the least.
    pub stretched: Duration,
    /// The longest remaining time to live that it gave with the old answer, in seconds, if that was longer than the record's own.
    pub said_ttl_s: Option<u32>,
}

impl fmt::Display for Straggler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vantage, resolver, moved, stretched, said_ttl_s } = self;
        let stretched = seconds(*stretched);
        match moved {
            Some(after) => {
                write!(
                    f,
                    "{resolver} at {vantage} moved after {}, {stretched} past the time to live",
                    seconds(*after)
                )?;
            }
            None => {
                write!(f, "{resolver} at {vantage} still gives the old answer, {stretched} past its time to live")?
            }
        }
        match said_ttl_s {
            Some(ttl) => write!(f, " (it said {ttl} s)"),
            None => Ok(()),
        }
    }
}

/// What a vantage got through the public name: its worst check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicWord {
    /// The vantage.
    pub vantage: VantageName,
    /// How its checks ended, the worst of them; none where none has ended since its resolvers moved.
    pub outcome: Option<Outcome>,
    /// Why, where it is no pass.
    pub why: Option<String>,
}

/// What is known of a move's drain; once it has ended, for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainRecord {
    /// Why it has ended.
    pub end: DrainEnd,
    /// The time to live that had to run out.
    pub ttl: Duration,
    /// How the resolvers moved.
    pub curve: Curve,
    /// Who holds on to old answers, or did.
    pub stragglers: Vec<Straggler>,
    /// What came through the public name, by vantage.
    pub public: Vec<PublicWord>,
}

impl DrainRecord {
    /// The curve in a few words: "50 % after 3 s, 90 % after 28 s, all after 31 s".
    pub fn times(&self) -> String {
        curve_in_words(&self.curve)
    }

    /// "5 of 5 vantages pass", or none where no vantage was to run anything.
    pub fn public_in_words(&self) -> Option<String> {
        public_in_words(&self.public)
    }
}

impl fmt::Display for DrainRecord {
    /// All of it in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (moved, known) = (self.curve.moved().len(), self.curve.known());
        write!(f, "{moved} of {known} resolvers moved ({})", self.times())?;
        if self.curve.unknown() > 0 {
            write!(f, ", {} unknown", self.curve.unknown())?;
        }
        match self.end {
            DrainEnd::Moved | DrainEnd::TimeOut => {}
            DrainEnd::Overtaken => f.write_str(", until the name was to be moved again")?,
        }
        for straggler in &self.stragglers {
            write!(f, "; {straggler}")?;
        }
        if let Some(public) = self.public_in_words() {
            write!(f, "; through the public name {public}")?;
        }
        Ok(())
    }
}

/// "50 % after 3 s, 90 % after 28 s, all after 31 s", as far as it has got.
pub fn curve_in_words(curve: &Curve) -> String {
    let marks = [(50, "50 %"), (90, "90 %"), (100, "all")].map(|(share, word)| match curve.reached(share) {
        Some(after) => format!("{word} after {}", seconds(after)),
        None => format!("{word} not yet"),
    });
    marks.join(", ")
}

/// "5 of 5 vantages pass", with what fails; none where there is no vantage.
pub fn public_in_words(words: &[PublicWord]) -> Option<String> {
    if words.is_empty() {
        return None;
    }
    let passed = words.iter().filter(|word| word.outcome == Some(Outcome::Pass)).count();
    let verb = if words.len() == 1 { "vantage passes" } else { "vantages pass" };
    let mut text = format!("{passed} of {} {verb}", words.len());
    for PublicWord { vantage, outcome, why } in words {
        match outcome {
            Some(Outcome::Pass) => {}
            Some(outcome) => {
                let why = why.as_deref().unwrap_or("no reason given");
                text = format!("{text}; {vantage}: {outcome}: {why}");
            }
            None => text = format!("{text}; {vantage}: no word yet"),
        }
    }
    Some(text)
}

/// A time with a tenth of a second where it is short.
fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{:.0} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(moved: &[u64], old: usize, unknown: usize) -> Curve {
        Curve::new(moved.iter().map(|secs| Duration::from_secs(*secs)).collect(), old, unknown)
    }

    fn reached(curve: &Curve) -> [Option<u64>; 3] {
        [50, 90, 100].map(|share| curve.reached(share).map(|after| after.as_secs()))
    }

    #[test]
    fn shares_are_of_those_that_are_known() {
        let table = [
            (curve(&[], 0, 0), [None, None, None]),
            (curve(&[], 0, 5), [None, None, None]),
            (curve(&[], 3, 0), [None, None, None]),
            (curve(&[7], 0, 9), [Some(7), Some(7), Some(7)]),
            (curve(&[7], 1, 0), [Some(7), None, None]),
            (curve(&[9, 1], 0, 0), [Some(1), Some(9), Some(9)]),
            (curve(&[3, 2, 1], 1, 0), [Some(2), None, None]),
            (curve(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 1, 4), [Some(5), Some(9), None]),
            (curve(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 60], 0, 0), [Some(5), Some(9), Some(60)]),
        ];
        for (curve, wanted) in table {
            assert_eq!(reached(&curve), wanted, "{curve:?}");
        }
    }

    #[test]
    fn a_record_is_told_in_one_line() {
        let vantage = |name: &str| VantageName::new(name).unwrap();
        let straggler = Straggler {
            vantage: vantage("aws-1"),
            resolver: "192.0.2.53:53".parse().unwrap(),
            moved: None,
            stretched: Duration::from_secs(60),
            said_ttl_s: Some(3600),
        };
        let pass = PublicWord { vantage: vantage("aws-1"), outcome: Some(Outcome::Pass), why: None };
        let fail = PublicWord { vantage: vantage("gcp-1"), outcome: Some(Outcome::Fail), why: Some("503".into()) };
        let none = PublicWord { vantage: vantage("ibm-1"), outcome: None, why: None };
        let record = DrainRecord {
            end: DrainEnd::TimeOut,
            ttl: Duration::from_secs(30),
            curve: Curve::new(vec![Duration::from_millis(2_400), Duration::from_secs(31)], 1, 2),
            stragglers: vec![straggler],
            public: vec![pass, fail, none],
        };
        assert_eq!(
            record.to_string(),
            "2 of 3 resolvers moved (50 % after 31 s, 90 % not yet, all not yet), 2 unknown; 192.0.2.53:53 at aws-1 still gives the \
             old answer, 60 s past its time to live (it said 3600 s); through the public name 1 of 3 vantages pass; gcp-1: fail: 503; \
             ibm-1: no word yet"
        );
    }
}
