//! The turn: what follows from a service's state at a moment. It asks the rooms in their order (see the engine's own page),
//! takes the first answer that calls for something, and keeps what has to be told only once.

use std::time::Duration;

use crate::domain::{Cause, Moment, Role, SiteVotes, Step, StepIndex, VantageView, Verdict};

use super::super::common::Common;
use super::super::guard::{self, Asker, Blocker};
use super::super::incident::{self, Telling};
use super::super::invariants;
use super::super::io::{Command, Note, Output, StepOrder};
use super::super::ledger::StepStatus;
use super::super::planner;
use super::super::progress::{self, Move};
use super::super::quorum;
use super::super::sites;
use super::{ServiceState, Told};

/// How often a service in trouble is looked at, if nothing else is due.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is to be told, or the sooner of two times to look again.
fn soonest(first: Option<Moment>, second: Result<Telling, Option<Moment>>) -> Result<Telling, Option<Moment>> {
    second.map_err(|second| [first, second].into_iter().flatten().min())
}

impl ServiceState {
    /// The turn, and when the next one is due.
    pub(in crate::engine) fn advance(&mut self, now: Moment, common: &Common, output: &mut Output) {
        let others = output.wake_at.take();
        self.turn(now, common, output);
        self.other_wake = output.wake_at.map(|at| at.max(now));
        // What it says of the sites now is what was just decided from.
        let _ = self.panel.reread(&self.service, now);
        self.rest(now);
        if let Some(at) = others {
            output.wake(at);
        }
    }

    /// What is due is only that words might have grown stale, and none has: nothing follows, and the next look is set.
    pub(in crate::engine) fn still_fresh(&mut self, now: Moment) -> bool {
        if self.other_wake.is_some_and(|at| at <= now) || self.panel.reread(&self.service, now) {
            return false;
        }
        self.rest(now);
        true
    }

    /// When the next turn is due: what the last one asked for, or the next word to grow stale.
    fn rest(&mut self, now: Moment) {
        let stale = self.panel.next_stale(&self.service, now);
        self.wake_at = [self.other_wake, stale].into_iter().flatten().min();
    }

    fn turn(&mut self, now: Moment, common: &Common, output: &mut Output) {
        self.watch(now, common, output);
        self.try_writes(now, common, output);
        self.watch_drain(now, common, output);
        self.watch_drill(now, common);
        if self.appending {
            return;
        }
        if let Some(until) = self.store_pause_until.filter(|until| *until > now) {
            return output.wake(until);
        }
        let scene = self.scene(now, common);
        if scene.fence.is_none() || scene.journal_broken.is_some() {
            return;
        }
        if !self.words.is_empty() {
            return self.append_words(now, common, output);
        }
        if let Some(ended) = &self.ended {
            let telling = self.tell_ended(&scene, ended);
            self.append(now, common, telling, output);
            return;
        }
        if let Some(at) = self.fence_again_at {
            if at > now {
                output.wake(at);
            } else {
                self.fence_again_at = None;
                self.ask_fence(output);
            }
        }
        let scene = self.scene(now, common);
        // What it sees is its service's, and told there.
        let shadow = self.rehearses().is_some();
        let alerts = || self.conditions.news(&scene).map(|news| incident::alert(&scene, news));
        let incident = if shadow { Err(None) } else { incident::next(&scene) };
        match incident
            .or_else(|at| if shadow { Err(at) } else { soonest(at, alerts()) })
            .or_else(|at| soonest(at, incident::reminder(&scene)))
            .or_else(|at| soonest(at, self.drain.next(&scene)))
        {
            Ok(telling) => {
                self.append(now, common, telling, output);
                return;
            }
            Err(Some(at)) => output.wake(at),
            Err(None) => {}
        }
        // What is under way depends on shares, ages and remaining times: it is looked at again each second, whatever else is due.
        let drilling = scene.ledger.drills.open.is_some();
        if scene.ledger.open.is_some() || scene.ledger.incident.is_some() || drilling {
            output.wake(now.after(LOOK_AGAIN));
        }
        if drilling && self.drill_on(now, common, output) {
            return;
        }
        if self.ledger.open.is_some() {
            self.go_on(now, common, output);
        } else if !self.give_back(now, common, output) {
            self.attempt_failover(now, common, output);
        }
    }

    /// Notes what changed in views and verdicts, and keeps since when the serving site is unhealthy.
    fn watch(&mut self, now: Moment, common: &Common, output: &mut Output) {
        let serving = self.serving(common);
        self.pace.serving(serving);
        self.pace_news(now, output);
        let rule = self.service.policy.burst;
        let gentler = self.pace.gentler_at(rule.as_ref(), now);
        let mut scene = self.scene(now, common);
        let rule = quorum::rule(&self.service);
        scene.held = self.held.then(now, serving, scene.votes(serving), rule, scene.verdict(serving));
        let (held, conditions) = (scene.held, self.conditions.then(&scene));
        let mut told = Told { waiting: self.told.waiting.clone(), ..Told::default() };
        for role in Role::BOTH {
            self.note_views(scene.votes(role), &mut told, output);
            let word = scene.verdict(role).as_str();
            let before = self.told.verdicts.iter().find(|(r, _)| *r == role).map_or("undecided", |(_, w)| *w);
            if before != word {
                let text = match scene.verdict(role) {
                    Verdict::Healthy => format!("{before} → healthy"),
                    Verdict::Undecided(shortfall) => format!("{before} → undecided: {shortfall}"),
                    Verdict::Unhealthy(evidence) => format!("{before} → unhealthy: {evidence}"),
                };
                output.notes.push(self.note("verdict", Some(role), text));
            }
            told.verdicts.push((role, word));
        }
        let primary = scene.primary.1.clone();
        (self.held, self.conditions) = (held, conditions);
        self.sites.judged(now, &primary);
        self.told = told;
        if let Some(at) = gentler {
            output.wake(at);
        }
    }

