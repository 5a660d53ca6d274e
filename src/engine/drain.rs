//! How users' resolvers follow a move: from what each vantage's own resolvers answer after the switch to a curve, and the names of those
//! that hold on to the old answer for longer than its time to live.
//!
//! It is counted, never acted upon: no step waits for it, no guard asks it, and nothing of it is a vote (S2). A resolver that does not
//! answer, or leads to neither site, is unknown: not moved, and not old.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{
    CheckName, Curve, DrainEnd, DrainRecord, JournalEntry, Lookup, LookupId, Moment, Outcome, PlanId, PublicRun,
    PublicWord, Role, Said, Service, Sighting, Straggler, VantageName,
};

use super::incident::Telling;
use super::ledger::{Draining, Ledger, StepStatus};
use super::scene::Scene;

/// How long after a time to live users are still led astray by what honours it: browsers keep every answer for a minute at least
/// (Chromium, `kMinimumTTLSeconds`).
const BROWSERS: Duration = Duration::from_secs(60);
/// For how long a resolver's answer counts: three rounds at rest, and the way.
const FRESH: Duration = Duration::from_secs(35);
/// What a resolver may be late without being said to stretch: two rounds of questions, and the whole second of a time to live.
const SLACK: Duration = Duration::from_secs(3);
/// After how long past its end a drain that nobody saw is not told of any more: who looks only now saw nothing of it.
const TOO_LATE: Duration = Duration::from_secs(120);
/// After how long a question that nobody asks any more is forgotten.
const FORGET: Duration = Duration::from_secs(3600);
/// How many questions of one service are kept.
const QUESTIONS_MAX: usize = 5_000;
/// The time to live of what an alias means, where Route 53 says it (its own documentation of alias records).
const ALIAS_TTL_S: u32 = 60;
/// The shares that are noted, in hundredths.
const MARKS: [usize; 3] = [50, 90, 100];

/// What is seen of a service's public names, and what was said of the move that drains.
#[derive(Debug, Default)]
pub(super) struct Drain {
    lookups: BTreeMap<LookupId, Lookup>,
    runs: BTreeMap<(VantageName, CheckName), PublicRun>,
    /// The longest time to live that was given with an answer, where it was longer than the record's own.
    long: BTreeMap<LookupId, u32>,
    /// Of which plan the following is.
    plan: Option<PlanId>,
    /// How many of [`MARKS`] were noted.
    noted: usize,
    /// How it ended: kept until that is durable.
    ended: Option<DrainRecord>,
    /// Whether agents were told to look closely.
    closely: bool,
}

/// What is known of the drain at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainView {
    /// Whose move.
    pub plan: PlanId,
    /// How long ago the switch was; none when the drain is over.
    pub running: Option<Duration>,
    /// Why it is over.
    pub end: Option<DrainEnd>,
    /// The time to live that has to run out.
    pub ttl: Duration,
    /// How the resolvers moved, so far.
    pub curve: Curve,
    /// Who holds on to old answers.
    pub stragglers: Vec<Straggler>,
    /// What comes through the public name, by vantage.
    pub public: Vec<PublicWord>,
}

impl DrainView {
    fn over(plan: &PlanId, record: &DrainRecord) -> Self {
        let DrainRecord { end, ttl, curve, stragglers, public } = record.clone();
        Self { plan: plan.clone(), running: None, end: Some(end), ttl, curve, stragglers, public }
    }
}

/// Where one resolver of one vantage leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Moved(Duration),
    Old,
    Unknown,
}

/// A look at everything at one moment.
struct Look<'a> {
    service: &'a Service,
    draining: &'a Draining,
    now: Moment,
    /// The switch, on this process's clock.
    switched: Moment,
    /// Since when every authoritative server has had the new answer, as far as is known.
    answered: Option<Moment>,
    pairs: BTreeMap<(&'a VantageName, std::net::SocketAddr), Place>,
}

fn ttl(service: &Service) -> Duration {
    let alias = service.moved().any(|name| name.primary.alias_zone.is_some() || name.standby.alias_zone.is_some());
    let ttl_s = if alias { service.dns.ttl_s.max(ALIAS_TTL_S) } else { service.dns.ttl_s };
    Duration::from_secs(u64::from(ttl_s))
}

