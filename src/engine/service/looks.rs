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
