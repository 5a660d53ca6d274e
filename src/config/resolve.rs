//! The draft into domain values: every name answers to something, and values that stand together fit together.
//!
//! Nothing here stops at a problem: each section is judged, and only then is it asked whether all are whole.

mod rehearsal;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::dns::{self, DnsDraft};
use super::draft::{CheckDraft, Draft, ServiceDraft, SiteDraft, VantageDraft};
use super::library::load_library;
use super::model::SharedScript;
use super::policies::{DEFAULT_POLICY, Policies};
use super::problem::{At, Problem, Report, Severity, tidy};
use super::values::nearest;
use super::vault::Vault;
use super::{
    Agents, Check, Config, Controller, Environment, Flag, Notify, Outline, Outlined, Place, Purpose, Rehearsal,
    ScriptJudge, ServiceConfig, SiteControls, Store,
};
use super::{canaries, judges, lint, names, notices, placement, sites};
use crate::domain::{Answer, CheckName, Limits, Secret, Secrets, Service, Site, Vantage, VantageName};

/// Where the controller listens when nothing else is said: this machine only.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7070);
/// How many observations an agent keeps when nothing else is said: about an hour of five-second probes of a few services.
const SPOOL: u32 = 10_000;
/// The account of a vantage that names none.
const ACCOUNT: &str = "default";
/// For how long observations are kept when nothing else is said: an incident is looked into within a week.
const OBSERVATIONS_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// Every part of a configuration, of which some may not be whole.
struct Parts {
    controller: Option<Controller>,
    agents: Option<Agents>,
    vantages: Option<Vec<Vantage>>,
    checks: Option<Vec<Check>>,
    library: Option<Vec<SharedScript>>,
    services: Vec<(Option<Outlined>, Option<Held>)>,
    notify: Option<Notify>,
}

/// What only a controller knows of a service.
struct Held {
    means: dns::Means,
    flag: Option<Flag>,
    primary_controls: SiteControls,
    standby_controls: SiteControls,
    rehearsal: Option<Rehearsal>,
    zone_at: Place,
}

/// Turns one draft into a configuration.
pub(super) struct Resolver<'a> {
    draft: &'a Draft,
    purpose: Purpose<'a>,
    folder: PathBuf,
    vault: Vault<'a>,
    policies: Policies,
    judge: &'a ScriptJudge<'a>,
    report: &'a Report,
}

impl<'a> Resolver<'a> {
    /// `folder` is where relative paths start: the main file's.
    pub(super) fn new(
        draft: &'a Draft,
        folder: PathBuf,
        environment: &'a Environment<'a>,
        purpose: Purpose<'a>,
        judge: &'a ScriptJudge<'a>,
        report: &'a Report,
    ) -> Self {
        let under = |value: &Option<At<String>>, default: &str| {
            folder.join(value.as_ref().map_or(default, |folder| folder.value.as_str()))
        };
        let vault = Vault::open(&under(&draft.secrets, "secrets.toml"), environment, purpose, report);
        let policies = Policies::new(under(&draft.policies, "policies"));
        Self { draft, purpose, folder, vault, policies, judge, report }
    }

    /// Judges everything; a configuration if every part of it is there.
    pub(super) fn resolve(mut self) -> Option<Config> {
        let parts = self.parts();
        let services = parts.services.into_iter().map(|(service, held)| {
            let Held {
                means: dns::Means { provider, second, protect },
                flag,
                primary_controls,
                standby_controls,
                rehearsal,
                zone_at,
            } = held?;
            Some(ServiceConfig {
                service: service?.service,
                provider,
                second,
                protect,
                flag,
                primary_controls,
                standby_controls,
                rehearsal,
                zone_at,
            })
        });
        Some(Config {
            cluster: self.draft.cluster.as_ref()?.value.clone(),
            controller: parts.controller?,
            agents: parts.agents?,
            limits: self.limits(),
            store: self.store(),
            vantages: parts.vantages?,
            services: services.collect::<Option<_>>()?,
            checks: parts.checks?,
            library: parts.library?,
            notify: parts.notify?,
            secrets: self.vault.all(),
        })
    }

