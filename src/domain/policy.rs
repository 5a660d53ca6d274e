//! The rules for one service. Where the numbers come from is told key by key in `docs/policies.md`.

use std::time::Duration;

use super::detector::{Burn, Cusum, Detector};

/// How often a service is probed while something may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// How often every vantage probes each site during a burst.
    pub interval: Duration,
    /// For how long at most: a burst is a load of its own.
    pub at_most: Duration,
    /// How often after that, until all is well.
    pub then: Duration,
}

/// How many of a service's checks a site must pass to be up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// All of them.
    All,
    /// Any of them.
    Any,
    /// At least so many.
    AtLeast(usize),
}

impl Need {
    /// The number, for a service with so many checks.
    pub fn of(self, checks: usize) -> usize {
        match self {
            Self::All => checks,
            Self::Any => 1.min(checks),
            Self::AtLeast(number) => number.min(checks),
        }
    }
}

/// How many automatic moves a service may have within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// So many moves.
    pub moves: usize,
    /// Within this time.
    pub per: Duration,
}

/// A policy's numbers as written, before they are checked together. The default is the preset `default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyValues {
    /// How often every vantage probes each site.
    pub interval: Duration,
    /// The wall-clock limit of one probe.
    pub timeout: Duration,
    /// How often while something may be wrong; none keeps to `interval`.
    pub burst: Option<Burst>,
    /// What makes a vantage say "down".
    pub detector: Detector,
    /// Consecutive passes after which a vantage says "up".
    pub up_after: u32,
    /// For how long a vantage's last conclusive observation counts.
    pub fresh_for: Duration,
    /// The first probes of an agent's run, which are no vote yet.
    pub warm_up: u32,
    /// For how long after a change of script, or a restart of more than half of the agents, nothing is moved automatically.
    pub settle: Duration,
    /// How many vantages must say "down".
    pub quorum: usize,
    /// From how many clouds those votes must come.
    pub clouds: usize,
    /// How many of a service's checks a site must pass.
    pub need: Need,
    /// For how long the quorum must hold before anything is done.
    pub confirm: Duration,
    /// The second lane: a share of failures over a longer time, which needs no confirmation.
    pub burn: Option<Burn>,
    /// For how long a quorum must say "up" before an incident is over.
    pub recovered_after: Duration,
    /// Whether an automatic plan waits for a person's approval.
    pub approval: bool,
    /// For how long after a move there is no automatic one.
    pub cool_down: Duration,
    /// How many automatic moves there may be within a time.
    pub budget: Budget,
    /// How far the standby's data may be behind; none leaves the lag unmeasured.
    pub max_lag: Option<Duration>,
    /// For how long a quorum must have said "up" of the primary before a person may go back to it.
    pub failback_after: Duration,
}

impl Default for PolicyValues {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            burst: Some(Burst {
                interval: Duration::from_secs(1),
                at_most: Duration::from_secs(600),
                then: Duration::from_secs(2),
            }),
            detector: Detector::Cusum(Cusum::default()),
            up_after: 3,
            fresh_for: Duration::from_secs(15),
            warm_up: 10,
            settle: Duration::from_secs(600),
            quorum: 3,
            clouds: 2,
            need: Need::All,
            confirm: Duration::from_secs(25),
            burn: Some(Burn::default()),
            recovered_after: Duration::from_secs(60),
            approval: false,
            cool_down: Duration::from_secs(3600),
            budget: Budget { moves: 2, per: Duration::from_secs(24 * 3600) },
            max_lag: None,
            failback_after: Duration::from_secs(600),
        }
    }
}

impl PolicyValues {
    /// Plain consecutive counting and nothing besides: no burst, no second lane, no abstention at the start, no limits.
    pub fn counting(down_after: u32) -> Self {
        Self {
            burst: None,
            detector: Detector::Consecutive { down_after },
            warm_up: 0,
            settle: Duration::ZERO,
            burn: None,
            recovered_after: Duration::ZERO,
            cool_down: Duration::ZERO,
            budget: Budget { moves: usize::MAX, per: Duration::ZERO },
            failback_after: Duration::ZERO,
            ..Self::default()
        }
    }
}

