//! Judges the two tables: values that stand together must fit together.

use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;

use super::draft::{AlsoDraft, DnsDraft, FlagDraft, ProviderWord, ZoneDraft};
use super::{Flag, Provider, SecondZone, TsigAlgorithm, TsigKey};
use crate::config::draft::ServiceDraft;
use crate::config::problem::{At, Report};
use crate::config::values::whole;
use crate::config::values::{answer, host};
use crate::config::vault::Vault;
use crate::domain::{Answer, DnsLane, DnsTarget, FlagPhrase, MovedName, RecordType, Routing, Secret};

/// The time to live when nothing else is said (safety notes: a flip by records then meets two minutes).
const TTL: Duration = Duration::from_secs(30);
/// An Ed25519 seed (RFC 8032).
const SEED_BYTES: usize = 32;

/// Judges one service's tables.
pub(in crate::config) struct Judge<'a, 'v> {
    /// Where relative paths start.
    pub(in crate::config) folder: &'a Path,
    pub(in crate::config) vault: &'a Vault<'v>,
    pub(in crate::config) report: &'a Report,
}

/// What a service's names are and where they live.
pub(in crate::config) struct Judged {
    pub(in crate::config) target: DnsTarget,
    /// Whether it is Route 53 that serves them.
    pub(in crate::config) route53: bool,
    /// By what they are moved; absent without its keys.
    pub(in crate::config) means: Option<Means>,
}

/// By what a service's names are moved.
pub(in crate::config) struct Means {
    pub(in crate::config) provider: Provider,
    pub(in crate::config) second: Option<SecondZone>,
    /// Whether records are protected while the service is frozen.
    pub(in crate::config) protect: bool,
}

impl Judge<'_, '_> {
    pub(in crate::config) fn dns(&self, draft: &DnsDraft) -> Option<Judged> {
        let provider = self.provider(&draft.zone);
        let routing = self.routing(&draft.zone);
        let lane = draft.lane.as_ref().map_or(DnsLane::Records, |lane| lane.value);
        self.lane_fits(draft, lane);
        let also: Option<Vec<MovedName>> = draft.also.iter().map(|also| self.also(draft, also)).collect();
        let second = draft.second.as_ref().map(|second| self.second(draft, second, lane));
        let ttl = draft.ttl.as_ref().map_or(TTL, |ttl| ttl.value);
        let names: Vec<&str> = draft
            .name
            .iter()
            .chain(draft.also.iter().filter_map(|also| also.name.as_ref()))
            .map(|name| name.value.as_str())
            .collect();
        let dnssec = draft.dnssec.judge(&names, self.folder, self.report);
        let target = DnsTarget {
            zone: draft.zone.zone.as_ref()?.value.clone(),
            name: draft.name.as_ref()?.value.clone(),
            kind: draft.kind.as_ref()?.value,
            ttl_s: u32::try_from(ttl.as_secs()).ok()?,
            routing: routing?,
            lane,
            also: also?,
            authoritative: servers(&draft.zone),
            dnssec: dnssec?,
        };
        let second = second.map(|judged| {
            let (provider, zone, routing, authoritative, at) = judged?;
            let target = DnsTarget { zone, routing, authoritative, ..target.clone() };
            Some(SecondZone { provider, target, at })
        });
        let route53 = draft.zone.provider.as_ref()?.value == ProviderWord::Route53;
        let protect = draft.protect.as_ref().is_some_and(|protect| protect.value);
        let means = whole(second).and_then(|second| Some(Means { provider: provider?, second, protect }));
        Some(Judged { target, route53, means })
    }

