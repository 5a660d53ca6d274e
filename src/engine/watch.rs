//! What the last look at the names themselves has shown (S20), and from when on a look counts: one that began before something was
//! written shows what was, and not what is.

use crate::domain::Moment;
use crate::domain::drift::Drift;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watch {
    drift: Option<Drift>,
    settled: Moment,
    /// The stores that are not known to hold the flag's token, each with why.
    behind: Vec<String>,
}

impl Watch {
    /// What is known to differ, and what could not be told; none before the first look that counts.
    pub(super) fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// The stores that are not known to hold the flag's token.
    pub(super) fn behind(&self) -> &[String] {
        &self.behind
    }

    /// These are not known to hold it, and all others are.
    pub(super) fn left_behind(&mut self, behind: Vec<String>) {
        self.behind = behind;
    }

    /// Something was, or may have been, written.
    pub(super) fn wrote(&mut self, now: Moment) {
        self.settled = now;
    }

    /// The service is about to be moved: what differed is no longer of interest.
    pub(super) fn forget(&mut self, now: Moment) {
        (self.drift, self.settled) = (None, now);
    }

    /// Whether a look that began then counts.
    pub(super) fn counts(&self, began: Moment) -> bool {
        began >= self.settled
    }

    /// Takes what a look has come to; returns what is to be said, when it is news. Where nothing differs and something could not be
    /// told, what differed before may still differ.
    pub(super) fn take(&mut self, mut drift: Drift) -> Option<String> {
        let before = self.drift.take();
        if let Some(before) = &before
            && drift.differences.is_empty()
            && !drift.unknown.is_empty()
        {
            drift.differences.clone_from(&before.differences);
        }
        let (was, is) = (before.as_ref().and_then(Drift::line), drift.line());
        self.drift = Some(drift);
        match (was, is) {
            (was, Some(is)) if was.as_ref() != Some(&is) => Some(is),
            (Some(_), None) => Some("everything is as it should be again".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::drift::Difference;

    fn drift(differs: bool, unknown: bool) -> Drift {
        let difference =
            Difference { code: "answer", at: "a".to_owned(), what: "it differs".to_owned(), diff: Vec::new() };
        Drift {
            differences: if differs { vec![difference] } else { Vec::new() },
            unknown: if unknown { vec!["a store is away".to_owned()] } else { Vec::new() },
        }
    }

    #[test]
    fn a_difference_stays_until_a_look_that_has_seen_everything_shows_none() {
        let mut watch = Watch::default();
        assert_eq!(watch.take(drift(false, true)), None, "unknown is no difference");
        assert!(watch.take(drift(true, false)).is_some());
        assert_eq!(watch.take(drift(true, false)), None, "it is told once");
        assert_eq!(watch.take(drift(false, true)), None);
        assert!(watch.drift().is_some_and(|drift| drift.line().is_some()), "unknown does not end it");
        assert!(watch.take(drift(false, false)).is_some_and(|text| text.contains("again")));
    }

    #[test]
    fn a_look_that_began_before_a_write_does_not_count() {
        let mut watch = Watch::default();
        watch.wrote(Moment::from_ms(5_000));
        assert!(!watch.counts(Moment::from_ms(4_999)) && watch.counts(Moment::from_ms(5_000)));
    }
}
