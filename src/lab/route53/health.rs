//! Health checks that really probe, from this machine and of this machine only: the lab must not knock on strangers'
//! doors.
//!
//! Types HTTP, HTTP_STR_MATCH and CALCULATED, with `Inverted` and `Disabled`. As documented: a check starts healthy
//! and changes its mind, either way, after as many consecutive contrary results as the failure threshold says; the
//! interval runs from the end of one probe to the start of the next. There is one checker where the real service has
//! many, so the share of checkers that agree is always all or none.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, header, redirect};
use roxmltree::Node;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::ApiError;
use super::xml::{Fields, Order, XmlWriter, items, read_document, text_of};
use crate::lab::{LabError, clock};

/// The longest a TCP connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// The longest a whole probe may take: connect, answer, and the body for a string match.
const PROBE_TIMEOUT: Duration = Duration::from_secs(8);
/// How much of a body a string match looks at.
const SEARCH_BYTES_MAX: usize = 5_120;
/// The most children of a calculated check.
const CHILDREN_MAX: usize = 256;

/// The elements of a health check's settings.
const CONFIG: [&str; 18] = [
    "IPAddress",
    "Port",
    "Type",
    "ResourcePath",
    "FullyQualifiedDomainName",
    "SearchString",
    "RequestInterval",
    "FailureThreshold",
    "MeasureLatency",
    "Inverted",
    "Disabled",
    "HealthThreshold",
    "ChildHealthChecks",
    "EnableSNI",
    "Regions",
    "AlarmIdentifier",
    "InsufficientDataHealthStatus",
    "RoutingControlArn",
];

/// What a check looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    Http { endpoint: SocketAddr, host: Option<String>, path: String, search: Option<String> },
    Calculated { children: Vec<String>, threshold: usize },
}

/// A check's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Config {
    subject: Subject,
    interval_s: u64,
    threshold: u32,
    inverted: bool,
    disabled: bool,
}

