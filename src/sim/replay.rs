//! Recorded observations through another policy: what it would have done and when, beside what was done.
//!
//! What was seen was seen at the pace of the policy that was in force; a policy that bursts would have seen more, and sooner. Each step is taken to succeed
//! at once, and after a move the service is taken to be brought back as soon as the policy calls its primary healthy: what the journal
//! says of people, another policy might have made unnecessary.

use crate::domain::{
    Cause, IncidentEnd, JournalEntry, JournalRecord, Policy, Role, Service, VantageView, Verdict, WallTime,
};
use crate::ports::{LogPlace, LoggedObservation, PortError};
use crate::runtime::past::{LOOK_BACK, Past};

use super::detect::desk::{Desk, Wish};

/// How often it is looked whether the primary is healthy again, in milliseconds.
const LOOK_MS: u64 = 10_000;

/// One thing that was done, or would have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: WallTime,
    /// A stable word.
    pub code: &'static str,
    /// In words.
    pub text: String,
}

/// A service's time through a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// How many observations were replayed.
    pub observations: usize,
    /// When the first and the last were made.
    pub span: Option<(WallTime, WallTime)>,
    /// How many of the vantages had a word at the end.
    pub heard: usize,
    /// What the policy would have done.
    pub would: Vec<Deed>,
    /// What was done.
    pub done: Vec<Deed>,
}

/// Replays a service's observations from `since` to `until`; what was seen shortly before warms the vantages up, and decides nothing.
///
/// # Errors
/// The store cannot be read, or nothing of that time is kept.
pub async fn replay(
    past: &Past,
    service: &Service,
    policy: Policy,
    journal: &[JournalRecord],
    since: WallTime,
    until: WallTime,
) -> Result<Replayed, PortError> {
    let from = WallTime::from_ms(since.as_ms().saturating_sub(u64::try_from(LOOK_BACK.as_millis()).unwrap_or(0)));
    // What surrounds a decision is of then, and nobody recorded it: a lag that was not measured must not block every move.
    let service = Service { policy, veto: None, ..service.clone() };
    let broken = |error: super::detect::desk::DeskError| PortError::broken(error.to_string());
    let mut desk = Desk::beginning(vec![service.clone()], from.as_ms(), 0).map_err(broken)?;
    let mut replayed = Replayed { observations: 0, span: None, heard: 0, would: Vec::new(), done: Vec::new() };
    let (mut after, mut last): (Option<LogPlace>, u64) = (None, from.as_ms());
    loop {
        let page: Vec<LoggedObservation> = past.page(&service.name, from, until, after).await?;
        let Some(end) = page.last() else { break };
        after = Some(end.place);
        for seen in page {
            let at = seen.at.as_ms();
            pass(&mut desk, last, at, since.as_ms());
            desk.observed(at, seen.observation);
            settle(&mut desk, at);
            last = at;
            if seen.at >= since {
                replayed.observations += 1;
                replayed.span = Some((replayed.span.map_or(seen.at, |(first, _)| first), seen.at));
            }
        }
    }
    if replayed.observations == 0 {
        return Err(PortError::refused(format!("no observations of '{}' since {since} are kept", service.name)));
    }
    pass(&mut desk, last, until.as_ms().min(last + 60_000), since.as_ms());
    let votes = desk.explained(last).into_iter().flat_map(|known| known.sites).flat_map(|site| site.votes.votes);
    replayed.heard = votes.filter(|vote| !matches!(vote.view, VantageView::Unknown)).count() / Role::BOTH.len();
    let told = desk.told.iter().filter(|(at, _)| *at >= since.as_ms());
    replayed.would = told.filter_map(|(at, entry)| deed(&service, WallTime::from_ms(*at), entry)).collect();
    let mine = journal.iter().filter(|record| record.service == service.name && (since..=until).contains(&record.at));
    replayed.done = mine.filter_map(|record| deed(&service, record.at, &record.entry)).collect();
    Ok(replayed)
}

/// Lets time pass: the engine is woken as it asked to be, and a service that was moved is brought back.
fn pass(desk: &mut Desk, from: u64, to: u64, since: u64) {
    while let Some(at) = desk.wake.filter(|at| *at < to) {
        let at = at.max(from);
        desk.tick(at);
        settle(desk, at);
        if desk.wake.is_some_and(|again| again <= at) {
            break;
        }
    }
    let moved = desk.told.iter().any(|(_, entry)| matches!(entry, JournalEntry::PlanOpened { .. }));
    if !moved || from / LOOK_MS == to / LOOK_MS {
        return;
    }
    let back = desk.explained(to).is_some_and(|known| {
        let primary = known.sites.iter().find(|site| site.role == Role::Primary);
        known.serving == Role::Standby && primary.is_some_and(|site| site.verdict == Verdict::Healthy)
    });
    if back {
        let why = if to < since { "before the time that is replayed" } else { "the primary is healthy again" };
        desk.bring_back(to, "replay", why);
        settle(desk, to);
    }
}

/// Steps succeed at once; the pace is that of the record.
fn settle(desk: &mut Desk, now: u64) {
    while let Some(wish) = desk.wishes.pop() {
        if let Wish::Step(place, order) = wish {
            desk.done(now, place, &order);
        }
    }
}

fn deed(service: &Service, at: WallTime, entry: &JournalEntry) -> Option<Deed> {
    let (code, text) = match entry {
        JournalEntry::IncidentOpened { number, evidence } => {
            ("incident-opened", format!("incident {number}: {evidence}"))
        }
        JournalEntry::IncidentClosed { number, end: IncidentEnd::Recovered } => {
            ("incident-closed", format!("incident {number}: recovered"))
        }
        JournalEntry::AttemptBlocked { blockers } => ("blocked", blockers.join("; ")),
        JournalEntry::AlertRaised { alert, text } => ("alert-raised", format!("{alert}: {text}")),
        JournalEntry::PlanOpened { plan } => {
            let by = match plan.cause() {
                Cause::Quorum(evidence) => evidence.to_string(),
                Cause::Operator { by, reason, .. } => format!("{by}: {reason}"),
                Cause::Drill { number, by, reason } => format!("drill {number}, {by}: {reason}"),
                // Nothing is moved.
                Cause::GivenUp { .. } => return None,
            };
            let code = if plan.to() == Role::Standby { "failover" } else { "failback" };
            (code, format!("to the {} ({}): {by}", plan.to(), service.site(plan.to()).name))
        }
        _ => return None,
    };
    Some(Deed { at, code, text })
}