    /// Judges everything; what those use of it who are no controller, if all of that is there.
    pub(super) fn outline(mut self) -> Option<Outline> {
        let parts = self.parts();
        Some(Outline {
            cluster: self.draft.cluster.as_ref()?.value.clone(),
            controller: parts.controller?,
            agents: parts.agents?,
            limits: self.limits(),
            vantages: parts.vantages?,
            services: parts.services.into_iter().map(|(service, _)| service).collect::<Option<_>>()?,
            checks: parts.checks?.into_iter().filter(|check| self.runs(check.name.as_str())).collect(),
            library: parts.library?,
        })
    }

    fn parts(&mut self) -> Parts {
        let draft = self.draft;
        let controller = self.controller();
        let agents = self.agents();
        let vantages = self.vantages();
        let library = self.library();
        let checks: Vec<Option<Check>> = draft.checks.iter().map(|check| self.check(check)).collect();
        if !draft.has_services {
            self.report
                .error(&draft.start, "there is no service: add a [[service]] for each name that is looked after");
        }
        self.report.unique("service", draft.services.iter().filter_map(|service| service.name.as_ref()));
        let real = draft.services.iter().filter_map(|service| service.dns.as_ref()?.name.as_ref());
        let rehearsed =
            draft.services.iter().filter_map(|one| one.drills.rehearsal.as_ref()?.dns.as_ref()?.name.as_ref());
        let names = real.chain(rehearsed);
        self.report.unique("service that moves", names);
        names::allowed(draft, self.report);
        let services = draft.services.iter().map(|service| self.service(service, vantages.as_deref())).collect();
        let notify = notices::Judge { vault: &self.vault, report: self.report }.notify(draft.notify.as_ref());
        lint::draft(draft, self.report);
        if !self.report.has_errors() {
            lint::whole(draft, self.report);
            self.vault.lint(self.report);
        }
        let checks = checks.into_iter().collect();
        Parts { controller, agents, vantages, checks, library, services, notify }
    }

    /// Whether the check is run there: by a controller all of them, by an agent those of the services that it watches.
    fn runs(&self, check: &str) -> bool {
        let vantage = match self.purpose {
            Purpose::Controller => return true,
            Purpose::Tool => return false,
            Purpose::Agent(vantage) => vantage,
        };
        let listed = |list: &At<Vec<At<VantageName>>>| list.value.iter().any(|listed| listed.value == *vantage);
        let mine = self.draft.services.iter().filter(|service| service.vantages.as_ref().is_none_or(listed));
        mine.flat_map(|service| &service.checks).flat_map(|list| &list.value).any(|one| one.value.as_str() == check)
    }

    fn controller(&self) -> Option<Controller> {
        let draft = &self.draft.controller;
        let listen = self.listen();
        if !listen.ip().is_loopback() && draft.token.is_none() {
            let spot = draft.listen.as_ref().map_or(&self.draft.start, |listen| &listen.spot);
            self.report.error(
                spot,
                format!(
                    "'listen' {listen} can be reached from other machines, and there is no 'token': add token = \
                     \"api-token\", the name of a secret that callers must present, or listen on 127.0.0.1"
                ),
            );
        }
        let token = match &draft.token {
            Some(name) if self.purpose == Purpose::Tool => self.vault.skip(name),
            Some(name) => Some(self.vault.get(name, self.report)?),
            None => None,
        };
        let data = draft.data.as_ref().map_or("quorate.db", |data| data.value.as_str());
        let beside = format!("{data}.freeze");
        let local_freeze = draft.local_freeze.as_ref().map_or(beside.as_str(), |file| file.value.as_str());
        let (data, local_freeze) = (self.folder.join(data), self.folder.join(local_freeze));
        Some(Controller { listen, data, token, local_freeze })
    }

    fn listen(&self) -> SocketAddr {
        self.draft.controller.listen.as_ref().map_or(LISTEN, |listen| listen.value)
    }

