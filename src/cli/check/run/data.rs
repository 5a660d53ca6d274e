//! The `--json` object of a run.

use serde::Serialize;

use super::Ran;
use crate::domain::{RequestRecord, Role};

/// The version of the object.
const JSON_VERSION: u8 = 1;

/// The `--json` object. Fields may be added to a version, and are never taken away or given another meaning.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    v: u8,
    check: &'a str,
    target: &'a str,
    role: &'static str,
    outcome: &'static str,
    kind: Option<&'static str>,
    reason: Option<&'a str>,
    place: Option<PlaceData<'a>>,
    failed_step: Option<&'a str>,
    steps: Vec<StepData<'a>>,
    requests: Vec<RequestData<'a>>,
    metrics: Vec<MetricData<'a>>,
    duration_ms: u64,
}

/// Where in the script it ended.
#[derive(Serialize)]
struct PlaceData<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct StepData<'a> {
    name: &'a str,
    start_ms: u64,
    duration_ms: u64,
    outcome: &'static str,
}

#[derive(Serialize)]
struct MetricData<'a> {
    name: &'a str,
    value: f64,
    unit: &'a str,
}

/// One request; the times are in milliseconds.
#[derive(Serialize)]
struct RequestData<'a> {
    /// The place of its step in `steps`.
    step: Option<usize>,
    protocol: &'static str,
    method: &'a str,
    url: &'a str,
    start_ms: u64,
    duration_ms: f64,
    answer: Option<AnswerData<'a>>,
    /// How it ended with another protocol than HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<&'a str>,
}

#[derive(Serialize)]
struct AnswerData<'a> {
    status: u16,
    version: &'a str,
    remote: Option<String>,
    reused: bool,
    bytes: usize,
    dns_ms: f64,
    connect_ms: f64,
    tls_ms: f64,
    first_byte_ms: f64,
    body_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TraceData<'a>>,
}

#[derive(Serialize)]
struct TraceData<'a> {
    sent: &'a [(String, String)],
    sent_body: &'a str,
    received: &'a [(String, String)],
    received_body: &'a str,
}

fn request(record: &RequestRecord) -> RequestData<'_> {
    let RequestRecord { step, protocol, method, url, start_ms, duration_us, answer, said } = record;
    let answer = answer.as_ref().map(|answer| AnswerData {
        status: answer.status,
        version: &answer.version,
        remote: answer.remote.map(|address| address.to_string()),
        reused: answer.reused,
        bytes: answer.bytes,
        dns_ms: ms(answer.dns_us),
        connect_ms: ms(answer.connect_us),
        tls_ms: ms(answer.tls_us),
        first_byte_ms: ms(answer.first_byte_us),
        body_ms: ms(answer.body_us),
        trace: answer.detail.as_ref().map(|detail| TraceData {
            sent: &detail.sent,
            sent_body: &detail.sent_body,
            received: &detail.received,
            received_body: &detail.received_body,
        }),
    });
    let (protocol, said, duration_ms) = (protocol.as_str(), said.as_deref(), ms(*duration_us));
    RequestData { step: *step, protocol, method, url, start_ms: *start_ms, duration_ms, answer, said }
}

/// Microseconds as milliseconds.
fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

impl<'a> Data<'a> {
    pub(super) fn of(ran: &'a Ran, role: Role) -> Self {
        let report = &ran.report;
        let steps = report.steps.iter().map(|step| StepData {
            name: &step.name,
            start_ms: step.start_ms,
            duration_ms: step.duration_ms,
            outcome: step.outcome.as_str(),
        });
        let metrics = report.metrics.iter();
        let metrics =
            metrics.map(|metric| MetricData { name: &metric.name, value: metric.value, unit: &metric.unit });
        Self {
            v: JSON_VERSION,
            check: ran.check.as_str(),
            target: &ran.target,
            role: role.as_str(),
            outcome: report.outcome.as_str(),
            kind: report.kind.map(|kind| kind.as_str()),
            reason: report.reason.as_deref(),
            place: report.place.as_ref().map(|place| PlaceData {
                file: &place.file,
                line: place.line,
                column: place.column,
            }),
            failed_step: report.failed_step.as_deref(),
            steps: steps.collect(),
            requests: report.requests.iter().map(request).collect(),
            metrics: metrics.collect(),
            duration_ms: report.duration_ms,
        }
    }
}
