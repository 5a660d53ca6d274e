//! Plans: immutable, ordered, and with nothing left to choose.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{DnsLane, Evidence, Lane, PlanId, Role, ServiceName, Token};

/// The first 16 hexadecimal digits of the SHA-256 of a plan's text: what was shown is what is applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanDigest(String);

impl PlanDigest {
    /// Digits in a digest.
    const LEN: usize = 16;

    /// Reads a digest; none when the text is not 16 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = text.len() == Self::LEN && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        sound.then(|| Self(text.to_owned()))
    }

    pub(super) fn of(text: &str) -> Self {
        let mut digits = hex::encode(Sha256::digest(text.as_bytes()));
        digits.truncate(Self::LEN);
        Self(digits)
    }
}

impl fmt::Display for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a plan was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A quorum said that the primary is down.
    Quorum(Evidence),
    /// A person asked for it.
    Operator {
        /// Who, as they call themselves.
        by: String,
        /// Why.
        reason: String,
        /// Whether the evidence was overruled. Fencing and the refused write never are.
        force: bool,
    },
    /// A drill moves it there, or back.
    Drill {
        /// Which.
        number: u64,
        /// Who began it.
        by: String,
        /// Why.
        reason: String,
    },
    /// A plan that had told the primary to refuse writes was given up, and the primary serves.
    GivenUp {
        /// Which.
        plan: PlanId,
    },
}

/// One step. Each can be run again without doubling its effect, and each is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Ask the service's own script whether there is a reason not to.
    AskVeto,
    /// Tell the standby to refuse writes.
    EnterReadOnly,
    /// Try a write there, and see it refused.
    VerifyReadOnly,
    /// Tell the primary to refuse writes: as well as that goes, since it may be what is down.
    FencePrimary,
    /// Wait until whoever was still writing to the standby has come to an end.
    DrainStandby,
    /// Let the primary take writes again.
    ReleasePrimary,
    /// Let the standby take writes.
    AllowWrites,
    /// Try a write there, and see it taken.
    VerifyWrites,
    /// Raise the flag that the provider's health checks look for.
    RaiseFlag,
    /// Bring the records to where the name is to point, in the lane that has a flag as well: after a raised flag they pin what it
    /// did, and before one is lowered they must say the primary.
    PinRecords,
    /// Take the flag down.
    LowerFlag,
    /// Swap the failover records, by compare-and-swap.
    FlipRecords,
    /// Wait until the provider says that every name server has the change.
    AwaitInSync,
    /// Ask every authoritative server.
    VerifyAnswers,
    /// Log in through the public name.
    VerifyPublicLogin,
}

impl Step {
    /// All.
    pub const ALL: [Self; 15] = [
        Self::AskVeto,
        Self::EnterReadOnly,
        Self::VerifyReadOnly,
        Self::FencePrimary,
        Self::DrainStandby,
        Self::ReleasePrimary,
        Self::AllowWrites,
        Self::VerifyWrites,
        Self::RaiseFlag,
        Self::PinRecords,
        Self::LowerFlag,
        Self::FlipRecords,
        Self::AwaitInSync,
        Self::VerifyAnswers,
        Self::VerifyPublicLogin,
    ];

    /// Whether this step moves the name: everything before it can be left undone, and everything after it cannot.
    pub fn is_switch(self) -> bool {
        matches!(self, Self::FlipRecords | Self::RaiseFlag | Self::LowerFlag)
    }

    /// Whether what follows this step cannot be left undone: it moves the name, or lets a second site take writes.
    pub fn is_commit(self) -> bool {
        self.is_switch() || self == Self::AllowWrites
    }

