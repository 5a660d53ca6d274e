//! The main file as it is written, value by value with its place: nothing is judged here that needs a second value.
//! A value that is wrong by itself has been reported, and is absent.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::canaries::canary;
use super::dns::{DnsDraft, FlagDraft};
use super::drills::DrillsDraft;
use super::maintenance;
use super::problem::{At, Report, Spot};
use super::reader::{Document, Reader};
use super::sites::{ControlDraft, ReadOnlyDraft, program};
use super::values::{filled, host_pattern, name, phone, resolver, sender, socket, url};
use crate::domain::{CheckName, ClusterName, ServiceName, SiteName, VantageName, Window};

/// The most observations that an agent may be told to keep.
const SPOOL_MAX: u32 = 10_000_000;
/// The range of `canaries_needed`.
const CANARIES: RangeInclusive<u32> = 1..=99;
/// The range of `moves`: none at all is a freeze.
const MOVES: RangeInclusive<u32> = 1..=1_000;
/// The range of `per`.
const PER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
/// The range of `max_operations`: fewer end a login before its end, and more hold a prober's thread for seconds.
const OPERATIONS: RangeInclusive<u32> = 1_000..=2_500_000;
/// The range of `max_requests`: more are an attack.
const REQUESTS: RangeInclusive<u32> = 1..=500;
/// The range of `max_body_kib`.
const BODY_KIB: RangeInclusive<u32> = 1..=8_192;
/// The range of `observations_kept`: an hour is the least that a replay is of use with, and a year and a month the most
/// that a game day is compared over.
const KEPT: RangeInclusive<Duration> = Duration::from_secs(3600)..=Duration::from_secs(400 * 86_400);

pub(super) struct Draft {
    pub(super) start: Spot,
    pub(super) cluster: Option<At<ClusterName>>,
    /// The names that may be moved.
    pub(super) names: Option<At<Vec<At<String>>>>,
    pub(super) policies: Option<At<String>>,
    /// The programs that may be run.
    pub(super) commands: Option<At<Vec<At<String>>>>,
    pub(super) checks_folder: Option<At<String>>,
    pub(super) secrets: Option<At<String>>,
    pub(super) controller: ControllerDraft,
    pub(super) agents: AgentsDraft,
    pub(super) limits: LimitsDraft,
    pub(super) observations_kept: Option<At<Duration>>,
    /// Whether there is anything under that key: what is wrong with it has been reported.
    pub(super) has_vantages: bool,
    pub(super) vantages: Vec<VantageDraft>,
    pub(super) checks: Vec<CheckDraft>,
    /// As `has_vantages`.
    pub(super) has_services: bool,
    pub(super) services: Vec<ServiceDraft>,
    pub(super) notify: Option<NotifyDraft>,
}

#[derive(Default)]
pub(super) struct ControllerDraft {
    pub(super) listen: Option<At<SocketAddr>>,
    pub(super) data: Option<At<String>>,
    pub(super) token: Option<At<String>>,
    pub(super) local_freeze: Option<At<String>>,
}

#[derive(Default)]
pub(super) struct LimitsDraft {
    pub(super) moves: Option<At<u32>>,
    pub(super) per: Option<At<Duration>>,
}

#[derive(Default)]
pub(super) struct AgentsDraft {
    pub(super) controllers: Option<At<Vec<At<Url>>>>,
    pub(super) spool: Option<At<u32>>,
    pub(super) canaries: Option<At<Vec<At<Url>>>>,
    pub(super) canaries_needed: Option<At<u32>>,
    pub(super) resolvers: Option<At<Vec<At<SocketAddr>>>>,
    pub(super) system_resolvers: Option<At<bool>>,
}

pub(super) struct VantageDraft {
    pub(super) name: Option<At<VantageName>>,
    pub(super) cloud: Option<At<String>>,
    pub(super) region: Option<At<String>>,
    pub(super) network: Option<At<String>>,
    pub(super) account: Option<At<String>>,
    pub(super) resolvers: Option<At<Vec<At<SocketAddr>>>>,
}

pub(super) struct CheckDraft {
    /// The key that it goes by.
    pub(super) key: At<String>,
    pub(super) script: Option<At<String>>,
    pub(super) secrets: Vec<At<String>>,
    pub(super) params: Vec<(At<String>, Option<At<String>>)>,
    pub(super) reach: Option<At<Vec<At<String>>>>,
    pub(super) max_operations: Option<At<u32>>,
    pub(super) max_requests: Option<At<u32>>,
    pub(super) max_body_kib: Option<At<u32>>,
}

