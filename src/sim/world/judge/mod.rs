//! The judge sees the whole world and trusts nobody in it: it keeps its own copy of everything that was ever durable, its own count of what
//! each controller was told, and looks at the zone and the sites themselves. It is asked at every event.
//!
//! It refuses to know how the engine decides: what it holds against a move is true of any policy.

mod invariant;
mod votes;

use std::collections::{BTreeMap, BTreeSet};

pub use invariant::Invariant;
use votes::Votes;

use super::values::{NEIGHBOUR, Values};
use crate::domain::{
    Cause, ChangeBatch, Epoch, FlipIntent, JournalEntry, JournalRecord, Moment, Observation, OwnedRecords, Plan,
    PlanEnd, PlanId, RecordSet, Role, Service, Step, StepIndex, Token, VantageName, WallTime,
};
use crate::engine::Ledger;

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub invariant: Invariant,
    /// When, in milliseconds of the world's time.
    pub at_ms: u64,
    /// What was seen.
    pub what: String,
}

/// A controller, as the judge knows it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) service: Service,
    votes: Votes,
    /// Since when, in the world's milliseconds, its loop has been busy with appends without a pause, if it was then last seen so.
    busy_since_ms: u64,
    busy_until_ms: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Judge {
    values: Values,
    pub(super) findings: Vec<Finding>,
    pub(super) risks: BTreeMap<Invariant, u64>,
    now_ms: u64,
    controllers: BTreeMap<usize, Known>,
    /// All that was ever durable, by a restore lost or not.
    intents: Vec<(PlanId, StepIndex, Option<FlipIntent>)>,
    plans: Vec<Plan>,
    /// The plans of ours that the present journal knows, folded.
    pub(super) ledger: Ledger,
    /// Which controller's writes each epoch has made.
    writers: BTreeMap<Epoch, usize>,
    /// The epochs whose writes the provider has lost.
    lost: BTreeSet<Epoch>,
    /// The store's epoch.
    stored: Epoch,
    /// The plans for which the standby refused a write, in truth.
    refused_for: BTreeSet<PlanId>,
    pub(super) edited: bool,
    neighbour: Option<RecordSet>,
    pub(super) flips: u64,
    pub(super) first_flip_ms: Option<u64>,
}

impl Judge {
    pub(super) fn new(values: Values, zone: &[RecordSet]) -> Self {
        Self {
            values,
            findings: Vec::new(),
            risks: BTreeMap::new(),
            now_ms: 0,
            controllers: BTreeMap::new(),
            intents: Vec::new(),
            plans: Vec::new(),
            ledger: Ledger::default(),
            writers: BTreeMap::new(),
            lost: BTreeSet::new(),
            stored: Epoch::default(),
            refused_for: BTreeSet::new(),
            edited: false,
            neighbour: zone.iter().find(|set| set.name == NEIGHBOUR).cloned(),
            flips: 0,
            first_flip_ms: None,
        }
    }

    /// The world's time of what comes.
    pub(super) fn at(&mut self, now_ms: u64) -> &mut Self {
        self.now_ms = now_ms;
        self
    }

    pub(super) fn risk(&mut self, invariant: Invariant) {
        *self.risks.entry(invariant).or_default() += 1;
    }

    pub(super) fn holds(&mut self, invariant: Invariant, holds: bool, what: impl FnOnce() -> String) {
        // The first is what matters; the rest follows from it.
        if !holds && !self.findings.iter().any(|found| found.invariant == invariant) {
            self.findings.push(Finding { invariant, at_ms: self.now_ms, what: what() });
        }
    }

    // --- controllers and what they are told ---

    pub(super) fn started(&mut self, process: usize, service: Service) {
        let known = Known { service, votes: Votes::default(), busy_since_ms: 0, busy_until_ms: 0 };
        self.controllers.insert(process, known);
    }

