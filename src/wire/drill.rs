//! What the controller's API takes and answers about drills, version 1.

use serde::{Deserialize, Serialize};

use super::api::BlockerStatus;

/// `POST /v1/services/NAME/drill`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillBody {
    /// `tabletop`, `rehearse` or `live`.
    pub kind: String,
    /// For how long the standby serves, in milliseconds: a second to a day; ten minutes unless given.
    #[serde(default)]
    pub hold_ms: Option<u64>,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What is to be broken on purpose, in a rehearsal: `break-login`, `drop-agent`, `delay-provider` or `kill-controller`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Begin it; without, it is shown and nothing is done.
    #[serde(default)]
    pub begin: bool,
    /// The digest of the failover that was shown.
    #[serde(default)]
    pub digest: Option<String>,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillAnswer {
    /// The version of the document.
    pub v: u32,
    /// `plan` (shown, nothing done), `begun`, `blocked` or `plan-changed`.
    pub result: String,
    /// The drill.
    pub drill: Option<DrillPreview>,
    /// What is against it.
    pub blockers: Vec<BlockerStatus>,
}

/// A drill before it is begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillPreview {
    /// Its number.
    pub number: u64,
    /// `tabletop`, `rehearse` or `live`.
    pub kind: String,
    /// The service that is moved: the rehearsal, where it is one.
    pub service: String,
    /// The name that moves.
    pub dns_name: String,
    /// What it answers now.
    pub answer_before: String,
    /// What it will answer while the standby serves.
    pub answer_after: String,
    /// For how long the standby serves, in milliseconds.
    pub hold_ms: u64,
    /// The digest of the failover; absent where none can be drawn up.
    pub digest: Option<String>,
    /// What is broken on purpose.
    pub fault: Option<String>,
    /// The way out, in words.
    pub out: Vec<String>,
    /// The way back, in words.
    pub back: Vec<String>,
    /// What ends it sooner, in words.
    pub aborts: Vec<String>,
    /// What to know before, in words.
    pub risks: Vec<String>,
    /// The recovery time objective, in milliseconds.
    pub rto_ms: Option<u64>,
    /// The recovery point objective, in milliseconds.
    pub rpo_ms: Option<u64>,
    /// How far the standby's data is behind, in milliseconds.
    pub lag_ms: Option<u64>,
}

/// A drill that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillStatus {
    /// Its number.
    pub number: u64,
    /// `tabletop`, `rehearse` or `live`.
    pub kind: String,
    /// Who began it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Why it is to end before its time.
    pub aborting: Option<String>,
    /// What was noted last.
    pub noted: Option<String>,
}

/// A drill that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastDrillStatus {
    /// Its number.
    pub number: u64,
    /// `tabletop`, `rehearse` or `live`.
    pub kind: String,
    /// `passed`, `failed` or `aborted`.
    pub end: String,
    /// Why, unless it passed.
    pub why: Option<String>,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// `GET /v1/services/NAME/drills`: what the journals of a service and of its rehearsal hold of drills.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillRecords {
    /// The version of the document.
    pub v: u32,
    /// The cluster.
    pub cluster: String,
    /// The service, and its rehearsal where there is one.
    pub services: Vec<DrillFacts>,
    /// The records, oldest first.
    pub records: Vec<DrillRecord>,
}

/// What a report says of a service beyond its journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillFacts {
    /// The service.
    pub service: String,
    /// The name that moves.
    pub dns_name: String,
    /// The records' time to live, in seconds.
    pub ttl_s: u32,
    /// The primary site's name and cloud.
    pub primary: String,
    /// The standby site's name and cloud.
    pub standby: String,
    /// The policy's name.
    pub policy: String,
    /// Votes that are needed.
    pub quorum: usize,
    /// The checks.
    pub checks: Vec<String>,
    /// Whether it is a rehearsal.
    pub rehearsal: bool,
}

/// A record of the journal, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillRecord {
    /// Its number.
    pub id: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The writer's epoch.
    pub epoch: u64,
    /// The service.
    pub service: String,
    /// The entry, as the journal holds it.
    pub entry: serde_json::Value,
}
