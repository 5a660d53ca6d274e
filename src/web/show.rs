//! The engine's values in the words of the API.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{drills, sites, zone};
use crate::domain::zone_lint::Finding;
use crate::domain::{
    Cause, IncidentEnd, JournalEntry, JournalRecord, Metric, Plan, PlanEnd, PlanId, ProtectionState, Role, Service,
    Step, StepIndex, Verdict, Vote, curve_in_words, public_in_words,
};
use crate::engine::{Blocker, DrainView, Explanation, LastPlan, Moved, PlanView, RuleView, SiteView};
use crate::runtime::{Event as Noticed, Measured};
use crate::wire::VERSION;
use crate::wire::api::{
    BlockerStatus, DrainStatus, Event, HistoryEntry, IncidentStatus, LastPlanStatus, MetricStatus, MoveStatus,
    PinStatus, PlanPreview, PlanStatus, PublicStatus, RuleStatus, ServiceStatus, SiteStatus, Status, StepStatus,
    StragglerStatus, VoteStatus, Word,
};
use crate::wire::zone::{FindingStatus, ProtectionStatus};

/// How zones stand whose records are to be protected while the service is frozen.
pub(super) fn protection(zones: Vec<(String, ProtectionState)>, frozen: bool) -> Vec<ProtectionStatus> {
    let status = |(zone, state): (String, ProtectionState)| ProtectionStatus {
        zone,
        protected: state.protected(),
        settled: state.is_settled(frozen),
        text: state.words(),
    };
    zones.into_iter().map(status).collect()
}

pub(super) fn status(cluster: &str, explanations: Vec<Explanation>) -> Status {
    let epoch = explanations.first().and_then(|service| service.epoch).map(|epoch| epoch.get());
    let services = explanations.into_iter().map(service).collect();
    Status { v: VERSION, cluster: cluster.to_owned(), epoch, as_of_ms: None, services }
}

fn service(known: Explanation) -> ServiceStatus {
    ServiceStatus {
        service: known.service,
        dns_name: known.dns_name,
        phase: known.phase.as_str().to_owned(),
        serving: known.serving.to_string(),
        policy: known.policy,
        quorum: known.quorum,
        token: known.token,
        rules: known.rules.into_iter().map(rule).collect(),
        burst_ms: known.burst.map(ms),
        drift: known.drift.map(zone::status),
        drill: known.drill.as_ref().map(drills::under_way),
        last_drill: known.last_drill.as_ref().map(drills::last),
        alerts: known.alerts.iter().map(ToString::to_string).collect(),
        pinned: known.pinned.map(|pin| PinStatus {
            to: pin.to.to_string(),
            by: pin.by,
            reason: pin.reason,
            remaining_ms: ms(pin.remaining),
        }),
        lag_ms: known.sides.lag.as_ref().map(|(reading, _)| ms(reading.behind)),
        sides: sites::status(known.sides),
        moves: known.moves.iter().map(moved).collect(),
        sites: known.sites.into_iter().map(site).collect(),
        incident: known
            .incident
            .map(|incident| IncidentStatus { number: incident.number, escalated: incident.escalated }),
        frozen: known.frozen.map(|freeze| Word { by: freeze.by, reason: freeze.reason }),
        protection: Vec::new(),
        stuck: known.stuck,
        drain: known.drain.as_ref().map(drain),
        plan: known.plan.map(plan),
        last_plan: known.last.as_ref().map(last_plan),
        blockers: known.blockers.iter().map(blocker).collect(),
        next: known.next,
        metrics: Vec::new(),
    }
}

pub(super) fn metric(measured: Measured) -> MetricStatus {
    let Metric { name, value, unit } = measured.metric;
    MetricStatus {
        check: measured.check.to_string(),
        role: measured.role.to_string(),
        vantage: measured.vantage.to_string(),
        name,
        value,
        unit,
        age_ms: ms(measured.age),
    }
}

pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn rule(view: RuleView) -> RuleStatus {
    RuleStatus {
        rule: view.lane.as_str().to_owned(),
        have: view.have,
        need: view.need,
        clouds: view.clouds,
        clouds_needed: view.clouds_needed,
        met: view.met,
        held_ms: view.held.map(ms),
        confirm_ms: ms(view.confirm),
        failing_now: view.failing_now,
        text: view.text,
    }
}

fn moved(moved: &Moved) -> MoveStatus {
    MoveStatus { to: moved.to.to_string(), at_ms: moved.at.as_ms(), automatic: moved.automatic }
}

fn site(view: SiteView) -> SiteStatus {
    let summary = match &view.verdict {
        Verdict::Healthy => "a quorum says it is up".to_owned(),
        Verdict::Undecided(shortfall) => shortfall.to_string(),
        Verdict::Unhealthy(evidence) => evidence.to_string(),
    };
    SiteStatus {
        role: view.role.to_string(),
        name: view.name,
        cloud: view.cloud,
        serving: view.serving,
        verdict: view.verdict.as_str().to_owned(),
        summary,
        votes: view.votes.votes.into_iter().map(vote).collect(),
    }
}