    fn agents(&self) -> Option<Agents> {
        let draft = &self.draft.agents;
        let listen = self.listen();
        let controllers = match &draft.controllers {
            Some(list) if list.value.is_empty() => {
                self.report.error(&list.spot, "'controllers' is empty: agents would have nobody to report to");
                None
            }
            Some(list) => Some(list.value.iter().map(|url| url.value.clone()).collect()),
            // agents elsewhere cannot know under which address the controller is reached
            None if !listen.ip().is_loopback() => {
                self.report.error(
                    &self.draft.start,
                    format!(
                        "[agents] has no 'controllers': with a controller that listens on {listen}, add controllers = \
                         [\"https://…\"], the URLs where agents reach it"
                    ),
                );
                None
            }
            None => Some(vec![Url::parse(&format!("http://{listen}")).ok()?]),
        };
        let spool = draft.spool.as_ref().map_or(SPOOL, |spool| spool.value);
        let canaries: &[At<Url>] = draft.canaries.as_ref().map_or(&[], |list| &list.value);
        self.report.unique("canary", canaries.iter());
        let canaries_needed = canaries::needed(draft, self.report);
        Some(Agents {
            controllers: controllers?,
            spool: usize::try_from(spool).ok()?,
            canaries: canaries.iter().map(|canary| canary.value.clone()).collect(),
            canaries_needed: canaries_needed?,
            resolvers: self.resolvers(draft.resolvers.as_ref()),
            resolvers_of: self.draft.vantages.iter().filter_map(|vantage| self.resolvers_of(vantage)).collect(),
            system_resolvers: draft.system_resolvers.as_ref().is_none_or(|system| system.value),
        })
    }

    fn resolvers(&self, list: Option<&At<Vec<At<SocketAddr>>>>) -> Vec<SocketAddr> {
        let list = list.map_or(&[][..], |list| &list.value);
        self.report.unique("resolver", list.iter());
        list.iter().map(|resolver| resolver.value).collect()
    }

    /// A vantage's own list, which takes the place of the agents'; it may be empty.
    fn resolvers_of(&self, vantage: &VantageDraft) -> Option<(VantageName, Vec<SocketAddr>)> {
        let list = self.resolvers(Some(vantage.resolvers.as_ref()?));
        Some((vantage.name.as_ref()?.value.clone(), list))
    }

    fn limits(&self) -> Limits {
        let (draft, default) = (&self.draft.limits, Limits::default());
        let moves = draft.moves.as_ref().and_then(|moves| usize::try_from(moves.value).ok());
        let per = draft.per.as_ref().map(|per| per.value);
        Limits { moves: moves.unwrap_or(default.moves), per: per.unwrap_or(default.per), ..default }
    }

    fn store(&self) -> Store {
        let kept = self.draft.observations_kept.as_ref();
        Store { observations_kept: kept.map_or(OBSERVATIONS_KEPT, |kept| kept.value) }
    }

    /// The vantages, if all of them are whole: with one left out, counting them would find problems that are not there.
    fn vantages(&self) -> Option<Vec<Vantage>> {
        let drafts = &self.draft.vantages;
        if !self.draft.has_vantages {
            self.report.error(
                &self.draft.start,
                "there are no vantages: add a [[vantage]] with name, cloud and region for each place that probes",
            );
            return None;
        }
        self.report.unique("vantage", drafts.iter().filter_map(|vantage| vantage.name.as_ref()));
        if drafts.is_empty() {
            return None;
        }
        let whole = drafts.iter().map(|vantage| {
            Some(Vantage {
                name: vantage.name.as_ref()?.value.clone(),
                cloud: vantage.cloud.as_ref()?.value.clone(),
                region: vantage.region.as_ref()?.value.clone(),
                network: vantage.network.as_ref().map(|network| network.value.clone()),
                account: vantage.account.as_ref().map_or(ACCOUNT, |account| account.value.as_str()).to_owned(),
            })
        });
        whole.collect()
    }

