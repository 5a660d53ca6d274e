//! The settings of health checks: read, compared, changed and written back as they were given.

use std::net::{IpAddr, SocketAddr};

use roxmltree::Node;

use super::super::error::ApiError;
use super::super::xml::{Fields, XmlWriter, items, read_document, text_of};

/// The most children of a calculated check.
const CHILDREN_MAX: usize = 256;
const REFERENCE_CHARS_MAX: usize = 64;
const TEXT_CHARS_MAX: usize = 255;
/// Where checkers can be, and are unless told otherwise.
pub(super) const REGIONS: [&str; 8] = [
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "sa-east-1",
];
/// The fewest regions of a check that names its own.
const REGIONS_MIN: usize = 3;

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
/// The elements of an update.
const UPDATE: [&str; 17] = [
    "HealthCheckVersion",
    "IPAddress",
    "Port",
    "ResourcePath",
    "FullyQualifiedDomainName",
    "SearchString",
    "FailureThreshold",
    "Inverted",
    "Disabled",
    "HealthThreshold",
    "ChildHealthChecks",
    "EnableSNI",
    "Regions",
    "AlarmIdentifier",
    "InsufficientDataHealthStatus",
    "ResetElements",
    "RoutingControlArn",
];
/// What an update says of endpoints only.
const OF_ENDPOINTS: [&str; 8] = [
    "IPAddress",
    "Port",
    "ResourcePath",
    "FullyQualifiedDomainName",
    "SearchString",
    "FailureThreshold",
    "EnableSNI",
    "Regions",
];
/// What an update says of calculated checks only.
const OF_CALCULATED: [&str; 2] = ["HealthThreshold", "ChildHealthChecks"];

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// A connection is enough.
    Tcp,
    /// A request, and a look at what comes back.
    Http { tls: bool, search: bool },
}

impl Protocol {
    fn parse(kind: &str) -> Option<Self> {
        match kind {
            "TCP" => Some(Self::Tcp),
            "HTTP" => Some(Self::Http { tls: false, search: false }),
            "HTTPS" => Some(Self::Http { tls: true, search: false }),
            "HTTP_STR_MATCH" => Some(Self::Http { tls: false, search: true }),
            "HTTPS_STR_MATCH" => Some(Self::Http { tls: true, search: true }),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Http { tls: false, search: false } => "HTTP",
            Self::Http { tls: true, search: false } => "HTTPS",
            Self::Http { tls: false, search: true } => "HTTP_STR_MATCH",
            Self::Http { tls: true, search: true } => "HTTPS_STR_MATCH",
        }
    }
}

/// What is probed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) protocol: Protocol,
    /// Where; the host's address at the time, when absent.
    pub(super) ip: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) host: Option<String>,
    pub(super) path: Option<String>,
    /// What the body must hold; there is one exactly when the protocol searches.
    pub(super) search: Option<String>,
    pub(super) sni: bool,
    pub(super) interval_s: u64,
    pub(super) threshold: u32,
    measure_latency: bool,
    /// None: all of them.
    pub(super) regions: Vec<String>,
}

/// What a check looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Endpoint(Endpoint),
    Calculated { children: Vec<String>, threshold: usize },
}

/// A check's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) subject: Subject,
    pub(super) inverted: bool,
    pub(super) disabled: bool,
}

/// Reads the body of CreateHealthCheck.
pub(super) fn new_check(body: &[u8]) -> Result<(String, Config), ApiError> {
    read_document(body, "CreateHealthCheckRequest", |root| {
        let fields = Fields::read(root, &["CallerReference", "HealthCheckConfig"])?;
        let reference = fields.required("CallerReference")?;
        if !(1..=REFERENCE_CHARS_MAX).contains(&reference.chars().count()) {
            return Err(ApiError::invalid_input("'CallerReference' must have 1 to 64 characters"));
        }
        Ok((reference, read_config(fields.required_node("HealthCheckConfig")?)?))
    })
}