    /// The word used in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AskVeto => "ask-veto",
            Self::EnterReadOnly => "enter-read-only",
            Self::VerifyReadOnly => "verify-read-only",
            Self::FencePrimary => "fence-primary",
            Self::DrainStandby => "drain-standby",
            Self::ReleasePrimary => "release-primary",
            Self::AllowWrites => "allow-writes",
            Self::VerifyWrites => "verify-writes",
            Self::RaiseFlag => "raise-flag",
            Self::PinRecords => "pin-records",
            Self::LowerFlag => "lower-flag",
            Self::FlipRecords => "flip-records",
            Self::AwaitInSync => "await-in-sync",
            Self::VerifyAnswers => "verify-answers",
            Self::VerifyPublicLogin => "verify-public-login",
        }
    }

    /// The step that the word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == word)
    }

    /// As a person would say it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::AskVeto => "ask the veto check",
            Self::EnterReadOnly => "put the standby into read-only mode",
            Self::VerifyReadOnly => "try a write on the standby and see it refused",
            Self::FencePrimary => "tell the primary to refuse writes",
            Self::DrainStandby => "wait until nobody writes to the standby any more",
            Self::ReleasePrimary => "let the primary take writes again",
            Self::AllowWrites => "let the standby take writes",
            Self::VerifyWrites => "try a write on the standby and see it taken",
            Self::RaiseFlag => "raise the flag",
            Self::PinRecords => "pin the records",
            Self::LowerFlag => "take the flag down",
            Self::FlipRecords => "swap the failover records",
            Self::AwaitInSync => "wait until the provider says in sync",
            Self::VerifyAnswers => "ask every authoritative server",
            Self::VerifyPublicLogin => "log in through the public name",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A step's place in its plan, from 0.
pub type StepIndex = usize;

/// What a step that succeeded has to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepDetail {
    /// One line for people.
    pub text: String,
    /// The provider's id of the change, from the flip.
    pub change: Option<String>,
    /// Whether the primary refuses writes now, from the attempt to make it; only a refused write that was seen says that it does.
    pub fenced: Option<bool>,
}

impl StepDetail {
    /// A line for people, and nothing besides.
    pub fn said(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// What a flip is about to swap, recorded before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlipIntent {
    /// The token that must be in the zone.
    pub expected: Token,
    /// The token that will be.
    pub new: Token,
}

/// What a plan must have besides its evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// The service's veto check is asked first.
    pub veto: bool,
    /// It waits for a person's approval.
    pub approval: bool,
    /// By what the name is moved.
    pub lane: DnsLane,
    /// There is a way to make the primary refuse writes.
    pub fence: bool,
    /// The standby takes writes.
    pub promoted: bool,
    /// Nothing is moved: the standby, which serves, is to take writes.
    pub promote: bool,
    /// Nothing is moved: the primary, which serves, is to take writes again.
    pub release: bool,
    /// A rehearsal without a place to try read-only mode at.
    pub unrehearsed: bool,
}

/// An immutable, ordered list of steps that moves one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    id: PlanId,
    service: ServiceName,
    to: Role,
    cause: Cause,
    parent: Token,
    steps: Vec<Step>,
    terms: Terms,
    digest: PlanDigest,
}

impl Plan {
    /// The plan that moves `service` to the site `to`. The steps follow from the direction and the terms alone.
    pub fn new(id: PlanId, service: ServiceName, to: Role, cause: Cause, parent: Token, terms: Terms) -> Self {
        let steps = Self::steps_to(to, terms);
        let mut plan = Self { id, service, to, cause, parent, steps, terms, digest: PlanDigest(String::new()) };
        plan.digest = PlanDigest::of(&plan.text());
        plan
    }

