//! What a service's file says of its drills: `[[service.drill]]` with schedules, `[[service.drill_limit]]` with what ends a drill, and
//! `[service.rehearsal]` with a name that nobody uses.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::dns::DnsDraft;
use super::problem::{At, Report, Spot};
use super::reader::Reader;
use super::sites::ReadOnlyDraft;
use super::values::{filled, url};
use crate::domain::{
    Bound, CheckName, DateSpan, DrillFault, DrillKind, DrillSettings, MetricLimit, Schedule, ScheduleError, Service,
};

/// The range of `hold`: shorter shows nothing, and longer is no drill.
const HOLD: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
/// For how long the standby serves when nothing else is said.
const HOLD_DEFAULT: Duration = Duration::from_secs(600);
/// The range of `skips`.
const SKIPS: RangeInclusive<u32> = 0..=1_000;
/// So many in a row are skipped in silence when nothing else is said.
const SKIPS_DEFAULT: u32 = 3;
/// The range of `above` and `below`, in thousandths.
const BOUND: RangeInclusive<u32> = 0..=u32::MAX;

pub(super) struct DrillsDraft {
    schedules: Vec<ScheduleDraft>,
    /// Those that are wrong have been reported, and are absent.
    limits: Vec<Option<MetricLimit>>,
    pub(super) rehearsal: Option<RehearsalDraft>,
}

struct ScheduleDraft {
    kind: Option<At<DrillKind>>,
    cron: Option<At<String>>,
    zone: Option<At<String>>,
    at: Spot,
    hold: Option<At<Duration>>,
    blocked: Option<At<Vec<At<DateSpan>>>>,
    blocking: Option<At<Vec<At<CheckName>>>>,
    skips: Option<At<u32>>,
}

/// A name to rehearse on.
pub(super) struct RehearsalDraft {
    pub(super) at: Spot,
    pub(super) public_url: Option<At<Url>>,
    pub(super) endpoint: Option<At<Url>>,
    pub(super) dns: Option<DnsDraft>,
    pub(super) read_only: Option<ReadOnlyDraft>,
    pub(super) faults: Option<At<Vec<At<DrillFault>>>>,
}

fn fault(text: &str) -> Result<DrillFault, String> {
    let known = || DrillFault::ALL.map(|fault| format!("\"{fault}\"")).join(", ");
    DrillFault::parse(text).ok_or_else(|| format!("'{text}' is no fault: there are {}", known()))
}

fn kind(text: &str) -> Result<DrillKind, String> {
    DrillKind::parse(text)
        .ok_or_else(|| format!("'{text}' is no kind of drill: write \"tabletop\", \"rehearse\" or \"live\""))
}

impl DrillsDraft {
    pub(super) fn read(service: &mut Reader<'_>, report: &Report) -> Self {
        Self {
            schedules: service.sections("drill").into_iter().map(ScheduleDraft::read).collect(),
            limits: service.sections("drill_limit").into_iter().map(|table| limit(table, report)).collect(),
            rehearsal: service.section("rehearsal").map(|table| RehearsalDraft::read(table, report)),
        }
    }

    /// The settings of a service, if all of them are whole.
    pub(super) fn settings(&self, checks: &[CheckName], report: &Report) -> Option<DrillSettings> {
        let schedules: Vec<Option<Schedule>> =
            self.schedules.iter().map(|draft| draft.schedule(checks, self.rehearsal.is_some(), report)).collect();
        Some(DrillSettings {
            rehearses: None,
            unrehearsed: false,
            faults: Vec::new(),
            schedules: schedules.into_iter().collect::<Option<_>>()?,
            limits: self.limits.iter().cloned().collect::<Option<_>>()?,
        })
    }
}

impl ScheduleDraft {
    fn read(mut table: Reader<'_>) -> Self {
        Self {
            at: table.spot(),
            kind: table.need("kind", "\"live\"", kind),
            cron: table.need("cron", "\"0 10 * * tue\", minute, hour, day of month, month and day of week", filled),
            zone: table.text("time_zone", filled),
            hold: table.seconds("hold", HOLD),
            blocked: table.list("blocked", str::parse::<DateSpan>),
            blocking: table.list("blocking", CheckName::new),
            skips: table.integer("skips", SKIPS),
        }
    }