/// Reads the body of UpdateHealthCheck: the version it expects, if any, and what the settings become.
pub(super) fn updated(body: &[u8], present: &Config) -> Result<(Option<u64>, Config), ApiError> {
    read_document(body, "UpdateHealthCheckRequest", |root| {
        let fields = Fields::read(root, &UPDATE)?;
        let (foreign, kind): (&[&str], _) = match present.subject {
            Subject::Endpoint(_) => (&OF_CALCULATED, "a check of an endpoint"),
            Subject::Calculated { .. } => (&OF_ENDPOINTS, "a CALCULATED check"),
        };
        if let Some(name) = foreign.iter().find(|name| fields.node(name).is_some()) {
            return Err(ApiError::invalid_input(format!("{kind} has no '{name}'")));
        }
        refuse_alarms(&fields)?;
        let mut config = present.clone();
        match &mut config.subject {
            Subject::Endpoint(endpoint) => endpoint.update(&fields)?,
            Subject::Calculated { children, threshold } => {
                if let Some(list) = fields.node("ChildHealthChecks") {
                    *children = read_children(list)?;
                }
                *threshold = read_health_threshold(&fields)?.unwrap_or(*threshold);
            }
        }
        if let Some(list) = fields.node("ResetElements") {
            for name in items(list, "ResettableElementName")? {
                reset(&mut config.subject, &text_of(name)?)?;
            }
        }
        config.inverted = fields.parsed("Inverted")?.unwrap_or(config.inverted);
        config.disabled = fields.parsed("Disabled")?.unwrap_or(config.disabled);
        config.check()?;
        Ok((fields.parsed("HealthCheckVersion")?, config))
    })
}

fn reset(subject: &mut Subject, name: &str) -> Result<(), ApiError> {
    match (name, subject) {
        ("FullyQualifiedDomainName", Subject::Endpoint(endpoint)) => endpoint.host = None,
        ("ResourcePath", Subject::Endpoint(endpoint)) => endpoint.path = None,
        ("Regions", Subject::Endpoint(endpoint)) => endpoint.regions.clear(),
        ("ChildHealthChecks", Subject::Calculated { children, .. }) => children.clear(),
        (other, _) => return Err(ApiError::invalid_input(format!("'{other}' cannot be reset here"))),
    }
    Ok(())
}

fn read_config(node: Node<'_, '_>) -> Result<Config, ApiError> {
    let fields = Fields::read(node, &CONFIG)?;
    let kind = fields.required("Type")?;
    refuse_alarms(&fields)?;
    let subject = match (kind.as_str(), Protocol::parse(&kind)) {
        ("CALCULATED", _) => {
            if let Some(name) = OF_ENDPOINTS.iter().find(|name| fields.node(name).is_some()) {
                return Err(ApiError::invalid_input(format!("a CALCULATED check has no '{name}'")));
            }
            let list = fields.node("ChildHealthChecks");
            let threshold = read_health_threshold(&fields)?;
            Subject::Calculated {
                children: list.map(read_children).transpose()?.unwrap_or_default(),
                threshold: threshold
                    .ok_or_else(|| ApiError::invalid_input("'HealthThreshold' is needed for CALCULATED"))?,
            }
        }
        (_, Some(protocol)) => {
            if let Some(name) = OF_CALCULATED.iter().find(|name| fields.node(name).is_some()) {
                return Err(ApiError::invalid_input(format!("a check of type {kind} has no '{name}'")));
            }
            Subject::Endpoint(Endpoint::read(protocol, &fields)?)
        }
        (other, None) => {
            return Err(ApiError::invalid_input(format!(
                "the lab has no health checks of type '{other}': HTTP, HTTPS, HTTP_STR_MATCH, HTTPS_STR_MATCH, TCP and \
                 CALCULATED only"
            )));
        }
    };
    let config = Config {
        subject,
        inverted: fields.parsed("Inverted")?.unwrap_or(false),
        disabled: fields.parsed("Disabled")?.unwrap_or(false),
    };
    config.check()?;
    Ok(config)
}