    fn provider(&self, draft: &ZoneDraft) -> Option<Provider> {
        let word = draft.provider.as_ref()?;
        match word.value {
            ProviderWord::Route53 => {
                let updates = "it belongs to provider = \"rfc2136\", and Route 53 is told through its API";
                if let Some(server) = &draft.server {
                    self.report.error(&server.spot, format!("'server' has no use here: {updates}"));
                    return None;
                }
                if let Some(tsig) = &draft.tsig {
                    self.report.error(&tsig.at, format!("'tsig' has no use here: {updates}"));
                    return None;
                }
                Some(Provider::Route53)
            }
            ProviderWord::Rfc2136 => {
                let tsig = match &draft.tsig {
                    None => None,
                    Some(tsig) => Some(TsigKey {
                        name: tsig.name.as_ref()?.value.clone(),
                        algorithm: tsig.algorithm.as_ref().map_or(TsigAlgorithm::HmacSha256, |word| word.value),
                        key: self.base64(tsig.key.as_ref()?, None)?,
                    }),
                };
                let Some(server) = &draft.server else {
                    self.report.error(
                        &word.spot,
                        "provider \"rfc2136\" needs 'server', where updates go: add server = \"192.0.2.53:53\", the \
                         zone's primary server",
                    );
                    return None;
                };
                Some(Provider::Rfc2136 { server: server.value, tsig })
            }
        }
    }

    fn routing(&self, draft: &ZoneDraft) -> Option<Routing> {
        let provider = draft.provider.as_ref()?.value;
        match (provider, &draft.routing) {
            (ProviderWord::Route53, None) => Some(Routing::Failover),
            (ProviderWord::Rfc2136, None) => Some(Routing::Simple),
            (ProviderWord::Rfc2136, Some(At { value: Routing::Failover, spot })) => {
                let message = "routing \"failover\" is Route 53's: a server that takes dynamic updates answers what its \
                               zone holds; write \"simple\", or leave it out";
                self.report.error(spot, message);
                None
            }
            (_, Some(routing)) => Some(routing.value),
        }
    }

    /// A flag moves what a health check hangs on: failover records of one Route 53 zone.
    fn lane_fits(&self, draft: &DnsDraft, lane: DnsLane) {
        let Some(word) = draft.lane.as_ref().filter(|_| lane.has_flag()) else { return };
        let provider = draft.zone.provider.as_ref().map(|provider| provider.value);
        let simple = draft.zone.routing.as_ref().is_some_and(|routing| routing.value == Routing::Simple);
        if provider == Some(ProviderWord::Rfc2136) || simple {
            self.report.error(
                &word.spot,
                format!(
                    "lane \"{}\" needs failover records with a health check, which only Route 53 has: write \"records\"",
                    lane.as_str()
                ),
            );
        }
    }

    fn also(&self, dns: &DnsDraft, draft: &AlsoDraft) -> Option<MovedName> {
        let kind = draft.kind.as_ref().map(|kind| kind.value);
        let primary = self.answer(dns, "primary", draft.primary.as_ref(), draft.primary_alias_zone.as_ref(), kind);
        let standby = self.answer(dns, "standby", draft.standby.as_ref(), draft.standby_alias_zone.as_ref(), kind);
        let name = draft.name.as_ref()?;
        let first = |one: &DnsDraft| {
            let same = |one: &Option<At<String>>| one.as_ref().is_some_and(|one| one.value == name.value);
            same(&one.name) && one.kind.as_ref().map(|one| one.value) == kind
        };
        let twice = |other: &&AlsoDraft| {
            let same = other.name.as_ref().is_some_and(|other| other.value == name.value);
            same && other.kind.as_ref().map(|other| other.value) == kind
        };
        if kind.is_some() && (first(dns) || dns.also.iter().filter(twice).count() > 1) {
            let kind = kind.map(RecordType::as_str).unwrap_or_default();
            self.report.error(&name.spot, format!("{} {kind} is named twice: name each record once", name.value));
            return None;
        }
        let (primary, standby) = (primary?, standby?);
        if primary == standby {
            let spot = draft.standby.as_ref().map_or(&draft.at, |text| &text.spot);
            let message = format!("{} has the same value for both sites: a flip would move nothing", name.value);
            self.report.error(spot, message);
            return None;
        }
        Some(MovedName { name: name.value.clone(), kind: kind?, primary, standby })
    }

