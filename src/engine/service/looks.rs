//! What vantages see of a service's public names, and what follows from it: words, and never a step.

use crate::domain::{Moment, Sighting};

use super::super::common::Common;
use super::super::drain::Drain;
use super::super::io::{Command, Output};
use super::ServiceState;

impl ServiceState {
    /// What is known of its names.
    pub(in crate::engine) fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Has writes tried on the sites that must not take any, while the standby serves.
    pub(super) fn try_writes(&mut self, now: Moment, common: &Common, output: &mut Output) {
        // It is moved out, because a scene borrows everything.
        let mut sites = std::mem::take(&mut self.sites);
        let scene = self.scene(now, common);
        let (due, next) = sites.due(&scene);
        let plan = scene.ledger.moved_by.clone();
        let fence = scene.fence;
        self.sites = sites;
        for role in due {
            let service = self.service.name.clone();
            match (fence, plan.clone()) {
                (Some(fence), Some(plan)) => {
                    output.commands.push(Command::TryWrite { service, role, fence, plan });
                }
                // It was moved before this journal began, or nobody leads: there is nothing to sign the request with.
                _ => self.sites.tried(now, role, Err("no plan of this journal has moved it".to_owned())),
            }
        }
        if let Some(at) = next {
            output.wake(at);
        }
    }

    /// Takes what a vantage saw of its names. True when something may follow from it.
    pub(in crate::engine) fn sighted(&mut self, now: Moment, seen: Sighting) -> bool {
        let first = !self.drain.watched();
        let news = self.drain.sighted(&self.service, now, seen);
        (first || news) && self.ledger.draining.is_some()
    }

    /// Notes how far users' resolvers have followed the last move, and has agents look closely for as long as they do.
    pub(super) fn watch_drain(&mut self, now: Moment, common: &Common, output: &mut Output) {
        if !self.drain.is_due(&self.ledger) {
            return;
        }
        // It is moved out, because a scene borrows everything.
        let mut drain = std::mem::take(&mut self.drain);
        let scene = self.scene(now, common);
        let notes = drain.advance(&scene);
        let closely = drain.closely(&scene);
        self.drain = drain;
        output.notes.extend(notes.into_iter().map(|(code, text)| self.note(code, None, text)));
        if let Some(closely) = closely {
            output.commands.push(Command::Drain { service: self.service.name.clone(), closely });
        }
    }
}
