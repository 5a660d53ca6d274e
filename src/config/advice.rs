//! What is legal but unwise in a policy, each with its reason and number. The numbers are simulated or derived, and
//! `docs/policies.md` says how.

use std::time::Duration;

use super::reader::decimal;
use super::values::human;
use crate::domain::{Cusum, Detector, PolicyValues};

/// How many of a thousand short outages that pass by themselves last longer than a decision with that `confirm`, in
/// seconds: simulated for outages of a log-normal length, median 6 s and sigma 1.2.
const OUTLASTING: [(u64, u64); 5] = [(8, 290), (12, 210), (20, 107), (25, 71), (30, 51)];
/// Below this, blips of 10 s to 20 s flip.
const CONFIRM_MIN: Duration = Duration::from_secs(20);
/// What a flip costs those who wait for it at the most: old answers that are still believed. Waiting about as long as
/// acting costs is at most twice as bad as knowing beforehand; waiting longer is not.
const CONFIRM_MAX: Duration = Duration::from_secs(120);
/// With an interval from here on, counting in a row takes minutes to see half of the logins failing.
const SLOW: Duration = Duration::from_secs(5);
/// So many moves within a budget's time are no budget any more.
const BUDGET_MAX: usize = 10;
/// In thousandths: a site that is well and fails more often than that needs repair, not a policy.
const NORMAL_MAX: u32 = 100;
/// Older data than this are no standby's for people who changed a password.
const LAG_MAX: Duration = Duration::from_secs(300);

/// Everything unwise in a policy, with the key that it is about.
pub(super) fn advice(values: &PolicyValues) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    found.extend(detection(values));
    found.extend(votes(values));
    found.extend(waiting(values));
    found.extend(limits(values));
    found
}

fn detection(values: &PolicyValues) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    match values.detector {
        Detector::Cusum(cusum) => {
            if values.burst.is_none() {
                let strikes = strikes(&cusum);
                let slow = human(values.interval.saturating_mul(strikes));
                found.push((
                    "burst",
                    format!(
                        "without a burst a vantage needs {strikes} probes, {slow}, to say \"down\" of a site that is \
                         gone, instead of {strikes} s: every decision comes that much later; leave burst = true"
                    ),
                ));
            }
            if cusum.normal > NORMAL_MAX {
                found.push((
                    "normal_failures",
                    format!(
                        "with normal_failures = {} and broken_failures = {}, a site at which fewer than {} of 100 \
                         logins fail is never seen as down (with 0.05 and 0.5: 22 of 100); have the failures repaired",
                        decimal(cusum.normal),
                        decimal(cusum.broken),
                        indifference(&cusum)
                    ),
                ));
            }
        }
        Detector::Consecutive { down_after } if values.interval >= SLOW => {
            // the mean wait for k in a row at one half is 2^(k+1) - 2 probes
            let probes = 1_u32.checked_shl(down_after.saturating_add(1)).map_or(u32::MAX, |power| power - 2);
            let wait = human(values.interval.saturating_mul(probes));
            found.push((
                "detector",
                format!(
                    "counting in a row misses logins of which half fail: one pass starts it over, so down_after \
                     {down_after} takes a vantage {probes} probes on average, {wait} at this interval, and a quorum \
                     hardly ever holds; \"cusum\" decides such a case in 45 s"
                ),
            ));
        }
        Detector::Consecutive { .. } => {}
    }
    if values.burn.is_none() {
        let message = "without the burn lane flapping is never seen: 20 s down and 20 s up starts 'confirm' over each \
                       time; with it that is decided after 91 s";
        found.push(("burn", message.to_owned()));
    }
    if values.warm_up == 0 {
        let message = "with warm_up = 0 an agent votes with its first probe, before its network has settled: agents \
                       that all restart can bring a healthy site down; 10 is advised";
        found.push(("warm_up", message.to_owned()));
    }
    found
}

fn votes(values: &PolicyValues) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if values.quorum == 1 {
        let message = "with quorum = 1 a single vantage moves everyone, and one has trouble of its own or on its path \
                       some 24 times a year; 3 of 5 is advised";
        found.push(("quorum", message.to_owned()));
    }
    if values.clouds == 1 {
        let message = "with clouds = 1 all votes may come from one cloud, whose own trouble then counts as the \
                       service's; 2 is advised";
        found.push(("clouds", message.to_owned()));
    }
    found
}

