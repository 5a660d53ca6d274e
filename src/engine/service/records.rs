//! What a service's state makes of a look at its records, and of a person who mends them.

use std::time::Duration;

use crate::domain::drift::{self, Intended, Sighting};
use crate::domain::{ClusterName, JournalEntry, Moment, Register};

use super::super::common::Common;
use super::super::incident;
use super::super::io::{Command, Output};
use super::ServiceState;

/// For how long at the most a person's write keeps the register from being fenced: a task that died with it must not do so for ever.
const MEND_WITHIN: Duration = Duration::from_secs(120);

impl ServiceState {
    /// Takes what was seen of the names by a look that began then. While a plan moves them nothing can be said.
    pub(in crate::engine) fn surveyed(
        &mut self,
        now: Moment,
        cluster: &ClusterName,
        common: &Common,
        (began, seen): (Moment, &Sighting),
        output: &mut Output,
    ) {
        if self.ledger.open.is_some() || !self.watch.counts(began) {
            return;
        }
        let register = self.register_under(common);
        let token = register.map(Register::token);
        let serving = self.serving(common);
        let drift = drift::judge(Intended { cluster, service: &self.service, serving, token }, seen);
        let (flag, behind) = match register {
            Some(Register::Flag(flag)) => {
                let behind = drift::stores_behind(seen, flag.token());
                (Some(flag).filter(|flag| drift::flag_is_behind(seen, flag.token())), Some(behind))
            }
            Some(Register::Records(_)) | None => (None, None),
        };
        let zone = register.is_some()
            && seen.zones.len() > 1
            && drift.differences.iter().any(|one| one.code == "mark-stale");
        if let Some(fence) = common.fence(now).filter(|_| common.halted.is_none())
            && (flag.is_some() || zone)
        {
            let (service, flag) = (self.service.name.clone(), flag.cloned());
            output.commands.push(Command::CatchUp { service, fence, flag, zone });
        }
        if let Some(behind) = behind {
            self.watch.left_behind(behind);
        }
        if let Some(text) = self.watch.take(drift) {
            output.notes.push(self.note("drift", None, text));
        }
    }

    /// A person has the records mended. Nothing moves the service until what became of it is known.
    pub(in crate::engine) fn mend(
        &mut self,
        now: Moment,
        common: &Common,
        entry: JournalEntry,
        output: &mut Output,
    ) -> bool {
        let telling = incident::mending(&self.service.name, entry);
        self.append(now, common, telling, output)
    }

    /// It is durable that they are about to be mended.
    pub(super) fn mending(&mut self, now: Moment, what: &str) {
        self.register = None;
        self.why_not_fenced = format!("its records are being {what}");
        self.fence_again_at = Some(now.after(MEND_WITHIN));
        self.watch.wrote(now);
    }

    /// They were, or were not: the register itself is asked, and at once.
    pub(in crate::engine) fn mended(&mut self, now: Moment, output: &mut Output) {
        self.watch.forget(now);
        (self.fence_failures, self.fence_again_at) = (0, None);
        self.unfence("its records were mended a moment ago", output);
    }
}
