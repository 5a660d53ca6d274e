//! The switchboards of labs, over HTTP.
//!
//! Before anything is switched, `GET /lab` must answer as a lab does: `{"quorate":"lab","part":…}`. A site that serves people has no such
//! page, and is sent nothing else.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use serde_json::{Value, json};
use url::Url;

use super::outbound;
use crate::domain::{DrillFault, Secrets};
use crate::ports::{LabFault, PortError};

/// How long a lab has for an answer.
const WITHIN: Duration = Duration::from_secs(5);
/// How late a delayed provider answers, in milliseconds: late enough to be felt, well within what a write waits for.
const LATE_MS: u64 = 3_000;

/// See the module.
#[derive(Debug)]
pub struct LabSwitch {
    base: Url,
    part: &'static str,
    on: Value,
    off: Value,
    broken: String,
    mended: String,
    client: Client,
}

impl LabSwitch {
    /// The fault at the lab whose address this is; none for a fault that no lab causes.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(fault: DrillFault, at: &Url) -> Result<Option<Self>, PortError> {
        let mut base = at.clone();
        base.set_path("/");
        base.set_query(None);
        base.set_fragment(None);
        let (part, on, off, what) = match fault {
            DrillFault::BreakLogin => ("cloud", json!({ "login": "error" }), json!({ "login": "ok" }), "login"),
            DrillFault::DelayProvider => {
                ("route53", json!({ "answer_after_ms": LATE_MS }), json!({ "answer_after_ms": 0 }), "Route 53")
            }
            DrillFault::DropAgent | DrillFault::KillController => return Ok(None),
        };
        let how = match fault {
            DrillFault::DelayProvider => format!("answers {LATE_MS} ms late"),
            _ => "meets a database error".to_owned(),
        };
        Ok(Some(Self {
            part,
            on,
            off,
            broken: format!("the {what} at {base} {how}"),
            mended: format!("the {what} at {base} works as ever"),
            client: outbound::client_for(&base, WITHIN)?,
            base,
        }))
    }

    /// Asks a page of the lab; what it answers is for a person to read when it is not what was expected.
    async fn ask(&self, page: &str, body: Option<&Value>) -> Result<Value, PortError> {
        let url = self.base.join(page).map_err(|error| PortError::broken(format!("{}: {error}", self.base)))?;
        let who = format!("the lab at {}", self.base);
        let request = match body {
            None => self.client.get(url),
            Some(body) => self.client.post(url).json(body),
        };
        let answer = outbound::send(&who, request).await?;
        if answer.status.is_success() {
            return Ok(answer.json());
        }
        let quote = answer.quote(&Secrets::default());
        Err(PortError::broken(format!("{who}: /{page} answered {}: {quote}", answer.status)))
    }
}

#[async_trait]
impl LabFault for LabSwitch {
    async fn switch(&self, on: bool) -> Result<String, PortError> {
        let no_lab = |why: &str| {
            PortError::broken(format!(
                "{} does not prove to be a lab, and was asked for nothing: {why}; only `quorate lab` is broken on purpose",
                self.base
            ))
        };
        let proof = self.ask("lab", None).await.map_err(|error| no_lab(&error.what))?;
        if proof.get("quorate") != Some(&json!("lab")) || proof.get("part") != Some(&json!(self.part)) {
            return Err(no_lab(&format!("/lab is not that of a lab's {}", self.part)));
        }
        self.ask("lab/faults", Some(if on { &self.on } else { &self.off })).await?;
        Ok(if on { self.broken.clone() } else { self.mended.clone() })
    }
}
