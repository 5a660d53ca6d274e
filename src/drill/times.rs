//! The times that a drill is for: each the difference of two entries' times.

use serde::Serialize;

use super::dossier::Dossier;
use crate::domain::{DrillEntry, DrillFault, JournalEntry, PlanId, Role, Step, WallTime};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// From the fault until a quorum says so.
    Detect,
    /// From the trouble until the plan: from the fault, where a drill breaks a site, and otherwise from its beginning.
    Decide,
    /// From the plan until a write was seen refused.
    Fence,
    /// From the plan until the name was switched.
    Flip,
    /// From the switch until every authoritative server answered.
    Answer,
    /// From the trouble until a login worked through the public name: what the recovery time objective is about.
    Serve,
    /// From the switch until the last resolver that is asked had followed.
    Drain,
    /// From the switch until the switch back.
    Away,
    /// From the plan of the way back until a login worked through the public name.
    Back,
    /// How far the standby's data was behind at the beginning: what the recovery point objective is about.
    Lag,
}

impl Measure {
    /// Its name, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Detect => "Detect",
            Self::Decide => "Decide",
            Self::Fence => "Fence",
            Self::Flip => "Flip",
            Self::Answer => "Answer",
            Self::Serve => "Serve again (RTO)",
            Self::Drain => "Drain",
            Self::Away => "Away",
            Self::Back => "Come back",
            Self::Lag => "Data behind (RPO)",
        }
    }

    /// From when to when.
    pub fn explained(self) -> &'static str {
        match self {
            Self::Detect => "from the fault until a quorum says that the primary is down",
            Self::Decide => "from the fault, or else the beginning of the drill, until a plan is opened",
            Self::Fence => "from the plan until a write on the standby is seen refused",
            Self::Flip => "from the plan until the name is switched",
            Self::Answer => "from the switch until every authoritative server answers the standby",
            Self::Serve => {
                "from the fault, or else the beginning of the drill, until a login works through the public name"
            }
            Self::Drain => "from the switch until the last resolver that is watched has followed",
            Self::Away => "from the switch until the switch back",
            Self::Back => "from the plan of the way back until a login works through the public name",
            Self::Lag => "how far the standby's data was behind when the drill began",
        }
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Time {
    /// What.
    pub measure: Measure,
    /// How long, in milliseconds; absent where it did not come to that.
    pub ms: Option<u64>,
    /// What was aimed at, in milliseconds.
    pub objective_ms: Option<u64>,
    /// Whether that was met; absent without an objective or without a time.
    pub met: Option<bool>,
    /// Why there is no time.
    pub why_not: Option<String>,
}

/// When a step of a plan succeeded.
fn succeeded(dossier: &Dossier, plan: &PlanId, wanted: impl Fn(Step) -> bool) -> Option<WallTime> {
    dossier.records.iter().find_map(|record| match &record.entry {
        JournalEntry::StepSucceeded { plan: of, step, .. } if of == plan => {
            dossier.step(of, *step).is_some_and(&wanted).then_some(record.at)
        }
        _ => None,
    })
}

fn ms(from: Option<WallTime>, to: Option<WallTime>) -> Option<u64> {
    Some(to?.as_ms().saturating_sub(from?.as_ms()))
}

