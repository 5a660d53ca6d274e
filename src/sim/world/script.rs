//! What happens to a world, and when: drawn whole from the seed before the run begins.

use super::chance::Chance;
use super::kind::Kind;
use super::net::Party;
use super::provider::Mood;
use super::site::Health;
use super::values::AGENTS;
use crate::domain::{FailureKind, Role};

/// What becomes of the sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scenario {
    /// Nothing.
    Healthy,
    /// The primary dies, and stays dead until everything is healed.
    #[default]
    PrimaryDies,
    /// Part of the logins at the primary fail.
    PrimaryHalfFails,
    /// The primary is away for some seconds.
    Blip,
    /// Both sites die.
    BothDie,
}

impl Scenario {
    const DRAWN: [Self; 10] = [
        Self::Healthy,
        Self::PrimaryDies,
        Self::PrimaryDies,
        Self::PrimaryDies,
        Self::PrimaryDies,
        Self::PrimaryDies,
        Self::PrimaryHalfFails,
        Self::PrimaryHalfFails,
        Self::Blip,
        Self::BothDie,
    ];
}

/// What a person asks of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Wish {
    #[default]
    Failover,
    ForcedFailover,
    Failback,
    Freeze,
    Unfreeze,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Act {
    AgentDies(usize),
    AgentReturns(usize),
    AgentPauses(usize, u64),
    ControllerPauses(u64),
    ControllerDies,
    WallJumps(i64),
    Cut(Party, Party),
    Mend(Party, Party),
    Loss(u64),
    Delay(u64),
    Again(u64),
    StoreSlow(u64),
    StoreDown(bool),
    Backup,
    /// The store goes back to its backup; with the controllers stopped for it, or under their feet.
    Restore {
        stopped: bool,
    },
    /// The lease is lost without its holder noticing, and another controller takes it.
    LeaseSlips,
    /// It outlives its holder, who dies, by so many milliseconds.
    LeaseSticks(u64),
    Mood(Mood),
    Strand,
    DiskFull(bool),
    PushConfig(usize),
    Ask(Wish),
    EditByHand,
    Site(Role, Health),
    Heal,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) scenario: Scenario,
    /// In the order of time, in milliseconds.
    pub(super) acts: Vec<(u64, Act)>,
    /// How fast the monotonic clocks run, in parts per million too fast: the agents' and the controllers' hosts'.
    pub(super) agent_drift_ppm: [i64; AGENTS],
    pub(super) host_drift_ppm: [i64; 2],
    pub(super) standby_writable: bool,
    /// Whether observations are logged in the real store as well; it is most of what a run costs.
    pub(super) real_log: bool,
    /// When everything is healed, in milliseconds.
    pub(super) heal_ms: u64,
}

impl Script {
    /// A run with two kinds of fault.
    pub(super) fn draw(seed: u64, (first, second): (Kind, Kind)) -> Self {
        let mut chance = Chance::new(seed, "script");
        let heal_ms = chance.between(140_000, 220_000);
        let mut script = Self {
            scenario: chance.pick(&Scenario::DRAWN),
            acts: Vec::new(),
            agent_drift_ppm: [0; AGENTS],
            host_drift_ppm: [0; 2],
            standby_writable: chance.percent(50),
            real_log: chance.percent(10),
            heal_ms,
        };
        script.sites(&mut chance);
        for kind in [first, second] {
            script.fault(kind, &mut chance);
        }
        script.acts.push((heal_ms, Act::Heal));
        if chance.percent(25) {
            script.acts.push((heal_ms + chance.between(120_000, 190_000), Act::Ask(Wish::Failback)));
        }
        script.acts.sort_by_key(|(at, _)| *at);
        script
    }