/// What belongs to checks of CloudWatch and of routing controls, which the lab has not.
fn refuse_alarms(fields: &Fields<'_, '_>) -> Result<(), ApiError> {
    let alarms = ["AlarmIdentifier", "InsufficientDataHealthStatus", "RoutingControlArn"];
    match alarms.into_iter().find(|name| fields.node(name).is_some()) {
        Some(name) => Err(ApiError::invalid_input(format!("the lab's health checks have no '{name}'"))),
        None => Ok(()),
    }
}

fn read_children(list: Node<'_, '_>) -> Result<Vec<String>, ApiError> {
    let nodes = items(list, "ChildHealthCheck")?;
    if nodes.len() > CHILDREN_MAX {
        return Err(ApiError::invalid_input(format!("more than {CHILDREN_MAX} child health checks")));
    }
    nodes.into_iter().map(text_of).collect()
}

fn read_health_threshold(fields: &Fields<'_, '_>) -> Result<Option<usize>, ApiError> {
    let threshold = fields.parsed("HealthThreshold")?;
    match threshold {
        Some(threshold) if threshold > CHILDREN_MAX => {
            Err(ApiError::invalid_input(format!("'HealthThreshold' must be at most {CHILDREN_MAX}")))
        }
        threshold => Ok(threshold),
    }
}

impl Endpoint {
    fn read(protocol: Protocol, fields: &Fields<'_, '_>) -> Result<Self, ApiError> {
        let (port, sni) = match protocol {
            Protocol::Tcp => (None, false),
            Protocol::Http { tls: false, .. } => (Some(80), false),
            Protocol::Http { tls: true, .. } => (Some(443), true),
        };
        let port = fields.parsed("Port")?.or(port);
        let mut endpoint = Self {
            protocol,
            ip: None,
            port: port.ok_or_else(|| ApiError::invalid_input("'Port' is needed for TCP"))?,
            host: None,
            path: None,
            search: None,
            sni,
            interval_s: fields.parsed("RequestInterval")?.unwrap_or(30),
            threshold: 3,
            measure_latency: fields.parsed("MeasureLatency")?.unwrap_or(false),
            regions: Vec::new(),
        };
        if ![10, 30].contains(&endpoint.interval_s) {
            return Err(ApiError::invalid_input("'RequestInterval' must be 10 or 30"));
        }
        endpoint.ip = read_ip(fields)?;
        endpoint.update(fields)?;
        Ok(endpoint)
    }

