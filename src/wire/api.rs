//! What the controller's API takes and answers, version 1.

use serde::{Deserialize, Serialize};

use super::drill::{DrillStatus, LastDrillStatus};
pub use super::events::{Event, Events};
use super::sites::SidesStatus;
use super::zone::{DriftStatus, ProtectionStatus};

/// `GET /v1/status`, and `GET /v1/services/NAME` with one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the document.
    pub v: u32,
    /// The cluster.
    pub cluster: String,
    /// This controller's epoch, while it may act.
    pub epoch: Option<u64>,
    /// The moment in the past that this is of, in milliseconds since 1970; absent means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of_ms: Option<u64>,
    /// The services.
    pub services: Vec<ServiceStatus>,
}

/// All that is known of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub service: String,
    /// The name that moves.
    pub dns_name: String,
    /// `watching`, `suspecting`, `acting`, `holding` or `stuck`.
    pub phase: String,
    /// `primary` or `standby`.
    pub serving: String,
    /// The policy's name.
    pub policy: String,
    /// Votes that are needed.
    pub quorum: usize,
    /// The zone's ownership token, once it was fenced.
    pub token: Option<String>,
    /// Both sites.
    pub sites: Vec<SiteStatus>,
    /// How far each rule of the policy is from condemning the serving site.
    pub rules: Vec<RuleStatus>,
    /// How often it is probed, in milliseconds, where that is more often than the policy says.
    pub burst_ms: Option<u64>,
    /// What people were told of and is not over: `reserve-unproven`, `suspected`, `blind`, `drift`.
    pub alerts: Vec<String>,
    /// The drill that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillStatus>,
    /// The last drill that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drill: Option<LastDrillStatus>,
    /// What differs from what was decided, as of the last look; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
    /// The pin in force.
    pub pinned: Option<PinStatus>,
    /// How far the standby's data is behind, in milliseconds, as last measured.
    pub lag_ms: Option<u64>,
    /// Who may write where, and what the way back would lose.
    #[serde(default)]
    pub sides: SidesStatus,
    /// The flips so far: where to, when, and whether the policy wanted them.
    pub moves: Vec<MoveStatus>,
    /// The open incident.
    pub incident: Option<IncidentStatus>,
    /// The freeze in force.
    pub frozen: Option<Word>,
    /// Of each zone whose provider is to refuse changes while the service is frozen, whether it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protection: Vec<ProtectionStatus>,
    /// Why a person is needed.
    pub stuck: Option<String>,
    /// How users' resolvers follow the last move, or followed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainStatus>,
    /// The open plan.
    pub plan: Option<PlanStatus>,
    /// The last plan that ended.
    pub last_plan: Option<LastPlanStatus>,
    /// Every reason why the policy does not fail over now; with a plan open, or when the standby serves, only what keeps this controller
    /// from acting at all.
    pub blockers: Vec<BlockerStatus>,
    /// What happens next, as a person would say it.
    pub next: String,
    /// What its checks measured, as last told; empty of a moment in the past.
    #[serde(default)]
    pub metrics: Vec<MetricStatus>,
}

/// One measure of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricStatus {
    /// The check.
    pub check: String,
    /// `primary` or `standby`.
    pub role: String,
    /// Where it was measured.
    pub vantage: String,
    /// What.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what, `ms` say; may be empty.
    pub unit: String,
    /// How old it is, in milliseconds.
    pub age_ms: u64,
}

/// One site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteStatus {
    /// `primary` or `standby`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its cloud.
    pub cloud: String,
    /// Whether the name points at it.
    pub serving: bool,
    /// `healthy`, `undecided` or `unhealthy`.
    pub verdict: String,
    /// The verdict in words.
    pub summary: String,
    /// The votes behind it.
    pub votes: Vec<VoteStatus>,
}