    /// The value of a record, or what it is an alias of.
    pub(in crate::config) fn answer(
        &self,
        dns: &DnsDraft,
        key: &str,
        text: Option<&At<String>>,
        alias: Option<&At<String>>,
        kind: Option<RecordType>,
    ) -> Option<Answer> {
        let text = text?;
        let kind = kind?;
        if let Some(alias) = alias {
            let simple =
                dns.second.is_some() || dns.zone.provider.as_ref().map(|p| p.value) != Some(ProviderWord::Route53);
            if simple {
                self.report.error(&alias.spot, "an alias is Route 53's: no other provider has such records");
                return None;
            }
            if kind == RecordType::Cname {
                let message = "an alias of type CNAME cannot be a failover record of another zone's name: write type = \
                               \"A\" or \"AAAA\", or leave the alias' zone out";
                self.report.error(&alias.spot, message);
                return None;
            }
        }
        let read = match alias {
            Some(_) => host(&text.value),
            None => answer(kind, &text.value),
        };
        match read {
            Ok(value) => Some(Answer { value, alias_zone: alias.map(|zone| zone.value.clone()) }),
            Err(error) => {
                self.report.error(&text.spot, format!("'{key}': {error}"));
                None
            }
        }
    }

    fn second(
        &self,
        dns: &DnsDraft,
        draft: &ZoneDraft,
        lane: DnsLane,
    ) -> Option<(Provider, String, Routing, Vec<std::net::SocketAddr>, crate::config::Place)> {
        if lane.has_flag() {
            let message = "a second provider has no health check that looks for the flag: with [service.dns.second], \
                           write lane = \"records\"";
            self.report.error(&draft.at, message);
        }
        let (provider, routing) = (self.provider(draft), self.routing(draft));
        let zone = draft.zone.as_ref()?;
        let word = |zone: &ZoneDraft| zone.provider.as_ref().map(|word| word.value);
        let same_zone = dns.zone.zone.as_ref().is_some_and(|first| first.value == zone.value);
        let server = |zone: &ZoneDraft| zone.server.as_ref().map(|server| server.value);
        if same_zone && word(draft) == word(&dns.zone) && server(draft) == server(&dns.zone) {
            let message = format!("the zone {} is the first one again: name another provider's", zone.value);
            self.report.error(&zone.spot, message);
            return None;
        }
        if draft.authoritative.is_some() != dns.zone.authoritative.is_some() {
            let message = "'authoritative' is listed for one of the two zones: list it for both, or for none, so that both are \
                           asked after a flip";
            self.report.error(&draft.at, message);
            return None;
        }
        Some((provider?, zone.value.clone(), routing?, servers(draft), draft.at.place()))
    }

    /// The flag, where the lane asks for one.
    pub(in crate::config) fn flag(&self, draft: &ServiceDraft) -> Option<Option<Flag>> {
        let lane = draft.dns.as_ref().and_then(|dns| dns.lane.as_ref());
        let wanted = lane.filter(|lane| lane.value.has_flag());
        match (wanted, &draft.flag) {
            (None, None) => Some(None),
            (None, Some(flag)) => {
                let message = "[service.flag] has no use while the lane is \"records\": write lane = \"both\" or \"flag\" \
                               under [service.dns], or remove it";
                self.report.error(&flag.at, message);
                None
            }
            (Some(lane), None) => {
                let message = format!(
                    "lane \"{}\" needs a flag: add [service.flag] with stores, phrase and signing_key",
                    lane.value.as_str()
                );
                self.report.error(&lane.spot, message);
                None
            }
            (Some(lane), Some(flag)) => {
                let primary = draft.primary.as_ref();
                let watched = primary.is_none_or(|site| site.health_check.is_some());
                if !watched && let Some(primary) = primary {
                    let message = format!(
                        "lane \"{}\" needs 'health_check' on the primary: the id of the calculated health check that looks \
                         for the flag, or raising it moves nothing",
                        lane.value.as_str()
                    );
                    self.report.error(&primary.at, message);
                }
                let flag = self.flag_of(flag)?;
                watched.then_some(Some(flag))
            }
        }
    }

