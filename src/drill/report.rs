//! The report: everything that it shows, before it is put into a page.

use serde::Serialize;

use super::dossier::{Dossier, line};
use super::surprises::surprises;
use super::times::{self, Time};
use crate::domain::{DrillEnd, DrillEntry, JournalEntry, PlanId, Step, StepIndex};

/// The version of the document.
const VERSION: u32 = 1;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It did all that it was to do.
    Passed,
    /// Something did not work.
    Failed,
    /// It was ended before its time, and everything is back.
    Aborted,
    /// It has not ended yet.
    UnderWay,
}

impl Ending {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::UnderWay => "under way",
        }
    }
}

/// One line, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// After the beginning, in milliseconds.
    pub at_ms: u64,
    /// A word for what it is.
    pub kind: String,
    /// In words.
    pub text: String,
}

/// One step of one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepRow {
    /// The plan.
    pub plan: String,
    /// "failover" or "failback".
    pub direction: String,
    /// Which step.
    pub step: String,
    /// As a person would say it.
    pub sentence: String,
    /// When it was first begun, after the beginning of the drill, in milliseconds.
    pub started_ms: u64,
    /// When it had succeeded.
    pub ended_ms: Option<u64>,
    /// How long that took, in milliseconds.
    pub took_ms: Option<u64>,
    /// How often it was begun.
    pub attempts: usize,
    /// What it has to say.
    pub text: String,
    #[serde(skip)]
    pub(super) known: Option<Step>,
}

/// One vote of the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// After the beginning, in milliseconds.
    pub at_ms: u64,
    /// In words.
    pub text: String,
}

/// One look of a tabletop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookRow {
    /// At what.
    pub at: String,
    /// `good`, `bad`, `unknown` or `not-looked`.
    pub finding: String,
    /// In one line.
    pub text: String,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The version of the document.
    pub v: u32,
    /// The cluster.
    pub cluster: String,
    /// The service that was moved.
    pub service: String,
    /// Whether that is a rehearsal.
    pub rehearsal: bool,
    /// The name.
    pub dns_name: String,
    /// The records' time to live, in seconds.
    pub ttl_s: u32,
    /// The primary.
    pub primary: String,
    /// The standby.
    pub standby: String,
    /// The policy's name.
    pub policy: String,
    /// The checks.
    pub checks: Vec<String>,
    /// Votes that are needed.
    pub quorum: usize,
    /// The drill's number.
    pub number: u64,
    /// `tabletop`, `rehearse` or `live`.
    pub kind: String,
    /// Who began it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether it was the schedule's turn.
    pub scheduled: bool,
    /// What was broken on purpose.
    pub fault: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub began: String,
    /// When it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// When it ended, after the beginning, in milliseconds.
    pub ended_after_ms: Option<u64>,
    /// For how long the standby was to serve, in milliseconds.
    pub hold_ms: u64,
    /// How it ended.
    pub result: Ending,
    /// Why, unless it passed.
    pub why: Option<String>,
    /// The times, against the objectives.
    pub times: Vec<Time>,
    /// The steps, in order.
    pub steps: Vec<StepRow>,
    /// What a tabletop has found.
    pub looks: Vec<LookRow>,
    /// What was not expected.
    pub surprises: Vec<Line>,
    /// What it rests on: votes, refused writes, tokens, answers.
    pub evidence: Vec<Evidence>,
    /// All that was recorded, in words.
    pub log: Vec<Line>,
}

impl Report {
    /// The report of one drill.
    pub fn of(dossier: &Dossier) -> Self {
        let Dossier { cluster, drill, began, facts, records } = dossier;
        let end = records.iter().find_map(|record| match &record.entry {
            JournalEntry::Drill(DrillEntry::Ended { end, looks, .. }) => Some((record.at, end, looks)),
            _ => None,
        });
        let steps = steps(dossier);
        let log = records.iter().filter_map(|record| {
            let (kind, text) = line(dossier, record)?;
            Some(Line { at_ms: dossier.offset(record.at), kind: kind.to_owned(), text })
        });
        let looks = end.iter().flat_map(|(_, _, looks)| looks.iter()).map(|look| LookRow {
            at: look.at.clone(),
            finding: look.finding.as_str().to_owned(),
            text: look.text.clone(),
        });
        Self {
            v: VERSION,
            cluster: cluster.clone(),
            service: facts.service.clone(),
            rehearsal: facts.rehearsal,
            dns_name: facts.dns_name.clone(),
            ttl_s: facts.ttl_s,
            primary: facts.primary.clone(),
            standby: facts.standby.clone(),
            policy: facts.policy.clone(),
            checks: facts.checks.clone(),
            quorum: facts.quorum,
            number: drill.number,
            kind: drill.kind.to_string(),
            by: drill.by.clone(),
            reason: drill.reason.clone(),
            scheduled: drill.scheduled,
            fault: drill.fault.map(|fault| fault.to_string()),
            began: began.to_string(),
            began_ms: began.as_ms(),
            ended_after_ms: end.map(|(at, ..)| dossier.offset(at)),
            hold_ms: u64::try_from(drill.hold.as_millis()).unwrap_or(u64::MAX),
            result: match end.map(|(_, end, _)| end) {
                None => Ending::UnderWay,
                Some(DrillEnd::Passed) => Ending::Passed,
                Some(DrillEnd::Failed { .. }) => Ending::Failed,
                Some(DrillEnd::Aborted { .. }) => Ending::Aborted,
            },
            why: end.and_then(|(_, end, _)| end.why().map(str::to_owned)),
            times: times::times(dossier),
            surprises: surprises(dossier, &steps),
            evidence: evidence(dossier),
            looks: looks.collect(),
            log: log.collect(),
            steps,
        }
    }