/// What is wrong with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Probes would pile up.
    #[error(
        "interval is shorter than timeout: a slow site would pile up probes; make interval at least as long as timeout"
    )]
    IntervalShorterThanTimeout,
    /// A zero that would mean "always" or "never".
    #[error("{0} must be more than zero")]
    Zero(&'static str),
    /// Views would go stale between two probes.
    #[error(
        "fresh_for is shorter than interval and timeout together: every vote would go stale between two probes; make it \
         at least interval + timeout"
    )]
    StaleBetweenProbes,
    /// More clouds than votes.
    #[error("clouds is larger than quorum: fewer votes than clouds can never come from that many clouds")]
    MoreCloudsThanVotes,
    /// A burst that is no burst.
    #[error("burst_interval is longer than interval: a burst must probe more often, not less")]
    BurstSlowerThanRest,
    /// A burst that grows faster.
    #[error("burst_then is shorter than burst_interval: what follows a long burst must be gentler than the burst")]
    BurstGrows,
    /// The two rates leave nothing between them.
    #[error("normal_failures is not smaller than broken_failures: there would be nothing to tell apart")]
    RatesCross,
    /// A vantage could never say "down".
    #[error("ceiling is smaller than threshold: no vantage could ever reach the threshold")]
    CeilingBelowThreshold,
}

impl PolicyError {
    /// The key that the message is about.
    pub fn key(&self) -> &'static str {
        match self {
            Self::IntervalShorterThanTimeout => "interval",
            Self::Zero(key) => key,
            Self::StaleBetweenProbes => "fresh_for",
            Self::MoreCloudsThanVotes => "clouds",
            Self::BurstSlowerThanRest => "burst_interval",
            Self::BurstGrows => "burst_then",
            Self::RatesCross => "normal_failures",
            Self::CeilingBelowThreshold => "ceiling",
        }
    }
}

/// Checked rules: the numbers are possible together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    name: String,
    values: PolicyValues,
}

impl Policy {
    /// Checks the numbers; every problem at once.
    pub fn new(name: &str, values: PolicyValues) -> Result<Self, Vec<PolicyError>> {
        let mut errors = Vec::new();
        let (mut down_after, mut threshold, mut normal) = (1, 1, 1);
        match values.detector {
            Detector::Consecutive { down_after: number } => down_after = number,
            Detector::Cusum(cusum) => (threshold, normal) = (cusum.threshold, cusum.normal),
        }
        for (key, zero) in [
            ("interval", values.interval.is_zero()),
            ("timeout", values.timeout.is_zero()),
            ("quorum", values.quorum == 0),
            ("clouds", values.clouds == 0),
            ("down_after", down_after == 0),
            ("threshold", threshold == 0),
            ("normal_failures", normal == 0),
            ("up_after", values.up_after == 0),
            ("need", values.need == Need::AtLeast(0)),
            ("burst_interval", values.burst.is_some_and(|burst| burst.interval.is_zero())),
            ("burn_failures", values.burn.is_some_and(|burn| burn.ratio == 0)),
            ("burn_window", values.burn.is_some_and(|burn| burn.window.is_zero())),
        ] {
            if zero {
                errors.push(PolicyError::Zero(key));
            }
        }
        if values.interval < values.timeout {
            errors.push(PolicyError::IntervalShorterThanTimeout);
        }
        if values.fresh_for < values.interval + values.timeout {
            errors.push(PolicyError::StaleBetweenProbes);
        }
        if values.clouds > values.quorum {
            errors.push(PolicyError::MoreCloudsThanVotes);
        }
        if let Some(burst) = values.burst {
            if burst.interval > values.interval {
                errors.push(PolicyError::BurstSlowerThanRest);
            }
            if burst.then < burst.interval {
                errors.push(PolicyError::BurstGrows);
            }
        }
        if let Detector::Cusum(cusum) = values.detector {
            if cusum.normal >= cusum.broken {
                errors.push(PolicyError::RatesCross);
            }
            if cusum.ceiling < cusum.threshold {
                errors.push(PolicyError::CeilingBelowThreshold);
            }
        }
        if errors.is_empty() { Ok(Self { name: name.to_owned(), values }) } else { Err(errors) }
    }

    /// The policy's name: its file's name without the ending.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::ops::Deref for Policy {
    type Target = PolicyValues;

    fn deref(&self) -> &PolicyValues {
        &self.values
    }
}
