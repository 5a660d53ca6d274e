//! `[service.dns]` and `[service.flag]` as they are written.

use std::net::SocketAddr;
use std::time::Duration;

use super::dnssec::DnssecDraft;
use crate::config::problem::{At, Report, Spot};
use crate::config::reader::Reader;
use crate::config::values::{filled, host, human, record_type, socket};
use crate::domain::{DnsLane, RecordType, Routing};

/// The longest time to live that is accepted.
const TTL_MAX: Duration = Duration::from_secs(86_400);

/// Who serves a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum ProviderWord {
    Route53,
    Rfc2136,
}

pub(in crate::config) struct DnsDraft {
    pub(in crate::config) zone: ZoneDraft,
    pub(in crate::config) name: Option<At<String>>,
    pub(in crate::config) kind: Option<At<RecordType>>,
    pub(in crate::config) ttl: Option<At<Duration>>,
    pub(in crate::config) lane: Option<At<DnsLane>>,
    pub(in crate::config) protect: Option<At<bool>>,
    pub(in crate::config) also: Vec<AlsoDraft>,
    pub(in crate::config) second: Option<ZoneDraft>,
    pub(in crate::config) dnssec: DnssecDraft,
}

/// A zone and who serves it.
pub(in crate::config) struct ZoneDraft {
    pub(in crate::config) at: Spot,
    pub(in crate::config) provider: Option<At<ProviderWord>>,
    pub(in crate::config) zone: Option<At<String>>,
    pub(in crate::config) routing: Option<At<Routing>>,
    pub(in crate::config) authoritative: Option<At<Vec<At<SocketAddr>>>>,
    pub(in crate::config) server: Option<At<SocketAddr>>,
    pub(in crate::config) tsig: Option<TsigDraft>,
}

pub(in crate::config) struct TsigDraft {
    pub(in crate::config) at: Spot,
    pub(in crate::config) name: Option<At<String>>,
    pub(in crate::config) algorithm: Option<At<super::TsigAlgorithm>>,
    pub(in crate::config) key: Option<At<String>>,
}

pub(in crate::config) struct AlsoDraft {
    pub(in crate::config) at: Spot,
    pub(in crate::config) name: Option<At<String>>,
    pub(in crate::config) kind: Option<At<RecordType>>,
    pub(in crate::config) primary: Option<At<String>>,
    pub(in crate::config) standby: Option<At<String>>,
    pub(in crate::config) primary_alias_zone: Option<At<String>>,
    pub(in crate::config) standby_alias_zone: Option<At<String>>,
}

pub(in crate::config) struct FlagDraft {
    pub(in crate::config) at: Spot,
    pub(in crate::config) stores: Option<At<Vec<At<super::StoreUrl>>>>,
    pub(in crate::config) phrase: Option<At<String>>,
    pub(in crate::config) signing_key: Option<At<String>>,
}

fn word<T>(text: &str, parsed: Option<T>, what: &str, words: &str) -> Result<T, String> {
    parsed.ok_or_else(|| format!("the {what} '{text}' is not known: write {words}"))
}

fn provider(text: &str) -> Result<ProviderWord, String> {
    let parsed = match text {
        "route53" => Some(ProviderWord::Route53),
        "rfc2136" => Some(ProviderWord::Rfc2136),
        _ => None,
    };
    word(text, parsed, "DNS provider", "\"route53\" or \"rfc2136\"")
}

fn routing(text: &str) -> Result<Routing, String> {
    word(text, Routing::parse(text), "routing", "\"failover\" or \"simple\"")
}

fn lane(text: &str) -> Result<DnsLane, String> {
    word(text, DnsLane::parse(text), "lane", "\"records\", \"flag\" or \"both\"")
}

impl DnsDraft {
    pub(in crate::config) fn read(mut table: Reader<'_>, report: &Report) -> Self {
        let ttl = table.duration("ttl", Duration::from_secs(1)..=TTL_MAX).filter(|ttl| {
            let whole = ttl.value.subsec_nanos() == 0;
            if !whole {
                let text = human(ttl.value);
                report.error(&ttl.spot, format!("'ttl' must be whole seconds, not {text}: DNS counts in seconds"));
            }
            whole
        });
        let second = table.section("second").map(|mut second| ZoneDraft::read(&mut second));
        Self {
            name: table.need("name", "\"login.example.com\"", host),
            kind: table.need("type", "\"A\"", record_type),
            ttl,
            lane: table.text("lane", lane),
            protect: table.flag("protect"),
            also: table.sections("also").into_iter().map(AlsoDraft::read).collect(),
            second,
            dnssec: DnssecDraft::read(&mut table),
            zone: ZoneDraft::read(&mut table),
        }
    }
}

impl ZoneDraft {
    fn read(table: &mut Reader<'_>) -> Self {
        Self {
            at: table.spot(),
            provider: table.need("provider", "\"route53\"", provider),
            zone: table.need("zone", "\"Z0123456789ABCDEFGHIJ\", the provider's id of the zone", filled),
            routing: table.text("routing", routing),
            authoritative: table.list("authoritative", socket),
            server: table.text("server", socket),
            tsig: table.section("tsig").map(TsigDraft::read),
        }
    }
}

impl TsigDraft {
    fn read(mut table: Reader<'_>) -> Self {
        Self {
            at: table.spot(),
            name: table.need("name", "\"quorate\", the key's name at the server", filled),
            algorithm: table.text("algorithm", super::TsigAlgorithm::read),
            key: table.need_secret("key", "\"tsig-key\""),
        }
    }
}

impl AlsoDraft {
    fn read(mut table: Reader<'_>) -> Self {
        Self {
            at: table.spot(),
            name: table.need("name", "\"www.example.com\"", host),
            kind: table.need("type", "\"A\"", record_type),
            primary: table.need("primary", "\"192.0.2.1\", the value while the primary serves", filled),
            standby: table.need("standby", "\"198.51.100.1\", the value while the standby serves", filled),
            primary_alias_zone: table.text("primary_alias_zone", filled),
            standby_alias_zone: table.text("standby_alias_zone", filled),
        }
    }
}

impl FlagDraft {
    pub(in crate::config) fn read(mut table: Reader<'_>) -> Self {
        Self {
            at: table.spot(),
            stores: table.list("stores", super::StoreUrl::read),
            phrase: table.need_secret("phrase", "\"flag-phrase\""),
            signing_key: table.need_secret("signing_key", "\"flag-signing-key\""),
        }
    }
}
