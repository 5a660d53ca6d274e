//! What truly happened, collected while it did: the demo's verdict on itself.

use serde::Serialize;

use crate::wire::api::Event;

/// Milliseconds after the fault.
#[derive(Debug, Default, Serialize)]
pub(super) struct Times {
    /// The fault itself, where the time begins.
    fault: u64,
    pub(super) first_failure: Option<u64>,
    pub(super) verdict: Option<u64>,
    pub(super) read_only: Option<u64>,
    pub(super) flip_accepted: Option<u64>,
    pub(super) in_sync: Option<u64>,
    pub(super) answer_moved: Option<u64>,
    pub(super) public_login_ok: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) service: String,
    pub(super) fault_at_ms: u64,
    pub(super) times: Times,
    pub(super) answer_before: String,
    pub(super) answer_after: String,
    /// Every status that the primary's `/healthz` gave during the outage.
    pub(super) healthz: Vec<u16>,
    pub(super) votes_down: usize,
    pub(super) votes_of: usize,
    pub(super) serving: String,
    /// What the plan said of the standby, and what the demo itself found when it tried a write there.
    pub(super) read_only_verified: bool,
    pub(super) write_refused: bool,
    /// Whether the demo itself could log in through the public name after the flip.
    pub(super) public_login: bool,
    pub(super) epoch: Option<u64>,
    pub(super) plan_end: Option<String>,
    pub(super) slack: usize,
    pub(super) slack_loud: usize,
    pub(super) sms: usize,
}

impl Facts {
    /// Takes the time of an event that is one of the milestones.
    pub(super) fn take(&mut self, event: &Event) {
        let ms = event.at_ms.saturating_sub(self.fault_at_ms);
        let times = &mut self.times;
        let place = match (event.code.as_str(), event.step.as_deref()) {
            ("probe-failed", _) if event.role.as_deref() == Some("primary") => &mut times.first_failure,
            ("incident-opened", _) => &mut times.verdict,
            ("step-succeeded", Some("verify-read-only")) => {
                self.read_only_verified = true;
                &mut times.read_only
            }
            ("step-succeeded", Some("flip-records")) => &mut times.flip_accepted,
            ("step-succeeded", Some("await-in-sync")) => &mut times.in_sync,
            // Seen at every authoritative server, after the provider's word for it; one of them may have answered a little earlier.
            ("step-succeeded", Some("verify-answers")) => &mut times.answer_moved,
            ("step-succeeded", Some("verify-public-login")) => &mut times.public_login_ok,
            ("plan-done" | "plan-stuck" | "plan-abandoned", _) => {
                self.plan_end = Some(event.text.clone());
                return;
            }
            _ => return,
        };
        place.get_or_insert(ms);
    }

    /// The status that `/healthz` gave all the time; 0 when it did not give one and the same.
    fn healthz_all(&self) -> u16 {
        match self.healthz.split_first() {
            Some((first, rest)) if rest.iter().all(|status| status == first) => *first,
            _ => 0,
        }
    }

    /// What did not happen although it should have.
    pub(super) fn missing(&self) -> Vec<String> {
        let times = &self.times;
        let moved = !self.answer_after.is_empty() && self.answer_before != self.answer_after;
        let claims = [
            (times.first_failure.is_some(), "a probe failed"),
            (times.verdict.is_some() && self.votes_down > 0, "a quorum said that the primary is down"),
            (times.read_only.is_some() && self.read_only_verified, "the standby was verified read-only"),
            (self.write_refused, "a write on the standby is refused"),
            (times.flip_accepted.is_some(), "the flip was accepted"),
            (times.in_sync.is_some(), "the change was in sync"),
            (times.answer_moved.is_some() && moved, "the answer moved"),
            (times.public_login_ok.is_some() && self.public_login, "a login through the public name worked"),
            (self.healthz_all() == 200, "the primary's /healthz answered 200 all the time"),
            (self.serving == "standby", "the standby serves"),
            (self.plan_end.as_ref().is_some_and(|end| end.ends_with("done")), "the plan was done"),
            (self.slack > 0, "a notice reached the quiet channel"),
            (self.slack_loud > 0, "a notice reached the loud channel"),
            (self.sms > 0, "a text message arrived"),
        ];
        claims.into_iter().filter(|(held, _)| !held).map(|(_, claim)| claim.to_owned()).collect()
    }

    /// The demo's one line.
    pub(super) fn line(&self) -> Line<'_> {
        let missing = self.missing();
        Line {
            outcome: if missing.is_empty() { "failed-over" } else { "failed" },
            service: &self.service,
            serving: &self.serving,
            standby_read_only: if self.read_only_verified { "verified" } else { "unverified" },
            write_probe: if self.write_refused { "refused" } else { "not-refused" },
            healthz_during_outage: self.healthz_all(),
            votes: Votes { down: self.votes_down, of: self.votes_of },
            ms: &self.times,
            answer: Answer { before: &self.answer_before, after: &self.answer_after },
            notices: Notices { slack: self.slack, slack_loud: self.slack_loud, sms: self.sms },
            epoch: self.epoch,
            did_not_happen: missing,
        }
    }
}

/// The demo's one line, in the order in which a person would read it.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    outcome: &'static str,
    service: &'a str,
    serving: &'a str,
    standby_read_only: &'static str,
    write_probe: &'static str,
    healthz_during_outage: u16,
    votes: Votes,
    ms: &'a Times,
    answer: Answer<'a>,
    notices: Notices,
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    did_not_happen: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Votes {
    down: usize,
    of: usize,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    before: &'a str,
    after: &'a str,
}

#[derive(Debug, Serialize)]
struct Notices {
    slack: usize,
    slack_loud: usize,
    sms: usize,
}
