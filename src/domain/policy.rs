//! The rules for one service.

use std::time::Duration;

/// A policy's numbers as written, before they are checked together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyValues {
    /// How often every vantage probes each site.
    pub interval: Duration,
    /// The wall-clock limit of one probe.
    pub timeout: Duration,
    /// How many vantages must say "down".
    pub quorum: usize,
    /// From how many clouds those votes must come.
    pub clouds: usize,
    /// Consecutive failures after which a vantage says "down".
    pub down_after: u32,
    /// Consecutive passes after which a vantage says "up".
    pub up_after: u32,
    /// For how long a vantage's last conclusive observation counts.
    pub fresh_for: Duration,
    /// For how long the quorum must hold before anything is done.
    pub confirm: Duration,
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
}

impl PolicyError {
    /// The key that the message is about.
    pub fn key(&self) -> &'static str {
        match self {
            Self::IntervalShorterThanTimeout => "interval",
            Self::Zero(key) => key,
            Self::StaleBetweenProbes => "fresh_for",
            Self::MoreCloudsThanVotes => "clouds",
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
        for (key, zero) in [
            ("interval", values.interval.is_zero()),
            ("timeout", values.timeout.is_zero()),
            ("quorum", values.quorum == 0),
            ("clouds", values.clouds == 0),
            ("down_after", values.down_after == 0),
            ("up_after", values.up_after == 0),
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