    pub(super) fn arriving(&mut self, process: usize, observations: &[Observation]) {
        if let Some(known) = self.controllers.get_mut(&process) {
            known.votes.arriving(observations);
        }
    }

    pub(super) fn arrived(&mut self, process: usize, vantage: &VantageName) {
        let now_ms = self.now_ms;
        if let Some(known) = self.controllers.get_mut(&process) {
            known.votes.arrived(vantage, now_ms);
        }
    }

    /// The controller's loop waits for an append.
    pub(super) fn busy(&mut self, process: usize) {
        let now_ms = self.now_ms;
        if let Some(known) = self.controllers.get_mut(&process)
            && known.busy_until_ms < now_ms
        {
            known.busy_since_ms = now_ms;
        }
    }

    /// It has its answer.
    pub(super) fn idle(&mut self, process: usize) {
        let now_ms = self.now_ms;
        if let Some(known) = self.controllers.get_mut(&process) {
            known.busy_until_ms = now_ms;
        }
    }

    /// How many of its vantages report on the primary.
    pub(super) fn reporting(&self, process: usize, now: Moment) -> Option<(usize, usize)> {
        let known = self.controllers.get(&process)?;
        Some((known.votes.reporting(&known.service, Role::Primary, now), known.service.policy.quorum))
    }

    /// Whether a quorum last saw the primary pass.
    pub(super) fn primary_back(&self, process: usize) -> bool {
        self.controllers.get(&process).is_some_and(|known| {
            let passing = known.votes.last_was(&known.service, Role::Primary, true, self.now_ms);
            passing >= known.service.policy.quorum
        })
    }

    /// Whether the standby is unproven while the primary may be held for down.
    pub(super) fn standby_doubtful(&self, process: usize, now: Moment) -> bool {
        self.controllers.get(&process).is_some_and(|Known { service, votes, .. }| {
            votes.may_be_down(service, Role::Primary, now).0 >= service.policy.quorum
                && votes.may_be_up(service, Role::Standby, now) < service.policy.quorum
        })
    }

    // --- the store ---

    pub(super) fn read(&mut self, records: &[JournalRecord]) {
        let mut ledger = Ledger::default();
        let error = records.iter().find_map(|record| ledger.apply(&record.entry, record.at).err());
        self.holds(Invariant::E3, error.is_none(), || format!("the journal that is read: {error:?}"));
        if !records.is_empty() {
            self.risk(Invariant::E3);
        }
        if self.ledger.open.is_some() {
            self.risk(Invariant::E1);
        }
    }

    /// The store's epoch is this one now.
    pub(super) fn claimed(&mut self, epoch: Epoch) {
        self.stored = epoch;
    }

    /// The provider lost what it had accepted, and shows this zone again.
    pub(super) fn stranded(&mut self, zone: &[RecordSet]) {
        let epoch = self.zone_epoch(zone);
        self.lost.extend(self.writers.keys().filter(|known| **known > epoch).copied());
        self.forget_lost();
    }

    /// An epoch that the provider lost *and* the store lost is nowhere any more, and nothing can keep it from being given again
    /// (safety.md 4.2, d). As long as one of the two has it, S6 holds.
    fn forget_lost(&mut self) {
        let Self { lost, stored, .. } = self;
        self.writers.retain(|epoch, _| !(lost.contains(epoch) && *epoch > *stored));
    }

    /// The store went back to a backup of that epoch that holds these.
    pub(super) fn restored(&mut self, epoch: Epoch, records: &[JournalRecord]) {
        self.stored = epoch;
        self.forget_lost();
        self.ledger = Ledger::default();
        for record in records {
            let _ = self.ledger.apply(&record.entry, record.at);
        }
    }

