//! Drills, to and from JSON.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::domain::{
    Drill, DrillEnd, DrillEntry, DrillFault, DrillKind, DrillLook, Finding, JournalEntry, Objectives,
};
use crate::wire::fields::{Fields, WireError};

#[derive(Serialize)]
pub(super) struct DrillText<'a> {
    number: u64,
    kind: &'static str,
    by: &'a str,
    reason: &'a str,
    hold_ms: u64,
    scheduled: bool,
    fault: Option<&'static str>,
    rto_ms: Option<u64>,
    rpo_ms: Option<u64>,
    lag_ms: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct EndText<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    why: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct LookText<'a> {
    at: &'a str,
    finding: &'static str,
    text: &'a str,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl<'a> From<&'a Drill> for DrillText<'a> {
    fn from(drill: &'a Drill) -> Self {
        Self {
            number: drill.number,
            kind: drill.kind.as_str(),
            by: &drill.by,
            reason: &drill.reason,
            hold_ms: ms(drill.hold),
            scheduled: drill.scheduled,
            fault: drill.fault.map(DrillFault::as_str),
            rto_ms: drill.objectives.rto.map(ms),
            rpo_ms: drill.objectives.rpo.map(ms),
            lag_ms: drill.lag.map(ms),
        }
    }
}

impl<'a> From<&'a DrillEnd> for EndText<'a> {
    fn from(end: &'a DrillEnd) -> Self {
        Self { kind: end.as_str(), why: end.why() }
    }
}

pub(super) fn looks(looks: &[DrillLook]) -> Vec<LookText<'_>> {
    looks.iter().map(|look| LookText { at: &look.at, finding: look.finding.as_str(), text: &look.text }).collect()
}

/// The entry of that type, if it is one of a drill.
pub(super) fn read(kind: &str, fields: &mut Fields) -> Result<Option<JournalEntry>, WireError> {
    let entry = match kind {
        "drill-started" => DrillEntry::Started(Box::new(drill(fields)?)),
        "drill-aborting" => DrillEntry::Aborting { number: fields.number("number")?, why: fields.text("why")? },
        "drill-noted" => DrillEntry::Noted { number: fields.number("number")?, text: fields.text("text")? },
        "drill-faulted" => DrillEntry::Faulted { number: fields.number("number")?, text: fields.text("text")? },
        "drill-detected" => DrillEntry::Detected { number: fields.number("number")?, text: fields.text("text")? },
        "drill-ended" => DrillEntry::Ended {
            number: fields.number("number")?,
            end: end(fields)?,
            looks: fields
                .list("looks")?
                .into_iter()
                .map(|(place, value)| look(&place, value))
                .collect::<Result<_, _>>()?,
        },
        "drill-skipped" => {
            DrillEntry::Skipped { kind: fields.word("kind", DrillKind::parse)?, why: fields.text("why")? }
        }
        _ => return Ok(None),
    };
    Ok(Some(JournalEntry::Drill(entry)))
}

fn drill(parent: &mut Fields) -> Result<Drill, WireError> {
    let mut fields = parent.object("drill")?;
    let time = |fields: &mut Fields, key: &str| Ok(fields.optional_number(key)?.map(Duration::from_millis));
    let drill = Drill {
        number: fields.number("number")?,
        kind: fields.word("kind", DrillKind::parse)?,
        by: fields.text("by")?,
        reason: fields.text("reason")?,
        hold: Duration::from_millis(fields.number("hold_ms")?),
        scheduled: fields.flag("scheduled")?,
        fault: fields.optional_word("fault", DrillFault::parse)?,
        objectives: Objectives { rto: time(&mut fields, "rto_ms")?, rpo: time(&mut fields, "rpo_ms")? },
        lag: time(&mut fields, "lag_ms")?,
    };
    fields.done()?;
    Ok(drill)
}

fn end(parent: &mut Fields) -> Result<DrillEnd, WireError> {
    let mut fields = parent.object("end")?;
    let (word, why) = (fields.text("type")?, fields.optional_text("why")?);
    let place = fields.place("type");
    fields.done()?;
    match (word.as_str(), why) {
        ("passed", None) => Ok(DrillEnd::Passed),
        ("failed", Some(why)) => Ok(DrillEnd::Failed { why }),
        ("aborted", Some(why)) => Ok(DrillEnd::Aborted { why }),
        (word, _) => Err(WireError::new(place, format!("'{word}' is no end of a drill, or lacks its 'why'"))),
    }
}

fn look(place: &str, value: Value) -> Result<DrillLook, WireError> {
    let mut fields = Fields::of(place, value)?;
    let look = DrillLook {
        at: fields.text("at")?,
        finding: fields.word("finding", Finding::parse)?,
        text: fields.text("text")?,
    };
    fields.done()?;
    Ok(look)
}
