//! Who may write where while the standby serves: writes that are tried on both sides, how long the primary has been well, and what the way
//! back would lose.

use std::time::Duration;

use crate::domain::{
    Comparison, Divergence, LagReading, Moment, PlanDigest, PlanId, Role, Verdict, WallTime, WriteProbe,
    reconciliation_digest,
};

use super::guard::{self, Blocker};
use super::scene::Scene;

/// Between two writes that are tried on a site.
const TRY_EVERY: Duration = Duration::from_secs(10);
/// A comparison that is older than this says nothing.
const COMPARISON_COUNTS_FOR: Duration = Duration::from_secs(30);

/// What became of the last write that was tried on a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    at: Moment,
    result: Result<WriteProbe, String>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Sites {
    comparison: Option<(Moment, Comparison)>,
    /// The primary's, and the standby's.
    tried: [Option<Tried>; 2],
    /// Those that are under way.
    trying: [bool; 2],
    next_try: Option<Moment>,
    /// Since when a quorum has said "up" of the primary.
    well_since: Option<Moment>,
}

fn place(role: Role) -> usize {
    match role {
        Role::Primary => 0,
        Role::Standby => 1,
    }
}

impl Sites {
    /// Takes a comparison of both sites' positions.
    pub(super) fn compared(&mut self, now: Moment, comparison: Comparison) {
        self.comparison = Some((now, comparison));
    }

    /// Takes the end of a write that was tried.
    pub(super) fn tried(&mut self, now: Moment, role: Role, result: Result<WriteProbe, String>) {
        if let (Some(slot), Some(trying)) = (self.tried.get_mut(place(role)), self.trying.get_mut(place(role))) {
            (*slot, *trying) = (Some(Tried { at: now, result }), false);
        }
    }

    /// A plan is about to change who may write: what was seen before says nothing of after.
    pub(super) fn forget_writes(&mut self) {
        (self.tried, self.next_try) = ([None, None], None);
    }

    /// Keeps since when the primary has been well.
    pub(super) fn judged(&mut self, now: Moment, primary: &Verdict) {
        self.well_since = (*primary == Verdict::Healthy).then(|| self.well_since.unwrap_or(now));
    }

    /// On which sites a write is to be tried now, and when to come back. Nothing while a plan is under way: its own steps try.
    pub(super) fn due(&mut self, scene: &Scene<'_>) -> (Vec<Role>, Option<Moment>) {
        // The write would go to the real standby.
        let idle = scene.service.drills.unrehearsed
            || scene.serving() != Role::Standby
            || scene.ledger.open.is_some()
            || scene.register.is_none();
        if idle {
            self.next_try = None;
            return (Vec::new(), None);
        }
        if let Some(at) = self.next_try.filter(|at| *at > scene.now) {
            return (Vec::new(), Some(at));
        }
        let next = scene.now.after(TRY_EVERY);
        self.next_try = Some(next);
        let wanted = Role::BOTH.into_iter().filter(|role| *role == Role::Standby || watches_primary(scene));
        let mut due = Vec::new();
        for role in wanted {
            if let Some(trying) = self.trying.get_mut(place(role)).filter(|trying| !**trying) {
                *trying = true;
                due.push(role);
            }
        }
        (due, Some(next))
    }

    /// The last write that was tried there.
    fn last(&self, role: Role) -> Option<&Tried> {
        self.tried.get(place(role))?.as_ref()
    }

    /// How the site took a write that it must not take, if it did.
    pub(super) fn taken(&self, scene: &Scene<'_>, role: Role) -> Option<&str> {
        let forbidden = scene.serving() == Role::Standby
            && match role {
                Role::Standby => scene.ledger.promoted.is_none(),
                Role::Primary => watches_primary(scene),
            };
        match self.last(role).filter(|_| forbidden).map(|tried| &tried.result) {
            Some(Ok(WriteProbe::Accepted { how })) => Some(how),
            _ => None,
        }
    }
}

/// Between two attempts to let the primary take writes again.
const RELEASE_EVERY: Duration = Duration::from_secs(60);

/// The plan because of which the primary refuses writes, or may, although it serves and nothing is about to change that.
pub(super) fn withheld<'a>(scene: &Scene<'a>) -> Option<&'a PlanId> {
    let plan = scene.ledger.told.as_ref().filter(|_| scene.service.fence)?;
    let serves = scene.register.is_some_and(|register| register.serving() == Role::Primary);
    // A failover on its way fences first.
    let moving = scene.ledger.open.as_ref().is_some_and(|open| !open.plan.terms().release);
    (serves && !moving).then_some(plan)
}

/// The plan because of which the primary is to be let take writes again now. `Err` says when to look again. A primary that a quorum sees fail
/// is not asked: a failover must not wait for its answer.
pub(super) fn owed<'a>(scene: &Scene<'a>) -> Result<&'a PlanId, Option<Moment>> {
    let plan = withheld(scene).filter(|_| scene.ledger.drills.open.is_none()).ok_or(None)?;
    if scene.ledger.promoted.is_some() || guard::fails(scene, Role::Primary).is_some() {
        return Err(None);
    }
    let since = scene.ledger.released_at.map(|at| scene.wall.since(at));
    match since.map(|since| RELEASE_EVERY.saturating_sub(since)).filter(|left| !left.is_zero()) {
        Some(left) => Err(Some(scene.now.after(left))),
        None => Ok(plan),
    }
}