pub(super) struct ServiceDraft {
    pub(super) at: Spot,
    pub(super) name: Option<At<ServiceName>>,
    pub(super) public_url: Option<At<Url>>,
    pub(super) policy: Option<At<String>>,
    pub(super) checks: Option<At<Vec<At<CheckName>>>>,
    pub(super) critical: Option<At<Vec<At<CheckName>>>>,
    pub(super) veto: Option<At<CheckName>>,
    pub(super) vantages: Option<At<Vec<At<VantageName>>>>,
    /// Absent ones have been reported.
    pub(super) maintenance: Vec<Option<Window>>,
    pub(super) dns: Option<DnsDraft>,
    pub(super) flag: Option<FlagDraft>,
    pub(super) primary: Option<SiteDraft>,
    pub(super) standby: Option<SiteDraft>,
    pub(super) read_only: Option<ReadOnlyDraft>,
    pub(super) drills: DrillsDraft,
}

pub(super) struct SiteDraft {
    pub(super) at: Spot,
    pub(super) name: Option<At<SiteName>>,
    pub(super) cloud: Option<At<String>>,
    pub(super) url: Option<At<Url>>,
    pub(super) answer: Option<At<String>>,
    pub(super) alias_zone: Option<At<String>>,
    pub(super) health_check: Option<At<String>>,
    pub(super) controls: Vec<ControlDraft>,
    /// Whether there is anything under that key: what is wrong with it has been reported.
    pub(super) has_controls: bool,
    pub(super) write_probe: Option<At<CheckName>>,
    /// As `has_controls`.
    pub(super) has_write_probe: bool,
}

pub(super) struct NotifyDraft {
    pub(super) at: Spot,
    pub(super) slack: Option<At<String>>,
    pub(super) slack_loud: Option<At<String>>,
    pub(super) sms: Option<SmsDraft>,
}

pub(super) struct SmsDraft {
    pub(super) base_url: Option<At<Url>>,
    pub(super) account_sid: Option<At<String>>,
    pub(super) token: Option<At<String>>,
    pub(super) from: Option<At<String>>,
    pub(super) to: Option<At<Vec<At<String>>>>,
}

impl Draft {
    /// Reads the whole file.
    pub(super) fn read(document: &Document<'_>, report: &Report) -> Self {
        let mut file = document.reader(report);
        Self {
            start: document.start(),
            cluster: file.need("cluster", "\"demo\"", ClusterName::new),
            names: file.list("names", host_pattern),
            policies: file.text("policies", filled),
            commands: file.list("commands", program),
            checks_folder: file.text("checks", filled),
            secrets: file.text("secrets", filled),
            controller: file.section("controller").map(ControllerDraft::read).unwrap_or_default(),
            agents: file.section("agents").map(AgentsDraft::read).unwrap_or_default(),
            limits: file.section("limits").map(LimitsDraft::read).unwrap_or_default(),
            observations_kept: file.section("store").and_then(|mut table| table.seconds("observations_kept", KEPT)),
            has_vantages: file.has("vantage"),
            vantages: file.sections("vantage").into_iter().map(VantageDraft::read).collect(),
            checks: file.named_sections("check").into_iter().map(CheckDraft::read).collect(),
            has_services: file.has("service"),
            services: file.sections("service").into_iter().map(|table| ServiceDraft::read(table, report)).collect(),
            notify: file.section("notify").map(NotifyDraft::read),
        }
    }
}

impl ControllerDraft {
    fn read(mut table: Reader<'_>) -> Self {
        Self {
            listen: table.text("listen", socket),
            data: table.text("data", filled),
            token: table.secret("token"),
            local_freeze: table.text("local_freeze", filled),
        }
    }
}

impl LimitsDraft {
    fn read(mut table: Reader<'_>) -> Self {
        Self { moves: table.integer("moves", MOVES), per: table.seconds("per", PER) }
    }
}

