//! The crash-resume rule (S8, and L2 with it): every process dies here and now, nothing that is on its way arrives any more, and one controller is
//! then left in peace. It must take the zone over, and settle what is open.
//!
//! A liveness rule of the form "from every state, a settled one can be reached" is thereby checked by going there.

use std::cell::RefCell;
use std::collections::HashSet;

use super::action::Action;
use super::checker::fingerprint;
use super::design::{Bounds, Design};
use super::state::{Answer, Controller, Kind, Stage, State, Task};
use super::step::Protocol;

/// More steps than any resumption needs: a takeover, a settled flip, a new one and its end are about twenty.
const STEPS_MAX: usize = 40;

/// Runs a controller in peace from where others crashed.
pub(crate) struct Calm {
    protocol: Protocol,
    /// Where it has been run from, and it went well.
    settled: RefCell<HashSet<u64>>,
}

impl Calm {
    pub(crate) fn new(design: Design) -> Self {
        Self { protocol: Protocol::new(design, Bounds::NONE), settled: RefCell::default() }
    }

    /// Whether a controller that is left in peace settles everything after a crash in this state.
    pub(crate) fn settles(&self, state: &State) -> bool {
        let key = fingerprint(&(state.store, state.zone, state.standby_read_only));
        if self.settled.borrow().contains(&key) {
            return true;
        }
        let mut state = State { controllers: vec![Controller::Down], network: Vec::new(), ..state.clone() };
        for _ in 0..STEPS_MAX {
            let Some(action) = step(&state) else {
                self.settled.borrow_mut().insert(key);
                return true;
            };
            let Some(next) = self.protocol.next(&state, action).filter(|next| next.broken.is_none()) else {
                return false;
            };
            state = next;
        }
        false
    }
}

/// What the controller does; none when nothing is left to do.
fn step(state: &State) -> Option<Action> {
    let leader = match state.controllers.first()? {
        Controller::Down => return Some(Action::Acquire { who: 0, zone_answers: true }),
        Controller::Candidate { .. } => return Some(Action::Claim(0)),
        Controller::Leader(leader) => leader,
    };
    let wanted = match leader.task {
        Task::Idle => None,
        Task::Fencing { new, answer: Answer::NotYet, .. } => Some((Kind::Fence, new)),
        Task::Flipping { answer: Answer::NotYet } => Some((Kind::Flip, super::step::intent(leader)?.1)),
        Task::Fencing { .. } | Task::Flipping { .. } => return Some(Action::Answered(0)),
    };
    if let Some(wanted) = wanted {
        let sent = state.network.iter().position(|request| (request.kind, request.new) == wanted);
        return sent.map(Action::Deliver);
    }
    let Some(known) = leader.known else { return Some(Action::Fence(0)) };
    let plan = leader.ledger.plan?;
    Some(match plan.stage {
        Stage::Opened | Stage::Ready if leader.ledger.frozen => Action::Abandon(0),
        Stage::Opened => Action::Verify(0),
        Stage::Ready if known.standby == plan.standby && known.plan != plan.digest => Action::Abandon(0),
        Stage::Ready => Action::Begin(0),
        Stage::Flip { .. } if leader.armed => Action::Send(0),
        Stage::Flip { .. } if leader.flip_sent => Action::FenceAgain(0),
        Stage::Flip { .. } => Action::Settle(0),
        Stage::Flipped => Action::Finish(0),
    })
}
