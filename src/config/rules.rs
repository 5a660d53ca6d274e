//! One policy's file: its keys, their ranges, and what belongs together. What is not in the file is as in the preset
//! `default`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::advice::advice;
use super::problem::{At, Report, Spot};
use super::reader::{Document, Reader};
use super::values::{filled, human};
use crate::domain::{Budget, Burn, Burst, Cusum, Detector, Policy, PolicyError, PolicyValues};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

const DAY: u64 = 86_400;

/// The range of `interval`: faster than this is a load test, slower is no health check.
const INTERVAL: RangeInclusive<Duration> = ms(500)..=s(600);
/// The range of `timeout`: no login takes less, and nobody waits longer for one.
const TIMEOUT: RangeInclusive<Duration> = ms(100)..=s(300);
/// The range of `burst_interval`: at 5 vantages and 200 ms a site gets 25 logins a second, which is a load already.
const BURST_INTERVAL: RangeInclusive<Duration> = ms(200)..=s(60);
/// The range of `burst_at_most`: shorter ends before a half-failing login is decided at its 99th percentile of 45 s.
const BURST_AT_MOST: RangeInclusive<Duration> = s(60)..=s(3600);
/// The range of `burst_then`.
const BURST_THEN: RangeInclusive<Duration> = ms(200)..=s(600);
/// The range of `normal_failures`, in thousandths: none at all would make one failure prove everything.
const NORMAL_FAILURES: RangeInclusive<u32> = 1..=500;
/// The range of `broken_failures`, in thousandths: at 1 a single pass would prove everything.
const BROKEN_FAILURES: RangeInclusive<u32> = 10..=999;
/// The range of `threshold`, in thousandths: there are e^threshold probes between two false alarms at the least, 3 of
/// them at 1 and more than there ever were at 50.
const THRESHOLD: RangeInclusive<u32> = 1_000..=50_000;
/// The range of `ceiling`, in thousandths: at twice the largest threshold, forgetting takes as long as learning did.
const CEILING: RangeInclusive<u32> = 1_000..=100_000;
/// The range of what counts observations in a row.
const IN_A_ROW: RangeInclusive<u32> = 1..=100;
/// The range of `fresh_for`.
const FRESH_FOR: RangeInclusive<Duration> = s(1)..=s(3600);
/// The range of `warm_up`: a thousand probes of five seconds are more than an hour without a vote.
const WARM_UP: RangeInclusive<u32> = 0..=1_000;
/// The range of `settle`: whoever needs more than a day freezes the service.
const SETTLE: RangeInclusive<Duration> = Duration::ZERO..=s(DAY);
/// The range of what counts vantages and clouds.
const VOTES: RangeInclusive<u32> = 1..=99;
/// The range of `need`.
const NEED: RangeInclusive<u32> = 1..=100;
/// The range of `confirm`; zero acts as soon as there is a quorum.
const CONFIRM: RangeInclusive<Duration> = Duration::ZERO..=s(3600);
/// The range of `burn_failures`, in thousandths: below a twentieth it is the noise of a healthy site.
const BURN_FAILURES: RangeInclusive<u32> = 50..=1_000;
/// The range of `burn_window`: from six probes at rest, and fewer are no mean.
const BURN_WINDOW: RangeInclusive<Duration> = s(30)..=s(3600);
/// The range of `recovered_after`.
const RECOVERED_AFTER: RangeInclusive<Duration> = Duration::ZERO..=s(DAY);
/// The range of `cool_down`: after a month nobody remembers what it was for.
const COOL_DOWN: RangeInclusive<Duration> = Duration::ZERO..=s(30 * DAY);
/// The range of `budget`: no automatic move at all is a freeze, or `approval`.
const BUDGET: RangeInclusive<u32> = 1..=1_000;
/// The range of `budget_window`.
const BUDGET_WINDOW: RangeInclusive<Duration> = s(60)..=s(30 * DAY);
/// The range of `max_lag`: replication cannot be measured more finely than its heartbeat of one second.
const MAX_LAG: RangeInclusive<Duration> = s(1)..=s(DAY);
/// The range of `failback_after`: after a day, a primary that is up is up.
const FAILBACK_AFTER: RangeInclusive<Duration> = Duration::ZERO..=s(DAY);
/// `down_after` where it belongs and is not there.
const DOWN_AFTER: u32 = 3;

/// The keys that only one kind of detector, or a switch that is on, gives a meaning.
const OF_CUSUM: [&str; 4] = ["normal_failures", "broken_failures", "threshold", "ceiling"];
const OF_BURST: [&str; 3] = ["burst_interval", "burst_at_most", "burst_then"];
const OF_BURN: [&str; 2] = ["burn_failures", "burn_window"];