    /// A failover, and a failback by hand: nothing else goes wrong.
    pub(super) fn there_and_back() -> Self {
        Self {
            scenario: Scenario::PrimaryDies,
            acts: vec![
                (25_000, Act::Site(Role::Primary, Health::Dead(FailureKind::Network))),
                (110_000, Act::Heal),
                // By then its failures have left the burn lane's three minutes.
                (300_000, Act::Ask(Wish::Failback)),
                // Whoever asked a controller that died asks again.
                (400_000, Act::Ask(Wish::Failback)),
            ],
            agent_drift_ppm: [0; AGENTS],
            host_drift_ppm: [0; 2],
            standby_writable: true,
            real_log: false,
            heal_ms: 110_000,
        }
    }

    fn add(&mut self, at_ms: u64, act: Act) {
        // Nothing goes wrong any more once everything is healed.
        if at_ms < self.heal_ms {
            self.acts.push((at_ms, act));
        }
    }

    fn sites(&mut self, chance: &mut Chance) {
        let at = chance.between(20_000, 50_000);
        let dead = [FailureKind::Network, FailureKind::Timeout, FailureKind::ServerError, FailureKind::Tls];
        let dead = dead.get(usize::try_from(chance.between(0, 3)).unwrap_or(0)).copied();
        let dead = Health::Dead(dead.unwrap_or(FailureKind::Network));
        match self.scenario {
            Scenario::Healthy => {}
            Scenario::PrimaryDies => self.add(at, Act::Site(Role::Primary, dead)),
            Scenario::PrimaryHalfFails => {
                self.add(at, Act::Site(Role::Primary, Health::Half(chance.between(20, 90))));
            }
            Scenario::Blip => {
                self.add(at, Act::Site(Role::Primary, dead));
                self.add(at + chance.between(2_000, 45_000), Act::Site(Role::Primary, Health::Up));
            }
            Scenario::BothDie => {
                self.add(at, Act::Site(Role::Primary, dead));
                self.add(at + chance.between(0, 40_000), Act::Site(Role::Standby, dead));
            }
        }
    }

    fn fault(&mut self, kind: Kind, chance: &mut Chance) {
        let begin = chance.between(5_000, 100_000);
        let end = begin + chance.between(5_000, 120_000);
        let agent = |chance: &mut Chance| usize::try_from(chance.between(0, 4)).unwrap_or(0);
        match kind {
            Kind::AgentCrash => {
                for _ in 0..chance.between(1, 3) {
                    let (agent, at) = (agent(chance), begin + chance.between(0, 20_000));
                    self.add(at, Act::AgentDies(agent));
                    self.add(at + chance.between(1_000, 60_000), Act::AgentReturns(agent));
                }
            }
            Kind::Pause => {
                for _ in 0..chance.between(1, 4) {
                    let (at, long) = (begin + chance.between(0, 40_000), chance.between(500, 120_000));
                    let act = if chance.percent(50) {
                        Act::ControllerPauses(long)
                    } else {
                        Act::AgentPauses(agent(chance), long)
                    };
                    self.add(at, act);
                }
            }
            Kind::Clocks => {
                let mut drift = || i64::try_from(chance.between(0, 40_000)).unwrap_or(0) - 20_000;
                self.agent_drift_ppm = self.agent_drift_ppm.map(|_| drift());
                self.host_drift_ppm = self.host_drift_ppm.map(|_| drift());
                for _ in 0..chance.between(1, 3) {
                    let by = i64::try_from(chance.between(0, 7_200_000)).unwrap_or(0) - 3_600_000;
                    self.add(begin + chance.between(0, 60_000), Act::WallJumps(by));
                }
            }
            Kind::Partition => {
                for _ in 0..chance.between(1, 5) {
                    let (a, b) = link(chance);
                    let at = begin + chance.between(0, 20_000);
                    let both = chance.percent(50);
                    self.add(at, Act::Cut(a, b));
                    self.add(end, Act::Mend(a, b));
                    if both {
                        self.add(at, Act::Cut(b, a));
                        self.add(end, Act::Mend(b, a));
                    }
                }
            }
            Kind::Loss => {
                self.add(begin, Act::Loss(chance.between(1, 60)));
                self.add(end, Act::Loss(0));
            }
            Kind::Latency => {
                self.add(begin, Act::Delay(chance.between(100, 30_000)));
                self.add(end, Act::Delay(0));
            }
            Kind::Duplicates => {
                self.add(begin, Act::Again(chance.between(5, 60)));
                self.add(end, Act::Again(0));
            }
            Kind::StoreLeader => {
                let mut at = begin;
                for _ in 0..chance.between(1, 4) {
                    self.add(at, Act::StoreSlow(chance.between(10, 5_000)));
                    at += chance.between(500, 10_000);
                    self.add(at, Act::StoreDown(true));
                    at += chance.between(500, 8_000);
                    self.add(at, Act::StoreDown(false));
                    self.add(at, Act::StoreSlow(0));
                    at += chance.between(1_000, 20_000);
                }
            }
            Kind::StoreQuorum => {
                self.add(begin, Act::StoreDown(true));
                self.add(end, Act::StoreDown(false));
                if chance.percent(40) {
                    self.add(begin + chance.between(0, 10_000), Act::ControllerDies);
                }
            }
            Kind::StoreRestored => {
                self.add(begin.min(chance.between(1_000, 90_000)), Act::Backup);
                self.add(end.max(begin + 1_000), Act::Restore { stopped: chance.percent(50) });
            }
            Kind::Lease => {
                for _ in 0..chance.between(1, 2) {
                    let at = begin + chance.between(0, 60_000);
                    let sticks = Act::LeaseSticks(chance.between(1_000, 60_000));
                    self.add(at, if chance.percent(75) { Act::LeaseSlips } else { sticks });
                }
            }
            Kind::Provider => self.provider(begin, end, chance),
            Kind::DiskFull => {
                self.add(begin, Act::DiskFull(true));
                self.add(end, Act::DiskFull(false));
            }
            Kind::ConfigPush => {
                let first = usize::from(chance.percent(60));
                self.add(begin, Act::PushConfig(first));
                if chance.percent(50) {
                    self.add(end, Act::PushConfig(1 - first));
                }
            }
            Kind::Manual => self.manual(begin, chance),
        }
    }