    /// A controller wants to append these, and has not yet been kept waiting.
    pub(super) fn deciding(&mut self, process: usize, now: Moment, entries: &[&JournalEntry]) {
        for entry in entries {
            if let JournalEntry::PlanOpened { plan } = entry {
                if matches!(plan.cause(), Cause::Quorum(_)) {
                    self.evidence(process, now, plan);
                    self.holds(Invariant::S12, plan.to() == Role::Standby, || {
                        format!("plan {} by itself", plan.id())
                    });
                }
                if self.ledger.open.is_some() {
                    self.risk(Invariant::E1);
                }
            }
        }
    }

    /// The entries of a controller that acts under `epoch` are durable in a store whose epoch is `stored`.
    pub(super) fn appended(
        &mut self,
        at: WallTime,
        epoch: Epoch,
        stored: Epoch,
        entries: &[&JournalEntry],
        primary_down: bool,
    ) {
        self.holds(Invariant::S9, epoch == stored, || {
            format!("an append under epoch {epoch}, and the store's is {stored}: {entries:?}")
        });
        for entry in entries {
            match entry {
                JournalEntry::PlanOpened { plan } => {
                    let open = self.ledger.open.as_ref().map(|open| open.plan.id().clone());
                    self.holds(Invariant::E1, open.is_none(), || format!("{} opened beside {open:?}", plan.id()));
                    self.plans.push((**plan).clone());
                }
                JournalEntry::StepStarted { plan, step, intent } => {
                    let flip = intent.as_deref().cloned();
                    if flip.is_some() {
                        let freeze = self.ledger.frozen.clone();
                        self.holds(Invariant::S10, freeze.is_none(), || {
                            format!("a flip of {plan} started: {freeze:?}")
                        });
                    }
                    self.intents.push((plan.clone(), *step, flip));
                }
                JournalEntry::Frozen { .. } if self.ledger.open.is_some() || primary_down => {
                    self.risk(Invariant::S10);
                }
                _ => {}
            }
            let folded = self.ledger.apply(entry, at);
            self.holds(Invariant::E3, folded.is_ok(), || format!("{folded:?} by {entry:?}"));
        }
    }

    // --- steps and writes ---

    /// The last intent of this plan's step that is durable, or ever was.
    fn intent(&self, plan: &PlanId, step: StepIndex) -> bool {
        self.intents.iter().any(|(known, index, _)| known == plan && *index == step)
    }

    /// A step before or after the flip has an effect outside.
    pub(super) fn effect(&mut self, plan: &PlanId, step: Step) {
        self.risk(Invariant::E2);
        let index = self.plans.iter().rev().find(|known| known.id() == plan);
        let index = index.and_then(|known| known.steps().iter().position(|one| *one == step));
        let durable = index.is_some_and(|index| self.intent(plan, index));
        self.holds(Invariant::E2, durable, || format!("{step} of {plan}, whose start was never durable"));
    }

    pub(super) fn standby_refused(&mut self, plan: &PlanId) {
        self.refused_for.insert(plan.clone());
    }

    /// What an automatic move stands on.
    fn evidence(&mut self, process: usize, now: Moment, plan: &Plan) {
        self.risk(Invariant::S2);
        let Some(Known { service, votes, .. }) = self.controllers.get(&process) else { return };
        let (quorum, clouds, from) = (service.policy.quorum, service.policy.clouds, plan.to().other());
        let reporting = votes.reporting(service, from, now);
        let (down, down_clouds) = votes.may_be_down(service, from, now);
        let id = plan.id();
        self.holds(Invariant::S9, reporting >= quorum, || format!("{id}: {reporting} vantages report"));
        if reporting >= quorum {
            self.holds(Invariant::S2, down >= quorum && down_clouds >= clouds, || {
                format!("{id}: at most {down} vantages in {down_clouds} clouds can hold the {from} for down")
            });
        }
    }

