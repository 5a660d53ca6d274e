//! `GET /metrics`: how the services stand, and what their checks measured, in numbers and in the format that Prometheus scrapes (OpenMetrics 1.0).
//!
//! Every label is a name from the configuration or a word of this program's, but for a measure's own name and unit, which are redacted where
//! they are made. Reasons are not among them: they are for people, and each would begin a series of its own. A word that is one of a few,
//! as a verdict is, has a series for each of them, of which one is 1.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::answer::Refusal;
use super::{Api, status_now};
use crate::domain::{Alert, Role, VantageView, Verdict};
use crate::engine::Phase;
use crate::runtime::Kind;
use crate::wire::api::{MetricStatus, RuleStatus, ServiceStatus, Status, VoteStatus};

const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What all names begin with.
const PREFIX: &str = "quorate";

pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Result<Response, Refusal> {
    let status = status_now(&api).await?;
    // What no service of ours has, an agent of another configuration told.
    let is_ours = |kind: &Kind| api.services.iter().any(|service| service.name == kind.service);
    let tally = api.intake.tally().into_iter().filter(|(kind, _)| is_ours(kind)).collect();
    let text = written(Snapshot { status, tally }).map_err(|error| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics cannot be written: {error}"))
    })?;
    Ok(([(header::CONTENT_TYPE, FORMAT)], text).into_response())
}

fn written(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// What is known at one moment.
#[derive(Debug)]
struct Snapshot {
    status: Status,
    tally: Vec<(Kind, u64)>,
}

type Labels<'a> = Vec<(&'static str, &'a str)>;
type Rows<'a> = Vec<(Labels<'a>, f64)>;

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    rows: &Rows<'_>,
) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in rows {
        let row = family.encode_family(labels)?;
        match kind {
            MetricType::Counter => ConstCounter::new(*value).encode(row)?,
            _ => ConstGauge::new(*value).encode(row)?,
        }
    }
    Ok(())
}

fn number(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

#[expect(clippy::cast_precision_loss, reason = "a graph bears it, and no count here comes near 2^53")]
fn count(count: u64) -> f64 {
    count as f64
}

fn size(size: usize) -> f64 {
    count(u64::try_from(size).unwrap_or(u64::MAX))
}

fn seconds(ms: u64) -> f64 {
    count(ms) / 1_000.0
}

fn thousandths(thousandths: u32) -> f64 {
    f64::from(thousandths) / 1_000.0
}

/// A row for each of the words, of which one holds.
fn words<'a>(
    label: &'static str,
    of: &Labels<'a>,
    all: impl IntoIterator<Item = &'static str>,
    holds: impl Fn(&str) -> bool,
) -> Rows<'a> {
    all.into_iter().map(|word| (with(of, label, word), number(holds(word)))).collect()
}

fn with<'a>(of: &Labels<'a>, label: &'static str, value: &'a str) -> Labels<'a> {
    let mut labels = of.clone();
    labels.push((label, value));
    labels
}

impl Snapshot {
    /// The rows that every service has.
    fn by_service<'a>(&'a self, rows: impl Fn(&'a ServiceStatus, Labels<'a>) -> Rows<'a>) -> Rows<'a> {
        self.status.services.iter().flat_map(|known| rows(known, vec![("service", &known.service)])).collect()
    }