    /// Takes over whatever is given of that which may change.
    fn update(&mut self, fields: &Fields<'_, '_>) -> Result<(), ApiError> {
        let given = |name: &str| fields.text(name).map(|text| text.filter(|text| !text.is_empty()));
        match (self.ip, read_ip(fields)?) {
            (None, Some(_)) => {
                return Err(ApiError::invalid_input(
                    "a health check that was made without 'IPAddress' cannot be given one: create another",
                ));
            }
            (_, Some(ip)) => self.ip = Some(ip),
            (_, None) => {}
        }
        self.port = fields.parsed("Port")?.unwrap_or(self.port);
        self.host = given("FullyQualifiedDomainName")?.or(self.host.take());
        self.path = given("ResourcePath")?.or(self.path.take());
        self.search = given("SearchString")?.or(self.search.take());
        self.threshold = fields.parsed("FailureThreshold")?.unwrap_or(self.threshold);
        self.sni = fields.parsed("EnableSNI")?.unwrap_or(self.sni);
        if let Some(list) = fields.node("Regions") {
            self.regions = items(list, "Region")?.into_iter().map(text_of).collect::<Result<_, _>>()?;
            if let Some(other) = self.regions.iter().find(|region| !REGIONS.contains(&region.as_str())) {
                return Err(ApiError::invalid_input(format!("'{other}' is not a region of health checkers")));
            }
            if self.regions.len() < REGIONS_MIN {
                return Err(ApiError::invalid_input(format!("'Regions' must have at least {REGIONS_MIN} entries")));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ApiError> {
        let invalid = |text: &str| Err(ApiError::invalid_input(text));
        let too_long =
            |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX);
        match self.protocol {
            _ if self.port == 0 => return invalid("'Port' must be between 1 and 65535"),
            _ if self.ip.is_none() && self.host.is_none() => {
                return invalid("'IPAddress' or 'FullyQualifiedDomainName' is needed");
            }
            Protocol::Tcp if self.path.is_some() => return invalid("'ResourcePath' is not for TCP"),
            Protocol::Http { search: true, .. } if self.search.is_none() => {
                return invalid("'SearchString' is needed for a check that matches a string");
            }
            Protocol::Tcp | Protocol::Http { search: false, .. } if self.search.is_some() => {
                return invalid("'SearchString' is only for a check that matches a string");
            }
            Protocol::Tcp | Protocol::Http { .. } => {}
        }
        if [&self.host, &self.path, &self.search].into_iter().any(too_long) {
            return invalid(
                "'FullyQualifiedDomainName', 'ResourcePath' and 'SearchString' have 255 characters at most",
            );
        }
        if !(1..=10).contains(&self.threshold) {
            return invalid("'FailureThreshold' must be between 1 and 10");
        }
        Ok(())
    }

    /// The `Host` header: without a name it is the address, and with a port that is not the protocol's own.
    pub(super) fn host_header(&self, address: SocketAddr) -> String {
        let host = self.host.clone().unwrap_or_else(|| match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
        let usual = if matches!(self.protocol, Protocol::Http { tls: true, .. }) { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    fn write(&self, xml: &mut XmlWriter) {
        xml.optional("IPAddress", self.ip);
        xml.text("Port", self.port);
        xml.text("Type", self.protocol.as_str());
        xml.optional("ResourcePath", self.path.as_ref());
        xml.optional("FullyQualifiedDomainName", self.host.as_ref());
        xml.optional("SearchString", self.search.as_ref());
        xml.text("RequestInterval", self.interval_s);
        xml.text("FailureThreshold", self.threshold);
        xml.text("MeasureLatency", self.measure_latency);
    }
}

fn read_ip(fields: &Fields<'_, '_>) -> Result<Option<IpAddr>, ApiError> {
    let text = fields.text("IPAddress")?.filter(|text| !text.is_empty());
    let parsed = text.map(|text| {
        text.parse().map_err(|_| ApiError::invalid_input(format!("'{text}' in 'IPAddress' is not an IP address")))
    });
    parsed.transpose()
}

impl Config {
    fn check(&self) -> Result<(), ApiError> {
        match &self.subject {
            Subject::Endpoint(endpoint) => endpoint.check(),
            Subject::Calculated { .. } => Ok(()),
        }
    }

    /// The endpoint to probe, unless probing is disabled.
    pub(super) fn probed(&self) -> Option<&Endpoint> {
        match &self.subject {
            Subject::Endpoint(endpoint) if !self.disabled => Some(endpoint),
            Subject::Endpoint(_) | Subject::Calculated { .. } => None,
        }
    }

    /// The type's name.
    pub(super) fn kind(&self) -> &'static str {
        match &self.subject {
            Subject::Endpoint(endpoint) => endpoint.protocol.as_str(),
            Subject::Calculated { .. } => "CALCULATED",
        }
    }

    /// Writes the settings in the order of the schema.
    pub(super) fn write(&self, xml: &mut XmlWriter) {
        match &self.subject {
            Subject::Endpoint(endpoint) => endpoint.write(xml),
            Subject::Calculated { .. } => xml.text("Type", "CALCULATED"),
        }
        xml.text("Inverted", self.inverted);
        xml.text("Disabled", self.disabled);
        match &self.subject {
            Subject::Endpoint(endpoint) => {
                if let Protocol::Http { .. } = endpoint.protocol {
                    xml.text("EnableSNI", endpoint.sni);
                }
                if !endpoint.regions.is_empty() {
                    xml.element("Regions", |xml| {
                        endpoint.regions.iter().for_each(|region| xml.text("Region", region))
                    });
                }
            }
            Subject::Calculated { children, threshold } => {
                xml.text("HealthThreshold", threshold);
                xml.element("ChildHealthChecks", |xml| {
                    children.iter().for_each(|child| xml.text("ChildHealthCheck", child));
                });
            }
        }
    }
}
