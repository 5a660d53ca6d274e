//! What each action does. A controller's code is followed from one point at which something outside can happen to the next; what lies between is
//! one step.

use super::action::Action;
use super::cover::{Coverage, Event};
use super::design::{Bounds, Design, Write};
use super::journal::{End, Entry, fold};
use super::rules::Rule;
use super::state::{Answer, Controller, Kind, Leader, Ledger, Mark, Plan, Request, Stage, State, Task};
use super::token;

/// The design within its bounds, and what was seen of it.
pub(crate) struct Protocol {
    pub(crate) design: Design,
    pub(crate) bounds: Bounds,
    /// Rules that are known not to hold, so that the search goes on past them.
    pub(crate) forgiven: &'static [Rule],
    pub(crate) seen: Coverage,
}

/// A step that is being taken.
pub(super) struct Turn<'a> {
    pub(super) protocol: &'a Protocol,
    pub(super) state: State,
}

impl Protocol {
    pub(crate) fn new(design: Design, bounds: Bounds) -> Self {
        assert!(!bounds.forgets_dead || design.write == Write::Swap, "only tokens that grow make a request dead");
        Self { design, bounds, forgiven: &[], seen: Coverage::default() }
    }

    /// The state after the action; none if it cannot happen within the bounds.
    pub(crate) fn next(&self, state: &State, action: Action) -> Option<State> {
        let mut turn = Turn { protocol: self, state: state.clone() };
        turn.take(action)?;
        if self.bounds.forgets_dead {
            turn.forget_dead();
        }
        Some(turn.state)
    }

    /// Whether tokens are asked to grow: they can, and a takeover writes them.
    fn counts(&self) -> bool {
        self.design.fence_write && matches!(self.design.write, Write::Swap | Write::Upsert)
    }

    /// A token without what this design's token does not have.
    fn written(&self, mark: Mark) -> Mark {
        match self.design.write {
            Write::Swap | Write::Upsert => mark,
            Write::SwapOfEpoch | Write::SwapWithoutSequence => Mark { seq: 0, ..mark },
        }
    }
}