impl Drain {
    /// Takes what a vantage saw. True when it is news.
    pub(super) fn sighted(&mut self, service: &Service, now: Moment, seen: Sighting) -> bool {
        match seen {
            Sighting::Lookup(lookup) => {
                let ours = service.vantages.iter().any(|vantage| vantage.name == lookup.id.vantage)
                    && service.moved().any(|name| name.name == lookup.id.name && name.kind == lookup.id.kind);
                let room = self.lookups.len() < QUESTIONS_MAX || self.lookups.contains_key(&lookup.id);
                let newer = self.lookups.get(&lookup.id).is_none_or(|before| before.at <= lookup.at);
                if !ours || !room || !newer {
                    return false;
                }
                if let Said::Values { ttl_s: Some(said), .. } = lookup.said
                    && Duration::from_secs(u64::from(said)) > ttl(service)
                {
                    let longest = self.long.entry(lookup.id.clone()).or_default();
                    *longest = said.max(*longest);
                }
                self.lookups.retain(|_, kept| now.since(kept.at) < FORGET);
                let before = self.lookups.insert(lookup.id.clone(), lookup.clone());
                before.is_none_or(|before| before.leads_to != lookup.leads_to)
            }
            Sighting::Run(run) => {
                let ours = service.vantages.iter().any(|vantage| vantage.name == run.vantage)
                    && service.checks.contains(&run.check);
                let key = (run.vantage.clone(), run.check.clone());
                let newer = self.runs.get(&key).is_none_or(|before| before.at <= run.at);
                if ours && newer {
                    self.runs.insert(key, run);
                }
                ours && newer
            }
        }
    }

    /// Whether anybody looks at all.
    pub(super) fn watched(&self) -> bool {
        !self.lookups.is_empty()
    }

    /// Whether agents should look closely from now on, if that is news.
    pub(super) fn closely(&mut self, scene: &Scene<'_>) -> Option<bool> {
        let switching = scene
            .ledger
            .open
            .as_ref()
            .and_then(|open| open.current())
            .is_some_and(|(_, step, status)| step.is_switch() && !matches!(status, StepStatus::Waiting));
        let closely = self.watched() && (switching || self.running(scene).is_some());
        (std::mem::replace(&mut self.closely, closely) != closely).then_some(closely)
    }

    /// Whether there is anything to look at.
    pub(super) fn is_due(&self, ledger: &Ledger) -> bool {
        self.closely || (self.watched() && (ledger.draining.is_some() || ledger.open.is_some()))
    }

    /// The drain that is under way.
    fn running<'a>(&'a self, scene: &Scene<'a>) -> Option<Look<'a>> {
        let look = self.look(scene)?;
        let over = self.plan.as_ref() == Some(&look.draining.plan) && self.ended.is_some();
        (!over && look.left().is_none_or(|left| !left.is_zero() || look.past() < TOO_LATE)).then_some(look)
    }

    fn look<'a>(&'a self, scene: &Scene<'a>) -> Option<Look<'a>> {
        let draining = scene.ledger.draining.as_ref()?;
        let moment = |at| scene.now.before(scene.wall.since(at));
        let open = scene.ledger.open.as_ref().is_some_and(|open| *open.plan.id() == draining.plan);
        let switched = moment(draining.at);
        // A plan that ended without having asked the servers leaves the switch itself.
        let answered = draining.answered.map(moment).or_else(|| (!open).then_some(switched));
        let mut pairs: BTreeMap<_, Place> = BTreeMap::new();
        for lookup in self.lookups.values() {
            let place = place(lookup, draining.to, switched, scene.now);
            let pair = pairs.entry((&lookup.id.vantage, lookup.id.resolver)).or_insert(Place::Unknown);
            *pair = match (*pair, place) {
                (Place::Old, _) | (_, Place::Old) => Place::Old,
                (Place::Moved(one), Place::Moved(other)) => Place::Moved(one.max(other)),
                (Place::Moved(one), Place::Unknown) | (Place::Unknown, Place::Moved(one)) => Place::Moved(one),
                (Place::Unknown, Place::Unknown) => Place::Unknown,
            };
        }
        Some(Look { service: scene.service, draining, now: scene.now, switched, answered, pairs })
    }

