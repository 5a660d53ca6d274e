//! What the controller's API takes and answers about records: drift, adoption, repair. Version 1.

use serde::{Deserialize, Serialize};

use super::api::BlockerStatus;

/// What is known to differ from what was decided, in `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftStatus {
    /// What differs.
    pub differences: Vec<DifferenceStatus>,
    /// What could not be told.
    pub unknown: Vec<String>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DifferenceStatus {
    /// A stable word: `missing`, `unexpected`, `changed`, `other-type`, `mark-missing`, `mark-foreign`, `mark-stale`, `mark-changed`,
    /// `flag-behind`, `flag-changed`, `flag-foreign` or `answer`.
    pub code: String,
    /// Where: a zone, a store or a server.
    pub at: String,
    /// In words.
    pub text: String,
    /// What is there (`- …`) and what should be (`+ …`).
    pub diff: Vec<String>,
}

/// Something legal but unwise in a zone, or about the sites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindingStatus {
    /// A stable word.
    pub code: String,
    /// `warning` or `note`.
    pub level: String,
    /// What.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// The way out.
    pub way_out: String,
}

/// `GET /v1/services/NAME/drift`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftAnswer {
    /// The version of the document.
    pub v: u32,
    /// The service.
    pub service: String,
    /// `in-order`, `drift`, `unknown`, or `moving` while a plan is under way.
    pub result: String,
    /// Where the name should point: `primary` or `standby`.
    pub serving: String,
    /// What differs.
    pub differences: Vec<DifferenceStatus>,
    /// What could not be told.
    pub unknown: Vec<String>,
    /// What is legal but unwise.
    pub findings: Vec<FindingStatus>,
}

/// `POST /v1/services/NAME/adopt` and `…/repair`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MendBody {
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The cluster that the records are taken from; for an adoption only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The digest of the plan that was shown. Without it nothing is done, and the plan is shown.
    #[serde(default)]
    pub digest: Option<String>,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MendAnswer {
    /// The version of the document.
    pub v: u32,
    /// `plan` (shown, nothing done), `done`, `already-so`, `blocked` or `plan-changed`.
    pub result: String,
    /// What was done, or why nothing was to be done.
    pub text: String,
    /// The plan.
    pub plan: Option<MendPreview>,
    /// What is against it.
    pub blockers: Vec<BlockerStatus>,
}

/// What would be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MendPreview {
    /// The service.
    pub service: String,
    /// The name that moves.
    pub dns_name: String,
    /// `adopt` or `repair`.
    pub what: String,
    /// Where the records point after it: `primary` or `standby`.
    pub serving: String,
    /// The digest to confirm it with.
    pub digest: String,
    /// What is written to each zone.
    pub zones: Vec<ZoneChange>,
    /// What is legal but unwise.
    pub findings: Vec<FindingStatus>,
}

/// What is written to one zone: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ZoneChange {
    /// The provider and its zone.
    pub at: String,
    /// The changes: `- …` is deleted, exactly as it is, and `+ …` created.
    pub diff: Vec<String>,
}

/// Whether a provider keeps a service's records from being changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProtectionStatus {
    /// The provider and its zone.
    pub zone: String,
    /// Whether it does; none while nobody can tell.
    pub protected: Option<bool>,
    /// Whether that is as the freeze, or its absence, wants it; if not it is tried again.
    pub settled: bool,
    /// The same in words, and why.
    pub text: String,
}