#[derive(Debug)]
struct Check {
    id: String,
    caller_reference: String,
    config: Config,
    /// The endpoint's state, before `Inverted` and `Disabled`.
    up: bool,
    /// Consecutive results that contradict `up`.
    contrary: u32,
    observation: Option<(String, String)>,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Inner {
    checks: BTreeMap<String, Check>,
    /// Every caller reference ever used: a deleted check's may not come back.
    references: BTreeMap<String, String>,
}

/// All health checks.
#[derive(Debug)]
pub(in crate::lab) struct HealthChecks {
    inner: Mutex<Inner>,
    client: Client,
    /// Replaces the seconds of `RequestInterval`, so that tests need not wait for them.
    interval: Option<Duration>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl HealthChecks {
    pub(in crate::lab) fn new(
        interval: Option<Duration>,
        tasks: TaskTracker,
        closing: CancellationToken,
    ) -> Result<Self, LabError> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(PROBE_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            // Only plain HTTP is probed, so the system's certificates need not be loaded.
            .tls_certs_only([])
            .pool_max_idle_per_host(0)
            .user_agent("Amazon-Route53-Health-Check-Service (quorate lab)")
            .build()
            .map_err(LabError::HealthClient)?;
        Ok(Self { inner: Mutex::default(), client, interval, tasks, closing })
    }

    /// Whether DNS may answer with a record that has this check. A check that is gone does not stand in the way.
    pub(in crate::lab) fn is_healthy(&self, id: &str) -> bool {
        self.lock().is_healthy(id)
    }

    /// Whether there is such a check.
    pub(super) fn exists(&self, id: &str) -> bool {
        self.lock().checks.contains_key(id)
    }

    /// Creates a check and starts probing; the same request again gets the same check.
    pub(super) fn create(self: &Arc<Self>, body: &[u8]) -> Result<(String, String), ApiError> {
        let (caller_reference, config) = read_request(body)?;
        let mut inner = self.lock();
        if let Some(id) = inner.references.get(&caller_reference) {
            return match inner.checks.get(id) {
                Some(check) if check.config == config => {
                    Ok((check.id.clone(), check.to_xml("CreateHealthCheckResponse")))
                }
                _ => Err(ApiError::health_check_already_exists(&caller_reference)),
            };
        }
        if let Subject::Calculated { children, .. } = &config.subject {
            for child in children {
                match inner.checks.get(child).map(|check| &check.config.subject) {
                    None => return Err(ApiError::no_such_health_check(child)),
                    Some(Subject::Calculated { .. }) => {
                        return Err(ApiError::invalid_input(format!("the child {child} is itself CALCULATED")));
                    }
                    Some(Subject::Http { .. }) => {}
                }
            }
        }
        let check = Check {
            id: uuid_like(),
            caller_reference,
            config,
            up: true,
            contrary: 0,
            observation: None,
            stop: self.closing.child_token(),
        };
        let id = check.id.clone();
        if matches!(check.config.subject, Subject::Http { .. }) && !check.config.disabled {
            let (checks, id, config, stop) = (Arc::clone(self), id.clone(), check.config.clone(), check.stop.clone());
            self.tasks.spawn(async move {
                stop.run_until_cancelled_owned(checks.probe_for_ever(id, config)).await;
            });
        }
        let xml = check.to_xml("CreateHealthCheckResponse");
        inner.references.insert(check.caller_reference.clone(), id.clone());
        inner.checks.insert(id.clone(), check);
        Ok((id, xml))
    }

    /// GetHealthCheck.
    pub(super) fn get(&self, id: &str) -> Result<String, ApiError> {
        let inner = self.lock();
        inner
            .checks
            .get(id)
            .map(|check| check.to_xml("GetHealthCheckResponse"))
            .ok_or_else(|| ApiError::no_such_health_check(id))
    }

    /// GetHealthCheckStatus: what the one checker saw last.
    pub(super) fn status(&self, id: &str) -> Result<String, ApiError> {
        let inner = self.lock();
        let check = inner.checks.get(id).ok_or_else(|| ApiError::no_such_health_check(id))?;
        Ok(XmlWriter::document("GetHealthCheckStatusResponse", |xml| {
            xml.element("HealthCheckObservations", |xml| {
                if let Some((status, at)) = &check.observation {
                    xml.element("HealthCheckObservation", |xml| {
                        xml.text("Region", "us-east-1");
                        xml.text("IPAddress", "127.0.0.1");
                        xml.element("StatusReport", |xml| {
                            xml.text("Status", status);
                            xml.text("CheckedTime", at);
                        });
                    });
                }
            });
        }))
    }

    /// Deletes a check and stops probing.
    pub(super) fn delete(&self, id: &str) -> Result<(), ApiError> {
        let check = self.lock().checks.remove(id).ok_or_else(|| ApiError::no_such_health_check(id))?;
        check.stop.cancel();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn probe_for_ever(self: Arc<Self>, id: String, config: Config) {
        let Subject::Http { endpoint, host, path, search } = &config.subject else { return };
        let interval = self.interval.unwrap_or(Duration::from_secs(config.interval_s));
        loop {
            let result = self.probe(*endpoint, host.as_deref(), path, search.as_deref()).await;
            if let Some(check) = self.lock().checks.get_mut(&id) {
                check.observe(result);
            }
            tokio::time::sleep(interval).await;
        }
    }

    async fn probe(
        &self,
        endpoint: SocketAddr,
        host: Option<&str>,
        path: &str,
        search: Option<&str>,
    ) -> Result<String, String> {
        let mut request = self.client.get(format!("http://{endpoint}{path}"));
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        let mut response = request.send().await.map_err(|error| format!("Failure: {}", error.without_url()))?;
        let status = response.status();
        let code = format!("HTTP Status Code {}, {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
        if !status.is_success() && !status.is_redirection() {
            return Err(format!("Failure: {code}"));
        }
        let Some(search) = search else { return Ok(format!("Success: {code}")) };
        let mut seen = Vec::new();
        while seen.len() < SEARCH_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => seen.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(format!("Failure: {}", error.without_url())),
            }
        }
        seen.truncate(SEARCH_BYTES_MAX);
        if seen.windows(search.len()).any(|window| window == search.as_bytes()) {
            Ok(format!("Success: {code}. Search string found."))
        } else {
            Err(format!("Failure: {code}. Search string not found."))
        }
    }
}

impl Inner {
    fn is_healthy(&self, id: &str) -> bool {
        let Some(check) = self.checks.get(id) else { return true };
        let up = match &check.config.subject {
            _ if check.config.disabled => true,
            Subject::Http { .. } => check.up,
            Subject::Calculated { children, threshold } => {
                children.iter().filter(|child| self.is_healthy(child)).count() >= *threshold
            }
        };
        up != check.config.inverted
    }
}

impl Check {
    fn observe(&mut self, result: Result<String, String>) {
        let up = result.is_ok();
        self.contrary = if up == self.up { 0 } else { self.contrary + 1 };
        if self.contrary >= self.config.threshold {
            (self.up, self.contrary) = (up, 0);
        }
        let (Ok(text) | Err(text)) = result;
        self.observation = Some((text, clock::wall_text()));
    }