    fn check(&self, draft: &CheckDraft) -> Option<Check> {
        let name = CheckName::new(&draft.key.value);
        if let Err(error) = &name {
            self.report.error(&draft.key.spot, error.to_string());
        }
        let secrets = self.secrets_of(draft);
        let params: Option<BTreeMap<String, String>> = draft
            .params
            .iter()
            .map(|(key, value)| Some((key.value.clone(), value.as_ref()?.value.clone())))
            .collect();
        let (path, source) = self.script(draft.script.as_ref()?)?;
        let number = |value: &Option<At<u32>>| value.as_ref().map(|number| number.value);
        Some(Check {
            name: name.ok()?,
            path,
            source,
            params: params?,
            secrets: secrets?,
            reach: draft.reach.iter().flat_map(|list| &list.value).map(|host| host.value.clone()).collect(),
            max_operations: number(&draft.max_operations),
            max_requests: number(&draft.max_requests),
            max_body_kib: number(&draft.max_body_kib),
        })
    }

    /// The secrets that the check lists, where it is run; none elsewhere.
    fn secrets_of(&self, draft: &CheckDraft) -> Option<Secrets> {
        if !self.runs(&draft.key.value) {
            draft.secrets.iter().for_each(|name| drop(self.vault.skip(name)));
            return Some(Secrets::default());
        }
        let found: Vec<Option<Secret>> = draft.secrets.iter().map(|name| self.vault.get(name, self.report)).collect();
        let pairs = draft.secrets.iter().zip(found).map(|(name, secret)| Some((name.value.clone(), secret?)));
        pairs.collect()
    }

    fn checks_folder(&self) -> PathBuf {
        self.folder.join(self.draft.checks_folder.as_ref().map_or("checks", |folder| folder.value.as_str()))
    }

    /// The files that scripts share, judged like them.
    fn library(&self) -> Option<Vec<SharedScript>> {
        let library = load_library(&self.checks_folder()).map_err(|problem| self.report.push(problem)).ok()?;
        for shared in &library {
            for problem in (self.judge)(&tidy(&shared.path), &shared.source) {
                self.report.push(problem);
            }
        }
        Some(library)
    }

    fn script(&self, script: &At<String>) -> Option<(PathBuf, String)> {
        let path = self.checks_folder().join(&script.value);
        let shown = tidy(&path);
        match std::fs::read_to_string(&path) {
            Ok(source) => {
                for problem in (self.judge)(&shown, &source) {
                    self.report.push(problem);
                }
                Some((path, source))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let way_out = "write it, or correct 'script' here or 'checks' at the top";
                self.report.error(&script.spot, format!("the script {} does not exist: {way_out}", shown.display()));
                None
            }
            Err(error) => {
                let message = format!("the script cannot be read: {error}");
                self.report.push(Problem::in_file(Severity::Error, &shown, message));
                None
            }
        }
    }

