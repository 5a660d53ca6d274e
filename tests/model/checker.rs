//! A breadth-first search of all states, with the shortest way to the first rule that is broken.
//!
//! States are remembered by a fingerprint of 64 bits and by where they were reached from; whole states are kept only until their successors are
//! made. With ten million states the chance that any two share a fingerprint is about 3 in a million.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::action::Action;
use super::calm::Calm;
use super::rules::{self, Rule};
use super::state::{Request, State, Store};
use super::step::Protocol;

/// Folds what it is given into 64 bits, the same on every machine.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value ^ 0x2d35_8dcc_aa6c_78a5) * 0x8bb8_4b93_962e_acc9;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }
}

/// A fingerprint is its own hash.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

pub(crate) fn fingerprint(value: &impl Hash) -> u64 {
    let mut fold = Fold::default();
    value.hash(&mut fold);
    fold.finish()
}

/// The fingerprint of a state up to the names of its controllers: only the lease and the requests name them.
fn nameless(state: &State) -> u64 {
    let State { controllers, store, zone, network, standby_read_only, taken, broken } = state;
    let mut each: Vec<u64> = Vec::with_capacity(controllers.len());
    for (at, controller) in controllers.iter().enumerate() {
        let mut fold = Fold::default();
        controller.hash(&mut fold);
        (store.lease.map(usize::from) == Some(at)).hash(&mut fold);
        for Request { kind, expected, new, asked, .. } in network.iter().filter(|sent| usize::from(sent.from) == at) {
            (kind, expected, new, asked).hash(&mut fold);
        }
        each.push(fold.finish());
    }
    each.sort_unstable();
    let store = Store { lease: None, ..*store };
    fingerprint(&(each, store, zone, standby_read_only, taken, broken))
}

/// What a search found.
#[derive(Debug)]
pub(crate) struct Report {
    /// How many different states.
    pub(crate) states: usize,
    /// How many steps between them.
    pub(crate) steps: u64,
    /// How far the farthest state is from the start.
    pub(crate) depth: usize,
    /// The rule that is broken first, and the shortest way there.
    pub(crate) broken: Option<(Rule, Vec<Action>)>,
}

/// Searches until a rule is broken or everything is seen.
pub(crate) fn search(protocol: &Protocol, resumes: bool) -> Report {
    let calm = Calm::new(protocol.design);
    let judge = |state: &State| {
        rules::broken(state).or_else(|| (resumes && !calm.settles(state)).then_some(Rule::S8CrashResumes))
    };
    let start = State::start(protocol.bounds.controllers);
    let mut seen: HashSet<u64, BuildHasherDefault<Same>> = HashSet::default();
    seen.insert(nameless(&start));
    let mut came_from: Vec<(u32, Action)> = vec![(0, Action::Crash(0))];
    let mut frontier = VecDeque::from([(0_u32, 0_usize, start)]);
    let mut report = Report { states: 1, steps: 0, depth: 0, broken: None };
    while let Some((at, depth, state)) = frontier.pop_front() {
        report.depth = depth;
        for action in protocol.actions(&state) {
            let Some(next) = protocol.next(&state, action) else { continue };
            report.steps += 1;
            if !seen.insert(nameless(&next)) {
                continue;
            }
            let number = u32::try_from(came_from.len()).unwrap();
            came_from.push((at, action));
            report.states += 1;
            if let Some(rule) = judge(&next) {
                report.broken = Some((rule, way(&came_from, number)));
                return report;
            }
            frontier.push_back((number, depth + 1, next));
        }
    }
    report
}

fn way(came_from: &[(u32, Action)], to: u32) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut at = to;
    while at != 0 {
        let (before, action) = came_from[at as usize];
        actions.push(action);
        at = before;
    }
    actions.reverse();
    actions
}