    fn to_xml(&self, root: &str) -> String {
        XmlWriter::document(root, |xml| {
            xml.element("HealthCheck", |xml| {
                xml.text("Id", &self.id);
                xml.text("CallerReference", &self.caller_reference);
                xml.element("HealthCheckConfig", |xml| self.config.write(xml));
                xml.text("HealthCheckVersion", 1);
            });
        })
    }
}

impl Config {
    fn write(&self, xml: &mut XmlWriter) {
        match &self.subject {
            Subject::Http { endpoint, host, path, search } => {
                xml.text("IPAddress", endpoint.ip());
                xml.text("Port", endpoint.port());
                xml.text("Type", if search.is_some() { "HTTP_STR_MATCH" } else { "HTTP" });
                xml.text("ResourcePath", path);
                xml.optional("FullyQualifiedDomainName", host.as_ref());
                xml.optional("SearchString", search.as_ref());
                xml.text("RequestInterval", self.interval_s);
                xml.text("FailureThreshold", self.threshold);
                xml.text("MeasureLatency", false);
            }
            Subject::Calculated { .. } => xml.text("Type", "CALCULATED"),
        }
        xml.text("Inverted", self.inverted);
        xml.text("Disabled", self.disabled);
        if let Subject::Calculated { children, threshold } = &self.subject {
            xml.text("HealthThreshold", threshold);
            xml.element("ChildHealthChecks", |xml| {
                for child in children {
                    xml.text("ChildHealthCheck", child);
                }
            });
        }
    }
}

fn read_request(body: &[u8]) -> Result<(String, Config), ApiError> {
    read_document(body, "CreateHealthCheckRequest", |root| {
        let fields = Fields::read(root, &["CallerReference", "HealthCheckConfig"], Order::Any)?;
        let reference = fields.required("CallerReference")?;
        if !(1..=64).contains(&reference.chars().count()) {
            return Err(ApiError::invalid_input("'CallerReference' must have 1 to 64 characters"));
        }
        Ok((reference, read_config(fields.required_node("HealthCheckConfig")?)?))
    })
}

fn read_config(node: Node<'_, '_>) -> Result<Config, ApiError> {
    let fields = Fields::read(node, &CONFIG, Order::Any)?;
    let kind = fields.required("Type")?;
    let subject = match kind.as_str() {
        "HTTP" | "HTTP_STR_MATCH" => read_http(&fields, kind == "HTTP_STR_MATCH")?,
        "CALCULATED" => read_calculated(&fields)?,
        other => {
            return Err(ApiError::invalid_input(format!(
                "the lab has no health checks of type '{other}': HTTP, HTTP_STR_MATCH and CALCULATED only"
            )));
        }
    };
    let interval_s = fields.parsed("RequestInterval")?.unwrap_or(30);
    if ![10, 30].contains(&interval_s) {
        return Err(ApiError::invalid_input("'RequestInterval' must be 10 or 30"));
    }
    let threshold = fields.parsed("FailureThreshold")?.unwrap_or(3);
    if !(1..=10).contains(&threshold) {
        return Err(ApiError::invalid_input("'FailureThreshold' must be between 1 and 10"));
    }
    Ok(Config {
        subject,
        interval_s,
        threshold,
        inverted: fields.parsed("Inverted")?.unwrap_or(false),
        disabled: fields.parsed("Disabled")?.unwrap_or(false),
    })
}

fn read_http(fields: &Fields<'_, '_>, string_match: bool) -> Result<Subject, ApiError> {
    let ip: IpAddr = fields.parsed("IPAddress")?.ok_or_else(|| {
        ApiError::invalid_input("'IPAddress' is needed: the lab does not resolve the names it probes")
    })?;
    if !ip.is_loopback() {
        return Err(ApiError::invalid_input(format!("the lab probes this machine only, and {ip} is not loopback")));
    }
    let search = fields.text("SearchString")?;
    match &search {
        Some(text) if string_match && !(1..=255).contains(&text.chars().count()) => {
            return Err(ApiError::invalid_input("'SearchString' must have 1 to 255 characters"));
        }
        None if string_match => return Err(ApiError::invalid_input("'SearchString' is needed for HTTP_STR_MATCH")),
        Some(_) if !string_match => return Err(ApiError::invalid_input("'SearchString' is for HTTP_STR_MATCH only")),
        _ => {}
    }
    let path = fields.text("ResourcePath")?.unwrap_or_default();
    Ok(Subject::Http {
        endpoint: SocketAddr::new(ip, fields.parsed("Port")?.unwrap_or(80)),
        host: fields.text("FullyQualifiedDomainName")?,
        path: if path.starts_with('/') { path } else { format!("/{path}") },
        search,
    })
}

fn read_calculated(fields: &Fields<'_, '_>) -> Result<Subject, ApiError> {
    let list = fields.node("ChildHealthChecks");
    let nodes = list.map(|list| items(list, "ChildHealthCheck")).transpose()?.unwrap_or_default();
    if nodes.len() > CHILDREN_MAX {
        return Err(ApiError::invalid_input(format!("more than {CHILDREN_MAX} child health checks")));
    }
    let children = nodes.into_iter().map(text_of).collect::<Result<Vec<_>, _>>()?;
    let threshold = fields.parsed("HealthThreshold")?;
    let threshold = threshold.ok_or_else(|| ApiError::invalid_input("'HealthThreshold' is needed for CALCULATED"))?;
    Ok(Subject::Calculated { children, threshold })
}

/// An id in the shape of the real ones.
fn uuid_like() -> String {
    let digits = hex::encode(clock::random_bytes::<16>());
    let mut id = String::with_capacity(36);
    for (place, digit) in digits.chars().enumerate() {
        if [8, 12, 16, 20].contains(&place) {
            id.push('-');
        }
        id.push(digit);
    }
    id
}
