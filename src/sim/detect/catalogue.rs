//! The scenarios by name: the faults of safety.md 3.3, the cases that must page and never move, and the incidents of safety.md 2 that are
//! about detecting and deciding.
//!
//! Three incidents are not here, because they are about what happens after a decision; `sim::world` and the suites have them: I1, a plan
//! that was overtaken (`stale_plan_never_applies`), I5, a controller that loses everything of the primary's cloud
//! (`blackhole_primary_cloud`), and I12, a store that is gone (`store_down_reads_go_on`).

use super::fault::{Fault, How};
use super::required::{Column, Required};
use crate::domain::Alert;

/// One scenario.
#[derive(Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What happens, in one line.
    pub what: &'static str,
    /// The incident of safety.md 2 that it repeats.
    pub incident: Option<&'static str>,
    pub(super) fault: Fault,
    /// For how long it is watched after the fault began, in seconds.
    pub(super) horizon: u64,
    pub(super) twist: Twist,
    /// By column: default, fast, conservative.
    required: [Required; 3],
}

/// What is special besides the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    /// Nothing.
    None,
    /// So many of five agents are dead when it begins.
    Dead(u32),
    /// Agents log in with two accounts, in turn.
    TwoAccounts,
    /// Every agent gets another script.
    NewScript,
    /// Every agent restarts, so many seconds after the one before.
    Restarts(u64),
    /// So many services share the fault, and moves are carried out.
    Services(usize),
}

impl Scenario {
    /// What is required of a policy that is measured by that column.
    pub fn required(&self, column: Column) -> Required {
        let [default, fast, conservative] = self.required;
        match column {
            Column::Default => default,
            Column::Fast => fast,
            Column::Conservative => conservative,
        }
    }
}

/// The scenario with that name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

const fn outage(name: &'static str, what: &'static str, fault: Fault, horizon: u64, p99: [f64; 3]) -> Scenario {
    let [default, fast, conservative] = p99;
    let required = [Required::Within(default), Required::Within(fast), Required::Within(conservative)];
    Scenario { name, what, incident: None, fault, horizon, twist: Twist::None, required }
}

const fn quiet(name: &'static str, what: &'static str, fault: Fault, horizon: u64) -> Scenario {
    Scenario { name, what, incident: None, fault, horizon, twist: Twist::None, required: [Required::Never; 3] }
}

const fn open(
    name: &'static str,
    what: &'static str,
    fault: Fault,
    horizon: u64,
    required: [Required; 3],
) -> Scenario {
    Scenario { name, what, incident: None, fault, horizon, twist: Twist::None, required }
}

const fn told(name: &'static str, what: &'static str, fault: Fault, alert: Alert) -> Scenario {
    let required = [Required::Told(alert); 3];
    Scenario { name, what, incident: None, fault, horizon: 300, twist: Twist::None, required }
}

impl Scenario {
    const fn with(self, twist: Twist) -> Self {
        Self { twist, ..self }
    }

    const fn repeats(self, incident: &'static str) -> Self {
        Self { incident: Some(incident), ..self }
    }
}

use Required::{AtMost, Moves, Never, NotWithin, Open, Within};