    fn service(&mut self, draft: &ServiceDraft, vantages: Option<&[Vantage]>) -> (Option<Outlined>, Option<Held>) {
        let judges = judges::judges(draft, self.draft, self.report);
        let vantages = self.vantages_of(draft, vantages);
        let policy_name = draft.policy.as_ref().map_or(DEFAULT_POLICY, |policy| policy.value.as_str());
        let policy_spot = draft.policy.as_ref().map_or(&draft.at, |policy| &policy.spot);
        let policy = self.policies.get(policy_name, policy_spot, !canaries::on_this_machine(draft), self.report);
        if let Some(policy) = &policy {
            let file = self.policies.path(policy_name);
            judges::needed(draft, policy, &file, self.report);
            self.sites(|sites| sites.lag_is_known(draft, policy, &file));
            if let Some(vantages) = &vantages {
                placement::judge(draft, policy, &file, vantages, self.report);
            }
        }
        let dns = draft.dns.as_ref().and_then(|dns| self.names().dns(dns));
        let flag = self.names().flag(draft);
        let primary = draft.primary.as_ref().and_then(|site| self.site(site, draft.dns.as_ref()));
        let standby = draft.standby.as_ref().and_then(|site| self.site(site, draft.dns.as_ref()));
        sites::apart(draft, self.report);
        let drills = judges.as_ref().and_then(|judges| draft.drills.settings(&judges.checks, self.report));
        let primary_controls = match &draft.primary {
            Some(site) => self.sites(|sites| sites.site(site)),
            None => None,
        };
        let standby_controls = self.sites(|sites| sites.standby(draft));
        let (target, route53, means) = match dns {
            Some(dns::Judged { target, route53, means }) => (Some(target), route53, means),
            None => (None, false, None),
        };
        let outlined = || {
            let judges = judges?;
            let service = Service {
                name: draft.name.as_ref()?.value.clone(),
                public_url: draft.public_url.as_ref()?.value.clone(),
                dns: target?,
                // As it is written: whoever needs no secrets has no controls either.
                fence: draft.primary.as_ref().is_some_and(|site| !site.controls.is_empty()),
                primary: primary?,
                standby: standby?,
                checks: judges.checks,
                critical: judges.critical,
                veto: judges.veto,
                policy: policy?,
                drills: drills?,
                maintenance: draft.maintenance.iter().cloned().collect::<Option<_>>()?,
                vantages: vantages?,
            };
            Some(Outlined { service, route53 })
        };
        let outlined = outlined();
        let held = || {
            let rehearsal = match (&draft.drills.rehearsal, &outlined) {
                (Some(rehearsal), Some(outlined)) => Some(self.rehearsal(rehearsal, &outlined.service)?),
                _ => None,
            };
            let zone_at = draft.dns.as_ref()?.zone.zone.as_ref()?.spot.place();
            let (primary_controls, standby_controls) = (primary_controls?, standby_controls?);
            let (means, flag) = (means?, flag?);
            Some(Held { means, flag, primary_controls, standby_controls, rehearsal, zone_at })
        };
        let held = held();
        (outlined, held)
    }

    fn sites<T>(&self, judge: impl FnOnce(&sites::Judge<'_, 'a>) -> T) -> T {
        let check = |draft: &CheckDraft| self.check(draft);
        judge(&sites::Judge {
            file: self.draft,
            folder: &self.folder,
            vault: &self.vault,
            report: self.report,
            check: &check,
        })
    }

    fn vantages_of(&self, draft: &ServiceDraft, all: Option<&[Vantage]>) -> Option<Vec<Vantage>> {
        let Some(list) = &draft.vantages else { return Some(all?.to_vec()) };
        if list.value.is_empty() {
            self.report.error(&list.spot, "'vantages' is empty: leave it out for all of them");
            return None;
        }
        self.report.unique("vantage", list.value.iter());
        let defined = || self.draft.vantages.iter().filter_map(|vantage| vantage.name.as_ref());
        let mut whole = true;
        for vantage in &list.value {
            if !defined().any(|known| known.value == vantage.value) {
                whole = false;
                let way_out = match nearest(vantage.value.as_str(), defined().map(|name| name.value.as_str())) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => "add a [[vantage]] with that name".to_owned(),
                };
                self.report.error(&vantage.spot, format!("there is no vantage '{}': {way_out}", vantage.value));
            }
        }
        let all = all.filter(|_| whole)?;
        let chosen = |vantage: &&Vantage| {
            let name: &VantageName = &vantage.name;
            list.value.iter().any(|listed| listed.value == *name)
        };
        Some(all.iter().filter(chosen).cloned().collect())
    }

    fn site(&self, draft: &SiteDraft, dns: Option<&DnsDraft>) -> Option<Site> {
        let kind = dns.and_then(|dns| dns.kind.as_ref()).map(|kind| kind.value);
        let (text, alias) = (draft.answer.as_ref(), draft.alias_zone.as_ref());
        let answer = dns.and_then(|dns| self.names().answer(dns, "answer", text, alias, kind));
        let Answer { value, alias_zone } = answer?;
        Some(Site {
            name: draft.name.as_ref()?.value.clone(),
            cloud: draft.cloud.as_ref()?.value.clone(),
            url: draft.url.as_ref()?.value.clone(),
            answer: value,
            alias_zone,
            health_check: draft.health_check.as_ref().map(|check| check.value.clone()),
        })
    }

    fn names(&self) -> dns::Judge<'_, 'a> {
        dns::Judge { folder: &self.folder, vault: &self.vault, report: self.report }
    }
}