    fn provider(&mut self, begin: u64, end: u64, chance: &mut Chance) {
        let some = |chance: &mut Chance, most| if chance.percent(35) { chance.between(5, most) } else { 0 };
        let mood = Mood {
            down: chance.percent(15),
            turned_away: some(chance, 90),
            server_error: some(chance, 90),
            answer_lost: some(chance, 100),
            late: some(chance, 90),
            late_ms_max: if chance.percent(80) { 30_000 } else { 600_000 },
            pending_for_ever: some(chance, 60),
        };
        self.add(begin, Act::Mood(mood));
        if chance.percent(30) {
            self.add(chance.between(begin, end), Act::Strand);
        }
        // Where answers were lost a controller may die as well.
        if chance.percent(30) {
            self.add(chance.between(begin, end), Act::ControllerDies);
        }
        self.add(end, Act::Mood(Mood::default()));
    }

    fn manual(&mut self, begin: u64, chance: &mut Chance) {
        let wishes =
            [Wish::Failover, Wish::ForcedFailover, Wish::Failback, Wish::Freeze, Wish::Freeze, Wish::Unfreeze];
        for _ in 0..chance.between(2, 6) {
            let wish = chance.pick(&wishes);
            self.add(begin + chance.between(0, 60_000), Act::Ask(wish));
        }
        if chance.percent(50) {
            self.add(begin + chance.between(0, 60_000), Act::EditByHand);
        }
    }
}

/// Two parties that talk to each other.
fn link(chance: &mut Chance) -> (Party, Party) {
    let agent = Party::Agent(usize::try_from(chance.between(0, 4)).unwrap_or(0));
    let controller = Party::Controller(usize::from(chance.percent(20)));
    match chance.between(0, 7) {
        0 | 1 => (agent, Party::Site(Role::Primary)),
        2 => (agent, Party::Site(Role::Standby)),
        3 | 4 => (agent, controller),
        5 => (controller, Party::Provider),
        6 => (controller, Party::Site(Role::Standby)),
        _ => (controller, if chance.percent(50) { Party::NameServers } else { Party::People }),
    }
}
