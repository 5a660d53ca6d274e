//! Running a hook: an operator's own script with three entries.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::domain::{ProbeReport, Role};

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEntry {
    /// Makes the site refuse writes.
    Enter,
    /// Passes if the site refuses them, and fails if it takes them.
    Verify,
    /// Lets the site take writes again.
    Leave,
}

impl HookEntry {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Enter, Self::Verify, Self::Leave];

    /// The function's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::Verify => "verify",
            Self::Leave => "leave",
        }
    }
}

/// One run of an entry.
#[derive(Debug, Clone)]
pub struct HookRequest {
    /// Which of the three.
    pub entry: HookEntry,
    /// The site's base URL.
    pub target: Url,
    /// The role of the site.
    pub role: Role,
    /// The wall-clock limit, after which the run ends whatever the script does.
    pub deadline: Duration,
    /// Parameters of this run alone, which come before the configuration's.
    pub facts: BTreeMap<String, String>,
}

/// Runs the entries of one hook. It never fails: whatever goes wrong is an outcome.
#[async_trait]
pub trait HookRunner: Send + Sync {
    /// Runs one entry to its end or its deadline.
    async fn run(&self, request: &HookRequest) -> ProbeReport;
}