    fn flag_of(&self, draft: &FlagDraft) -> Option<Flag> {
        let stores = match &draft.stores {
            Some(list) if list.value.is_empty() => {
                self.report.error(&list.spot, "'stores' is empty: name at least one object store, better two");
                None
            }
            Some(list) => {
                self.report.unique("store", list.value.iter());
                Some(list.value.iter().map(|store| store.value.clone()).collect())
            }
            None => {
                let message = "[service.flag] has no 'stores': add stores = [\"gs://bucket/quorate\", \
                               \"az://container/quorate\"], object stores outside the primary's cloud";
                self.report.error(&draft.at, message);
                None
            }
        };
        let phrase = draft.phrase.as_ref().and_then(|name| {
            let secret = self.vault.of_controller(name, self.report)?;
            let report = |error| self.report.error(&name.spot, format!("the secret '{}': {error}", name.value));
            FlagPhrase::new(secret).map_err(report).ok()
        });
        let key = draft.signing_key.as_ref().and_then(|name| self.base64(name, Some(SEED_BYTES)));
        Some(Flag { stores: stores?, phrase: phrase?, signing_key: key? })
    }

    /// A secret that must be Base64 of so many bytes.
    fn base64(&self, name: &At<String>, bytes: Option<usize>) -> Option<Secret> {
        let secret = self.vault.of_controller(name, self.report)?;
        let sound = BASE64
            .decode(secret.expose().as_bytes())
            .is_ok_and(|decoded| !decoded.is_empty() && bytes.is_none_or(|bytes| decoded.len() == bytes));
        if sound {
            return Some(secret);
        }
        let of = bytes.map(|bytes| format!(" of {bytes} bytes (openssl rand -base64 {bytes})")).unwrap_or_default();
        self.report.error(&name.spot, format!("the secret '{}' must be Base64{of}", name.value));
        None
    }
}

fn servers(draft: &ZoneDraft) -> Vec<std::net::SocketAddr> {
    draft.authoritative.iter().flat_map(|list| &list.value).map(|server| server.value).collect()
}

/// What is legal but unwise.
pub(in crate::config) fn lint(draft: &ServiceDraft, report: &Report) {
    if let (Some(flag), Some(cloud)) = (&draft.flag, draft.primary.as_ref().and_then(|site| site.cloud.as_ref()))
        && let Some(stores) = &flag.stores
    {
        if let [only] = stores.value.as_slice() {
            let message = "the flag has one store: while that is down nothing can be moved by it; two in different clouds are \
                           advised";
            report.warn(&only.spot, message);
        }
        for store in stores.value.iter().filter(|store| store.value.cloud() == Some(cloud.value.as_str())) {
            let message = format!(
                "this store stands in the primary's cloud '{}': what takes the primary down may keep the flag from being raised",
                cloud.value
            );
            report.warn(&store.spot, message);
        }
    }
    if let Some(check) = draft.standby.as_ref().and_then(|site| site.health_check.as_ref()) {
        let message = "a health check on the standby's record can pull everybody back: while it fails, Route 53 answers with the \
                       primary, however sick that is; leave it out";
        report.warn(&check.spot, message);
    }
    if let Some(dns) = &draft.dns
        && let Some(protect) = dns.protect.as_ref().filter(|protect| protect.value)
    {
        let zones = std::iter::once(&dns.zone).chain(&dns.second);
        let updated =
            |zone: &&ZoneDraft| zone.provider.as_ref().is_some_and(|word| word.value == ProviderWord::Rfc2136);
        for zone in zones.filter(updated).filter_map(|zone| zone.zone.as_ref()) {
            let message = format!(
                "the server of the zone {} knows no protection of records: a freeze holds in the journal, and keeps nobody else from changing \
                 them there",
                zone.value
            );
            report.warn(&protect.spot, message);
        }
    }
    for zone in draft.dns.iter().flat_map(|dns| std::iter::once(&dns.zone).chain(&dns.second)) {
        let updates = zone.provider.as_ref().filter(|word| word.value == ProviderWord::Rfc2136);
        if let Some(word) = updates.filter(|_| zone.tsig.is_none()) {
            report.warn(
                &word.spot,
                "updates are not signed: whoever can send from this address can move the name; add tsig",
            );
        }
    }
}