/// What a policy's file says.
pub(super) struct Rules {
    /// The policy.
    pub(super) policy: Policy,
    /// For people who choose one.
    pub(super) description: Option<String>,
    advice: Vec<(Spot, String)>,
}

impl Rules {
    /// Says what is legal but unwise.
    pub(super) fn advise(&self, report: &Report) {
        for (spot, message) in &self.advice {
            report.warn(spot, message.clone());
        }
    }
}

/// Reads one policy; every problem of it is reported.
pub(super) fn read(name: &str, document: &Document<'_>, report: &Report) -> Option<Rules> {
    let mut keys = Keys { file: document.reader(report), report, whole: true };
    let description = keys.file.text("description", filled).map(|text| text.value);
    let values = keys.values();
    if !keys.whole {
        // with a default in place of a value that is wrong, numbers would not fit that nobody wrote
        return None;
    }
    let start = document.start();
    match Policy::new(name, values) {
        Ok(policy) => {
            let at = |key: &str| keys.file.spot_at(key).unwrap_or_else(|| start.clone());
            let advice = advice(&policy).into_iter().map(|(key, message)| (at(key), message)).collect();
            Some(Rules { policy, description, advice })
        }
        Err(errors) => {
            for error in errors {
                keys.misfit(&error, &start);
            }
            None
        }
    }
}

struct Keys<'a> {
    file: Reader<'a>,
    report: &'a Report,
    /// Whether every value that is there could be used.
    whole: bool,
}