    /// What there is to see: the drain that is under way, or the last one that was recorded.
    pub(super) fn view(&self, scene: &Scene<'_>) -> Option<DrainView> {
        let last = || scene.ledger.drained.as_ref().map(|(plan, record)| DrainView::over(plan, record));
        if let (Some(plan), Some(record)) = (&self.plan, &self.ended) {
            return Some(DrainView::over(plan, record));
        }
        let Some(look) = self.running(scene).filter(|_| self.watched()) else { return last() };
        Some(DrainView {
            plan: look.draining.plan.clone(),
            running: Some(look.elapsed()),
            end: None,
            ttl: ttl(scene.service),
            curve: look.curve(),
            stragglers: self.stragglers(&look),
            public: self.public(&look),
        })
    }

    /// Looks whether the drain has got on, or is over. `notes` are texts to note.
    pub(super) fn advance(&mut self, scene: &Scene<'_>) -> Vec<(&'static str, String)> {
        let mut notes = Vec::new();
        if self.plan.as_ref() != scene.ledger.draining.as_ref().map(|draining| &draining.plan) {
            self.plan = scene.ledger.draining.as_ref().map(|draining| draining.plan.clone());
            (self.noted, self.ended) = (0, None);
            self.long.clear();
        }
        if !self.watched() {
            return notes;
        }
        let Some((curve, to, record)) = self.running(scene).map(|look| {
            let (curve, public) = (look.curve(), self.public(&look));
            let record = look.end(scene, &curve, &public).map(|end| {
                let (ttl, curve, stragglers) = (ttl(scene.service), curve.clone(), self.stragglers(&look));
                DrainRecord { end, ttl, curve, stragglers, public }
            });
            (curve, look.draining.to, record)
        }) else {
            return notes;
        };
        let reached = MARKS.iter().filter(|mark| curve.reached(**mark).is_some()).count();
        if reached > self.noted {
            self.noted = reached;
            let text = format!("{} of {} resolvers lead to the {to}", curve.moved().len(), curve.known());
            notes.push(("draining", format!("{text}: {}", crate::domain::curve_in_words(&curve))));
        }
        if let Some(record) = record {
            let stretch = |straggler: &Straggler| ("resolver-stretches-ttl", straggler.to_string());
            notes.extend(record.stragglers.iter().map(stretch));
            self.ended = Some(record);
        }
        notes
    }

    /// What of it is to be recorded now. `Err` says when to look again.
    pub(super) fn next(&self, scene: &Scene<'_>) -> Result<Telling, Option<Moment>> {
        let Some(draining) = &scene.ledger.draining else { return Err(None) };
        let own_plan_is_open = scene.ledger.open.as_ref().is_some_and(|open| *open.plan.id() == draining.plan);
        match &self.ended {
            Some(record) if !own_plan_is_open && self.plan.as_ref() == Some(&draining.plan) => {
                let (plan, record) = (draining.plan.clone(), Box::new(record.clone()));
                let entries = vec![JournalEntry::Drained { plan, record }];
                Ok(Telling { entries, notices: Vec::new() })
            }
            Some(_) => Err(None),
            None if !self.watched() => Err(None),
            None => {
                let left = self.running(scene).and_then(|look| look.left());
                Err(left.filter(|left| !left.is_zero()).map(|left| scene.now.after(left)))
            }
        }
    }

    /// Who gave, or gives, the old answer for longer than its time to live.
    fn stragglers(&self, look: &Look<'_>) -> Vec<Straggler> {
        let Some(answered) = look.answered else { return Vec::new() };
        let honest = answered.since(look.switched) + ttl(look.service);
        let mut stragglers: Vec<Straggler> = Vec::new();
        for ((vantage, resolver), place) in &look.pairs {
            let (moved, after) = match place {
                Place::Moved(after) => (Some(*after), *after),
                Place::Old => (None, look.elapsed()),
                Place::Unknown => continue,
            };
            if after <= honest + SLACK {
                continue;
            }
            let said = self.long.iter().filter(|(id, _)| id.vantage == **vantage && id.resolver == *resolver);
            stragglers.push(Straggler {
                vantage: (*vantage).clone(),
                resolver: *resolver,
                moved,
                stretched: after.saturating_sub(honest),
                said_ttl_s: said.map(|(_, ttl_s)| *ttl_s).max(),
            });
        }
        stragglers
    }

