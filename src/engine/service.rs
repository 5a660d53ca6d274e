//! One service's state and what it is told. Whatever that was, the same turn follows, which asks the same questions in the
//! same order.

mod drills;
mod looks;
mod notes;
mod records;
mod turn;

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::{
    Class, DrillEntry, JournalEntry, LagReading, Moment, Observation, Plan, PlanEnd, PlanId, PortError, Register,
    Role, Service, Step, StepDetail, StepIndex, VantageView, WallTime,
};

use super::alert::Conditions;
use super::burst::Pace;
use super::common::Common;
use super::drain::Drain;
use super::drill::{self, Drilling};
use super::incident::{self, Telling};
use super::io::{Command, Note, Output, StepSuccess};
use super::ledger::Ledger;
use super::limits::Lag;
use super::panel::Panel;
use super::progress::Attempt;
use super::quorum::{self, Held};
use super::scene::Scene;
use super::sites::Sites;
use super::watch::Watch;
use super::window::Seen;

/// How long nothing is appended after the store refused: it fails static, and is not hammered.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// After how long without an answer a flip's trouble is told loudly (safety.md L3).
const FLIP_SLOW_AFTER: Duration = Duration::from_secs(60);
/// The first wait after a fence write that failed; it doubles with every further one.
const FENCE_PAUSE: Duration = Duration::from_secs(1);
/// The longest such wait.
const FENCE_PAUSE_MAX: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(super) struct ServiceState {
    service: Service,
    ledger: Ledger,
    journal_broken: Option<String>,
    panel: Panel,
    pace: Pace,
    drain: Drain,
    drilling: Drilling,
    lag: Option<Lag>,
    sites: Sites,
    maintenance: Option<String>,
    register: Option<Register>,
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
    /// The policy has opened a plan that is not durable yet: it counts for what all services may do together.
    opening: bool,
    store_pause_until: Option<Moment>,
    held: Held,
    conditions: Conditions,
    /// What the names themselves showed.
    watch: Watch,
    /// When this service's turn is due at the latest.
    wake_at: Option<Moment>,
    /// The same, but for words that grow stale.
    other_wake: Option<Moment>,
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
            panel: Panel::new(&service),
            service,
            ledger: Ledger::default(),
            journal_broken: None,
            pace: Pace::default(),
            drain: Drain::default(),
            drilling: Drilling::default(),
            lag: None,
            sites: Sites::default(),
            maintenance: None,
            register: None,
            why_not_fenced: "it has not been read yet".to_owned(),
            fence_asked: false,
            fence_failures: 0,
            fence_again_at: None,
            attempt: Attempt::default(),
            ended: None,
            words: VecDeque::new(),
            appending: false,
            opening: false,
            store_pause_until: None,
            held: Held::default(),
            conditions: Conditions::default(),
            watch: Watch::default(),
            wake_at: None,
            other_wake: None,
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

    /// Whether the policy has opened a plan that is not durable yet.
    pub(super) fn is_opening(&self) -> bool {
        self.opening
    }

    /// Something is on its way into the journal, and nothing else is decided before it is there.
    pub(super) fn busy(&self) -> bool {
        self.appending || self.ended.is_some() || !self.words.is_empty()
    }

    /// Whether the service is frozen once everything that people said is durable.
    pub(super) fn to_be_frozen(&self) -> bool {
        let word = self.words.iter().rev().find_map(|word| match word {
            JournalEntry::Frozen { .. } => Some(true),
            JournalEntry::Unfrozen { .. } => Some(false),
            _ => None,
        });
        word.unwrap_or(self.ledger.frozen.is_some())
    }

    pub(super) fn scene<'a>(&'a self, now: Moment, common: &'a Common) -> Scene<'a> {
        let judged = |role| {
            let votes = self.panel.votes(&self.service, role, now);
            let verdict = quorum::verdict(&self.service, &votes);
            (votes, verdict)
        };
        Scene {
            now,
            wall: common.wall(now),
            service: &self.service,
            ledger: &self.ledger,
            journal_broken: self.journal_broken.as_deref(),
            halted: common.halted.as_deref(),
            fence: common.fence(now),
            why_not_leading: if common.authority.is_some() { "its lease has run out" } else { &common.why_not },
            register: self.register_under(common),
            why_not_fenced: &self.why_not_fenced,
            held: self.held,
            lag: self.lag.as_ref(),
            sites: &self.sites,
            maintenance: self.maintenance.as_deref(),
            drift: self.watch.drift(),
            flag_behind: self.watch.behind(),
            unsettled: self.panel.unsettled(&self.service, now),
            all_moves: &common.moves,
            broken: common.broken.iter().find(|(name, ..)| *name == self.service.name),
            limits: common.limits,
            pace: self.pace.every(self.service.policy.burst.as_ref(), now),
            primary: judged(Role::Primary),
            standby: judged(Role::Standby),
        }
    }

    /// The register, unless it was fenced under another epoch: what it holds is not known under this one.
    fn register_under(&self, common: &Common) -> Option<&Register> {
        let known = |register: &&Register| common.epoch().is_none_or(|epoch| register.token().epoch == epoch);
        self.register.as_ref().filter(known)
    }

    fn serving(&self, common: &Common) -> Role {
        self.register_under(common).map_or_else(|| self.ledger.serving(), Register::serving)
    }

    /// Takes one observation. True when something may follow from it; what only repeats what is known costs no further thought.
    pub(super) fn observed(&mut self, now: Moment, common: &Common, seen: Observation, output: &mut Output) -> bool {
        let (role, vantage, check) = (seen.role, seen.id.vantage.clone(), seen.check.clone());
        if drill::unheard(&self.service, &self.ledger) == Some(&vantage) {
            return false;
        }
        let step = seen.failed_step.is_some();
        let said = (seen.reason.clone(), step.then(|| seen.failed_step.clone()).flatten());
        let Some(noticed) = self.panel.observe(&self.service, now, seen) else { return false };
        let (code, word, news) = match noticed.seen {
            Seen::History => return false,
            Seen::Pass => {
                self.pace.passed(&self.service, &self.panel, role);
                ("", "", false)
            }
            Seen::Fail { news } => {
                if role == self.serving(common) {
                    self.pace.failed(now, role);
                }
                ("probe-failed", "failed", news)
            }
            Seen::Nothing { news } => ("probe-inconclusive", "was inconclusive", news),
        };
        if news {
            let (reason, step) = said;
            let step = step.map(|step| format!(" at '{step}'")).unwrap_or_default();
            let text = format!("{check} {word}{step}: {}", reason.as_deref().unwrap_or("no reason given"));
            output.notes.push(Note { vantage: Some(vantage), ..self.note(code, Some(role), text) });
        }
        let pace = self.pace_news(now, output);
        noticed.changed || news || pace
    }

    /// Tells agents how often to probe, if that is news.
    fn pace_news(&mut self, now: Moment, output: &mut Output) -> bool {
        let Some(every) = self.pace.news(self.service.policy.burst.as_ref(), now) else { return false };
        output.commands.push(Command::Pace { service: self.service.name.clone(), every });
        let text = match every {
            Some(every) => format!("every vantage probes each {} s", every.as_secs_f64()),
            None => "every vantage probes as often as the policy says".to_owned(),
        };
        output.notes.push(self.note("pace", None, text));
        true
    }

    pub(super) fn measured(&mut self, now: Moment, reading: Option<LagReading>) {
        self.lag = Some(Lag { at: now, reading });
    }

    pub(super) fn sites(&mut self) -> &mut Sites {
        &mut self.sites
    }

    pub(super) fn maintenance(&mut self, window: Option<String>) {
        self.maintenance = window;
    }

    /// Forgets all but what was observed: the journal is about to be read anew.
    pub(super) fn forget(&mut self) {
        let fresh = Self::new(self.service.clone());
        let old = std::mem::replace(self, fresh);
        (self.panel, self.pace, self.told, self.words) = (old.panel, old.pace, old.told, old.words);
        (self.lag, self.maintenance, self.drain, self.sites) = (old.lag, old.maintenance, old.drain, old.sites);
    }

    pub(super) fn recovered(&mut self, entry: &JournalEntry, at: WallTime) {
        if let Err(error) = self.ledger.apply(entry, at) {
            self.journal_broken.get_or_insert(error.to_string());
        }
    }

    pub(super) fn fenced(&mut self, now: Moment, register: Register, behind: Vec<String>) {
        self.watch.wrote(now);
        self.watch.left_behind(behind);
        self.register = Some(register);
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
        (self.appending, self.opening) = (false, false);
        self.store_pause_until = Some(now.after(STORE_PAUSE));
        output.notes.push(self.note("journal-refused", None, format!("the journal refused: {error}")));
        if error.class == Class::Fenced {
            output.commands.push(Command::Resign { why: error.what.clone() });
        }
    }

    /// Folds a durable entry, and arms what it allows.
    pub(super) fn journaled(&mut self, now: Moment, at: WallTime, entry: &JournalEntry, output: &mut Output) {
        (self.appending, self.opening) = (false, false);
        self.recovered(entry, at);
        if self.words.front() == Some(entry) {
            self.words.pop_front();
        }
        match entry {
            JournalEntry::PlanOpened { .. } => {
                self.attempt = Attempt::default();
                self.sites.forget_writes();
                self.watch.forget(now);
            }
            JournalEntry::AdoptionAsked { .. } => self.mending(now, "taken over"),
            JournalEntry::RepairAsked { .. } => self.mending(now, "put back"),
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
                self.watch.wrote(now);
                self.unfence("the last plan got stuck", output);
            }
            JournalEntry::PlanClosed { .. } => {
                self.attempt = Attempt::default();
                self.watch.wrote(now);
            }
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
            | JournalEntry::PlanApproved { .. }
            | JournalEntry::Reconciled { .. }
            | JournalEntry::Drained { .. } => {}
            JournalEntry::Drill(_) if self.ledger.drills.open.is_none() => {
                // What is measured does not end with a drill.
                let breach = self.drilling.breach.take();
                self.drilling = Drilling { breach, ..Drilling::default() };
            }
            JournalEntry::Drill(DrillEntry::Faulted { number, .. }) if drill::ends_process(&self.ledger) => {
                output.commands.push(Command::EndProcess { service: self.service.name.clone(), number: *number });
            }
            JournalEntry::Drill(_) => {}
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
            Ok(StepSuccess { detail, register }) => {
                if let Some(register) = register {
                    self.register = Some(register);
                    self.attempt.flip_sent = false;
                } else if step.is_switch() {
                    self.unfence("the switch did not say what it left", output);
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
            let slow = (step.is_switch() || *step == Step::PinRecords) && tried_for > FLIP_SLOW_AFTER;
            let notice = slow.then(|| incident::flip_is_slow(scene, &error.what, tried_for)).flatten();
            return Telling { entries: vec![failed], notices: notice.into_iter().collect() };
        }
        let end = if *step == Step::AskVeto && error.class == Class::Refused || *step == Step::FencePrimary {
            // Nothing was touched, and nobody is needed: somebody has decided, or a promotion ends where it began.
            PlanEnd::Abandoned { why: error.what.clone() }
        } else {
            PlanEnd::Stuck { why: format!("could not {}: {}", step.sentence(), error.what) }
        };
        let closed = incident::plan_closed(scene, end);
        Telling { entries: std::iter::once(failed).chain(closed.entries).collect(), notices: closed.notices }
    }

    /// A person's plan, which the guards have let through.
    pub(super) fn open_plan(&mut self, now: Moment, common: &Common, plan: &Plan, output: &mut Output) {
        let telling = incident::plan_opened(&self.scene(now, common), plan);
        self.append(now, common, telling, output);
    }

    /// A person's word, to be recorded as soon as what is under way is. False when this controller may not.
    pub(super) fn record(&mut self, now: Moment, common: &Common, entry: JournalEntry, output: &mut Output) -> bool {
        if common.fence(now).is_none() {
            return false;
        }
        self.words.push_back(entry);
        self.append_words(now, common, output);
        true
    }

    /// What people said goes before everything else: nothing runs between a freeze and its record.
    fn append_words(&mut self, now: Moment, common: &Common, output: &mut Output) {
        let telling = self.telling_of_words(now, common);
        self.append(now, common, telling, output);
    }

    /// Forgets what the register was, and asks for a new fence.
    fn unfence(&mut self, why: &str, output: &mut Output) {
        why.clone_into(&mut self.why_not_fenced);
        self.register = None;
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

    fn append(&mut self, now: Moment, common: &Common, telling: Telling, output: &mut Output) -> bool {
        let Telling { entries, notices } = telling;
        let fence = common.fence(now);
        let (Some(fence), false, false) = (fence, entries.is_empty(), self.appending) else {
            return false;
        };
        self.appending = true;
        let service = self.service.name.clone();
        output.commands.push(Command::Append { service, fence, entries, notices });
        true
    }
}