/// One rule of the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleStatus {
    /// `down`, `burn` or `suspect`.
    pub rule: String,
    /// Votes that count for it.
    pub have: usize,
    /// Votes that it takes.
    pub need: usize,
    /// Clouds that they come from.
    pub clouds: usize,
    /// Clouds that they must come from.
    pub clouds_needed: usize,
    /// Whether its votes suffice.
    pub met: bool,
    /// For how long they have sufficed without a break, in milliseconds.
    pub held_ms: Option<u64>,
    /// For how long they must, in milliseconds.
    pub confirm_ms: u64,
    /// How many of the voters see the site fail still.
    pub failing_now: usize,
    /// In words.
    pub text: String,
}

/// A pin in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PinStatus {
    /// `primary` or `standby`.
    pub to: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// For how long still, in milliseconds.
    pub remaining_ms: u64,
}

/// A flip that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MoveStatus {
    /// `primary` or `standby`.
    pub to: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whether the policy wanted it, and not a person.
    pub automatic: bool,
}

/// One vote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VoteStatus {
    /// Who votes.
    pub vantage: String,
    /// The vantage's cloud.
    pub cloud: String,
    /// The account that its checks log in with.
    pub account: String,
    /// `unknown`, `up`, `failing`, `suspect`, `down`, `stale` or `abstaining`.
    pub view: String,
    /// How far its evidence is towards "down", in thousandths of what is needed.
    pub score: u32,
    /// The share of failures over the policy's longer time, in thousandths.
    pub burn: u32,
    /// Whether it has not seen three passes that began after its latest failure.
    pub failing_now: bool,
    /// Failures in a row.
    pub failures: u32,
    /// The kind of the failure that it is in the middle of.
    pub kind: Option<String>,
    /// Why it says so: that failure's reason, or why the last probe said nothing.
    pub reason: Option<String>,
    /// The step that it ended in.
    pub failed_step: Option<String>,
    /// How old the last conclusive observation is, in milliseconds.
    pub age_ms: Option<u64>,
}

/// The open incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentStatus {
    /// Counts the service's incidents.
    pub number: u64,
    /// Whether the louder notice has gone out.
    pub escalated: bool,
}

/// A person's word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A plan that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanStatus {
    /// Its name.
    pub id: String,
    /// `failover` or `failback`.
    pub direction: String,
    /// Its digest.
    pub digest: String,
    /// Whether a person must approve it.
    pub needs_approval: bool,
    /// Who has approved it.
    pub approved: Option<String>,
    /// Its steps.
    pub steps: Vec<StepStatus>,
}

/// How users' resolvers followed a move. Each is counted at each vantage that asks it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrainStatus {
    /// The plan that moved the name.
    pub plan: String,
    /// `moved`, `time-out` or `overtaken`, once it is over.
    pub end: Option<String>,
    /// How long ago the switch was, in milliseconds, while it is not over.
    pub elapsed_ms: Option<u64>,
    /// The time to live that has to run out, in milliseconds.
    pub ttl_ms: u64,
    /// How many lead to the new site.
    pub moved: usize,
    /// How many lead to either.
    pub known: usize,
    /// Of how many nothing is known: no answer, or one that leads elsewhere.
    pub unknown: usize,
    /// When half of the known ones had moved, in milliseconds after the switch.
    pub half_ms: Option<u64>,
    /// When nine tenths had.
    pub ninety_ms: Option<u64>,
    /// When all had.
    pub all_ms: Option<u64>,
    /// When each moved, in order: the curve.
    pub moved_ms: Vec<u64>,
    /// Those three times in words.
    pub text: String,
    /// Who gives, or gave, the old answer for longer than its time to live.
    pub stragglers: Vec<StragglerStatus>,
    /// What each vantage got through the public name since its resolvers moved.
    pub public: Vec<PublicStatus>,
    /// That in words; absent where no vantage looks.
    pub public_text: Option<String>,
}

/// A resolver that stretches times to live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StragglerStatus {
    /// Where it was asked.
    pub vantage: String,
    /// Its address and port.
    pub resolver: String,
    /// When it moved, in milliseconds after the switch; absent while it has not.
    pub moved_ms: Option<u64>,
    /// By how much it stretched, at the least, in milliseconds.
    pub stretched_ms: u64,
    /// The time to live that it gave, in seconds, where that was longer than the record's own.
    pub said_ttl_s: Option<u32>,
    /// In words.
    pub text: String,
}