    /// What each vantage that looks got through the public name since its resolvers moved.
    fn public(&self, look: &Look<'_>) -> Vec<PublicWord> {
        let mut vantages: Vec<&VantageName> = look.pairs.keys().map(|(vantage, _)| *vantage).collect();
        vantages.dedup();
        vantages.into_iter().map(|vantage| self.word(look, vantage)).collect()
    }

    fn word(&self, look: &Look<'_>, vantage: &VantageName) -> PublicWord {
        let places = || look.pairs.iter().filter(|((of, _), _)| *of == vantage).map(|(_, place)| *place);
        let moved = places().filter_map(|place| match place {
            Place::Moved(after) => Some(after),
            Place::Old | Place::Unknown => None,
        });
        let none = PublicWord { vantage: vantage.clone(), outcome: None, why: None };
        // Whoever is still led to the old site logs in there.
        let since = match moved.max() {
            Some(after) => look.switched.after(after),
            None if places().any(|place| place == Place::Old) => return none,
            None => look.switched,
        };
        let mut worst: Option<&PublicRun> = None;
        for check in &look.service.checks {
            let run = self.runs.get(&(vantage.clone(), check.clone())).filter(|run| run.began() >= since);
            let Some(run) = run else { return none };
            if worst.is_none_or(|worst| rank(run.outcome) > rank(worst.outcome)) {
                worst = Some(run);
            }
        }
        let why = worst.filter(|run| run.outcome != Outcome::Pass).map(|run| {
            let step = run.failed_step.as_deref().map(|step| format!(" at '{step}'")).unwrap_or_default();
            format!("{}{step}: {}", run.check, run.reason.as_deref().unwrap_or("no reason given"))
        });
        PublicWord { vantage: vantage.clone(), outcome: worst.map(|run| run.outcome), why }
    }
}

fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Pass => 0,
        Outcome::Inconclusive => 1,
        Outcome::Fail => 2,
    }
}

fn place(lookup: &Lookup, to: Role, switched: Moment, now: Moment) -> Place {
    let fresh = now.since(lookup.at) <= FRESH;
    match (&lookup.said, lookup.leads_to) {
        (Said::Values { .. }, Some(role)) if fresh && role == to => Place::Moved(lookup.since.since(switched)),
        (Said::Values { .. }, Some(_)) if fresh => Place::Old,
        _ => Place::Unknown,
    }
}

impl Look<'_> {
    fn elapsed(&self) -> Duration {
        self.now.since(self.switched)
    }

    /// When the old time to live and a browser's minute are over. None while it is not known that the servers answer.
    fn over_at(&self) -> Option<Moment> {
        self.answered.map(|answered| answered.after(ttl(self.service) + BROWSERS))
    }

    fn left(&self) -> Option<Duration> {
        self.over_at().map(|over| over.since(self.now))
    }

    fn past(&self) -> Duration {
        self.over_at().map(|over| self.now.since(over)).unwrap_or_default()
    }

    fn curve(&self) -> Curve {
        let places = || self.pairs.values();
        let moved = places().filter_map(|place| match place {
            Place::Moved(after) => Some(*after),
            Place::Old | Place::Unknown => None,
        });
        let count = |wanted: Place| places().filter(|place| **place == wanted).count();
        Curve::new(moved.collect(), count(Place::Old), count(Place::Unknown))
    }

    /// Whether it is over, and why. What comes through the public name is waited for as long as the resolvers would be.
    fn end(&self, scene: &Scene<'_>, curve: &Curve, public: &[PublicWord]) -> Option<DrainEnd> {
        let overtaken = scene.ledger.open.as_ref().is_some_and(|open| *open.plan.id() != self.draining.plan);
        let moved = curve.known() > 0 && curve.old() == 0;
        let passes = public.iter().all(|word| word.outcome == Some(Outcome::Pass));
        let out_of_time = self.left().is_some_and(|left| left.is_zero());
        if moved && (passes || out_of_time || overtaken) {
            Some(DrainEnd::Moved)
        } else if overtaken {
            Some(DrainEnd::Overtaken)
        } else {
            out_of_time.then_some(DrainEnd::TimeOut)
        }
    }
}