    /// A controller is about to send this batch, and has not yet been kept waiting.
    pub(super) fn sending(&mut self, process: usize, now: Moment, batch: &ChangeBatch) {
        let Some(plan) = self.plan_of(batch).cloned() else {
            self.holds(Invariant::S7, !is_flip(batch), || {
                format!("{} belongs to no durable plan", batch.new_token())
            });
            return;
        };
        let (id, to) = (plan.id(), plan.to());
        let tokens = Some(FlipIntent { expected: batch.expected().clone(), new: batch.new_token().clone() });
        let intended = self.intents.iter().any(|(known, _, intent)| known == id && *intent == tokens);
        self.holds(Invariant::S7, intended, || format!("a flip of {id} without a durable intent of its tokens"));
        self.effect(id, Step::FlipRecords);
        let freeze = self.ledger.frozen.clone();
        self.holds(Invariant::S10, freeze.is_none(), || format!("a flip of {id} is sent: {freeze:?}"));
        if matches!(plan.cause(), Cause::Quorum(_)) {
            self.evidence(process, now, &plan);
        }
        if !matches!(plan.cause(), Cause::Operator { force: true, .. }) {
            self.target(process, now, &plan);
        }
        if to == Role::Standby {
            self.risk(Invariant::S15);
            let refused = self.refused_for.contains(id);
            self.holds(Invariant::S15, refused, || format!("a flip of {id}, for which the standby refused no write"));
        }
    }

    /// What a move to a site stands on.
    fn target(&mut self, process: usize, now: Moment, plan: &Plan) {
        self.risk(Invariant::S3);
        let Some(Known { service, votes, busy_since_ms, .. }) = self.controllers.get(&process) else { return };
        let (id, to, quorum) = (plan.id(), plan.to(), service.policy.quorum);
        let up = votes.may_be_up(service, to, now);
        let failing = votes.last_was(service, to, false, *busy_since_ms);
        let room = service.vantages.len().saturating_sub(quorum);
        self.holds(Invariant::S3, up >= quorum, || format!("{id}: at most {up} vantages can hold the {to} for up"));
        self.holds(Invariant::S4, failing <= room, || format!("{id}: {failing} vantages last saw the {to} fail"));
    }

    fn plan_of(&self, batch: &ChangeBatch) -> Option<&Plan> {
        let digest = batch.new_token().digest.as_ref().filter(|_| is_flip(batch))?;
        self.plans.iter().rev().find(|plan| plan.digest() == digest)
    }

    /// The provider refused a batch of this controller.
    pub(super) fn refused(&mut self, zone: &[RecordSet], batch: &ChangeBatch) {
        self.reached(batch);
        if self.token(zone).is_some_and(|token| token != *batch.expected()) {
            self.risk(Invariant::S5);
        }
    }

    fn reached(&mut self, batch: &ChangeBatch) {
        self.risk(Invariant::S17);
        if is_flip(batch) {
            self.risk(Invariant::S16);
        }
        if self.edited {
            self.risk(Invariant::S20);
        }
    }

    /// The provider applied it. `writer` is the controller that sent it, dead or alive.
    pub(super) fn applied(&mut self, writer: usize, before: &[RecordSet], after: &[RecordSet], batch: &ChangeBatch) {
        self.reached(batch);
        let (old, new) = (self.token(before), batch.new_token());
        if old.as_ref() != Some(batch.expected()) {
            self.risk(Invariant::S5);
        }
        self.holds(Invariant::S5, old.as_ref().is_some_and(|old| new.is_after(old)), || {
            format!("'{new}' was written over '{}'", old.as_ref().map(ToString::to_string).unwrap_or_default())
        });
        let first = *self.writers.entry(new.epoch).or_insert(writer);
        // A start that reads the zone too late fences it under an epoch that is taken, sees that, and takes the next one. That write moves
        // nothing; another would.
        if first != writer {
            self.risk(Invariant::S6);
        }
        self.holds(Invariant::S6, first == writer || !is_flip(batch), || {
            format!(
                "epoch {} wrote for controller {first}, and now moves the name for controller {writer}",
                new.epoch
            )
        });
        if is_flip(batch) {
            self.flips += 1;
            self.first_flip_ms.get_or_insert(self.now_ms);
            self.holds(Invariant::S20, !self.edited, || format!("'{new}' moved records that a person had edited"));
            let plan = self.plan_of(batch).cloned();
            self.holds(Invariant::S7, plan.is_some(), || format!("'{new}' was applied without a plan"));
            let by_person = plan.as_ref().is_some_and(|plan| matches!(plan.cause(), Cause::Operator { .. }));
            self.holds(Invariant::S12, new.serving == Role::Standby || by_person, || {
                format!("'{new}' moved the name back, and no person asked")
            });
        }
        self.zone(after);
    }

