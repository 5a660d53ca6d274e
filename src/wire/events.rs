//! What the controller's API tells of what was noticed, version 1.

use serde::{Deserialize, Serialize};

/// `GET /v1/events?after=N`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// The version of the document.
    pub v: u32,
    /// The events after N, oldest first.
    pub events: Vec<Event>,
}

/// One thing that the engine noticed since this controller started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number.
    pub n: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// A stable word.
    pub code: String,
    /// The service.
    pub service: String,
    /// The vantage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vantage: Option<String>,
    /// `primary` or `standby`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The step of a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// In words.
    pub text: String,
}
