//! What a service's state does for its drills: it keeps what is not durable yet, and carries out what the drill wants next.

use crate::domain::{Cause, DrillLook, JournalEntry, Moment, Role, ServiceName};

use super::super::common::Common;
use super::super::drill::{self, Next};
use super::super::incident::{self, Telling};
use super::super::io::{Command, Output};
use super::super::panel::CheckView;
use super::super::planner;
use super::ServiceState;

impl ServiceState {
    /// The service of which this is the rehearsal, if it is one.
    pub(in crate::engine) fn rehearses(&self) -> Option<&ServiceName> {
        self.service.drills.rehearses.as_ref()
    }

    /// The number of the drill that is under way, or about to be.
    pub(in crate::engine) fn drilling(&self) -> Option<u64> {
        let open = self.ledger.drills.open.as_ref().map(|open| open.drill.number);
        open.or_else(|| self.words.iter().find_map(started))
    }

    /// What vantages say of each check, at each site.
    pub(in crate::engine) fn checks(&self, now: Moment) -> Vec<CheckView> {
        Role::BOTH.into_iter().flat_map(|role| self.panel.checks(&self.service, role, now)).collect()
    }

    /// A tabletop has looked.
    pub(in crate::engine) fn looked(&mut self, number: u64, looks: Vec<DrillLook>) {
        if self.drilling() == Some(number) && self.drilling.looking {
            self.drilling.looks = Some(looks);
        }
    }

    /// A lab has caused the drill's fault, or has not.
    pub(in crate::engine) fn faulted(&mut self, number: u64, result: Result<String, String>) {
        if self.drilling() == Some(number) {
            self.drilling.caused = Some(result);
        }
    }

    /// A measure is beyond a limit, or no longer.
    pub(in crate::engine) fn breached(&mut self, why: Option<String>) {
        self.drilling.breach = why;
    }

    /// Keeps since when the drill waits for proof, which no entry tells.
    pub(super) fn watch_drill(&mut self, now: Moment, common: &Common) {
        if self.ledger.drills.open.is_none() {
            return;
        }
        let quorum = self.service.policy.quorum;
        let failing = self.checks(now).into_iter().find(|view| view.role == Role::Standby && view.down >= quorum);
        self.drilling.failing =
            failing.map(|view| format!("the check {} fails at the standby from {} vantages", view.check, view.down));
        let waits = drill::waits_for_proof(&self.scene(now, common));
        let since = self.drilling.unproven_since.or(Some(now));
        self.drilling.unproven_since = since.filter(|_| waits);
    }

    /// Does what the drill that is under way wants. True when the turn is over with that.
    pub(super) fn drill_on(&mut self, now: Moment, common: &Common, output: &mut Output) -> bool {
        let scene = self.scene(now, common);
        match drill::next(&scene, &self.drilling) {
            Ok(Next::Tell(telling)) => self.append(now, common, telling, output),
            Ok(Next::Open(to, cause)) => self.open_leg(now, common, (to, cause), output),
            Ok(Next::Look(number)) => {
                self.drilling.looking = true;
                output.commands.push(Command::Look { service: self.service.name.clone(), number });
                false
            }
            Err(at) => {
                if let Some(at) = at {
                    output.wake(at);
                }
                false
            }
        }
    }

    fn open_leg(&mut self, now: Moment, common: &Common, leg: (Role, Cause), output: &mut Output) -> bool {
        let scene = self.scene(now, common);
        let Some(plan) = planner::draft(&scene, leg.0, leg.1) else { return false };
        let telling = incident::plan_opened(&scene, &plan);
        self.append(now, common, telling, output)
    }

    /// What people said, with what others are told of it.
    pub(super) fn telling_of_words(&self, now: Moment, common: &Common) -> Telling {
        let scene = self.scene(now, common);
        let notices = self.words.iter().filter_map(|word| drill::told(&scene, word)).collect();
        Telling { entries: self.words.iter().cloned().collect(), notices }
    }
}

fn started(word: &JournalEntry) -> Option<u64> {
    match word {
        JournalEntry::Drill(crate::domain::DrillEntry::Started(drill)) => Some(drill.number),
        _ => None,
    }
}
