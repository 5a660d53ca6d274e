//! What can happen, and when: every step of every controller, of the network, and of people.

use super::design::Restores;
use super::state::{Answer, Controller, Leader, Mark, Stage, State, Task};
use super::step::Protocol;

/// One thing that happens, at once and as a whole. A number is a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The lease of whoever held it has run out, unnoticed, and this one wins it and reads the zone's epoch, if the zone answers.
    Acquire { who: u8, zone_answers: bool },
    /// Makes its epoch the store's, and reads the journal.
    Claim(u8),
    /// Reads the zone and sends its fence write.
    Fence(u8),
    /// A request arrives at the provider: the one at this place of the sorted network.
    Deliver(usize),
    /// Takes the provider's answer.
    Answered(u8),
    /// Waits no longer for an answer, and reads back.
    GiveUp(u8),
    /// Opens a plan, by the policy or because a person asked.
    Open { who: u8, asked: bool },
    /// Makes the standby read-only, and sees a write refused.
    Verify(u8),
    /// Gives up on a step other than the flip: the plan is stuck.
    GetStuck(u8),
    /// Makes a flip's intent durable.
    Begin(u8),
    /// Sends the flip.
    Send(u8),
    /// Makes the start of the identical flip durable again.
    Resend(u8),
    /// Wants the zone fenced again, because it does not know what became of its flip.
    FenceAgain(u8),
    /// Reads off the fenced zone what became of a flip, and records it.
    Settle(u8),
    /// Voids an intent that was never sent.
    Withdraw(u8),
    /// Gives a plan up before its flip.
    Abandon(u8),
    /// Ends a plan whose flip was done.
    Finish(u8),
    /// Hears of a freeze or an unfreeze.
    Hear(u8),
    /// Ends, for whatever reason: a crash, a kill, or having noticed that its lease is over.
    Crash(u8),
    /// A person freezes, or unfreezes, through any door.
    Freeze,
    /// A person makes the standby writable, while no plan is open and the primary serves.
    Reopen,
    /// The store is backed up.
    Backup,
    /// The backup is put back.
    Restore,
}

impl Protocol {
    /// What may happen next. Some of it turns out to be impossible, or to change nothing, in [`Protocol::next`].
    pub(crate) fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::with_capacity(16);
        for (at, controller) in state.controllers.iter().enumerate() {
            let who = u8::try_from(at).unwrap();
            match controller {
                Controller::Down => {
                    let holder = state.store.lease.map(|holder| state.controllers[usize::from(holder)]);
                    if self.design.lock && holder.is_some_and(|holder| holder != Controller::Down) {
                        continue;
                    }
                    actions.push(Action::Acquire { who, zone_answers: true });
                    if self.bounds.restores != Restores::Never {
                        actions.push(Action::Acquire { who, zone_answers: false });
                    }
                }
                Controller::Candidate { .. } => actions.extend([Action::Claim(who), Action::Crash(who)]),
                Controller::Leader(leader) => {
                    self.leader_actions(who, leader, &mut actions);
                    if leader.ledger.revision != state.store.ledger.revision {
                        actions.push(Action::Hear(who));
                    }
                    actions.push(Action::Crash(who));
                }
            }
        }
        actions.extend((0..state.network.len()).map(Action::Deliver));
        if state.store.ledger.revision < self.bounds.freezes {
            actions.push(Action::Freeze);
        }
        let idle = state.store.ledger.plan.is_none() && state.zone.points == Some(false);
        if self.bounds.reopens && idle && state.standby_read_only {
            actions.push(Action::Reopen);
        }
        if self.bounds.restores != Restores::Never && !state.store.restored {
            let down = state.controllers.iter().all(|controller| *controller == Controller::Down);
            if state.store.backup.is_none() {
                actions.push(Action::Backup);
            } else if down || self.bounds.restores == Restores::Live {
                actions.push(Action::Restore);
            }
        }
        actions
    }

    fn leader_actions(&self, who: u8, leader: &Leader, actions: &mut Vec<Action>) {
        match leader.task {
            Task::Idle => {}
            Task::Fencing { answer, .. } | Task::Flipping { answer } => {
                if answer != Answer::NotYet {
                    actions.push(Action::Answered(who));
                }
                actions.push(Action::GiveUp(who));
                return;
            }
        }
        if leader.known.is_none() {
            actions.push(Action::Fence(who));
        }
        let fenced = leader.known.is_some();
        let Some(plan) = leader.ledger.plan else {
            if let Some(known) = leader.known
                && leader.ledger.plans < self.bounds.plans
                && !leader.ledger.frozen
            {
                if (!known.standby || !self.design.manual_failback) && !leader.ledger.stuck {
                    actions.push(Action::Open { who, asked: false });
                }
                if known.standby || leader.ledger.stuck {
                    actions.push(Action::Open { who, asked: true });
                }
            }
            return;
        };
        match plan.stage {
            Stage::Opened => {
                if fenced && !leader.ledger.frozen {
                    actions.push(Action::Verify(who));
                }
                actions.extend([Action::GetStuck(who), Action::Abandon(who)]);
            }
            Stage::Ready => {
                // A name that points there already was moved by somebody else, or by this plan before a backup was put back.
                let wanted = |known: Mark| known.standby != plan.standby || known.plan == plan.digest;
                if leader.known.is_some_and(wanted) && !leader.ledger.frozen {
                    actions.push(Action::Begin(who));
                }
                actions.push(Action::Abandon(who));
            }
            Stage::Flip { expected, .. } => {
                if leader.armed && fenced && !leader.ledger.frozen {
                    actions.push(Action::Send(who));
                }
                if leader.armed && fenced && !leader.flip_sent {
                    actions.push(Action::Withdraw(who));
                }
                if leader.flip_sent && fenced {
                    actions.push(Action::FenceAgain(who));
                    if !leader.armed && leader.known == Some(expected) && !leader.ledger.frozen {
                        actions.push(Action::Resend(who));
                    }
                }
                if !leader.armed && !leader.flip_sent && (fenced || !self.design.fence_before_settling) {
                    actions.push(Action::Settle(who));
                }
            }
            Stage::Flipped => actions.extend([Action::Finish(who), Action::GetStuck(who)]),
        }
    }
}
