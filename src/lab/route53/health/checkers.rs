//! The checkers of one health check, each with its own mind, and what they add up to.

use super::config::{Endpoint, REGIONS};

/// How many there are: two in each region. How many the real service has is not documented.
pub(super) const CHECKERS: usize = 16;
/// The endpoint is healthy while more than this share of the checkers say so ("this value might change in a future
/// release", the developer guide says).
const HEALTHY_PERCENT: usize = 18;

/// One result, and when.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) status: String,
    pub(super) at: String,
}

/// One checker.
#[derive(Debug, Clone)]
pub(super) struct Checker {
    pub(super) region: String,
    /// What it says. A new one says healthy: that is what a check is taken for until there is data.
    up: bool,
    /// Consecutive results that contradict it.
    contrary: u32,
    pub(super) last: Option<Seen>,
    pub(super) last_failure: Option<Seen>,
}

/// All checkers of one check.
#[derive(Debug, Clone)]
pub(super) struct Checkers(Vec<Checker>);

impl Checkers {
    /// New ones, spread over the regions of the endpoint.
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let regions: Vec<&str> = match endpoint.regions.as_slice() {
            [] => REGIONS.to_vec(),
            own => own.iter().map(String::as_str).collect(),
        };
        let checkers = regions.into_iter().cycle().take(CHECKERS).map(|region| Checker {
            region: region.to_owned(),
            up: true,
            contrary: 0,
            last: None,
            last_failure: None,
        });
        Self(checkers.collect())
    }

    /// The same minds in other regions.
    pub(super) fn moved(&self, endpoint: &Endpoint) -> Self {
        let moved = Self::of(endpoint).0.into_iter().zip(&self.0);
        Self(moved.map(|(new, old)| Checker { region: new.region, ..old.clone() }).collect())
    }

    /// Takes a result of one of them. It changes its mind after as many consecutive contrary ones as the threshold says.
    pub(super) fn observe(&mut self, checker: usize, threshold: u32, result: Result<String, String>, at: String) {
        let Some(checker) = self.0.get_mut(checker) else { return };
        let up = result.is_ok();
        checker.contrary = if up == checker.up { 0 } else { checker.contrary + 1 };
        if checker.contrary >= threshold {
            (checker.up, checker.contrary) = (up, 0);
        }
        let (Ok(status) | Err(status)) = result;
        let seen = Seen { status, at };
        if !up {
            checker.last_failure = Some(seen.clone());
        }
        checker.last = Some(seen);
    }

    /// How many say healthy.
    pub(super) fn healthy(&self) -> usize {
        self.0.iter().filter(|checker| checker.up).count()
    }

    /// Whether enough of them say healthy.
    pub(super) fn agree(&self) -> bool {
        self.healthy() * 100 > self.0.len() * HEALTHY_PERCENT
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Checker> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkers() -> Checkers {
        let checker = Checker { region: "r".to_owned(), up: true, contrary: 0, last: None, last_failure: None };
        Checkers(vec![checker; CHECKERS])
    }

    fn say(checkers: &mut Checkers, checker: usize, up: bool) {
        let result = if up { Ok("Success".to_owned()) } else { Err("Failure".to_owned()) };
        checkers.observe(checker, 2, result, "now".to_owned());
    }

    #[test]
    fn three_of_sixteen_are_more_than_18_percent_and_two_are_not() {
        let mut checkers = checkers();
        for gone in 0..CHECKERS {
            assert_eq!(checkers.agree(), CHECKERS - gone >= 3, "{gone} gone");
            say(&mut checkers, gone, false);
            say(&mut checkers, gone, false);
        }
        assert_eq!((checkers.healthy(), checkers.agree()), (0, false));
    }

    #[test]
    fn a_checker_changes_its_mind_after_consecutive_results_only_in_both_directions() {
        let mut checkers = checkers();
        for (up, healthy) in [(false, 16), (true, 16), (false, 16), (false, 15), (true, 15), (false, 15), (true, 15)]
        {
            say(&mut checkers, 0, up);
            assert_eq!(checkers.healthy(), healthy);
        }
        say(&mut checkers, 0, true);
        assert_eq!(checkers.healthy(), 16);
        assert!(checkers.iter().next().is_some_and(|checker| checker.last_failure.is_some()));
    }
}