    fn schedule(&self, checks: &[CheckName], rehearsal: bool, report: &Report) -> Option<Schedule> {
        let (kind, cron) = (self.kind.as_ref()?, self.cron.as_ref()?);
        if kind.value == DrillKind::Rehearse && !rehearsal {
            let message = "there is no name to rehearse on: add [service.rehearsal] with a dns table, or write \
                           \"tabletop\" or \"live\"";
            report.error(&kind.spot, message);
            return None;
        }
        let mut blocking = Vec::new();
        for check in self.blocking.iter().flat_map(|list| &list.value) {
            if !checks.contains(&check.value) {
                let known: Vec<&str> = checks.iter().map(CheckName::as_str).collect();
                let message = format!("'{}' is no check of this service: it has {}", check.value, known.join(", "));
                report.error(&check.spot, message);
                return None;
            }
            blocking.push(check.value.clone());
        }
        let zone = self.zone.as_ref().map_or("UTC", |zone| zone.value.as_str());
        let hold = self.hold.as_ref().map_or(HOLD_DEFAULT, |hold| hold.value);
        match Schedule::new(kind.value, hold, &cron.value, zone) {
            Ok(mut schedule) => {
                let blocked = self.blocked.iter().flat_map(|list| &list.value).map(|span| span.value).collect();
                let skips = self.skips.as_ref().map_or(SKIPS_DEFAULT, |skips| skips.value);
                (schedule.blocking, schedule.skips) = (blocking, skips);
                Some(schedule.blocked(blocked))
            }
            Err(error) => {
                let spot = match (&error, &self.zone) {
                    (ScheduleError::Zone { .. }, Some(zone)) => &zone.spot,
                    (ScheduleError::Zone { .. }, None) => &self.at,
                    _ => &cron.spot,
                };
                report.error(spot, error.to_string());
                None
            }
        }
    }
}

fn limit(mut table: Reader<'_>, report: &Report) -> Option<MetricLimit> {
    let metric = table.need("metric", "\"queue-length\", what a check reports by metric()", filled);
    let (above, below) = (table.thousandths("above", BOUND), table.thousandths("below", BOUND));
    let plain = |at: At<u32>| f64::from(at.value) / 1_000.0;
    let bound = match (above, below, table.has("above") || table.has("below")) {
        (Some(above), None, _) if !table.has("below") => Bound::Above(plain(above)),
        (None, Some(below), _) if !table.has("above") => Bound::Below(plain(below)),
        (Some(_), Some(below), _) => {
            report.error(&below.spot, "'above' and 'below' in one limit: write a [[service.drill_limit]] for each");
            return None;
        }
        (_, _, true) => return None,
        (_, _, false) => {
            table.missing("above", "above = 100, or below = 100");
            return None;
        }
    };
    Some(MetricLimit { metric: metric?.value, bound })
}

impl RehearsalDraft {
    fn read(mut table: Reader<'_>, report: &Report) -> Self {
        Self {
            at: table.spot(),
            public_url: table.text("public_url", url),
            endpoint: table.text("endpoint", url),
            dns: table
                .need_section("dns", "provider, zone, name and type, of a name that nobody uses")
                .map(|dns| DnsDraft::read(dns, report)),
            read_only: table.section("read_only").map(ReadOnlyDraft::read),
            faults: table.list("faults", fault),
        }
    }

    /// What may be broken on purpose.
    pub(super) fn faults(&self, report: &Report) -> Option<Vec<DrillFault>> {
        let asked = self.faults.iter().flat_map(|list| &list.value);
        let delayed = asked.clone().find(|fault| fault.value == DrillFault::DelayProvider);
        if let (Some(fault), None) = (delayed, &self.endpoint) {
            let message = "only a lab answers late on request: add 'endpoint', Route 53's API of a `quorate lab`";
            report.error(&fault.spot, message);
            return None;
        }
        Some(asked.map(|fault| fault.value).collect())
    }
}

/// The service's own address under the rehearsal's name.
pub(super) fn public_url(service: &Service, name: &str) -> Option<Url> {
    let mut url = service.public_url.clone();
    url.set_host(Some(name)).ok()?;
    Some(url)
}