/// All scenarios, in the order of the table. The numbers that are required are safety.md's (3.3), with the tolerance that issue 3 names where
/// it names one.
pub static SCENARIOS: &[Scenario] = &[
    outage("total-fast", "every login fails at once", Fault::Rate(1.0, How::Fast), 300, [31.0, 15.0, 52.0]),
    outage("total-timeouts", "every login hangs", Fault::Rate(1.0, How::TimeOut), 300, [40.0, 23.0, 60.0]),
    outage(
        "total-two-agents-dead",
        "every login fails, and 2 of 5 agents are dead",
        Fault::Rate(1.0, How::Fast),
        300,
        [33.0, 17.0, 53.0],
    )
    .with(Twist::Dead(2)),
    outage("errors-70", "70 % of logins fail at once", Fault::Rate(0.7, How::Fast), 900, [36.0, 20.0, 57.0]),
    outage("errors-50", "half of the logins fail at once", Fault::Rate(0.5, How::Fast), 1_800, [46.0, 30.0, 68.0]),
    outage("errors-30", "30 % of logins fail at once", Fault::Rate(0.3, How::Fast), 1_800, [260.0, 130.0, 510.0]),
    outage("errors-30-timeouts", "30 % of logins hang", Fault::Rate(0.3, How::TimeOut), 1_800, [260.0, 130.0, 470.0]),
    open(
        "errors-20",
        "20 % of logins fail for half an hour",
        Fault::Rate(0.2, How::Fast),
        1_800,
        [AtMost(0.15), Open, AtMost(0.02)],
    ),
    open(
        "errors-15-hour",
        "15 % of logins fail for an hour",
        Fault::Rate(0.15, How::Fast),
        3_600,
        [AtMost(0.01), AtMost(0.1), Never],
    ),
    quiet("errors-10-hour", "10 % of logins fail for an hour", Fault::Rate(0.1, How::Fast), 3_600),
    quiet("errors-5-hour", "5 % of logins fail for an hour", Fault::Rate(0.05, How::Fast), 3_600),
    open(
        "flap-20-20",
        "20 s of failure in each 40",
        Fault::Flap(20, 20),
        1_800,
        [Within(100.0), Within(15.0), Within(180.0)],
    ),
    open("flap-10-30", "10 s of failure in each 40", Fault::Flap(10, 30), 1_800, [AtMost(0.02), Open, Never]),
    open("blip-15", "15 s of failure, once", Fault::Blip(15), 240, [Never, Open, Never]),
    open("blip-20", "20 s of failure, once", Fault::Blip(20), 240, [Never, Open, Never]),
    open("blip-25", "25 s of failure, once", Fault::Blip(25), 240, [Open, Open, Never]),
    open("blip-30", "30 s of failure, once", Fault::Blip(30), 240, [Open, Open, Never]),
    open("blip-45", "45 s of failure, once", Fault::Blip(45), 240, [Open, Open, Open]),
    quiet("paths-cut-1", "1 of 5 paths to the primary is cut", Fault::Paths(1), 1_800),
    quiet("paths-cut-2", "2 of 5 paths to the primary are cut", Fault::Paths(2), 1_800),
    open("paths-cut-3", "3 of 5 paths to the primary are cut", Fault::Paths(3), 300, [Open; 3]),
    quiet("agents-own-net-3", "3 of 5 agents lose their own network", Fault::OwnNet(3), 1_800),
    quiet("agents-own-net-all", "every agent loses its own network", Fault::OwnNet(5), 1_800),
    quiet("peering-cut", "one cloud cannot reach the primary's cloud", Fault::Peering, 1_800),
    told(
        "refused-logins",
        "the primary refuses the one account that all agents use",
        Fault::Rate(1.0, How::Denied),
        Alert::Suspected,
    ),
    outage(
        "unmet-assertions",
        "the primary's pages are wrong, seen with two accounts",
        Fault::Rate(1.0, How::Unmet),
        300,
        [34.0, 18.0, 55.0],
    )
    .with(Twist::TwoAccounts),
    told("locked-account", "both sites refuse the account", Fault::Both(How::Denied), Alert::ReserveUnproven),
    told("standby-also-down", "both sites fail", Fault::Both(How::Fast), Alert::ReserveUnproven),
    quiet("script-change", "a new script fails on the primary", Fault::Rate(1.0, How::Fast), 540)
        .with(Twist::NewScript),
    quiet("agents-restart", "all agents restart, and see the primary fail", Fault::Rate(1.0, How::Fast), 540)
        .with(Twist::Restarts(0)),
    quiet("warmup-no-vote", "agents restart one by one, each blind to the primary for 20 s", Fault::Unready(20), 540)
        .with(Twist::Restarts(10))
        .repeats("I2"),
    open(
        "velocity-cap",
        "8 services fail at one moment: what they share is at fault",
        Fault::Rate(1.0, How::Fast),
        540,
        [Moves(5); 3],
    )
    .with(Twist::Services(8))
    .repeats("I2"),
    open(
        "partition-1-120",
        "the primary's cloud is cut off for 1 to 120 s",
        Fault::Partition(120),
        300,
        [NotWithin(20), NotWithin(5), NotWithin(40)],
    )
    .repeats("I3"),
    outage(
        "cloud-gone",
        "the primary's whole cloud is gone, and the agents in it with their network",
        Fault::CloudGone,
        300,
        [42.0, 25.0, 62.0],
    )
    .repeats("I5"),
    quiet("asymmetric-links", "single links to either site fail in turn", Fault::Rotating, 1_800).repeats("I4"),
    told("all-fail-no-action", "every agent loses everything at once", Fault::Everything, Alert::Blind).repeats("I6"),
    quiet("peers-blind", "the sites' clouds do not see each other, the third sees both", Fault::PeersBlind, 1_800)
        .repeats("I7"),
    open(
        "vpn-flap-one-flip",
        "the way to the primary comes and goes each 5 to 30 s",
        Fault::Toggling,
        3_600,
        [Moves(1); 3],
    )
    .with(Twist::Services(1))
    .repeats("I8"),
    told(
        "standby-rot-alert",
        "the standby has lost a feature, and nobody needs it yet",
        Fault::Standby(How::Unmet),
        Alert::ReserveUnproven,
    )
    .repeats("I10"),
];