impl Keys<'_> {
    /// Every key is asked for in any case, so that a key which does not belong is not taken for a misspelt one.
    fn values(&mut self) -> PolicyValues {
        let default = PolicyValues::default();
        let votes = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        PolicyValues {
            interval: self.duration("interval", INTERVAL, default.interval),
            timeout: self.duration("timeout", TIMEOUT, default.timeout),
            burst: self.burst(),
            detector: self.detector(),
            up_after: self.number("up_after", IN_A_ROW, default.up_after),
            fresh_for: self.duration("fresh_for", FRESH_FOR, default.fresh_for),
            warm_up: self.number("warm_up", WARM_UP, default.warm_up),
            settle: self.seconds("settle", SETTLE, default.settle),
            quorum: votes(self.number("quorum", VOTES, small(default.quorum))),
            clouds: votes(self.number("clouds", VOTES, small(default.clouds))),
            need: {
                let found = self.file.needed("need", NEED);
                self.or("need", found, default.need)
            },
            confirm: self.duration("confirm", CONFIRM, default.confirm),
            burn: self.burn(),
            recovered_after: self.duration("recovered_after", RECOVERED_AFTER, default.recovered_after),
            approval: self.flag("approval", default.approval),
            cool_down: self.seconds("cool_down", COOL_DOWN, default.cool_down),
            budget: Budget {
                moves: votes(self.number("budget", BUDGET, small(default.budget.moves))),
                per: self.seconds("budget_window", BUDGET_WINDOW, default.budget.per),
            },
            max_lag: {
                let found = self.file.seconds("max_lag", MAX_LAG);
                let found = found.map(|at| At { value: Some(at.value), spot: at.spot });
                self.or("max_lag", found, default.max_lag)
            },
            failback_after: self.seconds("failback_after", FAILBACK_AFTER, default.failback_after),
        }
    }

    fn burst(&mut self) -> Option<Burst> {
        let default = PolicyValues::default().burst.unwrap_or(Burst { interval: s(1), at_most: s(600), then: s(2) });
        let on = self.flag("burst", true);
        let burst = Burst {
            interval: self.duration("burst_interval", BURST_INTERVAL, default.interval),
            at_most: self.seconds("burst_at_most", BURST_AT_MOST, default.at_most),
            then: self.duration("burst_then", BURST_THEN, default.then),
        };
        if !on {
            self.refuse(&OF_BURST, "says how a burst goes, and burst = false: remove one of the two");
        }
        on.then_some(burst)
    }

    fn burn(&mut self) -> Option<Burn> {
        let default = Burn::default();
        let on = self.flag("burn", true);
        let burn = Burn {
            ratio: self.thousandths("burn_failures", BURN_FAILURES, default.ratio),
            window: self.seconds("burn_window", BURN_WINDOW, default.window),
        };
        if !on {
            self.refuse(&OF_BURN, "belongs to the burn lane, and burn = false: remove one of the two");
        }
        on.then_some(burn)
    }

    fn detector(&mut self) -> Detector {
        let consecutive = self.file.text("detector", |text| match text {
            "cusum" => Ok(false),
            "consecutive" => Ok(true),
            other => Err(format!("the detector '{other}' is not known: write \"cusum\" or \"consecutive\"")),
        });
        let misspelt = consecutive.is_none() && self.file.has("detector");
        let consecutive = self.or("detector", consecutive, false);
        let default = Cusum::default();
        let cusum = Cusum {
            normal: self.thousandths("normal_failures", NORMAL_FAILURES, default.normal),
            broken: self.thousandths("broken_failures", BROKEN_FAILURES, default.broken),
            threshold: self.thousandths("threshold", THRESHOLD, default.threshold),
            ceiling: self.thousandths("ceiling", CEILING, default.ceiling),
        };
        let down_after = self.number("down_after", IN_A_ROW, DOWN_AFTER);
        if misspelt {
            return Detector::Cusum(cusum);
        }
        if consecutive {
            self.refuse(
                &OF_CUSUM,
                "belongs to detector = \"cusum\", and this policy counts in a row: remove it, or let the detector be \
                 \"cusum\"",
            );
            return Detector::Consecutive { down_after };
        }
        self.refuse(
            &["down_after"],
            "counts in a row and belongs to detector = \"consecutive\": add that, or remove down_after and let the \
             detector \"cusum\" count, which one pass in between does not start over",
        );
        Detector::Cusum(cusum)
    }

    /// Refuses the keys of those that are there.
    fn refuse(&mut self, keys: &[&str], why: &str) {
        for key in keys {
            if let Some(spot) = self.file.spot_at(key) {
                self.whole = false;
                self.report.error(&spot, format!("'{key}' {why}"));
            }
        }
    }

    /// Reports numbers that do not fit each other: at the key that is meant, or at the one that made it so. A default
    /// that takes part is named, for it is not in the file.
    fn misfit(&self, error: &PolicyError, start: &Spot) {
        let default = PolicyValues::default();
        let burst = default.burst.map(|burst| burst.interval).unwrap_or_default();
        let cusum = Cusum::default();
        let [normal, broken, threshold, ceiling] =
            [cusum.normal, cusum.broken, cusum.threshold, cusum.ceiling].map(super::reader::decimal);
        let (interval, timeout) = (human(default.interval), human(default.timeout));
        let involved: Vec<(&str, String)> = match error {
            PolicyError::IntervalShorterThanTimeout => vec![("interval", interval), ("timeout", timeout)],
            PolicyError::Zero(key) => vec![(key, String::new())],
            PolicyError::StaleBetweenProbes => {
                vec![("fresh_for", human(default.fresh_for)), ("interval", interval), ("timeout", timeout)]
            }
            PolicyError::MoreCloudsThanVotes => {
                vec![("clouds", default.clouds.to_string()), ("quorum", default.quorum.to_string())]
            }
            PolicyError::BurstSlowerThanRest => vec![("burst_interval", human(burst)), ("interval", interval)],
            PolicyError::BurstGrows => {
                let then = default.burst.map(|burst| burst.then).unwrap_or_default();
                vec![("burst_then", human(then)), ("burst_interval", human(burst))]
            }
            PolicyError::RatesCross => vec![("normal_failures", normal), ("broken_failures", broken)],
            PolicyError::CeilingBelowThreshold => vec![("ceiling", ceiling), ("threshold", threshold)],
        };
        let spot = involved.iter().find_map(|(key, _)| self.file.spot_at(key)).unwrap_or_else(|| start.clone());
        let absent = involved.iter().filter(|(key, _)| !self.file.has(key));
        let absent: Vec<String> = absent.map(|(key, value)| format!("{key} = {value}")).collect();
        let defaults = if absent.is_empty() { String::new() } else { format!(" (by default {})", absent.join(", ")) };
        self.report.error(&spot, format!("{error}{defaults}"));
    }

    /// What was found, or else the default; a value that was there and could not be used makes the policy unusable.
    fn or<T>(&mut self, key: &str, found: Option<At<T>>, default: T) -> T {
        match found {
            Some(found) => found.value,
            None => {
                self.whole &= !self.file.has(key);
                default
            }
        }
    }

    fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let found = self.file.flag(key);
        self.or(key, found, default)
    }

    fn number(&mut self, key: &'static str, range: RangeInclusive<u32>, default: u32) -> u32 {
        let found = self.file.integer(key, range);
        self.or(key, found, default)
    }

    fn thousandths(&mut self, key: &'static str, range: RangeInclusive<u32>, default: u32) -> u32 {
        let found = self.file.thousandths(key, range);
        self.or(key, found, default)
    }

    fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>, default: Duration) -> Duration {
        let found = self.file.duration(key, range);
        self.or(key, found, default)
    }

    fn seconds(&mut self, key: &'static str, range: RangeInclusive<Duration>, default: Duration) -> Duration {
        let found = self.file.seconds(key, range);
        self.or(key, found, default)
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