/// All times of a drill that moves something.
pub(super) fn times(dossier: &Dossier) -> Vec<Time> {
    let drill = &dossier.drill;
    if !drill.kind.moves() {
        return vec![lag(dossier)];
    }
    let out = dossier.plan_to(Role::Standby);
    let back = dossier.plan_to(Role::Primary);
    let opened = out.map(|(at, _)| at);
    let of = |leg: Option<(WallTime, &crate::domain::Plan)>, wanted: &dyn Fn(Step) -> bool| {
        leg.and_then(|(_, plan)| succeeded(dossier, plan.id(), wanted))
    };
    let switched = of(out, &Step::is_switch);
    let answered = of(out, &|step| step == Step::VerifyAnswers);
    let served = of(out, &|step| step == Step::VerifyPublicLogin);
    let refused = of(out, &|step| step == Step::VerifyReadOnly);
    let switched_back = of(back, &Step::is_switch);
    let served_back = of(back, &|step| step == Step::VerifyPublicLogin);
    let began = Some(dossier.began);
    let rto = drill.objectives.rto.and_then(|time| u64::try_from(time.as_millis()).ok());
    let time = |measure, ms: Option<u64>, objective_ms: Option<u64>, why_not: &str| Time {
        measure,
        ms,
        objective_ms,
        met: ms.zip(objective_ms).map(|(ms, objective)| ms <= objective),
        why_not: ms.is_none().then(|| why_not.to_owned()),
    };
    let not_out = "it did not come to that";
    let not_fenced = match out {
        Some((_, plan)) if !plan.steps().contains(&Step::VerifyReadOnly) => {
            "not rehearsed: the rehearsal has no read-only endpoint"
        }
        _ => not_out,
    };
    let entry = |wanted: fn(&DrillEntry) -> bool| {
        let found = dossier
            .records
            .iter()
            .find(|record| matches!(&record.entry, JournalEntry::Drill(entry) if wanted(entry)));
        found.map(|record| record.at)
    };
    let broken = entry(|entry| matches!(entry, DrillEntry::Faulted { .. }));
    let broken = broken.filter(|_| drill.fault == Some(DrillFault::BreakLogin));
    let detected = entry(|entry| matches!(entry, DrillEntry::Detected { .. }));
    let trouble = broken.or(began);
    let nothing_broken =
        if drill.fault == Some(DrillFault::BreakLogin) { not_out } else { "no site was broken on purpose" };
    vec![
        time(Measure::Detect, ms(broken, detected), None, nothing_broken),
        time(Measure::Decide, ms(trouble, opened), None, not_out),
        time(Measure::Fence, ms(opened, refused), None, not_fenced),
        time(Measure::Flip, ms(opened, switched), None, not_out),
        time(Measure::Answer, ms(switched, answered), None, not_out),
        time(Measure::Serve, ms(trouble, served), rto, not_out),
        drain(dossier, out.map(|(_, plan)| plan.id())),
        time(Measure::Away, ms(switched, switched_back), None, not_out),
        time(Measure::Back, ms(back.map(|(at, _)| at), served_back), None, "it did not come back"),
        lag(dossier),
    ]
}

fn lag(dossier: &Dossier) -> Time {
    let ms = |time: Option<std::time::Duration>| time.and_then(|time| u64::try_from(time.as_millis()).ok());
    let (lag, objective_ms) = (ms(dossier.drill.lag), ms(dossier.drill.objectives.rpo));
    Time {
        measure: Measure::Lag,
        ms: lag,
        objective_ms,
        met: lag.zip(objective_ms).map(|(lag, objective)| lag <= objective),
        why_not: lag
            .is_none()
            .then(|| "it was not known: the policy has no max_lag, or the standby did not say".to_owned()),
    }
}

fn drain(dossier: &Dossier, plan: Option<&PlanId>) -> Time {
    let record = dossier.records.iter().find_map(|record| match &record.entry {
        JournalEntry::Drained { plan: of, record } if Some(of) == plan => Some(record.as_ref()),
        _ => None,
    });
    let all = record.and_then(|record| record.curve.reached(100));
    let why_not = match record {
        None if dossier.facts.rehearsal => "nobody asks resolvers for a name that nobody uses",
        None => "it was not recorded: no resolvers are watched, or the way back overtook it",
        Some(_) => "not every resolver had followed before the time was over",
    };
    let ms = all.and_then(|all| u64::try_from(all.as_millis()).ok());
    let why_not = ms.is_none().then(|| why_not.to_owned());
    Time { measure: Measure::Drain, ms, objective_ms: None, met: None, why_not }
}
