//! Who may write where, in the API's words.

use serde::{Deserialize, Serialize};

/// Who may write where, how far the standby is behind, and what the way back would lose.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SidesStatus {
    /// How far the standby's data is behind, as last measured.
    pub lag: Option<LagStatus>,
    /// Whether the primary was made to refuse writes; absent when nobody has tried since it was last let go.
    pub primary_fenced: Option<bool>,
    /// Since when the standby may take writes, in milliseconds since 1970; absent while it is read-only.
    pub promoted_at_ms: Option<u64>,
    /// For how long a quorum has called the primary healthy, in milliseconds.
    pub primary_well_ms: Option<u64>,
    /// The last writes that were tried while the standby serves.
    pub writes: Vec<WriteStatus>,
    /// What the way back would lose; absent while the primary serves, and while it is being found out.
    pub reconciliation: Option<ReconciliationStatus>,
}

/// How far the standby's data is behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LagStatus {
    /// How far, in milliseconds, as of when the primary was last heard of.
    pub behind_ms: u64,
    /// How long ago that was, in milliseconds.
    pub heard_ms: u64,
    /// How old the reading is, in milliseconds.
    pub age_ms: u64,
    /// In words.
    pub text: String,
}

/// A write that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WriteStatus {
    /// `primary` or `standby`.
    pub role: String,
    /// `refused`, `accepted` or `unknown`.
    pub result: String,
    /// What the site said, or why it could not be asked.
    pub text: String,
    /// How long ago, in milliseconds.
    pub age_ms: u64,
}

/// What the way back would lose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReconciliationStatus {
    /// Both sites' positions, a line for each thing that has one.
    pub positions: Vec<String>,
    /// What a person must have seen; empty when the way back loses nothing that is known.
    pub findings: Vec<String>,
    /// The digest to acknowledge that with; absent when there is nothing.
    pub digest: Option<String>,
    /// Whether somebody has.
    pub acknowledged: bool,
}

/// `POST /v1/services/NAME/reconcile`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileBody {
    /// The digest of what was shown.
    pub digest: String,
    /// Who.
    pub by: String,
    /// Why, or what was done about it.
    pub reason: String,
}
