//! The reasons not to act, as values: what each is called, whether it ends by itself, who may overrule it, and its words.

use std::fmt;
use std::time::Duration;

use crate::domain::{DrillFault, PlanDigest, PlanId, Role, ServiceName, Shortfall};

use super::guard::human;

/// One reason not to move a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocker {
    /// The journal contradicts itself.
    JournalBroken {
        /// How.
        why: String,
    },
    /// This controller does not hold the lease, or no longer.
    NotLeading {
        /// Why.
        why: String,
    },
    /// What the name is moved by was not read and fenced under this controller's epoch.
    NotFenced {
        /// The zone, or the flag.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// Something is on its way into the journal; the next decision waits for it.
    Busy,
    /// A person stopped all movement.
    Frozen {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Another plan is under way.
    PlanOpen {
        /// Which.
        plan: PlanId,
    },
    /// The last plan needs a person first.
    Stuck {
        /// Why.
        why: String,
    },
    /// The name points there already.
    AlreadyServing {
        /// Where.
        role: Role,
    },
    /// The way back is a person's decision.
    NoAutomaticFailback,
    /// The serving site is healthy.
    SourceHealthy {
        /// Which site.
        role: Role,
    },
    /// There is no quorum against the serving site.
    NoQuorum {
        /// Which site.
        role: Role,
        /// What is missing.
        shortfall: Shortfall,
    },
    /// The quorum has not held for long enough.
    Confirming {
        /// For how long it still must.
        remaining: Duration,
    },
    /// The quorum holds by what it has seen, and the site is passing again.
    Recovering {
        /// Which site.
        role: Role,
        /// How many of the voters see it fail still.
        failing: usize,
        /// How many are needed.
        quorum: usize,
    },
    /// Everything is stopped from outside, by a file on this machine.
    Halted {
        /// By what.
        why: String,
    },
    /// A person wants the service elsewhere.
    Pinned {
        /// Where.
        to: Role,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// For how long still.
        remaining: Duration,
    },
    /// It is a time in which nothing moves by itself.
    Maintenance {
        /// The window in words.
        window: String,
    },
    /// What was seen is not yet to be trusted.
    Unsettled {
        /// Why.
        why: String,
        /// For how long still.
        remaining: Duration,
    },
    /// The last plan was given up a moment ago.
    Resting {
        /// Which plan.
        plan: PlanId,
        /// For how long still.
        remaining: Duration,
    },
    /// The service was moved too recently.
    CoolDown {
        /// For how long still.
        remaining: Duration,
    },
    /// The service was moved too often.
    Budget {
        /// So many automatic moves …
        moves: usize,
        /// … within this time.
        per: Duration,
        /// For how long still.
        remaining: Duration,
    },
    /// Too many services were moved: what they share is at fault, and not they.
    Velocity {
        /// So many automatic moves of all services …
        moves: usize,
        /// … within this time.
        per: Duration,
        /// For how long still.
        remaining: Duration,
    },
    /// The standby's data is too far behind, or nobody knows how far.
    Lag {
        /// How far.
        lag: Option<Duration>,
        /// How far it may be.
        most: Duration,
    },
    /// A drill is under way: there is one at a time.
    DrillOpen {
        /// Of this service.
        service: ServiceName,
        /// Which.
        number: u64,
    },
    /// An incident is open.
    IncidentOpen {
        /// Which.
        number: u64,
    },
    /// There is no name to rehearse on.
    NoRehearsal,
    /// This is not to be broken on purpose.
    FaultNotAllowed {
        /// What.
        fault: DrillFault,
    },
    /// A rehearsal has broken the primary on purpose.
    BrokenOnPurpose {
        /// Whose drill.
        service: ServiceName,
        /// Which.
        number: u64,
    },
    /// No drill is under way.
    NothingDrilled,
    /// The primary has not been well for long enough.
    Proving {
        /// Which site.
        role: Role,
        /// For how long it still must be.
        remaining: Duration,
    },
    /// What the two sites' data say of each other is being found out.
    Comparing,
    /// Nobody has taken on what the way back would lose.
    Unreconciled {
        /// Whose.
        service: ServiceName,
        /// The digest to take it on with.
        digest: PlanDigest,
        /// What it is.
        findings: Vec<String>,
    },
    /// The site does not serve.
    NotServing {
        /// Which site.
        role: Role,
    },
    /// The primary may take writes, and nobody can keep it from that.
    PrimaryUnfenced {
        /// Why.
        why: String,
    },
    /// There is no open plan with this name that waits for approval.
    NothingToApprove,
    /// Nothing is stuck.
    NothingStuck,
    /// Not every store of the flag is known to hold its token: one that is up, or that a predecessor's write still reaches, would keep the standby in
    /// service.
    FlagBehind {
        /// Which, and why.
        stores: Vec<String>,
    },
    /// The site that would serve is itself down.
    TargetDown {
        /// Which site.
        role: Role,
        /// How many say so.
        votes: usize,
    },
    /// The site that would serve has not been proven to work.
    TargetUnproven {
        /// Which site.
        role: Role,
        /// What is missing.
        shortfall: Shortfall,
    },
}

impl Blocker {
    /// When it ends by itself, if it is one that does.
    pub fn remaining(&self) -> Option<Duration> {
        match self {
            Self::Confirming { remaining }
            | Self::Proving { remaining, .. }
            | Self::Pinned { remaining, .. }
            | Self::Unsettled { remaining, .. }
            | Self::Resting { remaining, .. }
            | Self::CoolDown { remaining }
            | Self::Budget { remaining, .. }
            | Self::Velocity { remaining, .. } => Some(*remaining),
            _ => None,
        }
    }

    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::JournalBroken { .. } => "journal-broken",
            Self::NotLeading { .. } => "not-leading",
            Self::NotFenced { .. } => "not-fenced",
            Self::Busy => "busy",
            Self::Frozen { .. } => "frozen",
            Self::PlanOpen { .. } => "plan-open",
            Self::Stuck { .. } => "stuck",
            Self::AlreadyServing { .. } => "already-serving",
            Self::NoAutomaticFailback => "no-automatic-failback",
            Self::SourceHealthy { .. } => "source-healthy",
            Self::NoQuorum { .. } => "no-quorum",
            Self::Confirming { .. } => "confirming",
            Self::Recovering { .. } => "recovering",
            Self::Halted { .. } => "halted",
            Self::Pinned { .. } => "pinned",
            Self::Maintenance { .. } => "maintenance",
            Self::Unsettled { .. } => "unsettled",
            Self::Resting { .. } => "resting",
            Self::CoolDown { .. } => "cool-down",
            Self::Budget { .. } => "budget",
            Self::Velocity { .. } => "velocity",
            Self::Lag { .. } => "lag",
            Self::DrillOpen { .. } => "drill-open",
            Self::IncidentOpen { .. } => "incident-open",
            Self::NoRehearsal => "no-rehearsal",
            Self::FaultNotAllowed { .. } => "fault-not-allowed",
            Self::BrokenOnPurpose { .. } => "broken-on-purpose",
            Self::NothingDrilled => "nothing-drilled",
            Self::Proving { .. } => "proving",
            Self::Comparing => "comparing",
            Self::Unreconciled { .. } => "unreconciled",
            Self::NotServing { .. } => "not-serving",
            Self::PrimaryUnfenced { .. } => "primary-unfenced",
            Self::NothingToApprove => "nothing-to-approve",
            Self::NothingStuck => "nothing-stuck",
            Self::FlagBehind { .. } => "flag-behind",
            Self::TargetDown { .. } => "target-down",
            Self::TargetUnproven { .. } => "target-unproven",
        }
    }

    /// Whether `--force` overrules it: evidence can be overruled, nothing else.
    pub fn yields_to_force(&self) -> bool {
        matches!(
            self,
            Self::TargetDown { .. }
                | Self::TargetUnproven { .. }
                | Self::Lag { .. }
                | Self::Proving { .. }
                | Self::PrimaryUnfenced { .. }
        )
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JournalBroken { why } => {
                write!(f, "{why}; nobody acts on such a journal: restore it from a backup")
            }
            Self::NotLeading { why } => write!(f, "this controller may not act: {why}"),
            Self::NotFenced { what, why } => {
                write!(f, "the {what} is not fenced under this controller's epoch: {why}")
            }
            Self::Busy => f.write_str("the journal is being written: ask again in a moment"),
            Self::Frozen { by, reason } => write!(f, "frozen by {by}: {reason} (quorate unfreeze)"),
            Self::PlanOpen { plan } => write!(f, "plan {plan} is under way"),
            Self::Stuck { why } => write!(f, "the last plan needs a person: {why}"),
            Self::AlreadyServing { role } => write!(f, "the {role} serves already"),
            Self::NoAutomaticFailback => f.write_str("the way back is never automatic (quorate failback)"),
            Self::SourceHealthy { role } => write!(f, "the {role} is healthy"),
            Self::NoQuorum { role, shortfall } => write!(f, "no quorum says the {role} is down: {shortfall}"),
            Self::Confirming { remaining } => {
                write!(f, "the quorum must hold for another {:.1} s", remaining.as_secs_f64())
            }
            Self::Recovering { role, failing, quorum } => {
                write!(
                    f,
                    "the {role} is passing again: {failing} of the voters see it fail still, and {quorum} are needed"
                )
            }
            Self::Halted { why } => write!(f, "everything is stopped: {why}"),
            Self::Pinned { to, by, reason, remaining } => {
                let remaining = human(*remaining);
                write!(f, "pinned to the {to} by {by} for another {remaining}: {reason} (quorate unpin)")
            }
            Self::Maintenance { window } => write!(f, "nothing moves by itself during maintenance: {window}"),
            Self::Unsettled { why, remaining } => {
                write!(f, "{why}: nothing moves by itself for another {}", human(*remaining))
            }
            Self::Resting { plan, remaining } => {
                write!(f, "{plan} was given up: nothing is tried again for another {}", human(*remaining))
            }
            Self::CoolDown { remaining } => {
                write!(f, "it was moved a short while ago: nothing moves by itself for another {}", human(*remaining))
            }
            Self::Budget { moves, per, remaining } => {
                let (per, remaining) = (human(*per), human(*remaining));
                write!(f, "the budget of {moves} automatic moves in {per} is spent for another {remaining}")
            }
            Self::Velocity { moves, per, remaining } => {
                let (per, remaining) = (human(*per), human(*remaining));
                write!(
                    f,
                    "{moves} automatic moves of all services in {per} are the most; the next is possible in {remaining}"
                )
            }
            Self::Lag { lag: Some(lag), most } => {
                let (lag, most) = (human(*lag), human(*most));
                write!(f, "the standby's data is {lag} behind, and {most} is the most")
            }
            Self::Lag { lag: None, most } => {
                write!(f, "nobody knows how far the standby's data is behind, and {} is the most", human(*most))
            }
            Self::DrillOpen { service, number } => {
                write!(
                    f,
                    "drill {number} of {service} is under way, and there is one at a time (quorate drill abort)"
                )
            }
            Self::IncidentOpen { number } => write!(f, "incident {number} is open"),
            Self::NoRehearsal => {
                f.write_str("there is no name to rehearse on: add [service.rehearsal] to the configuration")
            }
            Self::FaultNotAllowed { fault } => write!(
                f,
                "{fault} may not be caused: only a rehearsal breaks anything, and only what 'faults' in [service.rehearsal] lists"
            ),
            Self::BrokenOnPurpose { service, number } => {
                write!(f, "drill {number} of {service} has broken the primary on purpose (quorate drill abort)")
            }
            Self::NothingDrilled => f.write_str("no drill is under way"),
            Self::Proving { role, remaining } => {
                let remaining = human(*remaining);
                write!(f, "the {role} is healthy, and must be so for another {remaining} (failback_after)")
            }
            Self::Comparing => {
                f.write_str("how far the data of both sites has come is being read: ask again in a moment")
            }
            Self::Unreconciled { service, digest, findings } => {
                let findings = findings.join("; ");
                write!(
                    f,
                    "the way back may lose data: {findings} (quorate reconcile {service} --acknowledge {digest})"
                )
            }
            Self::NotServing { role } => write!(f, "the {role} does not serve"),
            Self::PrimaryUnfenced { why } => {
                write!(f, "the primary may take writes, and two sites that do drift apart for good: {why}")
            }
            Self::NothingToApprove => f.write_str("no open plan of that name waits for approval"),
            Self::NothingStuck => f.write_str("nothing is stuck"),
            Self::FlagBehind { stores } => {
                write!(
                    f,
                    "the flag cannot be lowered everywhere ({}); every store is looked at again each minute",
                    stores.join("; ")
                )
            }
            Self::TargetDown { role, votes } => {
                write!(f, "the {role} is down: {votes} vantages say so, and moving there would help nobody")
            }
            Self::TargetUnproven { role, shortfall } => {
                write!(f, "the {role} is not proven to work by a quorum: {shortfall}")
            }
        }
    }
}
