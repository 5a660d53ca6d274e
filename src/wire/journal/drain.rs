//! How a move drained, to and from JSON.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::domain::{Curve, DrainEnd, DrainRecord, Outcome, PublicWord, Straggler, VantageName};
use crate::wire::fields::{Fields, WireError};

#[derive(Serialize)]
pub(super) struct DrainText<'a> {
    end: &'static str,
    ttl_ms: u64,
    /// When each resolver moved, after the switch, in order.
    moved_ms: Vec<u64>,
    old: usize,
    unknown: usize,
    stragglers: Vec<StragglerText<'a>>,
    public: Vec<PublicText<'a>>,
}

#[derive(Serialize)]
struct StragglerText<'a> {
    vantage: &'a str,
    resolver: String,
    moved_ms: Option<u64>,
    stretched_ms: u64,
    said_ttl_s: Option<u32>,
}

#[derive(Serialize)]
struct PublicText<'a> {
    vantage: &'a str,
    outcome: Option<&'static str>,
    why: Option<&'a str>,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl<'a> From<&'a DrainRecord> for DrainText<'a> {
    fn from(record: &'a DrainRecord) -> Self {
        let stragglers = record.stragglers.iter().map(|straggler| StragglerText {
            vantage: straggler.vantage.as_str(),
            resolver: straggler.resolver.to_string(),
            moved_ms: straggler.moved.map(ms),
            stretched_ms: ms(straggler.stretched),
            said_ttl_s: straggler.said_ttl_s,
        });
        let public = record.public.iter().map(|word| PublicText {
            vantage: word.vantage.as_str(),
            outcome: word.outcome.map(Outcome::as_str),
            why: word.why.as_deref(),
        });
        Self {
            end: record.end.as_str(),
            ttl_ms: ms(record.ttl),
            moved_ms: record.curve.moved().iter().copied().map(ms).collect(),
            old: record.curve.old(),
            unknown: record.curve.unknown(),
            stragglers: stragglers.collect(),
            public: public.collect(),
        }
    }
}

pub(super) fn read(parent: &mut Fields) -> Result<DrainRecord, WireError> {
    let mut fields = parent.object("record")?;
    let moved = fields.list("moved_ms")?.into_iter().map(|(place, value)| {
        value.as_u64().map(Duration::from_millis).ok_or_else(|| WireError::new(place, "must be a whole number"))
    });
    let moved = moved.collect::<Result<Vec<_>, WireError>>()?;
    let stragglers = fields.list("stragglers")?.into_iter().map(|(place, value)| straggler(&place, value));
    let stragglers = stragglers.collect::<Result<Vec<_>, WireError>>()?;
    let public = fields.list("public")?.into_iter().map(|(place, value)| public(&place, value));
    let record = DrainRecord {
        public: public.collect::<Result<Vec<_>, WireError>>()?,
        end: fields.word("end", DrainEnd::parse)?,
        ttl: Duration::from_millis(fields.number("ttl_ms")?),
        curve: Curve::new(moved, fields.number("old")?, fields.number("unknown")?),
        stragglers,
    };
    fields.done()?;
    Ok(record)
}

fn straggler(place: &str, value: Value) -> Result<Straggler, WireError> {
    let mut fields = Fields::of(place, value)?;
    let straggler = Straggler {
        vantage: fields.parsed("vantage", VantageName::new)?,
        resolver: fields.word("resolver", |text| text.parse().ok())?,
        moved: fields.optional_number("moved_ms")?.map(Duration::from_millis),
        stretched: Duration::from_millis(fields.number("stretched_ms")?),
        said_ttl_s: fields.optional_number("said_ttl_s")?,
    };
    fields.done()?;
    Ok(straggler)
}

fn public(place: &str, value: Value) -> Result<PublicWord, WireError> {
    let mut fields = Fields::of(place, value)?;
    let word = PublicWord {
        vantage: fields.parsed("vantage", VantageName::new)?,
        outcome: fields.optional_word("outcome", Outcome::parse)?,
        why: fields.optional_text("why")?,
    };
    fields.done()?;
    Ok(word)
}
