//! One service's state and what it is told. Whatever that was, the same turn follows, which asks the same questions in the
//! same order.

mod turn;

use std::collections::VecDeque;

use crate::domain::{
    Authority, Class, Epoch, JournalEntry, Moment, Observation, Outcome, OwnedRecords, Plan, PlanEnd, PlanId,
    PortError, Role, Service, Step, StepDetail, StepIndex, VantageView,
};

use super::incident::{self, Telling};
use super::io::{Command, Note, Output, StepSuccess};
use super::ledger::Ledger;
use super::progress::Attempt;
use super::quorum::{self, Windows};
use super::scene::Scene;

/// How long nothing is appended after the store refused: it fails static, and is not hammered.
const STORE_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
/// After how long without an answer a flip's trouble is told loudly (safety.md L3).
const FLIP_SLOW_AFTER: std::time::Duration = std::time::Duration::from_secs(60);
/// The first wait after a fence write that failed; it doubles with every further one.
const FENCE_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
/// The longest such wait.
const FENCE_PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// Whether this controller may act.
#[derive(Debug)]
pub(super) struct Leadership {
    pub(super) authority: Option<Authority>,
    pub(super) why_not: String,
}

impl Leadership {
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.authority.as_ref().map(Authority::epoch)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct ServiceState {
    service: Service,
    ledger: Ledger,
    journal_broken: Option<String>,
    windows: Windows,
    zone: Option<OwnedRecords>,
    why_not_fenced: String,
    fence_asked: bool,
    /// Fence writes that failed in a row.
    fence_failures: u32,
    /// When the zone is to be fenced again, after it failed.
    fence_again_at: Option<Moment>,
    attempt: Attempt,
    /// How the running step ended: kept until that is durable.
    ended: Option<Ended>,
    /// What people said, in order: kept until it is durable.
    words: VecDeque<JournalEntry>,
    /// An append is under way: nothing further is decided before it is back.
    appending: bool,
    store_pause_until: Option<Moment>,
    /// Which site is the serving one and unhealthy, and since when without a break.
    unhealthy: Option<(Role, Moment)>,
    /// When this service's turn is due at the latest.
    wake_at: Option<Moment>,
    told: Told,
}

/// A step's end.
#[derive(Debug)]
struct Ended {
    plan: PlanId,
    index: StepIndex,
    step: Step,
    result: Result<StepDetail, PortError>,
}

/// What was last noted, so that only changes are.
#[derive(Debug, Default)]
struct Told {
    views: Vec<(Role, crate::domain::VantageName, VantageView)>,
    verdicts: Vec<(Role, &'static str)>,
    waiting: String,
}

impl ServiceState {
    pub(super) fn new(service: Service) -> Self {
        Self {
            service,
            ledger: Ledger::default(),
            journal_broken: None,
            windows: Windows::default(),
            zone: None,
            why_not_fenced: "it has not been read yet".to_owned(),
            fence_asked: false,
            fence_failures: 0,
            fence_again_at: None,
            attempt: Attempt::default(),
            ended: None,
            words: VecDeque::new(),
            appending: false,
            store_pause_until: None,
            unhealthy: None,
            wake_at: None,
            told: Told::default(),
        }
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    pub(super) fn wake_at(&self) -> Option<Moment> {
        self.wake_at
    }

    /// Something is on its way into the journal, and nothing else is decided before it is there.
    pub(super) fn busy(&self) -> bool {
        self.appending || self.ended.is_some() || !self.words.is_empty()
    }

    /// Whether the service is frozen once everything that people said is durable.
    pub(super) fn to_be_frozen(&self) -> bool {
        self.words.back().map_or(self.ledger.frozen.is_some(), |word| matches!(word, JournalEntry::Frozen { .. }))
    }

    pub(super) fn scene<'a>(&'a self, now: Moment, leadership: &'a Leadership) -> Scene<'a> {
        let judged = |role| {
            let votes = self.windows.votes(&self.service, role, now);
            let verdict = quorum::verdict(&self.service, &votes);
            (votes, verdict)
        };
        // Records that were fenced under another epoch are not known under this one.
        let zone = self.zone.as_ref().filter(|zone| leadership.epoch().is_none_or(|e| zone.token().epoch == e));
        let serving = zone.map_or_else(|| self.ledger.serving(), OwnedRecords::serving);
        Scene {
            now,
            service: &self.service,
            ledger: &self.ledger,
            journal_broken: self.journal_broken.as_deref(),
            fence: leadership.authority.as_ref().and_then(|authority| authority.fence(now)),
            why_not_leading: if leadership.authority.is_some() {
                "its lease has run out"
            } else {
                &leadership.why_not
            },
            zone,
            why_not_fenced: &self.why_not_fenced,
            unhealthy_since: self.unhealthy.filter(|(role, _)| *role == serving).map(|(_, since)| since),
            primary: judged(Role::Primary),
            standby: judged(Role::Standby),
        }
    }

    pub(super) fn observed(&mut self, seen: &Observation, output: &mut Output) {
        let known = self.windows.observe(&self.service, seen);
        if known && seen.outcome != Outcome::Pass {
            let step = seen.failed_step.as_deref().map(|step| format!(" at '{step}'")).unwrap_or_default();
            let why = seen.reason.as_deref().unwrap_or("no reason given");
            let (code, word) = match seen.outcome {
                Outcome::Fail => ("probe-failed", "failed"),
                Outcome::Pass | Outcome::Inconclusive => ("probe-inconclusive", "was inconclusive"),
            };
            output.notes.push(Note {
                code,
                service: self.service.name.clone(),
                vantage: Some(seen.id.vantage.clone()),
                role: Some(seen.role),
                step: None,
                text: format!("{} {word}{step}: {why}", seen.check),
            });
        }
    }

    /// Forgets all but what was observed: the journal is about to be read anew.
    pub(super) fn forget(&mut self) {
        let service = self.service.clone();
        let (windows, told) = (std::mem::take(&mut self.windows), std::mem::take(&mut self.told));
        *self = Self { windows, told, words: std::mem::take(&mut self.words), ..Self::new(service) };
    }

    pub(super) fn recovered(&mut self, entry: &JournalEntry) {
        if let Err(error) = self.ledger.apply(entry) {
            self.journal_broken.get_or_insert(error.to_string());
        }
    }

    pub(super) fn fenced(&mut self, records: OwnedRecords) {
        self.zone = Some(records);
        self.fence_asked = false;
        self.fence_failures = 0;
        self.fence_again_at = None;
        self.attempt.flip_sent = false;
        self.attempt.armed = false;
    }

    pub(super) fn fence_failed(&mut self, now: Moment, error: &PortError, output: &mut Output) {
        self.why_not_fenced = error.to_string();
        self.fence_asked = false;
        let wait = FENCE_PAUSE.saturating_mul(1 << self.fence_failures.min(8)).min(FENCE_PAUSE_MAX);
        self.fence_failures = self.fence_failures.saturating_add(1);
        self.fence_again_at = Some(now.after(wait));
        if error.class == Class::Fenced {
            output.commands.push(Command::Resign { why: error.what.clone() });
        }
    }

    pub(super) fn append_failed(&mut self, now: Moment, error: &PortError, output: &mut Output) {
        self.appending = false;
        self.store_pause_until = Some(now.after(STORE_PAUSE));
        output.notes.push(self.note("journal-refused", None, format!("the journal refused: {error}")));
        if error.class == Class::Fenced {
            output.commands.push(Command::Resign { why: error.what.clone() });
        }
    }

    /// Folds a durable entry, and arms what it allows.
    pub(super) fn journaled(&mut self, now: Moment, entry: &JournalEntry, output: &mut Output) {
        self.appending = false;
        self.recovered(entry);
        if self.words.front() == Some(entry) {
            self.words.pop_front();
        }
        match entry {
            JournalEntry::PlanOpened { .. } => self.attempt = Attempt::default(),
            JournalEntry::StepStarted { .. } => {
                self.attempt.armed = true;
                self.attempt.since.get_or_insert(now);
            }
            JournalEntry::StepSucceeded { .. } => {
                self.attempt = Attempt::default();
                self.ended = None;
            }
            JournalEntry::StepFailed { .. } => self.ended = None,
            JournalEntry::StepVoided { .. } => {
                let Attempt { failures, since, .. } = self.attempt;
                self.attempt = Attempt { failures, since, ..Attempt::default() };
            }
            JournalEntry::PlanClosed { end: PlanEnd::Stuck { .. }, .. } => {
                // Whatever went wrong, the zone itself is asked again before anything else is decided from it.
                self.attempt = Attempt::default();
                self.unfence("the last plan got stuck", output);
            }
            JournalEntry::PlanClosed { .. } => self.attempt = Attempt::default(),
            JournalEntry::IncidentOpened { .. }
            | JournalEntry::IncidentEscalated { .. }
            | JournalEntry::IncidentClosed { .. }
            | JournalEntry::AttemptBlocked { .. }
            | JournalEntry::Frozen { .. }
            | JournalEntry::Unfrozen { .. }
            | JournalEntry::Pinned { .. }
            | JournalEntry::Unpinned { .. }
            | JournalEntry::AlertRaised { .. }
            | JournalEntry::AlertCleared { .. }
            | JournalEntry::Acknowledged { .. }
            | JournalEntry::StuckReminded { .. }
            | JournalEntry::PlanApproved { .. } => {}
        }
        self.note_entry(entry, output);
    }

    /// Takes a step's end. It is recorded by the next turn that may record.
    pub(super) fn step_ended(
        &mut self,
        now: Moment,
        index: StepIndex,
        result: Result<StepSuccess, PortError>,
        output: &mut Output,
    ) {
        // A step that is not running has ended before, or was another leader's.
        if !std::mem::take(&mut self.attempt.running) {
            return;
        }
        let current = self.ledger.open.as_ref().and_then(|open| {
            let (current, step, _) = open.current()?;
            (current == index).then(|| (open.plan.id().clone(), step))
        });
        let Some((plan, step)) = current else { return };
        let result = match result {
            Ok(StepSuccess { detail, records }) => {
                if let Some(records) = records {
                    self.zone = Some(records);
                    self.attempt.flip_sent = false;
                } else if step == Step::FlipRecords {
                    self.unfence("the flip did not say what it left", output);
                }
                Ok(detail)
            }
            Err(error) => {
                self.attempt.failed(now);
                if error.class == Class::Fenced {
                    output.commands.push(Command::Resign { why: error.what.clone() });
                }
                Err(error)
            }
        };
        self.ended = Some(Ended { plan, index, step, result });
    }

    /// What a step's end has the journal and people told.
    fn tell_ended(&self, scene: &Scene<'_>, ended: &Ended) -> Telling {
        let Ended { plan, index, step, result } = ended;
        let error = match result {
            Ok(detail) => {
                let entry = JournalEntry::StepSucceeded { plan: plan.clone(), step: *index, detail: detail.clone() };
                return Telling { entries: vec![entry], notices: Vec::new() };
            }
            Err(error) => error,
        };
        let failed = JournalEntry::StepFailed { plan: plan.clone(), step: *index, why: error.what.clone() };
        if error.class == Class::Retry {
            let tried_for = self.attempt.since.map(|since| scene.now.since(since)).unwrap_or_default();
            let slow = *step == Step::FlipRecords && tried_for > FLIP_SLOW_AFTER;
            let notice = slow.then(|| incident::flip_is_slow(scene, &error.what, tried_for)).flatten();
            return Telling { entries: vec![failed], notices: notice.into_iter().collect() };
        }
        let why = format!("could not {}: {}", step.sentence(), error.what);
        let closed = incident::plan_closed(scene, PlanEnd::Stuck { why });
        Telling { entries: std::iter::once(failed).chain(closed.entries).collect(), notices: closed.notices }
    }

    /// A person's plan, which the guards have let through.
    pub(super) fn open_plan(&mut self, now: Moment, leadership: &Leadership, plan: &Plan, output: &mut Output) {
        let telling = incident::plan_opened(&self.scene(now, leadership), plan);
        self.append(now, leadership, telling, output);
    }

    /// A person's word, to be recorded as soon as what is under way is. False when this controller may not.
    pub(super) fn record(
        &mut self,
        now: Moment,
        leadership: &Leadership,
        entry: JournalEntry,
        output: &mut Output,
    ) -> bool {
        if leadership.authority.as_ref().and_then(|authority| authority.fence(now)).is_none() {
            return false;
        }
        self.words.push_back(entry);
        self.append_words(now, leadership, output);
        true
    }

    /// What people said goes before everything else: nothing runs between a freeze and its record.
    fn append_words(&mut self, now: Moment, leadership: &Leadership, output: &mut Output) {
        let entries = self.words.iter().cloned().collect();
        self.append(now, leadership, Telling { entries, notices: Vec::new() }, output);
    }

    /// Forgets what the zone was, and asks for a new fence.
    fn unfence(&mut self, why: &str, output: &mut Output) {
        why.clone_into(&mut self.why_not_fenced);
        self.zone = None;
        if self.fence_again_at.is_none() {
            self.ask_fence(output);
        }
    }

    fn ask_fence(&mut self, output: &mut Output) {
        if !self.fence_asked {
            self.fence_asked = true;
            output.commands.push(Command::Fence { service: self.service.name.clone() });
        }
    }

    fn append(&mut self, now: Moment, leadership: &Leadership, telling: Telling, output: &mut Output) -> bool {
        let Telling { entries, notices } = telling;
        let fence = leadership.authority.as_ref().and_then(|authority| authority.fence(now));
        let (Some(fence), false, false) = (fence, entries.is_empty(), self.appending) else {
            return false;
        };
        self.appending = true;
        let service = self.service.name.clone();
        output.commands.push(Command::Append { service, fence, entries, notices });
        true
    }

    fn note(&self, code: &'static str, role: Option<Role>, text: String) -> Note {
        Note { code, service: self.service.name.clone(), vantage: None, role, step: None, text }
    }

    fn note_entry(&self, entry: &JournalEntry, output: &mut Output) {
        let step = match entry {
            JournalEntry::StepSucceeded { step, .. }
            | JournalEntry::StepFailed { step, .. }
            | JournalEntry::StepVoided { step, .. } => {
                self.ledger.open.as_ref().and_then(|open| open.plan.steps().get(*step).copied())
            }
            _ => None,
        };
        let (code, text) = match entry {
            JournalEntry::IncidentOpened { number, evidence } => {
                ("incident-opened", format!("incident {number}: {evidence}"))
            }
            JournalEntry::IncidentEscalated { number, evidence } => {
                ("incident-escalated", format!("incident {number}, second verdict in a row: {evidence}"))
            }
            JournalEntry::IncidentClosed { number, .. } => ("incident-closed", format!("incident {number} closed")),
            JournalEntry::AttemptBlocked { blockers } => ("blocked", blockers.join("; ")),
            JournalEntry::Frozen { by, reason } => ("frozen", format!("frozen by {by}: {reason}")),
            JournalEntry::Unfrozen { by, reason } => ("unfrozen", format!("unfrozen by {by}: {reason}")),
            JournalEntry::Pinned { to, lasting, by, reason } => (
                "pinned",
                format!("pinned to the {to} for {} by {by}: {reason}", humantime::format_duration(*lasting)),
            ),
            JournalEntry::Unpinned { by, reason } => ("unpinned", format!("unpinned by {by}: {reason}")),
            JournalEntry::AlertRaised { alert, text } => ("alert-raised", format!("{alert}: {text}")),
            JournalEntry::AlertCleared { alert } => ("alert-cleared", format!("{alert}: over")),
            JournalEntry::Acknowledged { by, reason } => ("acknowledged", format!("acknowledged by {by}: {reason}")),
            JournalEntry::StuckReminded { number } => {
                ("stuck-reminded", format!("still stuck, and nobody has acknowledged it: reminder {number}"))
            }
            JournalEntry::PlanApproved { plan, by } => ("plan-approved", format!("{plan} approved by {by}")),
            JournalEntry::PlanOpened { plan } => (
                "plan-opened",
                format!("{} {} to the {}, digest {}", plan.direction(), plan.id(), plan.to(), plan.digest()),
            ),
            // Told when it runs.
            JournalEntry::StepStarted { .. } => return,
            JournalEntry::StepSucceeded { detail, .. } => ("step-succeeded", detail.text.clone()),
            JournalEntry::StepFailed { why, .. } => ("step-failed", why.clone()),
            JournalEntry::StepVoided { why, .. } => ("step-voided", why.clone()),
            JournalEntry::PlanClosed { plan, end } => match end {
                PlanEnd::Done => ("plan-done", format!("{plan} done")),
                PlanEnd::Abandoned { why } => ("plan-abandoned", format!("{plan} given up: {why}")),
                PlanEnd::Stuck { why } => ("plan-stuck", format!("{plan} stuck: {why}")),
            },
        };
        output.notes.push(Note { step, ..self.note(code, None, text) });
    }
}