/// A primary that was told to refuse writes, or that must because the standby takes them. One that nobody has fenced is not written to
/// for a test.
fn watches_primary(scene: &Scene<'_>) -> bool {
    scene.service.fence && (scene.ledger.fenced == Some(true) || scene.ledger.promoted.is_some())
}

/// What the way back would lose, as far as that can be told; none while the positions are being read.
pub(super) fn divergences(scene: &Scene<'_>) -> Option<Vec<Divergence>> {
    let promoted = scene.ledger.diverging.is_some();
    let fresh = scene.sites.comparison.as_ref();
    match fresh.filter(|(at, _)| scene.now.since(*at) <= COMPARISON_COUNTS_FOR) {
        Some((_, comparison)) => Some(comparison.divergences(promoted)),
        None if scene.service.fence => None,
        // Nothing can be compared here, so nothing is waited for.
        None => Some(Comparison { primary: Ok([].into()), standby: Ok([].into()) }.divergences(promoted)),
    }
}

/// What keeps a person from going back (S14).
pub(super) fn against_failback(scene: &Scene<'_>) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    if *scene.verdict(Role::Primary) == Verdict::Healthy {
        let well = scene.sites.well_since.map_or(Duration::ZERO, |since| scene.now.since(since));
        let remaining = scene.service.policy.failback_after.saturating_sub(well);
        if !remaining.is_zero() {
            blockers.push(Blocker::Proving { role: Role::Primary, remaining });
        }
    }
    match divergences(scene) {
        None => blockers.push(Blocker::Comparing),
        Some(found) => {
            let digest = reconciliation_digest(&found);
            if let Some(digest) = digest.filter(|digest| scene.ledger.reconciled.as_ref() != Some(digest)) {
                let findings = found.iter().map(ToString::to_string).collect();
                blockers.push(Blocker::Unreconciled { service: scene.service.name.clone(), digest, findings });
            }
        }
    }
    blockers
}

/// What keeps a person from letting the standby take writes, besides what keeps them from anything.
pub(super) fn against_promotion(scene: &Scene<'_>) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    if scene.serving() != Role::Standby {
        blockers.push(Blocker::NotServing { role: Role::Standby });
    }
    if !scene.service.fence {
        let why = "the configuration has no control of it ([[service.primary.control]])".to_owned();
        blockers.push(Blocker::PrimaryUnfenced { why });
    }
    blockers
}

/// A write that was tried, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriedView {
    /// Which site.
    pub role: Role,
    /// `refused`, `accepted` or `unknown`.
    pub word: &'static str,
    /// What the site said, or why it could not be asked.
    pub text: String,
    /// How long ago.
    pub age: Duration,
}

/// What the way back would lose, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciliationView {
    /// Both sites' positions in words.
    pub positions: Vec<String>,
    /// What a person must have seen.
    pub findings: Vec<String>,
    /// The digest to acknowledge it with; none where there is nothing.
    pub digest: Option<PlanDigest>,
    /// Whether that was done.
    pub acknowledged: bool,
}

/// Who may write where, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SitesView {
    /// How far the standby is behind, and how old that reading is.
    pub lag: Option<(LagReading, Duration)>,
    /// Whether the primary was made to refuse writes; none when nobody has tried.
    pub fenced: Option<bool>,
    /// Since when the standby may take writes.
    pub promoted: Option<WallTime>,
    /// The last writes that were tried.
    pub tried: Vec<TriedView>,
    /// For how long the primary has been well.
    pub primary_well: Option<Duration>,
    /// What the way back would lose; none while the primary serves, or while it is being found out.
    pub reconciliation: Option<ReconciliationView>,
}

/// See [`SitesView`].
pub(super) fn view(scene: &Scene<'_>) -> SitesView {
    let sites = scene.sites;
    let tried = Role::BOTH.into_iter().filter_map(|role| {
        let Tried { at, result } = sites.last(role)?;
        let (word, text) = match result {
            Ok(WriteProbe::Refused { how }) => ("refused", how.clone()),
            Ok(WriteProbe::Accepted { how }) => ("accepted", how.clone()),
            Err(why) => ("unknown", why.clone()),
        };
        Some(TriedView { role, word, text, age: scene.now.since(*at) })
    });
    let found = (scene.serving() == Role::Standby).then(|| divergences(scene)).flatten();
    SitesView {
        lag: scene.lag.and_then(|lag| Some((lag.reading.clone()?, scene.now.since(lag.at)))),
        fenced: scene.ledger.fenced,
        promoted: scene.ledger.promoted,
        tried: tried.collect(),
        primary_well: sites.well_since.map(|since| scene.now.since(since)),
        reconciliation: found.map(|found| {
            let digest = reconciliation_digest(&found);
            ReconciliationView {
                positions: sites.comparison.as_ref().map(|(_, comparison)| comparison.lines()).unwrap_or_default(),
                findings: found.iter().map(ToString::to_string).collect(),
                acknowledged: digest.is_some() && scene.ledger.reconciled == digest,
                digest,
            }
        }),
    }
}