    /// The steps of every plan that moves a service there on these terms.
    pub fn steps_to(to: Role, terms: Terms) -> Vec<Step> {
        let veto = terms.veto.then_some(Step::AskVeto);
        let fence = terms.fence.then_some(Step::FencePrimary);
        if terms.promote {
            return fence.into_iter().chain([Step::AllowWrites, Step::VerifyWrites]).collect();
        }
        if terms.release {
            return vec![Step::ReleasePrimary];
        }
        let refused = [Step::EnterReadOnly, Step::VerifyReadOnly];
        // The standby first and the primary after it: there is never a moment in which both may take writes (S1, S15).
        let refused: &[Step] = if terms.unrehearsed { &[] } else { &refused };
        let read_only = refused.iter().copied().chain(fence);
        let ready: &[Step] = match (terms.promoted, terms.fence) {
            (true, true) => &[Step::EnterReadOnly, Step::VerifyReadOnly, Step::DrainStandby, Step::ReleasePrimary],
            (true, false) => &[Step::EnterReadOnly, Step::VerifyReadOnly, Step::DrainStandby],
            (false, true) => &[Step::VerifyReadOnly, Step::ReleasePrimary],
            (false, false) => &[],
        };
        let ready = ready.iter().copied();
        let checked = [Step::VerifyAnswers, Step::VerifyPublicLogin];
        let recorded = |step| [step, Step::AwaitInSync];
        // The way back leaves the standby read-only: whoever still holds the old answer must not write there.
        match (to, terms.lane) {
            (Role::Standby, DnsLane::Records) => {
                veto.into_iter().chain(read_only).chain(recorded(Step::FlipRecords)).chain(checked).collect()
            }
            (Role::Standby, DnsLane::Flag) => {
                veto.into_iter().chain(read_only).chain([Step::RaiseFlag]).chain(checked).collect()
            }
            // The flag first: it works while no record can be changed. Users are served before the records follow.
            (Role::Standby, DnsLane::Both) => {
                let flag = [Step::RaiseFlag].into_iter().chain(checked);
                veto.into_iter().chain(read_only).chain(flag).chain(recorded(Step::PinRecords)).collect()
            }
            (Role::Primary, DnsLane::Records) => ready.chain(recorded(Step::FlipRecords)).chain(checked).collect(),
            (Role::Primary, DnsLane::Flag) => ready.chain([Step::LowerFlag]).chain(checked).collect(),
            // The records first: with the flag still up they move nobody, and what is pinned would outlive the flag.
            (Role::Primary, DnsLane::Both) => {
                ready.chain(recorded(Step::PinRecords)).chain([Step::LowerFlag]).chain(checked).collect()
            }
        }
    }

    /// The text that the digest is made of.
    fn text(&self) -> String {
        let cause = match &self.cause {
            Cause::Quorum(evidence) => {
                let who: Vec<&str> = evidence.down().iter().map(|vote| vote.vantage.as_str()).collect();
                let lane = match evidence.lane() {
                    Lane::Down => "",
                    lane => lane.as_str(),
                };
                format!("quorum {}{lane} of {}: {}", evidence.role(), evidence.of(), who.join(","))
            }
            Cause::Operator { by, reason, force } => format!("operator {by:?} {reason:?} force={force}"),
            Cause::Drill { number, by, reason } => format!("drill {number} {by:?} {reason:?}"),
            Cause::GivenUp { plan } => format!("given up {plan}"),
        };
        let steps: Vec<&str> = self.steps.iter().map(|step| step.as_str()).collect();
        let Self { id, service, to, parent, .. } = self;
        let approval = if self.terms.approval { "approval\n" } else { "" };
        format!("{id}\n{service}\n{to}\n{parent}\n{cause}\n{}\n{approval}", steps.join("\n"))
    }

    /// Its name.
    pub fn id(&self) -> &PlanId {
        &self.id
    }

    /// The service that it moves.
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// Where to.
    pub fn to(&self) -> Role {
        self.to
    }

    /// Why.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The token that was in the zone when it was made.
    pub fn parent(&self) -> &Token {
        &self.parent
    }

    /// Its steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What it must have besides its evidence.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// The step that moves the name; every plan but a promotion and a release has one.
    pub fn switch(&self) -> Option<Step> {
        self.steps.iter().copied().find(|step| step.is_switch())
    }

    /// Its digest.
    pub fn digest(&self) -> &PlanDigest {
        &self.digest
    }

    /// "failover", "failback", "promotion" or "release".
    pub fn direction(&self) -> &'static str {
        match self.to {
            Role::Standby if self.terms.promote => "promotion",
            Role::Standby => "failover",
            Role::Primary if self.terms.release => "release",
            Role::Primary => "failback",
        }
    }
}