/// What a vantage got through the public name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublicStatus {
    /// The vantage.
    pub vantage: String,
    /// `pass`, `fail` or `inconclusive`; absent where nothing has ended yet.
    pub outcome: Option<String>,
    /// Why, where it is no pass.
    pub why: Option<String>,
}

/// One step of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepStatus {
    /// Which.
    pub step: String,
    /// As a person would say it.
    pub sentence: String,
    /// `waiting`, `running`, `failed` or `done`.
    pub status: String,
    /// What it has to say.
    pub text: String,
}

/// A plan that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastPlanStatus {
    /// Its name.
    pub id: String,
    /// `failover` or `failback`.
    pub direction: String,
    /// `done`, `abandoned` or `stuck`.
    pub end: String,
    /// Why, unless it is done.
    pub why: Option<String>,
}

/// A reason not to act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockerStatus {
    /// A stable word.
    pub code: String,
    /// In words.
    pub text: String,
}

/// `POST /v1/services/NAME/move`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveBody {
    /// `primary` or `standby`.
    pub to: String,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Overrule the evidence.
    #[serde(default)]
    pub force: bool,
    /// Move nothing, and let the standby take writes.
    #[serde(default)]
    pub promote: bool,
    /// The digest of the plan that was shown. Without it nothing is done, and the plan is shown.
    #[serde(default)]
    pub digest: Option<String>,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MoveAnswer {
    /// The version of the document.
    pub v: u32,
    /// `plan` (shown, nothing done), `opened`, `already-so`, `blocked` or `plan-changed`.
    pub result: String,
    /// The plan.
    pub plan: Option<PlanPreview>,
    /// What is against it.
    pub blockers: Vec<BlockerStatus>,
}

/// A plan before it is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanPreview {
    /// Its name.
    pub id: String,
    /// The service.
    pub service: String,
    /// `failover` or `failback`.
    pub direction: String,
    /// `primary` or `standby`.
    pub to: String,
    /// The name of that site.
    pub site: String,
    /// The name that moves.
    pub dns_name: String,
    /// What it answers now.
    pub answer_before: String,
    /// What it will answer.
    pub answer_after: String,
    /// What would be lost, in words: how far the standby's data is behind. Absent where that is not measured, and on the way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
    /// Whether the evidence is overruled.
    pub force: bool,
    /// The digest to confirm it with.
    pub digest: String,
    /// The token that it starts from.
    pub parent: String,
    /// Its steps, in words.
    pub steps: Vec<String>,
}

/// `POST /v1/services/NAME/approve`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveBody {
    /// The plan's name.
    pub plan: String,
    /// The digest that it was shown with.
    pub digest: String,
    /// Who.
    pub by: String,
}

/// `POST /v1/services/NAME/pin`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinBody {
    /// `primary` or `standby`.
    pub to: String,
    /// For how long, in seconds: a minute to 30 days.
    pub for_s: u64,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// `POST /v1/services/NAME/freeze`, `…/unfreeze`, `…/unpin` and `…/acknowledge`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordBody {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WordAnswer {
    /// The version of the document.
    pub v: u32,
    /// `done`, `already-so`, `plan-changed` or `blocked`.
    pub result: String,
    /// What is against it.
    pub blockers: Vec<BlockerStatus>,
    /// After `freeze` and `unfreeze`: how the providers' protections stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protection: Vec<ProtectionStatus>,
}

/// `GET /v1/services/NAME/history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The version of the document.
    pub v: u32,
    /// The service.
    pub service: String,
    /// The newest entries, oldest first.
    pub entries: Vec<HistoryEntry>,
}

/// One journal entry, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Its number.
    pub id: u64,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The writer's epoch.
    pub epoch: u64,
    /// What kind of entry.
    pub kind: String,
    /// In words.
    pub text: String,
}

/// Any refusal of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// The version of the document.
    pub v: u32,
    /// In words.
    pub error: String,
}