    /// One row for every service; none where there is nothing to say.
    fn of_service(&self, value: impl Fn(&ServiceStatus) -> Option<f64>) -> Rows<'_> {
        self.by_service(|known, labels| value(known).map(|value| (labels, value)).into_iter().collect())
    }

    fn by_vote<'a>(&'a self, rows: impl Fn(&'a VoteStatus, Labels<'a>) -> Rows<'a>) -> Rows<'a> {
        self.by_service(|known, labels| {
            let votes = known.sites.iter().flat_map(|site| site.votes.iter().map(move |vote| (site, vote)));
            let rows = votes.flat_map(|(site, vote)| {
                let mut labels = labels.clone();
                labels.extend([("site", &*site.role), ("vantage", &*vote.vantage), ("cloud", &*vote.cloud)]);
                rows(vote, labels)
            });
            rows.collect()
        })
    }

    fn of_vote(&self, value: impl Fn(&VoteStatus) -> Option<f64>) -> Rows<'_> {
        self.by_vote(|vote, labels| value(vote).map(|value| (labels, value)).into_iter().collect())
    }

    fn controller(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name, help, rows| family(encoder, name, help, MetricType::Gauge, &rows);
        let cluster = || vec![("cluster", &*self.status.cluster)];
        let build = vec![("version", env!("CARGO_PKG_VERSION"))];
        gauge("build", "The version that runs; always 1", vec![(build, 1.0)])?;
        let leads = number(self.status.epoch.is_some());
        gauge("leader", "Whether this controller may act", vec![(cluster(), leads)])?;
        let epoch = self.status.epoch.map(|epoch| (cluster(), count(epoch)));
        gauge("epoch", "The epoch of this controller, while it may act", epoch.into_iter().collect())
    }

    fn services(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name, help, rows| family(encoder, name, help, MetricType::Gauge, &rows);
        let phases = || Phase::ALL.into_iter().map(Phase::as_str);
        let rows = self.by_service(|known, of| words("phase", &of, phases(), |word| known.phase == word));
        gauge("service_phase", "Where the service is in its life; 1 of one phase", rows)?;
        let rows = self.by_service(|known, of| words("site", &of, sites(), |word| known.serving == word));
        gauge("service_serving", "Which site the name points at; 1 of one", rows)?;
        let alerts = || Alert::ALL.into_iter().map(Alert::as_str);
        let is_on = |known: &ServiceStatus, word: &str| known.alerts.iter().any(|alert| alert == word);
        let rows = self.by_service(|known, of| words("alert", &of, alerts(), |word| is_on(known, word)));
        gauge("service_alert", "Whether people were told of this, and it is not over", rows)?;
        let rows = self.by_service(|known, of| {
            let open = known.plan.as_ref().map(|plan| plan.direction.as_str());
            words("direction", &of, ["failover", "failback"], |word| open == Some(word))
        });
        gauge("service_plan_open", "Whether a plan is under way", rows)?;
        let rows = self.by_service(|known, of| {
            let row = |state: &'static str, holds| (with(&of, "state", state), number(holds));
            vec![
                row("incident", known.incident.is_some()),
                row("frozen", known.frozen.is_some()),
                row("pinned", known.pinned.is_some()),
                row("stuck", known.stuck.is_some()),
            ]
        });
        gauge("service_state", "Whether it has an open incident, is frozen, pinned, or needs a person", rows)?;
        let rows = self.by_service(|known, of| {
            // The same reason may be there more than once, of two sites say.
            let codes: BTreeSet<&str> = known.blockers.iter().map(|blocker| blocker.code.as_str()).collect();
            codes.into_iter().map(|code| (with(&of, "code", code), 1.0)).collect()
        });
        gauge("service_blocker", "A reason why the policy does not fail over now; always 1", rows)?;
        let lag = self.of_service(|known| known.lag_ms.map(seconds));
        gauge("service_lag_seconds", "How far the standby's data is behind, as last measured", lag)?;
        let quorum = self.of_service(|known| Some(size(known.quorum)));
        gauge("service_quorum", "The votes that are needed", quorum)
    }

    fn quorum(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name, help, rows| family(encoder, name, help, MetricType::Gauge, &rows);
        let rows = self.by_service(|known, of| {
            let rows = known.sites.iter().flat_map(|site| {
                words("verdict", &with(&of, "site", &site.role), Verdict::WORDS, |word| site.verdict == word)
            });
            rows.collect()
        });
        gauge("site_verdict", "What the quorum has concluded of the site; 1 of one verdict", rows)?;
        let by_rule = |value: fn(&RuleStatus) -> f64| {
            self.by_service(|known, of| {
                let rows = known.rules.iter().map(|rule| (with(&of, "rule", &rule.rule), value(rule)));
                rows.collect()
            })
        };
        gauge("rule_votes", "The votes that count for this rule of the policy", by_rule(|rule| size(rule.have)))?;
        gauge("rule_votes_needed", "The votes that it takes", by_rule(|rule| size(rule.need)))?;
        gauge("rule_met", "Whether its votes suffice", by_rule(|rule| number(rule.met)))?;
        let views = || VantageView::ALL.into_iter().map(VantageView::as_str);
        let rows = self.by_vote(|vote, of| words("view", &of, views(), |word| vote.view == word));
        gauge("vantage_view", "What the vantage has concluded of the site; 1 of one view", rows)?;
        let score = self.of_vote(|vote| Some(thousandths(vote.score)));
        gauge("vantage_score", "How far the vantage's evidence is towards down; 1 suffices", score)?;
        let burn = self.of_vote(|vote| Some(thousandths(vote.burn)));
        gauge("vantage_failure_ratio", "The share of failures over the policy's longer time", burn)?;
        let age = self.of_vote(|vote| vote.age_ms.map(seconds));
        gauge("vantage_age_seconds", "How old the vantage's last conclusive observation is", age)
    }

    fn checks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name, help, rows| family(encoder, name, help, MetricType::Gauge, &rows);
        let measured = |value: fn(&MetricStatus) -> f64| {
            self.by_service(|known, of| {
                let rows = known.metrics.iter().map(|one| {
                    let mut of = of.clone();
                    of.extend([("site", &*one.role), ("vantage", &*one.vantage), ("check", &*one.check)]);
                    of.extend([("metric", &*one.name), ("unit", &*one.unit)]);
                    (of, value(one))
                });
                rows.collect()
            })
        };
        gauge("check_metric", "What a check has measured, as last told", measured(|one| one.value))?;
        gauge("check_metric_age_seconds", "How long ago that was", measured(|one| seconds(one.age_ms)))?;
        let rows = self.tally.iter().map(|(kind, number)| {
            let of = vec![
                ("service", kind.service.as_str()),
                ("site", kind.role.as_str()),
                ("vantage", kind.vantage.as_str()),
                ("check", kind.check.as_str()),
                ("outcome", kind.outcome.as_str()),
            ];
            (of, count(*number))
        });
        let help = "The observations taken since this process began";
        family(encoder, "observations", help, MetricType::Counter, &rows.collect())
    }
}

fn sites() -> impl Iterator<Item = &'static str> {
    Role::BOTH.into_iter().map(Role::as_str)
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.controller(&mut encoder)?;
        self.services(&mut encoder)?;
        self.quorum(&mut encoder)?;
        self.checks(&mut encoder)
    }
}
