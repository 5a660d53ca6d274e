//! Small models of other detectors, living through the same faults: consecutive counting by checkers that know nothing of each other
//! (safety.md 1.5 and 3.2). None of them has canaries, a standby to compare with, or a memory of earlier failures.

mod checker;

use super::catalogue::{Scenario, Twist};
use super::chance::Chance;
use super::fault::{Course, Hit, How, STANDBY_CLOUD, Seat};
use super::run::NOISE;
use crate::domain::Role;

use checker::Checker;

/// One detector that is compared with.
#[derive(Debug)]
pub struct Baseline {
    /// Its name.
    pub name: &'static str,
    /// The same, short enough for the head of a column.
    pub short: &'static str,
    /// What it is, in one line.
    pub what: &'static str,
    checkers: usize,
    interval_ms: u64,
    /// The interval is the gap after an answer, and not from beginning to beginning.
    gap: bool,
    timeout_ms: u64,
    in_a_row: u32,
    rule: Rule,
    /// It runs the script, and ends with the agents it would run on.
    scripted: bool,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    /// Down when so many checkers say so.
    Down(usize),
    /// Down unless more than this share, in hundredths, says "healthy".
    HealthyAbove(usize),
}

/// All baselines, in the order of the table.
pub static BASELINES: &[Baseline] = &[
    Baseline {
        name: "single prober",
        short: "1×10 s",
        what: "one prober, each 10 s, three failures in a row",
        checkers: 1,
        interval_ms: 10_000,
        gap: false,
        timeout_ms: 5_000,
        in_a_row: 3,
        rule: Rule::Down(1),
        scripted: true,
    },
    Baseline {
        name: "Route 53, 30 s",
        short: "R53 30 s",
        what: "16 checkers, 30 s after each answer, three in a row, down unless more than 18 % say healthy",
        checkers: 16,
        interval_ms: 30_000,
        gap: true,
        timeout_ms: 4_000,
        in_a_row: 3,
        rule: Rule::HealthyAbove(18),
        scripted: false,
    },
    Baseline {
        name: "Route 53, 10 s",
        short: "R53 10 s",
        what: "the same, 10 s after each answer",
        checkers: 16,
        interval_ms: 10_000,
        gap: true,
        timeout_ms: 4_000,
        in_a_row: 3,
        rule: Rule::HealthyAbove(18),
        scripted: false,
    },
    Baseline {
        name: "naive quorum",
        short: "3 of 5",
        what: "five probers in one cloud, each 10 s, three failures in a row, three of five, no canaries",
        checkers: 5,
        interval_ms: 10_000,
        gap: false,
        timeout_ms: 5_000,
        in_a_row: 3,
        rule: Rule::Down(3),
        scripted: true,
    },
];

/// An answer of a site, in milliseconds.
const ANSWER_MS: f64 = 200.0;
/// And an error.
const ERROR_MS: f64 = 100.0;
/// The spread of both.
const SIGMA: f64 = 0.4;

impl Baseline {
    /// From the fault to the decision in one run, in milliseconds; none when it never decides.
    pub(super) fn run(&self, scenario: &Scenario, seed: u64, number: usize) -> Option<u64> {
        let mut chance = Chance::of(seed ^ self.interval_ms, self.name, number);
        let horizon = scenario.horizon * 1_000;
        // The same course of the fault as the policy under test lives through.
        let course = Course::new(&scenario.fault, horizon, &mut Chance::of(seed, scenario.name, number));
        // Three failures in a row from noise alone are one in a hundred million: it begins at the onset, in the middle of its round.
        let mut checkers: Vec<Checker> =
            (0..self.checkers).map(|_| Checker::new(chance.ms(0, self.interval_ms))).collect();
        if let (Twist::Dead(of_five), true) = (scenario.twist, self.scripted) {
            let dead =
                (0..self.checkers).filter(|number| self.seat(scenario, *number, 0).place < f64::from(of_five) / 5.0);
            let living = self.checkers - dead.count();
            checkers.truncate(living);
        }
        loop {
            let (number, checker) = checkers.iter_mut().enumerate().min_by_key(|(_, checker)| checker.next_ms)?;
            let began = checker.next_ms;
            if began >= horizon {
                return None;
            }
            let seat = self.seat(scenario, number, began);
            let (failed, took) = self.probe(scenario, &course, &seat, began, &mut chance);
            let ended = began + took;
            checker.next_ms = if self.gap { ended } else { began } + self.interval_ms;
            checker.saw(failed, ended, self.in_a_row);
            // What the others say by then: a checker's word holds from the end of its probe.
            let latest = checkers.iter().filter_map(|checker| checker.down_since()).max();
            if let Some(at) = latest.filter(|_| self.is_down(&checkers)) {
                return Some(at).filter(|at| *at < horizon);
            }
        }
    }

    fn seat(&self, scenario: &Scenario, number: usize, now: u64) -> Seat {
        // A fault that befalls anybody befalls the first.
        let place = number as f64 / self.checkers as f64;
        // Each of these is built within one provider, as such things are: not the primary's.
        let fresh = match scenario.twist {
            Twist::Restarts(apart) if self.scripted => Some(number as u64 * apart * 1_000).filter(|at| *at <= now),
            _ => None,
        };
        Seat { place, cloud: STANDBY_CLOUD, fresh }
    }

    fn probe(&self, scenario: &Scenario, course: &Course, seat: &Seat, at: u64, chance: &mut Chance) -> (bool, u64) {
        let hit = scenario.fault.hit(course, seat, Role::Primary, at).filter(|hit| chance.hits(hit.share));
        let hit = hit.or_else(|| {
            let how = chance.hits(NOISE).then(|| if chance.hits(0.5) { How::Fast } else { How::TimeOut });
            how.map(|how| Hit { share: 1.0, how, own: false })
        });
        let took = match hit.map(|hit| hit.how) {
            Some(How::TimeOut) => self.timeout_ms,
            Some(How::Fast) => chance.log_normal_ms(ERROR_MS, SIGMA),
            None | Some(How::Denied | How::Unmet) => chance.log_normal_ms(ANSWER_MS, SIGMA),
        };
        (hit.is_some(), took.min(self.timeout_ms))
    }

    fn is_down(&self, checkers: &[Checker]) -> bool {
        let down = checkers.iter().filter(|checker| checker.down_since().is_some()).count();
        match self.rule {
            Rule::Down(needed) => down >= needed,
            Rule::HealthyAbove(hundredths) => (checkers.len() - down) * 100 <= hundredths * checkers.len(),
        }
    }
}
