//! What the journal says of a service's drills: the part of the fold that knows them.

use crate::domain::{
    Cause, Drill, DrillEnd, DrillEntry, DrillKind, JournalEntry, Plan, PlanEnd, PlanId, Role, WallTime,
};

/// One of a drill's two moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// By this plan.
    pub plan: PlanId,
    /// How it ended, and when; none while it is under way.
    pub end: Option<(PlanEnd, WallTime)>,
}

/// The drill that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDrill {
    /// As it was begun.
    pub drill: Drill,
    /// When.
    pub at: WallTime,
    /// Why it is to end before its time.
    pub aborting: Option<String>,
    /// The way out.
    pub out: Option<Leg>,
    /// The way back: the last attempt.
    pub back: Option<Leg>,
    /// What was noted last.
    pub noted: Option<String>,
    /// What was to be broken is.
    pub faulted: bool,
    /// A quorum has seen it.
    pub detected: bool,
    /// How many alerts there had been before it.
    pub alerts_before: u64,
}

/// The last drill that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDrill {
    /// Which.
    pub number: u64,
    /// How much it did.
    pub kind: DrillKind,
    /// How it ended.
    pub end: DrillEnd,
    /// When.
    pub at: WallTime,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drills {
    /// The highest number so far.
    pub count: u64,
    /// The one that is under way.
    pub open: Option<OpenDrill>,
    /// The last one that ended.
    pub last: Option<LastDrill>,
    /// How many of the schedule's were skipped in a row.
    pub skipped: u32,
}

impl Drills {
    /// Folds one entry of any kind; an error says what does not add up.
    pub(in crate::engine) fn apply(
        &mut self,
        entry: &JournalEntry,
        at: WallTime,
        alerts_before: u64,
    ) -> Result<(), String> {
        match entry {
            JournalEntry::Drill(entry) => self.drill(entry, at, alerts_before),
            JournalEntry::PlanOpened { plan } => self.opened(plan),
            JournalEntry::PlanClosed { plan, end } => {
                if let Some(open) = &mut self.open {
                    let legs = [&mut open.out, &mut open.back].into_iter().flatten();
                    for leg in legs.filter(|leg| leg.plan == *plan) {
                        leg.end = Some((end.clone(), at));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn drill(&mut self, entry: &DrillEntry, at: WallTime, alerts_before: u64) -> Result<(), String> {
        match entry {
            DrillEntry::Started(drill) => {
                if let Some(open) = &self.open {
                    return Err(format!("drill {} began while {} is under way", drill.number, open.drill.number));
                }
                if drill.number <= self.count {
                    return Err(format!("drill {} began after {}", drill.number, self.count));
                }
                self.count = drill.number;
                if drill.scheduled {
                    self.skipped = 0;
                }
                self.open = Some(OpenDrill {
                    drill: (**drill).clone(),
                    at,
                    aborting: None,
                    out: None,
                    back: None,
                    noted: None,
                    faulted: false,
                    detected: false,
                    alerts_before,
                });
            }
            DrillEntry::Aborting { number, why } => {
                let open = self.under_way(*number)?;
                open.aborting.get_or_insert_with(|| why.clone());
            }
            DrillEntry::Noted { number, text } => self.under_way(*number)?.noted = Some(text.clone()),
            DrillEntry::Faulted { number, .. } => self.under_way(*number)?.faulted = true,
            DrillEntry::Detected { number, .. } => self.under_way(*number)?.detected = true,
            DrillEntry::Ended { number, end, .. } => {
                let open = self.under_way(*number)?;
                if open.out.iter().chain(&open.back).any(|leg| leg.end.is_none()) {
                    return Err(format!("drill {number} ended, and one of its plans is open"));
                }
                let kind = open.drill.kind;
                self.last = Some(LastDrill { number: *number, kind, end: end.clone(), at });
                self.open = None;
            }
            DrillEntry::Skipped { .. } => self.skipped = self.skipped.saturating_add(1),
        }
        Ok(())
    }

    fn under_way(&mut self, number: u64) -> Result<&mut OpenDrill, String> {
        let open = self.open.as_mut().filter(|open| open.drill.number == number);
        open.ok_or_else(|| format!("drill {number} is not under way"))
    }

    fn opened(&mut self, plan: &Plan) -> Result<(), String> {
        let Cause::Drill { number, .. } = plan.cause() else { return Ok(()) };
        let open = self.under_way(*number)?;
        let leg = Leg { plan: plan.id().clone(), end: None };
        match plan.to() {
            Role::Standby => open.out = Some(leg),
            Role::Primary => open.back = Some(leg),
        }
        Ok(())
    }
}
