//! All vantages of one service: who has a word, and what it is. A vantage that has just started has none yet, and one whose scripts have
//! changed, or more than half of the vantages that have restarted, leave the whole panel unsettled for a while.

use crate::domain::{CheckName, Generation, Moment, Observation, Role, Service, SiteVotes, VantageView, Vote};

use super::window::{Seen, Tuning, Window};

/// What one vantage says of one site, without the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    view: VantageView,
    burning: bool,
    failing_now: bool,
}

impl Default for Word {
    fn default() -> Self {
        Self { view: VantageView::Unknown, burning: false, failing_now: false }
    }
}

/// One vantage of the panel.
#[derive(Debug)]
struct Seat {
    /// Its agent's run.
    boot: String,
    /// The largest number of an observation of that run.
    seq: u64,
    /// When that run was first heard of.
    since: Moment,
    /// When its agent was last seen to have restarted.
    restarted: Option<Moment>,
    /// For each role and check, in the order of the configuration.
    windows: Vec<Window>,
    /// What it said when it was last asked, by role.
    words: [Word; 2],
}

/// What vantages say of one check at one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckView {
    /// The check.
    pub check: CheckName,
    /// The site.
    pub role: Role,
    /// How many say that it passes.
    pub up: usize,
    /// How many say that it fails.
    pub down: usize,
}

/// What an observation changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noticed {
    /// What it was.
    pub(super) seen: Seen,
    /// The vantage's word on the site is another one now.
    pub(super) changed: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Panel {
    tuning: Tuning,
    seats: Vec<Seat>,
    /// When the scripts were last seen to have changed.
    scripts_changed: Option<Moment>,
}

fn index(role: Role) -> usize {
    match role {
        Role::Primary => 0,
        Role::Standby => 1,
    }
}

impl Panel {
    pub(super) fn new(service: &Service) -> Self {
        let seat = || Seat {
            boot: String::new(),
            seq: 0,
            since: Moment::default(),
            restarted: None,
            windows: vec![Window::default(); 2 * service.checks.len()],
            words: [Word::default(); 2],
        };
        Self {
            tuning: Tuning::of(&service.policy),
            seats: service.vantages.iter().map(|_| seat()).collect(),
            scripts_changed: None,
        }
    }

    /// Takes one observation of this service. One from a vantage or by a check that the service does not have is nobody's word.
    pub(super) fn observe(&mut self, service: &Service, now: Moment, seen: Observation) -> Option<Noticed> {
        let place = service.vantages.iter().position(|vantage| vantage.name == seen.id.vantage)?;
        let check = service.checks.iter().position(|check| *check == seen.check)?;
        let seat = self.seats.get_mut(place)?;
        if seat.boot != seen.id.boot {
            if seen.at < seat.since {
                // What an earlier run had seen, delivered late.
                return None;
            }
            seat.restarted = (!seat.boot.is_empty()).then_some(now).or(seat.restarted);
            seat.windows.iter_mut().for_each(|window| *window = Window::default());
            seat.boot.clone_from(&seen.id.boot);
            (seat.seq, seat.since) = (0, seen.at);
        }
        seat.seq = seat.seq.max(seen.id.seq);
        let role = seen.role;
        let window = seat.windows.get_mut(index(role) * service.checks.len() + check)?;
        let before = window.generation();
        let seen = window.observe(&service.policy, &self.tuning, seen);
        if before != window.generation() && before != Generation::default() {
            self.scripts_changed = Some(now);
        }
        let word = seat.word(service, role, now);
        let changed = seat.words.get(index(role)) != Some(&word);
        if let Some(known) = seat.words.get_mut(index(role)) {
            *known = word;
        }
        Some(Noticed { seen, changed })
    }

    /// Looks at every vantage's word again. True when one is another than it was.
    pub(super) fn reread(&mut self, service: &Service, now: Moment) -> bool {
        let mut changed = false;
        for seat in &mut self.seats {
            for role in Role::BOTH {
                let word = seat.word(service, role, now);
                if let Some(known) = seat.words.get_mut(index(role)) {
                    changed |= std::mem::replace(known, word) != word;
                }
            }
        }
        changed
    }

    /// Every vantage's vote on one site, in the order of the configuration.
    pub(super) fn votes(&self, service: &Service, role: Role, now: Moment) -> SiteVotes {
        let votes = service.vantages.iter().zip(&self.seats);
        let votes = votes.map(|(vantage, seat)| {
            let Word { view, burning, failing_now } = seat.word(service, role, now);
            let window = seat.telling(service, role, now);
            let why = window.and_then(Window::why);
            let warming = seat.is_warming(service);
            let warming = warming.then(|| {
                format!("it has just started: {} of its first {} probes are done", seat.seq, service.policy.warm_up)
            });
            let age = window.and_then(Window::last).map(|last| now.since(last).as_millis());
            Vote {
                vantage: vantage.name.clone(),
                cloud: vantage.cloud.clone(),
                account: vantage.account.clone(),
                view,
                score: window.map_or(0, |window| window.score(&self.tuning)),
                burn: window.map_or(0, |window| window.burn(&service.policy, now)),
                burning,
                failing_now,
                failures: window.map_or(0, Window::failures),
                kind: why.and_then(|why| why.kind),
                reason: warming.or_else(|| why.and_then(|why| why.reason.clone())),
                failed_step: why.and_then(|why| why.step.clone()),
                age_ms: age.map(|age| u64::try_from(age).unwrap_or(u64::MAX)),
                generation: seat.generation(service, role),
            }
        });
        SiteVotes { role, votes: votes.collect() }
    }