    fn note_views(&self, votes: &SiteVotes, told: &mut Told, output: &mut Output) {
        for vote in &votes.votes {
            let before =
                self.told.views.iter().find(|(role, vantage, _)| *role == votes.role && *vantage == vote.vantage);
            let before = before.map_or(VantageView::Unknown, |(_, _, view)| *view);
            if before != vote.view {
                let text = format!("{before} → {}", vote.view);
                let note = self.note("view", Some(votes.role), text);
                output.notes.push(Note { vantage: Some(vote.vantage.clone()), ..note });
            }
            told.views.push((votes.role, vote.vantage.clone(), vote.view));
        }
    }

    fn go_on(&mut self, now: Moment, common: &Common, output: &mut Output) {
        let scene = self.scene(now, common);
        let Some(open) = &scene.ledger.open else { return };
        match progress::next(&scene, open, &self.attempt) {
            Move::Append(entries) => {
                self.attempt.thin_since = None;
                self.append(now, common, Telling { entries, notices: Vec::new() }, output);
            }
            Move::Close(end) => {
                let telling = incident::plan_closed(&scene, end);
                self.append(now, common, telling, output);
            }
            Move::Run(index, step) => self.run(now, common, index, step, output),
            Move::Fence => self.unfence("what became of the flip is not known", output),
            Move::Wait { why, until, thin } => {
                if let Some(at) = until {
                    output.wake(at);
                }
                self.attempt.thin_since = if thin { self.attempt.thin_since.or(Some(now)) } else { None };
                // A step that runs was noted when it began.
                if self.told.waiting != why && !self.attempt.running {
                    output.notes.push(self.note("waiting", None, format!("waiting: {why}")));
                    self.told.waiting = why;
                }
            }
        }
    }

    fn run(&mut self, now: Moment, common: &Common, index: StepIndex, step: Step, output: &mut Output) {
        let scene = self.scene(now, common);
        let (Some(open), Some(fence)) = (&scene.ledger.open, scene.fence) else { return };
        let switch = match (open.steps.get(index), scene.register) {
            (Some(StepStatus::Started { intent: Some(intent) }), Some(register)) if step.is_switch() => {
                Some((register.clone(), intent.clone()))
            }
            _ => None,
        };
        let recorded = [Step::FlipRecords, Step::PinRecords].into_iter().find_map(|step| open.succeeded(step));
        let change = recorded.and_then(|detail| detail.change.clone());
        let order = StepOrder { fence, plan: open.plan.clone(), index, step, switch, change };
        if let Some(violation) = invariants::check(&scene, &order) {
            debug_assert!(false, "{violation}");
            output.notes.push(self.note("invariant", None, format!("step stopped: {violation}")));
            return;
        }
        let note = self.note("step-started", None, step.sentence().to_owned());
        output.notes.push(Note { step: Some(step), ..note });
        self.attempt.armed = false;
        self.attempt.running = true;
        self.attempt.flip_sent |= step.is_switch();
        output.commands.push(Command::Run(Box::new(order)));
    }

    /// A failover that was given up after it had told the primary to refuse writes must not leave it so. True when the turn is over with that.
    fn give_back(&mut self, now: Moment, common: &Common, output: &mut Output) -> bool {
        let scene = self.scene(now, common);
        let plan = match sites::owed(&scene) {
            Ok(plan) if guard::standing(&scene).is_empty() => plan.clone(),
            Ok(_) => return false,
            Err(at) => {
                at.into_iter().for_each(|at| output.wake(at));
                return false;
            }
        };
        let Some(plan) = planner::release(&scene, plan) else { return false };
        let telling = incident::plan_opened(&scene, &plan);
        self.append(now, common, telling, output)
    }

    /// The policy's own wish to fail over, against every guard.
    fn attempt_failover(&mut self, now: Moment, common: &Common, output: &mut Output) {
        let scene = self.scene(now, common);
        let shadow = scene.service.drills.rehearses.is_some();
        if shadow || scene.serving() != Role::Primary || scene.ledger.incident.is_none() {
            return;
        }
        let Verdict::Unhealthy(evidence) = scene.verdict(Role::Primary) else { return };
        let blockers = guard::against_opening(&scene, Role::Standby, Asker::Policy);
        let confirming = blockers.iter().find_map(|blocker| match blocker {
            Blocker::Confirming { remaining } => Some(*remaining),
            _ => None,
        });
        if let Some(remaining) = confirming {
            return output.wake(now.after(remaining));
        }
        if blockers.is_empty() {
            if let Some(plan) = planner::draft(&scene, Role::Standby, Cause::Quorum(evidence.clone())) {
                let telling = incident::plan_opened(&scene, &plan);
                self.opening = self.append(now, common, telling, output);
            }
            return;
        }
        // While it is being fenced, a moment later is soon enough; if that fails, it is told.
        if scene.register.is_none() && self.fence_failures == 0 {
            return;
        }
        // Told once for each set of reasons, not for each change of a number in them.
        let codes: Vec<&str> = blockers.iter().map(Blocker::code).collect();
        let known: Vec<&str> = self.ledger.blocked.iter().filter_map(|text| text.split(':').next()).collect();
        if codes != known {
            let telling = incident::blocked(&scene, &blockers);
            self.append(now, common, telling, output);
        }
    }
}