impl AgentsDraft {
    fn read(mut table: Reader<'_>) -> Self {
        Self {
            controllers: table.list("controllers", url),
            spool: table.integer("spool", 1..=SPOOL_MAX),
            canaries: table.list("canaries", canary),
            canaries_needed: table.integer("canaries_needed", CANARIES),
            resolvers: table.list("resolvers", resolver),
            system_resolvers: table.flag("system_resolvers"),
        }
    }
}

impl VantageDraft {
    fn read(mut table: Reader<'_>) -> Self {
        Self {
            name: table.need("name", "\"aws-eu-west-1\"", VantageName::new),
            cloud: table.need("cloud", "\"aws\"", name),
            region: table.need("region", "\"eu-west-1\"", filled),
            network: table.text("network", name),
            account: table.text("account", name),
            resolvers: table.list("resolvers", resolver),
        }
    }
}

impl CheckDraft {
    pub(super) fn read((key, mut table): (At<String>, Reader<'_>)) -> Self {
        Self {
            key,
            script: table.need("script", "\"login.rhai\"", filled),
            secrets: table.secret_list("secrets"),
            reach: table.list("reach", host_pattern),
            max_operations: table.integer("max_operations", OPERATIONS),
            max_requests: table.integer("max_requests", REQUESTS),
            max_body_kib: table.integer("max_body_kib", BODY_KIB),
            params: table.section("params").map(Reader::strings).unwrap_or_default(),
        }
    }
}

impl ServiceDraft {
    fn read(mut table: Reader<'_>, report: &Report) -> Self {
        let site_keys = "name, cloud, url and answer";
        let mut standby = table.need_section("standby", &format!("{site_keys}, and [service.standby.read_only]"));
        Self {
            at: table.spot(),
            name: table.need("name", "\"login\"", ServiceName::new),
            public_url: table.need("public_url", "\"https://login.example.com/\"", url),
            policy: table.text("policy", name),
            checks: {
                let checks = table.list("checks", CheckName::new);
                if checks.is_none() && !table.has("checks") {
                    table.missing("checks", "checks = [\"login\"], the names of [check.NAME] tables");
                }
                checks
            },
            critical: table.list("critical", CheckName::new),
            veto: table.text("veto", CheckName::new),
            vantages: table.list("vantages", VantageName::new),
            maintenance: {
                let windows = table.sections("maintenance").into_iter();
                windows.map(|window| maintenance::read(window, report)).collect()
            },
            dns: table
                .need_section("dns", "provider, zone, name, type and ttl")
                .map(|dns| DnsDraft::read(dns, report)),
            drills: DrillsDraft::read(&mut table, report),
            flag: table.section("flag").map(FlagDraft::read),
            read_only: standby.as_mut().and_then(|site| site.section("read_only")).map(ReadOnlyDraft::read),
            primary: table.need_section("primary", site_keys).map(SiteDraft::read),
            standby: standby.map(SiteDraft::read),
        }
    }
}

impl SiteDraft {
    fn read(mut table: Reader<'_>) -> Self {
        Self {
            at: table.spot(),
            name: table.need("name", "\"aws\"", SiteName::new),
            cloud: table.need("cloud", "\"aws\"", name),
            url: table.need("url", "\"https://login.aws.example.com/\"", url),
            answer: table.need("answer", "\"192.0.2.1\"", filled),
            alias_zone: table.text("alias_zone", filled),
            health_check: table.text("health_check", filled),
            has_controls: table.has("control"),
            controls: table.sections("control").into_iter().map(ControlDraft::read).collect(),
            has_write_probe: table.has("write_probe"),
            write_probe: table.text("write_probe", CheckName::new),
        }
    }
}

impl NotifyDraft {
    fn read(mut table: Reader<'_>) -> Self {
        Self {
            at: table.spot(),
            slack: table.secret("slack"),
            slack_loud: table.secret("slack_loud"),
            sms: table.section("sms").map(SmsDraft::read),
        }
    }
}

impl SmsDraft {
    fn read(mut table: Reader<'_>) -> Self {
        let to = table.list("to", phone);
        if to.is_none() && !table.has("to") {
            table.missing("to", "to = [\"+15550100123\"]");
        }
        Self {
            base_url: table.text("base_url", url),
            account_sid: table.need("account_sid", "\"AC0123456789\"", filled),
            token: table.need_secret("token", "twilio-token"),
            from: table.need("from", "\"+15550100123\"", sender),
            to,
        }
    }
}