    fn token(&self, zone: &[RecordSet]) -> Option<Token> {
        let mark = OwnedRecords::mark_name(&self.values.service(0).dns.name);
        let set = zone.iter().find(|set| set.name == mark)?;
        Token::parse(set.values.first()?).ok()
    }

    /// Where the mark says that the name points.
    pub(super) fn serving(&self, zone: &[RecordSet]) -> Role {
        self.token(zone).map_or(Role::Primary, |token| token.serving)
    }

    /// The zone's epoch.
    pub(super) fn zone_epoch(&self, zone: &[RecordSet]) -> Epoch {
        self.token(zone).map(|token| token.epoch).unwrap_or_default()
    }

    fn zone(&mut self, zone: &[RecordSet]) {
        let service = self.values.service(0);
        let name = service.dns.name.clone();
        let payload = zone.iter().filter(|set| set.name == name).count();
        let marks = zone.iter().filter(|set| set.name == OwnedRecords::mark_name(&name)).count();
        let whole = OwnedRecords::find(&self.values.cluster, service, zone);
        // A person's edit may disagree with the mark; the records are there all the same.
        let whole = whole.is_ok() || self.edited;
        self.holds(Invariant::S16, payload == 2 && marks == 1 && whole, || format!("the zone: {zone:?}"));
        let neighbour = zone.iter().find(|set| set.name == NEIGHBOUR).cloned();
        let same = neighbour == self.neighbour;
        self.holds(Invariant::S17, same, || format!("{NEIGHBOUR} was {:?}", neighbour));
    }

    // --- at any time, and at the end ---

    /// What must hold whatever happens.
    pub(super) fn always(&mut self, points_at_standby: bool, standby_writable: bool) {
        self.holds(Invariant::S1, !(points_at_standby && standby_writable), || {
            "the name points at the standby, and the standby takes writes".to_owned()
        });
    }

    /// Everything was healed, and long ago.
    pub(super) fn end(&mut self, untold: &[String], told: &BTreeSet<String>, quorum_up: bool) {
        let open = self.ledger.open.as_ref().map(|open| format!("{}: {:?}", open.plan.id(), open.current()));
        self.holds(Invariant::S8, open.is_none(), || format!("still open: {open:?}"));
        let incident = self.ledger.incident;
        self.holds(Invariant::E4, incident.is_none() || !quorum_up, || format!("still open: {incident:?}"));
        self.holds(Invariant::E4, untold.is_empty(), || format!("queued, and never told: {untold:?}"));
        if let Some(last) = self.ledger.last.clone() {
            let what = match last.end {
                PlanEnd::Done => "done",
                PlanEnd::Abandoned { .. } => "given up",
                PlanEnd::Stuck { .. } => "stuck",
            };
            let key = format!("{}/plan-{}/closed", last.plan.service(), last.plan.id());
            let announced = told.contains(&key);
            self.holds(Invariant::E4, announced, || format!("{} is {what}, and nobody was told", last.plan.id()));
        }
    }
}

/// Whether the batch moves the records: a fence write leaves what the token says of the move as it is.
pub(super) fn is_flip(batch: &ChangeBatch) -> bool {
    batch.changes().len() > 2
}