impl Turn<'_> {
    fn take(&mut self, action: Action) -> Option<()> {
        match action {
            Action::Acquire { who, zone_answers } => self.acquire(who, zone_answers),
            Action::Claim(who) => self.claim(who),
            Action::Fence(who) => self.fence(who),
            Action::Deliver(at) => self.deliver(at),
            Action::Answered(who) => self.heard(who, true),
            Action::GiveUp(who) => self.heard(who, false),
            Action::Open { who, asked } => self.open(who, asked),
            Action::Verify(who) => {
                self.state.standby_read_only = true;
                self.append(who, Entry::Verified);
                Some(())
            }
            Action::GetStuck(who) => self.close(who, End::Stuck),
            Action::Begin(who) => self.begin(who),
            Action::Send(who) => self.send(who),
            Action::Resend(who) => self.resend(who),
            Action::FenceAgain(who) => {
                let leader = self.leader(who);
                self.put(who, Leader { known: None, armed: false, ..leader });
                Some(())
            }
            Action::Settle(who) => self.settle(who),
            Action::Withdraw(who) => {
                let (_, new) = intent(&self.leader(who))?;
                if self.append(who, Entry::Voided { new }) {
                    self.note(Event::NeverSent);
                    let leader = self.leader(who);
                    self.put(who, Leader { armed: false, ..leader });
                }
                Some(())
            }
            Action::Abandon(who) => self.close(who, End::Abandoned),
            Action::Finish(who) => self.close(who, End::Done),
            Action::Hear(who) => {
                let leader = self.leader(who);
                let Ledger { frozen, revision, .. } = self.state.store.ledger;
                self.put(who, Leader { ledger: Ledger { frozen, revision, ..leader.ledger }, ..leader });
                Some(())
            }
            Action::Crash(who) => {
                self.state.controllers[usize::from(who)] = Controller::Down;
                Some(())
            }
            Action::Freeze => self.freeze(),
            Action::Reopen => {
                self.state.standby_read_only = false;
                Some(())
            }
            Action::Backup => {
                let store = &mut self.state.store;
                store.backup = Some((store.epoch, store.ledger));
                Some(())
            }
            Action::Restore => {
                let store = &mut self.state.store;
                (store.epoch, store.ledger) = store.backup.take()?;
                (store.lease, store.restored) = (None, true);
                Some(())
            }
        }
    }

    fn freeze(&mut self) -> Option<()> {
        let turn = |ledger: &mut Ledger| (ledger.frozen, ledger.revision) = (!ledger.frozen, ledger.revision + 1);
        if self.protocol.design.freeze_by_leader {
            let epoch = self.state.store.epoch;
            let asked = self.state.controllers.iter_mut().find_map(|controller| match controller {
                Controller::Leader(leader) if leader.epoch == epoch => Some(leader),
                Controller::Down | Controller::Candidate { .. } | Controller::Leader(_) => None,
            })?;
            turn(&mut asked.ledger);
        }
        turn(&mut self.state.store.ledger);
        Some(())
    }

    fn acquire(&mut self, who: u8, zone_answers: bool) -> Option<()> {
        let store = &mut self.state.store;
        store.lease = Some(who);
        let answered = zone_answers && self.protocol.design.zone_epoch;
        let zone_epoch = if answered { self.state.zone.mark.epoch } else { 0 };
        let ledger =
            if self.protocol.design.journal_after_claim { Ledger::default() } else { self.state.store.ledger };
        // A candidate that could never claim is left out.
        self.within(token::following(self.state.store.epoch, zone_epoch))?;
        self.state.controllers[usize::from(who)] = Controller::Candidate { zone_epoch, ledger };
        Some(())
    }

    fn claim(&mut self, who: u8) -> Option<()> {
        let Controller::Candidate { zone_epoch, ledger } = self.state.controllers[usize::from(who)] else {
            return None;
        };
        if self.state.store.lease != Some(who) {
            self.state.controllers[usize::from(who)] = Controller::Down;
            return Some(());
        }
        let epoch = self.within(token::following(self.state.store.epoch, zone_epoch))?;
        self.state.store.epoch = epoch;
        if self.state.store.ledger.plan.is_some_and(|plan| matches!(plan.stage, Stage::Flip { .. })) {
            self.note(Event::TakeoverDuringFlip);
        }
        let ledger = if self.protocol.design.journal_after_claim { self.state.store.ledger } else { ledger };
        let leader = Leader {
            epoch,
            known: None,
            ledger,
            armed: false,
            flip_sent: false,
            fenced_once: false,
            task: Task::Idle,
        };
        self.put(who, leader);
        if !self.protocol.design.fence_write {
            self.fenced(who);
        }
        if self.state.leaders() > 1 {
            self.note(Event::TwoBelieveToLead);
        }
        Some(())
    }

    fn within(&self, epoch: u8) -> Option<u8> {
        (epoch <= self.protocol.bounds.epochs).then_some(epoch)
    }

    /// Reads the zone, and sends the fence write.
    fn fence(&mut self, who: u8) -> Option<()> {
        let leader = self.leader(who);
        let expected = self.state.zone.mark;
        if !self.protocol.design.fence_write {
            self.fenced(who);
            return Some(());
        }
        let twin = self.protocol.design.twins_part && !leader.fenced_once && expected.epoch == leader.epoch;
        let Some(new) = token::advanced(expected, leader.epoch).filter(|_| !twin) else {
            return self.behind(who);
        };
        let new = self.protocol.written(new);
        if new.seq > self.protocol.bounds.seqs {
            return None;
        }
        self.put(who, Leader { task: Task::Fencing { expected, new, answer: Answer::NotYet }, ..leader });
        self.send_off(Request { from: who, kind: Kind::Fence, expected, new, asked: false });
        Some(())
    }

    /// The zone has a newer epoch: at a start the next one is claimed, later it means having been overtaken.
    fn behind(&mut self, who: u8) -> Option<()> {
        let leader = self.leader(who);
        if leader.fenced_once || self.state.store.lease != Some(who) || !self.protocol.design.zone_epoch {
            self.depose(who);
            return Some(());
        }
        let epoch = self.within(token::following(leader.epoch, self.state.zone.mark.epoch))?;
        if epoch <= self.state.store.epoch {
            self.depose(who);
            return Some(());
        }
        self.note(Event::ZoneWasAhead);
        self.state.store.epoch = epoch;
        self.put(who, Leader { epoch, ledger: self.state.store.ledger, task: Task::Idle, ..leader });
        Some(())
    }

    /// The takeover is complete: the zone shows this leader's token.
    fn fenced(&mut self, who: u8) {
        let leader = self.leader(who);
        if !leader.fenced_once && leader.epoch <= self.state.taken {
            self.break_rule(Rule::S6EpochsAreNew);
        }
        self.state.taken = self.state.taken.max(leader.epoch);
        let known = Some(self.state.zone.mark);
        self.put(
            who,
            Leader { known, fenced_once: true, flip_sent: false, armed: false, task: Task::Idle, ..leader },
        );
    }

    fn deliver(&mut self, at: usize) -> Option<()> {
        let request = *self.state.network.get(at)?;
        let Request { from, kind, expected, new, .. } = request;
        let zone = self.state.zone;
        let matches = match self.protocol.design.write {
            Write::Upsert => true,
            Write::Swap | Write::SwapWithoutSequence => zone.mark == expected,
            Write::SwapOfEpoch => zone.mark.epoch == expected.epoch,
        };
        if matches {
            self.judge_write(request);
            let half = !self.protocol.design.one_batch && kind == Kind::Flip && zone.points.is_some();
            if half {
                self.state.zone.points = None;
                return Some(());
            }
            self.state.zone.mark = match (self.protocol.design.write, kind) {
                // What is not in the token cannot be taken back by writing it.
                (Write::SwapOfEpoch, Kind::Fence) => Mark { epoch: new.epoch, ..zone.mark },
                _ => new,
            };
            if kind == Kind::Flip {
                self.state.zone.points = Some(new.standby);
                self.note(if new.standby { Event::FlipApplied } else { Event::FailbackApplied });
            }
        } else if new == zone.mark {
            self.note(Event::DuplicateRefused);
        } else if new.epoch < zone.mark.epoch {
            self.note(Event::StaleRefused);
        }
        let answer = if matches { Answer::Applied } else { Answer::Refused };
        let sender = &mut self.state.controllers[usize::from(from)];
        let answered = awaits(sender, &request);
        if let (true, Controller::Leader(leader)) = (answered, sender) {
            match &mut leader.task {
                Task::Fencing { answer: slot, .. } | Task::Flipping { answer: slot } => *slot = answer,
                Task::Idle => {}
            }
        }
        (answered || self.state.zone != zone).then_some(())
    }

    /// What must hold when a write takes effect.
    fn judge_write(&mut self, request: Request) {
        let Request { kind, expected, new, asked, .. } = request;
        let mark = self.state.zone.mark;
        if self.protocol.counts() && !token::is_after(new, mark) {
            self.break_rule(Rule::S5TokensGrow);
        }
        if new.epoch < self.state.taken {
            self.break_rule(Rule::S5NothingAfterTakeover);
        }
        if kind == Kind::Fence {
            return;
        }
        if mark.standby && !new.standby && !asked {
            self.break_rule(Rule::S12NoAutomaticFailback);
        }
        let open = self.state.store.ledger.plan.map(|plan| plan.stage);
        if !self.state.store.restored && open != Some(Stage::Flip { expected, new }) {
            self.break_rule(Rule::S8JournalIsTrue);
        }
    }

    /// The provider's answer, or its absence; and reading back.
    fn heard(&mut self, who: u8, waited: bool) -> Option<()> {
        let leader = self.leader(who);
        let found = self.state.zone.mark;
        match leader.task {
            Task::Idle => None,
            Task::Fencing { new, answer, .. } => {
                let refused = waited && answer == Answer::Refused;
                if found == new && !refused {
                    self.fenced(who);
                } else if found.epoch > leader.epoch {
                    return self.behind(who);
                } else {
                    self.note(Event::FenceTriedAgain);
                    self.put(who, Leader { task: Task::Idle, ..leader });
                }
                Some(())
            }
            Task::Flipping { answer } => {
                let (expected, new) = intent(&leader)?;
                let applied = waited && answer == Answer::Applied;
                if applied || found == new {
                    if !applied {
                        self.note(Event::AnswerLostButApplied);
                    }
                    let known = if applied { new } else { found };
                    self.put(who, Leader { known: Some(known), flip_sent: false, task: Task::Idle, ..leader });
                    self.append(who, Entry::Done { new });
                } else if found.epoch > leader.epoch {
                    self.depose(who);
                } else if found == expected && !waited {
                    self.put(who, Leader { task: Task::Idle, ..leader });
                } else {
                    self.put(who, Leader { task: Task::Idle, ..leader });
                    return self.close(who, End::Stuck);
                }
                Some(())
            }
        }
    }

    fn open(&mut self, who: u8, asked: bool) -> Option<()> {
        let leader = self.leader(who);
        let known = leader.known?;
        let number = u16::from(leader.ledger.plans) + 1;
        let digest = number << 8 | u16::from(known.epoch & 15) << 4 | u16::from(known.seq & 15);
        let standby = !known.standby;
        let first = if standby && self.protocol.design.read_only_first { Stage::Opened } else { Stage::Ready };
        self.append(who, Entry::Opened(Plan { digest, standby, asked, stage: first }));
        Some(())
    }

    fn begin(&mut self, who: u8) -> Option<()> {
        let leader = self.leader(who);
        let (known, plan) = (leader.known?, leader.ledger.plan?);
        let new = self.protocol.written(token::moved(known, leader.epoch, plan.standby, plan.digest)?);
        if new.seq > self.protocol.bounds.seqs {
            return None;
        }
        let entry = Entry::Intended { expected: known, new };
        if !self.protocol.design.intent_before_send {
            let mut ledger = leader.ledger;
            fold(&mut ledger, entry);
            self.put(who, Leader { ledger, armed: true, ..leader });
        } else if self.append(who, entry) {
            let leader = self.leader(who);
            self.put(who, Leader { armed: true, ..leader });
        }
        Some(())
    }

    fn resend(&mut self, who: u8) -> Option<()> {
        let (expected, new) = intent(&self.leader(who))?;
        if !self.protocol.design.start_before_resend {
            return self.send(who);
        }
        if self.append(who, Entry::Intended { expected, new }) {
            self.note(Event::SentAgain);
            let leader = self.leader(who);
            self.put(who, Leader { armed: true, ..leader });
        }
        Some(())
    }

    fn send(&mut self, who: u8) -> Option<()> {
        let leader = self.leader(who);
        let plan = leader.ledger.plan?;
        let (expected, new) = intent(&leader)?;
        if self.protocol.design.lease_before_call && self.state.store.lease != Some(who) {
            return None;
        }
        if !leader.armed {
            self.break_rule(Rule::S9NothingWithoutStore);
        }
        let leads = self.state.store.epoch == leader.epoch && self.state.store.lease == Some(who);
        if leads && self.state.store.ledger.plan != Some(plan) {
            self.break_rule(Rule::S7IntentFirst);
        }
        self.put(
            who,
            Leader { armed: false, flip_sent: true, task: Task::Flipping { answer: Answer::NotYet }, ..leader },
        );
        self.send_off(Request { from: who, kind: Kind::Flip, expected, new, asked: plan.asked });
        Some(())
    }

    fn settle(&mut self, who: u8) -> Option<()> {
        let leader = self.leader(who);
        let (_, new) = intent(&leader)?;
        if !self.protocol.design.settles {
            return None;
        }
        let known = leader.known.unwrap_or(self.state.zone.mark);
        let applied = token::same_move(known, new);
        if self.append(who, if applied { Entry::Done { new } } else { Entry::Voided { new } }) {
            self.note(if applied { Event::RolledForward } else { Event::Voided });
        }
        Some(())
    }

    /// See [`Bounds::forgets_dead`].
    fn forget_dead(&mut self) {
        let (mark, controllers) = (self.state.zone.mark, &self.state.controllers);
        self.state.network.retain(|request| {
            let gone = (request.expected.epoch, request.expected.seq) < (mark.epoch, mark.seq);
            !gone || awaits(&controllers[usize::from(request.from)], request)
        });
    }

    pub(super) fn depose(&mut self, who: u8) {
        self.note(Event::Deposed);
        self.state.controllers[usize::from(who)] = Controller::Down;
    }

    fn send_off(&mut self, request: Request) {
        if let Err(at) = self.state.network.binary_search(&request) {
            self.state.network.insert(at, request);
        }
    }

    pub(super) fn leader(&self, who: u8) -> Leader {
        match self.state.controllers[usize::from(who)] {
            Controller::Leader(leader) => leader,
            Controller::Down | Controller::Candidate { .. } => panic!("controller {who} does not lead"),
        }
    }

    pub(super) fn put(&mut self, who: u8, leader: Leader) {
        self.state.controllers[usize::from(who)] = Controller::Leader(leader);
    }

    pub(super) fn break_rule(&mut self, rule: Rule) {
        if !self.protocol.forgiven.contains(&rule) {
            self.state.broken.get_or_insert(rule);
        }
    }

    pub(super) fn note(&self, event: Event) {
        self.protocol.seen.note(event);
    }
}

/// The tokens of the open flip, as the leader knows them.
pub(crate) fn intent(leader: &Leader) -> Option<(Mark, Mark)> {
    match leader.ledger.plan?.stage {
        Stage::Flip { expected, new } => Some((expected, new)),
        Stage::Opened | Stage::Ready | Stage::Flipped => None,
    }
}

/// Whether a controller still waits for the answer to this request.
fn awaits(sender: &Controller, request: &Request) -> bool {
    let Controller::Leader(leader) = sender else { return false };
    let tokens = (request.expected, request.new);
    match leader.task {
        Task::Fencing { expected, new, answer: Answer::NotYet } => {
            request.kind == Kind::Fence && (expected, new) == tokens
        }
        Task::Flipping { answer: Answer::NotYet } => request.kind == Kind::Flip && intent(leader) == Some(tokens),
        Task::Idle | Task::Fencing { .. } | Task::Flipping { .. } => false,
    }
}