    /// Whether an objective was missed.
    pub fn missed(&self) -> bool {
        self.times.iter().any(|time| time.met == Some(false))
    }
}

fn steps(dossier: &Dossier) -> Vec<StepRow> {
    let mut rows: Vec<(PlanId, StepIndex, StepRow)> = Vec::new();
    for record in &dossier.records {
        let at = dossier.offset(record.at);
        let (plan, index) = match &record.entry {
            JournalEntry::StepStarted { plan, step, .. }
            | JournalEntry::StepSucceeded { plan, step, .. }
            | JournalEntry::StepFailed { plan, step, .. } => (plan, *step),
            _ => continue,
        };
        let place = match rows.iter().position(|(of, known, _)| of == plan && *known == index) {
            Some(place) => place,
            None => {
                let Some((_, opened)) = dossier.plans().find(|(_, one)| one.id() == plan) else { continue };
                let known = opened.steps().get(index).copied();
                let row = StepRow {
                    plan: plan.to_string(),
                    direction: opened.direction().to_owned(),
                    step: known.map_or_else(String::new, |step| step.to_string()),
                    sentence: known.map_or_else(String::new, |step| step.sentence().to_owned()),
                    started_ms: at,
                    ended_ms: None,
                    took_ms: None,
                    attempts: 0,
                    text: String::new(),
                    known,
                };
                rows.push((plan.clone(), index, row));
                rows.len() - 1
            }
        };
        let Some((_, _, row)) = rows.get_mut(place) else { continue };
        match &record.entry {
            JournalEntry::StepStarted { .. } => row.attempts += 1,
            JournalEntry::StepSucceeded { detail, .. } => {
                row.ended_ms = Some(at);
                row.took_ms = Some(at.saturating_sub(row.started_ms));
                row.text.clone_from(&detail.text);
            }
            JournalEntry::StepFailed { why, .. } => row.text = format!("failed: {why}"),
            _ => {}
        }
    }
    rows.into_iter().map(|(_, _, row)| row).collect()
}

fn evidence(dossier: &Dossier) -> Vec<Evidence> {
    let mut found = Vec::new();
    for record in &dossier.records {
        let at_ms = dossier.offset(record.at);
        let mut tell = |text: String| found.push(Evidence { at_ms, text });
        match &record.entry {
            JournalEntry::Drill(DrillEntry::Faulted { text, .. }) => tell(format!("broken on purpose: {text}")),
            JournalEntry::Drill(DrillEntry::Detected { text, .. }) => tell(format!("detected: {text}")),
            JournalEntry::PlanOpened { plan } => {
                tell(format!("plan {}, digest {}, over the token {}", plan.id(), plan.digest(), plan.parent()));
            }
            JournalEntry::StepStarted { intent: Some(intent), .. } => {
                tell(format!("the token was to go from {} to {}", intent.expected, intent.new));
            }
            JournalEntry::StepSucceeded { plan, step, detail } => {
                let proof = |step: &Step| {
                    step.is_switch()
                        || matches!(step, Step::VerifyReadOnly | Step::VerifyAnswers | Step::VerifyPublicLogin)
                };
                if dossier.step(plan, *step).as_ref().is_some_and(proof) {
                    tell(detail.text.clone());
                }
            }
            JournalEntry::IncidentOpened { evidence, .. } => {
                for vote in evidence.down() {
                    let reason = vote.reason.as_deref().unwrap_or("no reason given");
                    tell(format!("{} ({}) says {}: {reason}", vote.vantage, vote.cloud, vote.view));
                }
            }
            JournalEntry::Drained { plan, record } => tell(format!("resolvers, after {plan}: {record}")),
            _ => {}
        }
    }
    found
}

/// Milliseconds, as people read them.
pub(super) fn seconds(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10),
        10_000..120_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => {
            let (minutes, seconds) = (ms / 60_000, ms % 60_000 / 1_000);
            if minutes < 120 {
                format!("{minutes} min {seconds} s")
            } else {
                format!("{} h {} min", minutes / 60, minutes % 60)
            }
        }
    }
}