fn vote(vote: Vote) -> VoteStatus {
    VoteStatus {
        vantage: vote.vantage.to_string(),
        cloud: vote.cloud,
        account: vote.account,
        score: vote.score,
        burn: vote.burn,
        failing_now: vote.failing_now,
        view: vote.view.to_string(),
        failures: vote.failures,
        kind: vote.kind.map(|kind| kind.to_string()),
        reason: vote.reason,
        failed_step: vote.failed_step,
        age_ms: vote.age_ms,
    }
}

fn plan(view: PlanView) -> PlanStatus {
    let steps = view.steps.into_iter().map(|step| StepStatus {
        step: step.step.to_string(),
        sentence: step.step.sentence().to_owned(),
        status: step.status.to_owned(),
        text: step.text,
    });
    PlanStatus {
        id: view.id,
        direction: view.direction.to_owned(),
        digest: view.digest,
        needs_approval: view.needs_approval,
        approved: view.approved,
        steps: steps.collect(),
    }
}

fn drain(view: &DrainView) -> DrainStatus {
    let reached = |share| view.curve.reached(share).map(ms);
    let stragglers = view.stragglers.iter().map(|straggler| StragglerStatus {
        vantage: straggler.vantage.to_string(),
        resolver: straggler.resolver.to_string(),
        moved_ms: straggler.moved.map(ms),
        stretched_ms: ms(straggler.stretched),
        said_ttl_s: straggler.said_ttl_s,
        text: straggler.to_string(),
    });
    let public = view.public.iter().map(|word| PublicStatus {
        vantage: word.vantage.to_string(),
        outcome: word.outcome.map(|outcome| outcome.to_string()),
        why: word.why.clone(),
    });
    DrainStatus {
        plan: view.plan.to_string(),
        end: view.end.map(|end| end.to_string()),
        elapsed_ms: view.running.map(ms),
        ttl_ms: ms(view.ttl),
        moved: view.curve.moved().len(),
        known: view.curve.known(),
        unknown: view.curve.unknown(),
        half_ms: reached(50),
        ninety_ms: reached(90),
        all_ms: reached(100),
        moved_ms: view.curve.moved().iter().copied().map(ms).collect(),
        text: curve_in_words(&view.curve),
        stragglers: stragglers.collect(),
        public: public.collect(),
        public_text: public_in_words(&view.public),
    }
}

fn last_plan(last: &LastPlan) -> LastPlanStatus {
    let (end, why) = match &last.end {
        PlanEnd::Done => ("done", None),
        PlanEnd::Abandoned { why } => ("abandoned", Some(why.clone())),
        PlanEnd::Stuck { why } => ("stuck", Some(why.clone())),
    };
    LastPlanStatus {
        id: last.plan.id().to_string(),
        direction: last.plan.direction().to_owned(),
        end: end.to_owned(),
        why,
    }
}

pub(super) fn blocker(blocker: &Blocker) -> BlockerStatus {
    BlockerStatus { code: blocker.code().to_owned(), text: blocker.to_string() }
}

pub(super) fn finding(finding: Finding) -> FindingStatus {
    let Finding { code, level, what, why, way_out } = finding;
    FindingStatus { code: code.to_owned(), level: level.as_str().to_owned(), what, why, way_out }
}

pub(super) fn preview(service: &Service, plan: &Plan, force: bool) -> PlanPreview {
    let site = |role: Role| service.site(role);
    PlanPreview {
        id: plan.id().to_string(),
        service: service.name.to_string(),
        direction: plan.direction().to_owned(),
        to: plan.to().to_string(),
        site: site(plan.to()).name.to_string(),
        dns_name: service.dns.name.clone(),
        answer_before: site(plan.parent().serving).answer.clone(),
        answer_after: site(plan.to()).answer.clone(),
        loss: None,
        force,
        digest: plan.digest().to_string(),
        parent: plan.parent().to_string(),
        steps: plan.steps().iter().map(|step| step.sentence().to_owned()).collect(),
    }
}

pub(super) fn event(noticed: Noticed) -> Event {
    let Noticed { n, at, note } = noticed;
    Event {
        n,
        at_ms: at.as_ms(),
        code: note.code.to_owned(),
        service: note.service.to_string(),
        vantage: note.vantage.map(|vantage| vantage.to_string()),
        role: note.role.map(|role| role.to_string()),
        step: note.step.map(|step| step.to_string()),
        text: note.text,
    }
}

pub(super) fn history(service: &Service, records: &[JournalRecord]) -> Vec<HistoryEntry> {
    // Steps are numbers in the journal; the plans among the records give them their names.
    let plans = records.iter().filter_map(|record| match &record.entry {
        JournalEntry::PlanOpened { plan } => Some((plan.id(), plan.steps())),
        _ => None,
    });
    let plans: BTreeMap<&PlanId, &[Step]> = plans.collect();
    let name = |plan: &PlanId, step: StepIndex| match plans.get(plan).and_then(|steps| steps.get(step)) {
        Some(step) => format!("{plan} {step}"),
        None => format!("{plan} step {}", step + 1),
    };
    records.iter().map(|record| history_entry(service, record, &name)).collect()
}