fn waiting(values: &PolicyValues) -> Vec<(&'static str, String)> {
    let confirm = human(values.confirm);
    let mut found = Vec::new();
    if values.confirm < CONFIRM_MIN {
        let share = outlasting(values.confirm);
        let message = if values.approval {
            format!(
                "with confirm = {confirm} people are asked to approve moves for {share} of 100 short outages that pass \
                 by themselves, most of them before anyone can answer; 25s asks for 7 of 100"
            )
        } else {
            format!(
                "with confirm = {confirm} a blip of 10s to 20s flips: {share} of 100 short outages that pass by \
                 themselves outlast it; 25s is outlasted by 7 of 100"
            )
        };
        found.push((if values.approval { "approval" } else { "confirm" }, message));
    }
    if values.confirm > CONFIRM_MAX {
        let message = format!(
            "confirm = {confirm} waits longer than a flip costs, which is 60s to 120s of old answers: what is saved by \
             waiting is less than what is lost; 45s is outlasted by 2 of 100 short outages"
        );
        found.push(("confirm", message));
    }
    if values.settle.is_zero() {
        let message = "with settle = \"0s\" a script that was changed a second ago, or agents that have just been \
                       restarted, may move everyone; 10m is advised";
        found.push(("settle", message.to_owned()));
    }
    found
}

fn limits(values: &PolicyValues) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if values.cool_down.is_zero() {
        let message = "with cool_down = \"0s\" a fault that comes and goes moves everyone each time; 1h is advised";
        found.push(("cool_down", message.to_owned()));
    }
    if values.budget.moves > BUDGET_MAX {
        let message = format!(
            "budget = {} in {} is no limit: a fault that so many moves have not cured is a person's to look at; 2 in \
             24h is advised",
            values.budget.moves,
            human(values.budget.per)
        );
        found.push(("budget", message));
    }
    if let Some(lag) = values.max_lag.filter(|lag| *lag > LAG_MAX) {
        let message = format!(
            "max_lag = {} lets people log in with passwords and revocations as they were that long ago; 30s is advised",
            human(lag)
        );
        found.push(("max_lag", message));
    }
    found
}

/// Failures in a row that reach the threshold from rest.
fn strikes(cusum: &Cusum) -> u32 {
    let failure = u32::try_from(cusum.failure()).unwrap_or(1).max(1);
    cusum.threshold.saturating_mul(1_000).div_ceil(failure)
}

/// The percentage of failures at which the sum stands still: below it the sum falls.
fn indifference(cusum: &Cusum) -> i32 {
    let (failure, pass) = (cusum.failure().max(1), cusum.pass().max(1));
    i32::try_from((i64::from(pass) * 100 + i64::from(failure + pass) / 2) / i64::from(failure + pass)).unwrap_or(100)
}

/// The percentage of short outages that outlast a decision, in words.
fn outlasting(confirm: Duration) -> String {
    let at = u64::try_from(confirm.as_millis()).unwrap_or(u64::MAX);
    let percent = |permille: u64| (permille + 5) / 10;
    let (first, most) = OUTLASTING[0];
    if at < first * 1_000 {
        return format!("more than {}", percent(most));
    }
    for pair in OUTLASTING.windows(2) {
        if let [(from, more), (to, less)] = pair
            && at <= to * 1_000
        {
            let part = (more - less) * (at - from * 1_000) / ((to - from) * 1_000);
            return format!("about {}", percent(more - part));
        }
    }
    "few".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_is_not_unwise() {
        assert_eq!(advice(&PolicyValues::default()), []);
    }

    #[test]
    fn numbers_of_the_texts_are_those_of_the_derivation() {
        assert_eq!((strikes(&Cusum::default()), indifference(&Cusum::default())), (3, 22));
        let at = |seconds| outlasting(Duration::from_secs(seconds));
        assert_eq!(
            [at(0), at(8), at(10), at(12), at(19)],
            ["more than 29", "about 29", "about 25", "about 21", "about 12"]
        );
    }

    #[test]
    fn a_quorum_of_one_is_unwise_even_where_no_placement_refuses_it() {
        let values = PolicyValues { quorum: 1, clouds: 1, ..PolicyValues::default() };
        let keys: Vec<&str> = advice(&values).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["quorum", "clouds"]);
    }

    #[test]
    fn counting_in_a_row_is_unwise_where_probes_are_far_apart_and_its_wait_never_overflows() {
        let keys = |values: &PolicyValues| advice(values).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        let mut values =
            PolicyValues { detector: Detector::Consecutive { down_after: 3 }, ..PolicyValues::default() };
        assert_eq!(keys(&values), ["detector"]);
        assert!(advice(&values)[0].1.contains("14 probes on average, 1m 10s"));
        values.interval = Duration::from_secs(4);
        assert_eq!(keys(&values), [""; 0]);
        values.interval = Duration::from_secs(600);
        values.detector = Detector::Consecutive { down_after: 100 };
        assert_eq!(keys(&values), ["detector"]);
    }
}