    /// What vantages say of each check of one site, in the order of the configuration.
    pub(super) fn checks(&self, service: &Service, role: Role, now: Moment) -> Vec<CheckView> {
        let view = |(place, check): (usize, &CheckName)| {
            let mut counts = Counts::default();
            for seat in self.seats.iter().filter(|seat| !seat.is_warming(service)) {
                if let Some(window) = seat.of(service, role).get(place) {
                    counts.add(window.view(&service.policy, now));
                }
            }
            CheckView { check: check.clone(), role, up: counts.up, down: counts.down }
        };
        service.checks.iter().enumerate().map(view).collect()
    }

    /// When the next view ends by itself.
    pub(super) fn next_stale(&self, service: &Service, now: Moment) -> Option<Moment> {
        let ends =
            self.seats.iter().flat_map(|seat| &seat.windows).filter_map(|window| window.stale_at(&service.policy));
        ends.filter(|at| *at > now).min()
    }

    /// Whether no evidence against a site is left anywhere.
    pub(super) fn is_calm(&self, service: &Service, role: Role) -> bool {
        self.seats.iter().flat_map(|seat| seat.of(service, role)).all(Window::is_calm)
    }

    /// Why nothing is moved automatically yet, and until when: what was seen is not yet to be trusted.
    pub(super) fn unsettled(&self, service: &Service, now: Moment) -> Option<(String, Moment)> {
        let settle = service.policy.settle;
        let recent = |at: &Moment| now.since(*at) < settle;
        if let Some(at) = self.scripts_changed.filter(recent) {
            return Some(("the checks have just changed".to_owned(), at.after(settle)));
        }
        let restarts: Vec<Moment> = self.seats.iter().filter_map(|seat| seat.restarted).filter(recent).collect();
        let newest = restarts.iter().max()?;
        (restarts.len() * 2 > self.seats.len()).then(|| {
            (format!("{} of {} agents have just restarted", restarts.len(), self.seats.len()), newest.after(settle))
        })
    }
}

impl Seat {
    fn of(&self, service: &Service, role: Role) -> &[Window] {
        let checks = service.checks.len();
        self.windows.get(index(role) * checks..(index(role) + 1) * checks).unwrap_or_default()
    }

    fn is_warming(&self, service: &Service) -> bool {
        !self.boot.is_empty() && self.seq < u64::from(service.policy.warm_up)
    }

    /// What its checks together say: a site is up when it passes as many as are needed, and down when so many fail that it cannot, or
    /// when a critical one does.
    fn word(&self, service: &Service, role: Role, now: Moment) -> Word {
        let policy = &service.policy;
        let windows = self.of(service, role);
        let needed = policy.need.of(windows.len());
        let mut counts = Counts::default();
        let (mut critical_down, mut critical_suspect, mut critical_not_up) = (false, false, false);
        let (mut burning, mut failing_now) = (0, 0);
        for (check, window) in service.checks.iter().zip(windows) {
            let view = window.view(policy, now);
            counts.add(view);
            burning += usize::from(policy.burn.is_some_and(|rule| window.burn(policy, now) >= rule.ratio));
            failing_now += usize::from(window.failing_now());
            if is_critical(service, check) {
                critical_down |= view == VantageView::Down;
                critical_suspect |= view == VantageView::Suspect;
                critical_not_up |= view != VantageView::Up;
            }
        }
        // With more than this many failing, what is needed cannot be had.
        let spare = windows.len() - needed;
        let view = if self.is_warming(service) {
            VantageView::Abstaining
        } else if counts.down > spare || critical_down {
            VantageView::Down
        } else if counts.down + counts.suspect > spare || critical_suspect {
            VantageView::Suspect
        } else if counts.up >= needed && !critical_not_up {
            VantageView::Up
        } else {
            counts.heaviest()
        };
        Word {
            view,
            burning: burning > spare,
            failing_now: failing_now > spare || (critical_down && failing_now > 0),
        }
    }

    /// The window whose reasons are the vantage's.
    fn telling(&self, service: &Service, role: Role, now: Moment) -> Option<&Window> {
        let weight = |window: &&Window| match window.view(&service.policy, now) {
            VantageView::Up => 0,
            VantageView::Failing => 1,
            VantageView::Unknown => 2,
            VantageView::Stale => 3,
            VantageView::Abstaining => 4,
            VantageView::Suspect => 5,
            VantageView::Down => 6,
        };
        // Of equals the first one.
        self.of(service, role).iter().rev().max_by_key(weight)
    }

    fn generation(&self, service: &Service, role: Role) -> Generation {
        self.of(service, role).iter().map(Window::generation).fold(Generation::default(), Generation::and)
    }
}

fn is_critical(service: &Service, check: &CheckName) -> bool {
    service.critical.contains(check)
}

#[derive(Debug, Default)]
struct Counts {
    up: usize,
    failing: usize,
    suspect: usize,
    down: usize,
    stale: usize,
    abstaining: usize,
}

impl Counts {
    fn add(&mut self, view: VantageView) {
        match view {
            VantageView::Up => self.up += 1,
            VantageView::Failing => self.failing += 1,
            VantageView::Suspect => self.suspect += 1,
            VantageView::Down => self.down += 1,
            VantageView::Stale => self.stale += 1,
            VantageView::Abstaining => self.abstaining += 1,
            VantageView::Unknown => {}
        }
    }

    /// What keeps it from being up, without making it down.
    fn heaviest(&self) -> VantageView {
        if self.abstaining > 0 {
            VantageView::Abstaining
        } else if self.stale > 0 {
            VantageView::Stale
        } else if self.down + self.suspect + self.failing > 0 {
            VantageView::Failing
        } else {
            VantageView::Unknown
        }
    }
}