fn history_entry(
    service: &Service,
    record: &JournalRecord,
    name: &impl Fn(&PlanId, StepIndex) -> String,
) -> HistoryEntry {
    let (kind, text) = words(service, &record.entry, name);
    HistoryEntry {
        id: record.id,
        at: record.at.to_string(),
        at_ms: record.at.as_ms(),
        epoch: record.epoch.get(),
        kind: kind.to_owned(),
        text,
    }
}

fn words(
    service: &Service,
    entry: &JournalEntry,
    name: &impl Fn(&PlanId, StepIndex) -> String,
) -> (&'static str, String) {
    match entry {
        JournalEntry::IncidentOpened { number, evidence } => {
            ("incident-opened", format!("incident {number}: {evidence}"))
        }
        JournalEntry::IncidentEscalated { number, evidence } => {
            ("incident-escalated", format!("incident {number}, second verdict in a row: {evidence}"))
        }
        JournalEntry::IncidentClosed { number, end: IncidentEnd::Recovered } => {
            ("incident-closed", format!("incident {number}: recovered"))
        }
        JournalEntry::IncidentClosed { number, end: IncidentEnd::Moved { plan } } => {
            ("incident-closed", format!("incident {number}: moved by {plan}"))
        }
        JournalEntry::AttemptBlocked { blockers } => ("blocked", blockers.join("; ")),
        JournalEntry::Frozen { by, reason } => ("frozen", format!("by {by}: {reason}")),
        JournalEntry::Unfrozen { by, reason } => ("unfrozen", format!("by {by}: {reason}")),
        JournalEntry::Pinned { to, lasting, by, reason } => {
            let lasting = humantime::format_duration(*lasting);
            ("pinned", format!("to the {to} for {lasting} by {by}: {reason}"))
        }
        JournalEntry::Unpinned { by, reason } => ("unpinned", format!("by {by}: {reason}")),
        JournalEntry::AlertRaised { alert, text } => ("alert-raised", format!("{alert}: {text}")),
        JournalEntry::AlertCleared { alert } => ("alert-cleared", format!("{alert}: over")),
        JournalEntry::Acknowledged { by, reason } => ("acknowledged", format!("by {by}: {reason}")),
        JournalEntry::StuckReminded { number } => ("stuck-reminded", format!("reminder {number}")),
        JournalEntry::AdoptionAsked { by, reason, digest, from } => {
            let from = from.as_ref().map(|from| format!(" from '{from}'")).unwrap_or_default();
            ("adoption-asked", format!("by {by}{from}, digest {digest}: {reason}"))
        }
        JournalEntry::RepairAsked { by, reason, digest } => {
            ("repair-asked", format!("by {by}, digest {digest}: {reason}"))
        }
        JournalEntry::Reconciled { by, reason, digest, findings } => {
            ("reconciled", format!("by {by}, digest {digest}: {reason}; seen: {}", findings.join("; ")))
        }
        JournalEntry::PlanApproved { plan, by } => ("plan-approved", format!("{plan} by {by}")),
        JournalEntry::PlanOpened { plan } => {
            let cause = match plan.cause() {
                Cause::Quorum(evidence) => evidence.to_string(),
                Cause::Operator { by, reason, force: true } => format!("{by}, overruling the evidence: {reason}"),
                Cause::Operator { by, reason, force: false } => format!("{by}: {reason}"),
                Cause::Drill { number, by, reason } => format!("drill {number}, {by}: {reason}"),
                Cause::GivenUp { plan } => format!("{plan} was given up, and had told it to refuse writes"),
            };
            let site = &service.site(plan.to()).name;
            let (id, direction, to, digest) = (plan.id(), plan.direction(), plan.to(), plan.digest());
            ("plan-opened", format!("{direction} {id} to the {to} ({site}), digest {digest}: {cause}"))
        }
        JournalEntry::StepStarted { plan, step, intent } => {
            let swap = intent.as_ref().map(|intent| format!(": {} ⇒ {}", intent.expected, intent.new));
            ("step-started", format!("{}{}", name(plan, *step), swap.unwrap_or_default()))
        }
        JournalEntry::StepSucceeded { plan, step, detail } => {
            ("step-succeeded", format!("{}: {}", name(plan, *step), detail.text))
        }
        JournalEntry::StepFailed { plan, step, why } => ("step-failed", format!("{}: {why}", name(plan, *step))),
        JournalEntry::StepVoided { plan, step, why } => ("step-voided", format!("{}: {why}", name(plan, *step))),
        JournalEntry::Drill(entry) => drills::words(entry),
        JournalEntry::Drained { plan, record } => ("drained", format!("{plan}: {record}")),
        JournalEntry::PlanClosed { plan, end: PlanEnd::Done } => ("plan-closed", format!("{plan}: done")),
        JournalEntry::PlanClosed { plan, end: PlanEnd::Abandoned { why } } => {
            ("plan-closed", format!("{plan}: given up before the flip: {why}"))
        }
        JournalEntry::PlanClosed { plan, end: PlanEnd::Stuck { why } } => {
            ("plan-closed", format!("{plan}: stuck: {why}"))
        }
    }
}
